/* The page /metrics: docs/metrics.md has its families. Control thread. */
#pragma once
#include "gslb/control/server.h"
#include <event2/buffer.h>

#define METRICS_TENANTS 100 /* tenants by name; the rest is `other` */

void metrics_render(const struct server *server, struct evbuffer *out); /* appends */
