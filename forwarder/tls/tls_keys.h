/*
 * Keys of session tickets, derived from the secrets of a region for each half day: workers and nodes agree
 * without a message. A ticket of the half day before last is taken, and one of the next, for clocks differ.
 * One worker.
 */
#pragma once
#include "forwarder/plan/ticket_secrets.h"
#include <stdbool.h>

#define TLS_KEYS_PERIOD_S (12 * 3600)
#define TLS_KEYS_NAME 16

struct tls_key {
	uint8_t name[TLS_KEYS_NAME], aes[32], hmac[32];
};

#define TLS_KEYS_EPOCHS 4 /* e - 2 to e + 1 */

/* Those that are good in one half day. All zeroes at first. */
struct tls_keys {
	uint64_t secrets; /* id of what they are derived from */
	int64_t epoch;
	size_t count;
	struct tls_key keys[TICKET_SECRETS_MAX * TLS_KEYS_EPOCHS]; /* the first encrypts */
};

void tls_keys_update(struct tls_keys *keys, const struct ticket_secrets *secrets, int64_t unix_s);
const struct tls_key *tls_keys_current(const struct tls_keys *keys); /* NULL: no secret */
const struct tls_key *tls_keys_named(const struct tls_keys *keys, const uint8_t name[static TLS_KEYS_NAME],
				     bool *ret_is_current);
