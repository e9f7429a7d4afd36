/*
 * Records → one zone: sets, names, empty non-terminals, and what a zone may hold. Control thread
 * builds; look-ups from any thread.
 */
#include "zones/zone.h"
#include "lib/arena.h"
#include "lib/mem.h"
#include "zones/negative.h"
#include "zones/rrtype.h"
#include "zones/target.h"
#include "zones/zone_text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_HEAD 12 /* pointer, type, class, TTL, RDLENGTH */
#define NONE UINT32_MAX
#define MESSAGE_OCTETS 65535
#define MESSAGE_HEAD 16 /* header, and what a question has behind its name */
#define OPT_OCTETS 128	/* an OPT record with the options of a reply */

struct record { /* in the staging arena */
	struct record *next;
	const char *file;
	uint32_t line;
	uint32_t ttl;
	uint32_t sequence;
	uint16_t type;
	uint16_t length;
	bool is_dropped;
	uint8_t rdata[];
};

struct owner { /* a node while the zone is being built */
	struct zone_node *node;
	struct record *first, *last;
	uint32_t count;
	uint32_t parent; /* number, NONE at the apex */
};

struct builder {
	struct zone *zone;
	struct arena *staging;
	struct err_list *errors;
	size_t errors_before, warnings;
	const char *file; /* the zone's own, for what has no line */
	struct owner *owners;
	size_t owner_count, owner_capacity;
	uint32_t *table; /* owner number + 1 */
	size_t table_mask;
	struct record **sorted;
	size_t sorted_capacity;
	uint32_t sequence;
	bool is_soa_missed; /* the text was read whole and has no SOA at all, not even a wrong one */
};

static bool is_full(const struct builder *builder)
{
	return builder->errors->errors - builder->errors_before >= ZONE_ERRORS_MAX;
}

static void fail(struct builder *builder, const struct record *at, const struct owner *owner,
		 const char *text)
{
	char name[NAME_TEXT_MAX];

	assert(at->file && at->line > 0);
	if (is_full(builder))
		return;
	name_to_text(owner->node->name, name);
	err_add(builder->errors, at->file, at->line, 0, "%s: %s", name, text);
}

static void warn(struct builder *builder, const char *file, uint32_t line, const uint8_t *owner,
		 const char *text)
{
	char name[NAME_TEXT_MAX];

	if (builder->warnings++ >= ZONE_ERRORS_MAX)
		return;
	name_to_text(owner, name);
	err_warn(builder->errors, file, line, 0, "%s: %s", name, text);
}

/* ---- names ---- */

static void table_grow(struct builder *builder)
{
	size_t slots = builder->table ? (builder->table_mask + 1) * 2 : 64;

	assert((slots & (slots - 1)) == 0 && slots > builder->owner_count);
	free(builder->table);
	builder->table = xcalloc(slots, sizeof *builder->table);
	builder->table_mask = slots - 1;
	for (size_t i = 0; i < builder->owner_count; i++) {
		const struct zone_node *node = builder->owners[i].node;
		size_t slot = name_hash(node->name, node->name_length) & builder->table_mask;
		while (builder->table[slot])
			slot = (slot + 1) & builder->table_mask;
		builder->table[slot] = (uint32_t)i + 1;
	}
}

/* The number of the owner, made when it is new; *ret_is_new. */
static uint32_t owner_number(struct builder *builder, const uint8_t *name, size_t length, bool *ret_is_new)
{
	assert(length > 0 && length <= NAME_MAX_OCTETS);
	if (builder->owner_count * 3 >= (builder->table ? builder->table_mask + 1 : 0) * 2)
		table_grow(builder);
	size_t slot = name_hash(name, length) & builder->table_mask;
	for (; builder->table[slot]; slot = (slot + 1) & builder->table_mask) {
		const struct zone_node *node = builder->owners[builder->table[slot] - 1].node;
		if (node->name_length == length && memcmp(node->name, name, length) == 0) {
			*ret_is_new = false;
			return builder->table[slot] - 1;
		}
	}
	if (builder->owner_count == builder->owner_capacity)
		xgrow((void **)&builder->owners, &builder->owner_capacity, builder->owner_count + 1,
		      sizeof *builder->owners);
	struct zone_node *node = arena_alloc(builder->zone->arena, sizeof *node + length);
	uint8_t *copy = (uint8_t *)(node + 1);
	memcpy(copy, name, length);
	node->name = copy;
	node->name_length = (uint8_t)length;
	builder->owners[builder->owner_count] = (struct owner){.node = node, .parent = NONE};
	builder->table[slot] = (uint32_t)++builder->owner_count;
	*ret_is_new = true;
	return (uint32_t)builder->owner_count - 1;
}

