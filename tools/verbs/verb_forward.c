/* The verbs that look at forwarders: what gslbd hears of them, and what one of them does. One thread. */
#include "lib/json_text.h"
#include "lib/mem.h"
#include "tools/ctl.h"
#include "tools/ctl_table.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_table(void *user)
{
	ctl_table_print(user, 0, stdout);
}

static char *words_of(const json_t *object, const char *key)
{
	return ctl_words(json_object_get(object, key));
}

static char *duration_words(const json_t *milliseconds)
{
	char text[32];
	ctl_table_duration((uint64_t)json_integer_value(milliseconds), text);
	return xstrdup(text);
}

/* ---- forwarders ---- */

static void print_forwarders(const json_t *load)
{
	static const char *const heads[] = {"FORWARDER",   "REGION",	 "STATE",      ">HEARD",
					    "SERVICE",	   ">IN FLIGHT", ">TARGET",    "ORIGINS",
					    ">REQUESTS/S", ">ERRORS/S",	 ">LIMITED/S", ">P99 US"};
	const json_t *forwarders = json_object_get(load, "forwarders");
	struct ctl_table table;
	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	for (size_t i = 0; i < json_array_size(forwarders); i++) {
		const json_t *node = json_array_get(forwarders, i),
			     *services = json_object_get(node, "services");
		size_t count = json_array_size(services);
		for (size_t s = 0; s < (count ? count : 1);
		     s++) { /* one that has no service yet is there, too */
			const json_t *service = json_array_get(services, s);
			const json_t *origins = json_object_get(service, "origins");
			char *cells[] = {
				words_of(node, "node"),
				words_of(node, "region"),
				words_of(node, "state"),
				duration_words(json_object_get(node, "age_ms")),
				words_of(service, "service"),
				words_of(service, "current"),
				words_of(service, "target"),
				service ? xasprintf("%lld of %lld%s",
						    (long long)json_integer_value(
							    json_object_get(origins, "usable")),
						    (long long)json_integer_value(
							    json_object_get(origins, "total")),
						    json_is_true(json_object_get(origins, "panic"))
							    ? ", panic"
							    : "")
					: xstrdup(""),
				words_of(service, "requests_per_s"),
				words_of(service, "errors_per_s"),
				words_of(service, "limited_per_s"),
				words_of(service, "p99_us"),
			};
			ctl_table_take(&table, CTL_TABLE_CELLS(cells));
		}
	}
	ctl_table_print(&table, 0, stdout);
}

static enum ctl_exit run_forwarders(struct ctl *ctl)
{
	return ctl_show(ctl, &(struct ctl_http_request){.method = "GET", .path = "/v1/load"},
			print_forwarders);
}

const struct ctl_verb verb_forwarders = {
	.group = "Look",
	.words = "forwarders",
	.run = run_forwarders,
	.help = "what forwarders report to gslbd of load and origins",
};

/* ---- origins ---- */

static char *state_words(const json_t *origin)
{
	char *state = words_of(origin, "state");
	char *words = xasprintf("%s%s%s", state,
				json_is_true(json_object_get(origin, "drained")) ? ", drained" : "",
				json_is_true(json_object_get(origin, "leaving")) ? ", leaving" : "");
	free(state);
	return words;
}

static void origin_row(void *user, const json_t *item)
{
	char *cells[] = {
		words_of(item, "service"),    words_of(item, "pool"),
		words_of(item, "address"),    state_words(item),
		words_of(item, "in_flight"),  words_of(item, "requests"),
		words_of(item, "errors"),     words_of(item, "ejected"),
		words_of(item, "latency_us"), words_of(json_object_get(item, "check"), "reason"),
	};
	ctl_table_take(user, CTL_TABLE_CELLS(cells));
}

static const char *const origin_heads[] = {"SERVICE",	"ORIGINS", "ADDRESS",  "STATE",	      ">IN FLIGHT",
					   ">REQUESTS", ">ERRORS", ">EJECTED", ">LATENCY US", "CHECK"};

static void print_origins(const json_t *page)
{
	const json_t *items = json_object_get(page, "items");
	struct ctl_table table;
	ctl_table_init(&table, CTL_TABLE_CELLS(origin_heads));
	for (size_t i = 0; i < json_array_size(items); i++)
		origin_row(&table, json_array_get(items, i));
	ctl_table_print(&table, 0, stdout);
}

static enum ctl_exit run_origins(struct ctl *ctl)
{
	const char *service = ctl_option(ctl, "service");
	struct ctl_table table;
	if (!service) {
		ctl_table_init(&table, CTL_TABLE_CELLS(origin_heads));
		return ctl_list(ctl, "/v1/origins", "after", origin_row, print_table, &table);
	}
	/* A service has 64 pools of 64 origins in a region: they fit into one page. */
	char *escaped = ctl_path("", service);
	char *path = xasprintf("/v1/origins?limit=10000&service=%s", escaped + 1);
	assert(escaped[0] == '/');
	enum ctl_exit code =
		ctl_show(ctl, &(struct ctl_http_request){.method = "GET", .path = path}, print_origins);
	free(path);
	free(escaped);
	return code;
}

