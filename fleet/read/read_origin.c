/* Documents → the pools of origins of a service. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/file.h"
#include "lib/idn.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS 3600000u
#define STICKY_MS_MAX ((uint64_t)365 * 24 * HOUR_MS)

struct pool_draft {
	struct fleet_pool *pool;
	struct arena *arena;
	const struct doc_node *hash, *sticky; /* where they stand */
};

static char *copy(const struct pool_draft *draft, const char *text)
{
	return arena_strndup(draft->arena, text, strlen(text));
}

/* ---- origins ---- */

struct origin_draft {
	struct fleet_origin *origin;
	struct arena *arena;
};

#define ORIGIN_FORM                                                                           \
	"an address or a host name, and a port, as 10.1.0.5:8080, \"[2001:db8::5]:8080\" or " \
	"app.example:8080"

/* Only letters tell a host name from a mistyped address. */
static bool looks_like_name(const char *text)
{
	bool has_letter = false;

	for (; *text != '\0'; text++) {
		if (strchr("0123456789.-_", *text))
			continue;
		if (((unsigned char)*text | 0x20) < 'a' || ((unsigned char)*text | 0x20) > 'z')
			return false;
		has_letter = true;
	}
	return has_letter;
}

/* A host name in lower case and without its final dot; false: it is none. */
static bool parse_name(const char *text, char out[static NAME_TEXT_MAX])
{
	struct name name;

	if (!looks_like_name(text) || name_from_text(text, NULL, &name) || name.length < 2)
		return false;
	name_lower(name.octets, name.length);
	name_to_text(name.octets, out);
	out[strlen(out) - 1] = '\0';
	return true;
}

static bool parse_origin(const char *text, struct origin_draft *draft)
{
	struct fleet_origin *origin = draft->origin;
	char host[NAME_TEXT_MAX], name[NAME_TEXT_MAX], canonical[NAME_TEXT_MAX + 8];
	struct listen_address address;
	const char *colon = strrchr(text, ':');
	uint64_t port;

	if (!colon || !text_to_uint(colon + 1, &port) || port < 1 || port > 65535 ||
	    (size_t)(colon - text) >= sizeof host)
		return false;
	snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
	origin->port = (uint16_t)port;
	if (listen_parse_http(text, &address)) {
		origin->ip = ip_from_sockaddr((const struct sockaddr *)&address.sockaddr);
		listen_format((const struct sockaddr *)&address.sockaddr, false, canonical);
	} else if (parse_name(host, name)) {
		origin->name = arena_strndup(draft->arena, name, strlen(name));
		snprintf(canonical, sizeof canonical, "%s:%u", name, origin->port);
	} else {
		return false;
	}
	assert((origin->name == NULL) == (origin->ip.family != 0) && origin->port > 0);
	origin->text = arena_strndup(draft->arena, canonical, strlen(canonical));
	return true;
}

/* What is wrong with it, as far as it can be told. */
static void refuse_origin(const struct doc_reader *reader, const struct doc_node *value, const char *text)
{
	char quoted[TEXT_QUOTE_MAX], name[NAME_TEXT_MAX];
	struct idn_hint hint;
	struct ip ip;

	text_quote(text, quoted);
	if (ip_parse(text, &ip) || parse_name(text, name)) {
		doc_err(reader->errors, reader->doc, value, "%s needs a port: it must be " ORIGIN_FORM,
			quoted);
		return;
	}
	if (!idn_hint(text, &hint)) {
		doc_err(reader->errors, reader->doc, value, "%s must be " ORIGIN_FORM, quoted);
		return;
	}
	struct err *err = doc_err(reader->errors, reader->doc, value, "%s must be a host name and a port: %s",
				  quoted, hint.reason);
	if (hint.meant[0] != '\0')
		err_set_nearest(err, hint.meant);
}

static void read_address(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *text;

	if (doc_read_text(reader, value, ORIGIN_FORM, &text) && !parse_origin(text, target))
		refuse_origin(reader, value, text);
}

