/*
 * A batch is answered as its packets would be by themselves, whatever stands beside them: right questions,
 * malformed ones, packets too short for a header; before the first world, from one world after the other.
 */
#include "gslb/serve/udp.h"
#include "lib/mem.h"
#include "tests/support/batch.h"
#include "tests/support/fixture.h"
#include "tests/support/packet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BATCHES 6000
#define BATCHES_OF_A_WORLD 200
#define STEP_NS 1000000

/* Two of everything that is answered in its own way; %s: which world it is, so that what a batch kept of the
 * world before would be another answer. */
static const char world_text[] = "set nsid=test\n"
				 "region eu 50 8\n"
				 "region us 40 -77\n"
				 "place 192.0.2.0/24 50 8\n"
				 "place 198.51.100.0/22 40 -77\n"
				 "place 2001:db8::/32 50 8\n"
				 "service shop https=h2,http/1.1\n"
				 "vip shop eu 192.0.2.%1$s1\n"
				 "vip shop eu 2001:db8::%1$s1\n"
				 "vip shop us 198.51.100.%1$s2\n"
				 "service dice order=none split=random https=h2\n"
				 "vip dice eu 192.0.2.%1$s3 weight=3\n"
				 "vip dice eu 192.0.2.%1$s4\n"
				 "vip dice eu 2001:db8::%1$s4\n"
				 "vip dice us 198.51.100.%1$s5\n"
				 "service pool order=none answers=2\n"
				 "vip pool eu 192.0.2.%1$s6\n"
				 "vip pool eu 192.0.2.%1$s7\n"
				 "vip pool eu 192.0.2.%1$s8 weight=2\n"
				 "share pool eu 50\n"
				 "vip pool us 198.51.100.%1$s8\n"
				 "service gone order=listed https=h2\n"
				 "vip gone eu 192.0.2.%1$s9 state=down\n"
				 "zone example\n"
				 "@ 3600 IN SOA ns1 host 1 7200 900 1209600 60\n"
				 "@ 300 IN NS ns1\n"
				 "@ 300 IN MX 10 mail\n"
				 "ns1 300 IN A 192.0.2.53\n"
				 "mail 300 IN A 192.0.2.25\n"
				 "only%1$s 300 IN A 192.0.2.80\n"
				 "*.w 300 IN TXT wild\n"
				 "c 300 IN CNAME a.w\n"
				 "t 300 IN CNAME acme\n"
				 "d 300 IN DNAME e.w\n"
				 "s 300 IN NS n.s\n"
				 "n.s 300 IN A 192.0.2.54\n"
				 "end\n"
				 "tenant acme.example shop queries=100 nxdomain=10\n"
				 "tenant dice.example dice\n"
				 "tenant *.pool.example pool regions=eu,us\n"
				 "tenant tenant%1$s.example pool\n"
				 "tenant gone.example gone\n"
				 "tenant shut.example shop suspended=1\n";

static struct world *make_world(unsigned number)
{
	char text[sizeof world_text + 100], digit[] = {(char)('1' + number % 2), 0};
	int length = snprintf(text, sizeof text, world_text, digit);
	assert_in_range(length, 1, sizeof text - 1);
	struct world *world = fixture_world(text);
	struct serve_settings *settings = &world->settings;
	settings->cookie_secret_count = 1;
	memset(settings->cookie_secrets[0], 7, sizeof settings->cookie_secrets[0]);
	settings->rrl_is_on = number % 3 == 2;
	settings->rrl_slip = 2;
	settings->rrl_interval_ns = STEP_NS / 4;
	settings->ecs_from_count = number % 4 == 3;
	settings->ecs_from[0] = (struct prefix){{4, {192, 0, 2}}, 24};
	return world;
}

static const char *any_of(struct rng *rng, const char *const *texts)
{
	unsigned count = 0;
	while (texts[count])
		count++;
	return texts[rng_next(rng) % count];
}