const struct ctl_verb verb_origins = {
	.group = "Forwarder",
	.words = "origins",
	.options = "service: " CTL_LIST_OPTIONS,
	.is_forwarders = true,
	.run = run_origins,
	.help = "the origins of its region: state, requests, failures",
	.more = "  --service S  of this service alone\n" CTL_LIST_MORE,
};

/* ---- route ---- */

static void print_row(const char *label, char *text)
{
	if (*text)
		printf("%-10s %s\n", label, text);
	free(text);
}

static char *rate_words(const json_t *rate)
{
	if (!json_is_object(rate))
		return xstrdup("");
	char *left = words_of(rate, "remaining");
	char *words =
		xasprintf("%g/s, burst %lld%s%s%s", json_number_value(json_object_get(rate, "per_second")),
			  (long long)json_integer_value(json_object_get(rate, "burst")), *left ? " (" : "",
			  left, *left ? " left)" : "");
	free(left);
	return words;
}

static void print_way(const json_t *way)
{
	const json_t *route = json_object_get(way, "route"), *pool = json_object_get(way, "pool");
	const json_t *limits = json_object_get(way, "limits");

	print_row("host", words_of(way, "host"));
	print_row("path", words_of(way, "path"));
	print_row("tenant", words_of(way, "tenant"));
	print_row("service", words_of(way, "service"));
	if (json_is_object(route)) {
		char *path = words_of(route, "path"), *exact = words_of(route, "exact");
		print_row("route", xasprintf("number %lld%s%s%s%s",
					     (long long)json_integer_value(json_object_get(route, "number")),
					     *path ? ", path " : "", path, *exact ? ", exact " : "", exact));
		free(path);
		free(exact);
		print_row("methods", words_of(route, "methods"));
	}
	if (json_is_object(pool)) {
		char *id = words_of(pool, "id");
		print_row("origins",
			  xasprintf("%s, %lld of %lld usable%s", id,
				    (long long)json_integer_value(json_object_get(pool, "usable")),
				    (long long)json_integer_value(json_object_get(pool, "total")),
				    json_is_true(json_object_get(pool, "panic")) ? ", panic" : ""));
		free(id);
	}
	print_row("rate", rate_words(json_object_get(limits, "rate")));
	print_row("in flight", words_of(limits, "concurrency"));
	if (json_is_true(json_object_get(way, "forwarded"))) {
		print_row("goes to", words_of(pool, "choice"));
		return;
	}
	char *status = words_of(way, "status"), *reason = words_of(way, "reason");
	print_row("answered", xasprintf("here, with %s: %s", status, reason));
	free(status);
	free(reason);
}

/* "Name: value"; false, after a usage message, where it is none. */
static bool add_header(const struct ctl *ctl, json_t *headers, const char *text)
{
	const char *colon = strchr(text, ':');
	if (!colon || colon == text) {
		ctl_usage(ctl, "--header '%s': must be 'Name: value'", text);
		return false;
	}
	char *name = xstrndup(text, (size_t)(colon - text));
	json_object_set_new(headers, name, json_text(colon + 1 + strspn(colon + 1, " \t")));
	free(name);
	return true;
}

static enum ctl_exit run_route(struct ctl *ctl)
{
	const char *method = ctl_option(ctl, "method"), *client = ctl_option(ctl, "client"), *header;
	json_t *body = json_pack("{s:o}", "url", json_text(ctl->args[0])), *headers = json_object();
	bool is_good = true;
	for (size_t at = 0; is_good && (header = ctl_option_next(ctl, "header", &at));)
		is_good = add_header(ctl, headers, header);
	if (method)
		json_object_set_new(body, "method", json_text(method));
	if (client)
		json_object_set_new(body, "client", json_text(client));
	json_object_set_new(body, "headers", headers);
	char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	struct ctl_http_request request = {.method = "POST",
					   .path = "/v1/route",
					   .body = text,
					   .length = strlen(text),
					   .content_type = "application/json"};
	enum ctl_exit code = is_good ? ctl_show(ctl, &request, print_way) : CTL_USAGE;
	free(text);
	return code;
}

const struct ctl_verb verb_route = {
	.group = "Forwarder",
	.words = "route",
	.args = "URL",
	.options = "method: client: header+",
	.is_forwarders = true,
	.least = 1,
	.most = 1,
	.run = run_route,
	.help = "where a request would go: tenant, route, origin, limits, and why",
	.more = "  --method M         GET when not given\n"
		"  --client ADDRESS   who asks, for origins by hash of the client\n"
		"  --header 'N: V'    a field of the request; repeat for more\n"
		"\n"
		"Nothing is sent, and no limit is used up.\n"
		"\n"
		"  gslbctl route https://shop.acme.example/api/cart --method POST\n",
};