static void read_weight(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_count(reader, value, 0, FLEET_ORIGIN_WEIGHT_MAX,
			 &((struct origin_draft *)target)->origin->weight);
}

static void read_origin(const struct doc_reader *reader, const struct doc_node *node,
			struct fleet_pool_region *region, struct arena *arena)
{
	static const struct doc_key keys[] = {
		{"address", read_address, true}, {"weight", read_weight}, {NULL}};
	struct origin_draft draft = {.origin = &region->origins[region->origin_count], .arena = arena};

	draft.origin->weight = 1;
	if (node->kind == DOC_MAPPING)
		doc_read_mapping(reader, node, keys, &draft);
	else
		read_address(reader, node, &draft);
	for (size_t i = 0; i < region->origin_count && draft.origin->text; i++)
		if (region->origins[i].text && strcmp(region->origins[i].text, draft.origin->text) == 0)
			doc_err(reader->errors, reader->doc, node, "origin %s stands in region '%s' twice",
				draft.origin->text, region->region);
	region->origin_count++;
}

static void read_region(const struct doc_reader *reader, const struct doc_node *node,
			struct pool_draft *draft)
{
	struct fleet_pool_region *region = &draft->pool->regions[draft->pool->region_count];

	if (!text_is_id(node->key)) {
		doc_err_key(reader->errors, reader->doc, node, "must be the id of a region");
		return;
	}
	if (node->count < 1 || node->count > FLEET_ORIGINS_PER_REGION_MAX) {
		doc_err(reader->errors, reader->doc, node, "holds %u origins; a region needs 1 to %d",
			node->count, FLEET_ORIGINS_PER_REGION_MAX);
		return;
	}
	region->region = copy(draft, node->key);
	region->origins = arena_alloc(draft->arena, node->count * sizeof *region->origins);
	for (const struct doc_node *item = node->first; item; item = item->next)
		read_origin(reader, item, region, draft->arena);
	assert(region->origin_count == node->count);
	draft->pool->region_count++;
}

/* ---- TLS ---- */

static void read_sni(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct pool_draft *draft = target;
	char quoted[TEXT_QUOTE_MAX], name[NAME_TEXT_MAX];
	const char *text;

	if (!doc_read_text(reader, value, "a host name", &text))
		return;
	text_quote(text, quoted);
	if (parse_name(text, name))
		draft->pool->tls->sni = copy(draft, name);
	else
		doc_err(reader->errors, reader->doc, value, "%s must be a host name", quoted);
}

static void read_verify(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_word(reader, value, "verify", fleet_verify_word, NULL,
		      &((struct pool_draft *)target)->pool->tls->verify);
}

/* As written and against the file that names it. */
static void read_file(const struct doc_reader *reader, const struct doc_node *value,
		      const struct pool_draft *draft, char **ret_written, char **ret)
{
	const char *text;

	if (!doc_read_text(reader, value, "a path", &text))
		return;
	if (text[0] == '\0') {
		doc_err(reader->errors, reader->doc, value, "must be a path, not empty");
		return;
	}
	*ret_written = copy(draft, text);
	char *path = reader->doc->file ? file_beside(reader->doc->file, text) : NULL;
	*ret = copy(draft, path ? path : text);
	free(path);
}

static void read_ca(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_pool_tls *tls = ((struct pool_draft *)target)->pool->tls;

	read_file(reader, value, target, &tls->ca_written, &tls->ca);
}

static void read_certificate(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_pool_tls *tls = ((struct pool_draft *)target)->pool->tls;

	read_file(reader, value, target, &tls->certificate_written, &tls->certificate);
}

static void read_key(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_pool_tls *tls = ((struct pool_draft *)target)->pool->tls;

	read_file(reader, value, target, &tls->key_written, &tls->key);
}

