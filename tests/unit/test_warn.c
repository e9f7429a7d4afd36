/* What loads, but can hardly be meant: each warning with its place, and what deserves none. */
#include "tests/unit/fleet_fixture.h"

#define ZONE                                                  \
	"zones: {t.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\n" \
	"@ 60 NS ns.elsewhere.\\n"
#define REGIONS "regions: {ap: {at: [1, 103]}, eu: {at: [50, 8]}, us: {at: [39, -77]}}\n"
#define SERVICE "services: {s: {vips: {eu: [192.0.2.1], us: [192.0.2.2]}}}\n"

static void assert_warnings(const char *text, const char *expected)
{
	struct fleet *fleet = fleet_new();
	struct err_list errors = {0};

	apply_good(fleet, FLEET_BASE, text);
	fleet_warn(fleet, &errors);
	char *warnings = print_errors(&errors);
	assert_string_equal(warnings, expected);
	free(warnings);
	fleet_free(fleet);
}

/* ---- regions without VIPs ---- */

static void maps_that_name_regions_without_vips(void **state)
{
	assert_warnings(REGIONS
			"maps: {m: {EU: [eu, ap], default: [us]}, n: {default: [us, eu]}}\n"
			"services:\n"
			"  s: {steering: {order: map, map: m}, vips: {eu: [192.0.2.1], us: [192.0.2.2]}}\n"
			"  t: {steering: {order: map, map: n}, vips: {eu: [192.0.2.1], us: [192.0.2.2]}}\n",
			"f:4:3: warning: service 's': its map 'm' names 'ap', where it has no VIP\n");
	/* A list that is written as [] says that there is to be no address. */
	assert_warnings(REGIONS "maps:\n"
				"  m:\n"
				"    EU: [ap]\n"
				"    \"country:CN\": []\n"
				"    default: nearest\n"
				"services: {s: {steering: {order: map, map: m}, vips: {eu: [192.0.2.1]}}}\n",
			"f:4:5: warning: map 'm', 'EU': service 's' has no VIP in these regions, so that it "
			"gives these "
			"clients no address\n");
}

static void steering_that_names_regions_without_vips(void **state)
{
	assert_warnings(
		REGIONS "services: {s: {steering: {regions: [eu, ap], bias: {us: 5, eu: 9}}, vips: {eu: "
			"[192.0.2.1]}}}\n",
		"f:2:12: warning: service 's': steering.regions names 'ap', where it has no VIP\n"
		"f:2:12: warning: service 's': steering.bias names 'us', which is no candidate of it\n");
	assert_warnings(REGIONS "maps: {m: {default: [us, eu]}}\n"
				"services: {s: {steering: {order: map, map: m, regions: [eu]},\n"
				"               vips: {eu: [192.0.2.1], us: [192.0.2.2]}}}\n",
			"f:3:12: warning: service 's': its map 'm' names 'us', which its steering.regions "
			"leaves out\n");
	/* Not yet any VIP: nothing else is to be said of it. */
	assert_warnings(REGIONS "services: {s: {steering: {regions: [eu, ap]}}}\n", "");
}

static void many_services_are_few_warnings(void **state)
{
	struct fleet *fleet = fleet_new();
	struct err_list errors = {0};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs(REGIONS "maps: {m: {EU: [ap], default: [us, eu, ap]}}\nservices:\n", out);
	for (int i = 0; i < 3000; i++)
		fprintf(out, "  s%d: {steering: {order: map, map: m}, vips: {eu: [192.0.2.1]}}\n", i);
	fclose(out);
	apply_good(fleet, FLEET_BASE, text);
	fleet_warn(fleet, &errors);
	assert_int_equal(errors.count, 2 * ERR_TOPIC_MAX);
	char *warnings = print_errors(&errors);
	assert_non_null(strstr(warnings, "(and 2980 more like this)"));
	free(warnings);
	free(text);
	fleet_free(fleet);
}

/* ---- hidden wildcards ---- */

