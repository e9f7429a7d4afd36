/* What a query says and what comes of parsing it (gslb/serve/message.c). */
#include "gslb/serve/message.h"
#include "tests/support/packet.h"
#include "zones/rrtype.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct packet packet;
static struct message message;

static enum parse parse(void)
{
	return message_parse(packet.octets, packet.length, true, &message);
}

static void test_question(void **state)
{
	packet_query(&packet, "wWw.T.eXample.", "AAAA");
	assert_int_equal(parse(), PARSE_ANSWER);
	assert_int_equal(message.question.type, RR_AAAA);
	assert_int_equal(message.class, RR_CLASS_IN);
	assert_int_equal(message.question.length, 15);
	assert_memory_equal(message.name, "\3www\1t\7example\0", 15);
	assert_int_equal(message.question_end, packet.length);
	assert_false(message.edns.is_present);

	packet_query(&packet, ".", "TYPE65400");
	assert_int_equal(parse(), PARSE_ANSWER);
	assert_int_equal(message.question.type, 65400);
	assert_int_equal(message.question.length, 1);
}

static void test_silence(void **state)
{
	packet_query(&packet, "a.example.", "A");
	for (packet.length = 0; packet.length < 12; packet.length++)
		assert_int_equal(parse(), PARSE_NOT_A_HEADER);
	packet_query(&packet, "a.example.", "A");
	packet.octets[2] |= 0x80;
	assert_int_equal(parse(), PARSE_NOT_A_QUERY);
	packet.length = 12;
	assert_int_equal(parse(), PARSE_NOT_A_QUERY);
}

/* Every cut of a good query is a bad one, and its question is repeated only when it is whole. */
static void test_cut_short(void **state)
{
	packet_query(&packet, "a.example.", "A");
	size_t question_end = packet.length;
	packet_opt(&packet, 1232, 0, 0);
	packet_subnet(&packet, "192.0.2.0/24");
	for (size_t whole = packet.length; --packet.length >= 12;) {
		assert_true(packet.length < whole);
		assert_int_equal(parse(), PARSE_FORMERR);
		assert_int_equal(message.question_end, packet.length >= question_end ? question_end : 12);
	}
}

static void test_question_count(void **state)
{
	packet_query(&packet, "a.example.", "A");
	packet_set16(&packet, 4, 2);
	assert_int_equal(parse(), PARSE_FORMERR);
	assert_int_equal(message.question_end, 12);
	packet_set16(&packet, 4, 0);
	assert_int_equal(parse(), PARSE_FORMERR);
	packet.length = 12;
	assert_int_equal(parse(), PARSE_FORMERR);
}

static void test_bad_names(void **state)
{
	/* a pointer, and the two label types that never came to be (RFC 6891 §5) */
	static const uint8_t marks[] = {0xc0, 0x40, 0x80};
	for (size_t i = 0; i < sizeof marks; i++) {
		packet_query(&packet, "aa.example.", "A");
		packet.octets[12] = marks[i];
		assert_int_equal(parse(), PARSE_FORMERR);
	}
	/* 255 octets are a name, 256 are not */
	for (unsigned last = 61; last <= 62; last++) {
		static const uint8_t label[64] = {63};
		packet_query(&packet, ".", "A");
		packet.length = 12;
		for (int i = 0; i < 3; i++)
			packet_add(&packet, label, sizeof label);
		packet_add(&packet, (uint8_t[64]){(uint8_t)last}, 1 + last);
		packet_add(&packet, "\0\0\1\0\1", 5);
		assert_int_equal(parse(), last == 61 ? PARSE_ANSWER : PARSE_FORMERR);
	}
}

static void test_opcodes(void **state)
{
	for (unsigned opcode = 1; opcode < 16; opcode++) {
		packet_query(&packet, "a.example.", "SOA");
		packet.octets[2] = (uint8_t)(opcode << 3);
		assert_int_equal(parse(), PARSE_NOTIMP);
		assert_int_equal(message.question_end, packet.length);
		packet.length = 12; /* what follows the header is not ours to judge */
		assert_int_equal(parse(), PARSE_NOTIMP);
		assert_int_equal(message.question_end, 12);
	}
}

static void test_unsupported(void **state)
{
	static const uint16_t classes[] = {0, 3, 4, 254, 255};
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		packet_query(&packet, "a.example.", "A");
		packet_set16(&packet, packet.length - 2, classes[i]);
		assert_int_equal(parse(), PARSE_UNSUPPORTED);
	}
	packet_query(&packet, "example.", "AXFR");
	assert_int_equal(parse(), PARSE_UNSUPPORTED);
	packet_query(&packet, "example.", "IXFR");
	assert_int_equal(parse(), PARSE_UNSUPPORTED);
}

/* Records that no query needs are passed over, if they are records. */
static void test_other_records(void **state)
{
	static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1};
	for (size_t section = 6; section <= 10; section += 2) {
		packet_query(&packet, "a.example.", "A");
		packet_add(&packet, record, sizeof record);
		packet_set16(&packet, section, 1);
		packet_opt(&packet, 4096, 0, 0);
		assert_int_equal(parse(), PARSE_ANSWER);
		assert_int_equal(message.edns.payload, 4096);
		packet_set16(&packet, section, 3); /* more than there are */
		assert_int_equal(parse(), PARSE_FORMERR);
	}
	packet_query(&packet, "a.example.", "A");
	packet_add(&packet, "", 1); /* an octet that no count speaks of */
	assert_int_equal(parse(), PARSE_FORMERR);
}

static void test_opt_place(void **state)
{
	packet_query(&packet, "a.example.", "A");
	packet_opt(&packet, 1232, 0, 0);
	packet_opt(&packet, 1232, 0, 0);
	assert_int_equal(parse(), PARSE_FORMERR);
	assert_true(message.edns.is_present);

	packet_query(&packet, "a.example.", "A");
	packet_add(&packet, "\1a", 2); /* the owner must be the root (RFC 6891 §6.1.2) */
	packet_opt(&packet, 1232, 0, 0);
	assert_int_equal(parse(), PARSE_FORMERR);
	assert_true(message.edns.is_present);
}

static void test_version(void **state)
{
	packet_query(&packet, "a.example.", "A");
	packet_opt(&packet, 1232, 1, 0x8000);
	packet_option(&packet, 8, "\0", 1); /* of a version that we cannot read */
	assert_int_equal(parse(), PARSE_BADVERS);
	assert_true(message.edns.is_dnssec_ok);
	assert_int_equal(message.edns.subnet_length, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question),    cmocka_unit_test(test_silence),
		cmocka_unit_test(test_cut_short),   cmocka_unit_test(test_question_count),
		cmocka_unit_test(test_bad_names),   cmocka_unit_test(test_opcodes),
		cmocka_unit_test(test_unsupported), cmocka_unit_test(test_other_records),
		cmocka_unit_test(test_opt_place),   cmocka_unit_test(test_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
