/* Controls in memory: which one holds for a region and service, and what expires when. */
#include "store/controls.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct control_row row(const char *region, const char *service, const char *address, int share,
			      uint64_t expires_mono_ms)
{
	static char reason[] = "test", author[] = "uid:1";
	struct control_row made = {
		.share = share, .expires_mono_ms = expires_mono_ms, .reason = reason, .author = author};
	snprintf(made.region, sizeof made.region, "%s", region);
	snprintf(made.service, sizeof made.service, "%s", service);
	snprintf(made.address, sizeof made.address, "%s", address);
	return made;
}

static void put(struct controls *controls, struct control_row made)
{
	controls_put(controls, &made);
}

static void test_service_wins_over_region(void **state)
{
	struct controls *controls = controls_new();
	assert_null(controls_effective(controls, "eu", "shop"));
	put(controls, row("eu", "", "", 50, 0));
	put(controls, row("eu", "shop", "", 100, 0));
	assert_int_equal(controls_effective(controls, "eu", "shop")->share, 100);
	assert_int_equal(controls_effective(controls, "eu", "mail")->share, 50);
	assert_null(controls_effective(controls, "us", "shop"));
	assert_true(controls_remove(controls, "eu", "shop", ""));
	assert_false(controls_remove(controls, "eu", "shop", ""));
	assert_int_equal(controls_effective(controls, "eu", "shop")->share, 50);
	controls_free(controls);
}

static void test_put_replaces_and_owns_its_texts(void **state)
{
	struct controls *controls = controls_new();
	char reason[] = "first";
	struct control_row made = row("eu", "", "", 0, 0);
	made.reason = reason;
	controls_put(controls, &made);
	memset(reason, 'x', 5);
	assert_string_equal(controls_get(controls, "eu", "", "")->reason, "first");
	put(controls, row("eu", "", "", SHARE_DOWN, 0));
	assert_int_equal(controls_get(controls, "eu", "", "")->share, SHARE_DOWN);
	size_t at = 0;
	assert_non_null(controls_next(controls, &at));
	assert_null(controls_next(controls, &at));
	controls_free(controls);
}

static void test_vip_control_is_of_its_region(void **state)
{
	struct controls *controls = controls_new();
	put(controls, row("eu", "", "192.0.2.1", 0, 0));
	assert_non_null(controls_get(controls, "eu", "", "192.0.2.1"));
	assert_null(controls_get(controls, "us", "", "192.0.2.1"));
	assert_null(controls_effective(controls, "eu", "shop"));
	controls_free(controls);
}

struct expired {
	unsigned count;
	char regions[64];
};

static void note(void *user, const struct control_row *due)
{
	struct expired *expired = user;
	expired->count++;
	strcat(expired->regions, due->region);
}

static void test_expiry(void **state)
{
	struct controls *controls = controls_new();
	struct expired expired = {0};
	assert_true(controls_next_expiry(controls) == UINT64_MAX);
	put(controls, row("a", "", "", 0, 3000));
	put(controls, row("b", "", "", 0, 0));
	put(controls, row("c", "", "", 0, 1000));
	put(controls, row("d", "shop", "", 0, 2000));
	assert_int_equal(controls_next_expiry(controls), 1000);
	assert_int_equal(controls_expire(controls, 999, note, &expired), 0);
	assert_int_equal(controls_expire(controls, 2000, note, &expired), 2);
	assert_string_equal(expired.regions, "cd");
	assert_null(controls_get(controls, "c", "", ""));
	assert_non_null(controls_get(controls, "b", "", ""));
	assert_int_equal(controls_next_expiry(controls), 3000);
	assert_int_equal(controls_expire(controls, INT64_MAX, note, &expired), 1);
	assert_true(controls_next_expiry(controls) == UINT64_MAX);
	controls_free(controls);
	controls_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_service_wins_over_region),
		cmocka_unit_test(test_put_replaces_and_owns_its_texts),
		cmocka_unit_test(test_vip_control_is_of_its_region),
		cmocka_unit_test(test_expiry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
