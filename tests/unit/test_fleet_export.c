/* What is read comes out as it was meant: values and defaults, JSON, YAML, and back again. */
#include "fleet_fixture.h"
#include <unistd.h>

static const char everything[] =
	"regions:\n"
	"  eu: {at: [50.11, 8.68], country: DE, capacity: 40000, tags: [a, b]}\n"
	"  us: {at: [38.95, -77.45]}\n"
	"  no: {at: [-90, 180]}\n"
	"  '123': {at: [0.1, 0.30000001]}\n"
	"  null: {at: [0, -0]}\n"
	"locations:\n"
	"  \"10.1.0.0/16\": {at: [50.11, 8.68], country: DE, subdivision: HE, continent: EU, asn: 64500}\n"
	"  \"2001:DB8::/32\": {}\n"
	"checks:\n"
	"  web: {type: http, port: 8080, interval: 2s, timeout: 1500ms, rise: 3, fall: 1, clear: 5, method: "
	"HEAD,\n"
	"        path: /healthz, host: on, headers: {X-A: \"1\", X-B: 'true: yes # no', X-C: ''},\n"
	"        expect: '200-299,404', body: \"say \\\"hi\\\"\\n\\tthere \\u00e9\"}\n"
	"  fast: {type: http, interval: 250ms}\n"
	"  port: {type: tcp, port: 22}\n"
	"  secure: {type: https, path: /up, host: \"a.test:8443\", sni: no, verify: chain, body: ok}\n"
	"  cert: {type: tls, sni: shop.example, verify: full, expires_within: 14d}\n"
	"  names: {type: dns, host: example.net, port: 5353}\n"
	"  rpc: {type: grpc-health, port: 50051, host: rpc.test}\n"
	"maps:\n"
	"  world: {EU: [eu, us], \"country:BR\": [us], \"subdivision:US-CA\": [us], \"as:64500\": nearest,\n"
	"          \"192.0.2.0/24\": [[eu, us], [no]], AF: [], default: [us, eu]}\n"
	"services:\n"
	"  bare: {}\n"
	"  shop:\n"
	"    check: web\n"
	"    steering: {order: map, map: world, regions: [us, eu], tolerance: 300km, bias: {no: -99, eu: 7, "
	"us: 0}, split: random, prefix: "
	"[20, 48],\n"
	"               answers: 3, min_healthy: 33.25%, last_resort: first}\n"
	"    ttl: 5s..2m\n"
	"    vips:\n"
	"      us: [{address: 198.51.100.12, weight: 0, check: port}]\n"
	"      eu: [192.0.2.11, \"2001:db8:1::11\"]\n"
	"    https: {alpn: [h3, h2], port: 8443}\n"
	"  one: {https: {}, steering: {last_resort: [192.0.2.9, \"2001:DB8::9\"]}, ttl: 30s, vips: {us: "
	"[192.0.2.1, LB.example.net, {name: b.example, weight: 6}], eu: [192.0.2.2]}}\n"
	"zones:\n"
	"  z.example:\n"
	"    serial: change\n"
	"    text: |\n"
	"      @ SOA n h 1 2 3 4 5\n"
	"      @ NS n.test.\n"
	"      t\\.x TXT \"# no comment\"\n"
	"  quoted.example: {text: \"@ SOA n h 1 2 3 4 5 \\n\\n@ NS n.test. ; no newline\"}\n"
	"tiers:\n"
	"  gold: {dns_queries: 600/m, dns_nxdomain: 0/s}\n"
	"  bare: {}\n"
	"tenants:\n"
	"  acme: {zone: z.example, service: shop, tier: gold, regions: [eu]}\n"
	"  yes: {zone: Z.example., service: shop, hosts: [yes, \"*.wild\", '@'], domains: "
	"[www.wild.example],\n"
	"        state: suspended, tags: [x]}\n"
	"  '9': {zone: quoted.example, service: one, hosts: []}\n";

static void test_export_comes_back_unchanged(void **state)
{
	struct fleet *fleet = fleet_new(), *copy = fleet_new();

	apply_good(fleet, FLEET_STORE, everything);
	char *yaml = fleet_export_yaml(fleet, false);
	struct fleet_result again = apply_good(fleet, FLEET_STORE, yaml);
	assert_int_equal(again.unchanged, 25);
	assert_int_equal(again.added + again.changed + again.removed, 0);
	assert_int_equal(apply_good(copy, FLEET_BASE, yaml).added, 25);
	char *second = fleet_export_yaml(copy, true);
	assert_string_equal(second, yaml);
	char *none = fleet_export_yaml(copy, false);
	assert_string_equal(none, "{}\n");
	free(none);
	free(second);
	free(yaml);
	fleet_free(copy);
	fleet_free(fleet);
}

