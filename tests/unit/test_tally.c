/* What is counted where (gslb/serve/tally.c). */
#include "gslb/serve/tally.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct stats *stats;
static struct message message;
static struct answer answer;

static int set_up(void **state)
{
	stats = stats_new();
	message = (struct message){.question = {.type = RR_AAAA}};
	answer = (struct answer){.tenant = INDEX_NONE};
	return 0;
}

static int tear_down(void **state)
{
	stats_free(stats);
	return 0;
}

static void test_type_and_rcode(void **state)
{
	const struct stats_transport *udp = &stats->transport[TRANSPORT_UDP];
	const struct stats_transport *tcp = &stats->transport[TRANSPORT_TCP];
	tally_reply(stats, TRANSPORT_UDP, &message, &answer);
	tally_reply(stats, TRANSPORT_UDP, &message, &answer);
	message.question.type = 65400;
	answer.rcode = RCODE_BADVERS;
	tally_reply(stats, TRANSPORT_TCP, &message, &answer);
	assert_int_equal(counter_read(&udp->queries[rrtype_metric_row(RR_AAAA)]), 2);
	assert_int_equal(counter_read(&udp->responses[RCODE_NOERROR]), 2);
	assert_int_equal(counter_read(&tcp->queries[0]), 1);
	assert_int_equal(counter_read(&tcp->responses[RCODE_BADVERS]), 1);
}

static void test_subnet_family(void **state)
{
	tally_reply(stats, TRANSPORT_UDP, &message, &answer);
	static const uint8_t subnets[][4] = {{0, 0, 0, 0}, {0, 1, 0, 0}, {0, 2, 0, 0}, {0, 2, 0, 0}};
	message.edns.subnet_length = 4;
	for (size_t i = 0; i < 4; i++) {
		message.edns.subnet = subnets[i];
		tally_reply(stats, TRANSPORT_UDP, &message, &answer);
	}
	assert_int_equal(counter_read(&stats->ecs_queries[0]), 1);
	assert_int_equal(counter_read(&stats->ecs_queries[1]), 2);
}

static void test_choice_and_tenant(void **state)
{
	struct plan_service service = {.number = 7};
	struct plan_region region = {.number = 3, .counter = stats_answers_counter(7, 3)};
	struct policy policy = {.service = &service};
	answer.choice.policy = &policy;
	answer.choice.service = &service;
	answer.choice.region = &region;
	answer.tenant = 5;
	tally_reply(stats, TRANSPORT_UDP, &message, &answer);
	assert_int_equal(counter_read(&stats->answers[7 * STATS_REGIONS + 3]), 1);
	for (unsigned step = 0; step < STATS_STEPS; step++)
		assert_int_equal(counter_read(&stats->fallback[7 * STATS_STEPS + step]), 0);
	assert_int_equal(counter_read(&stats->tenant[5]), 1);

	answer.choice.step = STEP_NONE; /* nobody left to answer with */
	answer.choice.region = NULL;
	answer.tenant = STATS_TENANTS_MAX;
	tally_reply(stats, TRANSPORT_UDP, &message, &answer);
	assert_int_equal(counter_read(&stats->answers[7 * STATS_REGIONS + 3]), 1);
	assert_int_equal(counter_read(&stats->fallback[7 * STATS_STEPS + STEP_NONE]), 1);
	assert_int_equal(counter_read(&stats->tenant_other), 1);

	service.number = STATS_SERVICES_MAX; /* beyond the array: not counted, not written */
	tally_reply(stats, TRANSPORT_UDP, &message, &answer);
}

/* A family's own choice counts as one where health or a control is why, and by its step beyond the regular
 * one. */
static void test_own_choices(void **state)
{
	struct plan_service alone = {.number = 7}, service = {.number = 7, .alone = {&alone}};
	struct plan_region region = {.counter = stats_answers_counter(7, 3)};
	struct policy policy = {.service = &service};
	const counter *fallback = &stats->fallback[7 * STATS_STEPS];
	answer.choice = (struct choice){.policy = &policy,
					.service = &alone,
					.region = &region,
					.step = STEP_FAMILY,
					.is_forced = false};
	tally_reply(stats, TRANSPORT_UDP, &message, &answer);
	assert_int_equal(counter_read(&stats->answers[7 * STATS_REGIONS + 3]), 1);
	assert_int_equal(counter_read(&fallback[STEP_FAMILY]), 0);
	answer.choice.is_forced = true;
	tally_reply(stats, TRANSPORT_UDP, &message, &answer);
	assert_int_equal(counter_read(&fallback[STEP_FAMILY]), 1);
	answer.choice.step = STEP_LAST_RESORT;
	tally_reply(stats, TRANSPORT_UDP, &message, &answer);
	assert_int_equal(counter_read(&fallback[STEP_FAMILY]), 2);
	assert_int_equal(counter_read(&fallback[STEP_LAST_RESORT]), 1);
	/* HTTPS: the common choice serves one family, the other one chose by itself. */
	answer.other = answer.choice;
	answer.choice.service = &service;
	answer.choice.step = STEP_FAMILY;
	answer.choice.has_other = true;
	tally_reply(stats, TRANSPORT_UDP, &message, &answer);
	assert_int_equal(counter_read(&fallback[STEP_FAMILY]), 3);
	assert_int_equal(counter_read(&fallback[STEP_LAST_RESORT]), 2);
	assert_int_equal(counter_read(&stats->answers[7 * STATS_REGIONS + 3]), 4); /* one a reply */
}

static void test_latency(void **state)
{
	static const struct {
		uint64_t ns;
		unsigned bucket;
	} cases[] = {{0, 0},	    {1000, 0},	   {1001, 1},
		     {2000, 1},	    {2001, 2},	   {4000, 2},
		     {1024000, 10}, {1024001, 11}, {UINT64_C(3600) * 1000000000, STATS_LATENCY_BUCKETS - 1}};
	struct stats_transport *udp = &stats->transport[TRANSPORT_UDP];
	uint64_t sum = 0;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t before = counter_read(&udp->latency[cases[i].bucket]);
		tally_latency(stats, TRANSPORT_UDP, 3, cases[i].ns);
		assert_int_equal(counter_read(&udp->latency[cases[i].bucket]), before + 3);
		sum += 3 * cases[i].ns;
	}
	assert_int_equal(counter_read(&udp->latency_ns), sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_type_and_rcode, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_subnet_family, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_choice_and_tenant, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_own_choices, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_latency, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
