/*
 * Records into a message: see writer.h. The usual ones have a short way: a set whose records stand ready
 * behind the question goes in as one copy, VIPs but for their few fields, and the SOA of a negative
 * answer but for its three names. All else goes record by record. Any reader thread.
 */
#include "gslb/serve/writer.h"
#include "gslb/decide/https.h"
#include "lib/bytes.h"
#include "lib/inline.h"
#include <string.h>

#define POINTER_OFFSET_MAX 0x3fff
#define RECORD_HEAD_OCTETS 12 /* of a record whose owner is a pointer: up to and with RDLENGTH */

void writer_init(struct writer *writer, uint8_t *out, size_t limit, const struct message *message)
{
	writer->out = out;
	writer->at = message->question_end;
	writer->limit = limit;
	writer->is_full = false;
	writer->has_question_names = message->question.length == 0;
	writer->name_count = 0;
	writer->question = message->question.length != 0 ? message->wire + HEADER_OCTETS : NULL;
	writer->question_length = message->question.length;
}

/* Room for `octets` more, or NULL. */
static uint8_t *take(struct writer *writer, size_t octets)
{
	if (writer->is_full || writer->limit - writer->at < octets) {
		writer->is_full = true;
		return NULL;
	}
	uint8_t *room = writer->out + writer->at;
	writer->at += octets;
	return room;
}

static void put(struct writer *writer, const uint8_t *octets, size_t length)
{
	uint8_t *room = take(writer, length);
	if (room)
		bytes_copy(room, octets, length);
}

/* ---- names ---- */

static inline uint8_t fold(uint8_t octet)
{
	return octet >= 'A' && octet <= 'Z' ? octet | 0x20 : octet;
}

/* Case does not count (RFC 4343 §3): mostly it is the same, and then one memcmp tells. */
static bool is_same_label(const uint8_t *a, const uint8_t *b, size_t length)
{
	if (memcmp(a, b, length) == 0)
		return true;
	for (size_t i = 0; i < length; i++)
		if (fold(a[i]) != fold(b[i]))
			return false;
	return true;
}

/* Whether the name written at `offset`, itself maybe compressed, is `name`, whose length it has. */
static bool is_written_name(const struct writer *writer, size_t offset, const uint8_t *name, size_t length)
{
	const uint8_t *out = writer->out;
	if (offset + length <= writer->at && memcmp(out + offset, name, length) == 0)
		return true; /* in full and in the same case */
	for (;;) {
		while (out[offset] >= POINTER_MARK >> 8)
			offset = bytes_get16(out + offset) & POINTER_OFFSET_MAX;
		unsigned label = *name;
		if (out[offset] != label)
			return false;
		if (label == 0)
			return true;
		if (!is_same_label(out + offset + 1, name + 1, label))
			return false;
		offset += 1 + label;
		name += 1 + label;
	}
}

/* The name that begins at `offset` and ends with what is already remembered. */
static void remember_name(struct writer *writer, size_t offset, size_t length)
{
	if (writer->name_count == WRITER_NAMES_MAX || offset > POINTER_OFFSET_MAX)
		return;
	writer->names[writer->name_count++] = (struct written_name){(uint16_t)offset, (uint8_t)length};
}

static void remember_question(struct writer *writer)
{
	writer->has_question_names = true;
	const uint8_t *name = writer->out + HEADER_OCTETS;
	size_t left = name_length(name);
	for (; *name != 0; left -= 1u + *name, name += 1u + *name)
		remember_name(writer, (size_t)(name - writer->out), left);
}

/* Where a name of this length (uncompressed) stands, or 0. */
static uint16_t find_name(const struct writer *writer, const uint8_t *name, size_t length)
{
	for (unsigned i = 0; i < writer->name_count; i++)
		if (writer->names[i].length == length &&
		    is_written_name(writer, writer->names[i].offset, name, length))
			return writer->names[i].offset;
	return 0;
}

/* `length`: of the name. */
static void put_name(struct writer *writer, const uint8_t *name, size_t length)
{
	if (writer->is_full) /* names[] may speak of what was not written */
		return;
	if (!writer->has_question_names)
		remember_question(writer);
	size_t left = length;
	const uint8_t *label = name;
	uint16_t found = 0;
	for (; *label != 0 && (found = find_name(writer, label, left)) == 0; label += 1u + *label) {
		/* its octets follow below; a shorter rest of the same name cannot match it */
		remember_name(writer, writer->at + (size_t)(label - name), left);
		left -= 1u + *label;
	}
	size_t literal = (size_t)(label - name);
	uint8_t *room = take(writer, literal + (found ? 2 : 1));
	if (!room)
		return;
	memcpy(room, name, literal);
	if (found)
		bytes_put16(room + literal, POINTER_MARK | found);
	else
		room[literal] = 0;
}

