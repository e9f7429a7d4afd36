/* node.yaml of gslbd, put together from its sections. Control thread. */
#include "gslb/control/gslb_config.h"
#include "gslb/control/config_dns.h"
#include "lib/mem.h"
#include <stdlib.h>

static void read_notify(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct gslb_config *config = target;
	notify_settings_read(reader, value, config->node.path, &config->notify);
}

static void finish(const struct doc_reader *reader, struct node_config *node)
{
	config_dns_finish((struct gslb_config *)node);
}

struct gslb_config *gslb_config_load(const char *path, struct err_list *errors)
{
	static const struct doc_key gslb_keys[] = {{"dns", config_dns_read, true},
						   {"notify", read_notify},
						   {"control", config_read_foreign},
						   {"forwarder", config_read_foreign},
						   {NULL}};
	static const struct config_sections sections = {gslb_keys, finish};
	struct gslb_config *config = xcalloc(1, sizeof *config);
	config_dns_init(config);
	if (config_read(&config->node, path, &sections, errors))
		return config;
	gslb_config_free(config);
	return NULL;
}

void gslb_config_free(struct gslb_config *config)
{
	if (!config)
		return;
	config_done(&config->node);
	config_dns_done(config);
	notify_settings_done(&config->notify);
	free(config);
}

const char *gslb_config_restart_only_difference(const struct gslb_config *a, const struct gslb_config *b)
{
	const char *key = config_restart_only_difference(&a->node, &b->node);
	return key ? key : config_dns_restart_only_difference(a, b);
}
