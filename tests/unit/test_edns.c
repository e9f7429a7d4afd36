/* The OPT record, both ways (gslb/serve/edns.c). */
#include "gslb/serve/edns.h"
#include "tests/support/records.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define OPTIONS(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static const struct ip peer = {4, {198, 51, 100, 7}};

static struct edns parsed(const uint8_t *options, size_t length)
{
	struct edns edns = {.is_present = true};
	assert_true(edns_parse_options(options, length, true, &edns));
	return edns;
}

static void refuse(const uint8_t *options, size_t length)
{
	struct edns edns = {.is_present = true};
	assert_false(edns_parse_options(options, length, true, &edns));
}

static void test_fixed_part(void **state)
{
	struct edns edns = {0};
	edns_parse_fixed((const uint8_t[10]){0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0}, &edns);
	assert_true(edns.is_present);
	assert_true(edns.is_dnssec_ok);
	assert_int_equal(edns.version, 0);
	assert_int_equal(edns.payload, 1232);
	edns_parse_fixed((const uint8_t[10]){0, 41, 0, 100, 0xff, 3, 0x7f, 0xff, 0, 0}, &edns);
	assert_int_equal(edns.payload, 512); /* RFC 6891 §6.2.3 */
	assert_int_equal(edns.version, 3);
	assert_false(edns.is_dnssec_ok);
}

static void test_options(void **state)
{
	struct edns edns = parsed(NULL, 0);
	assert_false(edns.wants_nsid);
	edns = parsed(OPTIONS(0xfd, 0xe9, 0, 3, 1, 2, 3, 0, 3, 0, 0, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8));
	assert_true(edns.wants_nsid);
	assert_int_equal(edns.subnet_length, 0);
	refuse(OPTIONS(0, 3, 0));		    /* half a head */
	refuse(OPTIONS(0, 3, 0, 1));		    /* longer than the record */
	refuse(OPTIONS(0, 3, 0, 0, 0, 9, 0, 2, 1)); /* the second one */
}

static void test_subnet(void **state)
{
	struct client client = {.resolver = peer};
	struct edns edns = parsed(OPTIONS(0, 8, 0, 7, 0, 1, 20, 0, 192, 0, 0x20));
	edns_client(&edns, &client);
	assert_true(client.is_ecs);
	assert_int_equal(client.source_bits, 20);
	assert_true(ip_equal(&client.address, &(struct ip){4, {192, 0, 0x20}}));
	assert_true(ip_equal(&client.resolver, &peer));

	edns = parsed(OPTIONS(0, 8, 0, 6, 0, 2, 16, 0, 0x20, 0x01));
	edns_client(&edns, &client);
	assert_int_equal(client.source_bits, 16);
	assert_true(ip_equal(&client.address, &(struct ip){6, {0x20, 0x01}}));

	/* the first of two counts */
	edns = parsed(OPTIONS(0, 8, 0, 5, 0, 1, 8, 0, 10, 0, 8, 0, 5, 0, 1, 8, 0, 11));
	edns_client(&edns, &client);
	assert_int_equal(client.address.bytes[0], 10);
}

static void test_subnet_of_no_bits(void **state)
{
	struct client client = {.resolver = peer};
	for (uint8_t family = 0; family <= 2; family++) {
		struct edns edns = parsed(OPTIONS(0, 8, 0, 4, 0, family, 0, 0));
		assert_int_equal(edns.subnet_length, 4);
		edns_client(&edns, &client);
		assert_false(client.is_ecs);
		assert_true(ip_equal(&client.address, &peer));
		assert_int_equal(client.source_bits, 32);
	}
}

static void test_malformed_subnets(void **state)
{
	refuse(OPTIONS(0, 8, 0, 0));
	refuse(OPTIONS(0, 8, 0, 3, 0, 1, 0));
	refuse(OPTIONS(0, 8, 0, 4, 0, 3, 0, 0));		   /* family */
	refuse(OPTIONS(0, 8, 0, 5, 0, 0, 8, 0, 10));		   /* a prefix of no family */
	refuse(OPTIONS(0, 8, 0, 9, 0, 1, 33, 0, 192, 0, 2, 0, 0)); /* too long for IPv4 */
	refuse(OPTIONS(0, 8, 0, 6, 0, 1, 24, 0, 192, 0));	   /* an octet short */
	refuse(OPTIONS(0, 8, 0, 8, 0, 1, 24, 0, 192, 0, 2, 0));	   /* an octet more */
	refuse(OPTIONS(0, 8, 0, 7, 0, 1, 23, 0, 192, 0, 3));	   /* a bit behind the prefix */
	refuse(OPTIONS(0, 8, 0, 7, 0, 1, 24, 24, 192, 0, 2));	   /* a query has no scope */
	uint8_t longest[] = {0, 8, 0, 20, 0, 2,	 128, 0,  1,  2,  3,  4,
			     5, 6, 7, 8,  9, 10, 11,  12, 13, 14, 15, 16};
	assert_int_equal(parsed(longest, sizeof longest).subnet_length, 20);
	longest[6] = 129;
	refuse(longest, sizeof longest);
}

