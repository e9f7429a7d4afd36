/*
 * The page /metrics: the counters of all worker threads summed up, and what the control path knows.
 * Bounded by the fleet; tenants by the first hundred. Control thread.
 */
#include "gslb/api/metrics.h"

#include "gslb/api/api_request.h"
#include "gslb/decide/words.h"
#include "health/health_book.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "zones/rcode.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TRANSPORTS 2
#define PROBE_BUCKETS 16

static const char *const transport_name[TRANSPORTS] = {"udp", "tcp"};

struct page {
	const struct server *server;
	struct evbuffer *out;
	struct stats *const *stats;
	size_t stats_count;
};

static void begin(struct page *page, const char *name, const char *type, const char *help)
{
	evbuffer_add_printf(page->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Backslash, quote and line feed are escaped (text format 0.0.4); out has room for twice the text. */
static const char *escape(const char *text, char *out, size_t size)
{
	size_t used = 0;
	for (; *text && used + 3 < size; text++) {
		if (*text == '\\' || *text == '"' || *text == '\n')
			out[used++] = '\\';
		out[used++] = *text == '\n' ? 'n' : *text;
	}
	out[used] = '\0';
	return out;
}

static void add_plain(struct page *page, const char *name, const char *help, double value)
{
	begin(page, name, "gauge", help);
	evbuffer_add_printf(page->out, "%s %.15g\n", name, value);
}

/* The sum over all threads of the counter at this place of struct stats. */
static uint64_t sum_at(const struct page *page, size_t offset)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < page->stats_count; i++)
		sum += counter_read((const counter *)((const char *)page->stats[i] + offset));
	return sum;
}
#define SUM(page, member) sum_at(page, offsetof(struct stats, member))

/* ---- the node ---- */

static void render_node(struct page *page)
{
	const struct server *server = page->server;
	begin(page, "gslb_build_info", "gauge", "Version of the running program.");
	evbuffer_add_printf(page->out, "gslb_build_info{version=\"%s\"} 1\n", GSLB_VERSION);
	add_plain(page, "gslb_ready", "1 when DNS is answered.", server_is_ready(server));
	add_plain(page, "gslb_control_epoch", "Number of the published world.", (double)server_epoch(server));
	add_plain(page, "gslb_control_fleet_version", "Accepted changes of the fleet.",
		  (double)server_fleet_version(server));
	begin(page, "gslb_control_index_builds_total", "counter",
	      "Times that the whole name index was built; a change of tenants alone edits it.");
	evbuffer_add_printf(page->out, "gslb_control_index_builds_total %llu\n",
			    (unsigned long long)server_index_builds(server));
	add_plain(page, "gslb_control_invalid_objects", "Stored objects set aside as invalid.",
		  (double)server_invalid_objects(server));
}

