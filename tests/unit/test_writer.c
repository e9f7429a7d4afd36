/* Records and compressed names (gslb/serve/writer.c), read back by ldns. */
#include "gslb/serve/writer.h"
#include "tests/support/packet.h"
#include "tests/support/records.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RDATA(text)                    \
	{                              \
		text, sizeof(text) - 1 \
	}

static struct packet packet;
static struct message message;
static struct answer answer;
static struct writer writer;
static uint8_t out[65535];

/* A writer behind the question NAME A. */
static void begin(const char *name, size_t limit)
{
	packet_query(&packet, name, "A");
	assert_int_equal(message_parse(packet.octets, packet.length, true, &message), PARSE_ANSWER);
	memset(out, 0xee, sizeof out);
	memcpy(out, packet.octets, packet.length);
	out[2] = 0x84;
	writer_init(&writer, out, limit, &message);
}

static unsigned put(enum item_kind kind, const void *owner, const struct rrset *set, uint32_t ttl)
{
	struct answer_item item = {.kind = kind,
				   .type = set->type,
				   .ttl = ttl,
				   .owner = owner ? owner : packet.octets + HEADER_OCTETS,
				   .set = set};
	unsigned count = writer_put_item(&writer, &answer, &item);
	if (!writer.is_full)
		out[7] = (uint8_t)(out[7] + count);
	return count;
}

static void assert_answers(const char *expected)
{
	char *text = records_message_text(out, writer.at);
	assert_non_null(text);
	const char *answers = strstr(text, "ANSWER ");
	assert_string_equal(answers ? answers : "", expected);
	free(text);
}

static void test_ready_made_set(void **state)
{
	const struct record_rdata rdata[] = {RDATA("\xc0\0\2\1"), RDATA("\xc0\0\2\2")};
	struct rrset *set = records_set(RR_A, 300, rdata, 2);
	begin("wWw.example.", 512);
	size_t start = writer.at;
	assert_int_equal(put(ITEM_SET, NULL, set, 300), 2);
	assert_int_equal(writer.at - start, set->wire_length);
	assert_memory_equal(out + start, set->wire, set->wire_length);
	free(set);
}

static void test_other_owner_and_ttl(void **state)
{
	const struct record_rdata rdata[] = {RDATA("\xc0\0\2\1"), RDATA("\xc0\0\2\2")};
	struct rrset *set = records_set(RR_A, 300, rdata, 2);
	begin("www.example.", 512);
	size_t start = writer.at;
	assert_int_equal(put(ITEM_SET, "\4mail\7example", set, 7), 2);
	assert_answers("ANSWER mail.example. 7 IN A 192.0.2.1\nANSWER mail.example. 7 IN A 192.0.2.2\n");
	assert_int_equal(writer.at - start, 5 + 2 + 14 + 2 + 14); /* the second time a pointer */
	free(set);
}

static void test_names_in_rdata(void **state)
{
	const struct record_rdata ns[] = {RDATA("\2n1\2ns\7example\0"), RDATA("\2n2\2nS\7eXample\0"),
					  RDATA("\0")};
	const struct record_rdata mx[] = {RDATA("\0\x0a\2ns\7example\0")};
	const struct record_rdata soa[] = {RDATA(
		"\2n1\2ns\7example\0\4host\2n2\2ns\7example\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5")};
	struct rrset *sets[] = {records_set(RR_NS, 60, ns, 3), records_set(RR_MX, 60, mx, 1),
				records_set(RR_SOA, 60, soa, 1)};
	begin("www.EXAMPLE.", 512);
	size_t start = writer.at;
	assert_int_equal(put(ITEM_SET, "\7example", sets[0], 60), 3);
	/* n1.ns.<pointer>, n2.<pointer>, the root */
	assert_int_equal(writer.at - start, 3 * 12 + (3 + 3 + 2) + (3 + 2) + 1);
	assert_int_equal(put(ITEM_SET, "\7example", sets[1], 60), 1);
	assert_int_equal(put(ITEM_SET, "\7example", sets[2], 5), 1);
	assert_int_equal(writer.at - start, 50 + 12 + 4 + 12 + 2 + (5 + 2) + 20);
	assert_answers("ANSWER EXAMPLE. 60 IN NS n1.ns.EXAMPLE.\n"
		       "ANSWER EXAMPLE. 60 IN NS n2.ns.EXAMPLE.\n"
		       "ANSWER EXAMPLE. 60 IN NS .\n"
		       "ANSWER EXAMPLE. 60 IN MX 10 ns.EXAMPLE.\n"
		       "ANSWER EXAMPLE. 5 IN SOA n1.ns.EXAMPLE. host.n2.ns.EXAMPLE. 1 2 3 4 5\n");
	for (size_t i = 0; i < 3; i++)
		free(sets[i]);
}

