/*
 * One open-addressed table of names, hashed with a seed of its own against chosen ones, for certificates are
 * the tenants'. Built once, then only read. The control thread builds and counts references; any thread
 * finds.
 */
#include "forwarder/plan/certnames.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct slot {
	uint32_t name; /* offset in names; 0: empty */
	uint32_t tag;  /* bits of the hash */
	struct certnames_found found;
};

struct certnames {
	uint32_t references;
	uint64_t seed;
	uint32_t count, mask; /* slots - 1 */
	struct slot *slots;
	char *names; /* length octet and name, one behind the other; offset 0 is nobody's */
	size_t names_length, names_capacity;
	struct certnames_entry **entries;
	size_t entry_count, entry_capacity;
	struct certnames_found fallback;
};

/* ---- entries ---- */

struct certnames_link *certnames_link_new(const uint8_t *der, uint32_t length,
					  const uint8_t fingerprint[static CERTNAMES_FINGERPRINT])
{
	struct certnames_link *link = xmalloc(sizeof *link + length);
	*link = (struct certnames_link){.references = 1, .length = length};
	memcpy(link->fingerprint, fingerprint, CERTNAMES_FINGERPRINT);
	memcpy(link->der, der, length);
	return link;
}

void certnames_link_unref(struct certnames_link *link)
{
	assert(link->references > 0);
	if (--link->references == 0)
		free(link);
}

struct certnames_entry *certnames_entry_new(const struct certnames_entry *values)
{
	size_t length = (size_t)values->leaf_length + values->key_length + values->staple_length;
	struct certnames_entry *entry = xmalloc(sizeof *entry + length);
	assert(values->chain_count <= CERTNAMES_CHAIN_MAX);
	*entry = *values;
	entry->references = 1;
	uint8_t *at = (uint8_t *)(entry + 1);
	memcpy(at, values->leaf, values->leaf_length);
	entry->leaf = at;
	at += values->leaf_length;
	memcpy(at, values->key, values->key_length);
	entry->key = at;
	at += values->key_length;
	if (values->staple)
		memcpy(at, values->staple, values->staple_length);
	entry->staple = values->staple ? at : NULL;
	for (uint32_t i = 0; i < entry->chain_count; i++)
		entry->chain[i]->references++;
	return entry;
}

struct certnames_entry *certnames_entry_ref(struct certnames_entry *entry)
{
	entry->references++;
	return entry;
}

void certnames_entry_unref(struct certnames_entry *entry)
{
	if (!entry)
		return;
	assert(entry->references > 0);
	if (--entry->references > 0)
		return;
	for (uint32_t i = 0; i < entry->chain_count; i++)
		certnames_link_unref(entry->chain[i]);
	explicit_bzero((uint8_t *)entry->key, entry->key_length);
	free(entry);
}

/* ---- the table ---- */

struct certnames *certnames_new(uint64_t seed)
{
	struct certnames *certnames = xcalloc(1, sizeof *certnames);
	certnames->references = 1;
	certnames->seed = seed;
	certnames->names_length = 1;
	xgrow((void **)&certnames->names, &certnames->names_capacity, 1024, 1);
	certnames->mask = 15;
	certnames->slots = xcalloc(certnames->mask + 1, sizeof *certnames->slots);
	return certnames;
}

const struct certnames *certnames_ref(const struct certnames *certnames)
{
	((struct certnames *)certnames)->references++;
	return certnames;
}

void certnames_unref(const struct certnames *table)
{
	struct certnames *certnames = (struct certnames *)table;
	if (!certnames || --certnames->references > 0)
		return;
	for (size_t i = 0; i < certnames->entry_count; i++)
		certnames_entry_unref(certnames->entries[i]);
	free(certnames->entries);
	free(certnames->names);
	free(certnames->slots);
	free(certnames);
}

