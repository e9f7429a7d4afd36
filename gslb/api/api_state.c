/*
 * API calls that show the state: status, regions, services, zones, audit, and the plain pages of
 * admin.http. Control thread.
 */
#include "gslb/api/api_internal.h"

#include "gslb/api/metrics.h"
#include "health/health_book.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- status ---- */

static json_t *view_geo(const struct server *server)
{
	json_t *files = json_array();
	/* This thread alone publishes: the world stays while the handler runs. */
	const struct world *world = server_world(server);
	for (size_t i = 0; world && world->places && i < world->places->file_count; i++) {
		const struct place_file *file = &world->places->files[i];
		json_array_append_new(files, json_pack("{s:o, s:o, s:I}", "file", json_text(file->path),
						       "built", api_view_time(file->built_unix_s * 1000),
						       "prefixes", (json_int_t)file->prefixes));
	}
	return files;
}

static json_t *view_listeners(const struct api *api)
{
	char text[64];
	size_t count = 0;
	json_t *dns = json_array();
	const struct sockaddr_storage *bound = server_listeners(api->server, &count);
	for (size_t i = 0; i < count; i++) {
		listen_format((const struct sockaddr *)&bound[i], true, text);
		json_array_append_new(dns, json_text(text));
	}
	struct sockaddr_storage http;
	bool has_http = http_server_plain_address(api->http, &http);
	if (has_http)
		listen_format((const struct sockaddr *)&http, false, text);
	return json_pack("{s:o, s:o, s:o}", "dns", dns, "http", json_text(has_http ? text : NULL), "socket",
			 json_text(server_config(api->server)->node.admin_socket));
}

static size_t count_unknown(const struct server *server)
{
	size_t unknown = 0;
	const struct health_entry *entry;
	for (size_t at = 0; (entry = health_book_next(server_health(server), &at));)
		unknown += entry->verdict.state == VERDICT_UNKNOWN;
	return unknown;
}

void api_get_status(struct http_request *request, struct http_reply *reply)
{
	const struct server *server = api_server(request);
	json_t *body = json_object();
	json_object_set_new(body, "node", json_text(server_config(server)->node.name));
	json_object_set_new(body, "version", json_text(GSLB_VERSION));
	json_object_set_new(body, "ready", json_boolean(server_is_ready(server)));
	json_object_set_new(
		body, "uptime_s",
		json_integer((json_int_t)((clock_mono_ms() - server_started_mono_ms(server)) / 1000)));
	json_object_set_new(body, "epoch", json_integer((json_int_t)server_epoch(server)));
	json_object_set_new(body, "fleet_version", json_integer((json_int_t)server_fleet_version(server)));
	json_object_set_new(body, "geo", view_geo(server));
	json_object_set_new(body, "zones",
			    json_integer((json_int_t)fleet_count(server_fleet(server), FLEET_ZONE)));
	json_object_set_new(body, "tenants",
			    json_integer((json_int_t)fleet_count(server_fleet(server), FLEET_TENANT)));
	json_object_set_new(body, "listeners", view_listeners(api_of(request)));
	json_object_set_new(body, "bus", json_string("embedded"));
	const struct node_config *node = &server_config(server)->node;
	json_object_set_new(body, "vantage", node->has_probes ? json_text(node->vantage) : json_null());
	json_object_set_new(body, "evidence",
			    json_pack("{s:b, s:I}", "frozen", health_book_is_frozen(server_health(server)),
				      "unknown", (json_int_t)count_unknown(server)));
	http_reply_json(reply, 200, body);
}

/* ---- regions, services, zones ---- */

struct tally { /* over VIPs that no VIP control drains, as docs/decision.md, "Healthy share" */
	unsigned vips, states[VIP_STATES];
	double weight, configured;
};

static void tally_add(struct tally *tally, const struct api_vip *vip)
{
	assert((unsigned)vip->state < VIP_STATES);
	tally->vips++;
	tally->states[vip->state]++;
	if (vip->control && vip->control->share == 0)
		return;
	tally->weight += vip->vip->weight * vip->score;
	tally->configured += vip->vip->weight;
}

static json_t *view_tally(const struct tally *tally)
{
	assert(tally->states[VIP_UP] + tally->states[VIP_DOWN] + tally->states[VIP_UNKNOWN] == tally->vips);
	assert(tally->weight <= tally->configured);
	double healthy = tally->configured > 0 ? tally->weight / tally->configured : 0;
	return json_pack("{s:i, s:i, s:i, s:i, s:f}", "vips", (int)tally->vips, "up",
			 (int)tally->states[VIP_UP], "down", (int)tally->states[VIP_DOWN], "unknown",
			 (int)tally->states[VIP_UNKNOWN], "healthy", healthy);
}

static void tally_service(const struct server *server, const struct fleet_service *service,
			  const char *region, struct tally *tally)
{
	for (size_t r = 0; r < service->vip_region_count; r++) {
		if (region && strcmp(region, service->vips[r].region) != 0)
			continue;
		for (size_t v = 0; v < service->vips[r].count; v++) {
			struct api_vip vip;
			api_view_vip(server, service, &service->vips[r], v, &vip);
			tally_add(tally, &vip);
		}
	}
}