static void add_option(struct packet *packet, struct rng *rng)
{
	static const uint8_t octets[40] = {1, 2, 3, 4, 5, 6, 7, 8, 1};
	static const uint16_t plain[] = {3, 11, 19, 65001};
	uint64_t draw = rng_next(rng);
	if (draw % 4 == 0)
		packet_option(packet, plain[draw / 4 % 4], NULL, 0);
	else if (draw % 4 == 1)
		packet_option(packet, 10, octets, draw / 4 % 3 ? 8 : draw / 16 % 41);
	else
		packet_subnet(packet, any_of(rng, (const char *const[]){"192.0.2.0/24", "198.51.100.0/22",
									"203.0.113.9/32", "2001:db8:1::/56",
									"0.0.0.0/0", "192.0.2.1/24", NULL}));
}

static void well_formed(struct packet *packet, struct rng *rng)
{
	packet_query(
		packet,
		any_of(rng, (const char *const[]){"acme.example.",
						  "ACME.example.",
						  "dice.example.",
						  "a.pool.example.",
						  "a.n.s.example.",
						  "a.b.acme.example.",
						  "tenant1.example.",
						  "tenant2.example.",
						  "gone.example.",
						  "shut.example.",
						  "only1.example.",
						  "only2.example.",
						  "example.",
						  "c.example.",
						  "t.example.",
						  "x.d.example.",
						  "a.s.example.",
						  "nope.example.",
						  "no.acme.example.",
						  "mail.example.",
						  "a.w.example.",
						  "www.elsewhere.",
						  ".",
						  NULL}),
		any_of(rng, (const char *const[]){"A", "A", "A", "AAAA", "HTTPS", "SVCB", "MX", "TXT", "SOA",
						  "NS", "CNAME", "DS", "ANY", "AXFR", "TYPE65400", NULL}));
	if (rng_next(rng) % 3 == 0)
		return;
	packet_opt(packet, (unsigned)(rng_next(rng) % 3 * 700), rng_next(rng) % 16 == 0, 0x8000);
	while (rng_next(rng) % 3 != 0)
		add_option(packet, rng);
}

static void any_packet(struct packet *packet, struct rng *rng)
{
	well_formed(packet, rng);
	uint64_t draw = rng_next(rng);
	size_t at = draw / 64 % packet->length;
	switch (draw % 16) {
	case 0:
		packet->length = at; /* cut */
		break;
	case 1:
		packet->length = at % 13; /* mostly too short for a header */
		break;
	case 2:
		packet->octets[2] |= 0x80; /* itself a response */
		break;
	case 3:
		packet->octets[2] |= 0x20; /* another opcode */
		break;
	case 4:
		packet_set16(packet, 4, 0); /* no question */
		break;
	case 5:
	case 6:
		packet->octets[at] ^= (uint8_t)(1 << (draw >> 60 & 7));
		break;
	default:
		break;
	}
}

static unsigned any_batch(struct rng *rng, struct packet *packets, struct batch_packet *batch)
{
	static const struct ip peers[] = {
		{4, {192, 0, 2, 1}}, {4, {198, 51, 100, 1}}, {6, {0x20, 1, 0xd, 0xb8}}};
	unsigned count = rng_next(rng) % 4 == 0 ? 1 : (unsigned)(1 + rng_next(rng) % UDP_BATCH);
	for (unsigned i = 0; i < count; i++) {
		any_packet(&packets[i], rng);
		batch[i] =
			(struct batch_packet){peers[rng_next(rng) % 3], packets[i].length, packets[i].octets};
	}
	return count;
}

static void test_batches_of_all_kinds(void **state)
{
	struct packet *packets = xcalloc(UDP_BATCH, sizeof *packets);
	struct batch_packet batch[UDP_BATCH];
	struct batch_pair *pair = batch_pair_new();
	struct world *world = NULL;
	struct rng rng;
	rng_seed(&rng, 20260101);
	for (unsigned i = 0; i < BATCHES; i++) {
		if (i != 0 && i % BATCHES_OF_A_WORLD == 0) { /* the worker has let go of the one before */
			world_free(world);
			world = make_world(i / BATCHES_OF_A_WORLD);
		}
		unsigned count = any_batch(&rng, packets, batch);
		batch_pair_answer(pair, world, (uint64_t)(i + 1) * STEP_NS, batch, count);
	}
	world_free(world);
	batch_pair_free(pair);
	free(packets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batches_of_all_kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
