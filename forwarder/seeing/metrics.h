/* The page /metrics of forwarderd: docs/metrics.md has its families. Control thread. */
#pragma once
#include "forwarder/seeing/seeing.h"
#include <event2/buffer.h>

#define METRICS_TENANTS 100  /* tenants by name; the rest is `other` */
#define METRICS_ORIGINS 1000 /* the same of origins */

void metrics_render(const struct seeing *seeing, struct evbuffer *out); /* appends */