static void read_tls(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {{"sni", read_sni}, {"verify", read_verify},
					      {"ca", read_ca},	 {"certificate", read_certificate},
					      {"key", read_key}, {NULL}};
	struct pool_draft *draft = target;
	const struct doc_node *certificate = doc_get(value, "certificate"), *key = doc_get(value, "key");

	draft->pool->tls = arena_alloc(draft->arena, sizeof *draft->pool->tls);
	draft->pool->tls->verify = PROBE_VERIFY_FULL;
	doc_read_mapping(reader, value, keys, draft);
	if (certificate && !key)
		doc_err_key(reader->errors, reader->doc, certificate, "'certificate' needs 'key'");
	if (key && !certificate)
		doc_err_key(reader->errors, reader->doc, key, "'key' needs 'certificate'");
}

/* ---- balance, hash, sticky ---- */

static void read_balance(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	unsigned word;

	if (doc_read_word(reader, value, "balance", fleet_balance_word, NULL, &word))
		((struct pool_draft *)target)->pool->balance = (enum fleet_balance)word;
}

static void read_hash(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char what[] = "client, 'cookie NAME' or 'header NAME'";
	struct pool_draft *draft = target;
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	draft->hash = value;
	if (!doc_read_text(reader, value, what, &text))
		return;
	text_quote(text, quoted);
	size_t word = strcspn(text, " ");
	const char *name = text[word] == ' ' ? text + word + 1 : NULL;
	for (enum fleet_hash hash = 0; fleet_hash_word[hash]; hash++) {
		bool is_named = hash != FLEET_HASH_CLIENT;
		if (strlen(fleet_hash_word[hash]) != word ||
		    strncmp(text, fleet_hash_word[hash], word) != 0 || is_named != (name != NULL) ||
		    (name && (!fleet_is_token(name) || strlen(name) > FLEET_TOKEN_MAX)))
			continue;
		draft->pool->hash = hash;
		draft->pool->hash_name = name ? copy(draft, name) : NULL;
		for (char *at = draft->pool->hash_name; hash == FLEET_HASH_HEADER && *at != '\0'; at++)
			if (*at >= 'A' && *at <= 'Z')
				*at = (char)(*at | 0x20);
		return;
	}
	doc_err(reader->errors, reader->doc, value, "%s must be %s", quoted, what);
}

static void read_cookie(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct pool_draft *draft = target;

	fleet_read_token(reader, value, "the name of a cookie", false, draft->arena,
			 &draft->pool->sticky_cookie);
}

static void read_sticky_ttl(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t ms;

	if (!doc_read_duration_ms(reader, value, 1000, STICKY_MS_MAX, &ms))
		return;
	if (ms % 1000 != 0)
		doc_err(reader->errors, reader->doc, value, "must be whole seconds");
	else
		((struct pool_draft *)target)->pool->sticky_ttl_s = (uint32_t)(ms / 1000);
}

static void read_sticky(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {
		{"cookie", read_cookie, true}, {"ttl", read_sticky_ttl}, {NULL}};

	((struct pool_draft *)target)->sticky = value;
	doc_read_mapping(reader, value, keys, target);
}

/* ---- other settings ---- */

static void read_check(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct pool_draft *draft = target;
	const char *id;

	if (doc_read_id(reader, value, &id))
		draft->pool->check = copy(draft, id);
}

static void read_protocol(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char *const words[] = {"http1", NULL}, *const later[] = {"h2", NULL};
	unsigned word;

	doc_read_word(reader, value, "protocol", words, later, &word);
}

static void read_concurrency(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_count(reader, value, 1, 1000000, &((struct pool_draft *)target)->pool->concurrency);
}

static void read_connect(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_ms(reader, value, 10, 5 * 60000, &((struct pool_draft *)target)->pool->connect_ms);
}

static void read_idle(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_ms(reader, value, 100, HOUR_MS, &((struct pool_draft *)target)->pool->idle_ms);
}

static void read_slow_start(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_ms(reader, value, 0, HOUR_MS, &((struct pool_draft *)target)->pool->slow_start_ms);
}

static void read_max_ejected(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_percent(reader, value, &((struct pool_draft *)target)->pool->max_ejected_hundredths);
}

