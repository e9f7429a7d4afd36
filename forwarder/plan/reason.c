/* The words, statuses and error types of the reasons. Constant; any thread. */
#include "forwarder/plan/reason.h"

static const char *const words[REASON_COUNT] = {
#define REASON(name, word, status, type) word,
	REASONS(REASON)
#undef REASON
};

static const uint16_t statuses[REASON_COUNT] = {
#define REASON(name, word, status, type) status,
	REASONS(REASON)
#undef REASON
};

static const char *const errors[REASON_COUNT] = {
#define REASON(name, word, status, type) type,
	REASONS(REASON)
#undef REASON
};

const char *reason_word(enum reason reason)
{
	assert(reason < REASON_COUNT);
	return words[reason];
}

unsigned reason_status(enum reason reason)
{
	assert(reason < REASON_COUNT);
	return statuses[reason];
}

const char *reason_proxy_error(enum reason reason)
{
	assert(reason < REASON_COUNT);
	return errors[reason];
}
