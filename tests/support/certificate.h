/* Certificates and keys for tests, made as they are asked for. */
#pragma once
#include "forwarder/plan/certnames.h"
#include <openssl/x509.h>

struct certificate {
	X509 *x509;
	EVP_PKEY *key;
};

/* "P-256", "P-384" or "RSA-2048". */
EVP_PKEY *certificate_key(const char *kind);
/* For the names, comma apart; `issuer` NULL: self-signed; is_ca: it may issue. Valid from an hour ago for
 * `days`; for a negative number it has expired. */
struct certificate certificate_make(const char *kind, const char *names, const struct certificate *issuer,
				    bool is_ca, int days);
void certificate_free(struct certificate *certificate);
/* As control makes it of files. `chain` NULL: none. */
struct certnames_entry *certificate_entry(const struct certificate *certificate,
					  const struct certificate *chain);
/* PEM texts; free() them. */
char *certificate_pem(const struct certificate *certificate);
char *certificate_key_pem(const struct certificate *certificate);