static void test_subnet_not_believed(void **state)
{
	struct edns edns = {.is_present = true};
	assert_true(edns_parse_options(OPTIONS(0, 8, 0, 1, 9), false, &edns));
	assert_int_equal(edns.subnet_length, 0);
}

static size_t written(const struct edns *edns, const struct serve_settings *settings,
		      const struct answer *answer, uint8_t *out, size_t room)
{
	memset(out, 0xee, 512);
	size_t length = edns_write(edns, settings, answer, out, room);
	assert_true(length <= room);
	for (size_t i = length; i < 512; i++)
		assert_int_equal(out[i], 0xee);
	return length;
}

static void test_write(void **state)
{
	static struct answer answer;
	answer = (struct answer){.rcode = 16, .ede = EDE_NONE, .ede_text = ""};
	struct serve_settings settings = {.edns_size = 1232, .nsid_length = 3, .nsid = "fra"};
	struct edns edns = {.is_present = true, .is_dnssec_ok = true};
	uint8_t out[512];
	assert_int_equal(written(&edns, &settings, &answer, out, 512), 11);
	assert_memory_equal(out, "\0\0\x29\x04\xd0\1\0\x80\0\0\0", 11);

	const uint8_t subnet[] = {0, 1, 24, 0, 192, 0, 2};
	edns = (struct edns){.is_present = true,
			     .wants_nsid = true,
			     .has_more = true,
			     .subnet = subnet,
			     .subnet_length = sizeof subnet};
	answer = (struct answer){.uses_client = true, .scope = 20, .ede = 20, .ede_text = "no"};
	assert_int_equal(edns_length(&edns, &settings, &answer), 11 + 11 + 7);
	assert_int_equal(written(&edns, &settings, &answer, out, 512), 11 + 11 + 7 + 8);
	assert_memory_equal(out,
			    "\0\0\x29\x04\xd0\0\0\0\0\0\x1a"
			    "\0\x08\0\x07\0\1\x18\x14\xc0\0\2"
			    "\0\x03\0\x03"
			    "fra\0\x0f\0\x04\0\x14no",
			    37);
	/* the extended error goes first, then NSID */
	assert_int_equal(written(&edns, &settings, &answer, out, 36), 29);
	assert_int_equal(written(&edns, &settings, &answer, out, 28), 22);
	/* nobody's client decided */
	answer.uses_client = false;
	written(&edns, &settings, &answer, out, 512);
	assert_int_equal(out[18], 0);
	settings.nsid_length = 0;
	assert_int_equal(edns_length(&edns, &settings, &answer), 22);
	edns.is_present = false;
	assert_int_equal(edns_length(&edns, &settings, &answer), 0);
}

/* What is said only when it was asked for: the zone's serial, and over TCP how long we wait. */
static void test_zone_version_and_keepalive(void **state)
{
	static const uint8_t soa_rdata[] = "\3ns1\4test\0\1h\0\x12\x34\x56\x78";
	struct rrset *soa =
		records_set(RR_SOA, 60, &(struct record_rdata){soa_rdata, sizeof soa_rdata - 1}, 1);
	const struct zone zone = {.soa = soa, .name = {10, "\3app\4test"}};
	static struct answer answer;
	answer = (struct answer){.ede = EDE_NONE, .ede_text = "", .zone = &zone};
	struct serve_settings settings = {.edns_size = 1232, .tcp_idle_ms = 10000};
	uint8_t out[512];
	struct edns edns = parsed(OPTIONS(0, 11, 0, 0, 0, 19, 0, 0));
	assert_true(edns.wants_keepalive);
	assert_true(edns.wants_zone_version);
	assert_int_equal(edns_length(&edns, &settings, &answer), 11 + 6 + 10);
	assert_int_equal(written(&edns, &settings, &answer, out, 512), 11 + 6 + 10);
	assert_memory_equal(out + 9, "\0\x10\0\x0b\0\2\0\x64\0\x13\0\6\2\0\x12\x34\x56\x78", 18);
	settings.tcp_idle_ms = 86400000; /* more than the option can say */
	written(&edns, &settings, &answer, out, 512);
	assert_memory_equal(out + 15, "\xff\xff", 2);
	answer.zone = NULL; /* no zone of ours, no version */
	assert_int_equal(edns_length(&edns, &settings, &answer), 11 + 6);
	assert_int_equal(written(&edns, &settings, &answer, out, 512), 11 + 6);
	answer.zone = &zone;
	edns = parsed(NULL, 0); /* not asked for */
	assert_int_equal(written(&edns, &settings, &answer, out, 512), 11);
	edns = parsed(OPTIONS(0, 11, 0, 2, 0, 9, 0, 19, 0, 1, 7)); /* what a query has in them is ignored */
	assert_int_equal(written(&edns, &settings, &answer, out, 512), 11 + 6 + 10);
	free(soa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed_part),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_subnet),
		cmocka_unit_test(test_subnet_of_no_bits),
		cmocka_unit_test(test_malformed_subnets),
		cmocka_unit_test(test_subnet_not_believed),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_zone_version_and_keepalive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