/* The owner and, up to the apex, its empty non-terminals (RFC 4592 §2.2.2). */
static uint32_t add_owner(struct builder *builder, const uint8_t *name, size_t length)
{
	bool is_new;
	uint32_t first = owner_number(builder, name, length, &is_new), child = first;

	while (is_new && length > builder->zone->name.length) {
		assert(*name + 1u < length); /* the apex comes first */
		length -= *name + 1u;
		name += *name + 1;
		uint32_t parent = owner_number(builder, name, length, &is_new);
		assert(parent != child && parent < builder->owner_count);
		builder->owners[child].parent = parent;
		child = parent;
	}
	return first;
}

/* ---- records ---- */

static void take_record(void *context, const struct zone_record *record)
{
	struct builder *builder = context;
	const struct name *apex = &builder->zone->name, *owner = record->owner;
	bool is_apex = name_equal(owner->octets, apex->octets);

	assert(record->length <= UINT16_MAX && record->line > 0);

	if (record->type == RR_SOA && !is_apex) {
		char name[NAME_TEXT_MAX];
		name_to_text(owner->octets, name);
		err_add(builder->errors, record->file, record->line, 0,
			"SOA of %s is not at the apex of the zone", name);
		return;
	}
	if (!is_apex && !name_is_below(owner->octets, apex->octets)) {
		warn(builder, record->file, record->line, owner->octets, "outside the zone, ignored");
		return;
	}
	struct record *copy = arena_alloc(builder->staging, sizeof *copy + record->length);
	*copy = (struct record){.file = record->file,
				.line = record->line,
				.ttl = record->ttl,
				.sequence = builder->sequence++,
				.type = record->type,
				.length = (uint16_t)record->length};
	memcpy(copy->rdata, record->rdata, record->length);
	uint32_t number = add_owner(builder, owner->octets, owner->length);
	struct owner *to = &builder->owners[number];
	if (to->last)
		to->last->next = copy;
	else
		to->first = copy;
	to->last = copy;
	to->count++;
}

static int compare_data(const void *left, const void *right)
{
	const struct record *a = *(struct record *const *)left, *b = *(struct record *const *)right;

	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	/* without case, so that records equal in RFC 2181 §5 terms become neighbours */
	for (size_t i = 0; i < a->length; i++) {
		int x = a->rdata[i], y = b->rdata[i];
		x = x >= 'A' && x <= 'Z' ? x + 32 : x;
		y = y >= 'A' && y <= 'Z' ? y + 32 : y;
		if (x != y)
			return x - y;
	}
	int order = memcmp(a->rdata, b->rdata, a->length);
	if (order)
		return order;
	return a->sequence < b->sequence ? -1 : 1;
}

static int compare_order(const void *left, const void *right)
{
	const struct record *a = *(struct record *const *)left, *b = *(struct record *const *)right;

	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return a->sequence < b->sequence ? -1 : 1;
}

static bool is_single(uint16_t type)
{
	return type == RR_SOA || type == RR_CNAME || type == RR_DNAME;
}

static void drop_duplicates(struct record **records, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		const struct record *a = records[i - 1], *b = records[i];
		if (a->type == b->type && a->length == b->length && !is_single(a->type) &&
		    rrtype_rdata_equal(a->type, a->rdata, b->rdata, a->length))
			records[i]->is_dropped = true;
	}
}

