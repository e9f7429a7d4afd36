/*
 * A library context of OpenSSL with all that the default provider has but decoders. A certificate that is
 * parsed in it finds none for its key, and goes without.
 */
#include "lib/x509_bare.h"
#include <assert.h>
#include <limits.h>
#include <openssl/core_dispatch.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_PROVIDER *whole; /* the default provider, loaded as long as the process lives */
static OSSL_LIB_CTX *without_decoders;

static const OSSL_ALGORITHM *on_query(void *user, int operation, int *ret_no_cache)
{
	if (operation == OSSL_OP_DECODER)
		return NULL;
	return OSSL_PROVIDER_query_operation(whole, operation, ret_no_cache);
}

static int start_provider(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
			  void **ret_user)
{
	static const OSSL_DISPATCH functions[] = {
		{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))on_query}, {0, NULL}};
	*out = functions;
	*ret_user = OSSL_PROVIDER_get0_provider_ctx(whole);
	return 1;
}

static void start(void)
{
	whole = OSSL_PROVIDER_load(NULL, "default");
	without_decoders = OSSL_LIB_CTX_new();
	if (!whole || !without_decoders ||
	    !OSSL_PROVIDER_add_builtin(without_decoders, "without-decoders", start_provider) ||
	    !OSSL_PROVIDER_load(without_decoders, "without-decoders"))
		abort(); /* out of memory, or an OpenSSL that is not whole */
}

X509 *x509_bare_parse(const uint8_t *der, size_t length)
{
	pthread_once(&once, start);
	X509 *certificate = X509_new_ex(without_decoders, NULL);
	const uint8_t *at = der;
	if (!certificate)
		abort();
	if (length > 0 && length <= LONG_MAX && d2i_X509(&certificate, &at, (long)length) &&
	    at == der + length)
		return certificate;
	X509_free(certificate);
	ERR_clear_error();
	return NULL;
}
