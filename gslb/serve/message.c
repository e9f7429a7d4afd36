/*
 * Reading a query. What the RFCs leave open is decided here, once:
 * - Octets after the last record make FORMERR, as in NSD and Knot (BIND takes them): a message whose
 *   counts do not match its length is not the message that its sender meant.
 * - A compressed name in the question makes FORMERR: there is nothing before it to point to.
 * - Records that a query need not have (answer, authority, TSIG, …) are skipped if they parse.
 * - An opcode that is not QUERY gets NOTIMP whatever follows the header: the format of what follows
 *   is not ours to judge (RFC 8906 §3.1.4).
 * Any reader thread.
 */
#include "gslb/serve/message.h"
#include "gslb/serve/bytes.h"
#include "lib/inline.h"
#include "zones/rrtype.h"
#include <string.h>

enum { /* third octet of the header */
       FLAG_QR = 0x80,
       MASK_OPCODE = 0x78,
};

#define LABEL_MAX 63
#define POINTER_MARK 0xc0
#define RECORD_FIXED_OCTETS 10 /* type, class, TTL, RDLENGTH */

/* The question that every query has (RFC 9619). */
static bool parse_question(struct message *message)
{
	const uint8_t *wire = message->wire;
	if (bytes_get16(wire + 4) != 1)
		return false;
	size_t at = HEADER_OCTETS, length = message->length;
	while (at < length && wire[at] - 1u < LABEL_MAX)
		at += 1u + wire[at];
	size_t name_length = at + 1 - HEADER_OCTETS;
	if (at + 5 > length || wire[at] != 0 || name_length > NAME_MAX_OCTETS)
		return false;
	message->question = (struct question){
		.name = message->name,
		.as_asked = wire + HEADER_OCTETS,
		.length = name_length,
		.type = bytes_get16(wire + at + 1),
		.hash = name_lower_hash(wire + HEADER_OCTETS, name_length, message->name),
	};
	message->class = bytes_get16(wire + at + 3);
	message->question_end = at + 5;
	return true;
}

/* The offset behind a name that may be compressed, 0: not a name. Pointers are not followed: what an
 * ignored record is about does not matter. */
static OUT_OF_LINE size_t skip_name(const uint8_t *wire, size_t length, size_t at)
{
	size_t end = at + NAME_MAX_OCTETS;
	for (; at < length && at < end; at += 1u + wire[at]) {
		if (wire[at] == 0)
			return at + 1;
		if (wire[at] >= POINTER_MARK)
			return at + 2;
		if (wire[at] > LABEL_MAX)
			return 0;
	}
	return 0;
}

static bool parse_opt(struct message *message, size_t owner, size_t fixed, bool believe_ecs)
{
	const uint8_t *wire = message->wire;
	struct edns *edns = &message->edns;
	if (edns->is_present) /* RFC 6891 §6.1.1: a second one */
		return false;
	edns_parse_fixed(wire + fixed, edns);
	if (wire[owner] != 0)
		return false;
	if (edns->version != 0) /* its options may have another form */
		return true;
	return edns_parse_options(wire + fixed + RECORD_FIXED_OCTETS, bytes_get16(wire + fixed + 8),
				  believe_ecs, edns);
}

/* All that follows the question: mostly nothing or an OPT record, whose owner is the root. */
static bool parse_records(struct message *message, bool believe_ecs)
{
	const uint8_t *wire = message->wire;
	size_t length = message->length, at = message->question_end;
	unsigned before = bytes_get16(wire + 6) + bytes_get16(wire + 8);
	unsigned total = before + bytes_get16(wire + 10);
	for (unsigned i = 0; i < total; i++) {
		size_t owner = at;
		size_t fixed = at < length && wire[at] == 0 ? at + 1 : skip_name(wire, length, at);
		if (fixed == 0 || fixed + RECORD_FIXED_OCTETS > length)
			return false;
		at = fixed + RECORD_FIXED_OCTETS + bytes_get16(wire + fixed + 8);
		if (at > length)
			return false;
		if (bytes_get16(wire + fixed) == RR_OPT && i >= before &&
		    !parse_opt(message, owner, fixed, believe_ecs))
			return false;
	}
	return at == length;
}

enum verdict message_parse(const uint8_t *wire, size_t length, bool believe_ecs, struct message *ret)
{
	if (length < HEADER_OCTETS)
		return VERDICT_NOT_A_HEADER;
	if (wire[2] & FLAG_QR)
		return VERDICT_NOT_A_QUERY;
	ret->wire = wire;
	ret->length = length;
	ret->question_end = HEADER_OCTETS;
	ret->question.length = 0;
	ret->question.type = 0;
	ret->edns = (struct edns){0};
	bool has_question = bytes_get16(wire + 4) != 0;
	bool is_well_formed = (!has_question || parse_question(ret)) && parse_records(ret, believe_ecs);
	if (wire[2] & MASK_OPCODE)
		return VERDICT_NOTIMP;
	if (!is_well_formed)
		return VERDICT_FORMERR;
	if (ret->edns.version != 0) /* RFC 6891 §6.1.3 */
		return VERDICT_BADVERS;
	if (!has_question)
		return ret->edns.cookie_length != 0 ? VERDICT_COOKIE : VERDICT_FORMERR;
	if (ret->class != RR_CLASS_IN || ret->question.type == RR_AXFR || ret->question.type == RR_IXFR)
		return VERDICT_UNSUPPORTED;
	return VERDICT_ANSWER;
}
