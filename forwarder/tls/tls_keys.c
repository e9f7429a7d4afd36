/*
 * key = HKDF-SHA-256(secret, info "gslb ticket" and the number of the half day since 1970): name, AES key and
 * HMAC key. A worker derives them anew when the half day or the secrets change. One worker.
 */
#include "forwarder/tls/tls_keys.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

static const int8_t order[TLS_KEYS_EPOCHS] = {0, -1, -2, 1}; /* the present one first */

static void derive(const uint8_t secret[static TICKET_SECRET_OCTETS], int64_t epoch, struct tls_key *ret)
{
	static const char label[] = "gslb ticket";
	uint8_t info[sizeof label - 1 + 8];
	memcpy(info, label, sizeof label - 1);
	for (int i = 0; i < 8; i++)
		info[sizeof label - 1 + i] = (uint8_t)((uint64_t)epoch >> (56 - 8 * i));
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, TICKET_SECRET_OCTETS),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof info),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
	if (!context || EVP_KDF_derive(context, (unsigned char *)ret, sizeof *ret, params) != 1)
		abort();
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
}

void tls_keys_update(struct tls_keys *keys, const struct ticket_secrets *secrets, int64_t unix_s)
{
	int64_t epoch = unix_s / TLS_KEYS_PERIOD_S;
	uint64_t id = secrets ? secrets->id : 0;
	if (keys->secrets == id && keys->epoch == epoch)
		return;
	OPENSSL_cleanse(keys, sizeof *keys);
	keys->secrets = id;
	keys->epoch = epoch;
	for (size_t i = 0; secrets && i < secrets->count; i++)
		for (int e = 0; e < TLS_KEYS_EPOCHS; e++)
			derive(secrets->secret[i], epoch + order[e], &keys->keys[keys->count++]);
}

const struct tls_key *tls_keys_current(const struct tls_keys *keys)
{
	return keys->count > 0 ? &keys->keys[0] : NULL;
}

const struct tls_key *tls_keys_named(const struct tls_keys *keys, const uint8_t name[static TLS_KEYS_NAME],
				     bool *ret_is_current)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (memcmp(keys->keys[i].name, name, TLS_KEYS_NAME) != 0)
			continue;
		*ret_is_current = i == 0;
		return &keys->keys[i];
	}
	return NULL;
}
