/* The reply of explain, word for word. */
#include "gslb/api/explain.h"
#include "lib/mem.h"
#include "tests/support/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FLEET                                                                                             \
	"regions:\n"                                                                                      \
	"  eu: {at: [50, 8]}\n"                                                                           \
	"  us: {at: [39, -77]}\n"                                                                         \
	"  ap: {at: [1, 103]}\n"                                                                          \
	"locations:\n"                                                                                    \
	"  198.51.100.0/24: {at: [51, 7], country: DE, asn: 64500}\n"                                     \
	"  2001:db8:7::/48: {country: US, subdivision: CA}\n"                                             \
	"checks:\n"                                                                                       \
	"  web: {type: http}\n"                                                                           \
	"maps:\n"                                                                                         \
	"  world: {\"country:DE\": [us], \"as:64501\": [], default: [eu, us]}\n"                          \
	"services:\n"                                                                                     \
	"  shop: {check: web, ttl: 5s..40s, vips: {eu: [192.0.2.1], us: [192.0.2.2], ap: [192.0.2.3]}}\n" \
	"  some: {check: web, steering: {order: listed, regions: [eu, us, ap]},\n"                        \
	"         vips: {eu: [192.0.2.1], us: [{address: 192.0.2.2, weight: 3}, \"2001:db8::2\"]}}\n"     \
	"  dice: {check: web, steering: {order: none, split: random}, ttl: 5s..40s,\n"                    \
	"         vips: {eu: [192.0.2.1], us: [{address: 192.0.2.2, weight: 3}], ap: [192.0.2.3]}}\n"     \
	"  maps: {steering: {order: map, map: world, regions: [us, eu]},\n"                               \
	"         vips: {eu: [192.0.2.4], us: [192.0.2.5], ap: [192.0.2.6]}}\n"                           \
	"  flat: {steering: {order: none}, vips: {eu: [192.0.2.7], us: [192.0.2.8]}}\n"                   \
	"zones:\n"                                                                                        \
	"  app.test: {text: \"@ 60 SOA ns h 1 2 3 4 30\\n@ 60 NS ns.elsewhere.\\nwww 300 TXT hi\\nto 60 " \
	"CNAME acme\\n\"}\n"                                                                              \
	"tenants:\n"                                                                                      \
	"  acme: {zone: app.test, service: shop}\n"                                                       \
	"  home: {zone: app.test, service: shop, regions: [us, ap]}\n"                                    \
	"  some: {zone: app.test, service: some}\n"                                                       \
	"  dice: {zone: app.test, service: dice}\n"                                                       \
	"  maps: {zone: app.test, service: maps}\n"                                                       \
	"  gone: {zone: app.test, service: shop, state: suspended}\n"

static struct rig rig;

static int setup(void **state)
{
	rig_init(&rig);
	rig_set_health(NULL, "192.0.2.1", "web", VIP_UP, 0);
	rig_set_health(NULL, "192.0.2.2", "web", VIP_UP, 0);
	rig_set_health(NULL, "192.0.2.3", "web", VIP_UP, 0);
	rig_set_health(NULL, "2001:db8::2", "web", VIP_UP, 0);
	rig_must_start(&rig, FLEET);
	return 0;
}

static int teardown(void **state)
{
	rig_done(&rig);
	return 0;
}

static json_t *ask(const char *name, uint16_t type, const char *client, const char *via,
		   const struct what_if *what_if, size_t count)
{
	struct explain_request request = {.type = type, .what_if = what_if, .what_if_count = count};
	assert_null(name_from_text(name, NULL, &request.name));
	request.has_client = client != NULL;
	request.has_via = via != NULL;
	if (client)
		assert_true(prefix_parse(client, &request.client));
	if (via)
		assert_true(ip_parse(via, &request.via));
	json_t *reply = explain(rig.server, &request);
	assert_non_null(reply);
	return reply;
}