static void names_below_a_wildcard_hide_it(void **state)
{
	assert_warnings(
		REGIONS SERVICE ZONE "a.b.w 60 TXT x\\n\"}}\n"
				     "tenants:\n"
				     "  wild: {zone: t.test, service: s, hosts: [w, \"*.w\"]}\n",
		"f:5:3: warning: tenant 'wild': its wildcard '*.w.t.test.' does not answer 'b.w.t.test.' and "
		"what is below, because of 'a.b.w.t.test.' in the zone's own text\n");
	assert_warnings(
		REGIONS SERVICE ZONE "\"}}\n"
				     "tenants:\n"
				     "  wild: {zone: t.test, service: s, hosts: [\"*\"]}\n"
				     "  acme: {zone: t.test, service: s}\n"
				     "  deep: {zone: t.test, service: s, hosts: [x.y, \"*.z\"]}\n",
		"f:5:3: warning: tenant 'wild': its wildcard '*.t.test.' does not answer 'acme.t.test.' and "
		"what "
		"is below, because of 'acme.t.test.' of tenant 'acme'; nor below 2 more such names\n");
	/* The closest wildcard is the one that would have answered. */
	assert_warnings(REGIONS SERVICE ZONE "a.c.w 60 TXT x\\n\"}}\n"
					     "tenants:\n"
					     "  outer: {zone: t.test, service: s, hosts: [\"*.w\"]}\n"
					     "  inner: {zone: t.test, service: s, hosts: [\"*.c.w\"]}\n",
			"f:5:3: warning: tenant 'outer': its wildcard '*.w.t.test.' does not answer "
			"'c.w.t.test.' and "
			"what is below, because of '*.c.w.t.test.' of tenant 'inner'\n"
			"f:6:3: warning: tenant 'inner': its wildcard '*.c.w.t.test.' does not answer "
			"'a.c.w.t.test.' "
			"and what is below, because of 'a.c.w.t.test.' in the zone's own text\n");
}

static void zones_and_domains_hide_wildcards_too(void **state)
{
	assert_warnings(REGIONS SERVICE ZONE
			"\"},\n"
			"  sub.t.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n"
			"www 60 A 192.0.2.7\\n\"}}\n"
			"tenants:\n"
			"  wild: {zone: t.test, service: s, hosts: [\"*\"]}\n",
			"f:6:3: warning: tenant 'wild': its wildcard '*.t.test.' does not answer "
			"'sub.t.test.' and what "
			"is below, because of 'sub.t.test.' of zone 'sub.t.test.'\n");
	assert_warnings(
		REGIONS SERVICE ZONE
		"\"}}\n"
		"tenants:\n"
		"  wild: {zone: t.test, service: s, domains: [\"*.t.test\", \"*.elsewhere.test\"]}\n"
		"  acme: {zone: t.test, service: s, hosts: [], domains: [a.t.test, a.elsewhere.test]}\n",
		"f:5:3: warning: tenant 'wild': its wildcard '*.t.test.' does not answer 'a.t.test.' and "
		"what "
		"is below, because of 'a.t.test.' of tenant 'acme'\n");
}

static void names_that_hide_nothing(void **state)
{
	/* Names at which nobody asks for addresses, a name that the tenant answers by itself, names of other
	 * branches, glue, and what stands at the wildcard. */
	assert_warnings(REGIONS SERVICE ZONE
			"_dmarc.w 60 TXT x\\n_sip._tcp.w 60 TXT x\\n*.w 60 TXT x\\nw 60 TXT x\\nv 60 A "
			"192.0.2.7\\n\"}}\n"
			"tenants:\n"
			"  wild: {zone: t.test, service: s, hosts: [w, \"*.w\", www.w]}\n"
			"  acme: {zone: t.test, service: s}\n",
			"");
}

