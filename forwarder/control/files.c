/* See the header. Any one thread. */
#include "forwarder/control/files.h"
#include "lib/doc.h"
#include <string.h>

static struct fleet *read_fleet(const struct node_config *node, struct err_list *errors)
{
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	struct fleet *fleet = fleet_new();
	struct fleet_result result = {0};

	for (size_t i = 0; i < node->fleet_count; i++) {
		struct doc *doc = doc_from_file(node->fleet[i], errors);
		if (doc)
			fleet_change_add_document(change, doc, errors);
		else
			fleet_change_set_incomplete(change);
		doc_free(doc);
	}
	/* Also with errors: what is wrong between the documents is reported in the same pass. */
	bool is_applied = fleet_apply(fleet, change, 0, false, &result, errors);
	fleet_result_done(&result);
	fleet_change_free(change);
	if (is_applied && !err_has_errors(errors))
		return fleet;
	fleet_free(fleet);
	return NULL;
}

void files_read(const char *config_path, struct files *ret)
{
	*ret = (struct files){.config = NULL};
	ret->config = forwarder_config_load(config_path, &ret->errors);
	if (ret->config && !ret->config->control_api) {
		const struct node_config *node = &ret->config->node;
		ret->fleet = read_fleet(node, &ret->errors);
		if (ret->fleet)
			fleet_warn(ret->fleet, &ret->errors);
		if (ret->fleet && node->region && !fleet_get(ret->fleet, FLEET_REGION, node->region))
			err_warn(&ret->errors, node->path, 0, 0,
				 "node.region: no region '%s' in the fleet yet", node->region);
	}
	err_sort(&ret->errors);
}

void files_done(struct files *files)
{
	forwarder_config_free(files->config);
	fleet_free(files->fleet);
	err_done(&files->errors);
	memset(files, 0, sizeof *files);
}