static void render_notices(struct page *page)
{
	struct notify_counts counts = notify_counts(server_notify(page->server));
	begin(page, "gslb_control_notices_total", "counter", "Transitions that the hook was to be told.");
	const struct {
		const char *result;
		uint64_t count;
	} rows[] = {{"sent", counts.sent}, {"failed", counts.failed}, {"dropped", counts.dropped}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		evbuffer_add_printf(page->out, "gslb_control_notices_total{result=\"%s\"} %" PRIu64 "\n",
				    rows[i].result, rows[i].count);
}

/* ---- DNS ---- */

static void rcode_name(unsigned row, char text[static RCODE_TEXT_MAX])
{
	if (row == STATS_RCODES - 1)
		strcpy(text, "other");
	else
		rcode_to_text(row, text);
}

/* The others stay out until one is seen. */
static bool is_usual(unsigned row)
{
	return row <= RCODE_REFUSED || row == RCODE_BADVERS || row == STATS_RCODES - 1;
}

static void render_queries(struct page *page)
{
	begin(page, "gslb_dns_queries_total", "counter", "Queries received.");
	for (unsigned t = 0; t < TRANSPORTS; t++)
		for (unsigned row = 0; row <= RRTYPE_KNOWN; row++)
			evbuffer_add_printf(page->out,
					    "gslb_dns_queries_total{transport=\"%s\",type=\"%s\"} %" PRIu64
					    "\n",
					    transport_name[t], rrtype_metric_name(row),
					    SUM(page, transport[t].queries[row]));
	begin(page, "gslb_dns_responses_total", "counter", "Responses sent.");
	for (unsigned t = 0; t < TRANSPORTS; t++) {
		for (unsigned row = 0; row < STATS_RCODES; row++) {
			char rcode[RCODE_TEXT_MAX];
			uint64_t count = SUM(page, transport[t].responses[row]);
			rcode_name(row, rcode);
			if (count || is_usual(row))
				evbuffer_add_printf(
					page->out,
					"gslb_dns_responses_total{transport=\"%s\",rcode=\"%s\"} %" PRIu64
					"\n",
					transport_name[t], rcode, count);
		}
	}
}

static void render_batch_seconds(struct page *page)
{
	const char *name = "gslb_dns_batch_seconds";
	begin(page, name, "histogram", "From receive to send, weighted by queries.");
	for (unsigned t = 0; t < TRANSPORTS; t++) {
		uint64_t count = 0;
		for (unsigned b = 0; b + 1 < STATS_LATENCY_BUCKETS; b++) {
			count += SUM(page, transport[t].latency[b]);
			evbuffer_add_printf(page->out,
					    "%s_bucket{transport=\"%s\",le=\"%.10g\"} %" PRIu64 "\n", name,
					    transport_name[t], (double)((uint64_t)1 << b) / 1e6, count);
		}
		count += SUM(page, transport[t].latency[STATS_LATENCY_BUCKETS - 1]);
		evbuffer_add_printf(
			page->out,
			"%s_bucket{transport=\"%s\",le=\"+Inf\"} %" PRIu64
			"\n%s_sum{transport=\"%s\"} %.9f\n%s_count{transport=\"%s\"} %" PRIu64 "\n",
			name, transport_name[t], count, name, transport_name[t],
			(double)SUM(page, transport[t].latency_ns) / 1e9, name, transport_name[t], count);
	}
}

static void render_drops(struct page *page)
{
	static const char *const reason[DROP_REASONS] = {[DROP_MALFORMED] = "malformed",
							 [DROP_RESPONSE] = "response",
							 [DROP_SOCKET] = "socket",
							 [DROP_LIMIT] = "limit"};
	static const char *const limited[LIMITED_REASONS] = {
		[LIMITED_CLIENT] = "client", [LIMITED_TENANT] = "tenant"};
	static const char *const family[2] = {"ipv4", "ipv6"};
	begin(page, "gslb_dns_dropped_total", "counter", "Packets and connections without an answer.");
	for (unsigned i = 0; i < DROP_REASONS; i++)
		evbuffer_add_printf(page->out, "gslb_dns_dropped_total{reason=\"%s\"} %" PRIu64 "\n",
				    reason[i], SUM(page, dropped[i]));
	begin(page, "gslb_dns_limited_total", "counter", "Truncated replies to what is over a limit.");
	for (unsigned i = 0; i < LIMITED_REASONS; i++)
		evbuffer_add_printf(page->out, "gslb_dns_limited_total{reason=\"%s\"} %" PRIu64 "\n",
				    limited[i], SUM(page, limited[i]));
	begin(page, "gslb_dns_ecs_queries_total", "counter", "Queries with a client subnet.");
	for (unsigned i = 0; i < 2; i++)
		evbuffer_add_printf(page->out, "gslb_dns_ecs_queries_total{family=\"%s\"} %" PRIu64 "\n",
				    family[i], SUM(page, ecs_queries[i]));
}

static void render_kernel_drops(struct page *page)
{
	size_t count;
	const struct sockaddr_storage *bound = server_listeners(page->server, &count);
	begin(page, "gslb_dns_kernel_dropped_total", "counter",
	      "Packets (UDP) and connections (TCP) that a full socket queue dropped.");
	for (unsigned t = 0; t < TRANSPORTS; t++) {
		for (size_t i = 0; i < count; i++) {
			char listener[64];
			listen_format((const struct sockaddr *)&bound[i], true, listener);
			evbuffer_add_printf(
				page->out,
				"gslb_dns_kernel_dropped_total{transport=\"%s\",listener=\"%s\"} %" PRIu64
				"\n",
				transport_name[t], listener, server_kernel_dropped(page->server, i, t));
		}
	}
}

/* ---- services ---- */

static uint64_t sum_answers(const struct page *page, uint32_t service, uint32_t region)
{
	uint64_t sum = 0;
	if (service >= STATS_SERVICES_MAX || region >= STATS_REGIONS)
		return 0;
	for (size_t i = 0; i < page->stats_count; i++)
		sum += counter_read(&page->stats[i]->answers[(size_t)service * STATS_REGIONS + region]);
	return sum;
}

static uint64_t sum_fallback(const struct page *page, uint32_t service, unsigned step)
{
	uint64_t sum = 0;
	if (service >= STATS_SERVICES_MAX)
		return 0;
	for (size_t i = 0; i < page->stats_count; i++)
		sum += counter_read(&page->stats[i]->fallback[(size_t)service * STATS_STEPS + step]);
	return sum;
}

static void render_services(struct page *page)
{
	const struct fleet *fleet = server_fleet(page->server);
	const struct fleet_object *object;
	begin(page, "gslb_dns_answers_total", "counter", "Answers by the region that was chosen.");
	for (size_t at = 0; (object = fleet_next(fleet, FLEET_SERVICE, &at));) {
		const struct fleet_service *service = (const struct fleet_service *)object;
		for (size_t r = 0; r < service->vip_region_count; r++) {
			const char *id = service->vips[r].region;
			const struct fleet_object *region = fleet_get(fleet, FLEET_REGION, id);
			evbuffer_add_printf(page->out,
					    "gslb_dns_answers_total{service=\"%s\",region=\"%s\"} %" PRIu64
					    "\n",
					    object->id, id,
					    region ? sum_answers(page, object->number, region->number) : 0);
		}
	}
	begin(page, "gslb_dns_fallback_total", "counter", "Answers beyond the regular step.");
	for (size_t at = 0; (object = fleet_next(fleet, FLEET_SERVICE, &at));)
		for (unsigned step = STEP_DEGRADED; step < STEP_COUNT; step++)
			evbuffer_add_printf(page->out,
					    "gslb_dns_fallback_total{service=\"%s\",step=\"%s\"} %" PRIu64
					    "\n",
					    object->id, words_step((enum step)step),
					    sum_fallback(page, object->number, step));
}

/* ---- tenants: the first hundred by count, the rest together ---- */

struct tenant_count {
	const char *id;
	uint64_t count;
};

static bool is_less(const struct tenant_count *a, const struct tenant_count *b)
{
	return a->count != b->count ? a->count < b->count : strcmp(a->id, b->id) > 0;
}

static int compare_most_first(const void *a, const void *b)
{
	return is_less(a, b) ? 1 : is_less(b, a) ? -1 : 0;
}

/* The heap's root is the least of the hundred: most tenants are compared with it alone. */
static void sift_down(struct tenant_count *heap, size_t count, size_t at)
{
	for (;;) {
		size_t least = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
			if (is_less(&heap[child], &heap[least]))
				least = child;
		if (least == at)
			return;
		struct tenant_count swap = heap[at];
		heap[at] = heap[least];
		heap[least] = swap;
		at = least;
	}
}

static uint64_t sum_tenant(const struct page *page, uint32_t number)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < page->stats_count && number < STATS_TENANTS_MAX; i++)
		sum += counter_read(&page->stats[i]->tenant[number]);
	return sum;
}