/* The owner's records by type, duplicates gone, otherwise in the order of the text. */
static size_t sort_records(struct builder *builder, const struct owner *owner)
{
	size_t count = 0, kept = 0;

	if (owner->count > builder->sorted_capacity)
		xgrow((void **)&builder->sorted, &builder->sorted_capacity, owner->count,
		      sizeof *builder->sorted);
	for (struct record *record = owner->first; record; record = record->next)
		builder->sorted[count++] = record;
	assert(count == owner->count);
	if (count < 2)
		return count;
	qsort(builder->sorted, count, sizeof *builder->sorted, compare_data);
	drop_duplicates(builder->sorted, count);
	for (size_t i = 0; i < count; i++) {
		if (!builder->sorted[i]->is_dropped)
			builder->sorted[kept++] = builder->sorted[i];
	}
	assert(kept > 0 && kept <= count);
	qsort(builder->sorted, kept, sizeof *builder->sorted, compare_order);
	return kept;
}

static uint8_t *put16(uint8_t *to, uint32_t value)
{
	*to++ = (uint8_t)(value >> 8);
	*to++ = (uint8_t)value;
	return to;
}

static uint8_t *put32(uint8_t *to, uint32_t value)
{
	return put16(put16(to, value >> 16), value);
}

/* "MX 10 192.0.2.1" is a name relative to the zone, and nobody finds a server there. */
static void check_targets(struct builder *builder, const struct owner *owner, const struct rrset *set,
			  struct record *const *records)
{
	char type[16], name[NAME_TEXT_MAX];
	const uint8_t *target;

	for (size_t i = 0; i < set->count; i++) {
		if (!target_is_address(set, records[i]->rdata, &builder->zone->name, &target))
			continue;
		rrtype_to_text(set->type, type);
		name_to_text(target, name);
		char *text = xasprintf("%s points to the name %s; an address cannot stand there", type, name);
		warn(builder, records[i]->file, records[i]->line, owner->node->name, text);
		free(text);
	}
}

static const struct rrset *make_set(struct builder *builder, const struct owner *owner,
				    struct record *const *records, size_t count, const struct rrset *next)
{
	size_t length = 0;
	uint32_t ttl = records[0]->ttl;

	assert(count > 0 && count <= UINT16_MAX); /* of twelve octets at least, in one message */
	const struct record *differs = NULL;

	for (size_t i = 0; i < count; i++) {
		length += WIRE_HEAD + records[i]->length;
		if (records[i]->ttl != records[0]->ttl && !differs)
			differs = records[i];
		if (records[i]->ttl < ttl)
			ttl = records[i]->ttl;
	}
	/* the signatures of one name are no set: each has the TTL of what it signs (RFC 4034 §3) */
	if (differs && records[0]->type != RR_RRSIG)
		warn(builder, differs->file, differs->line, owner->node->name,
		     "TTL differs from that of the other records of the set; the lowest is used");
	struct rrset *set = arena_alloc(builder->zone->arena, sizeof *set + length);
	uint8_t *to = (uint8_t *)(set + 1);
	*set = (struct rrset){.next = next,
			      .type = records[0]->type,
			      .count = (uint16_t)count,
			      .ttl = ttl,
			      .wire_length = (uint32_t)length,
			      .wire = to};
	rrset_set_layout(set);
	check_targets(builder, owner, set, records);
	for (size_t i = 0; i < count; i++) {
		to = put16(to, 0xc00c);
		to = put16(to, set->type);
		to = put16(to, RR_CLASS_IN);
		to = put32(to, ttl);
		to = put16(to, records[i]->length);
		memcpy(to, records[i]->rdata, records[i]->length);
		to += records[i]->length;
	}
	assert(to == set->wire + length);
	return set;
}

/* ---- what a zone may hold ---- */

static bool may_stand_beside_cname(uint16_t type) /* RFC 2181 §10.1, RFC 4034 §3 and §4 */
{
	return type == RR_CNAME || type == RR_RRSIG || type == RR_NSEC;
}

static bool may_stand_at_cut(uint16_t type) /* addresses there are glue */
{
	return type == RR_NS || type == RR_DS || type == RR_RRSIG || type == RR_NSEC || type == RR_A ||
	       type == RR_AAAA;
}

