/* What is told of checks that nobody runs and of rules that the loaded geography cannot fulfil. */
#include "gslb/control/node_files.h"
#include "lib/mem.h"
#include "tests/support/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define REGIONS "regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}}\n"
#define PROBES "\nprobes: {vantage: here}"

static struct rig rig; /* its directory alone */

static int setup(void **state)
{
	rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	rig_done(&rig);
	return 0;
}

/* What a check of the node says, without the directory; free() it. */
static char *warnings_of(const char *keys, const char *fleet)
{
	struct load_previous nothing = {0};
	struct node_files files;
	char *text = xasprintf(
		"node: {name: n1, state_dir: .}\nfleet: [f]\ndns: {listen: [\"127.0.0.1@0\"]}%s\n", keys);
	char *path = rig_path(&rig, "node.yaml"), *out_text = NULL;
	size_t size, length = strlen(rig.directory) + 1;

	rig_write(&rig, "node.yaml", text);
	rig_write(&rig, "f", fleet);
	node_files_read(path, LOAD_CHECK, &nothing, &files);
	FILE *out = open_memstream(&out_text, &size);
	for (size_t i = 0; i < files.errors.count; i++) {
		char *line = err_line(&files.errors, i);
		bool is_here = strncmp(line, rig.directory, length - 1) == 0;
		assert_true(files.errors.items[i].is_warning);
		fprintf(out, "%s\n", is_here ? line + length : line);
		free(line);
	}
	fclose(out);
	node_files_done(&files);
	free(path);
	free(text);
	return out_text;
}

static void expect(const char *keys, const char *fleet, const char *expected)
{
	char *warnings = warnings_of(keys, fleet);
	assert_string_equal(warnings, expected);
	free(warnings);
}

static void test_checks_that_nobody_runs(void **state)
{
	static const char checked[] = REGIONS "checks: {w: {type: http}}\n"
					      "services: {s: {check: w, vips: {eu: [192.0.2.1]}}}\n";
	expect("", checked,
	       "node.yaml: no 'probes': nobody runs the checks of 1 service, so that a VIP that is down is "
	       "answered "
	       "like one that is up\n");
	expect(PROBES, checked, "");
	/* The check of one VIP counts; a check that no VIP has does not. */
	expect("",
	       REGIONS "checks: {w: {type: http}}\n"
		       "services: {s: {vips: {eu: [{address: 192.0.2.1, check: w}]}}, t: {check: w, vips: "
		       "{eu: [192.0.2.2]}},\n"
		       "           u: {vips: {eu: [192.0.2.3]}}}\n",
	       "node.yaml: no 'probes': nobody runs the checks of 2 services, so that a VIP that is down is "
	       "answered "
	       "like one that is up\n");
	expect("", REGIONS "checks: {w: {type: http}}\nservices: {u: {vips: {eu: [192.0.2.3]}}}\n", "");
}

#define MAP                                 \
	"maps:\n"                           \
	"  m:\n"                            \
	"    \"as:64500\": [eu]\n"          \
	"    \"subdivision:US-CA\": [us]\n" \
	"    \"country:BR\": [us]\n"        \
	"    EU: [eu]\n"                    \
	"    192.0.2.0/24: [us]\n"          \
	"    default: [us, eu]\n"

static void test_rules_without_any_geography(void **state)
{
	expect("", REGIONS MAP,
	       "f:4:5: map 'm': 'as:64500' matches no client: no geo file and no location has an AS number\n"
	       "f:5:5: map 'm': 'subdivision:US-CA' matches no client: no geo file and no location has a "
	       "subdivision\n"
	       "f:6:5: map 'm': 'country:BR' matches no client: no geo file and no location has a country\n"
	       "f:7:5: map 'm': 'EU' matches no client: no geo file and no location has a continent\n");
}

static void test_rules_for_places_where_nobody_is(void **state)
{
	expect("", REGIONS MAP "locations: {10.0.0.0/8: {country: US, subdivision: CO, asn: 64501}}\n",
	       "f:4:5: map 'm': 'as:64500' matches no client: the loaded geography knows nobody there\n"
	       "f:5:5: map 'm': 'subdivision:US-CA' matches no client: the loaded geography knows nobody "
	       "there; of "
	       "US it knows 'CO', for example\n"
	       "f:6:5: map 'm': 'country:BR' matches no client: the loaded geography knows nobody there\n"
	       "f:7:5: map 'm': 'EU' matches no client: the loaded geography knows nobody there\n");
	expect("",
	       REGIONS MAP "locations:\n"
			   "  10.0.0.0/8: {country: US, subdivision: CA, asn: 64500}\n"
			   "  \"2001:db8::/32\": {country: BR}\n"
			   "  10.1.0.0/16: {country: DE}\n",
	       "");
	/* Of a country that there is not the reader has warned, and once is enough. */
	expect("",
	       REGIONS "maps: {m: {\"country:UK\": [eu], \"subdivision:US-CAL\": [us], default: [us]}}\n"
		       "locations: {10.0.0.0/8: {country: US, subdivision: CA}}\n",
	       "f:2:12: ISO 3166-1 has no country 'UK'; did you mean 'GB'?\n"
	       "f:2:32: map 'm': 'subdivision:US-CAL' matches no client: the loaded geography knows nobody "
	       "there; "
	       "did you mean 'US-CA'?\n");
}

static void test_many_rules_are_few_warnings(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	fputs(REGIONS "maps:\n  m:\n    default: [eu]\n", out);
	for (unsigned i = 1; i <= 4000; i++)
		fprintf(out, "    \"as:%u\": [us]\n", i);
	fclose(out);
	char *warnings = warnings_of("", text);
	assert_non_null(strstr(
		warnings, "f:24:5: map 'm': 'as:20' matches no client: no geo file and no location has an "
			  "AS number (and 3980 more like this)\n"));
	assert_null(strstr(warnings, "'as:21'"));
	free(warnings);
	free(text);
}

static void test_a_family_that_no_file_knows(void **state)
{
	static const char nearest[] = REGIONS "services: {s: {vips: {eu: [192.0.2.1], us: [192.0.2.2]}}}\n";
	const char *source = getenv("GSLB_SOURCE"); /* top of the tree, set by meson */
	char *command = xasprintf("python3 %s/tests/geo/make_mmdb.py %s", source, rig.directory);
	assert_int_equal(system(command), 0);
	free(command);
	expect("\ngeo: [flat-city-v4.mmdb]", nearest,
	       "flat-city-v4.mmdb: no geo file knows an IPv6 address, so that clients over IPv6 have no "
	       "location\n");
	expect("\ngeo: [flat-city-v4.mmdb, flat-city-v6.mmdb]", nearest, "");
	expect("\ngeo: [nested-city.mmdb]", nearest, "");
	/* Nobody asks where a client is. */
	expect("\ngeo: [flat-city-v4.mmdb]",
	       REGIONS "services: {s: {steering: {order: listed}, vips: {eu: [192.0.2.1]}}}\n", "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_checks_that_nobody_runs),	     TEST(test_rules_without_any_geography),
		TEST(test_rules_for_places_where_nobody_is), TEST(test_many_rules_are_few_warnings),
		TEST(test_a_family_that_no_file_knows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
