/*
 * API calls that show the state: status, regions, services, zones, VIPs, audit, and the plain pages of
 * admin.http. Control thread.
 */
#include "gslb/api/api_request.h"

#include "gslb/api/api.h"
#include "gslb/api/metrics.h"
#include "health/health_book.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/text.h"
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

static json_t *view_listeners(const struct server *server, const struct api *api)
{
	char text[64];
	size_t count = 0;
	json_t *dns = json_array();
	const struct sockaddr_storage *bound = server_listeners(server, &count);
	for (size_t i = 0; i < count; i++) {
		listen_format((const struct sockaddr *)&bound[i], true, text);
		json_array_append_new(dns, json_text(text));
	}
	struct sockaddr_storage http;
	bool has_http = api_http_address(api, &http);
	if (has_http)
		listen_format((const struct sockaddr *)&http, false, text);
	return json_pack("{s:o, s:o, s:o}", "dns", dns, "http", json_text(has_http ? text : NULL), "socket",
			 json_text(server_config(server)->node.admin_socket));
}

static size_t count_unknown(const struct server *server)
{
	size_t unknown = 0;
	const struct health_entry *entry;
	for (size_t at = 0; (entry = health_book_next(server_health(server), &at));)
		unknown += entry->verdict.state == VERDICT_UNKNOWN;
	return unknown;
}

void api_get_status(struct api_request *request, struct api_reply *reply)
{
	const struct server *server = request->server;
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
	json_object_set_new(body, "listeners", view_listeners(server, request->api));
	json_object_set_new(body, "bus", json_string("embedded"));
	json_object_set_new(body, "evidence",
			    json_pack("{s:b, s:I}", "frozen", health_book_is_frozen(server_health(server)),
				      "unknown", (json_int_t)count_unknown(server)));
	api_reply_json(reply, 200, body);
}

/* ---- regions, services, zones ---- */

struct tally { /* over VIPs that no VIP control drains, as "Healthy share" of configuration.md */
	unsigned vips, states[VIP_STATES];
	double weight, configured;
};

static void tally_add(struct tally *tally, const struct api_vip *vip)
{
	tally->vips++;
	tally->states[vip->state]++;
	if (vip->control && vip->control->share == 0)
		return;
	tally->weight += vip->vip->weight * vip->score;
	tally->configured += vip->vip->weight;
}

static json_t *view_tally(const struct tally *tally)
{
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

static void reply_objects(struct api_request *request, struct api_reply *reply, enum fleet_kind kind,
			  void (*add)(const struct server *, const struct fleet_object *, json_t *))
{
	struct api_page page;
	if (!api_param_page(request, reply, &page))
		return;
	/* One more than asked for tells whether there is a next page. */
	struct fleet_object **found = xcalloc(page.limit + 1, sizeof(struct fleet_object *));
	size_t count = fleet_page(server_fleet(request->server), kind, page.after, page.limit + 1, found);
	bool is_more = count > page.limit;
	if (is_more)
		count = page.limit;
	json_t *items = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *view = api_view_object(found[i]);
		if (add)
			add(request->server, found[i], view);
		json_array_append_new(items, view);
	}
	api_reply_page(reply, items, is_more ? found[count - 1]->id : NULL);
	free(found);
}

void api_get_regions(struct api_request *request, struct api_reply *reply)
{
	reply_objects(request, reply, FLEET_REGION, add_region);
}

void api_get_services(struct api_request *request, struct api_reply *reply)
{
	reply_objects(request, reply, FLEET_SERVICE, add_service);
}

void api_get_zones(struct api_request *request, struct api_reply *reply)
{
	reply_objects(request, reply, FLEET_ZONE, add_zone);
}

void api_get_tenants(struct api_request *request, struct api_reply *reply)
{
	reply_objects(request, reply, FLEET_TENANT, NULL);
}

/* ---- VIPs ---- */

static int compare_vips(const void *a, const void *b)
{
	const struct api_vip *x = a, *y = b;
	int order = strcmp(x->region, y->region);
	return order ? order : ip_compare(&x->vip->ip, &y->vip->ip);
}

static json_t *view_vip(const struct api_vip *vip)
{
	char address[IP_TEXT_MAX];
	ip_format(&vip->vip->ip, address);
	json_t *view = json_pack("{s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:o}", "region", json_text(vip->region),
				 "service", json_text(vip->service), "address", json_text(address), "state",
				 json_text(fleet_vip_state_word[vip->state]), "score", vip->score, "since",
				 api_view_time(vip->since_unix_ms), "reason",
				 json_text(vip->reason[0] ? vip->reason : NULL), "control",
				 api_view_control(vip->control));
	if (vip->vip->name)
		json_object_set_new(view, "name", json_text(vip->vip->name));
	return view;
}

/* A VIP's place in the list: SERVICE/REGION/ADDRESS, what `next` says and `after` takes. */
struct vip_cursor {
	char service[64], region[64];
	struct ip ip;
};

static bool parse_cursor(const char *text, struct vip_cursor *ret)
{
	char address[IP_TEXT_MAX];
	int used = 0;
	return sscanf(text, "%63[^/]/%63[^/]/%45[0-9a-fA-F.:]%n", ret->service, ret->region, address,
		      &used) == 3 &&
	       text[used] == '\0' && ip_parse(address, &ret->ip);
}

