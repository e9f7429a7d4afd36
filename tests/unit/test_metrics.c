/* The metrics page as a scraper reads it: a strict reader, and the numbers that went in. */
#include "gslb/api/metrics.h"
#include "gslb/decide/choose.h"

#include "health/load_book.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "store/controls.h"
#include "tests/unit/health_stand_in.h"
#include "tests/unit/server_stand_in.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const char fleet_text[] =
	"regions: {eu: {at: [50, 8]}, us: {at: [38, -77]}}\n"
	"checks: {web: {type: http, port: 80}}\n"
	"services:\n"
	"  shop: {check: web, vips: {eu: [192.0.2.1, '2001:db8::1'], us: [192.0.2.2]}}\n"
	"  free: {vips: {us: [192.0.2.9]}}\n"
	"zones: {example.net: {text: '@ 60 IN SOA a b 1 2 3 4 5'}}\n";

static struct stats *threads[2];

static struct stats *const *give_stats(void *user, size_t *ret_count)
{
	*ret_count = 2;
	return threads;
}

static const struct sockaddr_storage *give_listeners(void *user, size_t *ret_count)
{
	static struct sockaddr_storage listeners[2];
	listeners[0].ss_family = AF_INET;
	listeners[1].ss_family = AF_INET6;
	*ret_count = 2;
	return listeners;
}

static uint64_t give_kernel_drops(void *user, size_t listener, unsigned transport)
{
	return 100 * (listener + 1) + transport;
}

static const struct server_hooks hooks = {
	.stats = give_stats, .listeners = give_listeners, .kernel_dropped = give_kernel_drops};
static struct publish published;
static struct server server = {.hooks = &hooks, .world = &published, .epoch = 17, .fleet_version = 5};

static void add_text(const char *text)
{
	struct err_list errors = {0};
	struct fleet_result result = {0};
	struct doc *doc = doc_from_yaml("test.yaml", text, strlen(text), &errors);
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	fleet_change_add_document(change, doc, &errors);
	if (err_has_errors(&errors) || !fleet_apply(server.fleet, change, 1, false, &result, &errors))
		fail_msg("%s", errors.items[0].message);
	fleet_result_done(&result);
	fleet_change_free(change);
	doc_free(doc);
	err_done(&errors);
}

static void on_load_changed(void *user, const char *region, const char *service) {}

static int setup(void **state)
{
	server.fleet = fleet_new();
	server.controls = controls_new();
	server.load_book = load_book_new(on_load_changed, NULL);
	server.is_ready = true;
	for (int i = 0; i < 2; i++)
		threads[i] = stats_new();
	add_text(fleet_text);
	entry_count = 0;
	return 0;
}

static int teardown(void **state)
{
	controls_free(server.controls);
	load_book_free(server.load_book);
	fleet_free(server.fleet);
	for (int i = 0; i < 2; i++)
		stats_free(threads[i]);
	return 0;
}

/* ---- a strict reader of text format 0.0.4 ---- */

struct row_read {
	char name[64], labels[256];
	double value;
};

struct family_read {
	char name[64], type[16];
};

static struct family_read families[64];
static size_t family_count;
static struct row_read *samples;
static size_t sample_count, sample_capacity;

static size_t span_name(const char *text)
{
	size_t length = 0;
	while (isalnum((unsigned char)text[length]) || text[length] == '_')
		length++;
	return isdigit((unsigned char)*text) ? 0 : length;
}

/* label="value" and the comma behind it. */
static const char *skip_label(const char *at)
{
	size_t length = span_name(at);
	assert_true(length > 0);
	at += length;
	assert_memory_equal(at, "=\"", 2);
	for (at += 2; *at != '"'; at++) {
		assert_true(*at != '\0' && *at != '\n');
		if (*at == '\\') {
			at++;
			assert_true(*at == '\\' || *at == '"' || *at == 'n');
		}
	}
	return at[1] == ',' ? at + 2 : at + 1;
}

/* Up to the closing brace; returns what follows it. */
static const char *skip_labels(const char *at)
{
	do
		at = skip_label(at);
	while (*at != '}');
	assert_int_not_equal(at[-1], ',');
	return at + 1;
}

