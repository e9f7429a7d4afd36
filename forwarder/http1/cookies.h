/* Values that are looked for in the head of a request by a configured name. Pure; any thread. */
#pragma once
#include "forwarder/plan/route.h"

/* The first cookie of this name (RFC 6265 §4.2; names are compared as they are). */
bool cookies_find(const struct http_head *head, const char *octets, const char *name, struct route_text *ret);
/* The first field of this name; `name` is in lower case. */
bool cookies_header(const struct http_head *head, const char *octets, const char *name,
		    struct route_text *ret);
