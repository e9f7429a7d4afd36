/* The lines of a feed become a fleet and its worlds: whole changes alone, in whatever order objects come. */
#include "tests/unit/feed_fixture.h"

static int set_up(void **state)
{
	shared_new();
	copy_new();
	return 0;
}

static int tear_down(void **state)
{
	copy_free();
	shared_free();
	return 0;
}

/* Lines, each ended by a newline; what the last of them came to. */
static enum feed_copy_result feed(const char *lines)
{
	enum feed_copy_result result = FEED_COPY_BROKEN;

	for (const char *end; (end = strchr(lines, '\n')); lines = end + 1)
		result = feed_copy_line(copy, lines, (size_t)(end - lines));
	assert_int_equal(*lines, 0);
	return result;
}

static void test_a_reset_is_whole_at_its_version(void **state)
{
	assert_string_equal(feed_copy_version(copy), "0");
	assert_int_equal(feed(RESET REGION SERVICE ZONE TENANT("acme")), FEED_COPY_MORE);
	assert_true(feed_copy_is_resetting(copy));
	assert_int_equal(replaced, 0);
	assert_int_equal(feed(VERSION("a-1")), FEED_COPY_WHOLE);
	assert_int_equal(replaced, 1);
	assert_false(feed_copy_is_resetting(copy));
	assert_string_equal(who("acme.app.example.net"), "acme");
	assert_string_equal(feed_copy_version(copy), "a-1");
	assert_int_equal(feed(VERSION("a-1")), FEED_COPY_HEARTBEAT);
	assert_int_equal(replaced + changed, 1);
}

static void test_changes(void **state)
{
	feed(RESET REGION SERVICE ZONE TENANT("acme") VERSION("a-1"));
	assert_int_equal(feed(TENANT("beta")), FEED_COPY_MORE);
	assert_string_equal(who("beta.app.example.net"), "");
	assert_int_equal(feed(VERSION("a-2")), FEED_COPY_WHOLE);
	assert_string_equal(who("beta.app.example.net"), "beta");
	assert_int_equal(changed, 1);
	feed(GONE("tenant", "acme") VERSION("a-3"));
	assert_string_equal(who("acme.app.example.net"), "");
	/* twice is harmless, and so is to remove what is not there */
	feed(GONE("tenant", "acme") GONE("tenant", "never") TENANT("beta") TENANT("gamma") VERSION("a-4"));
	assert_string_equal(who("beta.app.example.net"), "beta");
	assert_string_equal(who("gamma.app.example.net"), "gamma");
	/* the later line of an object counts */
	feed(TENANT("delta") GONE("tenant", "delta") GONE("tenant", "beta") HOSTS("beta", "b")
		     VERSION("a-5"));
	assert_string_equal(who("delta.app.example.net"), "");
	assert_string_equal(who("beta.app.example.net"), "");
	assert_string_equal(who("b.app.example.net"), "beta");
	assert_int_equal(feed_copy_set_aside(copy), 0);
}

static void test_a_name_moves_between_tenants(void **state)
{
	feed(RESET REGION SERVICE ZONE HOSTS("one", "x") HOSTS("two", "y") VERSION("a-1"));
	feed(HOSTS("one", "y") HOSTS("two", "x") VERSION("a-2"));
	assert_string_equal(who("x.app.example.net"), "two");
	assert_string_equal(who("y.app.example.net"), "one");
	feed(HOSTS("two", "z") HOSTS("one", "x") VERSION("a-3"));
	assert_string_equal(who("x.app.example.net"), "one");
	assert_string_equal(who("y.app.example.net"), "");
	assert_string_equal(who("z.app.example.net"), "two");
}

static void test_what_is_cut_off_never_was(void **state)
{
	feed(RESET REGION SERVICE ZONE TENANT("acme") VERSION("a-1"));
	feed(TENANT("beta"));
	feed_copy_abandon(copy);
	assert_int_equal(feed(VERSION("a-1")), FEED_COPY_HEARTBEAT);
	assert_string_equal(who("beta.app.example.net"), "");
	feed(RESET REGION);
	feed_copy_abandon(copy);
	assert_false(feed_copy_is_resetting(copy));
	feed(TENANT("gamma") VERSION("a-2"));
	assert_string_equal(who("acme.app.example.net"), "acme");
	assert_string_equal(who("gamma.app.example.net"), "gamma");
}

static void test_a_reset_keeps_slots_and_forgets_the_rest(void **state)
{
	struct hosts_entry before, after;
	feed(RESET REGION SERVICE ZONE TENANT("acme") TENANT("beta") VERSION("a-1"));
	owner("beta.app.example.net", &before);
	atomic_store(&world->states[before.state].limited, 7);
	/* a reset within a reset: the first one never was */
	feed(RESET REGION SERVICE RESET REGION SERVICE ZONE TENANT("new") TENANT("beta") VERSION("b-1"));
	assert_int_equal(replaced, 2);
	assert_string_equal(who("acme.app.example.net"), "");
	assert_string_equal(owner("beta.app.example.net", &after), "beta");
	assert_int_equal(after.state, before.state);
	assert_int_equal(atomic_load(&world->states[after.state].limited), 7);
	assert_int_equal(slots_used(slots), 2);
	feed(RESET TENANT("other"));
	feed_copy_abandon(copy);
	assert_int_equal(slots_used(slots), 2);
}

/* What changes during a listing comes behind it: until then nothing has to fit. */
static void test_objects_of_a_reset_come_in_any_order(void **state)
{
	feed(RESET TENANT("acme") HOSTS("old", "x") HOSTS("new", "y") SERVICE REGION ZONE HOSTS("new", "x")
		     GONE("tenant", "old") VERSION("a-1"));
	assert_string_equal(who("acme.app.example.net"), "acme");
	assert_string_equal(who("x.app.example.net"), "new");
	assert_string_equal(who("y.app.example.net"), "");
	assert_int_equal(feed_copy_set_aside(copy), 0);
}