/* A million tenants are told apart by their counts; only one that may be among the hundred is looked at. */
static void render_tenants(struct page *page)
{
	struct tenant_count top[METRICS_TENANTS];
	const struct fleet *fleet = server_fleet(page->server);
	uint32_t end = fleet_number_end(fleet, FLEET_TENANT);
	size_t count = 0;
	uint64_t other = SUM(page, tenant_other);
	for (uint32_t number = 0; number < end; number++) {
		uint64_t queries = sum_tenant(page, number);
		const struct fleet_object *object =
			queries > 0 ? fleet_numbered(fleet, FLEET_TENANT, number) : NULL;
		if (!object)
			continue; /* what a removed tenant was asked is nobody's */
		bool is_full = count == METRICS_TENANTS;
		if (is_full && queries < top[0].count) {
			other += queries;
			continue;
		}
		struct tenant_count tenant = {object->id, queries};
		if (!is_full) {
			top[count++] = tenant;
			for (size_t i = count == METRICS_TENANTS ? count / 2 : 0; i-- > 0;)
				sift_down(top, count, i);
		} else if (is_less(&top[0], &tenant)) {
			other += top[0].count;
			top[0] = tenant;
			sift_down(top, count, 0);
		} else {
			other += queries;
		}
	}
	qsort(top, count, sizeof(top[0]), compare_most_first);
	begin(page, "gslb_dns_tenant_queries_total", "counter",
	      "Queries by tenant, the hundred with the most.");
	for (size_t i = 0; i < count; i++)
		evbuffer_add_printf(page->out, "gslb_dns_tenant_queries_total{tenant=\"%s\"} %" PRIu64 "\n",
				    top[i].id, top[i].count);
	evbuffer_add_printf(page->out, "gslb_dns_tenant_queries_total{tenant=\"other\"} %" PRIu64 "\n",
			    other);
}