static void add_region(const struct server *server, const struct fleet_object *object, json_t *view)
{
	struct tally tally = {0};
	json_t *controls = json_object();
	const struct fleet_object *service;
	for (size_t at = 0; (service = fleet_next(server_fleet(server), FLEET_SERVICE, &at));) {
		tally_service(server, (const struct fleet_service *)service, object->id, &tally);
		const struct control_row *row =
			controls_get(server_controls(server), object->id, service->id, "");
		if (row)
			json_object_set_new(controls, service->id, api_view_control(row));
	}
	json_object_set_new(view, "health", view_tally(&tally));
	json_object_set_new(view, "control",
			    api_view_control(controls_get(server_controls(server), object->id, "", "")));
	json_object_set_new(view, "service_controls", controls);
	json_object_set_new(view, "weight", json_real(tally.weight));
}

static void add_service(const struct server *server, const struct fleet_object *object, json_t *view)
{
	const struct fleet_service *service = (const struct fleet_service *)object;
	struct tally tally = {0};
	json_t *controls = json_object();
	tally_service(server, service, NULL, &tally);
	for (size_t r = 0; r < service->vip_region_count; r++) {
		const char *region = service->vips[r].region;
		const struct control_row *row =
			controls_effective(server_controls(server), region, object->id);
		if (row)
			json_object_set_new(controls, region, api_view_control(row));
	}
	json_object_set_new(view, "health", view_tally(&tally));
	json_object_set_new(view, "control", controls);
	json_object_set_new(view, "weight", json_real(tally.weight));
}

/* A zone has no health, control or weight of its own. Its text may be megabytes: see export. */
static void add_zone(const struct server *server, const struct fleet_object *object, json_t *view)
{
	const struct fleet_zone *zone = (const struct fleet_zone *)object;
	json_object_del(view, "text");
	json_object_set_new(view, "health", json_null());
	json_object_set_new(view, "control", json_null());
	json_object_set_new(view, "weight", json_null());
	if (!zone->zone)
		return;
	json_object_set_new(view, "soa_serial", json_integer(zone->zone->serial));
	json_object_set_new(view, "records", json_integer((json_int_t)zone->zone->record_count));
}

static void reply_objects(struct http_request *request, struct http_reply *reply, enum fleet_kind kind,
			  void (*add)(const struct server *, const struct fleet_object *, json_t *))
{
	struct http_page page;
	if (!http_request_page(request, reply, &page))
		return;
	/* One more than asked for tells whether there is a next page. */
	struct fleet_object **found = xcalloc(page.limit + 1, sizeof(struct fleet_object *));
	size_t count = fleet_page(server_fleet(api_server(request)), kind, page.after, page.limit + 1, found);
	bool is_more = count > page.limit;
	assert(count <= page.limit + 1);
	if (is_more)
		count = page.limit;
	json_t *items = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *view = api_view_object(found[i]);
		if (add)
			add(api_server(request), found[i], view);
		json_array_append_new(items, view);
	}
	http_reply_page(reply, items, is_more ? found[count - 1]->id : NULL);
	free(found);
}

void api_get_regions(struct http_request *request, struct http_reply *reply)
{
	reply_objects(request, reply, FLEET_REGION, add_region);
}

void api_get_services(struct http_request *request, struct http_reply *reply)
{
	reply_objects(request, reply, FLEET_SERVICE, add_service);
}

void api_get_zones(struct http_request *request, struct http_reply *reply)
{
	reply_objects(request, reply, FLEET_ZONE, add_zone);
}

void api_get_tenants(struct http_request *request, struct http_reply *reply)
{
	reply_objects(request, reply, FLEET_TENANT, NULL);
}

/* ---- audit ---- */

void api_get_audit(struct http_request *request, struct http_reply *reply)
{
	struct http_page page;
	if (!http_request_page(request, reply, &page))
		return;
	const char *since = http_request_param(request, "since");
	uint64_t seq = 0;
	if (since && page.after) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
				   "give one of since and after, they say the same");
		return;
	}
	if (!since)
		since = page.after;
	if (since && (!text_to_uint(since, &seq) || seq > INT64_MAX)) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
				   "since is the `seq` of the last line that is known");
		return;
	}
	json_t *items = store_audit(server_store(api_server(request)), seq, page.limit + 1);
	char next[24] = "";
	if (json_array_size(items) > page.limit) {
		json_array_remove(items, page.limit);
		json_t *last = json_array_get(items, page.limit - 1);
		snprintf(next, sizeof next, "%" JSON_INTEGER_FORMAT,
			 json_integer_value(json_object_get(last, "seq")));
	}
	http_reply_page(reply, items, next[0] ? next : NULL);
}

/* ---- plain pages ---- */

void api_get_healthz(struct http_request *request, struct http_reply *reply)
{
	http_reply_text(reply, 200, "application/json", "{\"healthy\":true}");
}

void api_get_readyz(struct http_request *request, struct http_reply *reply)
{
	if (server_is_ready(api_server(request))) {
		http_reply_text(reply, 200, "application/json", "{\"ready\":true}");
		return;
	}
	json_t *waiting = json_array();
	for (const char *const *what = server_waiting(api_server(request)); *what; what++)
		json_array_append_new(waiting, json_text(*what));
	http_reply_json(reply, 503, json_pack("{s:b, s:o}", "ready", 0, "waiting", waiting));
}

void api_get_metrics(struct http_request *request, struct http_reply *reply)
{
	http_reply_text(reply, 200, "text/plain; version=0.0.4; charset=utf-8", "");
	metrics_render(api_server(request), reply->body);
}
