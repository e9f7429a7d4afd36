/* Documents → zones (their text is loaded when the change is applied) and tenants. Each is one block
 * of memory, because there are many. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <stdlib.h>
#include <string.h>

/* Copies to *at and moves it on. */
static void *put(char **at, const void *bytes, size_t length)
{
	char *copy = *at;

	memcpy(copy, bytes, length);
	*at += length;
	return copy;
}

static char *put_text(char **at, const char *text)
{
	return put(at, text, strlen(text) + 1);
}

static size_t text_size(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

/* ---- zones ---- */

struct zone_draft {
	const struct doc_node *file, *text;
	bool serial_is_change;
};

static void read_file(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *text;

	if (!doc_read_text(reader, value, "a path", &text))
		return;
	if (text[0] == '\0')
		doc_err(reader->errors, reader->doc, value, "must be a path, not empty");
	else
		((struct zone_draft *)target)->file = value;
}

static void read_text(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *text;

	if (doc_read_text(reader, value, "zone text", &text))
		((struct zone_draft *)target)->text = value;
}

static void read_dnssec(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	if (value->kind != DOC_SCALAR || strcmp(value->text, "off") != 0)
		doc_read_unsupported(reader, value, "dnssec other than off");
}

static void read_serial(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char *const words[] = {"file", "change", NULL};
	unsigned word;

	if (doc_read_word(reader, value, "serial", words, NULL, &word))
		((struct zone_draft *)target)->serial_is_change = word == 1;
}

static const struct doc_key zone_keys[] = {
	{"file", read_file}, {"text", read_text}, {"dnssec", read_dnssec}, {"serial", read_serial}, {NULL}};

/* A path relative to the file that names it. */
static char *resolve_path(const char *path, const char *file)
{
	const char *slash = file != NULL ? strrchr(file, '/') : NULL;

	if (path[0] == '/' || slash == NULL)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - file), file, path);
}

static struct fleet_zone *pack_zone(const struct doc_reader *reader, const struct zone_draft *draft,
				    const char *id)
{
	const char *written = draft->file != NULL ? draft->file->text : NULL;
	const char *text = draft->text != NULL ? draft->text->text : NULL;
	char *path = written != NULL ? resolve_path(written, reader->doc->file) : NULL;
	struct fleet_zone *zone = xcalloc(1, sizeof(*zone) + text_size(id) + text_size(path) +
						     text_size(written) + text_size(text));
	char *at = (char *)(zone + 1);

	zone->object.kind = FLEET_ZONE;
	zone->object.id = put_text(&at, id);
	zone->serial_is_change = draft->serial_is_change;
	if (path != NULL) {
		zone->path = put_text(&at, path);
		zone->path_written = put_text(&at, written);
	} else {
		zone->text = put_text(&at, text);
		zone->text_line = draft->text->line;
		/* Text of more than one line is a block, which begins below its `|`. */
		if (zone->text_line > 0 && strchr(text, '\n') != NULL)
			zone->text_line++;
	}
	free(path);
	return zone;
}

struct fleet_object *fleet_read_zone(const struct doc_reader *reader, const struct doc_node *node,
				     const char *id)
{
	struct zone_draft draft = {.file = NULL};
	size_t errors = reader->errors->errors;

	doc_read_mapping(reader, node, zone_keys, &draft);
	const struct doc_node *file = doc_get(node, "file"), *text = doc_get(node, "text");
	if (file == NULL && text == NULL)
		doc_err(reader->errors, reader->doc, node, "missing key 'file' or 'text'");
	if (file != NULL && text != NULL)
		doc_err_key(reader->errors, reader->doc, text, "'text' and 'file' exclude each other");
	if (reader->errors->errors != errors)
		return NULL;
	struct fleet_zone *zone = pack_zone(reader, &draft, id);
	name_from_text(id, NULL, &zone->name); /* the id is its presentation form */
	return &zone->object;
}

/* ---- tenants ---- */

struct tenant_draft {
	const char *id;
	struct name zone;
	bool has_zone;
	const char *service, *tier;
	bool is_suspended;
	const struct doc_node *regions, *hosts, *domains, *tags;
	struct arena *arena; /* for the time of reading */
};

static void read_tenant_zone(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct tenant_draft *draft = target;
	const char *text;

	if (!doc_read_text(reader, value, "the name of a zone", &text))
		return;
	const char *reason = name_from_text(text, NULL, &draft->zone);
	if (reason != NULL)
		doc_err(reader->errors, reader->doc, value, "must be the name of a zone: %s", reason);
	draft->has_zone = reason == NULL;
}

static void read_tenant_service(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_id(reader, value, &((struct tenant_draft *)target)->service);
}

static void read_tenant_tier(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_id(reader, value, &((struct tenant_draft *)target)->tier);
}

static void read_state(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char *const states[] = {"active", "suspended", NULL};
	unsigned word;

	if (doc_read_word(reader, value, "state", states, NULL, &word))
		((struct tenant_draft *)target)->is_suspended = word == 1;
}

