/* What a policy says before any route is looked for. Pure; the data path. */
#include "forwarder/plan/policy.h"
#include <string.h>

static bool is_acme(const char *path, size_t length)
{
	static const char prefix[] = "/.well-known/acme-challenge/";

	return length >= sizeof prefix - 1 && memcmp(path, prefix, sizeof prefix - 1) == 0;
}

enum reason policy_verdict(const struct policy *policy, bool is_https, const char *path, size_t length)
{
	if (policy->is_suspended)
		return REASON_SUSPENDED;
	if (policy->is_elsewhere)
		return REASON_RESIDENCY;
	if (policy->redirects_to_https && !is_https && !is_acme(path, length))
		return REASON_REDIRECT;
	return policy->is_in_maintenance ? REASON_MAINTENANCE : REASON_NONE;
}