/* The owner of several records: a name at first, then a pointer to where it was written. */
struct owner {
	const uint8_t *name;
	uint16_t offset; /* 0: not written yet, or out of a pointer's reach */
};

static struct owner owner_of(const struct writer *writer, const struct answer_item *item)
{
	return (struct owner){item->owner, item->owner == writer->question ? HEADER_OCTETS : 0};
}

static OUT_OF_LINE void put_owner_name(struct writer *writer, struct owner *owner)
{
	size_t start = writer->at;
	put_name(writer, owner->name, name_length(owner->name));
	if (writer->is_full)
		return;
	if (writer->out[start] >= POINTER_MARK >> 8)
		owner->offset = bytes_get16(writer->out + start) & POINTER_OFFSET_MAX;
	else if (start <= POINTER_OFFSET_MAX && owner->name[0] != 0)
		owner->offset = (uint16_t)start;
}

static inline void put_owner(struct writer *writer, struct owner *owner)
{
	if (owner->offset == 0) {
		put_owner_name(writer, owner);
		return;
	}
	uint8_t *room = take(writer, 2);
	if (room)
		bytes_put16(room, POINTER_MARK | owner->offset);
}

/* ---- records ---- */

/* Owner, TYPE, CLASS, TTL and RDLENGTH. Returns the place of the RDATA, or NULL. */
static inline uint8_t *start_record(struct writer *writer, struct owner *owner, uint16_t type, uint32_t ttl,
				    size_t rdata_octets)
{
	uint8_t *head;
	if (owner->offset == 0) {
		put_owner_name(writer, owner);
		head = take(writer, 10 + rdata_octets);
		if (!head)
			return NULL;
	} else {
		head = take(writer, 12 + rdata_octets);
		if (!head)
			return NULL;
		bytes_put16(head, POINTER_MARK | owner->offset);
		head += 2;
	}
	bytes_put16(head, type);
	bytes_put16(head + 2, RR_CLASS_IN);
	bytes_put32(head + 4, ttl);
	bytes_put16(head + 8, (uint16_t)rdata_octets);
	return head + 10;
}

/* RDATA that holds names which may be compressed. Returns with RDLENGTH written. */
static void put_compressed_rdata(struct writer *writer, const uint8_t *rdata, size_t length, size_t prefix,
				 unsigned names)
{
	uint8_t *rdlength = take(writer, 2);
	size_t start = writer->at, at = prefix;
	put(writer, rdata, prefix);
	for (unsigned i = 0; i < names; i++) {
		size_t octets = name_length(rdata + at);
		put_name(writer, rdata + at, octets);
		at += octets;
	}
	put(writer, rdata + at, length - at);
	if (!writer->is_full)
		bytes_put16(rdlength, (uint16_t)(writer->at - start));
}

/* Whether the set's records can be sent as they stand. */
static inline bool is_ready(const struct writer *writer, const struct answer_item *item)
{
	return item->owner == writer->question && item->set->name_count == 0 && item->ttl == item->set->ttl;
}

static OUT_OF_LINE void put_set(struct writer *writer, const struct answer_item *item)
{
	const struct rrset *set = item->set;
	struct owner owner = owner_of(writer, item);
	const uint8_t *record = set->wire;
	for (unsigned i = 0; i < set->count && !writer->is_full; i++) {
		size_t length = bytes_get16(record + 10);
		put_owner(writer, &owner);
		uint8_t *fixed = take(writer, 8);
		if (!fixed)
			return;
		memcpy(fixed, record + 2, 4);
		bytes_put32(fixed + 4, item->ttl);
		if (set->name_count != 0)
			put_compressed_rdata(writer, record + RECORD_HEAD_OCTETS, length, set->name_prefix,
					     set->name_count);
		else
			put(writer, record + 10, 2 + length);
		record += RECORD_HEAD_OCTETS + length;
	}
}

