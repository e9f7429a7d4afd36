/*
 * Any octets as packets, each behind the number of its peer and its length, in batches: answered as each
 * would be alone (tests/support/batch.h). An octet of 0 in place of a peer ends a batch; what follows is
 * answered from another world.
 */
#include "gslb/serve/udp.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/batch.h"
#include "tests/support/fixture.h"
#include <stdlib.h>
#include <string.h>

#define STEP_NS 1000000

static const char before[] = "set nsid=fuzz\n"
			     "region eu 50 8\n"
			     "region us 40 -77\n"
			     "place 192.0.2.0/24 50 8\n"
			     "service shop split=random https=h2\n"
			     "vip shop eu 192.0.2.11\n"
			     "vip shop eu 192.0.2.12\n"
			     "vip shop eu 2001:db8::11\n"
			     "vip shop us 198.51.100.12\n"
			     "zone example\n"
			     "@ 3600 IN SOA ns1 host 1 7200 900 1209600 60\n"
			     "@ 300 IN MX 10 mail\n"
			     "mail 300 IN A 192.0.2.25\n"
			     "*.w 300 IN TXT wild\n"
			     "c 300 IN CNAME a.w\n"
			     "t 300 IN CNAME acme\n"
			     "d 300 IN DNAME e.w\n"
			     "s 300 IN NS n.s\n"
			     "n.s 300 IN A 192.0.2.54\n"
			     "end\n"
			     "tenant acme.example shop queries=100 nxdomain=10\n"
			     "tenant *.x.example shop regions=us\n";
/* Other names, and names that have become something else. */
static const char after[] = "region eu 50 8\n"
			    "service shop order=listed answers=2\n"
			    "vip shop eu 192.0.2.21\n"
			    "zone example\n"
			    "@ 3600 IN SOA ns1 host 2 7200 900 1209600 60\n"
			    "acme 300 IN TXT static\n"
			    "end\n"
			    "tenant c.example shop\n"
			    "tenant mail.example shop suspended=1\n";

static void set_limits(struct serve_settings *settings)
{
	settings->cookie_secret_count = 1;
	settings->rrl_is_on = true;
	settings->rrl_slip = 2;
	settings->rrl_interval_ns = STEP_NS / 4;
}

/* Takes a batch from *data; returns how many packets it has. */
static unsigned take_batch(const uint8_t **data, size_t *size, struct batch_packet *packets)
{
	static const struct ip peers[] = {{6, {0x20, 1, 0xd, 0xb8}}, {4, {192, 0, 2, 1}}, {4, {10, 1, 2, 3}}};
	unsigned count = 0;
	while (*size > 3 && count < UDP_BATCH) {
		const uint8_t *head = *data;
		size_t length = (size_t)head[1] << 8 | head[2], left = *size - 3;
		if (length > left)
			length = left;
		*data += 3 + length;
		*size = left - length;
		if (head[0] == 0)
			break;
		packets[count++] = (struct batch_packet){peers[head[0] % 3], length, head + 3};
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world *worlds[3]; /* the first: none yet */
	if (!worlds[1]) {
		worlds[1] = fixture_world(before);
		worlds[2] = fixture_world(after);
		set_limits(&worlds[1]->settings);
	}
	struct batch_pair *pair = batch_pair_new();
	struct batch_packet packets[UDP_BATCH];
	for (unsigned batch = 1; size > 3; batch++) {
		unsigned count = take_batch(&data, &size, packets);
		batch_pair_answer(pair, worlds[batch % 3], (uint64_t)batch * STEP_NS, packets, count);
	}
	batch_pair_free(pair);
	return 0;
}
