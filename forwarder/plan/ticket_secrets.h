/*
 * The secrets that keys of session tickets are derived from, the same on all nodes of a region: lines of 64
 * hexadecimal digits in the file `tickets`, or one that is random. Immutable; any thread reads.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TICKET_SECRETS_MAX 4
#define TICKET_SECRET_OCTETS 32

struct ticket_secrets {
	uint64_t id;	 /* another set, another number: ≥ 1 */
	bool is_of_file; /* else random: nobody else has them, and they end with the process */
	size_t count;
	uint8_t secret[TICKET_SECRETS_MAX][TICKET_SECRET_OCTETS]; /* the first encrypts, all decrypt */
};
