/* The verbs that look at a node: status, regions, vips, audit; and reload. One thread. */
#include "lib/mem.h"
#include "lib/text.h"
#include "tools/ctl.h"
#include "tools/ctl_table.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- status ---- */

static void print_geo(const json_t *geo)
{
	static const char *const heads[] = {"GEO FILE", "BUILT", ">PREFIXES"};
	struct ctl_table table;
	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	for (size_t i = 0; i < json_array_size(geo); i++) {
		const json_t *file = json_array_get(geo, i);
		char *cells[] = {ctl_words(json_object_get(file, "file")),
				 ctl_words(json_object_get(file, "built")),
				 ctl_words(json_object_get(file, "prefixes"))};
		ctl_table_take(&table, CTL_TABLE_CELLS(cells));
	}
	if (table.rows == 0)
		return;
	putchar('\n');
	ctl_table_print(&table, 0, stdout);
}

static void print_row(const char *label, char *text)
{
	if (*text)
		printf("%-12s %s\n", label, text);
	free(text);
}

/* "open, heard 3s ago"; "lost: connection refused"; "" for files. */
static char *feed_words(const json_t *feed)
{
	char *state = ctl_words(json_object_get(feed, "state")),
	     *problem = ctl_words(json_object_get(feed, "problem"));
	const json_t *heard = json_object_get(feed, "heard_s");
	char age[32] = "";

	if (json_is_integer(heard))
		ctl_table_duration((uint64_t)json_integer_value(heard) * 1000, age);
	char *words = xasprintf("%s%s%s%s%s%s", state, *problem ? ": " : "", problem, *age ? ", heard " : "",
				age, *age ? " ago" : "");
	free(state);
	free(problem);
	return words;
}

/* Of forwarderd: the rows that only it has. */
static void print_forwarder(const json_t *status)
{
	static const char *const rows[] = {"hosts", "policies", "services",
					   "pools", "origins",	"connections"};
	const json_t *listeners = json_object_get(status, "listeners");

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		print_row(rows[i], ctl_words(json_object_get(status, rows[i])));
	print_row("http", ctl_words(json_object_get(listeners, "http")));
	print_row("https", ctl_words(json_object_get(listeners, "https")));
	print_row("admin", ctl_words(json_object_get(listeners, "admin")));
	print_row("socket", ctl_words(json_object_get(listeners, "socket")));
	print_row("gslbd", feed_words(json_object_get(status, "feed")));
}

static void print_status(const json_t *status)
{
	assert(json_is_object(status));
	bool is_forwarder = json_object_get(status, "connections") != NULL;
	static const struct {
		const char *key, *label;
	} rows[] = {{"node", "node"},	{"region", "region"},	{"version", "version"},
		    {"ready", "ready"}, {"epoch", "epoch"},	{"fleet_version", "fleet"},
		    {"zones", "zones"}, {"tenants", "tenants"}, {"bus", "bus"}};
	print_row("what",
		  xstrdup(is_forwarder ? "forwarderd: forwards requests to origins" : "gslbd: answers DNS"));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		print_row(rows[i].label, ctl_words(json_object_get(status, rows[i].key)));
	char uptime[32]; /* of the process, not of the machine */
	ctl_table_duration((uint64_t)(json_number_value(json_object_get(status, "uptime_s")) * 1000), uptime);
	printf("%-12s %s\n", "up for", uptime);
	if (is_forwarder) {
		print_forwarder(status);
		return;
	}
	const json_t *listeners = json_object_get(status, "listeners");
	print_row("dns", ctl_words(json_object_get(listeners, "dns")));
	print_row("http", ctl_words(json_object_get(listeners, "http")));
	print_row("socket", ctl_words(json_object_get(listeners, "socket")));
	const json_t *evidence = json_object_get(status, "evidence");
	const char *state =
		json_is_true(json_object_get(evidence, "frozen")) ? "evidence frozen" : "evidence fresh";
	if (json_is_null(json_object_get(status, "vantage")))
		state = "nobody probes (no 'probes' in node.yaml)";
	print_row("health", xasprintf("%s, %lld unknown", state,
				      (long long)json_integer_value(json_object_get(evidence, "unknown"))));
	print_geo(json_object_get(status, "geo"));
}

/* Gets `path` and prints the reply: as it came with -o json, else by `print`. */
static enum ctl_exit show(struct ctl *ctl, const char *path, void (*print)(const json_t *reply))
{
	struct ctl_http_request request = {.method = "GET", .path = path};
	return ctl_show(ctl, &request, print);
}

static enum ctl_exit run_status(struct ctl *ctl)
{
	return show(ctl, "/v1/status", print_status);
}

const struct ctl_verb verb_status = {
	.group = "Look",
	.words = "status",
	.run = run_status,
	.help = "what this is: ready, sizes, listeners; of gslbd or of forwarderd",
};

/* ---- lists ---- */

static void print_table(void *user)
{
	ctl_table_print(user, 0, stdout);
}

/* "50% until 2026-01-31T12:00:00Z: new kernel"; "" for none. */
static char *control_words(const json_t *control)
{
	const json_t *share = json_object_get(control, "share");
	char *share_text = json_is_integer(share) ? xasprintf("%lld%%", (long long)json_integer_value(share))
						  : ctl_words(share);
	char *until = ctl_words(json_object_get(control, "until"));
	char *reason = ctl_words(json_object_get(control, "reason"));
	char *words = xasprintf("%s%s%s%s%s", share_text, *until ? " until " : "", until, *reason ? ": " : "",
				reason);
	free(share_text);
	free(until);
	free(reason);
	return words;
}