/* Records sorted by type. */
static void check_single(struct builder *builder, const struct owner *owner, struct record *const *records,
			 size_t count)
{
	bool has_cname = false;

	for (size_t i = 0; i < count; i++) {
		uint16_t type = records[i]->type;
		has_cname = has_cname || type == RR_CNAME;
		if (i == 0 || records[i - 1]->type != type || !is_single(type))
			continue;
		fail(builder, records[i], owner,
		     type == RR_SOA	? "two SOA records"
		     : type == RR_CNAME ? "two CNAME records"
					: "two DNAME records");
	}
	for (size_t i = 0; has_cname && i < count; i++) {
		if (!may_stand_beside_cname(records[i]->type)) {
			char type[16], text[64];
			rrtype_to_text(records[i]->type, type);
			snprintf(text, sizeof text, "CNAME with other data (%s)", type);
			fail(builder, records[i], owner, text);
			return;
		}
	}
}

/* Octets of the record in a message where every name that may be compressed is a pointer. */
static size_t fewest_octets(const struct rrset *layout, const struct record *record)
{
	const uint8_t *name = record->rdata + layout->name_prefix;
	size_t octets = WIRE_HEAD + record->length;

	for (unsigned i = 0; i < layout->name_count; i++) {
		size_t length = name_length(name);
		octets -= length > 2 ? length - 2 : 0;
		name += length;
	}
	assert(name <= record->rdata + record->length); /* what loads has all fields of its type */
	return octets;
}

/* A set goes into a message whole, and over TCP there is nothing larger to ask for. */
static bool check_size(struct builder *builder, const struct owner *owner, struct record *const *records,
		       size_t count)
{
	struct rrset layout = {.type = records[0]->type};
	bool is_wildcard = name_is_wildcard(owner->node->name);
	size_t question = MESSAGE_HEAD + owner->node->name_length, longest = MESSAGE_HEAD + NAME_MAX_OCTETS;
	size_t fewest = 0, most = 0;

	rrset_set_layout(&layout);
	for (size_t i = 0; i < count; i++) {
		fewest += fewest_octets(&layout, records[i]);
		most += WIRE_HEAD + records[i]->length;
	}
	if (most + (is_wildcard ? longest : question) + OPT_OCTETS <= MESSAGE_OCTETS)
		return true;
	bool can_fit = fewest + question <= MESSAGE_OCTETS;
	char type[16], text[160];
	rrtype_to_text(layout.type, type);
	snprintf(text, sizeof text, "the set of %zu %s records has %zu octets; a DNS message holds %d%s",
		 count, type, most, MESSAGE_OCTETS, can_fit ? ", and it may not fit" : "");
	if (can_fit)
		warn(builder, records[0]->file, records[0]->line, owner->node->name, text);
	else
		fail(builder, records[0], owner, text);
	return can_fit;
}

static void build_sets(struct builder *builder, struct owner *owner)
{
	size_t count = sort_records(builder, owner);
	struct record **sorted = builder->sorted;
	const struct rrset *sets = NULL;

	check_single(builder, owner, sorted, count);
	for (size_t end = count; end > 0;) { /* backwards: the list ends up ascending */
		size_t first = end - 1;
		while (first > 0 && sorted[first - 1]->type == sorted[first]->type)
			first--;
		if (!check_size(builder, owner, sorted + first, end - first))
			return;
		sets = make_set(builder, owner, sorted + first, end - first, sets);
		end = first;
	}
	owner->node->sets = sets;
}

static void set_flags(const struct builder *builder, struct owner *owner)
{
	struct zone_node *node = owner->node;
	bool is_apex = node == builder->owners[0].node;

	node->flags = is_apex ? ZONE_NODE_APEX : 0;
	for (const struct rrset *set = node->sets; set; set = set->next) {
		if (set->type == RR_NS && !is_apex)
			node->flags |= ZONE_NODE_CUT;
		if (set->type == RR_DNAME)
			node->flags |= ZONE_NODE_DNAME;
		if (set->type == RR_CNAME)
			node->flags |= ZONE_NODE_CNAME;
	}
}

