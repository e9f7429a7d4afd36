/* Which names answer for whom. */
#include "gslb/compile/name_index.h"
#include "tests/unit/fleet_fixture.h"

#define FLEET                                                                          \
	"regions: {eu: {at: [50, 8]}}\n"                                               \
	"services: {shop: {vips: {eu: [192.0.2.1]}}}\n"                                \
	"zones:\n"                                                                     \
	"  app.test: {text: \"@ 60 SOA ns h 7 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n\"}\n" \
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hosts_and_domains),
		TEST(test_a_host_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
