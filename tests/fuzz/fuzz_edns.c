/* Any octets as the options of an OPT record: refused, or read and repeated within every room. */
#include "gslb/serve/edns.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static const struct ip peer = {6, {0x20, 1, 0xd, 0xb8}};

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

static void check_client(const struct edns *edns)
{
	struct client client = {.resolver = peer};
	edns_client(edns, &client);
	check(client.source_bits <= ip_bits(&client.address));
	check(client.is_ecs || ip_equal(&client.address, &peer));
	struct ip cut = ip_cut(&client.address, client.source_bits);
	check(ip_equal(&cut, &client.address));
}

static void check_write(const struct edns *edns)
{
	static struct answer answer;
	static const struct serve_settings settings = {.edns_size = 1232, .nsid_length = 4, .nsid = "fuzz"};
	answer = (struct answer){.uses_client = true, .scope = 7, .ede = EDE_OTHER, .ede_text = "why"};
	size_t without_error = edns_length(edns, &settings, &answer), most = without_error + 9;
	for (size_t room = OPT_SUBNET_OCTETS; room <= most; room++) {
		uint8_t *out = malloc(room);
		size_t length = edns_write(edns, &settings, &answer, out, room);
		check(length <= room);
		check(room != most || length == most);
		check(room < without_error || length >= without_error);
		if (edns->subnet_length != 0) {
			check(memcmp(out + 15, edns->subnet, 3) == 0);
			check(out[18] == (edns->subnet_length > 4 ? 7 : 0));
			check(memcmp(out + 19, edns->subnet + 4, edns->subnet_length - 4) == 0);
		}
		free(out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct edns edns = {.is_present = true, .payload = UDP_PAYLOAD_MIN};
	if (size > UINT16_MAX || !edns_parse_options(data, size, true, &edns))
		return 0;
	check_client(&edns);
	check_write(&edns);
	struct edns unbelieving = {.is_present = true};
	check(edns_parse_options(data, size, false, &unbelieving));
	check(unbelieving.subnet_length == 0 && unbelieving.wants_nsid == edns.wants_nsid);
	return 0;
}
