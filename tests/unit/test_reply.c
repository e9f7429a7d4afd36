/* Truncation and the header of a reply (gslb/serve/reply.c). */
#include "gslb/serve/reply.h"
#include "tests/support/fixture.h"
#include "tests/support/packet.h"
#include "tests/support/records.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RDATA(text)                    \
	{                              \
		text, sizeof(text) - 1 \
	}

#define LONG_NAME "a-label-of-about-as-many-letters-as-a-label-may-have-in-all"
#define LONG_ZONE LONG_NAME "." LONG_NAME ".example"

static struct packet packet;
static struct message message;
static struct answer answer;
static struct serve_settings settings = {.edns_size = 1232, .nsid_length = 3, .nsid = "fra"};
static uint8_t out[65536];

static const struct record_rdata ns_rdata[] = {RDATA("\2n1\3sub\7example\0"), RDATA("\2n2\4peer\7example\0")};
static const struct record_rdata a_rdata[] = {RDATA("\xc0\0\2\1")};
static struct rrset *ns, *a;

static void ask(const char *name)
{
	packet_query(&packet, name, "A");
	assert_int_equal(message_parse(packet.octets, packet.length, true, &message), PARSE_ANSWER);
	answer = (struct answer){.is_authoritative = true, .ede = EDE_NONE, .ede_text = ""};
}

static void add(uint8_t *section, const void *owner, const struct rrset *set)
{
	unsigned at = answer.answer_count + answer.authority_count + answer.additional_count;
	(*section)++;
	answer.items[at] = (struct answer_item){
		.kind = ITEM_SET, .type = set->type, .ttl = set->ttl, .owner = owner, .set = set};
}

static char *reply(size_t limit)
{
	memset(out, 0xee, sizeof out);
	size_t length = reply_write(&message, &answer, &settings, limit, out);
	assert_true(length <= limit);
	assert_int_equal(out[limit], 0xee);
	char *text = records_message_text(out, length);
	assert_non_null(text);
	return text;
}

/* The smallest limit at which the whole reply goes out. */
static size_t whole_length(void)
{
	return reply_write(&message, &answer, &settings, 65535, out);
}

/* Neither server of the delegation can be found without n1's address; n2's could be looked up. */
static void test_glue(void **state)
{
	ask("www.sub.example.");
	answer.is_authoritative = false;
	add(&answer.authority_count, "\3sub\7example", ns);
	add(&answer.additional_count, "\2n2\4peer\7example", a);
	add(&answer.additional_count, "\2n1\3sub\7example", a);
	size_t whole = whole_length();
	char *text = reply(whole);
	assert_non_null(strstr(text, "NOERROR qr\n"));
	assert_non_null(strstr(text, "ADDITIONAL n1.sub.example."));
	assert_non_null(strstr(text, "ADDITIONAL n2.peer.example."));
	free(text);
	text = reply(whole - 1); /* the one that matters stays */
	assert_non_null(strstr(text, "NOERROR qr\n"));
	assert_non_null(strstr(text, "ADDITIONAL n1.sub.example."));
	assert_null(strstr(text, "ADDITIONAL n2.peer.example."));
	free(text);
	text = reply(whole - 17); /* RFC 9471 §3.1 */
	assert_non_null(strstr(text, "NOERROR qr tc\n"));
	assert_null(strstr(text, "AUTHORITY"));
	free(text);
}

static void test_optional_additional(void **state)
{
	ask("example.");
	add(&answer.answer_count, packet.octets + HEADER_OCTETS, ns);
	add(&answer.additional_count, "\2n1\3sub\7example", a);
	char *text = reply(whole_length() - 1);
	assert_non_null(strstr(text, "NOERROR qr aa\n"));
	assert_non_null(strstr(text, "ANSWER"));
	assert_null(strstr(text, "ADDITIONAL"));
	free(text);
}

