/* GET /v1/vips: every VIP as it stands, in pages of services, regions, addresses. Control thread. */
#include "gslb/api/api_internal.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int compare_vips(const void *a, const void *b)
{
	const struct api_vip *x = a, *y = b;
	int order = strcmp(x->region, y->region);
	return order ? order : ip_compare(&x->vip->ip, &y->vip->ip);
}

static json_t *view_vip(const struct api_vip *vip)
{
	char address[IP_TEXT_MAX];
	assert((unsigned)vip->state < VIP_STATES && vip->score >= 0 && vip->score <= 1);
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
	struct api_vip *vips = xcalloc(total + 1, sizeof *vips);
	for (size_t r = 0; r < service->vip_region_count; r++)
		for (size_t v = 0; v < service->vips[r].count; v++)
			api_view_vip(server, service, &service->vips[r], v, &vips[count++]);
	assert(count == total && json_array_size(items) <= limit);
	qsort(vips, count, sizeof *vips, compare_vips);
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

static void reply_vips(struct http_reply *reply, json_t *items, bool is_more)
{
	char next[64 + 64 + IP_TEXT_MAX];
	const char *service, *region, *address;
	if (is_more) {
		assert(json_array_size(items) > 0);
		const json_t *last = json_array_get(items, json_array_size(items) - 1);
		json_unpack((json_t *)last, "{s:s, s:s, s:s}", "service", &service, "region", &region,
			    "address", &address);
		snprintf(next, sizeof next, "%s/%s/%s", service, region, address);
	}
	http_reply_page(reply, items, is_more ? next : NULL);
}

void api_get_vips(struct http_request *request, struct http_reply *reply)
{
	struct http_page page;
	struct vip_cursor cursor;
	if (!http_request_page(request, reply, &page))
		return;
	if (page.after && !parse_cursor(page.after, &cursor)) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
				   "after is SERVICE/REGION/ADDRESS, as `next` says");
		return;
	}
	const struct fleet *fleet = server_fleet(api_server(request));
	json_t *items = json_array();
	bool is_more = false;
	struct fleet_object *service = page.after ? fleet_get(fleet, FLEET_SERVICE, cursor.service) : NULL;
	if (service)
		is_more = !append_vips(api_server(request), (const struct fleet_service *)service, &cursor,
				       page.limit, items);
	const char *last = page.after ? cursor.service : NULL;
	while (!is_more && fleet_page(fleet, FLEET_SERVICE, last, 1, &service) == 1) {
		is_more = !append_vips(api_server(request), (const struct fleet_service *)service, NULL,
				       page.limit, items);
		last = service->id;
	}
	reply_vips(reply, items, is_more);
}
