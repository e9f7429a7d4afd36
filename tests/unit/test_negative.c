/* The SOA of negative answers, compressed when the zone is built (zones/negative.c). */
#include "tests/unit/zone_fixture.h"

/* The names of the record and where they lead: literal labels, then `q` or `r` and the offset of a pointer
 * into the question's zone or into the record, or `.`. */
static void assert_names(const char *apex, const char *mname, const char *rname, const char *expected)
{
	char text[200], got[200];
	size_t used = 0, at = 12;
	snprintf(text, sizeof text, "@ 60 SOA %s %s 1 2 3 4 50\n@ 60 NS ns.elsewhere.\n", mname, rname);
	struct zone *zone = zone_of(apex, text);
	assert_non_null(zone->negative);
	assert_int_equal(zone->negative_pointers[0].at, 0);
	unsigned next = 1;
	while (at < zone->negative_length) {
		uint8_t label = zone->negative[at];
		if (next < zone->negative_pointer_count && at == zone->negative_pointers[next].at) {
			const struct zone_pointer *pointer = &zone->negative_pointers[next++];
			used += (size_t)snprintf(got + used, sizeof got - used, "%c%u ",
						 pointer->base == ZONE_BASE_QUESTION ? 'q' : 'r',
						 pointer->offset);
			at += 2;
		} else if (label == 0) {
			used += (size_t)snprintf(got + used, sizeof got - used, ". ");
			at++;
		} else {
			used += (size_t)snprintf(got + used, sizeof got - used, "%.*s.", label,
						 (const char *)zone->negative + at + 1);
			at += 1u + label;
		}
	}
	got[used - 1] = 0;
	assert_string_equal(got, expected);
	assert_int_equal(zone->negative[9], 50); /* RFC 2308 §5: MINIMUM is below the TTL */
	assert_int_equal(zone->negative[11], zone->negative_length - 12 + ZONE_SOA_NUMBERS);
	zone_unref(zone);
}

static void test_names_of_the_zone(void **state)
{
	assert_names("lb.example.com", "ns1", "host", "ns1.q0 host.q0");
	assert_names("lb.example.com", "a.ns1", "@", "a.ns1.q0 q0");
	assert_names("lb.example.com", "NS1.LB.Example.com.", "host", "NS1.q0 host.q0");
}

/* What a name shares with the zone's is enough. */
static void test_names_beside_the_zone(void **state)
{
	assert_names("lb.example.com", "ns1.example.com.", "host.com.", "ns1.q3 host.q11");
	assert_names("lb.example.com", "example.com.", "lb.example.net.", "q3 lb.example.net..");
}

static void test_names_elsewhere(void **state)
{
	assert_names("lb.example.com", "ns1.dns.example.net.", "host.example.net.",
		     "ns1.dns.example.net.. host.r20");
	assert_names("lb.example.com", "ns1.example.net.", "ns1.example.net.", "ns1.example.net.. r12");
	assert_names("lb.example.com", "ns1.example.com.", "x.ns1.example.com.", "ns1.q3 x.r12");
	assert_names("lb.example.com", ".", ".", ". .");
}

static void test_root(void **state)
{
	struct zone *zone = zone_of(".", "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.elsewhere.\n");
	assert_null(zone->negative);
	zone_unref(zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_the_zone),
		cmocka_unit_test(test_names_beside_the_zone),
		cmocka_unit_test(test_names_elsewhere),
		cmocka_unit_test(test_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