static void test_many_lines_of_a_reset(void **state)
{
	char line[300], name[400];
	feed(RESET);
	for (unsigned i = 0; i < 2500;
	     i++) { /* some of them before their service: two batches that do not fit */
		snprintf(line, sizeof line, TENANT("t%u"), i);
		feed(line);
		if (i == 1600)
			feed(REGION SERVICE ZONE);
		if (i == 1700)
			feed(HOSTS("t5", "five"));
	}
	feed(VERSION("a-1"));
	for (unsigned i = 0; i < 2500; i++) {
		snprintf(line, sizeof line, "t%u", i);
		snprintf(name, sizeof name, "%s.app.example.net", i == 5 ? "five" : line);
		assert_string_equal(who(name), line);
	}
	assert_string_equal(who("t5.app.example.net"), "");
	assert_int_equal(hosts_count(world->hosts), 2500);
	assert_int_equal(world->policy_count, 1);
}

/* A newer gslbd may know more: the rest goes on. */
static void test_what_does_not_fit_is_set_aside(void **state)
{
	feed(RESET REGION SERVICE ZONE TENANT(
		"acme") "{\"put\":\"tenant\",\"id\":\"odd\",\"object\":{\"zone\":\"app.example.net.\","
			"\"service\":\"shop\","
			"\"from_the_future\":1}}\n{\"put\":\"planet\",\"id\":\"mars\",\"object\":{}}\n"
			"{\"something\":{\"else\":1}}\n" VERSION("a-1"));
	assert_string_equal(who("acme.app.example.net"), "acme");
	assert_string_equal(who("odd.app.example.net"), "");
	assert_int_equal(feed_copy_set_aside(copy), 1);
	feed(TENANT("beta") "{\"put\":\"tenant\",\"id\":\"acme\",\"object\":{\"zone\":\"other.\"}}\n" VERSION(
		"a-2"));
	assert_string_equal(who("beta.app.example.net"), "beta");
	assert_string_equal(who("acme.app.example.net"), "acme");
	assert_int_equal(feed_copy_set_aside(copy), 2);
}

static void test_what_is_no_feed(void **state)
{
	assert_int_equal(feed("no json\n"), FEED_COPY_BROKEN);
	assert_int_equal(feed("[1]\n"), FEED_COPY_BROKEN);
	assert_int_equal(feed("{\"version\":{}}\n"), FEED_COPY_BROKEN);
	/* a change of nothing */
	assert_int_equal(feed(TENANT("acme") VERSION("a-1")), FEED_COPY_BROKEN);
	assert_string_equal(feed_copy_version(copy), "0");
	char longest[400];
	snprintf(longest, sizeof longest, "{\"version\":\"%0300d\"}\n", 1);
	assert_int_equal(feed(longest), FEED_COPY_BROKEN);
}

/* ---- controls ---- */

#define WEB "{\"service\":\"shop\",\"pool\":\"web\",\"origin\":\"127.0.0.1:80\"}"

static void test_controls_drain_origins(void **state)
{
	struct pool_state *pool = origins_take_pool(origins, "shop", "web");
	struct ip ip;
	assert_true(ip_parse("127.0.0.1", &ip));
	struct origin *origin = origins_take(origins, pool, &ip, 80, "127.0.0.1:80");
	feed(RESET REGION SERVICE ZONE "{\"control\":" WEB ",\"share\":0,\"left_ms\":null}\n");
	assert_int_equal(atomic_load(&origin->is_draining), 0);
	feed(VERSION("a-1"));
	assert_int_equal(atomic_load(&origin->is_draining), 1);
	feed("{\"control\":" WEB ",\"share\":null}\n" VERSION("a-2"));
	assert_int_equal(atomic_load(&origin->is_draining), 0);
	/* by its time, also if nobody says so */
	feed("{\"control\":" WEB
	     ",\"share\":0,\"left_ms\":1}\n{\"control\":{\"region\":\"eu\"},\"share\":50}\n" VERSION("a-3"));
	assert_int_equal(atomic_load(&origin->is_draining), 1);
	for (uint64_t started_ms = clock_mono_ms(); atomic_load(&origin->is_draining);) {
		assert_true(clock_mono_ms() - started_ms < 20000);
		feed_copy_expire(copy);
	}
	size_t at = 0;
	assert_string_equal(feed_copy_next_control(copy, &at),
			    "{\"control\":{\"region\":\"eu\"},\"share\":50}");
	assert_null(feed_copy_next_control(copy, &at));
	/* what a reset does not bring is restored */
	feed("{\"control\":" WEB ",\"share\":0}\n" VERSION("a-4"));
	assert_int_equal(atomic_load(&origin->is_draining), 1);
	feed(RESET REGION VERSION("b-1"));
	assert_int_equal(atomic_load(&origin->is_draining), 0);
	at = 0;
	assert_null(feed_copy_next_control(copy, &at));
	origins_give(origins, origin);
	origins_give_pool(origins, pool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_reset_is_whole_at_its_version),
		TEST(test_changes),
		TEST(test_a_name_moves_between_tenants),
		TEST(test_what_is_cut_off_never_was),
		TEST(test_a_reset_keeps_slots_and_forgets_the_rest),
		TEST(test_objects_of_a_reset_come_in_any_order),
		TEST(test_many_lines_of_a_reset),
		TEST(test_what_does_not_fit_is_set_aside),
		TEST(test_what_is_no_feed),
		TEST(test_controls_drain_origins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