static const struct owner *covering(const struct builder *builder, const struct owner *owner)
{
	const struct owner *top = NULL;

	assert(owner >= builder->owners && owner < builder->owners + builder->owner_count);
	while (owner->parent != NONE) {
		assert(owner->parent < builder->owner_count);
		owner = &builder->owners[owner->parent];
		if (owner->node->flags & (ZONE_NODE_CUT | ZONE_NODE_DNAME))
			top = owner;
	}
	return top;
}

/* Names below a cut or DNAME never answer (RFC 1034 §4.2.1, RFC 6672 §2.4); glue is expected there. */
static void check_occluded(struct builder *builder, struct owner *owner)
{
	const struct owner *top = covering(builder, owner);
	bool is_below_cut = top && (top->node->flags & ZONE_NODE_CUT);

	if (top)
		owner->node->flags |= ZONE_NODE_OCCLUDED;
	else if (!(owner->node->flags & ZONE_NODE_CUT))
		return;
	for (const struct record *record = owner->first; record; record = record->next) {
		if (top && is_below_cut && (record->type == RR_A || record->type == RR_AAAA))
			continue;
		if (!top && may_stand_at_cut(record->type))
			continue;
		warn(builder, record->file, record->line, owner->node->name,
		     !top	    ? "data beside a delegation is occluded"
		     : is_below_cut ? "below a delegation, occluded"
				    : "below a DNAME, occluded");
		return;
	}
}

static uint8_t *soa_serial(const struct rrset *soa)
{
	/* the wire form stands in the zone's own arena, which nobody else reads before publication */
	uint8_t *rdata = (uint8_t *)(uintptr_t)soa->wire + WIRE_HEAD;

	assert(soa->type == RR_SOA && soa->wire_length >= WIRE_HEAD + 2 + ZONE_SOA_NUMBERS);
	rdata += name_length(rdata);
	return rdata + name_length(rdata);
}

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void check_apex(struct builder *builder)
{
	struct zone *zone = builder->zone;
	const struct owner *apex = &builder->owners[0];
	char name[NAME_TEXT_MAX];

	name_to_text(zone->name.octets, name);
	zone->soa = rrset_find(apex->node->sets, RR_SOA);
	zone->ns = rrset_find(apex->node->sets, RR_NS);
	if (!zone->soa) {
		if (builder->is_soa_missed)
			err_add(builder->errors, builder->file, 1, 0, "no SOA record of %s", name);
		return;
	}
	const uint8_t *serial = soa_serial(zone->soa);
	uint32_t minimum = load32(serial + 16);
	zone->serial = load32(serial);
	zone->negative_ttl = minimum < zone->soa->ttl ? minimum : zone->soa->ttl;
	negative_compress(zone);
	if (!zone->ns) {
		const struct record *soa = apex->first;
		while (soa->type != RR_SOA)
			soa = soa->next;
		warn(builder, soa->file, soa->line, zone->name.octets, "no NS record at the apex");
	}
}

static void finish(struct builder *builder)
{
	struct zone *zone = builder->zone;
	bool has_cover = false;

	assert(builder->owner_count > 0 && name_equal(builder->owners[0].node->name, zone->name.octets));
	for (size_t i = 0; i < builder->owner_count; i++) {
		build_sets(builder, &builder->owners[i]);
		set_flags(builder, &builder->owners[i]);
		has_cover = has_cover || (builder->owners[i].node->flags & (ZONE_NODE_CUT | ZONE_NODE_DNAME));
	}
	for (size_t i = 0; has_cover && i < builder->owner_count; i++)
		check_occluded(builder, &builder->owners[i]);
	check_apex(builder);

	const struct zone_node **table = arena_alloc(zone->arena, (builder->table_mask + 1) * sizeof *table);
	for (size_t i = 0; i <= builder->table_mask; i++) {
		if (builder->table[i])
			table[i] = builder->owners[builder->table[i] - 1].node;
	}
	for (size_t i = 0; i < builder->owner_count; i++) {
		struct zone_node *node = builder->owners[i].node;
		node->next = i + 1 < builder->owner_count ? builder->owners[i + 1].node : NULL;
	}
	zone->table = table;
	zone->table_mask = builder->table_mask;
	zone->nodes = builder->owners[0].node;
	zone->node_count = builder->owner_count;
	for (const struct zone_node *node = zone->nodes; node; node = node->next) {
		for (const struct rrset *set = node->sets; set; set = set->next)
			zone->record_count += set->count;
	}
}