static void read_panic(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_percent(reader, value, &((struct pool_draft *)target)->pool->panic_hundredths);
}

static void read_proxy_protocol(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_bool(reader, value, &((struct pool_draft *)target)->pool->sends_proxy);
}

/* ---- the pools ---- */

static const struct doc_key settings[] = {
	{"balance", read_balance},
	{"check", read_check},
	{"protocol", read_protocol},
	{"tls", read_tls},
	{"hash", read_hash},
	{"sticky", read_sticky},
	{"concurrency", read_concurrency},
	{"connect", read_connect},
	{"idle", read_idle},
	{"slow_start", read_slow_start},
	{"max_ejected", read_max_ejected},
	{"panic", read_panic},
	{"proxy_protocol", read_proxy_protocol},
	{NULL},
};
#define SETTINGS (sizeof settings / sizeof settings[0] - 1)

const char *fleet_pool_setting(size_t at)
{
	return at < SETTINGS ? settings[at].name : NULL;
}

static const struct doc_key *find_setting(const char *name)
{
	for (const struct doc_key *key = settings; key->name; key++)
		if (strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

/* What is no setting is a region where it holds a list, and a mistake where it does not. */
static void refuse_member(const struct doc_reader *reader, const struct doc_node *node)
{
	const char *words[SETTINGS];
	char quoted[TEXT_QUOTE_MAX];

	for (size_t i = 0; i < SETTINGS; i++)
		words[i] = settings[i].name;
	text_quote(node->key, quoted);
	const char *nearest = text_nearest(node->key, words, SETTINGS);
	if (nearest)
		err_set_nearest(doc_err_key(reader->errors, reader->doc, node,
					    "unknown key %s; did you mean '%s'?", quoted, nearest),
				nearest);
	else
		doc_err_key(reader->errors, reader->doc, node,
			    "unknown key %s; a region holds a list of origins, as [10.1.0.5:8080]", quoted);
}

static void check_use(const struct doc_reader *reader, const struct pool_draft *draft)
{
	const struct fleet_pool *pool = draft->pool;

	if (draft->hash && pool->balance != FLEET_HASH)
		doc_err_key(reader->errors, reader->doc, draft->hash, "'hash' is for balance: hash");
	if (draft->sticky && pool->balance == FLEET_HASH)
		doc_err_key(reader->errors, reader->doc, draft->sticky,
			    "'sticky' is not for balance: hash, which keeps clients at their origin itself");
}

static void read_pool(const struct doc_reader *reader, const struct doc_node *node, struct fleet_pool *pool,
		      struct arena *arena)
{
	struct pool_draft draft = {.pool = pool, .arena = arena};

	*pool = (struct fleet_pool){.id = arena_strndup(arena, node->key, strlen(node->key)),
				    .concurrency = 1024,
				    .connect_ms = 2000,
				    .idle_ms = 4000,
				    .max_ejected_hundredths = 5000,
				    .panic_hundredths = 3000};
	if (!doc_read_is_mapping(reader, node, "a mapping of settings, and of regions to lists of origins"))
		return;
	if (node->count > FLEET_REGIONS_MAX + SETTINGS) {
		doc_err(reader->errors, reader->doc, node, "holds %u keys; at most %zu", node->count,
			FLEET_REGIONS_MAX + SETTINGS);
		return;
	}
	pool->regions = arena_alloc(arena, (node->count + 1) * sizeof *pool->regions);
	for (const struct doc_node *member = node->first; member; member = member->next) {
		const struct doc_key *setting = find_setting(member->key);
		if (setting)
			setting->read(reader, member, &draft);
		else if (member->kind == DOC_SEQUENCE)
			read_region(reader, member, &draft);
		else
			refuse_member(reader, member);
	}
	check_use(reader, &draft);
}

void fleet_read_pools(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_service *service = target;
	struct arena *arena = fleet_object_arena(&service->object);

	if (!doc_read_is_mapping(reader, value, "a mapping of pools"))
		return;
	if (value->count > FLEET_POOLS_MAX) {
		doc_err(reader->errors, reader->doc, value, "holds %u pools; at most %d", value->count,
			FLEET_POOLS_MAX);
		return;
	}
	service->pools = arena_alloc(arena, (value->count + 1) * sizeof *service->pools);
	for (const struct doc_node *node = value->first; node; node = node->next) {
		if (!text_is_id(node->key)) {
			doc_err_key(reader->errors, reader->doc, node,
				    "must be an id (1 to 63 of a-z, 0-9 and inner hyphens)");
			continue;
		}
		read_pool(reader, node, &service->pools[service->pool_count++], arena);
	}
	assert(service->pool_count <= FLEET_POOLS_MAX);
}

/* ---- routes and pools together ---- */

static const struct fleet_pool *find_pool(const struct fleet_service *service, const char *id, size_t *ret_at)
{
	for (size_t i = 0; i < service->pool_count; i++) {
		if (strcmp(service->pools[i].id, id) == 0) {
			*ret_at = i;
			return &service->pools[i];
		}
	}
	return NULL;
}

static void check_route(const struct doc_reader *reader, const struct doc_node *node,
			const struct fleet_service *service, struct fleet_route *route, bool *is_used)
{
	const char *ids[FLEET_POOLS_MAX];
	char known[TEXT_KNOWN_MAX];

	if (!route->pool)
		return; /* reported */
	if (find_pool(service, route->pool, &route->pool_at)) {
		is_used[route->pool_at] = true;
		return;
	}
	for (size_t i = 0; i < service->pool_count; i++)
		ids[i] = service->pools[i].id;
	const char *nearest = text_known(route->pool, ids, service->pool_count, known);
	err_set_nearest(doc_err(reader->errors, reader->doc, doc_get(node, "origins"),
				"unknown origins '%s'%s", route->pool,
				service->pool_count > 0 ? known : "; the service has no origins"),
			nearest);
}

static bool has_region_with_vips(const struct fleet_service *service, const struct fleet_pool *pool)
{
	for (size_t i = 0; i < pool->region_count; i++)
		for (size_t r = 0; r < service->vip_region_count; r++)
			if (strcmp(pool->regions[i].region, service->vips[r].region) == 0)
				return true;
	return false;
}

static void warn_of_pool(const struct doc_reader *reader, const struct doc_node *node,
			 const struct fleet_service *service, const struct fleet_pool *pool, bool is_used)
{
	static const char topic[] = "idle origins";

	if (!is_used)
		doc_warn_key(reader->errors, topic, reader->doc, node,
			     "service '%s': no route leads to origins '%s'", service->object.id, pool->id);
	else if (pool->region_count == 0)
		doc_warn_key(reader->errors, topic, reader->doc, node,
			     "service '%s': origins '%s' are in no region", service->object.id, pool->id);
	else if (!has_region_with_vips(service, pool))
		doc_warn_key(reader->errors, topic, reader->doc, node,
			     "service '%s': origins '%s' are in no region where the service has a VIP, so "
			     "that DNS leads nobody there",
			     service->object.id, pool->id);
}

void fleet_read_forwarding_done(const struct doc_reader *reader, const struct doc_node *node,
				struct fleet_service *service, bool is_good)
{
	const struct doc_node *routes = doc_get(node, "routes"), *pools = doc_get(node, "origins");
	bool is_used[FLEET_POOLS_MAX] = {false};
	size_t errors = reader->errors->errors;

	const struct doc_node *item = routes ? routes->first : NULL;
	for (size_t i = 0; i < service->route_count; i++, item = item->next)
		check_route(reader, item, service, &service->routes[i], is_used);
	if (!is_good || reader->errors->errors != errors || !pools)
		return; /* of what is broken nothing can be meant */
	assert(pools->count == service->pool_count);
	item = pools->first;
	for (size_t i = 0; i < service->pool_count; i++, item = item->next)
		warn_of_pool(reader, item, service, &service->pools[i], is_used[i]);
}