static json_t *ask_a(const char *name)
{
	return ask(name, RR_A, "198.51.100.7", NULL, NULL, 0);
}

static json_t *region_of(json_t *reply, const char *id)
{
	size_t at, found = 0;
	json_t *region, *ret = NULL;
	json_array_foreach (json_object_get(reply, "regions"), at, region) {
		if (strcmp(json_string_value(json_object_get(region, "region")), id) == 0) {
			ret = region;
			found++;
		}
	}
	assert_int_equal(found, 1); /* every region once */
	return ret;
}

static void expect(json_t *object, const char *key, const char *expected)
{
	char *text = json_dumps(json_object_get(object, key),
				JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
	if (strcmp(text ? text : "absent", expected) != 0)
		fail_msg("%s: %s, expected %s", key, text ? text : "absent", expected);
	free(text);
}

static void expect_data(json_t *reply, size_t record, const char *expected)
{
	json_t *records = json_object_get(json_object_get(reply, "answer"), "records");
	expect(json_array_get(records, record), "data", expected);
}

static void expect_reason(json_t *reply, const char *region, const char *tier, const char *kept,
			  const char *reason)
{
	expect(region_of(reply, region), "tier", tier);
	expect(region_of(reply, region), "kept", kept);
	expect(region_of(reply, region), "reason", reason);
}

/* ---- the whole ---- */

static void test_a_tenant(void **state)
{
	rig_advance_clocks(600000);
	rig_control(&rig, "ap", "maps", NULL, 100, 0); /* any change: the TTLs have grown */
	json_t *reply = ask_a("Acme.App.Test");
	expect(reply, "query", "{\"name\":\"acme.app.test.\",\"type\":\"A\"}");
	expect(reply, "epoch", "2");
	expect(reply, "fleet_version", "0");
	expect(reply, "client",
	       "{\"source\":\"argument\",\"address\":\"198.51.100.7/32\",\"scope\":24,\"at\":[51.0,7.0],"
	       "\"continent\":\"EU\",\"country\":\"DE\",\"subdivision\":null,\"asn\":64500,\"from\":"
	       "\"locations\"}");
	expect(reply, "tenant", "\"acme\"");
	expect(reply, "service", "\"shop\"");
	expect(reply, "zone", "\"app.test.\"");
	expect(reply, "kind", "\"tenant\"");
	expect(reply, "policy", "{\"order\":\"nearest\",\"map\":null,\"matched\":null,\"split\":\"sticky\"}");
	assert_int_equal(json_array_size(json_object_get(reply, "regions")), 3);
	expect(region_of(reply, "eu"), "vips",
	       "[{\"address\":\"192.0.2.1\",\"state\":\"up\",\"score\":1.0,\"weight\":1,\"pending\":0}]");
	json_object_del(region_of(reply, "eu"), "vips");
	char *eu = json_dumps(region_of(reply, "eu"), JSON_COMPACT);
	assert_string_equal(eu,
			    "{\"region\":\"eu\",\"tier\":0,\"distance_km\":132,\"share\":100,\"healthy\":1.0,"
			    "\"weight\":1.0,\"load\":null,\"kept\":true,\"reason\":\"chosen\"}");
	free(eu);
	expect(reply, "step", "\"tier\"");
	expect(reply, "ttl", "{\"value\":40,\"min\":5,\"max\":40,\"why\":\"stable\"}");
	expect(reply, "answer",
	       "{\"rcode\":\"NOERROR\",\"records\":[{\"name\":\"acme.app.test.\",\"type\":\"A\",\"ttl\":40,"
	       "\"data\":\"192.0.2.1\"}],\"ede\":null}");
	expect(reply, "probabilities", "absent");
	json_decref(reply);
}

static void test_a_static_name(void **state)
{
	json_t *reply = ask("www.app.test", RR_TXT, "198.51.100.7", NULL, NULL, 0);
	expect(reply, "kind", "\"static\"");
	expect(reply, "tenant", "null");
	expect(reply, "service", "null");
	expect(reply, "zone", "\"app.test.\"");
	expect(reply, "policy", "null");
	expect(reply, "regions", "[]");
	expect(reply, "step", "\"none\"");
	expect(reply, "ttl", "{\"value\":300,\"min\":300,\"max\":300,\"why\":\"stable\"}");
	expect(json_object_get(reply, "client"), "scope", "0");
	expect(reply, "answer",
	       "{\"rcode\":\"NOERROR\",\"records\":[{\"name\":\"www.app.test.\",\"type\":\"TXT\",\"ttl\":300,"
	       "\"data\":\"\\\"hi\\\"\"}],\"ede\":null}");
	json_decref(reply);
	reply = ask_a("www.app.test");
	expect(reply, "kind", "\"static\"");
	expect(reply, "answer", "{\"rcode\":\"NOERROR\",\"records\":[],\"ede\":null}");
	json_decref(reply);
}

static void test_names_that_are_not_there(void **state)
{
	json_t *reply = ask_a("nobody.app.test");
	expect(reply, "kind", "\"none\"");
	expect(reply, "zone", "\"app.test.\"");
	expect(reply, "policy", "null");
	expect(reply, "answer", "{\"rcode\":\"NXDOMAIN\",\"records\":[],\"ede\":null}");
	json_decref(reply);
	reply = ask_a("other.test");
	expect(reply, "kind", "\"none\"");
	expect(reply, "zone", "null");
	expect(reply, "service", "null");
	expect(reply, "regions", "[]");
	expect(reply, "ttl", "null");
	expect(json_object_get(reply, "answer"), "rcode", "\"REFUSED\"");
	expect(json_object_get(json_object_get(reply, "answer"), "ede"), "code", "20");
	json_decref(reply);
}

static void test_a_chain_ends_with_the_tenants_decision(void **state)
{
	json_t *reply = ask_a("to.app.test");
	expect(reply, "tenant", "\"acme\"");
	expect(reply, "kind", "\"tenant\"");
	expect_reason(reply, "eu", "0", "true", "\"chosen\"");
	json_t *records = json_object_get(json_object_get(reply, "answer"), "records");
	assert_int_equal(json_array_size(records), 2);
	expect(json_array_get(records, 0), "data", "\"acme.app.test.\"");
	expect(json_array_get(records, 1), "name", "\"acme.app.test.\"");
	json_decref(reply);
}

static void test_a_suspended_tenant(void **state)
{
	json_t *reply = ask_a("gone.app.test");
	expect(reply, "kind", "\"tenant\"");
	expect(reply, "tenant", "\"gone\"");
	expect(reply, "answer",
	       "{\"rcode\":\"NOERROR\",\"records\":[],\"ede\":{\"code\":0,\"text\":\"tenant suspended\"}}");
	json_decref(reply);
}

/* The regions are those that the name would get, below a wildcard too. */
static void test_a_suspended_wildcard(void **state)
{
	json_t *regions[26];
	for (int pass = 0; pass < 2; pass++) {
		rig_apply(&rig,
			  pass == 0 ? "tenants: {wild: {zone: app.test, service: flat, hosts: [\"*.wild\"]}}"
				    : "tenants: {wild: {zone: app.test, service: flat, hosts: [\"*.wild\"], "
				      "state: suspended}}",
			  NULL);
		for (char c = 'a'; c <= 'z'; c++) {
			char name[] = "x.wild.app.test";
			name[0] = c;
			json_t *reply = ask_a(name);
			if (pass == 0) {
				regions[c - 'a'] = json_incref(json_object_get(reply, "regions"));
			} else {
				assert_true(json_equal(json_object_get(reply, "regions"), regions[c - 'a']));
				json_decref(regions[c - 'a']);
			}
			json_decref(reply);
		}
	}
}

static void expect_hidden(const char *name, const char *kind, const char *expected)
{
	json_t *reply = ask_a(name);
	expect(reply, "kind", kind);
	expect(reply, "hidden_wildcard", expected);
	json_decref(reply);
}

static void test_a_hidden_wildcard(void **state)
{
	rig_apply(&rig,
		  "tenants: {wild: {zone: app.test, service: flat, hosts: [\"*.wild\"]},\n"
		  "          deep: {zone: app.test, service: flat, hosts: [a.b.wild]}}",
		  NULL);
	expect_hidden("x.wild.app.test", "\"tenant\"", "null");
	expect_hidden("www.app.test", "\"static\"", "null");
	expect_hidden("*.wild.app.test", "\"tenant\"", "null");
	/* Below a name that exists, at one that exists only because of those below it, and at the name. */
	expect_hidden("x.b.wild.app.test", "\"none\"",
		      "{\"tenant\":\"wild\",\"wildcard\":\"*.wild.app.test.\",\"by\":\"b.wild.app.test.\"}");
	expect_hidden("b.wild.app.test", "\"static\"",
		      "{\"tenant\":\"wild\",\"wildcard\":\"*.wild.app.test.\",\"by\":\"b.wild.app.test.\"}");
	expect_hidden(
		"a.b.wild.app.test", "\"tenant\"",
		"{\"tenant\":\"wild\",\"wildcard\":\"*.wild.app.test.\",\"by\":\"a.b.wild.app.test.\"}");
	expect_hidden("wild.elsewhere.test", "\"none\"", "null");
}

static json_t *ask_at_the_end_of_a_chain(unsigned number)
{
	char client[32];
	snprintf(client, sizeof client, "198.51.%u.0/24", number);
	return ask("to.far.test", RR_A, client, NULL, NULL, 0);
}

static void test_a_suspended_wildcard_behind_a_chain(void **state)
{
	json_t *regions[26];
	rig_apply(
		&rig,
		"zones: {far.test: {text: \"@ 60 SOA ns h 1 2 3 4 30\\nto 60 CNAME X.Wild.app.test.\\n\"}}\n"
		"tenants: {wild: {zone: app.test, service: flat, hosts: [\"*.wild\"]}}",
		NULL);
	for (unsigned i = 0; i < 26; i++) {
		json_t *reply = ask_at_the_end_of_a_chain(i);
		regions[i] = json_incref(json_object_get(reply, "regions"));
		json_decref(reply);
	}
	rig_apply(&rig,
		  "tenants: {wild: {zone: app.test, service: flat, hosts: [\"*.wild\"], state: suspended}}",
		  NULL);
	for (unsigned i = 0; i < 26; i++) {
		json_t *reply = ask_at_the_end_of_a_chain(i);
		assert_true(json_equal(json_object_get(reply, "regions"), regions[i]));
		json_decref(regions[i]);
		json_decref(reply);
	}
}

/* ---- reasons ---- */

static void test_reasons_of_place(void **state)
{
	json_t *reply = ask_a("acme.app.test");
	expect_reason(reply, "us", "1", "false", "\"lower-tier\"");
	expect_reason(reply, "ap", "2", "false", "\"lower-tier\"");
	json_decref(reply);
	reply = ask_a("home.app.test");
	expect_reason(reply, "eu", "null", "false", "\"residency\"");
	expect_reason(reply, "us", "0", "true", "\"chosen\"");
	json_decref(reply);
	reply = ask_a("some.app.test");
	expect_reason(reply, "ap", "null", "false", "\"no-vips\"");
	expect(region_of(reply, "us"), "weight", "3.0");
	json_decref(reply);
	reply = ask_a("maps.app.test");
	expect_reason(reply, "ap", "null", "false", "\"not-listed\""); /* not in steering.regions */
	expect_reason(reply, "eu", "null", "false", "\"not-listed\""); /* not in the map's list */
	expect_reason(reply, "us", "0", "true", "\"chosen\"");
	expect(reply, "policy",
	       "{\"order\":\"map\",\"map\":\"world\",\"matched\":\"country:DE\",\"split\":\"sticky\"}");
	json_decref(reply);
	reply = ask("maps.app.test", RR_A, "203.0.113.1", NULL, NULL, 0);
	expect(json_object_get(reply, "policy"), "matched", "\"default\"");
	expect_reason(reply, "eu", "0", "true", "\"chosen\"");
	json_decref(reply);
}

static void test_reasons_of_state(void **state)
{
	rig_set_health(&rig, "192.0.2.1", "web", VIP_DOWN, 1);
	rig_control(&rig, "us", NULL, NULL, 0, 0);
	json_t *reply = ask_a("acme.app.test");
	expect_reason(reply, "eu", "0", "false", "\"unhealthy\"");
	expect_reason(reply, "us", "1", "false", "\"drained\"");
	expect_reason(reply, "ap", "2", "true", "\"chosen\"");
	expect(region_of(reply, "us"), "share", "0");
	expect(region_of(reply, "eu"), "healthy", "0.0");
	expect(region_of(reply, "eu"), "vips",
	       "[{\"address\":\"192.0.2.1\",\"state\":\"down\",\"score\":0.0,\"weight\":1,\"pending\":1}]");
	expect(reply, "ttl", "{\"value\":5,\"min\":5,\"max\":40,\"why\":\"pending\"}");
	json_decref(reply);
	rig_control(&rig, "us", NULL, NULL, SHARE_DOWN, 0);
	reply = ask_a("acme.app.test");
	expect_reason(reply, "us", "null", "false", "\"down\"");
	expect(region_of(reply, "us"), "share", "\"down\"");
	json_decref(reply);
	rig_control(&rig, "us", NULL, NULL, SHARE_RESTORE, 0);
	reply = ask_a("acme.app.test");
	expect(json_object_get(reply, "ttl"), "why", "\"pending\"");
	json_decref(reply);
	rig_set_health(&rig, "192.0.2.1", "web", VIP_DOWN, 0);
	rig_control(&rig, "ap", NULL, NULL, 90, 0);
	reply = ask_a("acme.app.test");
	expect(json_object_get(reply, "ttl"), "why", "\"recent\"");
	json_decref(reply);
}

static void test_a_share_passes_clients_over(void **state)
{
	rig_control(&rig, "eu", NULL, NULL, 50, 0);
	unsigned stayed = 0;
	for (unsigned i = 0; i < 200; i++) {
		char client[32];
		snprintf(client, sizeof client, "198.51.%u.0/24", i);
		json_t *reply = ask("some.app.test", RR_A, client, NULL, NULL, 0);
		const char *reason = json_string_value(json_object_get(region_of(reply, "eu"), "reason"));
		stayed += strcmp(reason, "chosen") == 0;
		if (strcmp(reason, "chosen") != 0) {
			expect_reason(reply, "eu", "0", "false", "\"share\"");
			expect_reason(reply, "us", "1", "true", "\"chosen\"");
		}
		json_decref(reply);
	}
	assert_in_range(stayed, 70, 130);
}

/* Where a chain leads below a wildcard, the name that was led to is the one that is hashed. */
static void test_a_share_behind_a_chain(void **state)
{
	rig_apply(&rig,
		  "zones: {b.test: {text: \"@ 60 SOA ns h 1 2 3 4 30\\nto 60 CNAME x.wild.app.test.\\n\"}}\n"
		  "tenants: {wild: {zone: app.test, service: some, hosts: [\"*.wild\"]}}",
		  NULL);
	rig_control(&rig, "eu", NULL, NULL, 50, 0);
	unsigned stayed = 0;
	for (unsigned i = 0; i < 50; i++) {
		char client[32];
		snprintf(client, sizeof client, "198.51.%u.0/24", i);
		json_t *reply = ask("to.b.test", RR_A, client, NULL, NULL, 0);
		bool is_chosen = json_is_true(json_object_get(region_of(reply, "eu"), "kept"));
		expect_reason(reply, "eu", "0", is_chosen ? "true" : "false",
			      is_chosen ? "\"chosen\"" : "\"share\"");
		stayed += is_chosen;
		json_decref(reply);
	}
	assert_in_range(stayed, 10, 40);
}

static void test_steps(void **state)
{
	rig_control(&rig, "eu", NULL, NULL, 0, 0);
	rig_control(&rig, "us", NULL, NULL, 0, 0);
	json_t *reply = ask_a("some.app.test");
	expect(reply, "step", "\"panic\"");
	expect_reason(reply, "eu", "0", "true", "\"chosen\"");
	expect(json_object_get(reply, "ttl"), "why", "\"fallback\"");
	json_decref(reply);
	rig_control(&rig, "eu", NULL, NULL, SHARE_RESTORE, 0);
	struct what_if all_down[] = {{.region = "eu", .kind = WHAT_IF_STATE},
				     {.region = "us", .kind = WHAT_IF_STATE}};
	reply = ask("some.app.test", RR_A, "198.51.100.7", NULL, all_down, 2);
	expect(reply, "step", "\"last-resort\"");
	expect_reason(reply, "eu", "0", "true", "\"chosen\"");
	json_decref(reply);
	rig_control(&rig, "eu", NULL, NULL, SHARE_DOWN, 0);
	rig_control(&rig, "us", NULL, NULL, SHARE_DOWN, 0);
	reply = ask_a("some.app.test");
	expect(reply, "step", "\"none\"");
	expect(reply, "answer", "{\"rcode\":\"NOERROR\",\"records\":[],\"ede\":null}");
	json_decref(reply);
}

/* ---- split, what-if, clients ---- */

static void test_random_tells_its_probabilities(void **state)
{
	rig_control(&rig, "ap", NULL, NULL, 0, 0);
	json_t *reply = ask_a("dice.app.test");
	expect(json_object_get(reply, "policy"), "split", "\"random\"");
	expect(reply, "probabilities", "{\"eu\":0.25,\"us\":0.75}");
	const char *eu = json_string_value(json_object_get(region_of(reply, "eu"), "reason"));
	const char *us = json_string_value(json_object_get(region_of(reply, "us"), "reason"));
	assert_true(!strcmp(eu, "chosen") ? !strcmp(us, "not-picked")
					  : !strcmp(eu, "not-picked") && !strcmp(us, "chosen"));
	expect_reason(reply, "ap", "0", "false", "\"drained\"");
	json_decref(reply);
}

static void test_what_if(void **state)
{
	struct what_if eu_down = {.region = "eu", .kind = WHAT_IF_STATE};
	json_t *reply = ask("acme.app.test", RR_A, "198.51.100.7", NULL, &eu_down, 1);
	expect_reason(reply, "eu", "0", "false", "\"unhealthy\"");
	expect_reason(reply, "us", "1", "true", "\"chosen\"");
	expect(json_array_get(json_object_get(region_of(reply, "eu"), "vips"), 0), "state", "\"down\"");
	json_decref(reply);
	struct what_if us_up[] = {{.address = "192.0.2.1", .kind = WHAT_IF_STATE},
				  {.region = "us", .kind = WHAT_IF_SHARE, .share = SHARE_DOWN}};
	reply = ask("acme.app.test", RR_A, "198.51.100.7", NULL, us_up, 2);
	expect_reason(reply, "us", "null", "false", "\"down\"");
	expect_reason(reply, "ap", "2", "true", "\"chosen\"");
	json_decref(reply);
	rig_set_health(&rig, "192.0.2.1", "web", VIP_DOWN, 0);
	rig_control(&rig, "eu", NULL, NULL, SHARE_DOWN, 0);
	struct what_if back[] = {{.region = "eu", .kind = WHAT_IF_STATE, .is_up = true},
				 {.region = "eu", .kind = WHAT_IF_SHARE, .share = 100}};
	reply = ask("acme.app.test", RR_A, "198.51.100.7", NULL, back, 2);
	expect_reason(reply, "eu", "0", "true", "\"chosen\"");
	json_decref(reply);
	reply = ask_a("acme.app.test"); /* none of it has happened */
	expect_reason(reply, "eu", "null", "false", "\"down\"");
	json_decref(reply);
}

static void test_clients(void **state)
{
	json_t *reply = ask("acme.app.test", RR_A, NULL, "198.51.100.7", NULL, 0);
	expect(json_object_get(reply, "client"), "source", "\"resolver\"");
	expect(json_object_get(reply, "client"), "address", "\"198.51.100.7/32\"");
	json_decref(reply);
	/* A prefix without a place: the fields of place are the resolver's, the prefix stays the client. */
	reply = ask("acme.app.test", RR_A, "10.0.0.0/24", "198.51.100.7", NULL, 0);
	json_t *client = json_object_get(reply, "client");
	expect(client, "source", "\"argument\"");
	expect(client, "address", "\"10.0.0.0/24\"");
	expect(client, "at", "[51.0,7.0]");
	expect(client, "country", "\"DE\"");
	expect(client, "asn", "null");
	expect(client, "from", "\"locations\"");
	expect_reason(reply, "eu", "0", "true", "\"chosen\"");
	json_decref(reply);
	/* No place at all: the order of steering.regions. */
	reply = ask("acme.app.test", RR_A, "10.0.0.1", NULL, NULL, 0);
	client = json_object_get(reply, "client");
	expect(client, "at", "null");
	expect(client, "from", "null");
	expect(region_of(reply, "eu"), "distance_km", "null");
	expect_reason(reply, "eu", "0", "true", "\"chosen\"");
	json_decref(reply);
	/* Nobody in particular: no address, and no scope for it. */
	reply = ask("acme.app.test", RR_A, NULL, NULL, NULL, 0);
	client = json_object_get(reply, "client");
	expect(client, "source", "\"resolver\"");
	expect(client, "address", "null");
	expect(client, "scope", "0");
	expect(client, "at", "null");
	expect_reason(reply, "eu", "0", "true", "\"chosen\"");
	json_decref(reply);
	/* IPv6, with a country but no coordinates. */
	reply = ask("some.app.test", RR_AAAA, "2001:db8:7:1::/64", NULL, NULL, 0);
	client = json_object_get(reply, "client");
	expect(client, "address", "\"2001:db8:7:1::/64\"");
	expect(client, "country", "\"US\"");
	expect(client, "continent", "\"NA\"");
	expect(client, "subdivision", "\"CA\"");
	assert_true(json_is_array(json_object_get(client, "at")));
	expect(reply, "query", "{\"name\":\"some.app.test.\",\"type\":\"AAAA\"}");
	expect_data(reply, 0, "\"2001:db8::2\""); /* eu has no IPv6 address */
	json_decref(reply);
	struct what_if eu_down = {.region = "eu", .kind = WHAT_IF_SHARE, .share = SHARE_DOWN};
	reply = ask("some.app.test", RR_AAAA, "2001:db8:7:1::/64", NULL, &eu_down, 1);
	expect_data(reply, 0, "\"2001:db8::2\"");
	expect(reply, "family", "null"); /* us is chosen for both */
	json_decref(reply);
}

/* A family that chose by itself: told of its own VIPs, and what left it to. */
static void test_families(void **state)
{
	json_t *reply = ask("some.app.test", RR_AAAA, "198.51.100.7", NULL, NULL, 0);
	expect(reply, "step", "\"family\"");
	expect(reply, "family",
	       "{\"ipv6\":{\"region\":\"us\",\"instead_of\":\"eu\",\"step\":\"family\",\"cause\":"
	       "\"configuration\"}}");
	expect_reason(reply, "eu", "0", "false", "\"family\"");
	expect_reason(reply, "us", "1", "true", "\"chosen\"");
	expect(region_of(reply, "us"), "weight", "1.0"); /* of IPv6 */
	assert_int_equal(json_array_size(json_object_get(region_of(reply, "us"), "vips")), 2);
	json_decref(reply);

	rig_apply(&rig,
		  "services: {dual: {check: web, ttl: 5s..40s, steering: {order: listed}, https: {alpn: "
		  "[h2]},\n"
		  "           vips: {eu: [192.0.2.1, \"2001:db8::2\"], us: [192.0.2.2]}}}\n"
		  "tenants: {dual: {zone: app.test, service: dual}}",
		  NULL);
	rig_advance_clocks(600000);
	rig_control(&rig, "ap", "maps", NULL, 100, 0); /* any change: the TTLs have grown */
	struct what_if down[] = {{.address = "192.0.2.1", .kind = WHAT_IF_STATE},
				 {.address = "192.0.2.2", .kind = WHAT_IF_STATE}};
	reply = ask("dual.app.test", RR_A, "198.51.100.7", NULL, down, 1);
	expect(reply, "step", "\"family\"");
	expect(reply, "family",
	       "{\"ipv4\":{\"region\":\"us\",\"instead_of\":\"eu\",\"step\":\"family\",\"cause\":\"health\"}"
	       "}");
	expect_reason(reply, "eu", "0", "false", "\"unhealthy\"");
	expect(region_of(reply, "eu"), "healthy", "0.0");
	expect(json_object_get(reply, "ttl"), "why", "\"stable\"");
	expect_data(reply, 0, "\"192.0.2.2\"");
	json_decref(reply);
	reply = ask("dual.app.test", RR_AAAA, "198.51.100.7", NULL, down, 1);
	expect(reply, "step", "\"tier\"");
	expect(reply, "family", "null");
	expect_reason(reply, "eu", "0", "true", "\"chosen\"");
	json_decref(reply);
	reply = ask("dual.app.test", RR_HTTPS, "198.51.100.7", NULL, down, 1);
	expect(reply, "step", "\"family\"");
	expect_data(reply, 0, "\"1 . alpn=h2 ipv4hint=192.0.2.2 ipv6hint=2001:db8::2\"");
	expect_reason(reply, "eu", "0", "true", "\"chosen\""); /* for the other family */
	expect(json_object_get(json_object_get(reply, "family"), "ipv4"), "region", "\"us\"");
	json_decref(reply);
	reply = ask("dual.app.test", RR_A, "198.51.100.7", NULL, down, 2);
	expect(reply, "step", "\"last-resort\"");
	expect(json_object_get(json_object_get(reply, "family"), "ipv4"), "step", "\"last-resort\"");
	expect(json_object_get(reply, "ttl"), "why", "\"fallback\"");
	expect(json_object_get(json_object_get(reply, "answer"), "ede"), "text",
	       "\"every VIP of the address family is down: last resort\"");
	json_decref(reply);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_tenant),
		TEST(test_a_static_name),
		TEST(test_names_that_are_not_there),
		TEST(test_a_chain_ends_with_the_tenants_decision),
		TEST(test_a_suspended_tenant),
		TEST(test_a_suspended_wildcard),
		TEST(test_a_hidden_wildcard),
		TEST(test_a_suspended_wildcard_behind_a_chain),
		TEST(test_reasons_of_place),
		TEST(test_reasons_of_state),
		TEST(test_a_share_passes_clients_over),
		TEST(test_a_share_behind_a_chain),
		TEST(test_steps),
		TEST(test_families),
		TEST(test_random_tells_its_probabilities),
		TEST(test_what_if),
		TEST(test_clients),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