/* Types younger than RFC 1035 hold their names in full (RFC 3597 §4). */
static void test_uncompressed_types(void **state)
{
	const struct record_rdata srv[] = {RDATA("\0\1\0\2\0\x35\2ns\7example\0")};
	struct rrset *set = records_set(RR_SRV, 60, srv, 1);
	begin("www.example.", 512);
	size_t start = writer.at;
	put(ITEM_SET, NULL, set, 60);
	assert_int_equal(writer.at - start, 12 + 6 + 12);
	free(set);
}

static void test_vips(void **state)
{
	struct plan_vip vips[] = {{.ip = {4, {192, 0, 2, 1}}}, {.ip = {4, {192, 0, 2, 2}}}};
	answer.vip_count[0] = 2;
	answer.vips[0][0] = &vips[0];
	answer.vips[0][1] = &vips[1];
	struct answer_item item = {.kind = ITEM_VIPS, .type = RR_A, .ttl = 20};
	begin("www.example.", 512);
	size_t start = writer.at;
	item.owner = packet.octets + HEADER_OCTETS;
	out[7] = (uint8_t)writer_put_item(&writer, &answer, &item);
	assert_int_equal(writer.at - start, 32);
	item.owner = (const uint8_t *)"\1x\7example";
	out[7] = (uint8_t)(out[7] + writer_put_item(&writer, &answer, &item));
	vips[0].ip = (struct ip){6, {0x20, 1, 0xd, 0xb8, [15] = 1}};
	answer.vip_count[1] = 1;
	answer.vips[1][0] = &vips[0];
	item.type = RR_AAAA;
	out[7] = (uint8_t)(out[7] + writer_put_item(&writer, &answer, &item));
	assert_answers("ANSWER www.example. 20 IN A 192.0.2.1\nANSWER www.example. 20 IN A 192.0.2.2\n"
		       "ANSWER x.example. 20 IN A 192.0.2.1\nANSWER x.example. 20 IN A 192.0.2.2\n"
		       "ANSWER x.example. 20 IN AAAA 2001:db8::1\n");
}

static void test_synthesised_cname(void **state)
{
	struct answer_item item = {.kind = ITEM_CNAME,
				   .type = RR_CNAME,
				   .ttl = 9,
				   .target = (const uint8_t *)"\3www\3new\7example"};
	begin("www.old.example.", 512);
	item.owner = packet.octets + HEADER_OCTETS;
	out[7] = (uint8_t)writer_put_item(&writer, &answer, &item);
	assert_answers("ANSWER www.old.example. 9 IN CNAME www.new.example.\n");
}

/* Wherever the room ends: nothing is written behind it, nor read where nothing is written (0xee would be
 * a pointer), and the mark takes all of the item back. */
static void check_full(const struct rrset *set)
{
	begin("www.example.", sizeof out);
	put(ITEM_SET, "\5other", set, 60);
	size_t need = writer.at;
	for (size_t limit = packet.length; limit < need; limit++) {
		begin("www.example.", limit);
		struct writer_mark mark = writer_mark(&writer);
		put(ITEM_SET, "\5other", set, 60);
		assert_true(writer.is_full);
		assert_true(writer.at <= limit);
		assert_int_equal(out[limit], 0xee);
		writer_rewind(&writer, mark);
		assert_false(writer.is_full);
		assert_int_equal(writer.at, packet.length);
	}
	begin("www.example.", need);
	put(ITEM_SET, "\5other", set, 60);
	assert_false(writer.is_full);
}

static void test_full(void **state)
{
	const struct record_rdata ns[] = {RDATA("\2n1\2ns\5other\0"), RDATA("\2n2\2ns\5other\0")};
	const struct record_rdata soa[] = {
		RDATA("\2n1\3new\0\2n2\3new\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5")};
	struct rrset *sets[] = {records_set(RR_NS, 60, ns, 2), records_set(RR_SOA, 60, soa, 1)};
	for (size_t i = 0; i < 2; i++) {
		check_full(sets[i]);
		free(sets[i]);
	}
}

