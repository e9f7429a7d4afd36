/*
 * `tls` of a pool into what workers verify origins by: CAs, our certificate and key are read and parsed here,
 * so that no worker touches a file. What cannot be read leaves an origin unbelieved, never unverified.
 * Control thread.
 */
#pragma once
#include "fleet/forwarding.h"
#include "forwarder/plan/pool_tls.h"
#include "lib/err.h"

/* Always gives one; what is wrong is added to `errors`. */
struct pool_tls *origin_tls_new(const struct fleet_pool_tls *from, struct err_list *errors);
void origin_tls_free(const struct pool_tls *settings); /* when no world has it; NULL is fine */
