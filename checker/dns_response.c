/* Question and answer of the dns check. Pure. */
#include "checker/dns_response.h"
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define HEADER_BYTES 12
#define TYPE_SOA 6
#define CLASS_IN 1

size_t dns_response_question(uint16_t id, const uint8_t *name, size_t name_length,
			     uint8_t out[static DNS_QUESTION_BYTES_MAX])
{
	static const uint8_t type_and_class[4] = {0, TYPE_SOA, 0, CLASS_IN};
	assert(name_length >= 1 && name_length <= 255);
	memset(out, 0, HEADER_BYTES);
	out[0] = (uint8_t)(id >> 8);
	out[1] = (uint8_t)id;
	out[2] = 1; /* RD */
	out[5] = 1; /* one question */
	memcpy(out + HEADER_BYTES, name, name_length);
	memcpy(out + HEADER_BYTES + name_length, type_and_class, sizeof type_and_class);
	return HEADER_BYTES + name_length + sizeof type_and_class;
}

static uint8_t lower(uint8_t octet)
{
	return octet >= 'A' && octet <= 'Z' ? octet | 0x20 : octet;
}

/* Names compare without case (RFC 4343); lengths of labels are below 'A', so they take part as they are. */
static bool is_same_question(const uint8_t *a, const uint8_t *b, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

static const char *words_of(unsigned rcode, bool is_root)
{
	static const char *const words[16] = {
		[1] = "FORMERR", [2] = "SERVFAIL", [3] = "NXDOMAIN",
		[4] = "NOTIMP",	 [5] = "REFUSED",  [9] = "NOTAUTH",
	};
	if (rcode == 5 && is_root) /* what an authoritative server says of a name that it does not serve */
		return "REFUSED (set 'host' to a name that the server answers)";
	return words[rcode] ? words[rcode] : "an unusual error code";
}

enum dns_verdict dns_response_read(const uint8_t *question, size_t question_length, const uint8_t *answer,
				   size_t answer_length, const char **ret_reason)
{
	assert(question_length > HEADER_BYTES && question_length <= DNS_QUESTION_BYTES_MAX);
	if (answer_length < HEADER_BYTES || memcmp(answer, question, 2) != 0)
		return DNS_IGNORED;
	bool is_response = answer[2] & 0x80, is_query_opcode = (answer[2] & 0x78) == 0;
	bool is_truncated = answer[2] & 0x02;
	unsigned rcode = answer[3] & 0x0f, questions = (unsigned)answer[4] << 8 | answer[5];
	if (!is_response || !is_query_opcode)
		return DNS_IGNORED;
	/* Servers that could not read the question, or would not, may leave it out. */
	bool is_bare = questions == 0 && rcode != 0;
	if (!is_bare && (questions != 1 || answer_length < question_length ||
			 !is_same_question(answer + HEADER_BYTES, question + HEADER_BYTES,
					   question_length - HEADER_BYTES)))
		return DNS_IGNORED;
	if (rcode != 0) {
		*ret_reason = words_of(rcode, question[HEADER_BYTES] == 0);
		return DNS_REFUSED_IT;
	}
	return is_truncated ? DNS_TRUNCATED : DNS_UP;
}