struct zone *zone_load(const struct name *name, const char *path, const char *text, const char *label,
		       struct err_list *errors)
{
	struct arena *arena = arena_new();
	struct zone *zone = arena_alloc(arena, sizeof *zone);
	struct builder builder = {.zone = zone,
				  .staging = arena_new(),
				  .errors = errors,
				  .errors_before = errors->errors,
				  .file = path ? path : label};

	assert((!path) != (!text));
	zone->references = 1;
	zone->arena = arena;
	zone->name = *name;
	name_lower(zone->name.octets, zone->name.length);
	add_owner(&builder, zone->name.octets, zone->name.length);
	struct zone_text reading = {.name = &zone->name,
				    .path = path,
				    .text = text,
				    .label = label,
				    .arena = builder.staging,
				    .errors = errors,
				    .record = take_record,
				    .context = &builder};
	zone_text_read(&reading);
	zone->content_hash = reading.content_hash;
	zone->modified_unix_s = reading.modified_unix_s;
	builder.is_soa_missed = reading.was_read_whole && !reading.has_soa;
	finish(&builder);
	arena_free(builder.staging);
	free(builder.owners);
	free(builder.table);
	free(builder.sorted);
	if (errors->errors != builder.errors_before) {
		zone_unref(zone);
		return NULL;
	}
	return zone;
}

void zone_set_serial(struct zone *zone, uint32_t serial)
{
	zone->serial = serial;
	put32(soa_serial(zone->soa), serial);
}

static struct rrset *copy_soa(struct zone *zone)
{
	struct rrset *copy = arena_dup(zone->arena, zone->soa, sizeof *copy);
	copy->wire = arena_dup(zone->arena, zone->soa->wire, zone->soa->wire_length);
	return copy;
}

void zone_renew_serial(struct zone *zone, uint32_t serial)
{
	const struct rrset *current = zone_soa(zone);
	assert(current->type == RR_SOA && current->wire_length == zone->soa->wire_length);
	unsigned turn = current == zone->soa_copies[0];
	if (!zone->soa_copies[turn])
		zone->soa_copies[turn] = copy_soa(zone);
	put32(soa_serial(zone->soa_copies[turn]), serial);
	zone->serial = serial;
	atomic_store_explicit(&zone->renewed_soa, zone->soa_copies[turn], memory_order_release);
}

struct zone *zone_ref(struct zone *zone)
{
	assert(zone->references > 0);
	zone->references++;
	return zone;
}

void zone_unref(struct zone *zone)
{
	assert(!zone || zone->references > 0);
	if (zone && --zone->references == 0)
		arena_free(zone->arena);
}

static const struct zone_node *get(const struct zone *zone, const uint8_t *name, size_t length)
{
	size_t slot = name_hash(name, length) & zone->table_mask;

	for (; zone->table[slot]; slot = (slot + 1) & zone->table_mask) {
		const struct zone_node *node = zone->table[slot];
		if (node->name_length == length && memcmp(node->name, name, length) == 0)
			return node;
	}
	return NULL;
}

const struct zone_node *zone_find(const struct zone *zone, const uint8_t *name,
				  const struct zone_node **ret_cut)
{
	size_t length = name_length(name);
	assert(length >= zone->name.length);
	const struct zone_node *found = get(zone, name, length), *cut = NULL;

	/* from the parent up to the apex; the topmost cut wins */
	while (length > zone->name.length) {
		length -= *name + 1u;
		name += *name + 1;
		const struct zone_node *node = get(zone, name, length);
		if (node && (node->flags & (ZONE_NODE_CUT | ZONE_NODE_DNAME)))
			cut = node;
	}
	if (ret_cut)
		*ret_cut = cut;
	return found;
}
