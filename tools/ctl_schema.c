/* schema: what an editor or a pipeline needs to check node.yaml and fleet documents by itself. One thread. */
#include "tools/ctl_schema.h"
#include "tools/ctl.h"
#include <stdio.h>
#include <string.h>

enum ctl_exit ctl_schema(struct ctl *ctl)
{
	const char *which = ctl->arg_count ? ctl->args[0] : "fleet";
	if (strcmp(which, "node") != 0 && strcmp(which, "fleet") != 0)
		return ctl_usage(ctl, "schema %s: one of node, fleet", which);
	fputs(strcmp(which, "node") == 0 ? ctl_schema_node : ctl_schema_fleet, stdout);
	return CTL_DONE;
}
