/* Configuration, then what load.c reads. Any one thread. */
#include "gslb/control/node_files.h"
#include <string.h>

void node_files_read(const char *config_path, enum load_depth depth, struct load_previous *previous,
		     struct node_files *ret)
{
	*ret = (struct node_files){.config = NULL};
	ret->config = gslb_config_load(config_path, &ret->errors);
	if (ret->config) {
		const struct node_config *node = &ret->config->node;
		const struct load_files files = {node->fleet_count, node->geo_count, node->fleet, node->geo};
		load_run(&files, depth, previous, &ret->parts, &ret->errors);
		const struct fleet *fleet = ret->parts.fleet;
		if (fleet && node->region && !fleet_get(fleet, FLEET_REGION, node->region))
			err_warn(&ret->errors, node->path, 0, 0,
				 "node.region: no region '%s' in the fleet yet", node->region);
	}
	err_sort(&ret->errors);
}

void node_files_done(struct node_files *files)
{
	gslb_config_free(files->config);
	load_parts_done(&files->parts);
	err_done(&files->errors);
	memset(files, 0, sizeof *files);
}