/* The sample belongs to the family that the last TYPE line named. */
static void check_family(const char *name, const char *family, const char *type)
{
	size_t length = strlen(family);
	assert_memory_equal(name, family, length);
	const char *suffix = name + length;
	if (strcmp(type, "histogram") == 0)
		assert_true(strcmp(suffix, "_bucket") == 0 || strcmp(suffix, "_sum") == 0 ||
			    strcmp(suffix, "_count") == 0);
	else
		assert_string_equal(suffix, "");
	if (strcmp(type, "counter") == 0)
		assert_string_equal(family + length - 6, "_total");
}

static void read_sample(const char *line, const char *family, const char *type)
{
	if (sample_count == sample_capacity)
		xgrow((void **)&samples, &sample_capacity, sample_count + 1, sizeof(*samples));
	struct row_read *sample = &samples[sample_count++];
	size_t length = span_name(line);
	snprintf(sample->name, sizeof(sample->name), "%.*s", (int)length, line);
	check_family(sample->name, family, type);
	const char *at = line + length;
	if (*at == '{') {
		const char *end = skip_labels(at + 1);
		snprintf(sample->labels, sizeof(sample->labels), "%.*s", (int)(end - at - 2), at + 1);
		at = end;
	} else {
		sample->labels[0] = '\0';
	}
	assert_int_equal(*at, ' ');
	char *end;
	sample->value = strtod(at + 1, &end);
	assert_true(end > at + 1 && *end == '\0');
	for (size_t i = 0; i + 1 < sample_count; i++)
		if (strcmp(samples[i].name, sample->name) == 0 &&
		    strcmp(samples[i].labels, sample->labels) == 0)
			fail_msg("twice: %s", line);
}

static void scrape(void)
{
	char family[64] = "", helped[64] = "", type[16] = "", seen[4096] = " ";
	struct evbuffer *page = evbuffer_new();
	metrics_render(&server, page);
	sample_count = family_count = 0;
	char *line;
	size_t length = evbuffer_get_length(page);
	assert_int_equal(evbuffer_pullup(page, -1)[length - 1], '\n');
	while ((line = evbuffer_readln(page, NULL, EVBUFFER_EOL_LF))) {
		char word[72];
		if (sscanf(line, "# HELP %63s", helped) == 1) {
			type[0] = '\0';
		} else if (sscanf(line, "# TYPE %63s %15s", family, type) == 2) {
			assert_string_equal(family, helped);
			snprintf(word, sizeof(word), " %s ", family);
			if (strstr(seen, word))
				fail_msg("two groups of %s", family);
			strcat(strcat(seen, family), " ");
			assert_true(family_count < sizeof families / sizeof families[0]);
			struct family_read *read = &families[family_count++];
			snprintf(read->name, sizeof(read->name), "%s", family);
			snprintf(read->type, sizeof(read->type), "%s", type);
		} else {
			assert_true(type[0] != '\0');
			read_sample(line, family, type);
		}
		free(line);
	}
	evbuffer_free(page);
}

static bool has(const char *name, const char *labels)
{
	for (size_t i = 0; i < sample_count; i++)
		if (strcmp(samples[i].name, name) == 0 && strcmp(samples[i].labels, labels) == 0)
			return true;
	return false;
}

static void expect(const char *name, const char *labels, double value)
{
	for (size_t i = 0; i < sample_count; i++) {
		if (strcmp(samples[i].name, name) != 0 || strcmp(samples[i].labels, labels) != 0)
			continue;
		if (samples[i].value < value - 1e-9 || samples[i].value > value + 1e-9)
			fail_msg("%s{%s} is %g, not %g", name, labels, samples[i].value, value);
		return;
	}
	fail_msg("no %s{%s}", name, labels);
}

/* ---- tests ---- */

static uint32_t number_of(enum fleet_kind kind, const char *id)
{
	return fleet_get(server.fleet, kind, id)->number;
}

static void test_node(void **state)
{
	scrape();
	expect("gslb_build_info", "version=\"" GSLB_VERSION "\"", 1);
	expect("gslb_ready", "", 1);
	expect("gslb_control_epoch", "", 17);
	expect("gslb_control_fleet_version", "", 5);
	expect("gslb_control_invalid_objects", "", 0);
	server.is_ready = false;
	scrape();
	expect("gslb_ready", "", 0);
}

