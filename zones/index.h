/*
 * The name index: every name that is served (static names, tenants' hosts and custom domains, empty
 * non-terminals, wildcards) in one hash, so that the usual hit is one probe.
 *
 * An index is immutable and shared by reference. An edit starts from an index (or none), copies only
 * the shards that it touches and becomes the next index: adding a tenant to a million costs a few
 * shards. Edits run on one control thread; look-ups on any thread. Node numbers of policies and
 * tenants mean nothing here.
 */
#pragma once
#include "zones/zone.h"

#define INDEX_NONE UINT32_MAX

enum {			       /* beside ZONE_NODE_* in node.flags */
       NODE_HAS_WILDCARD = 32, /* "*." + this name exists */
};

struct node {
	const struct zone *zone;  /* the served zone that owns the name */
	const struct rrset *sets; /* static records, may be NULL */
	uint32_t policy;	  /* of the tenant that owns the name, or INDEX_NONE */
	uint32_t tenant;	  /* number of that tenant, or INDEX_NONE */
	uint32_t children;	  /* names one label below, for removal of empty non-terminals */
	uint16_t flags;
	uint8_t name_length;
	uint8_t name[]; /* lower case */
};

struct index;
struct index_edit;

/* base may be NULL (empty). The edit holds its own references. */
struct index_edit *index_edit_new(const struct index *base);
/* About how many names will come to an empty index: so much room is made at once. */
void index_edit_expect(struct index_edit *edit, size_t names);
/* All names of the zone. A zone below another served zone takes over its names from it; the parent's
 * records at the child's apex stay reachable through index_find_ds. Takes a reference. */
void index_edit_add_zone(struct index_edit *edit, struct zone *zone);
/* Gives `name` (lower case, inside a zone of the index) to a tenant, or with policy INDEX_NONE takes
 * it away again; creates and removes the node and its empty non-terminals as needed. */
void index_edit_set_tenant(struct index_edit *edit, const struct name *name, uint32_t policy,
			   uint32_t tenant);
struct index *index_edit_done(struct index_edit *edit); /* frees the edit; one reference */
void index_edit_cancel(struct index_edit *edit);
struct index *index_ref(struct index *index);
void index_unref(struct index *index); /* NULL is fine */

size_t index_names(const struct index *index);
size_t index_bytes(const struct index *index);
/* The zone with exactly this apex, or the closest that encloses the name; NULL: none. */
const struct zone *index_zone(const struct index *index, const uint8_t *apex);
const struct zone *index_enclosing_zone(const struct index *index, const uint8_t *name);

/* ---- look-up: no allocation, no lock ---- */

enum find_kind {
	FIND_NONE,     /* no served zone encloses the name: REFUSED */
	FIND_EXACT,    /* node = the name itself (an empty non-terminal too) */
	FIND_WILDCARD, /* node = the wildcard that covers it (RFC 4592 §3.3.1) */
	FIND_CUT,      /* node = the delegation at or above the name */
	FIND_DNAME,    /* node = the DNAME's owner, strictly above the name */
	FIND_MISSING,  /* node = the closest encloser: NXDOMAIN */
};

struct find {
	enum find_kind kind;
	const struct node *node; /* NULL for FIND_NONE */
};

/* `name` in lower case, `hash` = name_hash(name). A name at a cut is FIND_CUT unless the cut is the
 * apex of a served zone. */
struct find index_find(const struct index *index, const uint8_t *name, size_t length, uint64_t hash);
/* The same for questions of type DS, which at a cut are the parent's (RFC 4035 §3.1.4.1): never
 * FIND_CUT for the name itself, and at a served child's apex the parent's node if it is served. */
struct find index_find_ds(const struct index *index, const uint8_t *name, size_t length, uint64_t hash);
const struct node *index_get(const struct index *index, const uint8_t *name, size_t length,
			     uint64_t hash); /* exact node, flags as they are, or NULL */
