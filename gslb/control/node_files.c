/* Configuration, then what load.c reads. Any one thread. */
#include "gslb/control/node_files.h"
#include "gslb/compile/load_warn.h"
#include <assert.h>
#include <string.h>

static bool has_check(const struct fleet_service *service)
{
	if (service->check)
		return true;
	for (size_t r = 0; r < service->vip_region_count; r++)
		for (size_t v = 0; v < service->vips[r].written_count; v++)
			if (service->vips[r].written[v].check)
				return true;
	return false;
}

static void warn_of_checks(struct node_files *files)
{
	const struct node_config *node = &files->config->node;
	const struct fleet_object *object;
	size_t count = 0;
	if (node->has_probes)
		return;
	for (size_t at = 0; (object = fleet_next(files->parts.fleet, FLEET_SERVICE, &at));)
		count += has_check((const struct fleet_service *)object);
	if (count > 0)
		err_warn(
			&files->errors, node->path, 0, 0,
			"no 'probes': nobody runs the checks of %zu service%s, so that a VIP that is down is "
			"answered like one that is up",
			count, count == 1 ? "" : "s");
}

void node_files_warn(struct node_files *files)
{
	assert(files->config && !err_has_errors(&files->errors));
	warn_of_checks(files);
	load_warn(&files->parts, &files->errors);
	err_sort(&files->errors);
}

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
	if (depth == LOAD_CHECK && !err_has_errors(&ret->errors))
		node_files_warn(ret);
	err_sort(&ret->errors);
}

void node_files_done(struct node_files *files)
{
	gslb_config_free(files->config);
	load_parts_done(&files->parts);
	err_done(&files->errors);
	memset(files, 0, sizeof *files);
}
