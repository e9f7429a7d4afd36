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
#include "lib/bytes.h"
#include "lib/inline.h"
#include "zones/rrtype.h"
#include <string.h>

enum { /* third octet of the header */
       FLAG_QR = 0x80,
       MASK_OPCODE = 0x78,
};

#define LABEL_MAX 63
#define POINTER_OCTET 0xc0     /* the first of a pointer is at least this */
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
static size_t skip_name(const uint8_t *wire, size_t length, size_t at)
{
	size_t end = at + NAME_MAX_OCTETS;
	for (; at < length && at < end; at += 1u + wire[at]) {
		if (wire[at] == 0)
			return at + 1;
		if (wire[at] >= POINTER_OCTET)
			return at + 2;
		if (wire[at] > LABEL_MAX)
			return 0;
	}
	return 0;
}

/* `fixed`: the record behind its owner, the root; `octets`: of its options. */
static IN_LINE bool parse_opt(struct edns *edns, const uint8_t *fixed, size_t octets, bool believe_ecs)
{
	edns_parse_fixed(fixed, edns);
	if (edns->version != 0) /* its options may have another form */
		return true;
	return edns_parse_options(fixed + RECORD_FIXED_OCTETS, octets, believe_ecs, edns);
}

static OUT_OF_LINE bool parse_all_records(struct message *message, bool believe_ecs)
{
	const uint8_t *wire = message->wire;
	size_t length = message->length, at = message->question_end;
	unsigned before = bytes_get16(wire + 6) + bytes_get16(wire + 8);
	unsigned total = before + bytes_get16(wire + 10);
	for (unsigned i = 0; i < total; i++) {
		size_t owner = at, fixed = skip_name(wire, length, at);
		if (fixed == 0 || fixed + RECORD_FIXED_OCTETS > length)
			return false;
		size_t octets = bytes_get16(wire + fixed + 8);
		at = fixed + RECORD_FIXED_OCTETS + octets;
		if (at > length)
			return false;
		if (bytes_get16(wire + fixed) != RR_OPT || i < before)
			continue;
		if (message->edns.is_present) /* RFC 6891 §6.1.1: a second one */
			return false;
		if (wire[owner] != 0) { /* RFC 6891 §6.1.2; its sender speaks EDNS all the same */
			edns_parse_fixed(wire + fixed, &message->edns);
			return false;
		}
		if (!parse_opt(&message->edns, wire + fixed, octets, believe_ecs))
			return false;
	}
	return at == length;
}

/* All that follows the question: mostly nothing, or an OPT record to the packet's end. */
static bool parse_records(struct message *message, bool believe_ecs)
{
	const uint8_t *wire = message->wire, *opt = wire + message->question_end;
	size_t left = message->length - message->question_end;
	uint64_t counts = bytes_get64(wire + 4) << 16; /* of the three sections behind the question */
	if (counts == 0)
		return left == 0;
	bool is_one_opt = counts == (uint64_t)1 << 16 && left >= 1 + RECORD_FIXED_OCTETS && opt[0] == 0 &&
			  bytes_get16(opt + 1) == RR_OPT;
	size_t octets = left - 1 - RECORD_FIXED_OCTETS;
	if (is_one_opt && bytes_get16(opt + 9) == octets)
		return parse_opt(&message->edns, opt + 1, octets, believe_ecs);
	return parse_all_records(message, believe_ecs);
}

enum parse message_parse(const uint8_t *wire, size_t length, bool believe_ecs, struct message *ret)
{
	if (length < HEADER_OCTETS)
		return PARSE_NOT_A_HEADER;
	if (wire[2] & FLAG_QR)
		return PARSE_NOT_A_QUERY;
	ret->wire = wire;
	ret->length = length;
	ret->question_end = HEADER_OCTETS;
	ret->question.length = 0;
	ret->question.type = 0;
	memset(&ret->edns, 0, offsetof(struct edns, payload));
	ret->edns.payload = UDP_PAYLOAD_MIN;
	bool has_question = bytes_get16(wire + 4) != 0;
	bool is_well_formed = (!has_question || parse_question(ret)) && parse_records(ret, believe_ecs);
	if (wire[2] & MASK_OPCODE)
		return PARSE_NOTIMP;
	if (!is_well_formed)
		return PARSE_FORMERR;
	if (ret->edns.version != 0) /* RFC 6891 §6.1.3 */
		return PARSE_BADVERS;
	if (!has_question)
		return ret->edns.cookie_length != 0 ? PARSE_COOKIE : PARSE_FORMERR;
	bool is_transfer = ret->question.type == RR_AXFR || ret->question.type == RR_IXFR;
	if (ret->class != RR_CLASS_IN || is_transfer)
		return PARSE_UNSUPPORTED;
	return PARSE_ANSWER;
}