static void wildcards_go_with_their_tenants(void **state)
{
	struct fleet *fleet = fleet_new();
	struct err_list errors = {0};
	struct fleet_result result;

	apply_good(fleet, FLEET_BASE, REGIONS SERVICE ZONE "a.w 60 TXT x\\n\"}}\n");
	apply_good(fleet, FLEET_STORE, "tenants: {wild: {zone: t.test, service: s, hosts: [\"*.w\"]}}\n");
	fleet_warn(fleet, &errors);
	char *warnings = print_errors(&errors);
	assert_string_equal(
		warnings, "warning: tenant 'wild': its wildcard '*.w.t.test.' does not answer 'a.w.t.test.' "
			  "and what is below, because of 'a.w.t.test.' in the zone's own text\n");
	free(warnings);
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	fleet_change_remove(change, FLEET_TENANT, "wild");
	assert_true(fleet_apply(fleet, change, 2, false, &result, &errors));
	fleet_warn(fleet, &errors);
	assert_int_equal(errors.count, 0);
	fleet_revert(fleet, &result);
	fleet_warn(fleet, &errors);
	assert_int_equal(errors.count, 1);
	err_done(&errors);
	fleet_change_free(change);
	fleet_free(fleet);
}

static void expect_of_change(struct fleet *fleet, const char *document, const char *expected)
{
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	struct err_list errors = {0};
	struct fleet_result result;

	add_yaml(change, "f", document, &errors);
	assert_true(fleet_apply(fleet, change, 2, false, &result, &errors));
	fleet_warn_of_change(fleet, &result, &errors);
	char *warnings = print_errors(&errors);
	assert_string_equal(warnings, expected);
	free(warnings);
	fleet_result_done(&result);
	fleet_change_free(change);
}

static void a_change_is_warned_of_what_it_touches(void **state)
{
	struct fleet *fleet = fleet_new();

	apply_good(fleet, FLEET_BASE,
		   REGIONS SERVICE ZONE "\"}}\n"
					"tenants:\n"
					"  wild: {zone: t.test, service: s, hosts: [\"*.w\"]}\n"
					"  old: {zone: t.test, service: s, hosts: [old.w]}\n");
	expect_of_change(fleet, "maps: {m: {EU: [us, ap], default: [us]}}\n", "");
	expect_of_change(fleet,
			 "services: {n: {vips: {us: [192.0.2.7]}, steering: {order: map, map: m}},\n"
			 "           o: {vips: {us: [192.0.2.7]}, steering: {order: map, map: m}}}\n",
			 "warning: service 'n': its map 'm' names 'ap', where it has no VIP\n"
			 "warning: service 'o': its map 'm' names 'ap', where it has no VIP\n");
	expect_of_change(fleet, "services: {n: {vips: {us: [192.0.2.8]}, steering: {order: map, map: m}}}\n",
			 "warning: service 'n': its map 'm' names 'ap', where it has no VIP\n");
	expect_of_change(
		fleet, "maps: {m: {EU: [eu], default: [us]}}\n",
		"warning: map 'm', 'EU': service 'n' has no VIP in these regions, so that it gives these "
		"clients no address\n"
		"warning: map 'm', 'EU': service 'o' has no VIP in these regions, so that it gives these "
		"clients no address\n");
	expect_of_change(
		fleet, "tenants: {new: {zone: t.test, service: s, hosts: [a.b.w, new]}}\n",
		"f:5:3: warning: tenant 'wild': its wildcard '*.w.t.test.' does not answer 'b.w.t.test.' and "
		"what is below, because of 'a.b.w.t.test.' of tenant 'new'\n");
	expect_of_change(fleet, "tenants: {plain: {zone: t.test, service: s}}\n", "");
	fleet_free(fleet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_that_name_regions_without_vips),
		cmocka_unit_test(steering_that_names_regions_without_vips),
		cmocka_unit_test(many_services_are_few_warnings),
		cmocka_unit_test(names_below_a_wildcard_hide_it),
		cmocka_unit_test(zones_and_domains_hide_wildcards_too),
		cmocka_unit_test(names_that_hide_nothing),
		cmocka_unit_test(wildcards_go_with_their_tenants),
		cmocka_unit_test(a_change_is_warned_of_what_it_touches),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
