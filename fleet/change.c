/* Documents and single objects become staged objects, which know the places of their references: a document
 * may be freed before its change is applied. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static fleet_read_fn *const readers[FLEET_KINDS] = {
	fleet_read_region,  fleet_read_location, fleet_read_check, fleet_read_map,
	fleet_read_service, fleet_read_zone,	 fleet_read_tier,  fleet_read_tenant,
};

struct fleet_change *fleet_change_new(enum fleet_source source)
{
	struct fleet_change *change = xcalloc(1, sizeof *change);

	change->source = source;
	change->profile = fleet_profile_pool_new();
	for (int kind = 0; kind < FLEET_KINDS; kind++)
		change->by_id[kind] = map_new();
	return change;
}

void fleet_change_clear(struct fleet_change *change)
{
	for (size_t i = 0; i < change->count; i++) {
		fleet_object_free(change->stages[i].object);
		free(change->stages[i].id);
		free(change->stages[i].pointer);
		free(change->stages[i].places);
	}
	free(change->stages);
	for (int kind = 0; kind < FLEET_KINDS; kind++)
		map_free(change->by_id[kind]);
	for (size_t i = 0; i < change->file_count; i++)
		free(change->files[i]);
	free(change->files);
	*change = (struct fleet_change){
		.source = change->source, .profile = change->profile, .allows_paths = change->allows_paths};
	for (int kind = 0; kind < FLEET_KINDS; kind++)
		change->by_id[kind] = map_new();
}

void fleet_change_free(struct fleet_change *change)
{
	if (!change)
		return;
	fleet_change_clear(change);
	for (int kind = 0; kind < FLEET_KINDS; kind++)
		map_free(change->by_id[kind]);
	fleet_profile_pool_free(change->profile);
	free(change);
}

void fleet_change_set_incomplete(struct fleet_change *change)
{
	change->is_incomplete = change->is_refused = true;
}

void fleet_change_allow_paths(struct fleet_change *change)
{
	change->allows_paths = true;
}

void fleet_change_prune(struct fleet_change *change)
{
	change->is_pruning = true;
}

const struct fleet_stage *fleet_change_find(const struct fleet_change *change, enum fleet_kind kind,
					    const char *id)
{
	uintptr_t at = (uintptr_t)map_get(change->by_id[kind], id);

	assert(at <= change->count);
	return at > 0 ? &change->stages[at - 1] : NULL;
}

static struct fleet_stage *stage_new(struct fleet_change *change, enum fleet_kind kind, const char *id)
{
	assert(kind < FLEET_KINDS);
	xgrow((void **)&change->stages, &change->capacity, change->count + 1, sizeof *change->stages);
	struct fleet_stage *stage = &change->stages[change->count++];
	*stage = (struct fleet_stage){.kind = kind, .id = xstrdup(id)};
	map_put(change->by_id[kind], id, (void *)(uintptr_t)change->count);
	return stage;
}

/* The name lives with the change, then with the fleet. */
static const char *keep_file(struct fleet_change *change, const char *file)
{
	if (!file)
		return NULL;
	for (size_t i = change->file_count; i-- > 0;)
		if (strcmp(change->files[i], file) == 0)
			return change->files[i];
	xgrow((void **)&change->files, &change->file_capacity, change->file_count + 1, sizeof *change->files);
	return change->files[change->file_count++] = xstrdup(file);
}

/* ---- places ---- */

#define PATH_DEPTH 4
#define PATH_OCTETS_MAX 2400

struct place_finder {
	const struct doc_node *node; /* of the object */
	/* The member found last at each depth: references mostly come in the order of the document, so
	 * that the next one is the same or the one after it. */
	const struct doc_node *last[PATH_DEPTH];
	size_t last_index[PATH_DEPTH]; /* of a sequence's member */
	struct fleet_place *places;
	size_t count, capacity;
};

static bool is_member(const struct doc_node *node, const char *step)
{
	char escaped[PATH_OCTETS_MAX];

	if (!strchr(node->key, '/') && !strchr(node->key, '~'))
		return strcmp(node->key, step) == 0;
	fleet_pointer_escape(node->key, escaped, sizeof escaped);
	return strcmp(escaped, step) == 0;
}

