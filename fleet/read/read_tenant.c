/* Documents → tenants. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct tenant_draft {
	const char *id;
	struct name zone;
	bool has_zone;
	const char *service, *tier;
	bool is_suspended;
	const struct doc_node *regions, *hosts, *domains, *tags;
	struct fleet_terms_nodes terms;
	struct arena *arena; /* for the time of reading */
};

static void read_tenant_zone(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct tenant_draft *draft = target;
	const char *text;

	if (!doc_read_text(reader, value, "the name of a zone", &text))
		return;
	draft->has_zone = fleet_read_name(reader, value, FLEET_READ_AT_VALUE, "must be the name of a zone",
					  text, NULL, &draft->zone);
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

static void read_limits(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct tenant_draft *)target)->terms.limits = value;
}

static void read_https(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct tenant_draft *)target)->terms.https = value;
}

static void read_maintenance(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct tenant_draft *)target)->terms.maintenance = value;
}

static void read_keys(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct tenant_draft *)target)->terms.keys = value;
}

/* What GET returns, PUT takes: a body may name its own id. */
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
		{"domains", read_domains}, {"state", read_state}, {"tags", read_tags},               \
		{"limits", read_limits}, {"https", read_https}, {"maintenance", read_maintenance},   \
	{                                                                                            \
		"keys", read_keys                                                                    \
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
		if (memchr(label + 1, '*', *label))
			return true;
	return false;
}

static bool read_name(const struct doc_reader *reader, const struct doc_node *node, const struct name *origin,
		      struct name *ret)
{
	const char *text;

	if (!doc_read_text(reader, node, "a name", &text))
		return false;
	const char *what = origin ? "must be a host name" : "must be a domain name";
	if (!fleet_read_name(reader, node, FLEET_READ_AT_VALUE, what, text, origin, ret))
		return false;
	if (!has_stray_star(ret))
		return true;
	doc_err(reader->errors, reader->doc, node, "%s: '*' stands only as the whole left label", what);
	return false;
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
	struct name *names = arena_alloc(arena, (node->count + 1) * sizeof *names), *name = names;
	for (const struct doc_node *item = node->first; item; item = item->next)
		is_good &= read_name(reader, item, origin, name++);
	return is_good ? names : NULL;
}

struct tenant_lists {
	char **regions, **tags;
	struct name *hosts, *domains; /* hosts NULL: none are written */
	struct name own_host;	      /* what the id says then */
	size_t region_count, tag_count, host_count, domain_count;
};

/* Without zone or service the tenant is broken, and its host is not known. */
static struct fleet_tenant *pack_tenant(const struct doc_reader *reader, const struct tenant_draft *draft,
					const struct tenant_lists *lists)
{
	struct fleet_profile profile = {
		.zone = draft->has_zone ? draft->zone.octets : NULL,
		.service = draft->service,
		.tier = draft->tier,
		.has_regions = draft->regions != NULL,
		.is_suspended = draft->is_suspended,
		.region_count = (uint16_t)lists->region_count,
		.tag_count = (uint16_t)lists->tag_count,
		.regions = lists->regions,
		.tags = lists->tags,
	};
	const char **written = NULL;

	fleet_read_terms(reader, &draft->terms, draft->arena, &profile);
	assert(lists->region_count <= UINT16_MAX &&
	       lists->tag_count <= UINT16_MAX); /* as the profile holds them */
	if (lists->hosts) {
		const struct doc_node *node = draft->hosts->first;
		assert(lists->host_count == draft->hosts->count);
		written = arena_alloc(draft->arena, (lists->host_count + 1) * sizeof *written);
		for (size_t i = 0; i < lists->host_count; i++, node = node->next)
			written[i] = node->text;
	}
	return fleet_tenant_new(draft->id, fleet_profile_new(&profile), lists->hosts, written,
				lists->host_count, lists->domains, lists->domain_count);
}

static void read_lists(const struct doc_reader *reader, const struct doc_node *node,
		       const struct tenant_draft *draft, struct tenant_lists *lists)
{
	if (draft->regions)
		fleet_read_ids(reader, draft->regions, "region", FLEET_REGIONS_MAX, draft->arena,
			       &lists->regions, &lists->region_count);
	if (draft->tags)
		fleet_read_ids(reader, draft->tags, "tag", FLEET_TAGS_MAX, draft->arena, &lists->tags,
			       &lists->tag_count);
	if (draft->domains) {
		lists->domains = read_names(reader, draft->domains, NULL, draft->arena);
		lists->domain_count = lists->domains ? draft->domains->count : 0;
	}
	if (!draft->has_zone)
		return; /* hosts are relative to it */
	if (draft->hosts) {
		lists->hosts = read_names(reader, draft->hosts, &draft->zone, draft->arena);
		lists->host_count = lists->hosts ? draft->hosts->count : 0;
		return;
	}
	const char *reason = name_from_text(draft->id, &draft->zone, &lists->own_host);
	lists->host_count = !reason;
	if (reason)
		doc_err_key(reader->errors, reader->doc, node, "the host '%s' in its zone: %s", draft->id,
			    reason);
}

static void report_repeated(const struct doc_reader *reader, const struct doc_node *item,
			    const struct name *names, size_t count, struct names *seen)
{
	char text[NAME_TEXT_MAX];

	for (size_t i = 0; i < count; i++, item = item->next) {
		if (names_get(seen, names[i].octets)) {
			name_to_text(names[i].octets, text);
			doc_err(reader->errors, reader->doc, item, "the name '%s' is listed twice", text);
		}
		names_put(seen, names[i].octets, &seen);
	}
}

static void check_repeated(const struct doc_reader *reader, const struct tenant_draft *draft,
			   const struct tenant_lists *lists)
{
	size_t host_count = lists->host_count, domain_count = lists->domain_count;

	assert(host_count <= FLEET_NAMES_PER_TENANT_MAX && domain_count <= FLEET_NAMES_PER_TENANT_MAX);
	if (host_count + domain_count < 2)
		return;
	struct names *seen = names_new();
	if (lists->hosts)
		report_repeated(reader, draft->hosts->first, lists->hosts, host_count, seen);
	else if (host_count > 0)
		names_put(seen, lists->own_host.octets, seen);
	if (domain_count > 0)
		report_repeated(reader, draft->domains->first, lists->domains, domain_count, seen);
	names_free(seen);
}

struct fleet_object *fleet_read_tenant(const struct doc_reader *reader, const struct doc_node *node,
				       const char *id)
{
	struct tenant_draft draft = {.id = id, .arena = arena_new()};
	struct tenant_lists lists = {.regions = NULL};

	doc_read_mapping(reader, node, node->parent ? tenant_keys : lone_tenant_keys, &draft);
	read_lists(reader, node, &draft, &lists);
	check_repeated(reader, &draft, &lists);
	struct fleet_tenant *tenant = pack_tenant(reader, &draft, &lists);
	arena_free(draft.arena);
	return &tenant->object;
}
