/*
 * The dns check's question and the reading of its answer (RFC 1035 §4). Only what the verdict needs is
 * read: id, flags, rcode and the question; records may be anything. Pure; any one thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define DNS_QUESTION_BYTES_MAX 271 /* header, longest name, type, class */

enum dns_verdict {
	DNS_UP,	       /* NOERROR */
	DNS_IGNORED,   /* no answer to this question: a late or a forged one */
	DNS_TRUNCATED, /* ask over TCP */
	DNS_REFUSED_IT /* an answer, but no good one: the reason says which */
};

/* name: wire form. Asks for its SOA with recursion desired, so that zones and resolvers can both answer.
 * Returns the octets written. */
size_t dns_response_question(uint16_t id, const uint8_t *name, size_t name_length,
			     uint8_t out[static DNS_QUESTION_BYTES_MAX]);
/* `question` as it was sent. Of the answer, the first DNS_QUESTION_BYTES_MAX octets are enough. */
enum dns_verdict dns_response_read(const uint8_t *question, size_t question_length, const uint8_t *answer,
				   size_t answer_length, const char **ret_reason);
