/* What the http checks share with other kinds and with their tests. Checker's thread. */
#pragma once
#include "checker/probe.h"

#define PROBE_HTTP_NAME_MAX 256 /* of a target; one that is longer is asked by its address */
#define PROBE_HTTP_AUTHORITY_MAX (PROBE_HTTP_NAME_MAX + 16)

/* Host's value, or ":authority": the check's host, else the target's name or its address in `out`. */
const char *probe_http_authority(const struct ip *address, const struct probe_spec *spec,
				 char out[static PROBE_HTTP_AUTHORITY_MAX]);
/* The request as it goes out; malloc'ed. */
char *probe_http_request(const struct ip *address, const struct probe_spec *spec, size_t *ret_length);
