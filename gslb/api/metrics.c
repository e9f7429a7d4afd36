/*
 * The page /metrics: the counters of all worker threads summed up, and what the control path knows.
 * Bounded by the fleet; tenants by the first hundred. Control thread.
 */
#include "gslb/api/metrics.h"

#include "gslb/api/api_internal.h"
#include "gslb/compile/shedding.h"
#include "gslb/decide/words.h"
#include "health/health_book.h"
#include "health/notify.h"
#include "lib/clock.h"
#include "lib/exposition.h"
#include "lib/mem.h"
#include "zones/rcode.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TRANSPORTS 2
#define PROBE_BUCKETS 16
static_assert(sizeof((struct stats *)NULL)->transport == TRANSPORTS * sizeof(struct stats_transport),
	      "one name each");
static_assert(sizeof((struct health_entry *)NULL)->latency_bucket ==
		      PROBE_BUCKETS * sizeof(*((struct health_entry *)NULL)->latency_bucket),
	      "a bound for each but the last");

static const char *const transport_name[TRANSPORTS] = {"udp", "tcp"};

struct page {
	struct exposition text;
	const struct server *server;
	struct stats *const *stats;
	size_t stats_count;
};

/* The sum over all threads of the counter at this place of struct stats. */
static uint64_t sum_at(const struct page *page, size_t offset)
{
	uint64_t sum = 0;
	assert(offset % _Alignof(counter) == 0 && offset + sizeof(counter) <= sizeof(struct stats));
	for (size_t i = 0; i < page->stats_count; i++)
		sum += counter_read((const counter *)((const char *)page->stats[i] + offset));
	return sum;
}
#define SUM(page, member) sum_at(page, offsetof(struct stats, member))

/* ---- the node ---- */

static void render_node(struct page *page)
{
	const struct server *server = page->server;
	exposition_begin(&page->text, "gslb_build_info", EXPOSITION_GAUGE, "Version of the running program.");
	exposition_sample(&page->text, 1, "version", GSLB_VERSION, NULL);
	exposition_gauge(&page->text, "gslb_ready", "1 when DNS is answered.", server_is_ready(server));
	exposition_gauge(&page->text, "gslb_control_epoch", "Number of the published world.",
			 (double)server_epoch(server));
	exposition_gauge(&page->text, "gslb_control_fleet_version", "Accepted changes of the fleet.",
			 (double)server_fleet_version(server));
	exposition_begin(&page->text, "gslb_control_index_builds_total", EXPOSITION_COUNTER,
			 "Times that the whole name index was built; a change of tenants alone edits it.");
	exposition_count(&page->text, server_index_builds(server), NULL);
	exposition_gauge(&page->text, "gslb_control_invalid_objects", "Stored objects set aside as invalid.",
			 (double)server_invalid_objects(server));
}