static void test_export_in_steps_is_the_same(void **state)
{
	struct fleet *fleet = fleet_new();

	apply_good(fleet, FLEET_STORE, everything);
	char *whole = fleet_export_yaml(fleet, false);
	for (size_t most = 1; most < 8; most++) {
		struct fleet_export *output = fleet_export_new(false);
		size_t steps = 1, length;
		while (fleet_export_step(output, fleet, most))
			steps++;
		char *text = fleet_export_take(output, &length);
		assert_int_equal(length, strlen(whole));
		assert_memory_equal(text, whole, length);
		assert_true(steps > 25 / most);
		free(text);
		fleet_export_free(output);
	}
	fleet_export_free(fleet_export_new(true));
	free(whole);
	fleet_free(fleet);
}

static void assert_json(const struct fleet *fleet, enum fleet_kind kind, const char *id, const char *expected)
{
	json_t *json = fleet_object_to_json(fleet_get(fleet, kind, id));
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12));

	assert_string_equal(text, expected);
	free(text);
	json_decref(json);
}

static void test_json_leaves_defaults_out(void **state)
{
	struct fleet *fleet = fleet_new();

	apply_good(fleet, FLEET_STORE, everything);
	assert_json(fleet, FLEET_REGION, "us", "{\"at\":[38.95,-77.45]}");
	assert_json(fleet, FLEET_REGION, "no", "{\"at\":[-90,180]}");
	assert_json(fleet, FLEET_CHECK, "fast", "{\"type\":\"http\",\"interval\":\"250ms\"}");
	assert_json(fleet, FLEET_CHECK, "port", "{\"type\":\"tcp\",\"port\":22}");
	assert_json(
		fleet, FLEET_CHECK, "cert",
		"{\"type\":\"tls\",\"sni\":\"shop.example\",\"verify\":\"full\",\"expires_within\":\"14d\"}");
	assert_json(fleet, FLEET_CHECK, "names", "{\"type\":\"dns\",\"port\":5353,\"host\":\"example.net\"}");
	assert_json(fleet, FLEET_SERVICE, "bare", "{}");
	assert_json(fleet, FLEET_SERVICE, "shop",
		    "{\"check\":\"web\",\"ttl\":\"5s..2m\",\"steering\":{\"order\":\"map\",\"map\":\"world\","
		    "\"regions\":[\"us\",\"eu\"],\"tolerance\":\"300km\",\"bias\":{\"no\":-99,\"eu\":7},"
		    "\"split\":\"random\",\"prefix\":[20,48],"
		    "\"answers\":3,\"min_healthy\":\"33.25%\",\"last_resort\":\"first\"},"
		    "\"https\":{\"alpn\":[\"h3\",\"h2\"],\"port\":8443},"
		    "\"vips\":{\"us\":[{\"address\":\"198.51.100.12\",\"weight\":0,\"check\":\"port\"}],"
		    "\"eu\":[\"192.0.2.11\",\"2001:db8:1::11\"]}}");
	assert_json(fleet, FLEET_TIER, "gold", "{\"dns_queries\":\"600/m\",\"dns_nxdomain\":\"0/s\"}");
	assert_json(fleet, FLEET_TIER, "bare", "{}");
	assert_json(fleet, FLEET_TENANT, "acme",
		    "{\"zone\":\"z.example.\",\"service\":\"shop\",\"tier\":\"gold\",\"regions\":[\"eu\"]}");
	assert_json(fleet, FLEET_TENANT, "yes",
		    "{\"zone\":\"z.example.\",\"service\":\"shop\",\"hosts\":[\"yes\",\"*.wild\",\"@\"],"
		    "\"domains\":[\"www.wild.example.\"],\"state\":\"suspended\",\"tags\":[\"x\"]}");
	assert_json(fleet, FLEET_MAP, "world",
		    "{\"EU\":[\"eu\",\"us\"],\"country:BR\":[\"us\"],\"subdivision:US-CA\":[\"us\"],"
		    "\"as:64500\":\"nearest\",\"192.0.2.0/24\":[[\"eu\",\"us\"],[\"no\"]],\"AF\":[],"
		    "\"default\":[\"us\",\"eu\"]}");
	fleet_free(fleet);
}

static void test_nearest_of_a_list(void **state)
{
	struct fleet *fleet = fleet_new();
	static const char document[] = "regions: {eu: {at: [1, 2]}, us: {at: [3, 4]}}\n"
				       "maps: {m: {EU: [nearest, us, eu], AF: nearest, default: [us, eu]}}\n";

	apply_good(fleet, FLEET_STORE, document);
	assert_json(fleet, FLEET_MAP, "m",
		    "{\"EU\":[\"nearest\",\"us\",\"eu\"],\"AF\":\"nearest\",\"default\":[\"us\",\"eu\"]}");
	const struct fleet_map *map = (const struct fleet_map *)fleet_get(fleet, FLEET_MAP, "m");
	assert_true(map->rules[0].tiers.is_nearest);
	assert_int_equal(map->rules[0].tiers.count, 2);
	assert_string_equal(map->rules[0].tiers.items[0].region, "us");
	char *yaml = fleet_export_yaml(fleet, false);
	assert_int_equal(apply_good(fleet, FLEET_STORE, yaml).unchanged, 3);
	assert_int_equal(
		apply_good(fleet, FLEET_STORE, "maps: {m: {EU: [us, eu], AF: nearest, default: [us, eu]}}")
			.changed,
		1);
	free(yaml);
	fleet_free(fleet);
}

