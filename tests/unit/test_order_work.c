/* Orders that are compiled on a helper thread, and who waits for them. */
#include "gslb/compile/order_work.h"
#include "gslb/decide/place/place_build.h"
#include "lib/mem.h"
#include "tests/unit/fleet_fixture.h"

#define VIPS "vips: {eu: [192.0.2.1], us: [192.0.2.2]}"
#define ALL (~(region_set)0)

static struct fleet *fleet;
static struct order_cache *orders;
static struct places *places; /* so many that nothing is quick */
static struct event_base *base;
static struct order_work *work;
static unsigned called;

static int setup(void **state)
{
	fleet = fleet_new();
	apply_good(fleet, FLEET_BASE,
		   "regions: {eu: {at: [50, 8]}, us: {at: [39, -77]}}\n"
		   "services:\n"
		   "  near: {" VIPS "}\n"
		   "  same: {ttl: 1s, " VIPS "}\n"
		   "  wide: {steering: {tolerance: 300km}, " VIPS "}\n"
		   "  line: {steering: {order: listed}, " VIPS "}\n"
		   "zones: {app.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\n@ 60 NS ns.elsewhere.\\n\"}}\n"
		   "tenants:\n"
		   "  a: {zone: app.test, service: near}\n"
		   "  b: {zone: app.test, service: same, tags: [x]}\n"
		   "  c: {zone: app.test, service: near, regions: [eu, us]}\n"
		   "  d: {zone: app.test, service: near, regions: [us]}\n"
		   "  e: {zone: app.test, service: line}\n");
	struct place_build *build = place_build_new();
	uint32_t here = place_build_place(build, &(struct place){.country = "US"});
	for (uint32_t i = 0; i < 60000; i++)
		place_build_range(build, 4, (address_key)(i + 1) << 108, i % 2 ? PLACE_NONE : here);
	places = place_build_finish(build);
	orders = order_cache_new();
	base = event_base_new();
	work = order_work_new(base, &orders);
	called = 0;
	return 0;
}

static int teardown(void **state)
{
	order_work_free(work);
	order_cache_free(orders);
	event_base_free(base);
	places_unref(places);
	fleet_free(fleet);
	return 0;
}

static void want(const char *id, struct order_cache *wanted)
{
	const struct fleet_object *service = fleet_get(fleet, FLEET_SERVICE, id);
	order_cache_want(orders, fleet, (const struct fleet_service *)service, ALL, places, wanted);
}

static struct order_cache *want_all(void)
{
	struct order_cache *wanted = order_cache_new();
	want("near", wanted);
	want("same", wanted);
	want("wide", wanted);
	want("line", wanted);
	return wanted;
}

static void test_what_is_missing_is_compiled_once(void **state)
{
	struct order_cache *wanted = want_all();
	assert_int_equal(order_cache_count(wanted), 2); /* near and wide; a list is made at once */
	assert_true(order_work_start(work, wanted));
	assert_int_equal(order_cache_count(orders), 0);
	event_base_dispatch(base);
	assert_int_equal(order_cache_count(orders), 2);
	wanted = want_all();
	assert_int_equal(order_cache_count(wanted), 0);
	const struct fleet_object *near = fleet_get(fleet, FLEET_SERVICE, "near");
	struct order *order = order_cache_get(orders, fleet, (const struct fleet_service *)near, ALL, places);
	assert_int_equal(order_cache_count(orders), 2);
	struct ip client;
	ip_parse("0.16.0.1", &client);
	assert_int_equal(order_find(order, &client, NULL).depth, 20);
	order_cache_free(wanted);
}

static void test_tenants_want_what_is_missing(void **state)
{
	struct order_cache *wanted = order_cache_new();
	order_cache_want_all(orders, fleet, places, wanted);
	assert_int_equal(order_cache_count(wanted), 1); /* a, b and c alike; d and e need none */
	want("wide", wanted);
	order_work_start(work, wanted);
	event_base_dispatch(base);
	wanted = order_cache_new();
	order_cache_want_all(orders, fleet, places, wanted);
	assert_int_equal(order_cache_count(wanted), 0);
	order_cache_free(wanted);
}

static void count_call(void *user)
{
	called++;
	assert_true(order_work_is_handing_out(work));
	assert_ptr_equal(user, &called);
	assert_int_equal(order_cache_count(orders), 2);
}

/* The second is not compiled beside the first: who wants it is called, and asks again. */
static void test_all_who_wait_are_called_once(void **state)
{
	assert_true(order_work_start(work, want_all()));
	order_work_await(work, count_call, &called);
	assert_true(order_work_start(work, want_all()));
	order_work_await(work, count_call, &called);
	assert_int_equal(called, 0);
	event_base_dispatch(base);
	assert_int_equal(called, 2);
	assert_false(order_work_is_handing_out(work));
	event_base_dispatch(base);
	assert_int_equal(called, 2);
}

static void start_again(void *user)
{
	called++;
	order_cache_sweep(orders); /* nobody holds them */
	order_work_start(work, want_all());
	order_work_await(work, count_call, &called);
}

static void test_one_who_is_called_may_ask_for_more(void **state)
{
	order_work_start(work, want_all());
	order_work_await(work, start_again, &called);
	event_base_dispatch(base);
	assert_int_equal(called, 2);
}

static struct location *one_location(void)
{
	struct location *location = xcalloc(1, sizeof *location);
	assert_true(prefix_parse("198.51.100.0/24", &location->prefix));
	location->has_country = true;
	memcpy(location->place.country, "BR", 3);
	return location;
}

static void test_locations_are_laid(void **state)
{
	struct ip ip;
	ip_parse("198.51.100.7", &ip);
	assert_null(order_work_laid(work, places, 5));
	assert_true(order_work_lay(work, places, one_location(), 1, 5));
	order_work_forget_laid(work);					 /* not while it runs */
	assert_true(order_work_lay(work, places, one_location(), 1, 6)); /* nor a second beside it */
	assert_null(order_work_laid(work, places, 5));
	event_base_dispatch(base);
	assert_null(order_work_laid(work, places, 6));
	struct places *other = places_new_empty(), *laid = order_work_laid(work, places, 5);
	assert_null(order_work_laid(work, other, 5));
	assert_string_equal(places_find(laid, &ip)->country, "BR");
	order_work_forget_laid(work);
	assert_null(order_work_laid(work, places, 5));
	order_work_lay(work, places, one_location(), 1, 5); /* the end waits for this, too */
	places_unref(other);
	places_unref(laid);
}

static void test_the_end_waits_for_the_work(void **state)
{
	order_work_start(work, want_all());
	order_work_await(work, count_call, &called);
	order_work_free(work);
	work = NULL;
	assert_int_equal(called, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_missing_is_compiled_once),
		TEST(test_tenants_want_what_is_missing),
		TEST(test_all_who_wait_are_called_once),
		TEST(test_one_who_is_called_may_ask_for_more),
		TEST(test_locations_are_laid),
		TEST(test_the_end_waits_for_the_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
