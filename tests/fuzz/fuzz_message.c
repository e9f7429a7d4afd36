/*
 * Any octets as a query, over both transports: the reply keeps the id, its limits and the buffer, and
 * ldns can read it.
 */
#include "gslb/decide/resolve.h"
#include "gslb/serve/answer.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/fixture.h"
#include "tests/support/records.h"
#include <stdlib.h>
#include <string.h>

static const char world_text[] = "set nsid=fuzz\n"
				 "region eu 50 8\n"
				 "region us 40 -77\n"
				 "place 192.0.2.0/24 50 8\n"
				 "service shop answers=2\n"
				 "vip shop eu 192.0.2.11\n"
				 "vip shop eu 2001:db8::11\n"
				 "vip shop us 198.51.100.12\n"
				 "vip shop us 198.51.100.13\n"
				 "zone example\n"
				 "@ 3600 IN SOA ns1 host 1 7200 900 1209600 60\n"
				 "@ 300 IN NS ns1\n"
				 "@ 300 IN MX 10 mail\n"
				 "ns1 300 IN A 192.0.2.53\n"
				 "mail 300 IN A 192.0.2.25\n"
				 "*.w 300 IN TXT wild\n"
				 "c 300 IN CNAME a.w\n"
				 "t 300 IN CNAME acme\n"
				 "d 300 IN DNAME e.w\n"
				 "s 300 IN NS n.s\n"
				 "n.s 300 IN A 192.0.2.54\n"
				 "end\n"
				 "tenant acme.example shop\n"
				 "tenant *.x.example shop regions=us\n";

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

static void check_reply(const uint8_t *query, const uint8_t *reply, size_t length)
{
	check(length >= 12);
	check(memcmp(query, reply, 2) == 0);
	check((reply[2] & 0xf9) == (0x80 | (query[2] & 0x79))); /* QR, opcode, RD */
	check((reply[3] & 0xf0) == 0);
	char *text = records_message_text(reply, length);
	check(text != NULL);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world *world;
	static struct serve_context context;
	static struct answer answer;
	static const struct ip peers[] = {{4, {192, 0, 2, 1}}, {6, {0x20, 1, 0xd, 0xb8}}};
	if (!world) {
		world = fixture_world(world_text);
		context.stats = stats_new();
		context.scratch = &answer;
		rng_seed(&context.rng, 1);
	}
	if (size > MESSAGE_MAX)
		return 0;
	for (unsigned i = 0; i < TRANSPORT_COUNT; i++) {
		size_t capacity = i == TRANSPORT_UDP ? 4096 : MESSAGE_MAX;
		uint8_t *out = malloc(capacity); /* of exactly this size: a sanitizer sees one octet more */
		size_t length = answer_query(&context, world, i, &peers[i], data, size, out, capacity);
		check((length == 0) == (size < 12 || (data[2] & 0x80)));
		check(length <= (i == TRANSPORT_UDP ? 1232u : MESSAGE_MAX));
		if (length != 0)
			check_reply(data, out, length);
		free(out);
	}
	return 0;
}