static void test_values_and_defaults(void **state)
{
	struct fleet *fleet = fleet_new();

	apply_good(fleet, FLEET_STORE, everything);
	const struct fleet_check *fast = (struct fleet_check *)fleet_get(fleet, FLEET_CHECK, "fast");
	assert_int_equal(fast->spec.port, 80);
	assert_int_equal(fast->spec.timeout_ms, 250); /* never longer than the interval */
	assert_int_equal(fast->rise, 2);
	assert_int_equal(fast->clear, 2);
	assert_string_equal(fast->spec.method, "GET");
	assert_string_equal(fast->spec.path, "/");
	assert_null(fast->spec.host);
	assert_int_equal(fast->spec.expect[0].from, 200);
	assert_int_equal(fast->spec.expect[0].to, 399);
	const struct fleet_check *web = (struct fleet_check *)fleet_get(fleet, FLEET_CHECK, "web");
	assert_int_equal(web->spec.expect_count, 2);
	assert_int_equal(web->spec.expect[1].to, 404);
	assert_string_equal(web->spec.body, "say \"hi\"\n\tthere é");
	const struct fleet_service *bare = (struct fleet_service *)fleet_get(fleet, FLEET_SERVICE, "bare");
	assert_int_equal(bare->ttl_min, 5);
	assert_int_equal(bare->ttl_max, 60);
	assert_int_equal(bare->prefix4, 24);
	assert_int_equal(bare->prefix6, 56);
	assert_int_equal(bare->answers, 1);
	assert_int_equal(bare->min_healthy_hundredths, 5000);
	const struct fleet_service *one = (struct fleet_service *)fleet_get(fleet, FLEET_SERVICE, "one");
	assert_false(one->has_regions);
	assert_int_equal(one->region_count, 2);
	assert_string_equal(one->regions[0], "us"); /* the key order of vips */
	const struct fleet_map *map = (struct fleet_map *)fleet_get(fleet, FLEET_MAP, "world");
	assert_int_equal(map->rules[4].kind, MAP_PREFIX);
	assert_true(map->rules[4].tiers.has_nested_tiers);
	assert_false(map->rules[4].tiers.items[1].starts_tier);
	assert_true(map->rules[0].tiers.items[1].starts_tier);
	fleet_free(fleet);
}

/* The base's own export is no change, although it names a file that the API may not name. */
static void test_zone_files(void **state)
{
	char directory[] = "/tmp/gslb-export-XXXXXX";
	struct fleet *fleet = fleet_new();
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	struct fleet_result result;
	struct err_list errors = {0};

	assert_non_null(mkdtemp(directory));
	char *zone_path = xasprintf("%s/a.zone", directory), *path = xasprintf("%s/f.yaml", directory);
	FILE *out = fopen(zone_path, "w");
	fputs("@ SOA n h 1 2 3 4 5\n@ NS n.test.\n", out);
	fclose(out);
	add_yaml(change, path, "zones: {a.test: {file: a.zone}}\n", &errors);
	assert_true(fleet_apply(fleet, change, 0, false, &result, &errors));
	fleet_result_done(&result);
	fleet_change_free(change);
	char *yaml = fleet_export_yaml(fleet, true);
	assert_string_equal(yaml, "zones:\n  a.test.:\n    file: a.zone\n");
	assert_int_equal(apply_good(fleet, FLEET_STORE, yaml).unchanged, 1);
	free(yaml);
	assert_refused(fleet, FLEET_STORE, "zones: {b.test: {file: a.zone}}\n",
		       "f:1:24: 'file' is only for the node's own fleet files; use 'text'\n");

	/* An error in a zone file is told at its line. */
	out = fopen(zone_path, "a");
	fputs("w A x\n", out);
	fclose(out);
	struct fleet *other = fleet_new();
	change = fleet_change_new(FLEET_BASE);
	add_yaml(change, path, "zones: {a.test: {file: a.zone}}\n", &errors);
	assert_false(fleet_apply(other, change, 0, false, &result, &errors));
	char *told = print_errors(&errors), *place = xasprintf("%s:3: ", zone_path);
	assert_memory_equal(told, place, strlen(place));
	free(told);
	free(place);
	fleet_change_free(change);
	fleet_free(other);
	unlink(zone_path);
	rmdir(directory);
	free(zone_path);
	free(path);
	fleet_free(fleet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_export_comes_back_unchanged),
		cmocka_unit_test(test_export_in_steps_is_the_same),
		cmocka_unit_test(test_json_leaves_defaults_out),
		cmocka_unit_test(test_nearest_of_a_list),
		cmocka_unit_test(test_values_and_defaults),
		cmocka_unit_test(test_zone_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
