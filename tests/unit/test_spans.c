/* Nested prefixes laid flat. */
#include "gslb/decide/place/spans.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct prefix prefix(const char *text)
{
	struct prefix parsed;
	assert_true(prefix_parse(text, &parsed));
	return parsed;
}

static address_key key(const char *text)
{
	struct ip ip;
	assert_true(ip_parse(text, &ip));
	return address_key_of(&ip);
}

static void expect_span(const struct spans *spans, size_t i, const char *start, uint32_t innermost)
{
	assert_true(i < spans->count);
	assert_true(spans->items[i].start == key(start));
	assert_int_equal(spans->items[i].prefix, innermost);
}

static void no_prefix_is_one_span(void **state)
{
	struct spans spans;
	spans_init(&spans, NULL, 0, 4);
	assert_int_equal(spans.count, 1);
	expect_span(&spans, 0, "0.0.0.0", SPAN_NONE);
	spans_done(&spans);
}

static void the_innermost_prefix_counts(void **state)
{
	/* Two begin together, two end together, one touches another. */
	const struct prefix list[] = {prefix("10.1.255.0/24"), prefix("10.0.0.0/8"),  prefix("2001:db8::/32"),
				      prefix("10.0.0.0/16"),   prefix("10.1.0.0/16"), prefix("11.0.0.0/8")};
	struct spans spans;
	spans_init(&spans, list, 6, 4);
	assert_int_equal(spans.count, 7);
	expect_span(&spans, 0, "0.0.0.0", SPAN_NONE);
	expect_span(&spans, 1, "10.0.0.0", 3);
	expect_span(&spans, 2, "10.1.0.0", 4);
	expect_span(&spans, 3, "10.1.255.0", 0);
	expect_span(&spans, 4, "10.2.0.0", 1);
	expect_span(&spans, 5, "11.0.0.0", 5);
	expect_span(&spans, 6, "12.0.0.0", SPAN_NONE);
	assert_int_equal(spans.parent[0], 4);
	assert_int_equal(spans.parent[4], 1);
	assert_int_equal(spans.parent[1], SPAN_NONE);
	spans_done(&spans);
	spans_init(&spans, list, 6, 6);
	assert_int_equal(spans.count, 3);
	expect_span(&spans, 1, "2001:db8::", 2);
	expect_span(&spans, 2, "2001:db9::", SPAN_NONE);
	spans_done(&spans);
}

static void the_end_of_the_space_needs_no_span(void **state)
{
	const struct prefix list[] = {prefix("0.0.0.0/0"), prefix("255.255.255.255/32"), prefix("::/0"),
				      prefix("ffff::/16")};
	struct spans spans;
	spans_init(&spans, list, 4, 4);
	assert_int_equal(spans.count, 2);
	expect_span(&spans, 0, "0.0.0.0", 0);
	expect_span(&spans, 1, "255.255.255.255", 1);
	spans_done(&spans);
	spans_init(&spans, list, 4, 6);
	assert_int_equal(spans.count, 2);
	expect_span(&spans, 1, "ffff::", 3);
	spans_done(&spans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_prefix_is_one_span),
		cmocka_unit_test(the_innermost_prefix_counts),
		cmocka_unit_test(the_end_of_the_space_needs_no_span),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