static void test_threads_are_summed(void **state)
{
	uint16_t type_a = 1;
	for (int i = 0; i < 2; i++) {
		counter_add(&threads[i]->transport[0].queries[rrtype_metric_row(type_a)], 10);
		counter_add(&threads[i]->transport[1].responses[3], 4);
		counter_add(&threads[i]->dropped[DROP_SOCKET], 1);
		counter_add(&threads[i]->ecs_queries[1], 2);
		size_t shop = number_of(FLEET_SERVICE, "shop");
		counter_add(&threads[i]->answers[shop * STATS_REGIONS + number_of(FLEET_REGION, "us")], 5);
		counter_add(&threads[i]->fallback[shop * STATS_STEPS + STEP_LAST_RESORT], 1);
		counter_add(&threads[i]->fallback[shop * STATS_STEPS + STEP_FAMILY], 4);
	}
	scrape();
	expect("gslb_dns_queries_total", "transport=\"udp\",type=\"A\"", 20);
	expect("gslb_dns_queries_total", "transport=\"tcp\",type=\"A\"", 0);
	expect("gslb_dns_queries_total", "transport=\"udp\",type=\"other\"", 0);
	expect("gslb_dns_responses_total", "transport=\"tcp\",rcode=\"NXDOMAIN\"", 8);
	expect("gslb_dns_dropped_total", "reason=\"socket\"", 2);
	expect("gslb_dns_dropped_total", "reason=\"malformed\"", 0);
	expect("gslb_dns_ecs_queries_total", "family=\"ipv6\"", 4);
	expect("gslb_dns_kernel_dropped_total", "transport=\"udp\",listener=\"0.0.0.0@0\"", 100);
	expect("gslb_dns_kernel_dropped_total", "transport=\"udp\",listener=\"::@0\"", 200);
	expect("gslb_dns_kernel_dropped_total", "transport=\"tcp\",listener=\"::@0\"", 201);
	expect("gslb_dns_answers_total", "service=\"shop\",region=\"us\"", 10);
	expect("gslb_dns_answers_total", "service=\"shop\",region=\"eu\"", 0);
	expect("gslb_dns_fallback_total", "service=\"shop\",step=\"last-resort\"", 2);
	expect("gslb_dns_fallback_total", "service=\"shop\",step=\"family\"", 8);
	assert_false(has("gslb_dns_fallback_total", "service=\"shop\",step=\"tier\""));
	expect("gslb_dns_fallback_total", "service=\"free\",step=\"none\"", 0);
}

static void test_histogram_is_cumulative(void **state)
{
	counter_add(&threads[0]->transport[0].latency[0], 3);
	counter_add(&threads[1]->transport[0].latency[10], 4);
	counter_add(&threads[1]->transport[0].latency[STATS_LATENCY_BUCKETS - 1], 1);
	counter_add(&threads[0]->transport[0].latency_ns, 2500000000u);
	scrape();
	const char *name = "gslb_dns_batch_seconds_bucket";
	expect(name, "transport=\"udp\",le=\"1e-06\"", 3);
	expect(name, "transport=\"udp\",le=\"0.000512\"", 3);
	expect(name, "transport=\"udp\",le=\"0.001024\"", 7);
	expect(name, "transport=\"udp\",le=\"+Inf\"", 8);
	expect("gslb_dns_batch_seconds_count", "transport=\"udp\"", 8);
	expect("gslb_dns_batch_seconds_sum", "transport=\"udp\"", 2.5);
	expect("gslb_dns_batch_seconds_count", "transport=\"tcp\"", 0);
}

static void test_first_hundred_tenants(void **state)
{
	char text[16384] = "tenants:\n";
	for (int i = 0; i < 150; i++) {
		size_t used = strlen(text);
		snprintf(text + used, sizeof(text) - used, "  t%03d: {zone: example.net, service: shop}\n",
			 i);
	}
	add_text(text);
	for (uint32_t i = 0; i < 150; i++) {
		char id[8];
		snprintf(id, sizeof(id), "t%03u", (i * 7) % 150);
		/* In no order; t000 got none. */
		counter_add(&threads[i % 2]->tenant[number_of(FLEET_TENANT, id)], (i * 7) % 150);
	}
	counter_add(&threads[0]->tenant_other, 1000);
	scrape();
	size_t named = 0;
	for (size_t i = 0; i < sample_count; i++)
		named += strcmp(samples[i].name, "gslb_dns_tenant_queries_total") == 0;
	assert_int_equal(named, METRICS_TENANTS + 1);
	expect("gslb_dns_tenant_queries_total", "tenant=\"t149\"", 149);
	expect("gslb_dns_tenant_queries_total", "tenant=\"t050\"", 50);
	assert_false(has("gslb_dns_tenant_queries_total", "tenant=\"t049\""));
	expect("gslb_dns_tenant_queries_total", "tenant=\"other\"", 1000 + 49 * 50 / 2);
}