static void test_truncation(void **state)
{
	struct record_rdata many[40];
	uint8_t octets[40][4];
	for (uint8_t i = 0; i < 40; i++) {
		memcpy(octets[i], (uint8_t[]){192, 0, 2, i}, 4);
		many[i] = (struct record_rdata){octets[i], 4};
	}
	struct rrset *set = records_set(RR_A, 60, many, 40);
	ask("www.example.");
	add(&answer.answer_count, packet.octets + HEADER_OCTETS, set);
	assert_int_equal(whole_length(), 29 + 40 * 16);
	char *text = reply(29 + 40 * 16);
	assert_non_null(strstr(text, "NOERROR qr aa\n"));
	free(text);
	text = reply(29 + 40 * 16 - 1);
	assert_string_equal(text, "NOERROR qr aa tc\nQUESTION www.example. IN A\n");
	free(text);

	/* the OPT record stays, and needs its room */
	packet_opt(&packet, 4096, 0, 0x8000);
	packet_option(&packet, 3, NULL, 0);
	assert_int_equal(message_parse(packet.octets, packet.length, true, &message), PARSE_ANSWER);
	answer.ede = EDE_OTHER;
	answer.ede_text = "why";
	text = reply(29 + 40 * 16 + 18); /* the extended error is the first to go */
	assert_non_null(strstr(text, "ANSWER"));
	assert_non_null(strstr(text, "OPTION 3 \"fra\""));
	assert_null(strstr(text, "OPTION 15"));
	free(text);
	text = reply(29 + 40 * 16 + 17);
	assert_string_equal(text, "NOERROR qr aa tc\nQUESTION www.example. IN A\nOPT version=0 size=1232 do\n"
				  "OPTION 3 \"fra\"\nOPTION 15 0 \"why\"\n");
	free(text);
	free(set);
}

/* A long identifier, a long name and 512 octets: the identifier gives way. */
static void test_long_nsid(void **state)
{
	struct serve_settings before = settings;
	settings.nsid_length = 255;
	packet_query(&packet,
		     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
		     "A");
	packet_opt(&packet, 512, 0, 0);
	packet_option(&packet, 3, NULL, 0);
	packet_subnet(&packet, "2001:db8::/128");
	assert_int_equal(message_parse(packet.octets, packet.length, true, &message), PARSE_ANSWER);
	answer = (struct answer){.rcode = RCODE_NXDOMAIN, .ede = EDE_NONE, .ede_text = ""};
	char *text = reply(512);
	assert_non_null(strstr(text, "NXDOMAIN qr\n"));
	assert_non_null(strstr(text, "OPTION 8 family=2 source=128 scope=0"));
	assert_null(strstr(text, "OPTION 3"));
	free(text);
	settings = before;
}

static void test_header(void **state)
{
	packet_query(&packet, "a.example.", "A");
	packet.octets[2] = 0x7f; /* all but QR: opcode 15, AA, TC, RD */
	packet.octets[3] = 0xff;
	assert_int_equal(message_parse(packet.octets, packet.length, true, &message), PARSE_NOTIMP);
	answer = (struct answer){.rcode = RCODE_NOTIMP, .ede = EDE_NONE, .ede_text = ""};
	char *text = reply(512);
	assert_string_equal(text, "NOTIMPL opcode=15 qr rd\nQUESTION a.example. IN A\n");
	free(text);
	packet.length = 12;
	packet_set16(&packet, 4, 0);
	assert_int_equal(message_parse(packet.octets, packet.length, true, &message), PARSE_NOTIMP);
	assert_int_equal(reply_write(&message, &answer, &settings, 512, out), 12);
	assert_memory_equal(out, "\x12\x34\xf9\x04\0\0\0\0\0\0\0\0", 12);
}

/* Answers that are copied in one piece where there is room, all longer than the 512 octets that are the least
 * room: a zone's long text and long SOA, and as many VIPs as an answer may have. */
