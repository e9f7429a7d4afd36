/*
 * The page /metrics: the counters of all workers summed up, and what the control path knows. Bounded by the
 * fleet; tenants and origins by the first so many. Control thread.
 */
#include "forwarder/seeing/metrics.h"
#include "forwarder/plan/world.h"
#include "forwarder/seeing/usage_sum.h"
#include "forwarder/tls/tls.h"
#include "lib/clock.h"
#include "lib/exposition.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "gslb_forwarder_"
#define NOBODY \
	"none" /* a service of requests for names that are no tenant's; a reason that there is none of */

static const char *const class_name[REQUEST_STATS_CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

struct page {
	struct exposition text;
	const struct seeing *seeing;
	const struct server *server;
	const struct world *world; /* NULL: none yet */
	const char *region;
	size_t worker_count;
	struct worker_view *const *workers;
};

static uint64_t sum_at(const struct page *page, size_t offset)
{
	uint64_t sum = 0;

	assert(offset % _Alignof(counter) == 0 && offset + sizeof(counter) <= sizeof(struct request_stats));
	for (size_t i = 0; i < page->worker_count; i++)
		sum += counter_read((const counter *)((const char *)page->workers[i]->stats + offset));
	return sum;
}
#define SUM(page, member) sum_at(page, offsetof(struct request_stats, member))

static uint64_t sum_of_service(const struct page *page, uint32_t number, size_t offset)
{
	uint64_t sum = 0;

	assert(number < REQUEST_STATS_SERVICES && offset < sizeof(struct request_stats_service));
	for (size_t i = 0; i < page->worker_count; i++)
		sum += counter_read(
			(const counter *)((const char *)&page->workers[i]->stats->services[number] + offset));
	return sum;
}
#define SUM_OF(page, number, member) \
	sum_of_service(page, number, offsetof(struct request_stats_service, member))

/* for (size_t at = 0; next_service(page, &at, &id, &number);): those of the fleet, then nobody's. */
static bool next_service(const struct page *page, size_t *at, const char **ret_id, uint32_t *ret_number)
{
	size_t count = page->world ? page->world->service_count : 0;

	for (; *at < count; ++*at) {
		const struct route_service *service = page->world->services[*at];
		if (!service || service->number >= REQUEST_STATS_SERVICES - 1)
			continue;
		*ret_id = service->id;
		*ret_number = service->number;
		++*at;
		return true;
	}
	*ret_id = NOBODY;
	*ret_number = REQUEST_STATS_SERVICES - 1;
	return (*at)++ == count;
}

/* ---- the node ---- */

static void render_node(struct page *page)
{
	struct exposition *text = &page->text;
	struct feed_facts feed;
	struct report_facts report;

	exposition_begin(text, "gslb_build_info", EXPOSITION_GAUGE, "Version of the running program.");
	exposition_sample(text, 1, "version", GSLB_VERSION, NULL);
	exposition_gauge(text, PREFIX "ready", "1 when requests are forwarded.",
			 !*server_waiting(page->server));
	exposition_gauge(text, PREFIX "epoch", "Number of the published world.",
			 page->world ? (double)page->world->epoch : 0);
	if (!server_feed(page->server, &feed))
		return;
	exposition_gauge(text, PREFIX "feed_open", "1 while gslbd is followed.", feed.state == FEED_OPEN);
	exposition_gauge(text, PREFIX "set_aside", "Objects of gslbd that did not fit.",
			 (double)server_set_aside(page->server));
	if (!server_report(page->server, &report) || report.accepted_ms == 0)
		return;
	exposition_gauge(text, PREFIX "load_report_age_seconds", "Time since gslbd took a report of load.",
			 (double)(clock_mono_ms() - report.accepted_ms) / 1000);
}

/* ---- connections ---- */

static double open_connections(const struct page *page, size_t opened, size_t closed)
{
	uint64_t out = sum_at(page, closed), in = sum_at(page, opened);

	return in > out ? (double)(in - out) : 0;
}

static void render_connections(struct page *page)
{
	struct exposition *text = &page->text;
	double http = open_connections(page, offsetof(struct request_stats, opened[0]),
				       offsetof(struct request_stats, closed[0])),
	       https = open_connections(page, offsetof(struct request_stats, opened[1]),
					offsetof(struct request_stats, closed[1]));
	uint64_t buffers = 0;

	exposition_begin(text, PREFIX "connections", EXPOSITION_GAUGE, "Open connections.");
	exposition_sample(text, http, "kind", "http", NULL);
	exposition_sample(text, https, "kind", "https", NULL);
	exposition_sample(text, (double)SUM(page, idle_origin_links), "kind", "origin-idle", NULL);
	exposition_begin(text, PREFIX "connections_total", EXPOSITION_COUNTER,
			 "Connections that were opened.");
	exposition_count(text, SUM(page, opened[0]), "kind", "http", NULL);
	exposition_count(text, SUM(page, opened[1]), "kind", "https", NULL);
	exposition_count(text, SUM(page, origin_connects), "kind", "origin", NULL);
	exposition_begin(text, PREFIX "refused_connections_total", EXPOSITION_COUNTER,
			 "Connections that were closed at once.");
	exposition_count(text, SUM(page, refused_full), "reason", "full", NULL);
	exposition_count(text, SUM(page, refused_client), "reason", "client", NULL);
	exposition_count(text, SUM(page, refused_proxy), "reason", "proxy", NULL);
	for (size_t i = 0; i < page->worker_count; i++)
		buffers += atomic_load(&page->workers[i]->buffers_bytes);
	exposition_gauge(text, PREFIX "buffers_bytes", "Octets of buffers in use.", (double)buffers);
}

static uint64_t sum_of_tls(const struct page *page, size_t offset)
{
	uint64_t sum = 0;

	assert(offset < sizeof(struct tls_counters));
	for (size_t i = 0; i < page->worker_count; i++) {
		const struct tls_counters *tls = atomic_load(&page->workers[i]->tls);
		if (tls)
			sum += counter_read((const counter *)((const char *)tls + offset));
	}
	return sum;
}

static void render_tls(struct page *page)
{
	static const struct {
		const char *result;
		size_t offset;
	} clients[] = {{"full", offsetof(struct tls_counters, full)},
		       {"resumed", offsetof(struct tls_counters, resumed)},
		       {"failed", offsetof(struct tls_counters, failed)},
		       {"unrecognized", offsetof(struct tls_counters, unrecognized)},
		       {"limited", offsetof(struct tls_counters, limited)},
		       {"no-protocol", offsetof(struct tls_counters, no_protocol)}},
	  origins[] = {{"full", offsetof(struct tls_counters, origin_full)},
		       {"resumed", offsetof(struct tls_counters, origin_resumed)},
		       {"failed", offsetof(struct tls_counters, origin_failed)}};
	struct exposition *text = &page->text;

	exposition_begin(text, PREFIX "handshakes_total", EXPOSITION_COUNTER, "TLS handshakes of clients.");
	for (size_t i = 0; i < sizeof clients / sizeof *clients; i++)
		exposition_count(text, sum_of_tls(page, clients[i].offset), "result", clients[i].result,
				 NULL);
	exposition_begin(text, PREFIX "origin_handshakes_total", EXPOSITION_COUNTER,
			 "TLS handshakes with origins.");
	for (size_t i = 0; i < sizeof origins / sizeof *origins; i++)
		exposition_count(text, sum_of_tls(page, origins[i].offset), "result", origins[i].result,
				 NULL);
}

static void render_certificates(struct page *page)
{
	const struct certs *certs = server_certs(page->server);
	struct exposition *text = &page->text;

	if (!certs)
		return;
	exposition_begin(text, PREFIX "certificates", EXPOSITION_GAUGE, "Certificates by their state.");
	for (enum certs_state state = 0; state < CERTS_STATES; state++)
		exposition_sample(text, (double)certs_count_of(certs, state), "state",
				  certs_state_word(state), NULL);
	int64_t first_s = certs_first_expiry_s(certs);
	if (first_s != INT64_MAX)
		exposition_gauge(text, PREFIX "certificate_expiry_seconds",
				 "Time until the first of the certificates in use expires.",
				 (double)(first_s - clock_unix_ms() / 1000));
}

/* ---- requests ---- */

static void request_row(struct page *page, const char *service, const char *class, const char *reason,
			uint64_t count)
{
	if (count)
		exposition_count(&page->text, count, "service", service, "region", page->region, "class",
				 class, "reason", reason, NULL);
}

static void render_requests(struct page *page)
{
	const char *service;
	uint32_t number;

	exposition_begin(&page->text, PREFIX "requests_total", EXPOSITION_COUNTER,
			 "Requests by their result; reason: why the forwarder answered by itself.");
	for (size_t at = 0; next_service(page, &at, &service, &number);) {
		for (unsigned class = 0; class < REQUEST_STATS_CLASSES; class ++)
			request_row(page, service, class_name[class], NOBODY,
				    SUM_OF(page, number, answered[class]));
		for (enum reason reason = REASON_NONE + 1; reason < REASON_COUNT; reason++)
			request_row(page, service, class_name[reason_status(reason) / 100],
				    reason_word(reason), SUM_OF(page, number, reasons[reason]));
	}
}

static void seconds_of(struct page *page, const char *service, uint32_t number, size_t offset)
{
	double bounds[REQUEST_STATS_BUCKETS - 1];
	uint64_t counts[REQUEST_STATS_BUCKETS], count = 0;

	for (unsigned i = 0; i < REQUEST_STATS_BUCKETS; i++) {
		if (i < REQUEST_STATS_BUCKETS - 1)
			bounds[i] = (double)request_stats_bucket_us(i) / 1e6;
		counts[i] = sum_of_service(page, number,
					   offset + offsetof(struct request_stats_seconds, bucket[i]));
		count += counts[i];
	}
	if (count == 0)
		return;
	const struct exposition_buckets buckets = {
		.bound_count = REQUEST_STATS_BUCKETS - 1,
		.bounds = bounds,
		.counts = counts,
		.sum = (double)sum_of_service(page, number,
					      offset + offsetof(struct request_stats_seconds, sum_us)) /
		       1e6,
	};
	exposition_histogram(&page->text, &buckets, "service", service, NULL);
}

static void render_seconds(struct page *page, const char *family, const char *help, size_t offset)
{
	const char *service;
	uint32_t number;

	exposition_begin(&page->text, family, EXPOSITION_HISTOGRAM, help);
	for (size_t at = 0; next_service(page, &at, &service, &number);)
		seconds_of(page, service, number, offset);
}

/* ---- pools and origins ---- */

struct pool_sums {
	uint64_t in_flight, queued, retries, refused, panics;
};

static void add_pool(const struct pool *pool, struct pool_sums *sums)
{
	for (uint32_t i = 0; i < pool->member_count; i++)
		sums->in_flight += atomic_load(&pool->members[i].origin->in_flight);
	sums->queued += atomic_load(&pool->state->queued);
	sums->retries += atomic_load(&pool->state->retries);
	sums->refused += atomic_load(&pool->state->retry_budget_spent);
	sums->panics += atomic_load(&pool->state->panics);
}

/* By index of the service in the world; free() it. */
static struct pool_sums *sum_pools(const struct page *page)
{
	const struct world *world = page->world;
	struct pool_sums *sums = xcalloc((world ? world->service_count : 0) + 1, sizeof *sums);

	for (size_t i = 0; world && i < world->pool_count; i++)
		if (world->pools[i]) {
			assert(world->pools[i]->service < world->service_count);
			add_pool(world->pools[i], &sums[world->pools[i]->service]);
		}
	return sums;
}

static void pool_rows(struct page *page, const struct pool_sums *sums, size_t offset, const char *result)
{
	for (size_t i = 0; page->world && i < page->world->service_count; i++) {
		const struct route_service *service = page->world->services[i];
		uint64_t value = *(const uint64_t *)((const char *)&sums[i] + offset);
		if (service && service->route_count)
			exposition_count(&page->text, value, "service", service->id, result ? "result" : NULL,
					 result, NULL);
	}
}

static void render_pools(struct page *page)
{
	struct pool_sums *sums = sum_pools(page);
	struct exposition *text = &page->text;
	uint64_t exhausted = 0;

	exposition_begin(text, PREFIX "in_flight", EXPOSITION_GAUGE, "Requests at origins.");
	pool_rows(page, sums, offsetof(struct pool_sums, in_flight), NULL);
	exposition_begin(text, PREFIX "queued", EXPOSITION_GAUGE, "Requests that wait for an origin.");
	pool_rows(page, sums, offsetof(struct pool_sums, queued), NULL);
	exposition_begin(text, PREFIX "panics_total", EXPOSITION_COUNTER,
			 "Times that a pool used all its origins for want of good ones.");
	pool_rows(page, sums, offsetof(struct pool_sums, panics), NULL);
	exposition_begin(text, PREFIX "retries_total", EXPOSITION_COUNTER,
			 "Requests that failed at an origin and could be tried again.");
	pool_rows(page, sums, offsetof(struct pool_sums, retries), "tried");
	pool_rows(page, sums, offsetof(struct pool_sums, refused), "refused");
	exposition_begin(text, PREFIX "retry_budget_exhausted_total", EXPOSITION_COUNTER,
			 "Retries that the budget of their pool refused.");
	for (size_t i = 0; page->world && i < page->world->service_count; i++)
		exhausted += sums[i].refused;
	exposition_count(text, exhausted, NULL);
	free(sums);
}

static void origin_row(struct page *page, const struct origins_row *row, uint64_t value)
{
	const char *slash = strchr(row->pool->name, '/');
	char *service;

	assert(slash);
	service = xstrndup(row->pool->name, (size_t)(slash - row->pool->name));
	exposition_count(&page->text, value, "service", service, "pool", slash + 1, "origin",
			 row->origin->text, NULL);
	free(service);
}

static void render_origins(struct page *page)
{
	const struct origins *origins = server_origins(page->server);
	struct exposition *text = &page->text;
	struct origins_row row;
	size_t shown = 0;
	uint64_t others_up = 1, others_ejected = 0;

	exposition_begin(text, PREFIX "origin_up", EXPOSITION_GAUGE, "0 when the origin gets no requests.");
	for (size_t at = 0; origins_next(origins, &at, &row); shown++) {
		bool is_up = atomic_load(&row.origin->state) == ORIGIN_UP &&
			     !atomic_load(&row.origin->is_draining);
		if (shown < METRICS_ORIGINS)
			origin_row(page, &row, is_up);
		else
			others_up &= is_up;
	}
	if (shown > METRICS_ORIGINS)
		exposition_count(text, others_up, "service", "other", "pool", "other", "origin", "other",
				 NULL);
	exposition_begin(text, PREFIX "origin_ejected_total", EXPOSITION_COUNTER,
			 "Times that an origin was ejected for failures of requests.");
	shown = 0;
	for (size_t at = 0; origins_next(origins, &at, &row); shown++) {
		uint64_t ejected = atomic_load(&row.origin->ejected_total);
		if (shown < METRICS_ORIGINS)
			origin_row(page, &row, ejected);
		else
			others_ejected += ejected;
	}
	if (shown > METRICS_ORIGINS)
		exposition_count(text, others_ejected, "service", "other", "pool", "other", "origin", "other",
				 NULL);
}

/* ---- tenants ---- */

static uint64_t requests_of(const uint64_t total[static USAGE_FIELDS])
{
	return total[USAGE_REQUESTS];
}

static uint64_t limited_of(const uint64_t total[static USAGE_FIELDS])
{
	return total[USAGE_LIMITED];
}

static uint64_t bytes_of(const uint64_t total[static USAGE_FIELDS])
{
	return total[USAGE_BYTES_IN] + total[USAGE_BYTES_OUT];
}

static void render_tenants(struct page *page)
{
	static const struct {
		const char *family, *help;
		uint64_t (*value)(const uint64_t total[static USAGE_FIELDS]);
	} families[] = {
		{PREFIX "tenant_requests_total", "Requests by tenant.", requests_of},
		{PREFIX "tenant_limited_total", "Requests that a limit of the tenant refused.", limited_of},
		{PREFIX "tenant_bytes_total", "Octets of bodies, both ways.", bytes_of},
	};
	struct usage_sum *usage = seeing_usage(page->seeing);
	struct usage_row *rows;
	uint64_t others[USAGE_FIELDS];

	if (!usage)
		return;
	rows = xcalloc(METRICS_TENANTS, sizeof *rows);
	size_t count = usage_sum_top(usage, METRICS_TENANTS, rows, others);
	for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
		exposition_begin(&page->text, families[f].family, EXPOSITION_COUNTER, families[f].help);
		for (size_t i = 0; i < count; i++)
			exposition_count(&page->text, families[f].value(rows[i].total), "tenant", rows[i].id,
					 NULL);
		exposition_count(&page->text, families[f].value(others), "tenant", "other", NULL);
	}
	for (size_t i = 0; i < count; i++)
		free(rows[i].id);
	free(rows);
}

