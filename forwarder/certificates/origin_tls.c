/* See origin_tls.h. Control thread. */
#include "forwarder/certificates/origin_tls.h"
#include "checker/probe_spec.h"
#include "lib/file.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX ((size_t)4 << 20)

static enum pool_verify verify_of(unsigned verify)
{
	return verify == PROBE_VERIFY_NONE    ? POOL_VERIFY_NONE
	       : verify == PROBE_VERIFY_CHAIN ? POOL_VERIFY_CHAIN
					      : POOL_VERIFY_FULL;
}

/* NULL: it is among the errors. The id becomes another with every octet. */
static BIO *open_file(const char *path, uint64_t *id, char **ret_text, struct err_list *errors)
{
	const char *reason = NULL;
	size_t length;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : file_read(fd, FILE_MAX, &length, &reason);
	if (!text)
		err_add(errors, path, 0, 0, "%s", reason ? reason : strerror(errno));
	if (fd >= 0)
		close(fd);
	if (!text)
		return NULL;
	*id = hash_bytes(text, length, *id);
	*ret_text = text;
	BIO *bio = BIO_new_mem_buf(text, (int)length);
	if (!bio)
		abort();
	return bio;
}

/* ---- CAs ---- */

static size_t add_all(X509_STORE *store, BIO *bio)
{
	size_t count = 0;
	X509 *one;
	while ((one = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		X509_check_purpose(one, -1, 0); /* what workers would otherwise do under a lock */
		count += X509_STORE_add_cert(store, one) == 1;
		X509_free(one);
	}
	ERR_clear_error();
	return count;
}

static X509_STORE *new_store(void)
{
	X509_STORE *store = X509_STORE_new();
	if (!store)
		abort();
	return store;
}

/* The system's, read once: a bundle in one file. Directories are left alone, for OpenSSL would look into them
 * during handshakes. */
static X509_STORE *system_store(struct err_list *errors)
{
	static X509_STORE *store;
	const char *const paths[] = {getenv("SSL_CERT_FILE"), X509_get_default_cert_file(),
				     "/etc/ssl/certs/ca-certificates.crt",
				     "/etc/pki/tls/certs/ca-bundle.crt"};
	if (!store) {
		store = new_store();
		size_t count = 0;
		for (size_t i = 0; i < sizeof paths / sizeof *paths && count == 0; i++) {
			BIO *bio = paths[i] ? BIO_new_file(paths[i], "r") : NULL;
			if (bio)
				count = add_all(store, bio);
			BIO_free(bio);
		}
		ERR_clear_error();
		if (count == 0)
			err_add(errors, NULL, 0, 0,
				"the system has no file of CAs: no origin is believed without `ca`");
	}
	X509_STORE_up_ref(store);
	return store;
}

static X509_STORE *read_trust(const char *path, uint64_t *id, struct err_list *errors)
{
	X509_STORE *store = new_store();
	char *text = NULL;
	BIO *bio = open_file(path, id, &text, errors);
	if (bio && add_all(store, bio) == 0)
		err_add(errors, path, 0, 0, "there is no certificate");
	BIO_free(bio);
	free(text);
	return store;
}

/* ---- our certificate ---- */

static void read_certificate(struct pool_tls *settings, const char *path, struct err_list *errors)
{
	char *text = NULL;
	BIO *bio = open_file(path, &settings->id, &text, errors);
	X509 *link;
	if (!bio)
		return;
	settings->certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (!settings->certificate)
		err_add(errors, path, 0, 0, "there is no certificate");
	while (settings->certificate && (link = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (!settings->chain)
			settings->chain = sk_X509_new_null();
		if (!settings->chain || sk_X509_push(settings->chain, link) == 0)
			abort();
	}
	ERR_clear_error();
	BIO_free(bio);
	free(text);
}

static int no_password(char *buffer, int size, int is_written, void *user)
{
	return -1;
}

static void read_key(struct pool_tls *settings, const char *path, struct err_list *errors)
{
	char *text = NULL;
	BIO *bio = open_file(path, &settings->id, &text, errors);
	if (!bio)
		return;
	settings->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	if (!settings->key)
		err_add(errors, path, 0, 0, "the key cannot be read");
	ERR_clear_error();
	BIO_free(bio);
	free(text);
}

/* Workers do the same for each connection, and have nobody to tell. */
static bool is_usable(const struct pool_tls *settings)
{
	SSL_CTX *trial = SSL_CTX_new(TLS_client_method());
	if (!trial)
		abort();
	bool is_good = SSL_CTX_use_cert_and_key(trial, settings->certificate, settings->key, settings->chain,
						1) == 1;
	ERR_clear_error();
	SSL_CTX_free(trial);
	return is_good;
}

static void drop_certificate(struct pool_tls *settings)
{
	X509_free(settings->certificate);
	sk_X509_pop_free(settings->chain, X509_free);
	EVP_PKEY_free(settings->key);
	settings->certificate = NULL;
	settings->chain = NULL;
	settings->key = NULL;
}

static void read_pair(struct pool_tls *settings, const struct fleet_pool_tls *from, struct err_list *errors)
{
	size_t before = errors->errors;
	assert(from->key);
	read_certificate(settings, from->certificate, errors);
	read_key(settings, from->key, errors);
	if (errors->errors == before && !is_usable(settings))
		err_add(errors, from->key, 0, 0, "the key is not the certificate's, or OpenSSL refuses it");
	if (errors->errors > before)
		drop_certificate(settings);
}

/* ---- all of it ---- */

struct pool_tls *origin_tls_new(const struct fleet_pool_tls *from, struct err_list *errors)
{
	struct pool_tls *settings = xcalloc(1, sizeof *settings);
	settings->verify = verify_of(from->verify);
	settings->sni = from->sni ? xstrdup(from->sni) : NULL;
	settings->id =
		hash_bytes(from->sni ? from->sni : "", from->sni ? strlen(from->sni) : 0, settings->verify);
	if (settings->verify != POOL_VERIFY_NONE)
		settings->trust =
			from->ca ? read_trust(from->ca, &settings->id, errors) : system_store(errors);
	assert(settings->trust || settings->verify == POOL_VERIFY_NONE);
	if (from->certificate)
		read_pair(settings, from, errors);
	return settings;
}

void origin_tls_free(const struct pool_tls *constant)
{
	struct pool_tls *settings = (struct pool_tls *)constant;
	if (!settings)
		return;
	drop_certificate(settings);
	X509_STORE_free(settings->trust);
	free((char *)settings->sni);
	free(settings);
}
