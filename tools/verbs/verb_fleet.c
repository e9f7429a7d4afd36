/* The verbs that show the fleet and change it: tenants, tenant, apply, export. One thread. */
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "tools/ctl.h"
#include "tools/ctl_table.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLY_BYTES_MAX ((size_t)64 << 20)
#define TENANT_OPTIONS                                            \
	"zone: service: tier: region+ host+ domain+ state: tag+ " \
	"rate: concurrency: https: maintenance:"
#define TENANT_MORE                                                                         \
	"  --zone ZONE        the zone of its host names\n"                                 \
	"  --service SERVICE  the service that answers\n"                                   \
	"  --tier TIER        the tier whose budgets hold\n"                                \
	"  --region REGION    an allowed region; repeat for more; none given: all\n"        \
	"  --host HOST        a name relative to the zone (@ is the apex, * a wildcard);\n" \
	"                     repeat for more; none given: the tenant's id\n"               \
	"  --domain FQDN      a custom domain; repeat for more\n"                           \
	"  --state STATE      active or suspended\n"                                        \
	"  --tag TAG          repeat for more\n"                                            \
	"  --rate RATE        requests that forwarders let through, as 500/s or 100/h\n"    \
	"  --concurrency N    requests in flight at forwarders\n"                           \
	"  --https WHAT       both, or redirect: plain requests are sent to https\n"        \
	"  --maintenance on   forwarders answer 503 by themselves; off ends it\n"

/* ---- tenants ---- */

static void tenant_row(void *user, const json_t *item)
{
	static const char *const keys[] = {"id",      "zone",  "service", "tier",
					   "regions", "hosts", "state",	  "source"};
	enum { COLUMNS = sizeof keys / sizeof *keys };
	char *cells[COLUMNS];
	for (size_t i = 0; i < COLUMNS; i++)
		cells[i] = ctl_words(json_object_get(item, keys[i]));
	const char *const defaults[COLUMNS] = {
		[3] = "-", [4] = "all", [5] = json_string_value(json_object_get(item, "id")), [6] = "active"};
	for (size_t i = 0; i < COLUMNS; i++) {
		if (*cells[i] || !defaults[i])
			continue;
		free(cells[i]);
		cells[i] = xstrdup(defaults[i]);
	}
	ctl_table_take(user, CTL_TABLE_CELLS(cells));
}

static void print_table(void *user)
{
	ctl_table_print(user, 0, stdout);
}

static enum ctl_exit run_tenants(struct ctl *ctl)
{
	static const char *const heads[] = {"TENANT",  "ZONE",	"SERVICE", "TIER",
					    "REGIONS", "HOSTS", "STATE",   "SOURCE"};
	struct ctl_table table;
	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	return ctl_list(ctl, "/v1/tenants", "after", tenant_row, print_table, &table);
}

const struct ctl_verb verb_tenants = {
	.group = "Tenants and fleet",
	.words = "tenants",
	.options = CTL_LIST_OPTIONS,
	.run = run_tenants,
	.help = "the tenants",
	.more = CTL_LIST_MORE,
};

static void print_tenant(const json_t *tenant)
{
	static const char *const keys[] = {"id",   "source",  "version", "zone",	"service",
					   "tier", "regions", "hosts",	 "domains",	"state",
					   "tags", "limits",  "https",	 "maintenance", "keys"};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char *words = ctl_words(json_object_get(tenant, keys[i]));
		if (*words)
			printf("%-11s %s\n", keys[i], words);
		free(words);
	}
}

static enum ctl_exit run_tenant_show(struct ctl *ctl)
{
	char *path = ctl_path("/v1/tenants", ctl->args[0]);
	struct ctl_http_request request = {.method = "GET", .path = path};
	struct ctl_http_reply reply;
	bool is_done = ctl_call(ctl, &request, NULL, &reply);
	free(path);
	if (!is_done)
		return CTL_FAILED;
	json_t *tenant = NULL;
	if (ctl->output == CTL_JSON)
		ctl_print_reply(&reply);
	else if ((tenant = ctl_json(&reply)))
		print_tenant(tenant);
	ctl_http_reply_done(&reply);
	bool is_good = ctl->output == CTL_JSON || tenant;
	json_decref(tenant);
	return is_good ? CTL_DONE : CTL_FAILED;
}