static struct world *ready_world(void)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	fprintf(stream,
		"region eu 50 8\nservice shop order=listed answers=32 https=h2\nvip shop eu 2001:db8::1\n");
	for (unsigned i = 0; i < 32; i++)
		fprintf(stream, "vip shop eu 192.0.2.%u\n", i);
	fprintf(stream, "zone " LONG_ZONE "\n@ 3600 IN SOA " LONG_NAME "." LONG_NAME ".else. " LONG_NAME
			"." LONG_NAME ".other. 1 7200 900 1209600 60\ntext 300 IN TXT");
	for (unsigned i = 0; i < 16; i++)
		fprintf(stream, " \"thirty letters and white spaces\"");
	fprintf(stream, "\nend\ntenant shop." LONG_ZONE " shop\n");
	fclose(stream);
	struct world *world = fixture_world(text);
	free(text);
	return world;
}

/* The question with the EDNS options whose bits are set; the last two bits count the client subnets. */
static void ask_with_options(const char *label, const char *type, unsigned options)
{
	static const char *const subnets[] = {NULL, "192.0.2.0/24", "2001:db8::/56", "2001:db8::/128"};
	static const uint8_t cookie[8] = {1};
	char name[NAME_TEXT_MAX];
	snprintf(name, sizeof name, "%s." LONG_ZONE ".", label);
	packet_query(&packet, name, type);
	if (options & 1)
		packet_opt(&packet, 4096, 0, 0);
	if ((options & 3) == 3)
		packet_option(&packet, 3, NULL, 0);
	if ((options & 5) == 5)
		packet_option(&packet, 10, cookie, sizeof cookie);
	if ((options & 9) == 9)
		packet_option(&packet, 19, NULL, 0);
	if ((options & 17) == 17)
		packet_option(&packet, 11, NULL, 0);
	if ((options & 1) && options >> 5)
		packet_subnet(&packet, subnets[options >> 5]);
	assert_int_equal(message_parse(packet.octets, packet.length, true, &message), PARSE_ANSWER);
	message.edns.has_server_cookie = message.edns.cookie_length != 0;
}

/* Copied or put together record by record, the reply is the same, and whole as soon as there is room. */
static void assert_same_both_ways(void)
{
	static uint8_t other[65536];
	assert_true(answer.is_ready);
	size_t whole = whole_length();
	assert_in_range(whole, 513, 2000);
	for (size_t limit = 512; limit < whole + 64; limit++) {
		size_t length = reply_write(&message, &answer, &settings, limit, out);
		assert_true(length <= limit && (length == whole) == (limit >= whole));
		answer.is_ready = false;
		assert_int_equal(reply_write(&message, &answer, &settings, limit, other), length);
		assert_memory_equal(out, other, length);
		answer.is_ready = true;
	}
}

static void test_ready_or_not(void **state)
{
	static const struct {
		const char *label, *type;
	} questions[] = {{"text", "TXT"}, {"shop", "A"}, {"shop", "HTTPS"}, {LONG_NAME "." LONG_NAME, "A"}};
	struct world *world = ready_world();
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
		for (unsigned options = 0; options < 128; options++) {
			struct client client = {.resolver = {4, {192, 0, 2, 1}}};
			ask_with_options(questions[i].label, questions[i].type, options);
			edns_client(&message.edns, &client);
			const struct question *question = &message.question;
			resolve(world, question,
				(struct found){.node = index_get(world->index, question->name,
								 question->length, question->hash)},
				&client, &(struct rng){{1, 2}}, &answer);
			assert_same_both_ways();
		}
	world_free(world);
}

static int set_up(void **state)
{
	ns = records_set(RR_NS, 60, ns_rdata, 2);
	a = records_set(RR_A, 60, a_rdata, 1);
	return 0;
}

static int tear_down(void **state)
{
	free(ns);
	free(a);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glue),	   cmocka_unit_test(test_optional_additional),
		cmocka_unit_test(test_truncation), cmocka_unit_test(test_long_nsid),
		cmocka_unit_test(test_header),	   cmocka_unit_test(test_ready_or_not),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
