/*
 * The reply as a whole. When it does not fit: additional records go first and without a word (RFC 2181
 * §9), but for the in-domain glue of a referral (RFC 9471 §3.1); when anything else does not fit, all
 * records go and TC says so, for a resolver throws the rest away anyway. Any reader thread.
 */
#include "gslb/serve/reply.h"
#include "gslb/serve/writer.h"
#include "lib/bytes.h"
#include "lib/inline.h"
#include <string.h>

enum { /* octets 2 and 3 of the header */
       FLAG_QR = 0x80,
       MASK_OPCODE = 0x78,
       FLAG_AA = 0x04,
       FLAG_TC = 0x02,
       FLAG_RD = 0x01,
};

struct sections {				/* what stands behind the question */
	uint16_t answer, authority, additional; /* records */
	bool is_truncated;
	uint32_t end; /* octets of the message so far */
};

static const struct answer_item *referral_of(const struct answer *answer)
{
	const struct answer_item *first = &answer->items[answer->answer_count];
	return answer->authority_count != 0 && first->type == RR_NS ? first : NULL;
}

/* Glue without which the delegation cannot be followed: servers inside the delegated zone. */
static bool is_in_domain(const struct answer_item *glue, const struct answer_item *referral)
{
	return referral &&
	       (name_equal(glue->owner, referral->owner) || name_is_below(glue->owner, referral->owner));
}

/* Additional sets of one kind, each whole or not at all; false: one did not fit. */
static OUT_OF_LINE bool put_additional(struct writer *writer, const struct answer *answer, bool in_domain,
				       uint16_t *count)
{
	const struct answer_item *referral = referral_of(answer);
	const struct answer_item *item = &answer->items[answer->answer_count + answer->authority_count];
	bool is_whole = true;
	for (unsigned i = 0; i < answer->additional_count; i++, item++) {
		if (is_in_domain(item, referral) != in_domain)
			continue;
		struct writer_mark mark = writer_mark(writer);
		unsigned records = writer_put_item(writer, answer, item);
		if (writer->is_full) {
			writer_rewind(writer, mark);
			is_whole = false;
		} else {
			*count += (uint16_t)records;
		}
	}
	return is_whole;
}

/* Truncated: then nothing is written. */
static void put_sections(struct writer *writer, const struct answer *answer, struct sections *sections)
{
	struct writer_mark start = writer_mark(writer);
	const struct answer_item *item = answer->items, *authority = item + answer->answer_count;
	const struct answer_item *end = authority + answer->authority_count;
	for (; item < authority; item++)
		sections->answer += (uint16_t)writer_put_item(writer, answer, item);
	for (; item < end; item++)
		sections->authority += (uint16_t)writer_put_item(writer, answer, item);
	sections->is_truncated = writer->is_full;
	if (!writer->is_full && answer->additional_count != 0) {
		sections->is_truncated = !put_additional(writer, answer, true, &sections->additional);
		put_additional(writer, answer, false, &sections->additional);
	}
	if (!sections->is_truncated)
		return;
	writer_rewind(writer, start);
	*sections = (struct sections){.is_truncated = true};
}

/* Record by record, with names compressed. */
static OUT_OF_LINE struct sections write_sections(const struct message *message, const struct answer *answer,
						  const struct serve_settings *settings, size_t limit,
						  uint8_t *out)
{
	struct sections sections = {.is_truncated = answer->is_truncated};
	struct writer writer;
	size_t room = limit - message->question_end;
	size_t opt_length = edns_length(&message->edns, settings, answer);
	/* more than the room only with a long NSID, which is then left out */
	writer_init(&writer, out, limit - (opt_length < room ? opt_length : room), message);
	if (!answer->is_truncated)
		put_sections(&writer, answer, &sections);
	sections.end = (uint32_t)writer.at;
	return sections;
}

/* Sections that need no more than a copy; there is room for them. */
static inline struct sections copy_sections(const struct message *message, const struct answer *answer,
					    uint8_t *out)
{
	size_t at = message->question_end;
	const struct answer_item *first = answer->items;
	struct sections sections = {.end = (uint32_t)at + answer->ready_octets};
	if (answer->answer_count == 0) {
		writer_put_negative(answer->zone, first, message->question.length, out, at);
		sections.authority = 1;
		return sections;
	}
	bytes_copy(out + at, first->set->wire, answer->ready_octets);
	sections.answer = first->set->count;
	if (answer->additional_count != 0)
		sections.additional = answer->ready_additional;
	return sections;
}

size_t reply_write(const struct message *message, const struct answer *answer,
		   const struct serve_settings *settings, size_t limit, uint8_t *out)
{
	const struct edns *edns = &message->edns;
	bytes_copy(out, message->wire, message->question_end);
	size_t copied = message->question_end + answer->ready_octets;
	bool is_ready = answer->is_ready && !answer->is_truncated &&
			copied + edns_length_most(edns, settings, answer) <= limit;
	struct sections sections = is_ready ? copy_sections(message, answer, out)
					    : write_sections(message, answer, settings, limit, out);
	size_t end = sections.end;
	if (edns->is_present) {
		end += edns_write(edns, settings, answer, out + end, limit - end);
		sections.additional++;
	}

	out[2] = FLAG_QR | (message->wire[2] & (MASK_OPCODE | FLAG_RD)) |
		 (answer->is_authoritative ? FLAG_AA : 0) | (sections.is_truncated ? FLAG_TC : 0);
	out[3] = answer->rcode & 0x0f; /* RA, Z, AD and CD are 0 */
	bytes_put16(out + 4, message->question_end > HEADER_OCTETS);
	bytes_put16(out + 6, sections.answer);
	bytes_put16(out + 8, sections.authority);
	bytes_put16(out + 10, sections.additional);
	return end;
}