const struct ctl_verb verb_tenant_show = {
	.group = "Tenants and fleet",
	.words = "tenant show",
	.args = "ID",
	.least = 1,
	.most = 1,
	.run = run_tenant_show,
	.help = "one tenant",
};

/* Overwrites the keys of the tenant that options name. An empty value removes its key. */
static void set_from_options(const struct ctl *ctl, json_t *tenant)
{
	static const struct {
		const char *option, *key;
		bool is_list;
	} keys[] = {{"zone", "zone", false},	 {"service", "service", false}, {"tier", "tier", false},
		    {"state", "state", false},	 {"region", "regions", true},	{"host", "hosts", true},
		    {"domain", "domains", true}, {"tag", "tags", true},		{"https", "https", false}};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		size_t at = 0;
		const char *value = ctl_option_next(ctl, keys[i].option, &at);
		if (!value)
			continue;
		if (!keys[i].is_list) {
			if (*value)
				json_object_set_new(tenant, keys[i].key, json_text(value));
			else
				json_object_del(tenant, keys[i].key);
			continue;
		}
		json_t *list = json_array();
		for (; value; value = ctl_option_next(ctl, keys[i].option, &at))
			if (*value)
				json_array_append_new(list, json_text(value));
		if (json_array_size(list) > 0)
			json_object_set(tenant, keys[i].key, list);
		else
			json_object_del(tenant, keys[i].key);
		json_decref(list);
	}
}

/* Texts that are whole numbers go as numbers; what else they are the server says. */
static json_t *number_or_text(const char *text)
{
	uint64_t number;

	return text_to_uint(text, &number) && number <= INT64_MAX ? json_integer((json_int_t)number)
								  : json_text(text);
}

/* The same of what stands in the tenant's limits. */
static void set_limits_from_options(const struct ctl *ctl, json_t *tenant)
{
	static const char *const keys[] = {"rate", "concurrency"};
	json_t *limits = json_incref(json_object_get(tenant, "limits"));

	limits = limits ? limits : json_object();
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const char *value = ctl_option(ctl, keys[i]);
		if (value && *value)
			json_object_set_new(limits, keys[i], number_or_text(value));
		else if (value)
			json_object_del(limits, keys[i]);
	}
	if (json_object_size(limits) > 0)
		json_object_set(tenant, "limits", limits);
	else
		json_object_del(tenant, "limits");
	json_decref(limits);
}

static bool is_on_or_off(const char *value)
{
	return !value || strcmp(value, "on") == 0 || strcmp(value, "off") == 0;
}

static void set_forwarding_from_options(const struct ctl *ctl, json_t *tenant)
{
	const char *maintenance = ctl_option(ctl, "maintenance");

	assert(is_on_or_off(maintenance));
	set_limits_from_options(ctl, tenant);
	if (!maintenance)
		return;
	if (strcmp(maintenance, "off") == 0)
		json_object_del(tenant, "maintenance");
	else if (!json_object_get(tenant, "maintenance")) /* its own page stays */
		json_object_set_new(tenant, "maintenance", json_true());
}

/* Sends the whole tenant under a condition, so that it overwrites no change that somebody made in between. */
static enum ctl_exit put_tenant(struct ctl *ctl, const char *path, json_t *tenant, const char *condition,
				const char *what)
{
	char *text = json_dumps(tenant, JSON_COMPACT);
	assert(text && ctl->arg_count == 1);
	struct ctl_http_request request = {
		.method = "PUT",
		.path = path,
		.body = text,
		.length = strlen(text),
		.content_type = "application/json",
		.condition = condition,
	};
	struct ctl_http_reply reply;
	bool is_done = ctl_call(ctl, &request, NULL, &reply);
	free(text);
	if (!is_done)
		return CTL_FAILED;
	if (ctl->output == CTL_JSON)
		ctl_print_reply(&reply);
	else
		printf("%s: %s\n", ctl->args[0], what);
	ctl_http_reply_done(&reply);
	return CTL_DONE;
}