static const struct doc_node *find_member(struct place_finder *finder, size_t depth,
					  const struct doc_node *parent, const char *step)
{
	const struct doc_node *last = finder->last[depth], *node = parent->first;
	bool has_last = last != NULL && last->parent == parent;

	if (parent->kind == DOC_SEQUENCE) {
		size_t wanted = strtoul(step, NULL, 10), at = 0;
		if (has_last && finder->last_index[depth] <= wanted) {
			node = last;
			at = finder->last_index[depth];
		}
		for (; node && at < wanted; at++)
			node = node->next;
		finder->last_index[depth] = at;
		return node;
	}
	if (has_last)
		node = last;
	const struct doc_node *from = node;
	for (; node; node = node->next)
		if (is_member(node, step))
			return node;
	for (node = parent->first; node != from; node = node->next)
		if (is_member(node, step))
			return node;
	return NULL;
}

/* Follows the path as far as the document has it, and notes where that is. */
static void find_place(void *user, const struct fleet_reference *reference)
{
	struct place_finder *finder = user;
	const struct doc_node *node = finder->node, *found;
	char path[PATH_OCTETS_MAX], *rest = path, *step;

	assert(strlen(reference->path) < sizeof path);
	snprintf(path, sizeof path, "%s", reference->path);
	strsep(&rest, "/"); /* before the first slash */
	for (size_t depth = 0; depth < PATH_DEPTH && (step = strsep(&rest, "/")) != NULL; depth++) {
		found = find_member(finder, depth, node, step);
		if (!found)
			break;
		finder->last[depth] = found;
		node = found;
	}
	xgrow((void **)&finder->places, &finder->capacity, finder->count + 1, sizeof *finder->places);
	bool at_key = reference->is_key && node->key;
	finder->places[finder->count++] =
		(struct fleet_place){.line = at_key ? node->key_line : node->line,
				     .column = at_key ? node->key_column : node->column};
}

/* ---- staging ---- */

/* Canonical form of an id, or NULL with an error at the key. */
static const char *canonical_id(const struct doc_reader *reader, enum fleet_kind kind,
				const struct doc_node *node, const char *id, char out[static NAME_TEXT_MAX])
{
	char quoted[TEXT_QUOTE_MAX], what[TEXT_QUOTE_MAX + 32];
	struct prefix prefix;
	struct name name;

	text_quote(id, quoted);
	if (kind == FLEET_ZONE) {
		snprintf(what, sizeof what, "%s is not the name of a zone", quoted);
		if (!fleet_read_name(reader, node, FLEET_READ_AT_KEY, what, id, NULL, &name))
			return NULL;
		name_to_text(name.octets, out);
		return out;
	}
	if (kind == FLEET_LOCATION) {
		if (!prefix_parse(id, &prefix)) {
			doc_err_key(
				reader->errors, reader->doc, node,
				"%s is not a prefix (192.0.2.0/24, 2001:db8::/32; no bits beyond its length)",
				quoted);
			return NULL;
		}
		prefix_format(&prefix, out);
		return out;
	}
	if (text_is_id(id))
		return id;
	doc_err_key(reader->errors, reader->doc, node,
		    "%s must be an id (1 to 63 of a-z, 0-9 and inner hyphens)", quoted);
	return NULL;
}

static void find_places(struct fleet_stage *stage, const struct doc_node *node)
{
	struct place_finder finder = {.node = node};

	fleet_each_reference(stage->object, find_place, &finder);
	stage->place_count = finder.count;
	/* The copy has no room to spare: there may be millions. */
	stage->places =
		finder.count > 0 ? xmemdup(finder.places, finder.count * sizeof *finder.places) : NULL;
	free(finder.places);
}

static void report_twice(const struct doc_reader *reader, const struct doc_node *node,
			 const struct fleet_stage *first)
{
	if (first->file)
		doc_err_key(reader->errors, reader->doc, node, "%s '%s' is defined twice; first at %s:%u:%u",
			    fleet_kind_name[first->kind], first->id, first->file, first->place.line,
			    first->place.column);
	else
		doc_err_key(reader->errors, reader->doc, node, "%s '%s' is defined twice",
			    fleet_kind_name[first->kind], first->id);
}

