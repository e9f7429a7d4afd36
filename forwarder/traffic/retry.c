/* Which failed attempts are repeated, and the budget for it. */
#include "forwarder/traffic/retry.h"
#include "forwarder/plan/route.h"
#include <assert.h>
#include <string.h>

#define SECOND_NS 1000000000u
#define PAUSE_FIRST_NS 25000000u
#define PAUSE_LONGEST_NS 250000000u
#define FLOOR_PER_SECOND 10 /* retries of all workers, whatever the number of requests */
#define HUNDREDTHS 20

bool retry_is_idempotent(const char *method, uint32_t length)
{
	static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};
	for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++)
		if (strlen(methods[i]) == length && !memcmp(methods[i], method, length))
			return true;
	return false;
}

static enum retry_answer elsewhere_if(bool is_allowed)
{
	return is_allowed ? RETRY_OTHER : RETRY_NO;
}

/* What the failure alone says; attempts, deadline and budget come behind it. */
static enum retry_answer decide_failure(const struct retry_request *request)
{
	bool is_safe = request->is_idempotent && request->is_body_kept;
	switch (request->failure) {
	case RETRY_CONNECT:
		return elsewhere_if(request->listed & ROUTE_RETRY_CONNECT);
	case RETRY_REUSED: /* the origin closed an idle connection while the request was under way to it */
		if (request->has_retried_fresh || !request->is_body_kept)
			return RETRY_NO;
		return is_safe || request->sent_nothing ? RETRY_SAME : RETRY_NO;
	case RETRY_REFUSED:
		return elsewhere_if(request->is_body_kept);
	case RETRY_TIMEOUT:
		return elsewhere_if(is_safe && request->listed & ROUTE_RETRY_TIMEOUT);
	case RETRY_CLOSED:
	case RETRY_RESPONSE:
	case RETRY_502:
		return elsewhere_if(is_safe && request->listed & ROUTE_RETRY_502);
	case RETRY_503:
		return elsewhere_if(is_safe && request->listed & ROUTE_RETRY_503);
	case RETRY_504:
		return elsewhere_if(is_safe && request->listed & ROUTE_RETRY_504);
	case RETRY_FAILURE_COUNT:
		break;
	}
	assert(false);
	return RETRY_NO;
}

enum retry_answer retry_decide(const struct retry_request *request, uint64_t random, uint64_t *ret_pause_ns)
{
	assert(request->attempts > 0);
	if (request->has_answered || request->attempts >= RETRY_ATTEMPTS_MAX)
		return RETRY_NO;
	enum retry_answer answer = decide_failure(request);
	uint64_t longest_ns = (uint64_t)PAUSE_FIRST_NS << (request->attempts - 1);
	if (longest_ns > PAUSE_LONGEST_NS)
		longest_ns = PAUSE_LONGEST_NS;
	uint64_t pause_ns = answer == RETRY_OTHER ? random % longest_ns : 0;
	if (answer == RETRY_NO || request->now_ns + pause_ns >= request->deadline_ns)
		return RETRY_NO;
	*ret_pause_ns = pause_ns;
	return answer;
}

/* Forgets the seconds that left the window; returns the bucket of now. */
static unsigned advance(struct retry_budget *budget, uint64_t now_ns)
{
	uint64_t second = now_ns / SECOND_NS;
	if (second > budget->second + RETRY_WINDOW_S)
		budget->second = second - RETRY_WINDOW_S;
	while (budget->second < second) {
		unsigned at = ++budget->second % RETRY_WINDOW_S;
		budget->request_sum -= budget->requests[at];
		budget->retry_sum -= budget->retries[at];
		budget->requests[at] = budget->retries[at] = 0;
	}
	return budget->second % RETRY_WINDOW_S;
}

void retry_budget_request(struct retry_budget *budget, uint64_t now_ns)
{
	budget->requests[advance(budget, now_ns)]++;
	budget->request_sum++;
}

bool retry_budget_take(struct retry_budget *budget, unsigned workers, uint64_t now_ns)
{
	assert(workers > 0);
	unsigned at = advance(budget, now_ns);
	/* In hundredths and shares of a worker: 256 workers have less than one retry a second each. */
	uint64_t allowed = (uint64_t)budget->request_sum * HUNDREDTHS * workers +
			   (uint64_t)FLOOR_PER_SECOND * RETRY_WINDOW_S * 100;
	if ((uint64_t)(budget->retry_sum + 1) * 100 * workers > allowed)
		return false;
	budget->retries[at]++;
	budget->retry_sum++;
	return true;
}