static enum ctl_exit run_tenant_add(struct ctl *ctl)
{
	if (!ctl_option(ctl, "zone") || !ctl_option(ctl, "service"))
		return ctl_usage(ctl, "tenant add needs --zone and --service");
	if (!is_on_or_off(ctl_option(ctl, "maintenance")))
		return ctl_usage(ctl, "--maintenance %s: one of on, off", ctl_option(ctl, "maintenance"));
	char *path = ctl_path("/v1/tenants", ctl->args[0]);
	struct ctl_http_request request = {.method = "GET", .path = path};
	struct ctl_http_reply reply;
	bool is_missing;
	enum ctl_exit code = CTL_FAILED;
	if (ctl_call_or_missing(ctl, &request, &reply, &is_missing)) {
		ctl_http_reply_done(&reply);
		fprintf(stderr, "gslbctl: tenant '%s' exists; 'tenant set' changes it\n", ctl->args[0]);
	} else if (is_missing) {
		json_t *tenant = json_object();
		set_from_options(ctl, tenant);
		set_forwarding_from_options(ctl, tenant);
		code = put_tenant(ctl, path, tenant, "If-None-Match: *", "added");
		json_decref(tenant);
	}
	free(path);
	return code;
}

const struct ctl_verb verb_tenant_add = {
	.group = "Tenants and fleet",
	.words = "tenant add",
	.args = "ID --zone ZONE --service SERVICE",
	.options = TENANT_OPTIONS,
	.least = 1,
	.most = 1,
	.run = run_tenant_add,
	.help = "a new tenant; its name is answered at once",
	.more = TENANT_MORE "\n"
			    "  gslbctl tenant add acme --zone app.example.net --service shop --region eu\n",
};

static enum ctl_exit run_tenant_set(struct ctl *ctl)
{
	if (ctl->option_count == 0)
		return ctl_usage(ctl, "tenant set needs something to change");
	if (!is_on_or_off(ctl_option(ctl, "maintenance")))
		return ctl_usage(ctl, "--maintenance %s: one of on, off", ctl_option(ctl, "maintenance"));
	char *path = ctl_path("/v1/tenants", ctl->args[0]);
	struct ctl_http_request request = {.method = "GET", .path = path};
	struct ctl_http_reply reply;
	enum ctl_exit code = CTL_FAILED;
	json_t *tenant = NULL;
	if (ctl_call(ctl, &request, NULL, &reply)) {
		tenant = ctl_json(&reply);
		ctl_http_reply_done(&reply);
	}
	if (tenant) {
		char *condition =
			xasprintf("If-Match: \"%s\"", json_string_value(json_object_get(tenant, "version")));
		json_object_del(tenant, "id");
		json_object_del(tenant, "source");
		json_object_del(tenant, "version");
		set_from_options(ctl, tenant);
		set_forwarding_from_options(ctl, tenant);
		code = put_tenant(ctl, path, tenant, condition, "changed");
		free(condition);
		json_decref(tenant);
	}
	free(path);
	return code;
}

const struct ctl_verb verb_tenant_set = {
	.group = "Tenants and fleet",
	.words = "tenant set",
	.args = "ID",
	.options = TENANT_OPTIONS,
	.least = 1,
	.most = 1,
	.run = run_tenant_set,
	.help = "change what is given, keep the rest",
	.more = TENANT_MORE
	"\n"
	"A repeated option replaces the whole list; --region '' (or --host '', …) empties it,\n"
	"and --tier '' takes the tier away, --rate '' the tenant's own rate.\n"
	"\n"
	"  gslbctl tenant set acme --region eu --region us\n",
};

static enum ctl_exit run_tenant_remove(struct ctl *ctl)
{
	char *path = ctl_path("/v1/tenants", ctl->args[0]);
	char *done = xasprintf("%s: removed", ctl->args[0]);
	enum ctl_exit code = ctl_change(ctl, "DELETE", path, NULL, done);
	free(done);
	free(path);
	return code;
}

