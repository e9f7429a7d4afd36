/* The pipeline as its callers see it: lengths, silence and counters (gslb/serve/answer.c). What the
 * replies say is tested in tests/golden/. */
#include "gslb/decide/resolve.h"
#include "gslb/serve/answer.h"
#include "tests/support/fixture.h"
#include "tests/support/packet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct ip peer = {4, {127, 0, 0, 1}};
static const char world_text[] = "region eu 50 8\n"
				 "service shop order=listed\n"
				 "vip shop eu 192.0.2.11\n"
				 "service down order=listed\n"
				 "vip down eu 192.0.2.12 state=down\n"
				 "zone example\n"
				 "@ 3600 IN SOA ns1 host 1 7200 900 1209600 60\n"
				 "@ 300 IN NS ns1\n"
				 "end\n"
				 "tenant acme.example shop\n"
				 "tenant down.example down\n";

static struct world *world;
static struct answer answer;
static struct serve_context context = {.scratch = &answer};
static struct packet packet;
static uint8_t out[MESSAGE_MAX];

static size_t ask(const struct world *with, enum transport transport)
{
	return answer_query(&context, with, transport, &peer, packet.octets, packet.length, out, sizeof out);
}

static unsigned rcode(void)
{
	return out[3] & 15;
}

static int set_up(void **state)
{
	world = fixture_world(world_text);
	context.stats = stats_new();
	rng_seed(&context.rng, 1);
	return 0;
}

static int tear_down(void **state)
{
	stats_free(context.stats);
	world_free(world);
	return 0;
}

static void test_before_the_first_world(void **state)
{
	packet_query(&packet, "acme.example.", "A");
	packet_opt(&packet, 4096, 0, 0);
	assert_int_not_equal(ask(NULL, TRANSPORT_UDP), 0);
	assert_int_equal(rcode(), RCODE_REFUSED);
	packet.octets[2] = 0x20;
	assert_int_not_equal(ask(NULL, TRANSPORT_TCP), 0);
	assert_int_equal(rcode(), RCODE_NOTIMP);
}

static void test_silence_is_counted(void **state)
{
	packet_query(&packet, "acme.example.", "A");
	packet.octets[2] = 0x80;
	assert_int_equal(ask(world, TRANSPORT_UDP), 0);
	packet.length = 11;
	assert_int_equal(ask(world, TRANSPORT_UDP), 0);
	packet.length = 0;
	assert_int_equal(ask(world, TRANSPORT_TCP), 0);
	assert_int_equal(counter_read(&context.stats->dropped[DROP_RESPONSE]), 1);
	assert_int_equal(counter_read(&context.stats->dropped[DROP_MALFORMED]), 2);
	assert_int_equal(counter_read(&context.stats->transport[TRANSPORT_UDP].responses[0]), 0);
}

static void test_counters(void **state)
{
	packet_query(&packet, "acme.example.", "A");
	packet_opt(&packet, 1232, 0, 0);
	packet_subnet(&packet, "192.0.2.0/24");
	ask(world, TRANSPORT_UDP);
	packet_query(&packet, "down.example.", "A");
	ask(world, TRANSPORT_UDP);
	packet_query(&packet, "nope.example.", "TYPE65400");
	ask(world, TRANSPORT_UDP);
	const struct stats *stats = context.stats;
	const struct stats_transport *udp = &stats->transport[TRANSPORT_UDP];
	assert_int_equal(counter_read(&udp->queries[rrtype_metric_row(RR_A)]), 2);
	assert_int_equal(counter_read(&udp->queries[0]), 1);
	assert_int_equal(counter_read(&udp->responses[RCODE_NOERROR]), 2);
	assert_int_equal(counter_read(&udp->responses[RCODE_NXDOMAIN]), 1);
	assert_int_equal(counter_read(&stats->ecs_queries[0]), 1);
	assert_int_equal(counter_read(&stats->tenant[0]), 1);
	assert_int_equal(counter_read(&stats->tenant[1]), 1);
	assert_int_equal(counter_read(&stats->answers[0 * STATS_REGIONS]), 1);
	assert_int_equal(counter_read(&stats->answers[1 * STATS_REGIONS]), 1);
	assert_int_equal(counter_read(&stats->fallback[0 * STATS_STEPS + STEP_LAST_RESORT]), 0);
	assert_int_equal(counter_read(&stats->fallback[1 * STATS_STEPS + STEP_LAST_RESORT]), 1);
}

/* A subnet is neither believed nor repeated where the operator says so; then not even a malformed one
 * matters. */
static void test_subnets_switched_off(void **state)
{
	world->settings.ecs = false;
	packet_query(&packet, "acme.example.", "A");
	packet_opt(&packet, 1232, 0, 0);
	packet_option(&packet, 8, "\0\1\x21", 3);
	size_t length = ask(world, TRANSPORT_UDP);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_int_equal(length, packet.length - 7 + 16);
	assert_int_equal(counter_read(&context.stats->ecs_queries[0]), 0);
}

/* Who is not among those believed is treated as if the option were unknown. */
static void test_subnets_of_some(void **state)
{
	world->settings.ecs_from_count = 2;
	assert_true(prefix_parse("2001:db8::/32", &world->settings.ecs_from[0]));
	assert_true(prefix_parse("192.0.2.0/24", &world->settings.ecs_from[1]));
	packet_query(&packet, "acme.example.", "A");
	packet_opt(&packet, 1232, 0, 0);
	packet_option(&packet, 8, "\0\1\x18\0\x51\x02\x45", 7);
	assert_true(ip_parse("198.51.100.9", &peer));
	size_t without = ask(world, TRANSPORT_UDP);
	assert_int_equal(counter_read(&context.stats->ecs_queries[0]), 0);
	assert_true(ip_parse("192.0.2.9", &peer));
	assert_int_equal(ask(world, TRANSPORT_UDP), without + 11); /* the option comes back */
	assert_int_equal(counter_read(&context.stats->ecs_queries[0]), 1);
	assert_true(ip_parse("2001:db8::9", &peer));
	assert_int_equal(ask(world, TRANSPORT_UDP), without + 11);
	assert_true(ip_parse("127.0.0.1", &peer));
}

/* A name in mixed case is found and keeps its letters, also where its tail is compressed against. */
static void test_case(void **state)
{
	packet_query(&packet, "AcMe.ExAmPlE.", "MX");
	assert_int_not_equal(ask(world, TRANSPORT_UDP), 0);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_memory_equal(out + 12, packet.octets + 12, packet.length - 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_before_the_first_world, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_silence_is_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_counters, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_subnets_switched_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_subnets_of_some, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_case, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
