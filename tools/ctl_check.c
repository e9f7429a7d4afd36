/* check FILE: what gslbd would say of node.yaml or of a fleet document, without a node. One thread. */
#include "fleet/fleet.h"
#include "gslb/control/control.h"
#include "tools/ctl.h"
#include <stdio.h>
#include <string.h>

static bool is_node_file(const struct doc *doc)
{
	static const char *const keys[] = {"node", "bus", "fleet", "geo", "dns", "admin", "probes"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (doc->root->kind == DOC_MAPPING && doc_get(doc->root, keys[i]))
			return true;
	return false;
}

enum ctl_exit ctl_check(struct ctl *ctl)
{
	struct err_list errors = {0};
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	for (size_t i = 0; i < ctl->arg_count; i++) {
		struct doc *doc = doc_from_file(ctl->args[i], &errors);
		if (doc && is_node_file(doc))
			control_check(ctl->args[i], &errors);
		else if (doc)
			fleet_change_add_document(change, doc, &errors);
		doc_free(doc);
	}
	/* Also with errors: what is wrong between the documents is told in the same pass. */
	struct fleet *fleet = fleet_new();
	struct fleet_result result = {0};
	fleet_apply(fleet, change, 1, true, &result, &errors);
	fleet_result_done(&result);
	fleet_free(fleet);
	fleet_change_free(change);
	bool is_good = !err_has_errors(&errors);
	err_sort(&errors);
	err_print(&errors, stderr);
	err_done(&errors);
	if (is_good && ctl->output == CTL_TABLE)
		puts(ctl->arg_count == 1 ? "good" : "all good");
	return is_good ? CTL_DONE : CTL_FAILED;
}
