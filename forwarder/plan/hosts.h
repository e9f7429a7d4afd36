/*
 * Which tenant a host name is of: an immutable table of 1,024 shards, of which an edit copies those that it
 * touches. Wildcards as DNS has them (RFC 4592): an exact name, else at each suffix `*.suffix`; a suffix that
 * is itself a host ends the walk, so that nobody's wildcard reaches below another's name. Pure; any thread
 * reads.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hosts;

struct hosts_entry {
	uint32_t policy;    /* index in world->policies */
	uint32_t state;	    /* slot in world->states */
	const char *tenant; /* id; not terminated; lives as long as the table */
	uint8_t tenant_length;
};

/* `name`: lower case, without the final dot. False: no tenant has it. At most 200 ns among a million. */
bool hosts_find(const struct hosts *hosts, const char *name, size_t length, struct hosts_entry *ret);