/* The short way of a zone's own SOA writes what the search would. */
static void test_soa_of_the_zone(void **state)
{
	static const struct {
		const char *apex, *soa, *question, *expected;
	} cases[] = {
		{"lb.example.", "ns1 Host.Master", "no.LB.example.",
		 "ANSWER LB.example. 9 IN SOA ns1.LB.example. Host.Master.LB.example. 1 2 3 4 5\n"},
		{"lb.example.", "ns1 host.example.", "lb.example.",
		 "ANSWER lb.example. 9 IN SOA ns1.lb.example. host.example. 1 2 3 4 5\n"},
		{"lb.example.", "@ host", "no.lb.example.",
		 "ANSWER lb.example. 9 IN SOA lb.example. host.lb.example. 1 2 3 4 5\n"},
		{".", "ns1 host", "no.example.", "ANSWER . 9 IN SOA ns1. host. 1 2 3 4 5\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err_list errors = {0};
		struct name apex;
		char text[128];
		snprintf(text, sizeof text, "@ 60 SOA %s 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n",
			 cases[i].soa);
		assert_null(name_from_text(cases[i].apex, NULL, &apex));
		struct zone *zone = zone_load(&apex, NULL, text, "t", &errors);
		assert_non_null(zone);
		err_done(&errors);
		answer.zone = zone;
		begin(cases[i].question, 512);
		assert_int_equal(put(ITEM_SET, zone->name.octets, zone->soa, 9), 1);
		assert_answers(cases[i].expected);

		static uint8_t first[512];
		size_t length = writer.at;
		memcpy(first, out, length);
		begin(cases[i].question, 512);
		put(ITEM_SET, apex.octets, zone->soa, 9); /* another place: the search */
		assert_int_equal(writer.at, length);
		assert_memory_equal(out, first, length);
		for (size_t limit = packet.length; limit < length; limit++) {
			begin(cases[i].question, limit);
			put(ITEM_SET, zone->name.octets, zone->soa, 9);
			assert_true(writer.is_full);
			assert_int_equal(out[limit], 0xee);
		}
		answer.zone = NULL;
		zone_unref(zone);
	}
}

/* A pointer has 14 bits: names that stand further back are written in full. */
static void test_beyond_pointers(void **state)
{
	static uint8_t text[0x4000];
	const struct record_rdata txt[] = {{text, sizeof text}};
	const struct record_rdata ns[] = {RDATA("\2n1\5other\0")};
	for (size_t i = 0; i < sizeof text; i += 256)
		text[i] = 255;
	struct rrset *filler = records_set(RR_TXT, 60, txt, 1), *set = records_set(RR_NS, 60, ns, 1);
	begin("www.example.", sizeof out);
	out[7] = 0;
	put(ITEM_SET, NULL, filler, 60);
	size_t start = writer.at;
	for (int i = 0; i < 2; i++)
		put(ITEM_SET, "\1x\5other", set, 60);
	assert_int_equal(writer.at - start, 2 * (9 + 10 + 10));
	put(ITEM_SET, "\7example", set, 60); /* the question is still in reach */
	assert_int_equal(writer.at - start, 2 * 29 + 2 + 10 + 10);
	char *read = records_message_text(out, writer.at);
	assert_non_null(read);
	assert_non_null(strstr(read,
			       "ANSWER x.other. 60 IN NS n1.other.\nANSWER x.other. 60 IN NS n1.other.\n"
			       "ANSWER example. 60 IN NS n1.other.\n"));
	free(read);
	free(filler);
	free(set);
}

/* More names than are remembered: still a correct message. */
static void test_many_names(void **state)
{
	begin("www.example.", sizeof out);
	for (unsigned i = 0; i < 3 * WRITER_NAMES_MAX; i++) {
		uint8_t name[] = {2, (uint8_t)('a' + i % 26), (uint8_t)('a' + i / 26), 1, 'y', 0};
		const struct record_rdata rdata = {name, sizeof name};
		struct rrset *set = records_set(RR_CNAME, 60, &rdata, 1);
		put(ITEM_SET, "\1z\7example", set, 60);
		free(set);
	}
	char *text = records_message_text(out, writer.at);
	assert_non_null(text);
	unsigned i = 0;
	for (const char *at = text; (at = strstr(at, "CNAME ")); at += 6, i++) {
		assert_int_equal(at[6], 'a' + i % 26);
		assert_int_equal(at[7], 'a' + i / 26);
	}
	assert_int_equal(i, 3 * WRITER_NAMES_MAX);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ready_made_set), cmocka_unit_test(test_other_owner_and_ttl),
		cmocka_unit_test(test_names_in_rdata), cmocka_unit_test(test_uncompressed_types),
		cmocka_unit_test(test_vips),	       cmocka_unit_test(test_synthesised_cname),
		cmocka_unit_test(test_full),	       cmocka_unit_test(test_beyond_pointers),
		cmocka_unit_test(test_many_names),     cmocka_unit_test(test_soa_of_the_zone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
