/*
 * API calls of load: forwarders report it, people and programs look at it. Control thread.
 */
#include "gslb/api/api_internal.h"
#include "gslb/control/journal.h"
#include "gslb/control/loads.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/map.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- reporting ---- */

static bool is_region_known(const struct http_request *request, const struct doc *doc,
			    const struct load_report *report, struct err_list *errors)
{
	const struct fleet *fleet = server_fleet(api_server(request));
	if (fleet_get(fleet, FLEET_REGION, report->region))
		return true;
	char known[TEXT_KNOWN_MAX];
	const char *nearest = fleet_known(fleet, FLEET_REGION, report->region, known);
	struct err *err =
		doc_err(errors, doc, doc_get(doc->root, "region"), "no region '%s'%s", report->region, known);
	err_set_nearest(err, nearest);
	return false;
}

static void accept_report(const struct http_request *request, struct http_reply *reply,
			  const struct load_report *report)
{
	struct server *server = api_server(request);
	const struct journal *journal = server_journal(server);
	enum load_outcome outcome = loads_accept(server_loads(server), report);
	if (outcome == LOAD_TOO_MANY) {
		http_reply_problem(reply, HTTP_PROBLEM_UNAVAILABLE, NULL,
				   "more forwarders and services report than this node takes");
		return;
	}
	char version[JOURNAL_VERSION_MAX];
	journal_version(journal, journal_end(journal), version);
	http_reply_json(reply, 200,
			json_pack("{s:b, s:o}", "accepted", outcome == LOAD_ACCEPTED, "controls_seq",
				  json_text(version)));
}

void api_post_load(struct http_request *request, struct http_reply *reply)
{
	struct doc *doc = http_body_read(request, reply);
	if (!doc)
		return;
	struct err_list errors = {0};
	struct load_report report;
	bool is_good = load_report_read(doc, &report, &errors);
	if (is_good && is_region_known(request, doc, &report, &errors))
		accept_report(request, reply, &report);
	else
		http_reply_errors(reply, HTTP_PROBLEM_INVALID, &errors);
	if (is_good)
		load_report_done(&report);
	err_done(&errors);
	doc_free(doc);
}

/* ---- looking ---- */

struct view {
	const struct server *server;
	const struct load_book *book;
	const char *region, *service; /* NULL: all */
	uint64_t now_ms;
};

static json_t *age_json(const struct view *view, uint64_t seen_ms)
{
	return json_integer(view->now_ms > seen_ms ? (json_int_t)(view->now_ms - seen_ms) : 0);
}

static json_t *rate_json(double per_second)
{
	return json_real((double)(uint64_t)(per_second * 10 + 0.5) / 10);
}

static json_t *record_json(const struct view *view, const char *service, const struct load_record *record)
{
	const struct load_service *now = &record->now;
	struct load_rates rates = load_record_rates(record);
	json_t *origins = json_pack("{s:I, s:I, s:f, s:b}", "usable", (json_int_t)now->origins_usable,
				    "total", (json_int_t)now->origins_total, "weight", now->weight, "panic",
				    (int)now->is_in_panic);
	return json_pack("{s:o, s:o, s:I, s:I, s:I, s:o, s:I, s:o, s:o, s:o, s:I, s:I, s:o, s:o}", "service",
			 json_text(service), "age_ms", age_json(view, record->seen_ms), "current",
			 (json_int_t)now->current, "target", (json_int_t)now->target, "max",
			 (json_int_t)now->max, "origins", origins, "queued", (json_int_t)now->queued,
			 "requests_per_s", rate_json(rates.requests), "errors_per_s", rate_json(rates.errors),
			 "limited_per_s", rate_json(rates.limited), "p50_us", (json_int_t)now->p50_us,
			 "p99_us", (json_int_t)now->p99_us, "tail_in_per_s", rate_json(rates.tail_in),
			 "tail_out_per_s", rate_json(rates.tail_out));
}

static bool is_wanted(const struct view *view, const char *region, const char *service)
{
	return (!view->region || strcmp(view->region, region) == 0) &&
	       (!view->service || !service || strcmp(view->service, service) == 0);
}

/* Puts each record of the entry into its node's list. */
static void add_records(const struct view *view, const struct load_entry *entry, const struct map *lists)
{
	for (size_t i = 0; i < entry->count; i++) {
		json_t *list = map_get(lists, entry->records[i]->node->node);
		assert(list); /* a record's node is in the book, in the entry's region */
		json_array_append_new(list, record_json(view, entry->service, entry->records[i]));
	}
}

static json_t *forwarders_json(const struct view *view)
{
	json_t *forwarders = json_array();
	struct map *lists = map_new(); /* of services, by node */
	const struct load_node *node;
	for (size_t at = 0; (node = load_book_next_node(view->book, &at));) {
		if (!is_wanted(view, node->region, NULL))
			continue;
		json_t *services = json_array();
		map_put(lists, node->node, services);
		json_array_append_new(
			forwarders,
			json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "node", json_text(node->node),
				  "region", json_text(node->region), "state",
				  json_text(node->state == LOAD_UP ? "up" : "draining"), "age_ms",
				  age_json(view, node->seen_ms), "epoch", (json_int_t)node->epoch, "seq",
				  (json_int_t)node->seq, "services", services));
	}
	const struct load_entry *entry;
	for (size_t at = 0; (entry = load_book_next(view->book, &at));)
		if (is_wanted(view, entry->region, entry->service))
			add_records(view, entry, lists);
	map_free(lists);
	return forwarders;
}

static json_t *regions_json(const struct view *view)
{
	json_t *regions = json_array();
	const struct load_entry *entry;
	for (size_t at = 0; (entry = load_book_next(view->book, &at));)
		if (is_wanted(view, entry->region, entry->service))
			json_array_append_new(regions, api_view_load(view->server, entry, true));
	return regions;
}

void api_get_load(struct http_request *request, struct http_reply *reply)
{
	const struct view view = {
		.server = api_server(request),
		.book = server_load_book(api_server(request)),
		.region = http_request_param(request, "region"),
		.service = http_request_param(request, "service"),
		.now_ms = clock_mono_ms(),
	};
	http_reply_json(reply, 200,
			json_pack("{s:o, s:o}", "regions", regions_json(&view), "forwarders",
				  forwarders_json(&view)));
}
