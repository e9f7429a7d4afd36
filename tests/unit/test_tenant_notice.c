/* Whose a slot of the counters is, and that something was counted there. */
#include "forwarder/io/ring.h"
#include "forwarder/io/tenant_notice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct rig {
	struct tenant_notices notices;
	struct request_stats *stats;
	unsigned found;
	uint32_t slot;
};

static int make_rig(void **state)
{
	struct rig *rig = calloc(1, sizeof *rig);
	rig->notices.ring = ring_new(4096);
	rig->stats = request_stats_new();
	*state = rig;
	return 0;
}

static int free_rig(void **state)
{
	struct rig *rig = *state;
	ring_free(rig->notices.ring);
	request_stats_free(rig->stats);
	free(rig);
	return 0;
}

static void touch(struct rig *rig, uint32_t slot, uint64_t hash, const char *id)
{
	tenant_notice_touch(&rig->notices, rig->stats, slot, hash, id, strlen(id));
}

static void on_found(void *user, uint32_t slot)
{
	struct rig *rig = user;
	rig->found++;
	rig->slot = slot;
}

static unsigned take(struct rig *rig)
{
	rig->found = 0;
	request_stats_take_marks(rig->stats, on_found, rig);
	return rig->found;
}

static void a_tenant_is_told_once(void **state)
{
	struct rig *rig = *state;
	size_t length;
	touch(rig, 7, 0x77, "acme");
	touch(rig, 7, 0x77, "acme");
	const struct tenant_notice *notice = ring_peek(rig->notices.ring, &length);
	assert_int_equal(notice->slot, 7);
	assert_int_equal(notice->hash, 0x77);
	assert_int_equal(notice->id_length, 4);
	assert_memory_equal(notice->id, "acme", 4);
	ring_next(rig->notices.ring);
	assert_null(ring_peek(rig->notices.ring, &length));
}

static void the_next_tenant_of_a_slot_begins_where_the_last_one_ended(void **state)
{
	struct rig *rig = *state;
	size_t length;
	touch(rig, 7, 0x77, "acme");
	counter_add(&rig->stats->tenants[7].requests, 40);
	touch(rig, 7, 0x88, "other");
	ring_peek(rig->notices.ring, &length);
	ring_next(rig->notices.ring);
	const struct tenant_notice *notice = ring_peek(rig->notices.ring, &length);
	assert_int_equal(notice->hash, 0x88);
	assert_int_equal(notice->before[0], 40);
}

static void a_mark_stands_until_it_is_taken(void **state)
{
	struct rig *rig = *state;
	assert_int_equal(take(rig), 0);
	touch(rig, 0, 0x77, "acme");
	touch(rig, 0, 0x77, "acme");
	assert_int_equal(take(rig), 1);
	assert_int_equal(rig->slot, 0);
	assert_int_equal(take(rig), 0);
	for (uint32_t i = 0; i < 10; i++)
		touch(rig, REQUEST_STATS_TENANTS - 1 - i, 0x77, "acme");
	assert_int_equal(take(rig), 10);
	assert_int_equal(take(rig), 0);
}

static void without_room_a_slot_is_nobodys(void **state)
{
	struct rig *rig = *state;
	size_t length;
	uint32_t slot = 0;
	for (; rig->notices.lost == 0; slot++)
		touch(rig, slot, 0x77, "acme");
	assert_int_equal(rig->stats->tenants[slot - 1].owner, 0);
	assert_int_equal(rig->stats->tenants[slot - 2].owner, 0x77);
	ring_peek(rig->notices.ring, &length);
	ring_next(rig->notices.ring);
	touch(rig, slot - 1, 0x77, "acme");
	assert_int_equal(rig->stats->tenants[slot - 1].owner, 0x77);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_rig, free_rig)
	const struct CMUnitTest tests[] = {
		T(a_tenant_is_told_once),
		T(the_next_tenant_of_a_slot_begins_where_the_last_one_ended),
		T(a_mark_stands_until_it_is_taken),
		T(without_room_a_slot_is_nobodys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