static void read_tenant_regions(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct tenant_draft *)target)->regions = value;
}

static void read_hosts(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct tenant_draft *)target)->hosts = value;
}

static void read_domains(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct tenant_draft *)target)->domains = value;
}

static void read_tags(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct tenant_draft *)target)->tags = value;
}

/* A body that was got from the API may come back as it is. */
static void read_own_id(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *id;

	if (doc_read_id(reader, value, &id) && strcmp(id, ((struct tenant_draft *)target)->id) != 0)
		doc_err(reader->errors, reader->doc, value, "must be '%s', as in the path",
			((struct tenant_draft *)target)->id);
}

static void ignore(const struct doc_reader *reader, const struct doc_node *value, void *target) {}

#define TENANT_KEYS                                                                                  \
	{"zone", read_tenant_zone, true}, {"service", read_tenant_service, true},                    \
		{"tier", read_tenant_tier}, {"regions", read_tenant_regions}, {"hosts", read_hosts}, \
		{"domains", read_domains}, {"state", read_state},                                    \
	{                                                                                            \
		"tags", read_tags                                                                    \
	}

static const struct doc_key tenant_keys[] = {TENANT_KEYS, {NULL}};
static const struct doc_key lone_tenant_keys[] = {
	TENANT_KEYS, {"id", read_own_id}, {"source", ignore}, {"version", ignore}, {NULL}};

/* `*` only as the whole left label. */
static bool has_stray_star(const struct name *name)
{
	const uint8_t *label = name->octets;

	if (name_is_wildcard(label))
		label += *label + 1;
	for (; *label != 0; label += *label + 1)
		if (memchr(label + 1, '*', *label) != NULL)
			return true;
	return false;
}

static bool read_name(const struct doc_reader *reader, const struct doc_node *node, const struct name *origin,
		      struct name *ret)
{
	const char *text;

	if (!doc_read_text(reader, node, "a name", &text))
		return false;
	const char *reason = name_from_text(text, origin, ret);
	if (reason == NULL && has_stray_star(ret))
		reason = "'*' stands only as the whole left label";
	if (reason != NULL)
		doc_err(reader->errors, reader->doc, node, "must be a %s name: %s",
			origin != NULL ? "host" : "domain", reason);
	return reason == NULL;
}

/* A list of names; NULL with errors. */
static struct name *read_names(const struct doc_reader *reader, const struct doc_node *node,
			       const struct name *origin, struct arena *arena)
{
	bool is_good = true;

	if (!doc_read_is_sequence(reader, node, "a list of names"))
		return NULL;
	if (node->count > FLEET_NAMES_PER_TENANT_MAX) {
		doc_err(reader->errors, reader->doc, node, "lists %u names; at most %d", node->count,
			FLEET_NAMES_PER_TENANT_MAX);
		return NULL;
	}
	struct name *names = arena_alloc(arena, (node->count + 1) * sizeof(*names)), *name = names;
	for (const struct doc_node *item = node->first; item != NULL; item = item->next)
		is_good &= read_name(reader, item, origin, name++);
	return is_good ? names : NULL;
}

struct tenant_lists {
	char **regions, **tags;
	struct name *hosts, *domains;
	size_t region_count, tag_count, host_count, domain_count;
};

static size_t names_size(const struct name *names, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += names[i].length;
	return size;
}

static size_t texts_size(char *const *texts, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += text_size(texts[i]);
	return size;
}

static const uint8_t **put_names(char **pointers, char **at, const struct name *names, size_t count)
{
	const uint8_t **list = (const uint8_t **)(void *)*pointers;

	*pointers += count * sizeof(*list);
	for (size_t i = 0; i < count; i++)
		list[i] = put(at, names[i].octets, names[i].length);
	return list;
}

static char **put_texts(char **pointers, char **at, char *const *texts, size_t count)
{
	char **list = (char **)(void *)*pointers;

	*pointers += count * sizeof(*list);
	for (size_t i = 0; i < count; i++)
		list[i] = put_text(at, texts[i]);
	return list;
}

static struct fleet_tenant *pack_tenant(const struct tenant_draft *draft, const struct tenant_lists *lists)
{
	const struct doc_node *written = draft->hosts != NULL ? draft->hosts->first : NULL;
	char *id = arena_strndup(draft->arena, draft->id, strlen(draft->id));
	char **hosts = arena_alloc(draft->arena, (lists->host_count + 1) * sizeof(*hosts));

	for (size_t i = 0; i < lists->host_count; i++, written = written != NULL ? written->next : NULL)
		hosts[i] = written != NULL ? arena_strndup(draft->arena, written->text, written->length) : id;
	size_t pointers_size =
		(lists->region_count + lists->tag_count + 2 * lists->host_count + lists->domain_count) *
		sizeof(void *);
	size_t size = text_size(draft->id) + draft->zone.length + text_size(draft->service) +
		      text_size(draft->tier) + names_size(lists->hosts, lists->host_count) +
		      names_size(lists->domains, lists->domain_count) +
		      texts_size(lists->regions, lists->region_count) +
		      texts_size(lists->tags, lists->tag_count) + texts_size(hosts, lists->host_count);
	struct fleet_tenant *tenant = xcalloc(1, sizeof(*tenant) + pointers_size + size);
	char *pointers = (char *)(tenant + 1), *at = pointers + pointers_size;

