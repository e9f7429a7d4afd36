/* The answers of a region that stand ready (gslb/decide/ready.c), octet by octet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/plan_fixture.h"
#include "zones/rrtype.h"

static const uint8_t template[] = {0, 1, 0, 0, 1, 0, 3, 2, 'h', '2'};

static struct plan_service *make(unsigned answers, bool second_is_drained)
{
	struct fixture_region regions[] = {
		{"eu",
		 100,
		 4,
		 {fixture_vip("192.0.2.1", VIP_UP), fixture_vip("192.0.2.2", VIP_UP),
		  fixture_vip("2001:db8::1", VIP_UP), fixture_vip("192.0.2.9", VIP_DOWN)}}};
	regions[0].vips[1].is_drained = second_is_drained;
	regions[0].vips[2].ttl = 20;
	return fixture_service(regions, 1,
			       &(struct plan_service_input){.id = "shop",
							    .prefix4 = 24,
							    .prefix6 = 56,
							    .answers = (uint8_t)answers,
							    .ttl_min = 5,
							    .ttl_max = 60,
							    .min_healthy_hundredths = 2500,
							    .https = template,
							    .https_length = sizeof template});
}

static void assert_set(const struct rrset *set, uint16_t type, unsigned count, const void *wire,
		       size_t length)
{
	assert_non_null(set);
	assert_int_equal(set->type, type);
	assert_int_equal(set->count, count);
	assert_int_equal(set->ttl, 20);
	assert_int_equal(set->wire_length, length);
	assert_memory_equal(set->wire, wire, length);
}

static void test_all_of_a_family(void **state)
{
	struct plan_service *service = make(2, false);
	const struct rrset *const *ready = service->regions[0].ready;
	static const uint8_t ipv4[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 20, 0, 4, 192, 0, 2, 1,
				       0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 20, 0, 4, 192, 0, 2, 2};
	static const uint8_t ipv6[] = {0xc0, 12,   0, 28, 0, 1, 0, 0, 0, 20, 0, 16, 0x20, 1,
				       0x0d, 0xb8, 0, 0,  0, 0, 0, 0, 0, 0,  0, 0,  0,	  1};
	static const uint8_t https[] = {0xc0, 12, 0,   65, 0, 1, 0,   0,   0, 20, 0,	42, 0,	  1,
					0,    0,  1,   0,  3, 2, 'h', '2', 0, 4,  0,	8,  192,  0,
					2,    1,  192, 0,  2, 2, 0,   6,   0, 16, 0x20, 1,  0x0d, 0xb8,
					0,    0,  0,   0,  0, 0, 0,   0,   0, 0,  0,	1};
	assert_set(ready[READY_A], RR_A, 2, ipv4, sizeof ipv4);
	assert_set(ready[READY_AAAA], RR_AAAA, 1, ipv6, sizeof ipv6);
	assert_set(ready[READY_HTTPS], RR_HTTPS, 1, https, sizeof https);
	plan_service_unref(service);
}

/* Of a drained VIP nothing is told, and a family without VIPs has no set. */
static void test_what_is_left(void **state)
{
	struct plan_service *service = make(1, true);
	const struct rrset *const *ready = service->regions[0].ready;
	assert_int_equal(ready[READY_A]->count, 1);
	assert_int_equal(ready[READY_A]->wire[15], 1);
	plan_service_unref(service);

	struct fixture_region regions[] = {{"eu", 100, 1, {fixture_vip("192.0.2.1", VIP_UP)}}};
	service = fixture_service(regions, 1, NULL);
	assert_non_null(service->regions[0].ready[READY_A]);
	assert_null(service->regions[0].ready[READY_AAAA]);
	assert_null(service->regions[0].ready[READY_HTTPS]); /* the service declares none */
	plan_service_unref(service);
}

/* Where a hash or a draw picks among more VIPs than an answer takes, the family cannot stand ready. */
static void test_what_is_picked(void **state)
{
	struct plan_service *service = make(1, false);
	assert_null(service->regions[0].ready[READY_A]);
	assert_int_equal(service->regions[0].ready[READY_AAAA]->count, 1);
	assert_null(service->regions[0].ready[READY_HTTPS]);
	assert_true(service->picks_vips);
	static const uint8_t alone[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 20, 0, 4, 192, 0, 2, 2};
	const struct plan_picks *picks = service->regions[0].picks[PICK_REGULAR];
	assert_int_equal(picks[0].count, 2); /* the third is down */
	assert_set(picks[0].pick[1].ready, RR_A, 1, alone, sizeof alone);
	assert_int_equal(picks[1].count, 1); /* the only one of its family */
	assert_null(picks[1].pick[0].ready);
	plan_service_unref(service);
}

/* What a region lacks and another one has is chosen for each client, so that HTTPS cannot stand ready. */
static void test_a_family_that_is_elsewhere(void **state)
{
	struct fixture_region regions[] = {
		{"eu", 100, 2, {fixture_vip("192.0.2.1", VIP_UP), fixture_vip("2001:db8::1", VIP_UP)}},
		{"us", 100, 1, {fixture_vip("192.0.2.2", VIP_UP)}},
	};
	struct plan_service_input tune = {.id = "shop",
					  .prefix4 = 24,
					  .prefix6 = 56,
					  .answers = 1,
					  .https = template,
					  .https_length = sizeof template};
	struct plan_service *service = fixture_service(regions, 2, &tune);
	assert_non_null(service->regions[0].ready[READY_HTTPS]);
	assert_non_null(service->regions[1].ready[READY_A]);
	assert_null(service->regions[1].ready[READY_HTTPS]);
	assert_non_null(service->alone[1]->regions[0].ready[READY_AAAA]);
	plan_service_unref(service);
	regions[0].vip_count = 1; /* no region has IPv6 */
	service = fixture_service(regions, 2, &tune);
	assert_non_null(service->regions[1].ready[READY_HTTPS]);
	plan_service_unref(service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_a_family),
		cmocka_unit_test(test_what_is_left),
		cmocka_unit_test(test_what_is_picked),
		cmocka_unit_test(test_a_family_that_is_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