static void render_writer(struct page *page)
{
	const struct writer *writer = seeing_writer(page->seeing);
	uint64_t lost = 0;

	if (!writer)
		return;
	exposition_begin(&page->text, PREFIX "log_lines_total", EXPOSITION_COUNTER,
			 "Lines of the access log that were written.");
	exposition_count(&page->text, writer_written(writer), NULL);
	exposition_begin(&page->text, PREFIX "log_dropped_total", EXPOSITION_COUNTER,
			 "Lines of the access log that were lost.");
	exposition_count(&page->text, writer_dropped(writer), NULL);
	for (size_t i = 0; i < page->worker_count; i++)
		lost += atomic_load(&page->workers[i]->notices->lost);
	exposition_begin(&page->text, PREFIX "usage_lost_total", EXPOSITION_COUNTER,
			 "Requests that are missing in the usage of their tenant.");
	exposition_count(&page->text, lost, NULL);
}

void metrics_render(const struct seeing *seeing, struct evbuffer *out)
{
	const struct server *server = seeing_server(seeing);
	struct page page = {.seeing = seeing,
			    .server = server,
			    .world = server_world(server),
			    .region = server_config(server)->node.region};

	page.workers = seeing_workers(seeing, &page.worker_count);
	exposition_init(&page.text, out);
	render_node(&page);
	render_connections(&page);
	render_tls(&page);
	render_certificates(&page);
	render_requests(&page);
	render_seconds(&page, PREFIX "request_seconds",
		       "From the head of a request to the end of its answer.",
		       offsetof(struct request_stats_service, request));
	render_seconds(&page, PREFIX "origin_seconds",
		       "From the connection to the head of the origin's answer.",
		       offsetof(struct request_stats_service, origin));
	render_pools(&page);
	render_origins(&page);
	render_tenants(&page);
	render_writer(&page);
}
