/* node.yaml → settings (reference/configuration.md, "node.yaml"). Control thread. */
#include "gslb/control/config.h"
#include "gslb/control/config_internal.h"
#include "lib/gcra.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include "lib/text.h"
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define RESOLVERS_MAX 16
#define FILES_MAX 4096 /* fleet and geo files each */

/* ---- paths ---- */

static char *resolve(const char *directory_of, const char *path)
{
	const char *slash = strrchr(directory_of, '/');

	if (path[0] == '/' || slash == NULL)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - directory_of), directory_of, path);
}

static bool read_path(const struct doc_reader *reader, const struct doc_node *value, const char **ret)
{
	if (!doc_read_text(reader, value, "a path", ret))
		return false;
	if ((*ret)[0] != '\0')
		return true;
	doc_err(reader->errors, reader->doc, value, "must be a path, not empty");
	return false;
}

static void read_paths(const struct doc_reader *reader, const struct doc_node *value, const char *file,
		       char ***ret, size_t *ret_count)
{
	const char *path;

	if (!doc_read_is_sequence(reader, value, "a list of paths"))
		return;
	if (value->count > FILES_MAX) {
		doc_err(reader->errors, reader->doc, value, "lists %u files; at most %d", value->count,
			FILES_MAX);
		return;
	}
	*ret = xcalloc(value->count + 1, sizeof(**ret));
	for (const struct doc_node *item = value->first; item != NULL; item = item->next)
		if (read_path(reader, item, &path))
			(*ret)[(*ret_count)++] = resolve(file, path);
}

static void read_fleet(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;

	read_paths(reader, value, config->path, &config->fleet, &config->fleet_count);
}

static void read_geo(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;

	read_paths(reader, value, config->path, &config->geo, &config->geo_count);
}

/* ---- node, bus ---- */

static void read_name(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *id;

	if (doc_read_id(reader, value, &id))
		((struct draft *)target)->config->name = xstrdup(id);
}

static void read_region(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *id;

	if (doc_read_id(reader, value, &id))
		((struct draft *)target)->config->region = xstrdup(id);
}

static void read_state_dir(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;
	const char *path;

	if (read_path(reader, value, &path))
		config->state_dir = resolve(config->path, path);
}

/* Kept as c-ares takes them: "127.0.0.1:53,[::1]:53". */
static void read_resolvers(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;
	struct listen_address address;
	char quoted[TEXT_QUOTE_MAX], written[64];
	const char *text;

	if (!doc_read_is_sequence(reader, value, "a list of addresses, as [\"127.0.0.1@53\"]"))
		return;
	if (value->count < 1 || value->count > RESOLVERS_MAX) {
		doc_err(reader->errors, reader->doc, value, "lists %u resolvers; 1 to %d are needed",
			value->count, RESOLVERS_MAX);
		return;
	}
	for (const struct doc_node *item = value->first; item != NULL; item = item->next) {
		if (!doc_read_text(reader, item, "an address such as 127.0.0.1@53", &text))
			continue;
		text_quote(text, quoted);
		if (!listen_parse_dns(text, &address) || strcmp(strrchr(text, '@'), "@0") == 0) {
			doc_err(reader->errors, reader->doc, item,
				"%s must be an address and a port, as 127.0.0.1@53 or \"::1@53\"", quoted);
			continue;
		}
		listen_format((const struct sockaddr *)&address.sockaddr, false, written);
		char *longer = xasprintf("%s%s%s", config->resolvers ? config->resolvers : "",
					 config->resolvers ? "," : "", written);
		free(config->resolvers);
		config->resolvers = longer;
	}
}

static const struct doc_key node_keys[] = {
	{"name", read_name, true},
	{"region", read_region},
	{"state_dir", read_state_dir, true},
	{"resolvers", read_resolvers},
	{NULL},
};

static void read_node(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_mapping(reader, value, node_keys, target);
}

static void read_bus(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	if (value->kind != DOC_SCALAR || strcmp(value->text, "embedded") != 0)
		doc_read_unsupported(reader, value, "a bus other than embedded");
}

/* ---- admin, probes ---- */

static void read_socket(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;

	if (read_path(reader, value, &draft->socket))
		draft->socket_node = value;
}

static void read_http(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_text(reader, value, "an address such as 127.0.0.1:8053", &text))
		return;
	text_quote(text, quoted);
	if (!listen_parse_http(text, &config->admin_http)) {
		doc_err(reader->errors, reader->doc, value,
			"%s must be an address and a port, as 127.0.0.1:8053 or \"[::1]:8053\"", quoted);
		return;
	}
	if (!listen_is_loopback(&config->admin_http)) {
		doc_err(reader->errors, reader->doc, value,
			"%s must be a loopback address: it is plain HTTP without authentication", quoted);
		return;
	}
	config->has_admin_http = true;
	config->admin_http_written = xstrdup(text);
}

static const struct doc_key admin_keys[] = {
	{"socket", read_socket}, {"http", read_http}, {"https", NULL}, {NULL}};

static void read_admin(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_mapping(reader, value, admin_keys, target);
}

static void read_vantage(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *id;

	if (doc_read_id(reader, value, &id))
		((struct draft *)target)->config->vantage = xstrdup(id);
}

