/* What a worker tells somebody who looks on: only meanwhile, only what is asked for, and never more than
 * fits. */
#include "gslb/serve/sampling.h"
#include "lib/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct sample_ring *ring;
static struct message message;
static struct answer answer;
static struct ip peer;

static int set_up(void **state)
{
	ring = xmap(sizeof *ring);
	memset(&answer, 0, sizeof answer);
	answer.tenant = 5;
	answer.ede = EDE_NONE;
	message = (struct message){.question_end = HEADER_OCTETS + 7,
				   .question = {.type = RR_A, .length = 3},
				   .name = {1, 'a', 0}};
	assert_true(ip_parse("192.0.2.1", &peer));
	return 0;
}

static int tear_down(void **state)
{
	xunmap(ring, sizeof *ring);
	return 0;
}

static void put(void)
{
	struct incoming incoming = {.client = {.address = peer, .resolver = peer, .source_bits = 32},
				    .message = message};
	sampling_put(ring, 42, TRANSPORT_TCP, &incoming, &answer);
}

static void test_wanted(void **state)
{
	assert_false(sample_is_wanted(ring, 5));
	atomic_store(&ring->is_wanted, true);
	atomic_store(&ring->tenant, SAMPLE_ANY);
	assert_true(sample_is_wanted(ring, 5));
	assert_true(sample_is_wanted(ring, INDEX_NONE));
	atomic_store(&ring->tenant, 6);
	assert_false(sample_is_wanted(ring, 5));
	assert_true(sample_is_wanted(ring, 6));
}

static void test_content(void **state)
{
	struct plan_service service = {.number = 7};
	struct plan_region region = {.number = 3};
	struct policy policy = {.service = &service};
	struct plan_vip vips[2];
	assert_true(ip_parse("198.51.100.1", &vips[0].ip) && ip_parse("2001:db8::1", &vips[1].ip));
	answer.choice = (struct choice){.policy = &policy, .region = &region, .step = STEP_PANIC, .ttl = 9};
	answer.vip_count[0] = answer.vip_count[1] = 1;
	answer.vips[0][0] = &vips[0];
	answer.vips[1][0] = &vips[1];
	answer.answer_count = 1;
	answer.items[0] = (struct answer_item){.kind = ITEM_VIPS, .type = RR_A};
	answer.uses_client = true;
	answer.scope = 24;
	put();
	message.question.type = answer.items[0].type = RR_AAAA;
	put();
	answer.is_truncated = true;
	put();
	const struct sample *sample = sample_peek(ring);
	assert_int_equal(sample->at_ns, 42);
	assert_true(ip_equal(&sample->client, &peer) && ip_equal(&sample->resolver, &peer));
	assert_int_equal(sample->source_bits, 32);
	assert_int_equal(sample->tenant, 5);
	assert_int_equal(sample->service, 7);
	assert_int_equal(sample->region, 3);
	assert_int_equal(sample->step, STEP_PANIC);
	assert_int_equal(sample->ttl, 9);
	assert_int_equal(sample->scope, 24);
	assert_int_equal(sample->transport, TRANSPORT_TCP);
	assert_memory_equal(sample->name, message.name, 3);
	assert_true(sample->address_count == 1 && ip_equal(&sample->address[0], &vips[0].ip));
	sample_pop(ring);
	sample = sample_peek(ring);
	assert_true(sample->address_count == 1 && ip_equal(&sample->address[0], &vips[1].ip));
	sample_pop(ring);
	assert_int_equal(sample_peek(ring)->address_count, 0);
	assert_true(sample_peek(ring)->is_truncated);
	sample_pop(ring);
	assert_null(sample_peek(ring));
}

static void test_no_rule_decided(void **state)
{
	answer.tenant = INDEX_NONE;
	message.question_end = HEADER_OCTETS; /* no question could be read */
	put();
	const struct sample *sample = sample_peek(ring);
	assert_false(sample->is_decided);
	assert_int_equal(sample->tenant, SAMPLE_ANY);
	assert_int_equal(sample->service, SAMPLE_ANY);
	assert_int_equal(sample->region, SAMPLE_NO_REGION);
	assert_int_equal(sample->name_length, 0);
}

static void test_full_ring_loses_and_counts(void **state)
{
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < SAMPLE_RING + 10; i++) {
			message.question.type = (uint16_t)(i + 1);
			put();
		}
		assert_int_equal(counter_read(&ring->lost), 10 * (round + 1));
		for (unsigned i = 0; i < SAMPLE_RING; i++) {
			assert_int_equal(sample_peek(ring)->type, i + 1);
			sample_pop(ring);
		}
		assert_null(sample_peek(ring));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wanted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_content, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_rule_decided, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_ring_loses_and_counts, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
