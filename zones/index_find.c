/*
 * Which node answers a name: the algorithm of RFC 1034 §4.3.2 with RFC 4592 (wildcards) and RFC 6672
 * (DNAME) over the hash. Data path: no allocation, no lock; any thread.
 */
#include "lib/inline.h"
#include "zones/index_layout.h"

/* A name and the suffixes of it that are still to be probed. */
struct suffix {
	const uint8_t *octets;
	size_t length;
};

const struct node *index_get(const struct index *index, const uint8_t *name, size_t length, uint64_t hash)
{
	return index_probe(index, name, length, hash, 0);
}

static inline void cut_label(struct suffix *suffix)
{
	suffix->length -= *suffix->octets + 1u;
	suffix->octets += *suffix->octets + 1;
}

static inline const struct node *get(const struct index *index, const struct suffix *suffix)
{
	return index_probe(index, suffix->octets, suffix->length, name_hash(suffix->octets, suffix->length),
			   0);
}

/* Cuts off the labels that are deeper than any name of the index. */
static OUT_OF_LINE void skip_deep_labels(const struct index *index, struct suffix *suffix)
{
	/* one more than the deepest: next_above begins with the parent */
	for (unsigned labels = name_labels(suffix->octets); labels > index->labels_max + 1; labels--)
		cut_label(suffix);
}

/* The next existing name above the suffix, which moves there; NULL: there is none. Mostly it is the parent:
 * labels are counted only where that does not help, so that a question of 127 of them costs no more than
 * twice the probes of the deepest name. */
static IN_LINE const struct node *next_above(const struct index *index, struct suffix *suffix)
{
	for (unsigned probes = 1; suffix->length > 1; probes++) {
		cut_label(suffix);
		const struct node *node = get(index, suffix);
		if (node)
			return node;
		if (probes == index->labels_max + 1)
			skip_deep_labels(index, suffix);
	}
	return NULL;
}

static struct find result(enum find_kind kind, const struct node *node)
{
	return (struct find){kind, node};
}

/* From an occluded node to the cut or DNAME that covers it: the topmost, the only one that is not
 * occluded itself. */
static OUT_OF_LINE struct find covering(const struct index *index, const struct node *node,
					struct suffix suffix)
{
	while (node->flags & ZONE_NODE_OCCLUDED)
		node = next_above(index, &suffix);
	return result(node->flags & ZONE_NODE_CUT ? FIND_CUT : FIND_DNAME, node);
}

/* The name does not exist: what its closest encloser says. */
static OUT_OF_LINE struct find find_missing(const struct index *index, struct suffix suffix)
{
	const struct node *encloser = next_above(index, &suffix);

	if (!encloser)
		return (struct find){FIND_NONE, NULL};
	if (encloser->flags & (ZONE_NODE_OCCLUDED | ZONE_NODE_CUT | ZONE_NODE_DNAME))
		return covering(index, encloser, suffix);
	if (encloser->flags & NODE_HAS_WILDCARD) {
		struct name wildcard;
		if (name_wildcard_of(suffix.octets, &wildcard)) {
			const struct node *node = index_get(index, wildcard.octets, wildcard.length,
							    name_hash(wildcard.octets, wildcard.length));
			if (node)
				return result(FIND_WILDCARD, node);
		}
	}
	return result(FIND_MISSING, encloser);
}

struct find index_find_from(const struct index *index, const uint8_t *name, size_t length,
			    const struct node *node)
{
	const struct suffix suffix = {name, length};

	if (!node)
		return find_missing(index, suffix);
	if (node->flags & ZONE_NODE_OCCLUDED)
		return covering(index, node, suffix);
	return result(node->flags & ZONE_NODE_CUT ? FIND_CUT : FIND_EXACT, node);
}

struct find index_find(const struct index *index, const uint8_t *name, size_t length, uint64_t hash)
{
	return index_find_from(index, name, length, index_get(index, name, length, hash));
}

OUT_OF_LINE struct find index_find_ds(const struct index *index, const uint8_t *name, size_t length,
				      uint64_t hash)
{
	const struct suffix suffix = {name, length};
	const struct node *node = index_get(index, name, length, hash);

	if (node && (node->flags & ZONE_NODE_APEX)) {
		const struct node *above = index_probe(index, name, length, hash, NODE_PARENT_SIDE);
		if (!above) {
			/* served, but unknown to the parent, or the parent is not served: the child
			 * says that it has none; NXDOMAIN would deny all that is below it */
			struct find missing = find_missing(index, suffix);
			if (missing.kind == FIND_NONE || missing.kind == FIND_MISSING)
				return result(FIND_EXACT, node);
			return missing;
		}
		node = above;
	}
	if (!node)
		return find_missing(index, suffix);
	if (node->flags & ZONE_NODE_OCCLUDED)
		return covering(index, node, suffix);
	return result(FIND_EXACT, node);
}

const struct zone *index_enclosing_zone(const struct index *index, const uint8_t *name)
{
	struct suffix suffix = {name, name_length(name)};
	const struct node *node = index_get(index, name, suffix.length, name_hash(name, suffix.length));

	if (!node)
		node = next_above(index, &suffix);
	return node ? node->zone : NULL;
}
