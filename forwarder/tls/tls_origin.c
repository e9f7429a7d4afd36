/* Connections to origins: a struct tls like the others, with the client's side inside. One worker. */
#include "forwarder/tls/tls_origin.h"
#include "forwarder/tls/tls_inside.h"
#include <assert.h>

struct tls *tls_origin_connect(struct tls_context *context, const struct pool_tls *settings,
			       const struct origin *origin)
{
	struct tls *tls = tls_new(context, context->client);
	tls_upstream_configure(tls, settings, origin);
	return tls;
}

enum reason tls_origin_reason(const struct tls *tls)
{
	assert(tls->is_origin);
	return tls->is_unverified ? REASON_ORIGIN_CERTIFICATE : REASON_ORIGIN_TLS;
}