static void render_notices(struct page *page)
{
	struct notify_counts counts = notify_counts(server_notify(page->server));
	exposition_begin(&page->text, "gslb_control_notices_total", EXPOSITION_COUNTER,
			 "Transitions that the hook was to be told.");
	const struct {
		const char *result;
		uint64_t count;
	} rows[] = {{"sent", counts.sent}, {"failed", counts.failed}, {"dropped", counts.dropped}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		exposition_count(&page->text, rows[i].count, "result", rows[i].result, NULL);
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
	struct exposition *text = &page->text;
	exposition_begin(text, "gslb_dns_queries_total", EXPOSITION_COUNTER, "Queries received.");
	for (unsigned t = 0; t < TRANSPORTS; t++)
		for (unsigned row = 0; row <= RRTYPE_KNOWN; row++)
			exposition_count(text, SUM(page, transport[t].queries[row]), "transport",
					 transport_name[t], "type", rrtype_metric_name(row), NULL);
	exposition_begin(text, "gslb_dns_responses_total", EXPOSITION_COUNTER, "Responses sent.");
	for (unsigned t = 0; t < TRANSPORTS; t++) {
		for (unsigned row = 0; row < STATS_RCODES; row++) {
			char rcode[RCODE_TEXT_MAX];
			uint64_t count = SUM(page, transport[t].responses[row]);
			rcode_name(row, rcode);
			if (count || is_usual(row))
				exposition_count(text, count, "transport", transport_name[t], "rcode", rcode,
						 NULL);
		}
	}
}

static void render_batch_seconds(struct page *page)
{
	double bounds[STATS_LATENCY_BUCKETS - 1];
	uint64_t counts[STATS_LATENCY_BUCKETS];
	for (unsigned b = 0; b + 1 < STATS_LATENCY_BUCKETS; b++)
		bounds[b] = (double)((uint64_t)1 << b) / 1e6;
	exposition_begin(&page->text, "gslb_dns_batch_seconds", EXPOSITION_HISTOGRAM,
			 "From receive to send, weighted by queries.");
	for (unsigned t = 0; t < TRANSPORTS; t++) {
		for (unsigned b = 0; b < STATS_LATENCY_BUCKETS; b++)
			counts[b] = SUM(page, transport[t].latency[b]);
		const struct exposition_buckets buckets = {
			.bound_count = STATS_LATENCY_BUCKETS - 1,
			.bounds = bounds,
			.counts = counts,
			.sum = (double)SUM(page, transport[t].latency_ns) / 1e9,
		};
		exposition_histogram(&page->text, &buckets, "transport", transport_name[t], NULL);
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
	struct exposition *text = &page->text;
	exposition_begin(text, "gslb_dns_dropped_total", EXPOSITION_COUNTER,
			 "Packets and connections without an answer.");
	for (unsigned i = 0; i < DROP_REASONS; i++)
		exposition_count(text, SUM(page, dropped[i]), "reason", reason[i], NULL);
	exposition_begin(text, "gslb_dns_limited_total", EXPOSITION_COUNTER,
			 "Truncated replies to what is over a limit.");
	for (unsigned i = 0; i < LIMITED_REASONS; i++)
		exposition_count(text, SUM(page, limited[i]), "reason", limited[i], NULL);
	exposition_begin(text, "gslb_dns_ecs_queries_total", EXPOSITION_COUNTER,
			 "Queries with a client subnet.");
	for (unsigned i = 0; i < 2; i++)
		exposition_count(text, SUM(page, ecs_queries[i]), "family", family[i], NULL);
}

static void render_kernel_drops(struct page *page)
{
	size_t count;
	const struct sockaddr_storage *bound = server_listeners(page->server, &count);
	exposition_begin(&page->text, "gslb_dns_kernel_dropped_total", EXPOSITION_COUNTER,
			 "Packets (UDP) and connections (TCP) that a full socket queue dropped.");
	for (unsigned t = 0; t < TRANSPORTS; t++) {
		for (size_t i = 0; i < count; i++) {
			char listener[64];
			listen_format((const struct sockaddr *)&bound[i], true, listener);
			exposition_count(&page->text, server_kernel_dropped(page->server, i, t), "transport",
					 transport_name[t], "listener", listener, NULL);
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
	exposition_begin(&page->text, "gslb_dns_answers_total", EXPOSITION_COUNTER,
			 "Answers by the region that was chosen.");
	for (size_t at = 0; (object = fleet_next(fleet, FLEET_SERVICE, &at));) {
		const struct fleet_service *service = (const struct fleet_service *)object;
		for (size_t r = 0; r < service->vip_region_count; r++) {
			const char *id = service->vips[r].region;
			const struct fleet_object *region = fleet_get(fleet, FLEET_REGION, id);
			uint64_t count = region ? sum_answers(page, object->number, region->number) : 0;
			exposition_count(&page->text, count, "service", object->id, "region", id, NULL);
		}
	}
	exposition_begin(&page->text, "gslb_dns_fallback_total", EXPOSITION_COUNTER,
			 "Answers beyond the regular step.");
	for (size_t at = 0; (object = fleet_next(fleet, FLEET_SERVICE, &at));)
		for (unsigned step = STEP_TIER + 1; step < STEP_COUNT; step++)
			exposition_count(&page->text, sum_fallback(page, object->number, step), "service",
					 object->id, "step", words_step((enum step)step), NULL);
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
	assert(count <= METRICS_TENANTS && at < count);
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
	qsort(top, count, sizeof top[0], compare_most_first);
	exposition_begin(&page->text, "gslb_dns_tenant_queries_total", EXPOSITION_COUNTER,
			 "Queries by tenant, the hundred with the most.");
	for (size_t i = 0; i < count; i++)
		exposition_count(&page->text, top[i].count, "tenant", top[i].id, NULL);
	exposition_count(&page->text, other, "tenant", "other", NULL);
}

/* ---- health ---- */

typedef double vip_value(const struct api_vip *vip);

static double vip_up(const struct api_vip *vip)
{
	return vip->state != VIP_DOWN; /* what is unknown counts as up */
}

static double vip_score(const struct api_vip *vip)
{
	return vip->score;
}

static double vip_transitions(const struct api_vip *vip)
{
	return vip->entry ? (double)vip->entry->transitions : 0;
}

/* The samples of a family that was begun. */
static void render_vips(struct page *page, vip_value *value)
{
	const struct fleet_object *object;
	for (size_t at = 0; (object = fleet_next(server_fleet(page->server), FLEET_SERVICE, &at));) {
		const struct fleet_service *service = (const struct fleet_service *)object;
		for (size_t r = 0; r < service->vip_region_count; r++) {
			for (size_t v = 0; v < service->vips[r].count; v++) {
				struct api_vip vip;
				char address[IP_TEXT_MAX];
				api_view_vip(page->server, service, &service->vips[r], v, &vip);
				ip_format(&vip.vip->ip, address);
				exposition_sample(&page->text, value(&vip), "service", vip.service, "region",
						  vip.region, "vip", address, NULL);
			}
		}
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
	double bounds[PROBE_BUCKETS - 1];
	uint64_t counts[PROBE_BUCKETS] = {0}, sum_us = 0;
	const struct health_entry *entry;
	for (unsigned b = 0; b + 1 < PROBE_BUCKETS; b++)
		bounds[b] = (double)(1u << b) / 8000;
	for (size_t at = 0; (entry = health_book_next(server_health(page->server), &at));) {
		if (strcmp(entry->check, check) != 0)
			continue;
		for (unsigned b = 0; b < PROBE_BUCKETS; b++)
			counts[b] += entry->latency_bucket[b];
		sum_us += entry->latency_sum_us;
	}
	const struct exposition_buckets buckets = {
		.bound_count = PROBE_BUCKETS - 1,
		.bounds = bounds,
		.counts = counts,
		.sum = (double)sum_us / 1e6,
	};
	exposition_histogram(&page->text, &buckets, "check", check, NULL);
}

static void render_health(struct page *page)
{
	struct exposition *text = &page->text;
	exposition_begin(text, "gslb_health_up", EXPOSITION_GAUGE, "0 when the VIP is down.");
	render_vips(page, vip_up);
	exposition_begin(text, "gslb_health_score", EXPOSITION_GAUGE, "Score of the VIP, 0 to 1.");
	render_vips(page, vip_score);
	exposition_begin(text, "gslb_health_transitions_total", EXPOSITION_COUNTER,
			 "Changes between up and down.");
	render_vips(page, vip_transitions);
	exposition_gauge(text, "gslb_health_unknown", "VIPs that nothing is known of; they count as up.",
			 count_unknown(page));
	exposition_gauge(text, "gslb_health_evidence_frozen", "1 while states are held for want of evidence.",
			 health_book_is_frozen(server_health(page->server)));
	exposition_begin(text, "gslb_health_probe_seconds", EXPOSITION_HISTOGRAM,
			 "From the start of a probe to its verdict.");
	const struct fleet_object *check;
	for (size_t at = 0; (check = fleet_next(server_fleet(page->server), FLEET_CHECK, &at));)
		render_probe_seconds(page, check->id);
}

/* ---- load ---- */

typedef double load_value(const struct page *page, const struct load_entry *entry);

static double load_scale(const struct page *page, const struct load_entry *entry)
{
	return entry->scale / (double)SCORE_FULL;
}

static double load_shed(const struct page *page, const struct load_entry *entry)
{
	const struct shedding *shedding = server_shedding(page->server);
	return shedding ? shedding_fraction(shedding, entry->service, entry->region) : 0;
}

static double load_current(const struct page *page, const struct load_entry *entry)
{
	return (double)entry->current;
}

static double load_target(const struct page *page, const struct load_entry *entry)
{
	return (double)entry->target;
}

static double load_max(const struct page *page, const struct load_entry *entry)
{
	return (double)entry->max;
}

static void render_load(struct page *page)
{
	static const struct {
		const char *family, *help;
		load_value *value;
	} rows[] = {
		{"gslb_health_load_scale", "What forwarders report is left of the region, 0 to 1.",
		 load_scale},
		{"gslb_health_load_shed", "Part of the region's clients that is sent elsewhere, 0 to 1.",
		 load_shed},
		{"gslb_health_load_current", "Requests in flight and queued in the region.", load_current},
		{"gslb_health_load_target", "Requests above which the region should get fewer clients.",
		 load_target},
		{"gslb_health_load_max", "Requests that the region can bear.", load_max},
	};
	const struct load_book *book = server_load_book(page->server);
	const struct load_entry *entry;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		exposition_begin(&page->text, rows[i].family, EXPOSITION_GAUGE, rows[i].help);
		for (size_t at = 0; (entry = load_book_next(book, &at));)
			exposition_sample(&page->text, rows[i].value(page, entry), "service", entry->service,
					  "region", entry->region, NULL);
	}
	const struct load_node *node;
	uint64_t now_ms = clock_mono_ms();
	exposition_begin(&page->text, "gslb_health_load_report_age_seconds", EXPOSITION_GAUGE,
			 "Seconds since the forwarder's last report.");
	for (size_t at = 0; (node = load_book_next_node(book, &at));)
		exposition_sample(&page->text,
				  now_ms > node->seen_ms ? (double)(now_ms - node->seen_ms) / 1000 : 0,
				  "node", node->node, "region", node->region, "state",
				  node->state == LOAD_UP ? "up" : "draining", NULL);
}

/* ---- controls and geography ---- */

static void render_share(struct page *page, const char *region, const char *service, int share)
{
	exposition_sample(&page->text, share, "region", region, "service", service, NULL);
}

static void render_controls(struct page *page)
{
	const struct controls *controls = server_controls(page->server);
	const struct fleet_object *region;
	const struct control_row *row;
	exposition_begin(&page->text, "gslb_control_share", EXPOSITION_GAUGE,
			 "Share of its clients that a region keeps; -1 is down.");
	for (size_t at = 0; (region = fleet_next(server_fleet(page->server), FLEET_REGION, &at));) {
		row = controls_get(controls, region->id, "", "");
		render_share(page, region->id, "", row ? row->share : 100);
	}
	for (size_t at = 0; (row = controls_next(controls, &at));)
		if (!row->address[0] && row->service[0])
			render_share(page, row->region, row->service, row->share);
	exposition_begin(&page->text, "gslb_control_expiry_seconds", EXPOSITION_GAUGE,
			 "Seconds until a control expires.");
	uint64_t now_ms = clock_mono_ms();
	for (size_t at = 0; (row = controls_next(controls, &at));) {
		if (row->address[0] || row->expires_mono_ms == 0)
			continue;
		uint64_t left_ms = row->expires_mono_ms > now_ms ? row->expires_mono_ms - now_ms : 0;
		exposition_sample(&page->text, (double)left_ms / 1000, "region", row->region, "service",
				  row->service, NULL);
	}
}

static void render_geo(struct page *page)
{
	/* This thread alone publishes: the world stays while the page is written. */
	const struct world *world = server_world(page->server);
	const struct places *places = world ? world->places : NULL;
	exposition_begin(&page->text, "gslb_geo_build_timestamp_seconds", EXPOSITION_GAUGE,
			 "When the geography file was built.");
	for (size_t i = 0; places && i < places->file_count; i++)
		exposition_sample(&page->text, (double)places->files[i].built_unix_s, "file",
				  places->files[i].path, NULL);
	exposition_begin(&page->text, "gslb_geo_prefixes", EXPOSITION_GAUGE,
			 "Records read from the geography file.");
	for (size_t i = 0; places && i < places->file_count; i++)
		exposition_sample(&page->text, (double)places->files[i].prefixes, "file",
				  places->files[i].path, NULL);
}

void metrics_render(const struct server *server, struct evbuffer *out)
{
	struct page page = {.server = server};
	exposition_init(&page.text, out);
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
	render_load(&page);
	render_controls(&page);
	render_geo(&page);
}