	tenant->object.kind = FLEET_TENANT;
	tenant->regions = put_texts(&pointers, &at, lists->regions, lists->region_count);
	tenant->tags = put_texts(&pointers, &at, lists->tags, lists->tag_count);
	tenant->hosts_written = put_texts(&pointers, &at, hosts, lists->host_count);
	tenant->hosts = put_names(&pointers, &at, lists->hosts, lists->host_count);
	tenant->domains = put_names(&pointers, &at, lists->domains, lists->domain_count);
	tenant->object.id = put_text(&at, draft->id);
	tenant->zone = draft->has_zone ? put(&at, draft->zone.octets, draft->zone.length) : NULL;
	tenant->service = draft->service != NULL ? put_text(&at, draft->service) : NULL;
	tenant->tier = draft->tier != NULL ? put_text(&at, draft->tier) : NULL;
	tenant->has_regions = draft->regions != NULL;
	tenant->has_hosts = draft->hosts != NULL;
	tenant->is_suspended = draft->is_suspended;
	tenant->region_count = (uint16_t)lists->region_count;
	tenant->tag_count = (uint16_t)lists->tag_count;
	tenant->host_count = (uint16_t)lists->host_count;
	tenant->domain_count = (uint16_t)lists->domain_count;
	return tenant;
}

static void read_lists(const struct doc_reader *reader, const struct doc_node *node,
		       const struct tenant_draft *draft, struct tenant_lists *lists)
{
	if (draft->regions != NULL)
		fleet_read_ids(reader, draft->regions, "region", FLEET_REGIONS_MAX, draft->arena,
			       &lists->regions, &lists->region_count);
	if (draft->tags != NULL)
		fleet_read_ids(reader, draft->tags, "tag", FLEET_TAGS_MAX, draft->arena, &lists->tags,
			       &lists->tag_count);
	if (draft->domains != NULL) {
		lists->domains = read_names(reader, draft->domains, NULL, draft->arena);
		lists->domain_count = lists->domains != NULL ? draft->domains->count : 0;
	}
	if (!draft->has_zone)
		return; /* hosts are relative to it */
	if (draft->hosts != NULL) {
		lists->hosts = read_names(reader, draft->hosts, &draft->zone, draft->arena);
		lists->host_count = lists->hosts != NULL ? draft->hosts->count : 0;
		return;
	}
	lists->hosts = arena_alloc(draft->arena, sizeof(*lists->hosts));
	const char *reason = name_from_text(draft->id, &draft->zone, lists->hosts);
	lists->host_count = reason == NULL;
	if (reason != NULL)
		doc_err_key(reader->errors, reader->doc, node, "the host '%s' in its zone: %s", draft->id,
			    reason);
}

static void report_repeated(const struct doc_reader *reader, const struct doc_node *item,
			    const struct name *names, size_t count, struct names *seen)
{
	char text[NAME_TEXT_MAX];

	for (size_t i = 0; i < count; i++, item = item->next) {
		if (names_get(seen, names[i].octets) != NULL) {
			name_to_text(names[i].octets, text);
			doc_err(reader->errors, reader->doc, item, "the name '%s' is listed twice", text);
		}
		names_put(seen, names[i].octets, &seen);
	}
}

static void check_repeated(const struct doc_reader *reader, const struct tenant_draft *draft,
			   const struct tenant_lists *lists)
{
	bool has_hosts = draft->hosts != NULL && lists->hosts != NULL;
	size_t host_count = lists->host_count, domain_count = lists->domain_count;

	if (host_count + domain_count < 2)
		return;
	struct names *seen = names_new();
	if (has_hosts)
		report_repeated(reader, draft->hosts->first, lists->hosts, host_count, seen);
	else if (host_count > 0)
		names_put(seen, lists->hosts->octets, seen);
	if (domain_count > 0)
		report_repeated(reader, draft->domains->first, lists->domains, domain_count, seen);
	names_free(seen);
}

struct fleet_object *fleet_read_tenant(const struct doc_reader *reader, const struct doc_node *node,
				       const char *id)
{
	struct tenant_draft draft = {.id = id, .arena = arena_new()};
	struct tenant_lists lists = {.regions = NULL};

	doc_read_mapping(reader, node, node->parent != NULL ? tenant_keys : lone_tenant_keys, &draft);
	read_lists(reader, node, &draft, &lists);
	check_repeated(reader, &draft, &lists);
	struct fleet_tenant *tenant = pack_tenant(&draft, &lists);
	arena_free(draft.arena);
	return &tenant->object;
}