static void test_health(void **state)
{
	struct health_entry *down = add_entry("192.0.2.1", "web", VERDICT_DOWN);
	struct health_entry *up = add_entry("192.0.2.2", "web", VERDICT_UP);
	down->transitions = 3;
	up->score = 750;
	up->latency_bucket[0] = 2;
	down->latency_bucket[15] = 1;
	up->latency_sum_us = 500000;
	scrape();
	expect("gslb_health_up", "service=\"shop\",region=\"eu\",vip=\"192.0.2.1\"", 0);
	expect("gslb_health_score", "service=\"shop\",region=\"eu\",vip=\"192.0.2.1\"", 0);
	expect("gslb_health_transitions_total", "service=\"shop\",region=\"eu\",vip=\"192.0.2.1\"", 3);
	expect("gslb_health_score", "service=\"shop\",region=\"us\",vip=\"192.0.2.2\"", 0.75);
	/* Unknown counts as up; without a check there is nothing to know. */
	expect("gslb_health_up", "service=\"shop\",region=\"eu\",vip=\"2001:db8::1\"", 1);
	expect("gslb_health_up", "service=\"free\",region=\"us\",vip=\"192.0.2.9\"", 1);
	expect("gslb_health_unknown", "", 1);
	expect("gslb_health_evidence_frozen", "", 0);
	expect("gslb_health_probe_seconds_bucket", "check=\"web\",le=\"0.000125\"", 2);
	expect("gslb_health_probe_seconds_bucket", "check=\"web\",le=\"+Inf\"", 3);
	expect("gslb_health_probe_seconds_count", "check=\"web\"", 3);
	expect("gslb_health_probe_seconds_sum", "check=\"web\"", 0.5);
}

static void report_load(void)
{
	struct load_service shop = {
		.service = "shop", .current = 812, .target = 3200, .max = 4000, .weight = 0.75};
	struct load_report report = {.node = "fwd-1",
				     .region = "eu",
				     .part = 1,
				     .parts = 1,
				     .epoch = 1,
				     .service_count = 1,
				     .services = &shop};
	assert_int_equal(load_book_accept(server.load_book, &report, clock_mono_ms()), LOAD_ACCEPTED);
}

static void test_load(void **state)
{
	report_load();
	scrape();
	expect("gslb_health_load_scale", "service=\"shop\",region=\"eu\"", 0.75);
	expect("gslb_health_load_shed", "service=\"shop\",region=\"eu\"", 0);
	expect("gslb_health_load_current", "service=\"shop\",region=\"eu\"", 812);
	expect("gslb_health_load_target", "service=\"shop\",region=\"eu\"", 3200);
	expect("gslb_health_load_max", "service=\"shop\",region=\"eu\"", 4000);
	assert_true(has("gslb_health_load_report_age_seconds", "node=\"fwd-1\",region=\"eu\",state=\"up\""));
}

static void test_controls(void **state)
{
	struct control_row row = {.region = "eu", .share = 40, .expires_mono_ms = clock_mono_ms() + 3600000};
	controls_put(server.controls, &row);
	row = (struct control_row){.region = "us", .service = "shop", .share = SHARE_DOWN};
	controls_put(server.controls, &row);
	row = (struct control_row){.region = "us", .address = "192.0.2.9", .share = 0};
	controls_put(server.controls, &row);
	scrape();
	expect("gslb_control_share", "region=\"eu\",service=\"\"", 40);
	expect("gslb_control_share", "region=\"us\",service=\"\"", 100);
	expect("gslb_control_share", "region=\"us\",service=\"shop\"", -1);
	assert_true(has("gslb_control_expiry_seconds", "region=\"eu\",service=\"\""));
	assert_false(has("gslb_control_expiry_seconds", "region=\"us\",service=\"shop\""));
}