/* The SOA of the question's zone: the question ends in the apex, so that its names need no search. */
static bool is_inner_soa(const struct answer *answer, const struct answer_item *item)
{
	const struct zone *zone = answer->zone;
	return zone && item->owner == zone->name.octets && item->type == RR_SOA && zone->negative;
}

static OUT_OF_LINE void put_inner_soa(struct writer *writer, const struct zone *zone,
				      const struct answer_item *item)
{
	size_t at = writer->at;
	if (take(writer, writer_negative_octets(zone)))
		writer_put_negative(zone, item, writer->question_length, writer->out, at);
}

/* Below a name that is not the question's: behind a chain. */
static OUT_OF_LINE void put_vips_of_owner(struct writer *writer, const struct answer *answer,
					  const struct answer_item *item)
{
	struct owner owner = owner_of(writer, item);
	size_t octets = item->type == RR_A ? 4 : 16;
	unsigned row = item->type == RR_AAAA;
	for (unsigned i = 0; i < answer->vip_count[row]; i++) {
		uint8_t *rdata = start_record(writer, &owner, item->type, item->ttl, octets);
		if (!rdata)
			return;
		memcpy(rdata, answer->vips[row][i]->ip.bytes, octets);
	}
}

/* All records have one head; `octets` (4 or 16) is a constant where this is inlined. */
static inline void put_vips_of_question(struct writer *writer, const struct answer *answer,
					const struct answer_item *item, unsigned row, size_t octets)
{
	size_t count = answer->vip_count[row];
	uint8_t *out = take(writer, count * (RECORD_HEAD_OCTETS + octets)), head[RECORD_HEAD_OCTETS];
	if (!out)
		return;
	bytes_put32(head, (uint32_t)(POINTER_MARK | HEADER_OCTETS) << 16 | item->type);
	bytes_put16(head + 4, RR_CLASS_IN);
	bytes_put32(head + 6, item->ttl);
	bytes_put16(head + 10, (uint16_t)octets);
	for (const struct plan_vip *const *vip = answer->vips[row], *const *end = vip + count; vip < end;
	     vip++) {
		memcpy(out, head, sizeof head);
		memcpy(out + sizeof head, (*vip)->ip.bytes, octets);
		out += sizeof head + octets;
	}
}

static OUT_OF_LINE void put_vips(struct writer *writer, const struct answer *answer,
				 const struct answer_item *item)
{
	if (item->owner != writer->question)
		put_vips_of_owner(writer, answer, item);
	else if (item->type == RR_A)
		put_vips_of_question(writer, answer, item, 0, 4);
	else
		put_vips_of_question(writer, answer, item, 1, 16);
}

static OUT_OF_LINE void put_https(struct writer *writer, const struct answer *answer,
				  const struct answer_item *item)
{
	struct owner owner = owner_of(writer, item);
	const struct plan_service *service = answer->choice.policy->service;
	size_t length = https_rdata_length(service, answer->vip_count);
	uint8_t *rdata = start_record(writer, &owner, item->type, item->ttl, length);
	if (rdata)
		https_rdata_write(service, (const struct plan_vip *const(*)[ANSWERS_MAX])answer->vips,
				  answer->vip_count, rdata);
}

static OUT_OF_LINE void put_cname(struct writer *writer, const struct answer_item *item)
{
	struct owner owner = owner_of(writer, item);
	put_owner(writer, &owner);
	uint8_t *fixed = take(writer, 8);
	if (!fixed)
		return;
	bytes_put16(fixed, RR_CNAME);
	bytes_put16(fixed + 2, RR_CLASS_IN);
	bytes_put32(fixed + 4, item->ttl);
	put_compressed_rdata(writer, item->target, name_length(item->target), 0, 1);
}

unsigned writer_put_item(struct writer *writer, const struct answer *answer, const struct answer_item *item)
{
	switch (item->kind) {
	case ITEM_SET:
		if (is_ready(writer, item))
			put(writer, item->set->wire, item->set->wire_length);
		else if (is_inner_soa(answer, item))
			put_inner_soa(writer, answer->zone, item);
		else
			put_set(writer, item);
		return item->set->count;
	case ITEM_VIPS:
		put_vips(writer, answer, item);
		return answer->vip_count[item->type == RR_AAAA];
	case ITEM_HTTPS:
		put_https(writer, answer, item);
		return 1;
	case ITEM_CNAME:
		put_cname(writer, item);
		return 1;
	}
	return 0;
}
