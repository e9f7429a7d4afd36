/* Documents → what the forwarder has of a tenant: its own limits, https, maintenance and API keys, as they
 * stand in its profile. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/text.h"
#include <assert.h>
#include <string.h>

#define SHA256_DIGITS 64

/* ---- https ---- */

static void read_https(const struct doc_reader *reader, const struct doc_node *value,
		       struct fleet_profile *profile)
{
	static const char *const words[] = {"both", "redirect", NULL};
	unsigned word;

	if (doc_read_word(reader, value, "https", words, NULL, &word))
		profile->redirects_to_https = word == 1;
}

/* ---- maintenance ---- */

struct maintenance_draft {
	uint32_t status;
	const char *body;
};

static void read_status(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_count(reader, value, 400, 599, &((struct maintenance_draft *)target)->status);
}

static void read_body(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *text;

	if (!doc_read_text(reader, value, "text", &text))
		return;
	if (value->length > FLEET_MAINTENANCE_BODY_MAX)
		doc_err(reader->errors, reader->doc, value, "has %zu octets; at most %d", value->length,
			FLEET_MAINTENANCE_BODY_MAX);
	else
		((struct maintenance_draft *)target)->body = text;
}

static void read_maintenance(const struct doc_reader *reader, const struct doc_node *value,
			     struct fleet_profile *profile)
{
	static const struct doc_key keys[] = {{"status", read_status}, {"body", read_body}, {NULL}};
	struct maintenance_draft draft = {.status = 503};
	bool is_scalar = value->kind == DOC_SCALAR && !value->is_quoted;
	bool is_on = value->kind == DOC_MAPPING || (is_scalar && strcmp(value->text, "true") == 0);

	if (value->kind == DOC_MAPPING) {
		doc_read_mapping(reader, value, keys, &draft);
	} else if (!is_on && (!is_scalar || strcmp(value->text, "false") != 0)) {
		doc_err(reader->errors, reader->doc, value,
			"must be true, false or {status: 503, body: text}");
		return;
	}
	profile->is_in_maintenance = is_on;
	profile->maintenance_status = is_on ? (uint16_t)draft.status : 0;
	profile->maintenance_body = draft.body;
}

/* ---- keys ---- */

static unsigned digit(char letter)
{
	return letter <= '9' ? (unsigned)(letter - '0') : (unsigned)((letter | 0x20) - 'a' + 10);
}

static void read_sha256(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_key *key = target;
	const char *text;

	if (!doc_read_text(reader, value, "a SHA-256 in 64 hex digits", &text))
		return;
	if (value->length != SHA256_DIGITS || strspn(text, "0123456789abcdefABCDEF") != SHA256_DIGITS) {
		/* It may be the key itself by mistake: what stands there is not repeated. */
		doc_err(reader->errors, reader->doc, value,
			"must be the SHA-256 of the key, in 64 hex digits");
		return;
	}
	for (size_t i = 0; i < sizeof key->sha256; i++)
		key->sha256[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
}

static void read_key_rate(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_rate(reader, value, &((struct fleet_key *)target)->rate);
}

static void read_key(const struct doc_reader *reader, const struct doc_node *node, struct fleet_key *all,
		     size_t count)
{
	static const struct doc_key keys[] = {{"sha256", read_sha256, true}, {"rate", read_key_rate}, {NULL}};
	struct fleet_key *key = &all[count];

	if (!text_is_id(node->key)) {
		doc_err_key(reader->errors, reader->doc, node,
			    "must be an id (1 to 63 of a-z, 0-9 and inner hyphens)");
		return;
	}
	static_assert(sizeof key->id == 64, "an id and its NUL");
	memcpy(key->id, node->key, strlen(node->key));
	if (!doc_read_mapping(reader, node, keys, key))
		return;
	for (size_t i = 0; i < count; i++)
		if (memcmp(all[i].sha256, key->sha256, sizeof key->sha256) == 0)
			doc_err(reader->errors, reader->doc, doc_get(node, "sha256"),
				"key '%s' is the same as key '%s'", key->id, all[i].id);
}

static void read_api_keys(const struct doc_reader *reader, const struct doc_node *value, struct arena *arena,
			  struct fleet_profile *profile)
{
	if (!doc_read_is_mapping(reader, value, "a mapping of ids to {sha256, rate}"))
		return;
	if (value->count > FLEET_KEYS_PER_TENANT_MAX) {
		doc_err(reader->errors, reader->doc, value, "holds %u keys; at most %d", value->count,
			FLEET_KEYS_PER_TENANT_MAX);
		return;
	}
	struct fleet_key *keys = arena_alloc(arena, (value->count + 1) * sizeof *keys);
	for (const struct doc_node *node = value->first; node; node = node->next)
		read_key(reader, node, keys, profile->key_count++);
	assert(profile->key_count == value->count);
	profile->keys = keys;
}

void fleet_read_terms(const struct doc_reader *reader, const struct fleet_terms_nodes *nodes,
		      struct arena *arena, struct fleet_profile *profile)
{
	if (nodes->limits) {
		struct fleet_limits *limits = arena_alloc(arena, sizeof *limits);
		fleet_read_own_limits(reader, nodes->limits, limits);
		profile->limits = limits->given ? limits : NULL;
	}
	if (nodes->https)
		read_https(reader, nodes->https, profile);
	if (nodes->maintenance)
		read_maintenance(reader, nodes->maintenance, profile);
	if (nodes->keys)
		read_api_keys(reader, nodes->keys, arena, profile);
}
