/* The verb that shows what regions have to do: load. One thread. */
#include "lib/mem.h"
#include "tools/ctl.h"
#include "tools/ctl_table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *percent(const json_t *part)
{
	return xasprintf("%.0f%%", json_number_value(part) * 100);
}

/* "fresh", or how old the last values are. */
static char *age_words(const json_t *region)
{
	char age[32];
	json_int_t age_ms = json_integer_value(json_object_get(region, "age_ms"));
	if (age_ms == 0)
		return xstrdup("fresh");
	ctl_table_duration((uint64_t)age_ms, age);
	return xasprintf("silent for %s", age);
}

static void print_load(const json_t *reply)
{
	static const char *const heads[] = {"REGION", "SERVICE", ">ORIGINS",	">CURRENT",  ">TARGET",
					    ">MAX",   ">SHEDS",	 ">FORWARDERS", ">DRAINING", "REPORTS"};
	const json_t *regions = json_object_get(reply, "regions");
	struct ctl_table table;
	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	for (size_t i = 0; i < json_array_size(regions); i++) {
		const json_t *region = json_array_get(regions, i);
		char *cells[] = {ctl_words(json_object_get(region, "region")),
				 ctl_words(json_object_get(region, "service")),
				 percent(json_object_get(region, "scale")),
				 ctl_words(json_object_get(region, "current")),
				 ctl_words(json_object_get(region, "target")),
				 ctl_words(json_object_get(region, "max")),
				 percent(json_object_get(region, "shed")),
				 ctl_words(json_object_get(region, "forwarders")),
				 ctl_words(json_object_get(region, "draining")),
				 age_words(region)};
		ctl_table_take(&table, CTL_TABLE_CELLS(cells));
	}
	ctl_table_print(&table, 0, stdout);
}

/* The path with one parameter more; takes over `path`. */
static char *with_option(const struct ctl *ctl, char *path, const char *name)
{
	const char *value = ctl_option(ctl, name);
	if (!value)
		return path;
	char *escaped = ctl_path("", value);
	char *whole = xasprintf("%s%s%s=%s", path, strchr(path, '?') ? "&" : "?", name, escaped + 1);
	free(escaped);
	free(path);
	return whole;
}

static enum ctl_exit run_load(struct ctl *ctl)
{
	char *path = with_option(ctl, with_option(ctl, xstrdup("/v1/load"), "region"), "service");
	struct ctl_http_request request = {.method = "GET", .path = path};
	struct ctl_http_reply reply;
	bool is_answered = ctl_call(ctl, &request, NULL, &reply);
	free(path);
	if (!is_answered)
		return CTL_FAILED;
	json_t *json = ctl->output == CTL_JSON ? NULL : ctl_json(&reply);
	enum ctl_exit code = ctl->output == CTL_JSON || json ? CTL_DONE : CTL_FAILED;
	if (ctl->output == CTL_JSON)
		ctl_print_reply(&reply);
	else if (json)
		print_load(json);
	json_decref(json);
	ctl_http_reply_done(&reply);
	return code;
}

const struct ctl_verb verb_load = {
	.group = "Look",
	.words = "load",
	.options = "region: service:",
	.run = run_load,
	.help = "what forwarders report: usable origins, requests in flight, what regions shed",
	.more = "  --region R   only this region\n"
		"  --service S  only this service\n",
};