static void test_geo_labels_are_escaped(void **state)
{
	struct place_file file = {
		.path = (char *)"/geo/a\"b\\c\nd.mmdb", .built_unix_s = 1700000000, .prefixes = 9};
	struct places places = {.file_count = 1, .files = &file};
	struct world world = {.places = &places};
	atomic_store(&published.current, &world);
	scrape();
	expect("gslb_geo_prefixes", "file=\"/geo/a\\\"b\\\\c\\nd.mmdb\"", 9);
	expect("gslb_geo_build_timestamp_seconds", "file=\"/geo/a\\\"b\\\\c\\nd.mmdb\"", 1700000000);
	atomic_store(&published.current, NULL);
}

/* ---- docs/metrics.md ---- */

#define PAGE_SIZE 65536

/* "transport, type" of the family's samples, without the bound of a bucket; "–" where there are none. */
static const char *labels_of(const char *family, char out[static 256])
{
	size_t length = strlen(family);
	for (size_t i = 0; i < sample_count; i++) {
		if (strncmp(samples[i].name, family, length) != 0 ||
		    (samples[i].name[length] != '\0' && strcmp(samples[i].name + length, "_count") != 0))
			continue;
		out[0] = '\0';
		for (const char *at = samples[i].labels; *at; at = skip_label(at)) {
			size_t used = strlen(out);
			snprintf(out + used, 256 - used, "%s%.*s", used ? ", " : "", (int)span_name(at), at);
		}
		return out[0] ? out : "–";
	}
	fail_msg("no sample of %s", family);
	return NULL;
}

static char *read_page(const char *name, char text[static PAGE_SIZE])
{
	char *path = xasprintf("%s/%s", getenv("GSLB_SOURCE"), name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, PAGE_SIZE - 1, file)] = '\0';
	fclose(file);
	free(path);
	return text;
}

/* Every family stands on the page with its type and its labels, and no other. */
static void test_the_page_says_what_there_is(void **state)
{
	struct place_file file = {.path = (char *)"/geo/a.mmdb", .built_unix_s = 1700000000, .prefixes = 9};
	struct places places = {.file_count = 1, .files = &file};
	struct world world = {.places = &places};
	struct control_row row = {.region = "eu", .share = 40, .expires_mono_ms = clock_mono_ms() + 3600000};
	controls_put(server.controls, &row);
	report_load();
	atomic_store(&published.current, &world);
	scrape();
	atomic_store(&published.current, NULL);
	static char text[PAGE_SIZE];
	const char *page = read_page("docs/metrics.md", text);
	size_t rows = 0;
	for (size_t i = 0; i < family_count; i++) {
		char labels[256];
		char *wanted = xasprintf("\n| `%s` | %s | %s | ", families[i].name, families[i].type,
					 labels_of(families[i].name, labels));
		if (!strstr(page, wanted))
			fail_msg("docs/metrics.md has no row %s", wanted + 1);
		free(wanted);
	}
	for (const char *at = page; (at = strstr(at, "\n| `")); at++)
		rows += strncmp(at, "\n| `gslb_forwarder_", 19) != 0; /* those are forwarderd's */
	assert_int_equal(rows, family_count);
}

static void test_the_page_names_alerts_that_there_are(void **state)
{
	static char text[PAGE_SIZE], rules[PAGE_SIZE];
	size_t count = 0;
	read_page("packaging/prometheus/gslb.rules.yml", rules);
	for (const char *at = read_page("docs/metrics.md", text); (at = strstr(at, "`Gslb")); at++, count++) {
		char alert[80];
		snprintf(alert, sizeof(alert), "- alert: %.*s\n", (int)strcspn(at + 1, "`"), at + 1);
		if (!strstr(rules, alert))
			fail_msg("no %s", alert);
	}
	assert_true(count > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_node, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads_are_summed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_histogram_is_cumulative, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_hundred_tenants, setup, teardown),
		cmocka_unit_test_setup_teardown(test_health, setup, teardown),
		cmocka_unit_test_setup_teardown(test_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_controls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_geo_labels_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_page_says_what_there_is, setup, teardown),
		cmocka_unit_test(test_the_page_names_alerts_that_there_are),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(samples);
	return failed;
}