const struct ctl_verb verb_tenant_remove = {
	.group = "Tenants and fleet",
	.words = "tenant remove",
	.args = "ID",
	.least = 1,
	.most = 1,
	.run = run_tenant_remove,
	.help = "remove a tenant",
};

/* ---- documents ---- */

static enum ctl_exit print_applied(const struct ctl *ctl, const struct ctl_http_reply *reply, bool is_dry,
				   const char *source)
{
	if (ctl->output == CTL_JSON) {
		ctl_print_reply(reply);
		return CTL_DONE;
	}
	json_t *counts = ctl_json(reply);
	if (!counts)
		return CTL_FAILED;
	static const char *const keys[] = {"added", "changed", "removed", "unchanged"};
	printf("%s", is_dry ? "would be: " : "");
	for (size_t i = 0; i < 4; i++)
		printf("%s%lld %s", i ? ", " : "",
		       (long long)json_integer_value(json_object_get(counts, keys[i])), keys[i]);
	putchar('\n');
	ctl_print_warnings(counts, source);
	json_decref(counts);
	return CTL_DONE;
}

static enum ctl_exit run_apply(struct ctl *ctl)
{
	const char *file = ctl_option(ctl, "file");
	bool is_dry = ctl_option(ctl, "dry-run") != NULL, prunes = ctl_option(ctl, "prune") != NULL;
	if (!file)
		return ctl_usage(ctl, "apply needs -f FILE");
	size_t length;
	char *text = ctl_file_read(file, APPLY_BYTES_MAX, "apply it in parts, or name it in fleet:", &length);
	if (!text)
		return CTL_FAILED;
	const char *ending = strrchr(file, '.');
	char *path = xasprintf("/v1/apply?dry_run=%s&prune=%s", is_dry ? "true" : "false",
			       prunes ? "true" : "false");
	struct ctl_http_request request = {
		.method = "POST",
		.path = path,
		.body = text,
		.length = length,
		.content_type =
			ending && strcmp(ending, ".json") == 0 ? "application/json" : "application/yaml",
	};
	struct ctl_http_reply reply;
	const char *source = strcmp(file, "-") == 0 ? "standard input" : file;
	bool is_done = ctl_call(ctl, &request, source, &reply);
	free(path);
	free(text);
	if (!is_done)
		return CTL_FAILED;
	enum ctl_exit code = print_applied(ctl, &reply, is_dry, source);
	ctl_http_reply_done(&reply);
	return code;
}

const struct ctl_verb verb_apply = {
	.group = "Tenants and fleet",
	.words = "apply",
	.args = "-f FILE",
	.options = "file@ prune dry-run",
	.run = run_apply,
	.help = "bring in a fleet document, whole or not at all",
	.more = "  -f, --file FILE  YAML or JSON; - reads standard input\n"
		"  --prune          also remove objects, of the kinds that FILE names, that it does not\n"
		"                   name\n"
		"  --dry-run        only count what would change\n",
};

static enum ctl_exit run_export(struct ctl *ctl)
{
	const char *source = ctl_option(ctl, "source");
	if (source && strcmp(source, "all") != 0 && strcmp(source, "store") != 0)
		return ctl_usage(ctl, "--source %s: one of store, all", source);
	char *path = xasprintf("/v1/export%s%s", source ? "?source=" : "", source ? source : "");
	struct ctl_http_request request = {.method = "GET", .path = path};
	struct ctl_http_reply reply;
	bool is_done = ctl_call(ctl, &request, NULL, &reply);
	free(path);
	if (!is_done)
		return CTL_FAILED;
	ctl_print_reply(&reply);
	ctl_http_reply_done(&reply);
	return CTL_DONE;
}

const struct ctl_verb verb_export = {
	.group = "Tenants and fleet",
	.words = "export",
	.options = "source:",
	.run = run_export,
	.help = "the fleet as YAML",
	.more = "  --source store|all  what came by the API (store, the default), or the files' objects\n"
		"                      too\n",
};