/* ---- health ---- */

enum vip_metric { VIP_METRIC_UP, VIP_METRIC_SCORE, VIP_METRIC_TRANSITIONS };

static void render_vip(struct page *page, const char *name, enum vip_metric metric,
		       const struct fleet_service *service, const struct fleet_vips *vips, size_t at)
{
	struct api_vip vip;
	char address[IP_TEXT_MAX];
	api_view_vip(page->server, service, vips, at, &vip);
	ip_format(&vip.vip->ip, address);
	evbuffer_add_printf(page->out, "%s{service=\"%s\",region=\"%s\",vip=\"%s\"} ", name, vip.service,
			    vip.region, address);
	const struct health_entry *entry;
	switch (metric) {
	case VIP_METRIC_UP: /* what is unknown counts as up */
		evbuffer_add_printf(page->out, "%d\n", vip.state != VIP_DOWN);
		break;
	case VIP_METRIC_SCORE:
		evbuffer_add_printf(page->out, "%.15g\n", vip.score);
		break;
	case VIP_METRIC_TRANSITIONS:
		entry = vip.check ? health_book_find(server_health(page->server), vip.vip, vip.check) : NULL;
		evbuffer_add_printf(page->out, "%" PRIu64 "\n", entry ? entry->transitions : 0);
		break;
	}
}

static void render_vips(struct page *page, const char *name, const char *type, const char *help,
			enum vip_metric metric)
{
	const struct fleet_object *object;
	begin(page, name, type, help);
	for (size_t at = 0; (object = fleet_next(server_fleet(page->server), FLEET_SERVICE, &at));) {
		const struct fleet_service *service = (const struct fleet_service *)object;
		for (size_t r = 0; r < service->vip_region_count; r++)
			for (size_t v = 0; v < service->vips[r].count; v++)
				render_vip(page, name, metric, service, &service->vips[r], v);
	}
}

static double count_unknown(const struct page *page)
{
	unsigned unknown = 0;
	const struct fleet_object *object;
	for (size_t at = 0; (object = fleet_next(server_fleet(page->server), FLEET_SERVICE, &at));) {
		const struct fleet_service *service = (const struct fleet_service *)object;
		for (size_t r = 0; r < service->vip_region_count; r++) {
			for (size_t v = 0; v < service->vips[r].count; v++) {
				struct api_vip vip;
				api_view_vip(page->server, service, &service->vips[r], v, &vip);
				unknown += vip.state == VIP_UNKNOWN;
			}
		}
	}
	return unknown;
}

/* One check's probes, all its targets together. */
static void render_probe_seconds(struct page *page, const char *check)
{
	const char *name = "gslb_health_probe_seconds";
	uint64_t bucket[PROBE_BUCKETS] = {0}, sum_us = 0, count = 0;
	const struct health_entry *entry;
	for (size_t at = 0; (entry = health_book_next(server_health(page->server), &at));) {
		if (strcmp(entry->check, check) != 0)
			continue;
		for (unsigned b = 0; b < PROBE_BUCKETS; b++)
			bucket[b] += entry->latency_bucket[b];
		sum_us += entry->latency_sum_us;
	}
	for (unsigned b = 0; b + 1 < PROBE_BUCKETS; b++) {
		count += bucket[b];
		evbuffer_add_printf(page->out, "%s_bucket{check=\"%s\",le=\"%.10g\"} %" PRIu64 "\n", name,
				    check, (double)(1u << b) / 8000, count);
	}
	count += bucket[PROBE_BUCKETS - 1];
	evbuffer_add_printf(page->out,
			    "%s_bucket{check=\"%s\",le=\"+Inf\"} %" PRIu64 "\n%s_sum{check=\"%s\"} %.6f\n"
			    "%s_count{check=\"%s\"} %" PRIu64 "\n",
			    name, check, count, name, check, (double)sum_us / 1e6, name, check, count);
}