static void stage_put(struct fleet_change *change, const struct doc_reader *reader, enum fleet_kind kind,
		      const char *id, const struct doc_node *node, uint64_t version)
{
	char canonical[NAME_TEXT_MAX], escaped[2 * NAME_TEXT_MAX];

	id = canonical_id(reader, kind, node, id, canonical);
	if (!id)
		return;
	const struct fleet_stage *first = fleet_change_find(change, kind, id);
	if (first && first->action != STAGE_REMOVE) {
		report_twice(reader, node, first);
		return;
	}
	size_t errors = reader->errors->errors;
	struct fleet_object *object = readers[kind](reader, node, id);
	assert(object || reader->errors->errors > errors);
	assert(!object || (object->kind == kind && strcmp(object->id, id) == 0));
	struct fleet_stage *stage = stage_new(change, kind, id);
	stage->action = reader->errors->errors == errors ? STAGE_PUT : STAGE_BROKEN;
	stage->object = object;
	bool has_key = node->key != NULL;
	stage->place = (struct fleet_place){.line = has_key ? node->key_line : node->line,
					    .column = has_key ? node->key_column : node->column};
	if (node->line > 0) {
		stage->file = keep_file(change, reader->doc->file);
	} else {
		escaped[0] = '\0';
		if (has_key)
			fleet_pointer_escape(node->key, escaped, sizeof escaped);
		stage->pointer = has_key ? xasprintf("/%s/%s", fleet_kind_key[kind], escaped) : xstrdup("");
	}
	if (!object)
		return;
	object->source = change->source;
	object->version = version;
	if (change->source == FLEET_BASE) {
		struct fleet_where where = {stage->file, stage->place.line, stage->place.column};
		object->where = xmemdup(&where, sizeof where);
	}
	if (kind == FLEET_TENANT) {
		struct fleet_tenant *tenant = (struct fleet_tenant *)object;
		tenant->profile = fleet_profile_share(change->profile, tenant->profile);
	}
	find_places(stage, node);
}

struct section {
	struct fleet_change *change;
};

static void read_section(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_change *change = ((struct section *)target)->change;
	int kind = 0;

	while (strcmp(fleet_kind_key[kind], value->key) != 0) {
		kind++;
		assert(kind < FLEET_KINDS); /* document_keys has no other */
	}
	change->is_named[kind] = true;
	if (value->kind == DOC_SCALAR && !value->is_quoted && value->length == 0)
		return; /* "tenants:" with nothing in it */
	if (!doc_read_is_mapping(reader, value, "a mapping of ids"))
		return;
	for (const struct doc_node *node = value->first; node; node = node->next)
		stage_put(change, reader, (enum fleet_kind)kind, node->key, node, 0);
}

static const struct doc_key document_keys[] = {
	{"regions", read_section},
	{"locations", read_section},
	{"checks", read_section},
	{"maps", read_section},
	{"services", read_section},
	{"zones", read_section},
	{"tiers", read_section},
	{"tenants", read_section},
	{"rules", NULL},
	{NULL},
};

void fleet_change_add_document(struct fleet_change *change, const struct doc *doc, struct err_list *errors)
{
	struct doc_reader reader = {.doc = doc, .errors = errors};
	struct section section = {.change = change};

	if (!doc_read_mapping(&reader, doc->root, document_keys, &section))
		change->is_refused = true;
}

void fleet_change_put(struct fleet_change *change, enum fleet_kind kind, const char *id,
		      const struct doc *doc, const struct doc_node *node, uint64_t version,
		      struct err_list *errors)
{
	struct doc_reader reader = {.doc = doc, .errors = errors};
	size_t before = errors->errors;

	change->is_named[kind] = true;
	stage_put(change, &reader, kind, id, node, version);
	if (errors->errors != before)
		change->is_refused = true;
}

void fleet_change_remove(struct fleet_change *change, enum fleet_kind kind, const char *id)
{
	struct fleet_stage *stage = stage_new(change, kind, id);

	stage->action = STAGE_REMOVE;
}
