/* Which names answer for whom, and which serial a zone gets. */
#include "gslb/compile/name_index.h"
#include "tests/unit/fleet_fixture.h"

#define FLEET                                                                                          \
	"regions: {eu: {at: [50, 8]}}\n"                                                               \
	"services: {shop: {vips: {eu: [192.0.2.1]}}}\n"                                                \
	"zones:\n"                                                                                     \
	"  app.test: {text: \"@ 60 SOA ns h 7 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n\", serial: change}\n" \
	"  old.test: {text: \"@ 60 SOA ns h 7 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n\"}\n"

static struct fleet *fleet;
static struct index *names;

static int setup(void **state)
{
	fleet = fleet_new();
	apply_good(fleet, FLEET_BASE, FLEET);
	struct index_edit *edit = index_edit_new(NULL);
	name_index_add_zones(edit, fleet);
	names = index_edit_done(edit);
	return 0;
}

static int teardown(void **state)
{
	index_unref(names);
	fleet_free(fleet);
	return 0;
}

static const struct fleet_tenant *tenant(const char *id)
{
	return (const struct fleet_tenant *)fleet_get(fleet, FLEET_TENANT, id);
}

/* One edit: `out` (may be NULL) gives its names away, then `in` (may be NULL) takes its own. */
static void edit_names(const char *out, const char *in, uint32_t policy)
{
	struct index_edit *edit = index_edit_new(names);
	if (out)
		name_index_remove_tenant(edit, tenant(out));
	if (in)
		name_index_add_tenant(edit, fleet, tenant(in), policy);
	index_unref(names);
	names = index_edit_done(edit);
}

static const struct node *node_of(const char *text)
{
	struct name name;
	assert_null(name_from_text(text, NULL, &name));
	struct find found = index_find(names, name.octets, name.length, name_hash(name.octets, name.length));
	return found.kind == FIND_EXACT || found.kind == FIND_WILDCARD ? found.node : NULL;
}

static void expect_owner(const char *name, const char *id, uint32_t policy)
{
	const struct node *node = node_of(name);
	assert_non_null(node);
	assert_int_equal(node->tenant, tenant(id)->object.number);
	assert_int_equal(node->policy, policy);
}

static void test_hosts_and_domains(void **state)
{
	apply_good(fleet, FLEET_STORE,
		   "tenants: {acme: {zone: app.test, service: shop, hosts: [acme, \"*.acme\", \"@\"],\n"
		   "                 domains: [www.old.test, shop.elsewhere.example]}}\n");
	edit_names(NULL, "acme", 4);
	expect_owner("acme.app.test", "acme", 4);
	expect_owner("any.thing.acme.app.test", "acme", 4);
	expect_owner("app.test", "acme", 4);
	expect_owner("www.old.test", "acme", 4); /* a served zone holds it */
	assert_null(node_of("shop.elsewhere.example"));
	assert_null(node_of("nobody.app.test"));
	size_t count = index_names(names);
	edit_names("acme", NULL, 0);
	assert_null(node_of("acme.app.test"));
	assert_null(node_of("any.thing.acme.app.test"));
	assert_null(node_of("www.old.test"));
	assert_non_null(node_of("app.test")); /* the apex stays, nobody's */
	assert_int_equal(node_of("app.test")->tenant, INDEX_NONE);
	assert_int_equal(node_of("app.test")->policy, INDEX_NONE);
	assert_true(index_names(names) < count);
}

static void test_a_host_moves(void **state)
{
	apply_good(fleet, FLEET_STORE,
		   "tenants:\n"
		   "  one: {zone: app.test, service: shop, hosts: [spot]}\n"
		   "  two: {zone: app.test, service: shop}\n");
	edit_names(NULL, "one", 1);
	edit_names(NULL, "two", 2);
	expect_owner("spot.app.test", "one", 1);
	struct index_edit *edit = index_edit_new(names);
	name_index_remove_tenant(edit, tenant("one"));
	name_index_remove_tenant(edit, tenant("two"));
	apply_good(fleet, FLEET_STORE,
		   "tenants:\n"
		   "  one: {zone: app.test, service: shop}\n"
		   "  two: {zone: app.test, service: shop, hosts: [spot]}\n");
	name_index_add_tenant(edit, fleet, tenant("one"), 1);
	name_index_add_tenant(edit, fleet, tenant("two"), 2);
	index_unref(names);
	names = index_edit_done(edit);
	expect_owner("spot.app.test", "two", 2);
	expect_owner("one.app.test", "one", 1);
	assert_null(node_of("two.app.test"));
}

/* ---- serials ---- */

static const struct fleet_zone *zone(const char *id)
{
	return (const struct fleet_zone *)fleet_get(fleet, FLEET_ZONE, id);
}

/* The change, and what it does to the serials at this time. */
static void change_at(const char *yaml, int64_t now_unix_s)
{
	struct fleet_result result;
	char *errors = apply_yaml(fleet, FLEET_STORE, yaml, &result);
	assert_string_equal(errors, "");
	free(errors);
	name_index_renew_serials(fleet, &result, now_unix_s);
	fleet_result_done(&result);
}

static uint32_t served_serial(const char *id)
{
	const struct rrset *soa = zone_soa(zone(id)->zone);
	const uint8_t *at = soa->wire + soa->wire_length - 20; /* serial, refresh, retry, expire, minimum */
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void test_a_tenant_renews_its_zone(void **state)
{
	assert_int_equal(served_serial("app.test."), 7);
	change_at("tenants: {a: {zone: app.test, service: shop}, b: {zone: app.test, service: shop},\n"
		  "          c: {zone: old.test, service: shop}}\n",
		  1800000000);
	assert_int_equal(served_serial("app.test."), 1800000000);
	assert_int_equal(zone("app.test.")->zone->serial, 1800000000);
	assert_int_equal(zone("app.test.")->changed_unix_s, 1800000000);
	assert_int_equal(served_serial("old.test."), 7); /* serial: file */
	change_at("tenants: {c: {zone: old.test, service: shop, hosts: [d]}}\n", 1800000005);
	assert_int_equal(served_serial("app.test."), 1800000000);
	/* A tenant that moves touches both of its zones. */
	change_at("tenants: {a: {zone: old.test, service: shop}}\n", 1800000010);
	assert_int_equal(served_serial("app.test."), 1800000010);
}

static void test_serials_never_go_backwards(void **state)
{
	change_at("tenants: {a: {zone: app.test, service: shop}}\n", 1800000000);
	change_at("tenants: {b: {zone: app.test, service: shop}}\n", 1700000000);
	assert_int_equal(served_serial("app.test."), 1800000000);
	change_at("zones: {new.test: {text: \"@ 60 SOA ns h 4000000000 2 3 4 5\\n@ 60 NS ns.x.\\n\", serial: "
		  "change}}\n",
		  1800000001);
	assert_int_equal(served_serial("new.test."), 4000000000); /* the greater one */
	change_at(
		"zones: {own.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\n@ 60 NS ns.x.\\n\", serial: change}}\n",
		1800000002);
	assert_int_equal(served_serial("own.test."), 1800000002);
	/* The clock is stepped back, then the zone's text is replaced: a new object with the serial of its
	 * text. */
	change_at(
		"zones: {own.test: {text: \"@ 60 SOA ns h 2 2 3 4 5\\n@ 60 NS ns.x.\\n\", serial: change}}\n",
		1700000000);
	assert_int_equal(served_serial("own.test."), 1800000002);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hosts_and_domains),
		TEST(test_a_host_moves),
		TEST(test_a_tenant_renews_its_zone),
		TEST(test_serials_never_go_backwards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