static bool is_after(const struct api_vip *vip, const struct vip_cursor *cursor)
{
	int order = strcmp(vip->service, cursor->service);
	if (order == 0)
		order = strcmp(vip->region, cursor->region);
	if (order == 0)
		order = ip_compare(&vip->vip->ip, &cursor->ip);
	return order > 0;
}

/* Appends the service's VIPs behind the cursor; false: the page was full before the last of them. */
static bool append_vips(const struct server *server, const struct fleet_service *service,
			const struct vip_cursor *cursor, size_t limit, json_t *items)
{
	size_t count = 0, total = 0, at;
	for (size_t r = 0; r < service->vip_region_count; r++)
		total += service->vips[r].count;
	struct api_vip *vips = xcalloc(total + 1, sizeof(*vips));
	for (size_t r = 0; r < service->vip_region_count; r++)
		for (size_t v = 0; v < service->vips[r].count; v++)
			api_view_vip(server, service, &service->vips[r], v, &vips[count++]);
	qsort(vips, count, sizeof(*vips), compare_vips);
	for (at = 0; at < count; at++) {
		if (cursor && !is_after(&vips[at], cursor))
			continue;
		if (json_array_size(items) == limit)
			break;
		json_array_append_new(items, view_vip(&vips[at]));
	}
	free(vips);
	return at == count;
}

static void reply_vips(struct api_reply *reply, json_t *items, bool is_more)
{
	char next[64 + 64 + IP_TEXT_MAX];
	const char *service, *region, *address;
	if (is_more) {
		const json_t *last = json_array_get(items, json_array_size(items) - 1);
		json_unpack((json_t *)last, "{s:s, s:s, s:s}", "service", &service, "region", &region,
			    "address", &address);
		snprintf(next, sizeof(next), "%s/%s/%s", service, region, address);
	}
	api_reply_page(reply, items, is_more ? next : NULL);
}

void api_get_vips(struct api_request *request, struct api_reply *reply)
{
	struct api_page page;
	struct vip_cursor cursor;
	if (!api_param_page(request, reply, &page))
		return;
	if (page.after && !parse_cursor(page.after, &cursor)) {
		api_reply_problem(reply, PROBLEM_BAD_REQUEST, NULL,
				  "after is SERVICE/REGION/ADDRESS, as `next` says");
		return;
	}
	const struct fleet *fleet = server_fleet(request->server);
	json_t *items = json_array();
	bool is_more = false;
	struct fleet_object *service = page.after ? fleet_get(fleet, FLEET_SERVICE, cursor.service) : NULL;
	if (service)
		is_more = !append_vips(request->server, (const struct fleet_service *)service, &cursor,
				       page.limit, items);
	const char *last = page.after ? cursor.service : NULL;
	while (!is_more && fleet_page(fleet, FLEET_SERVICE, last, 1, &service) == 1) {
		is_more = !append_vips(request->server, (const struct fleet_service *)service, NULL,
				       page.limit, items);
		last = service->id;
	}
	reply_vips(reply, items, is_more);
}

/* ---- audit ---- */

void api_get_audit(struct api_request *request, struct api_reply *reply)
{
	struct api_page page;
	if (!api_param_page(request, reply, &page))
		return;
	const char *since = api_param(request, "since");
	uint64_t seq = 0;
	if (since && page.after) {
		api_reply_problem(reply, PROBLEM_BAD_REQUEST, NULL,
				  "give one of since and after, they say the same");
		return;
	}
	if (!since)
		since = page.after;
	if (since && (!text_to_uint(since, &seq) || seq > INT64_MAX)) {
		api_reply_problem(reply, PROBLEM_BAD_REQUEST, NULL,
				  "since is the `seq` of the last line that is known");
		return;
	}
	json_t *items = store_audit(server_store(request->server), seq, page.limit + 1);
	char next[24] = "";
	if (json_array_size(items) > page.limit) {
		json_array_remove(items, page.limit);
		json_t *last = json_array_get(items, page.limit - 1);
		snprintf(next, sizeof(next), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(json_object_get(last, "seq")));
	}
	api_reply_page(reply, items, next[0] ? next : NULL);
}

/* ---- plain pages ---- */

void api_get_healthz(struct api_request *request, struct api_reply *reply)
{
	api_reply_text(reply, 200, "application/json", "{\"healthy\":true}");
}

void api_get_readyz(struct api_request *request, struct api_reply *reply)
{
	if (server_is_ready(request->server)) {
		api_reply_text(reply, 200, "application/json", "{\"ready\":true}");
		return;
	}
	json_t *waiting = json_array();
	for (const char *const *what = server_waiting(request->server); *what; what++)
		json_array_append_new(waiting, json_text(*what));
	api_reply_json(reply, 503, json_pack("{s:b, s:o}", "ready", 0, "waiting", waiting));
}

void api_get_metrics(struct api_request *request, struct api_reply *reply)
{
	api_reply_text(reply, 200, "text/plain; version=0.0.4; charset=utf-8", "");
	metrics_render(request->server, reply->body);
}