/* The region's own control and those of its services. */
static char *controls_words(const json_t *region)
{
	char *words = control_words(json_object_get(region, "control"));
	const char *service;
	json_t *control;
	json_object_foreach (json_object_get(region, "service_controls"), service, control) {
		char *own = control_words(control);
		char *longer = xasprintf("%s%s%s %s", words, *words ? "; " : "", service, own);
		free(own);
		free(words);
		words = longer;
	}
	return words;
}

static char *percent_words(const json_t *fraction)
{
	return json_is_number(fraction) ? xasprintf("%.0f%%", json_number_value(fraction) * 100)
					: ctl_words(fraction);
}

static void region_row(void *user, const json_t *item)
{
	const json_t *at = json_object_get(item, "at"), *health = json_object_get(item, "health");
	char *cells[] = {
		ctl_words(json_object_get(item, "id")),
		json_array_size(at) == 2 ? xasprintf("%.2f, %.2f", json_number_value(json_array_get(at, 0)),
						     json_number_value(json_array_get(at, 1)))
					 : xstrdup(""),
		ctl_words(json_object_get(item, "country")),
		xasprintf("%lld of %lld", (long long)json_integer_value(json_object_get(health, "up")),
			  (long long)json_integer_value(json_object_get(health, "vips"))),
		percent_words(json_object_get(health, "healthy")),
		ctl_words(json_object_get(item, "weight")),
		controls_words(item),
	};
	ctl_table_take(user, CTL_TABLE_CELLS(cells));
}

static enum ctl_exit run_regions(struct ctl *ctl)
{
	static const char *const heads[] = {"REGION",	"AT",	   "COUNTRY", ">VIPS UP",
					    ">HEALTHY", ">WEIGHT", "CONTROL"};
	struct ctl_table table;
	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	return ctl_list(ctl, "/v1/regions", "after", region_row, print_table, &table);
}

const struct ctl_verb verb_regions = {
	.group = "Look",
	.words = "regions",
	.options = CTL_LIST_OPTIONS,
	.run = run_regions,
	.help = "regions with health and controls",
	.more = CTL_LIST_MORE,
};

static void vip_row(void *user, const json_t *item)
{
	char *cells[] = {
		ctl_words(json_object_get(item, "region")),	 ctl_words(json_object_get(item, "service")),
		ctl_words(json_object_get(item, "address")),	 ctl_words(json_object_get(item, "state")),
		percent_words(json_object_get(item, "score")),	 ctl_words(json_object_get(item, "since")),
		control_words(json_object_get(item, "control")), ctl_words(json_object_get(item, "reason")),
	};
	ctl_table_take(user, CTL_TABLE_CELLS(cells));
}

static enum ctl_exit run_vips(struct ctl *ctl)
{
	static const char *const heads[] = {"REGION", "SERVICE", "ADDRESS", "STATE",
					    ">SCORE", "SINCE",	 "CONTROL", "WHY"};
	struct ctl_table table;
	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	return ctl_list(ctl, "/v1/vips", "after", vip_row, print_table, &table);
}

const struct ctl_verb verb_vips = {
	.group = "Look",
	.words = "vips",
	.options = CTL_LIST_OPTIONS,
	.run = run_vips,
	.help = "every VIP: up or down, since when, why",
	.more = CTL_LIST_MORE,
};

/* ---- audit ---- */

static char *share_words(const json_t *control)
{
	const json_t *share = json_object_get(control, "share");
	return json_is_integer(share) ? xasprintf("%lld%%", (long long)json_integer_value(share))
				      : xstrdup(share ? json_string_value(share) : "-");
}

/* "100% -> 50%" for a control. Other objects are too long for a table; -o json has them. */
static char *change_words(const json_t *before, const json_t *after)
{
	if (!json_object_get(before, "share") && !json_object_get(after, "share")) {
		bool has_before = json_is_object(before), has_after = json_is_object(after);
		return xstrdup(has_before && has_after ? "changed"
			       : has_after	       ? "added"
			       : has_before	       ? "removed"
						       : "");
	}
	char *from = share_words(before), *to = share_words(after);
	char *words = xasprintf("%s -> %s", from, to);
	free(from);
	free(to);
	return words;
}

static void audit_row(void *user, const json_t *item)
{
	char *cells[] = {
		ctl_words(json_object_get(item, "seq")),
		ctl_words(json_object_get(item, "time")),
		ctl_words(json_object_get(item, "author")),
		ctl_words(json_object_get(item, "verb")),
		ctl_words(json_object_get(item, "object")),
		change_words(json_object_get(item, "before"), json_object_get(item, "after")),
		ctl_words(json_object_get(item, "reason")),
	};
	ctl_table_take(user, CTL_TABLE_CELLS(cells));
}

static enum ctl_exit run_audit(struct ctl *ctl)
{
	static const char *const heads[] = {">NO", "TIME", "AUTHOR", "VERB", "OBJECT", "CHANGE", "REASON"};
	const char *since = ctl_option(ctl, "since");
	uint64_t number;
	assert(ctl->arg_count == 0);
	if (since && !text_to_uint(since, &number))
		return ctl_usage(ctl, "--since %s: not a number", since);
	struct ctl_table table;
	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	return ctl_list(ctl, "/v1/audit", "since", audit_row, print_table, &table);
}

const struct ctl_verb verb_audit = {
	.group = "Look",
	.words = "audit",
	.options = "since: limit:",
	.run = run_audit,
	.help = "who changed what, and why",
	.more = "  --since N  only lines after number N\n"
		"  --limit N  at most N lines\n",
};

static enum ctl_exit run_reload(struct ctl *ctl)
{
	return ctl_change(ctl, "POST", "/v1/reload", NULL, "reloaded");
}

const struct ctl_verb verb_reload = {
	.group = "Node",
	.words = "reload",
	.run = run_reload,
	.help = "read all files again, all or nothing",
};
