/*
 * Which tenant a host name is of: an immutable table of 1,024 shards, of which an edit copies those that it
 * touches. Wildcards as DNS has them (RFC 4592): an exact name, else at each suffix `*.suffix`; a suffix that
 * is itself a host ends the walk, so that nobody's wildcard reaches below another's name. Pure; any thread
 * reads.
 */
#pragma once
#include "lib/hash.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOSTS_NAME_MAX 253 /* octets of a name */

struct hosts;

struct hosts_entry {
	uint32_t policy;    /* index in world->policies */
	uint32_t state;	    /* slot in world->states */
	const char *tenant; /* id; not terminated; lives as long as the table */
	uint8_t tenant_length;
};

/* What tells tenants apart in tickets, outliers and logs; never 0. */
static inline uint64_t hosts_tenant_hash(const struct hosts_entry *entry)
{
	return hash_bytes(entry->tenant, entry->tenant_length, 0x74656e61) | 1;
}

/* `name`: lower case, without the final dot. False: no tenant has it. At most 200 ns among a million. */
bool hosts_find(const struct hosts *hosts, const char *name, size_t length, struct hosts_entry *ret);

/* ---- building: one control thread ---- */

struct hosts_edit;

/* base may be NULL (empty). The edit holds its own references. */
struct hosts_edit *hosts_edit_new(const struct hosts *base);
/* About how many names will come to an empty table: so much room is made at once. */
void hosts_edit_expect(struct hosts_edit *edit, size_t names);
/* `name`: lower case, without the final dot, 1 to HOSTS_NAME_MAX octets; "*.suffix" is a wildcard. Takes the
 * place of what the name had. The tenant's id is copied. */
void hosts_edit_put(struct hosts_edit *edit, const char *name, size_t length,
		    const struct hosts_entry *entry);
bool hosts_edit_remove(struct hosts_edit *edit, const char *name, size_t length); /* false: not there */
struct hosts *hosts_edit_done(struct hosts_edit *edit); /* frees the edit; one reference */
void hosts_edit_cancel(struct hosts_edit *edit);
struct hosts *hosts_ref(struct hosts *hosts);
void hosts_unref(struct hosts *hosts); /* NULL is fine */

size_t hosts_count(const struct hosts *hosts);
size_t hosts_bytes(const struct hosts *hosts); /* shared with other tables or not */