/* Where the name is, or where it would be put. */
static struct slot *slot_of(const struct certnames *certnames, const char *name, size_t length)
{
	uint64_t hash = hash_bytes(name, length, certnames->seed);
	uint32_t tag = (uint32_t)(hash >> 32);
	for (uint32_t at = (uint32_t)hash & certnames->mask;; at = (at + 1) & certnames->mask) {
		struct slot *slot = &certnames->slots[at];
		if (slot->name == 0)
			return slot;
		const char *its = certnames->names + slot->name;
		if (slot->tag == tag && (uint8_t)its[0] == length && memcmp(its + 1, name, length) == 0)
			return slot;
	}
}

static void grow(struct certnames *certnames)
{
	struct slot *old = certnames->slots;
	uint32_t old_count = certnames->mask + 1;
	certnames->mask = old_count * 2 - 1;
	certnames->slots = xcalloc((size_t)old_count * 2, sizeof *old);
	for (uint32_t i = 0; i < old_count; i++) {
		if (old[i].name == 0)
			continue;
		const char *name = certnames->names + old[i].name;
		*slot_of(certnames, name + 1, (uint8_t)name[0]) = old[i];
	}
	free(old);
}

/* The one that is valid longer, of two with the same name and kind. */
static void choose(const struct certnames_entry **present, const struct certnames_entry *entry)
{
	if (!*present || (*present)->not_after_s < entry->not_after_s)
		*present = entry;
}

static void put(struct certnames_found *found, const struct certnames_entry *entry)
{
	choose(entry->kind == CERTNAMES_ECDSA ? &found->ecdsa : &found->rsa, entry);
}

void certnames_add(struct certnames *certnames, struct certnames_entry *entry, const char *const *names,
		   size_t count)
{
	assert(certnames->references == 1); /* no reader yet */
	xgrow((void **)&certnames->entries, &certnames->entry_capacity, certnames->entry_count + 1,
	      sizeof *certnames->entries);
	certnames->entries[certnames->entry_count++] = certnames_entry_ref(entry);
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(names[i]);
		if (length == 0 || length > CERTNAMES_NAME_MAX)
			continue;
		if (certnames->count >= (certnames->mask + 1) / 4 * 3)
			grow(certnames);
		struct slot *slot = slot_of(certnames, names[i], length);
		if (slot->name == 0) {
			xgrow((void **)&certnames->names, &certnames->names_capacity,
			      certnames->names_length + 1 + length, 1);
			char *at = certnames->names + certnames->names_length;
			at[0] = (char)length;
			memcpy(at + 1, names[i], length);
			slot->name = (uint32_t)certnames->names_length;
			slot->tag = (uint32_t)(hash_bytes(names[i], length, certnames->seed) >> 32);
			certnames->names_length += 1 + length;
			certnames->count++;
		}
		put(&slot->found, entry);
	}
}

void certnames_set_default(struct certnames *certnames, const struct certnames_entry *entry)
{
	put(&certnames->fallback, entry);
}

bool certnames_find(const struct certnames *certnames, const char *name, size_t length,
		    struct certnames_found *ret)
{
	if (length == 0 || length > CERTNAMES_NAME_MAX)
		return false;
	const struct slot *slot = slot_of(certnames, name, length);
	const char *dot = memchr(name, '.', length);
	if (slot->name == 0 && dot && dot > name) {
		char wildcard[CERTNAMES_NAME_MAX + 1];
		size_t rest = length - (size_t)(dot - name);
		wildcard[0] = '*';
		memcpy(wildcard + 1, dot, rest);
		slot = slot_of(certnames, wildcard, rest + 1);
	}
	if (slot->name == 0)
		return false;
	*ret = slot->found;
	return true;
}

bool certnames_default(const struct certnames *certnames, struct certnames_found *ret)
{
	if (!certnames->fallback.ecdsa && !certnames->fallback.rsa)
		return false;
	*ret = certnames->fallback;
	return true;
}

void certnames_fingerprint(const struct certnames_found *found, uint8_t ret[static CERTNAMES_FINGERPRINT])
{
	const struct certnames_entry *both[] = {found->ecdsa, found->rsa};
	memset(ret, 0, CERTNAMES_FINGERPRINT);
	for (int i = 0; i < 2; i++)
		for (int k = 0; both[i] && k < CERTNAMES_FINGERPRINT; k++)
			ret[k] ^= both[i]->fingerprint[k];
}
