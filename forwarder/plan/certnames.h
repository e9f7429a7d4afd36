/*
 * Which certificate a name has. Built whole by the control thread from what the directory holds, then
 * immutable; a world has one. A name is exact or `*.rest`, which stands for one label (RFC 6125 §6.4.3); the
 * exact one is first. A name may have an ECDSA and an RSA certificate: both are given to the client's side
 * of the choice. Entries and intermediates are counted, so that tables of two worlds share them. Pure.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CERTNAMES_CHAIN_MAX 8
#define CERTNAMES_FINGERPRINT 16 /* octets of SHA-256 */
#define CERTNAMES_NAME_MAX 255

enum certnames_kind { CERTNAMES_ECDSA, CERTNAMES_RSA };

/* DER of an intermediate: one for all certificates below it. */
struct certnames_link {
	_Atomic uint32_t references;
	uint32_t length;
	uint8_t fingerprint[CERTNAMES_FINGERPRINT];
	uint8_t der[];
};

/* One certificate with its key. */
struct certnames_entry {
	_Atomic uint32_t references;
	enum certnames_kind kind;
	uint8_t fingerprint[CERTNAMES_FINGERPRINT]; /* of leaf, chain and key */
	int64_t not_after_s;			    /* Unix time */
	const uint8_t *leaf, *key; /* DER; of the key: PKCS #1 of RSA, SEC 1 of EC (RFC 5915) */
	uint32_t leaf_length, key_length;
	uint32_t chain_count;
	struct certnames_link *chain[CERTNAMES_CHAIN_MAX];
	const uint8_t *staple; /* OCSP response, NULL: none */
	uint32_t staple_length;
	int64_t staple_until_s;
};

/* What a name has: NULL where there is none of the kind. */
struct certnames_found {
	const struct certnames_entry *ecdsa, *rsa;
};

struct certnames;

/* ---- control thread ---- */

struct certnames_link *certnames_link_new(const uint8_t *der, uint32_t length,
					  const uint8_t fingerprint[static CERTNAMES_FINGERPRINT]);
void certnames_link_unref(struct certnames_link *link);
/* Copies the values and what they point to; takes a reference of each link of the chain. */
struct certnames_entry *certnames_entry_new(const struct certnames_entry *values);
struct certnames_entry *certnames_entry_ref(struct certnames_entry *entry);
void certnames_entry_unref(struct certnames_entry *entry); /* NULL is fine */
struct certnames *certnames_new(uint64_t seed);
/* Names as certnames_find takes them, or `*.` before one. Of two of one name and kind, the one that is valid
 * longer is found. Before the table is published. */
void certnames_add(struct certnames *certnames, struct certnames_entry *entry, const char *const *names,
		   size_t count);
void certnames_set_default(struct certnames *certnames, const struct certnames_entry *entry); /* one of it */
const struct certnames *certnames_ref(const struct certnames *certnames);
void certnames_unref(const struct certnames *certnames); /* NULL is fine */

/* ---- any thread ---- */

/* `name`: lower case, without the final dot. False: none covers it. */
bool certnames_find(const struct certnames *certnames, const char *name, size_t length,
		    struct certnames_found *ret);
/* For clients that send no name. False: there is no default. */
bool certnames_default(const struct certnames *certnames, struct certnames_found *ret);
/* Of what a name has: another certificate, another fingerprint. */
void certnames_fingerprint(const struct certnames_found *found, uint8_t ret[static CERTNAMES_FINGERPRINT]);