static void read_exec(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	bool is_allowed;

	if (doc_read_bool(reader, value, &is_allowed) && is_allowed)
		doc_read_unsupported(reader, value, "exec: true");
}

static void read_concurrency(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t count;

	if (doc_read_uint(reader, value, 1, 10000, &count))
		((struct draft *)target)->config->probe_concurrency = (unsigned)count;
}

static const struct doc_key probe_keys[] = {
	{"vantage", read_vantage, true}, {"exec", read_exec}, {"concurrency", read_concurrency}, {NULL}};

static void read_probes(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct draft *)target)->config->has_probes = true;
	doc_read_mapping(reader, value, probe_keys, target);
}

static void read_notify(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;

	notify_settings_read(reader, value, config->path, &config->notify);
}

/* ---- the file ---- */

static const struct doc_key config_keys[] = {
	{"node", read_node, true},
	{"bus", read_bus},
	{"fleet", read_fleet},
	{"geo", read_geo},
	{"dns", config_read_dns, true},
	{"admin", read_admin},
	{"probes", read_probes},
	{"notify", read_notify},
	{"control", NULL},
	{"forwarder", NULL},
	{NULL},
};

/* The kernel's limit on the path of a Unix socket, its final NUL included (unix(7)). */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static void fill_random_secret(uint8_t secret[static 16])
{
	struct rng rng;

	rng_seed_from_system(&rng);
	memcpy(secret, rng.s, sizeof(rng.s));
}

static void finish(const struct doc_reader *reader, struct draft *draft)
{
	struct node_config *config = draft->config;
	struct serve_settings *settings = &config->settings;

	if (draft->nsid == NULL && config->name != NULL) {
		settings->nsid_length = (uint8_t)strlen(config->name); /* an id: at most 63 */
		memcpy(settings->nsid, config->name, settings->nsid_length);
	}
	settings->rrl_interval_ns = gcra_interval_ns(draft->rrl_rate, config->workers);
	if (config->state_dir == NULL)
		return;
	if (draft->socket[0] == '/')
		config->admin_socket = xstrdup(draft->socket);
	else
		config->admin_socket = xasprintf("%s/%s", config->state_dir, draft->socket);
	if (strlen(config->admin_socket) <= SOCKET_PATH_MAX)
		return;
	const struct doc_node *node = draft->socket_node;
	if (node == NULL)
		node = doc_get(doc_get(reader->doc->root, "node"), "state_dir");
	doc_err(reader->errors, reader->doc, node,
		"the admin socket '%s' would have a path of %zu octets; at most %zu are possible",
		config->admin_socket, strlen(config->admin_socket), SOCKET_PATH_MAX);
}

struct node_config *config_load(const char *path, struct err_list *errors)
{
	struct doc *doc = doc_from_file(path, errors);

	if (doc == NULL)
		return NULL;
	struct node_config *config = xcalloc(1, sizeof(*config));
	struct doc_reader reader = {.doc = doc, .errors = errors};
	struct draft draft = {.config = config, .socket = "gslb.sock"};
	config->path = xstrdup(path);
	config->workers = 1;
	config->socket_buffer_bytes = 4 << 20;
	config->start_wait_ms = 10000;
	config->probe_concurrency = 512;
	config->settings = (struct serve_settings){.edns_size = 1232,
						   .ecs = true,
						   .tcp_connections = 4096,
						   .tcp_per_client = 256,
						   .tcp_idle_ms = 10000};
	config->has_random_cookie_secret = true;
	config->settings.cookie_secret_count = 1;
	fill_random_secret(config->settings.cookie_secrets[0]);
	doc_read_mapping(&reader, doc->root, config_keys, &draft);
	finish(&reader, &draft);
	doc_free(doc);
	return config;
}

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

void config_free(struct node_config *config)
{
	if (config == NULL)
		return;
	free_texts(config->fleet, config->fleet_count);
	free_texts(config->geo, config->geo_count);
	free_texts(config->listen_written, config->listen_count);
	free(config->listen);
	free(config->path);
	free(config->name);
	free(config->region);
	free(config->state_dir);
	free(config->resolvers);
	free(config->admin_socket);
	free(config->admin_http_written);
	free(config->vantage);
	notify_settings_done(&config->notify);
	free(config);
}

static bool is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_listen(const struct node_config *a, const struct node_config *b)
{
	if (a->listen_count != b->listen_count)
		return false;
	for (size_t i = 0; i < a->listen_count; i++)
		if (strcmp(a->listen_written[i], b->listen_written[i]) != 0)
			return false;
	return true;
}

/* `bus` has one value in this build. */
const char *config_restart_only_difference(const struct node_config *a, const struct node_config *b)
{
	if (!is_same_text(a->name, b->name) || !is_same_text(a->region, b->region) ||
	    !is_same_text(a->state_dir, b->state_dir) || !is_same_text(a->resolvers, b->resolvers))
		return "node";
	if (!is_same_listen(a, b))
		return "dns.listen";
	if (a->workers_auto != b->workers_auto || (!a->workers_auto && a->workers != b->workers))
		return "dns.workers";
	if (a->pins_cpus != b->pins_cpus)
		return "dns.pin_cpus";
	if (a->socket_buffer_bytes != b->socket_buffer_bytes)
		return "dns.socket_buffer";
	return NULL;
}
