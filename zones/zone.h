/*
 * One zone: master-file text → immutable static data. Reading is libzscanner's; what a zone may
 * hold is checked here (docs/configuration.md, "zones: the file"). Built on a control thread;
 * afterwards immutable and readable from any thread; references are counted on the control thread.
 */
#pragma once
#include "lib/err.h"
#include "zones/name.h"
#include <stdatomic.h>

struct rrset {
	const struct rrset *next; /* other types of the same name */
	uint16_t type;
	uint16_t count; /* records, ≥ 1; duplicates dropped */
	uint32_t ttl;	/* seconds; unequal TTLs in the text: the lowest (RFC 2181 §5.2) */
	uint32_t wire_length;
	/* By type, see rrset_set_layout: the names in each RDATA that a sender may compress are name_count,
	 * behind name_prefix octets; the name whose addresses are additional begins at additional - 1. */
	uint8_t name_prefix, name_count;
	uint8_t additional; /* 0: none */
	/* The records ready to be sent after a question for their owner: each begins with a pointer
	 * to octet 12 (c0 0c), then type, class IN, TTL, RDLENGTH, RDATA without compression. */
	const uint8_t *wire;
};

enum {
	ZONE_NODE_APEX = 1,
	ZONE_NODE_CUT = 2,	/* NS below the apex: a delegation (RFC 1034 §4.2.1) */
	ZONE_NODE_DNAME = 4,	/* owns a DNAME (RFC 6672) */
	ZONE_NODE_OCCLUDED = 8, /* below a cut or DNAME: glue or dead data */
	ZONE_NODE_CNAME = 16,	/* owns a CNAME */
};

struct zone_node {
	const struct zone_node *next;
	const struct rrset *sets; /* NULL: empty non-terminal */
	uint16_t flags;
	uint8_t name_length;
	const uint8_t *name; /* lower case */
};

#define ZONE_SOA_NUMBERS 20	 /* octets from SERIAL to MINIMUM, which follow `negative` */
#define ZONE_NEGATIVE_POINTERS 3 /* owner, MNAME, RNAME */
enum zone_base { ZONE_BASE_QUESTION, ZONE_BASE_RECORD };
struct zone_pointer {
	uint16_t at; /* of the pointer in the record */
	uint16_t
		offset; /* that it leads to, from the zone's name in the question or the record's beginning */
	enum zone_base base;
};

struct zone {
	unsigned references;
	struct arena *arena;
	struct name name;
	const struct rrset *soa, *ns; /* ns may be NULL (warned); the SOA as loaded: ask zone_soa */
	_Atomic(const struct rrset *) renewed_soa; /* NULL until zone_renew_serial */
	struct rrset *soa_copies[2];		   /* written in turns by zone_renew_serial */
	/* The SOA record of a negative answer up to SERIAL, with the TTL of RFC 2308 §5, compressed against a
	 * question for a name of the zone. NULL: the root zone's is not. */
	const uint8_t *negative;
	uint16_t negative_length;
	uint8_t negative_pointer_count;
	struct zone_pointer negative_pointers[ZONE_NEGATIVE_POINTERS];
	uint32_t serial;	       /* as answered; see zone_set_serial */
	uint32_t negative_ttl;	       /* min(SOA TTL, MINIMUM), RFC 2308 §5 */
	const struct zone_node *nodes; /* every owner and every empty non-terminal, apex first */
	size_t node_count, record_count;
	uint64_t content_hash;		      /* of the text read, $INCLUDEd files too */
	int64_t modified_unix_s;	      /* newest modification time of the files read; 0 for text */
	const struct zone_node *const *table; /* of zone_find: open addressing by name_hash */
	size_t table_mask;
};

/* Exactly one of path and text is not NULL; label names the text in messages. All errors in one
 * pass (at most 100), warnings too. NULL when there is an error. $INCLUDE is relative to the
 * including file. Sizes: a zone text file of any size; a record set that a message can hold. */
struct zone *zone_load(const struct name *name, const char *path, const char *text, const char *label,
		       struct err_list *errors);
/* Changes the serial in the SOA's ready-made record too. Before publication only. */
void zone_set_serial(struct zone *zone, uint32_t serial);
/* Gives a published zone a new serial without a new zone: readers see the old SOA or the new one. At
 * least one publication must lie between two renewals of a zone, for the older SOA is written over. */
void zone_renew_serial(struct zone *zone, uint32_t serial);
static inline const struct rrset *zone_soa(const struct zone *zone)
{
	const struct rrset *renewed =
		atomic_load_explicit(&((struct zone *)zone)->renewed_soa, memory_order_acquire);
	return renewed ? renewed : zone->soa;
}
struct zone *zone_ref(struct zone *zone);
void zone_unref(struct zone *zone); /* NULL is fine */

void rrset_set_layout(struct rrset *set);				 /* from its type */
const struct rrset *rrset_find(const struct rrset *sets, uint16_t type); /* NULL: absent */
/* Static data at `name` (lower case, inside the zone): NULL where the zone has no such name.
 * *ret_cut: the cut or DNAME node above it, or NULL. Linear hash look-up; control path. */
const struct zone_node *zone_find(const struct zone *zone, const uint8_t *name,
				  const struct zone_node **ret_cut);
