/* schema: prints the JSON Schemas by which editors and pipelines check node.yaml and fleet documents. One
 * thread. */
#include "tools/ctl.h"
#include "tools/ctl_schema.h"
#include <stdio.h>
#include <string.h>

static enum ctl_exit run_schema(struct ctl *ctl)
{
	const char *which = ctl->arg_count ? ctl->args[0] : "fleet";
	if (strcmp(which, "node") != 0 && strcmp(which, "fleet") != 0)
		return ctl_usage(ctl, "schema %s: one of node, fleet", which);
	fputs(strcmp(which, "node") == 0 ? ctl_schema_node : ctl_schema_fleet, stdout);
	return CTL_DONE;
}

const struct ctl_verb verb_schema = {
	.group = "Tenants and fleet",
	.words = "schema",
	.args = "[node|fleet]",
	.most = 1,
	.run = run_schema,
	.help = "JSON Schema of node.yaml or of fleet documents",
	.more = "Draft 2020-12, for editors and pipelines; fleet when neither is named. References\n"
		"between objects are what 'check' looks at.\n"
		"\n"
		"  gslbctl schema fleet > fleet.schema.json\n",
};