static void render_health(struct page *page)
{
	render_vips(page, "gslb_health_up", "gauge", "0 when the VIP is down.", VIP_METRIC_UP);
	render_vips(page, "gslb_health_score", "gauge", "Score of the VIP, 0 to 1.", VIP_METRIC_SCORE);
	render_vips(page, "gslb_health_transitions_total", "counter", "Changes between up and down.",
		    VIP_METRIC_TRANSITIONS);
	add_plain(page, "gslb_health_unknown", "VIPs that nothing is known of; they count as up.",
		  count_unknown(page));
	add_plain(page, "gslb_health_evidence_frozen", "1 while states are held for want of evidence.",
		  health_book_is_frozen(server_health(page->server)));
	begin(page, "gslb_health_probe_seconds", "histogram", "From the start of a probe to its verdict.");
	const struct fleet_object *check;
	for (size_t at = 0; (check = fleet_next(server_fleet(page->server), FLEET_CHECK, &at));)
		render_probe_seconds(page, check->id);
}

/* ---- controls and geography ---- */

static void render_share(struct page *page, const char *region, const char *service, int share)
{
	evbuffer_add_printf(page->out, "gslb_control_share{region=\"%s\",service=\"%s\"} %d\n", region,
			    service, share);
}

static void render_controls(struct page *page)
{
	const struct controls *controls = server_controls(page->server);
	const struct fleet_object *region;
	const struct control_row *row;
	begin(page, "gslb_control_share", "gauge", "Share of its clients that a region keeps; -1 is down.");
	for (size_t at = 0; (region = fleet_next(server_fleet(page->server), FLEET_REGION, &at));) {
		row = controls_get(controls, region->id, "", "");
		render_share(page, region->id, "", row ? row->share : 100);
	}
	for (size_t at = 0; (row = controls_next(controls, &at));)
		if (!row->address[0] && row->service[0])
			render_share(page, row->region, row->service, row->share);
	begin(page, "gslb_control_expiry_seconds", "gauge", "Seconds until a control expires.");
	uint64_t now_ms = clock_mono_ms();
	for (size_t at = 0; (row = controls_next(controls, &at));) {
		if (row->address[0] || row->expires_mono_ms == 0)
			continue;
		uint64_t left_ms = row->expires_mono_ms > now_ms ? row->expires_mono_ms - now_ms : 0;
		evbuffer_add_printf(page->out,
				    "gslb_control_expiry_seconds{region=\"%s\",service=\"%s\"} %.3f\n",
				    row->region, row->service, (double)left_ms / 1000);
	}
}

static void render_geo(struct page *page)
{
	/* This thread alone publishes: the world stays while the page is written. */
	const struct world *world = server_world(page->server);
	const struct places *places = world ? world->places : NULL;
	char path[2 * 4096 + 1];
	begin(page, "gslb_geo_build_timestamp_seconds", "gauge", "When the geography file was built.");
	for (size_t i = 0; places && i < places->file_count; i++)
		evbuffer_add_printf(page->out, "gslb_geo_build_timestamp_seconds{file=\"%s\"} %" PRId64 "\n",
				    escape(places->files[i].path, path, sizeof(path)),
				    places->files[i].built_unix_s);
	begin(page, "gslb_geo_prefixes", "gauge", "Records read from the geography file.");
	for (size_t i = 0; places && i < places->file_count; i++)
		evbuffer_add_printf(page->out, "gslb_geo_prefixes{file=\"%s\"} %zu\n",
				    escape(places->files[i].path, path, sizeof(path)),
				    places->files[i].prefixes);
}

void metrics_render(const struct server *server, struct evbuffer *out)
{
	struct page page = {.server = server, .out = out};
	page.stats = server_stats(server, &page.stats_count);
	render_node(&page);
	render_notices(&page);
	render_queries(&page);
	render_services(&page);
	render_batch_seconds(&page);
	render_drops(&page);
	render_kernel_drops(&page);
	render_tenants(&page);
	render_health(&page);
	render_controls(&page);
	render_geo(&page);
}
