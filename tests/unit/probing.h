/* Runs one probe on the test's event base, and waits for its verdict, or for the end of its connection. */
#pragma once
#include "checker/probe.h"
#include "checker/probe_kinds.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

struct probing {
	struct event_base *base;
	struct probe *probe; /* NULL: gone */
	bool is_judged, is_ok;
	char reason[128]; /* "good", or why not */
	uint32_t latency_us;
};

static void probing_on_judged(void *user, const struct probe_result *result)
{
	struct probing *probing = user;
	assert_false(probing->is_judged);
	probing->is_judged = true;
	probing->is_ok = result->is_ok;
	probing->latency_us = result->latency_us;
	snprintf(probing->reason, sizeof probing->reason, "%s", result->is_ok ? "good" : result->reason);
}

static void probing_on_over(void *user)
{
	struct probing *probing = user;
	assert_true(probing->is_judged);
	probing->probe = NULL;
}

static const struct probe_listener probing_listener = {probing_on_judged, probing_on_over};

static inline void probing_start(struct probing *probing, const char *address, const struct probe_spec *spec,
				 struct probe_kept *kept)
{
	struct ip ip;
	assert_true(ip_parse(address, &ip));
	assert_null(probing->probe);
	probing->is_judged = false;
	probing->probe = probe_start(probing->base, &ip, spec, kept, &probing_listener, probing);
	assert_false(probing->is_judged); /* never told before it returns */
}

/* Waits for the verdict; ends what is left of the probe. */
static inline const char *probing_judge(struct probing *probing, const char *address,
					const struct probe_spec *spec, struct probe_kept *kept)
{
	probing_start(probing, address, spec, kept);
	while (!probing->is_judged)
		event_base_loop(probing->base, EVLOOP_ONCE);
	probe_cancel(probing->probe);
	probing->probe = NULL;
	return probing->reason;
}

/* Waits for the end of its connection. */
static inline const char *probing_end(struct probing *probing, const char *address,
				      const struct probe_spec *spec, struct probe_kept *kept)
{
	probing_start(probing, address, spec, kept);
	while (probing->probe)
		event_base_loop(probing->base, EVLOOP_ONCE);
	return probing->reason;
}
