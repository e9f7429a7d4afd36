/* Pages of metrics, letter by letter as Prometheus documents the text format 0.0.4. */
#include "lib/exposition.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct exposition page;
static struct evbuffer *out;

static int setup(void **state)
{
	out = evbuffer_new();
	exposition_init(&page, out);
	return 0;
}

static int teardown(void **state)
{
	evbuffer_free(out);
	return 0;
}

static void expect(const char *text)
{
	evbuffer_add(out, "", 1);
	assert_string_equal((const char *)evbuffer_pullup(out, -1), text);
}

static void test_samples_stand_under_their_family(void **state)
{
	exposition_begin(&page, "app_requests_total", EXPOSITION_COUNTER, "Requests taken.");
	exposition_count(&page, 3, "method", "GET", "code", "200", NULL);
	exposition_count(&page, UINT64_MAX, "method", "PUT", "code", "500", NULL);
	exposition_gauge(&page, "app_temperature_celsius", "Of the room.", -0.25);
	expect("# HELP app_requests_total Requests taken.\n"
	       "# TYPE app_requests_total counter\n"
	       "app_requests_total{method=\"GET\",code=\"200\"} 3\n"
	       "app_requests_total{method=\"PUT\",code=\"500\"} 18446744073709551615\n"
	       "# HELP app_temperature_celsius Of the room.\n"
	       "# TYPE app_temperature_celsius gauge\n"
	       "app_temperature_celsius -0.25\n");
}

static void test_numbers_keep_what_a_double_holds(void **state)
{
	exposition_begin(&page, "app_size_bytes", EXPOSITION_GAUGE, "Size.");
	exposition_sample(&page, 0.95, NULL);
	exposition_sample(&page, 1700000000.125, NULL);
	exposition_sample(&page, 1e300, NULL);
	expect("# HELP app_size_bytes Size.\n# TYPE app_size_bytes gauge\n"
	       "app_size_bytes 0.95\napp_size_bytes 1700000000.125\napp_size_bytes 1e+300\n");
}

static void test_values_of_labels_are_escaped(void **state)
{
	exposition_begin(&page, "app_file_bytes", EXPOSITION_GAUGE, "Size.");
	exposition_sample(&page, 1, "path", "/a\"b\\c\nd", "empty", "", NULL);
	exposition_sample(&page, 2, "path", "\n", NULL);
	exposition_sample(&page, 3, "path",
			  "b\xc3\xbc"
			  "cher,{}=",
			  NULL);
	expect("# HELP app_file_bytes Size.\n# TYPE app_file_bytes gauge\n"
	       "app_file_bytes{path=\"/a\\\"b\\\\c\\nd\",empty=\"\"} 1\n"
	       "app_file_bytes{path=\"\\n\"} 2\n"
	       "app_file_bytes{path=\"b\xc3\xbc"
	       "cher,{}=\"} 3\n");
}

static void test_histograms_are_cumulative(void **state)
{
	static const double bounds[] = {0.001, 0.01, 1};
	static const uint64_t counts[] = {2, 0, 3, 1};
	const struct exposition_buckets buckets = {3, bounds, counts, 7.5};
	exposition_begin(&page, "app_wait_seconds", EXPOSITION_HISTOGRAM, "Time to the answer.");
	exposition_histogram(&page, &buckets, "door", "front", NULL);
	exposition_histogram(&page, &(struct exposition_buckets){0, NULL, counts, 1}, NULL);
	expect("# HELP app_wait_seconds Time to the answer.\n# TYPE app_wait_seconds histogram\n"
	       "app_wait_seconds_bucket{door=\"front\",le=\"0.001\"} 2\n"
	       "app_wait_seconds_bucket{door=\"front\",le=\"0.01\"} 2\n"
	       "app_wait_seconds_bucket{door=\"front\",le=\"1\"} 5\n"
	       "app_wait_seconds_bucket{door=\"front\",le=\"+Inf\"} 6\n"
	       "app_wait_seconds_sum{door=\"front\"} 7.5\n"
	       "app_wait_seconds_count{door=\"front\"} 6\n"
	       "app_wait_seconds_bucket{le=\"+Inf\"} 2\n"
	       "app_wait_seconds_sum 1\n"
	       "app_wait_seconds_count 2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_samples_stand_under_their_family, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_keep_what_a_double_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_values_of_labels_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_histograms_are_cumulative, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
