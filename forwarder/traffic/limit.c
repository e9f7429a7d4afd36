/* The steps of an admission, the words of clients, routes and keys, and what a refusal tells the client. */
#include "forwarder/traffic/limit.h"
#include "forwarder/plan/sha256.h"
#include "lib/gcra.h"
#include "lib/hash.h"
#include "lib/inline.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#define WAYS 4
#define SETS_BITS 16 /* 2^18 words: 2 MiB */
#define TAT_BITS 44  /* µs: half of it, 101 days, is the longest debt */
#define TAT_MASK (((uint64_t)1 << TAT_BITS) - 1)
#define DEBT_MAX_US ((uint64_t)1 << (TAT_BITS - 2))
#define NS_PER_US 1000u
#define SECOND_NS 1000000000u
#define WORDS_TAKEN_MAX 3 /* key, client, route */
#define WAIT_SHOWN_MAX_S 86400u

struct limits {
	struct fair *fair;
	unsigned lane;
	uint64_t seed;
	_Atomic uint64_t *words;
};

/* Whose words they are: part of the hash, so that none is another's. */
enum word_kind { WORD_KEY, WORD_CLIENT, WORD_ROUTE };

struct word {
	uint64_t hash, interval_us;
};

struct limits *limit_new(struct fair *fair, unsigned lane)
{
	struct limits *limits = xcalloc(1, sizeof *limits);
	struct rng rng;

	assert(lane < 2);
	rng_seed_from_system(&rng);
	limits->fair = fair;
	limits->lane = lane;
	limits->seed = rng_next(&rng);
	limits->words = xmap(sizeof *limits->words * WAYS << SETS_BITS);
	return limits;
}

void limit_free(struct limits *limits)
{
	if (!limits)
		return;
	xunmap((void *)limits->words, sizeof *limits->words * WAYS << SETS_BITS);
	free(limits);
}

/* --- the words: a tag of 20 bits above a TAT in µs, which wraps after 203 days --- */

static uint64_t debt_of(uint64_t word, uint64_t now_us)
{
	uint64_t debt_us = (word - now_us) & TAT_MASK;
	return debt_us >> (TAT_BITS - 1) ? 0 : debt_us;
}

/* The word of the hash in its set, or who is soonest without debt and gives way; *ret_is_own tells which. */
static _Atomic uint64_t *find_word(struct limits *limits, uint64_t hash, uint64_t now_us, uint64_t *ret_word,
				   bool *ret_is_own)
{
	_Atomic uint64_t *set = &limits->words[(hash & ((1u << SETS_BITS) - 1)) * WAYS], *found = set;
	uint64_t least_us = UINT64_MAX;

	*ret_is_own = false;
	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t word = atomic_load_explicit(&set[i], memory_order_relaxed);
		uint64_t debt_us = word ? debt_of(word, now_us) : 0;
		*ret_is_own = word && word >> TAT_BITS == hash >> TAT_BITS;
		if (*ret_is_own || debt_us < least_us) {
			least_us = debt_us;
			found = &set[i];
			*ret_word = word;
		}
		if (*ret_is_own)
			break;
	}
	return found;
}

static uint64_t to_us(uint64_t interval_ns)
{
	if (interval_ns == GCRA_NOTHING)
		return GCRA_NOTHING;
	uint64_t interval_us = (interval_ns + NS_PER_US / 2) / NS_PER_US;
	return interval_us ? interval_us : 1;
}

static struct gcra_answer take_word(struct limits *limits, const struct word *key, uint64_t burst,
				    uint64_t now_ns)
{
	uint64_t now_us = now_ns / NS_PER_US & TAT_MASK, word, fresh;
	struct gcra_answer answer;
	_Atomic uint64_t *at;
	bool is_own;

	if (burst > DEBT_MAX_US / key->interval_us)
		burst = DEBT_MAX_US / key->interval_us;
	do {
		at = find_word(limits, key->hash, now_us, &word, &is_own);
		uint64_t debt_us = is_own ? debt_of(word, now_us) : 0;
		answer = gcra_answer_of(debt_us, key->interval_us, burst ? burst : 1, 1, 0);
		fresh = key->hash >> TAT_BITS << TAT_BITS | ((now_us + answer.debt_ns) & TAT_MASK);
	} while (answer.fits && !atomic_compare_exchange_weak(at, &word, fresh));
	answer.debt_ns *= NS_PER_US;
	if (answer.wait_ns != UINT64_MAX)
		answer.wait_ns *= NS_PER_US;
	return answer;
}

static void give_word(struct limits *limits, const struct word *key, uint64_t now_ns)
{
	uint64_t now_us = now_ns / NS_PER_US & TAT_MASK, word;
	bool is_own;

	for (;;) {
		_Atomic uint64_t *at = find_word(limits, key->hash, now_us, &word, &is_own);
		if (!is_own || debt_of(word, now_us) < key->interval_us)
			return;
		uint64_t fresh = (word & ~TAT_MASK) | ((word - key->interval_us) & TAT_MASK);
		if (atomic_compare_exchange_weak(at, &word, fresh))
			return;
	}
}

/* --- API keys --- */

static bool is_name(const char *octets, const struct http_head_field *field, const char *name, size_t length)
{
	return field->name_length == length && !strncasecmp(octets + field->name, name, length);
}

/* `Authorization: Bearer KEY`, or `X-API-Key: KEY`. */
static const char *find_key_text(const struct http_head *head, const char *octets, size_t *ret_length)
{
	for (uint32_t i = 0; i < head->count; i++) {
		const struct http_head_field *field = &head->fields[i];
		const char *value = octets + field->value;
		size_t skipped = 0;
		if (field->field == HTTP_FIELD_AUTHORIZATION && field->value_length > 7 &&
		    !strncasecmp(value, "bearer ", 7))
			for (skipped = 7; skipped < field->value_length && value[skipped] == ' ';)
				skipped++;
		else if (!is_name(octets, field, "x-api-key", 9))
			continue;
		if (field->value_length == skipped)
			continue;
		*ret_length = field->value_length - skipped;
		return value + skipped;
	}
	return NULL;
}

/* By the first octets of the hash; the whole is compared in a time that tells nothing. */
static const struct policy_key *find_key(const struct policy *policy, const char *text, size_t length)
{
	uint8_t hash[SHA256_BYTES];
	size_t low = 0, high = policy->key_count;

	sha256(text, length, hash);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(policy->keys[middle].sha256, hash, 8) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < policy->key_count && !memcmp(policy->keys[low].sha256, hash, 8); low++) {
		uint8_t difference = 0;
		for (unsigned i = 0; i < SHA256_BYTES; i++)
			difference |= policy->keys[low].sha256[i] ^ hash[i];
		if (!difference)
			return &policy->keys[low];
	}
	return NULL;
}

/* --- admission --- */

struct admission {
	struct limits *limits;
	const struct limit_request *request;
	struct limit_grant *grant;
	struct word words[WORDS_TAKEN_MAX]; /* taken so far */
	unsigned word_count;
};

static uint64_t hash_of(const struct admission *admission, enum word_kind kind, uint64_t number, uint64_t who)
{
	uint64_t hash = hash_mix(admission->limits->seed, (uint64_t)admission->request->tenant << 2 | kind);
	return hash_mix(hash_mix(hash, number), who);
}

static uint64_t hash_client(const struct limits *limits, const struct ip *client)
{
	return hash_bytes(client->bytes, client->family == 6 ? 8 : 4, limits->seed ^ client->family);
}

static void tell_rate(struct limit_grant *grant, const struct policy_rate *rate, struct gcra_answer answer)
{
	grant->interval_ns = rate->interval_ns;
	grant->burst = rate->burst;
	grant->debt_ns = answer.debt_ns;
	grant->wait_ns = answer.wait_ns;
}

static bool take_rate(struct admission *admission, const struct policy_rate *rate, uint64_t hash)
{
	if (rate->interval_ns == POLICY_UNLIMITED)
		return true;
	struct word *word = &admission->words[admission->word_count];
	*word = (struct word){hash, to_us(rate->interval_ns)};
	struct gcra_answer answer =
		take_word(admission->limits, word, rate->burst, admission->request->now_ns);
	if (answer.fits)
		admission->word_count++;
	else
		tell_rate(admission->grant, rate, answer);
	return answer.fits;
}

static enum reason check_key(struct admission *admission)
{
	const struct limit_request *request = admission->request;
	size_t length;

	if (request->route->keys == ROUTE_KEYS_OFF)
		return REASON_NONE;
	const char *text = find_key_text(request->head, request->octets, &length);
	if (!text)
		return request->route->keys == ROUTE_KEYS_REQUIRED ? REASON_KEY_MISSING : REASON_NONE;
	const struct policy_key *key = find_key(request->policy, text, length);
	if (!key)
		return REASON_KEY_BAD;
	admission->grant->key = key->number + 1;
	return take_rate(admission, &key->rate, hash_of(admission, WORD_KEY, key->number, 0))
		       ? REASON_NONE
		       : REASON_KEY_RATE;
}

/* Who shares one word of the route's limit. */
static uint64_t hash_route_user(const struct admission *admission)
{
	const struct limit_request *request = admission->request;
	const struct route_text *name = &request->route->limit_header;

	switch (request->route->limit_by) {
	case ROUTE_BY_TENANT:
		return 0;
	case ROUTE_BY_KEY:
		if (admission->grant->key)
			return admission->grant->key;
		break;
	case ROUTE_BY_HEADER:
		for (uint32_t i = 0; i < request->head->count; i++) {
			const struct http_head_field *field = &request->head->fields[i];
			if (is_name(request->octets, field, name->text, name->length))
				return hash_bytes(request->octets + field->value, field->value_length,
						  ~admission->limits->seed);
		}
		break; /* without it, and without a key: the client */
	case ROUTE_BY_CLIENT:
		break;
	}
	return hash_client(admission->limits, &request->client);
}

/* The words of both lanes together. */
static bool take_websocket(struct tenant_state *state, unsigned lane, uint32_t most)
{
	uint32_t own = atomic_load(&state->websockets[lane]);
	do {
		if ((uint64_t)own + atomic_load(&state->websockets[!lane]) >= most)
			return false;
	} while (!atomic_compare_exchange_weak(&state->websockets[lane], &own, own + 1));
	return true;
}

/* What comes behind concurrency, which is taken. */
static enum reason admit_rest(struct limits *limits, const struct limit_request *request,
			      struct limit_grant *grant)
{
	const struct policy_limits *limit = &request->policy->limits;
	struct policy_rate rate = limit->rate;
	uint64_t granted_ns =
		atomic_load_explicit(&request->state->granted_interval_ns, memory_order_relaxed);

	if (granted_ns && rate.interval_ns != POLICY_UNLIMITED)
		rate.interval_ns = granted_ns;
	if (rate.interval_ns != POLICY_UNLIMITED) {
		struct gcra_answer answer = gcra_shared_take(&request->state->rate_tat_ns, rate.interval_ns,
							     rate.burst, 1, request->now_ns);
		tell_rate(grant, &rate, answer);
		if (!answer.fits)
			return REASON_RATE;
	}
	if (request->body_bytes > grant->body_max)
		return REASON_BODY_TOO_LARGE;
	if (request->is_upgrade) {
		if (!take_websocket(request->state, limits->lane, limit->websockets))
			return REASON_WEBSOCKETS;
		grant->taken |= LIMIT_TOOK_WEBSOCKET;
	}
	return REASON_NONE;
}

static enum reason refuse(struct limits *limits, struct limit_grant *grant, enum reason reason,
			  uint64_t now_ns)
{
	if (reason == REASON_NONE)
		return reason;
	limit_release(limits, grant, now_ns);
	if (reason_status(reason) == 429)
		atomic_fetch_add_explicit(&grant->state->limited, 1, memory_order_relaxed);
	return reason;
}

/* What comes before concurrency. */
static enum reason admit_words(struct admission *admission)
{
	const struct limit_request *request = admission->request;
	const struct policy_limits *limit = &request->policy->limits;
	const struct route *route = request->route;
	enum reason reason = check_key(admission);

	if (reason != REASON_NONE)
		return reason;
	if (limit->client_rate.interval_ns != POLICY_UNLIMITED &&
	    !take_rate(admission, &limit->client_rate,
		       hash_of(admission, WORD_CLIENT, 0, hash_client(admission->limits, &request->client))))
		return REASON_CLIENT_RATE;
	if (route->limit.interval_ns != POLICY_UNLIMITED &&
	    !take_rate(admission, &route->limit,
		       hash_of(admission, WORD_ROUTE, route->number, hash_route_user(admission))))
		return REASON_ROUTE_RATE;
	return REASON_NONE;
}

/* Those who wait for concurrency go first. */
static bool take_concurrency(struct limits *limits, const struct limit_request *request)
{
	const struct policy_limits *limit = &request->policy->limits;
	if (limit->queue_ms && atomic_load_explicit(&request->state->queued, memory_order_relaxed))
		return false;
	return fair_tenant_take(request->state, limits->lane, limit->concurrency);
}

enum reason limit_admit(struct limits *limits, const struct limit_request *request, struct limit_grant *ret)
{
	struct admission admission = {.limits = limits, .request = request, .grant = ret};
	const struct policy_limits *limit = &request->policy->limits;

	assert(!ret->taken);
	*ret = (struct limit_grant){
		.state = request->state,
		.tenant = request->tenant,
		.headers = limit->headers,
		.body_max = request->route->body_bytes != UINT64_MAX ? request->route->body_bytes
								     : limit->body_bytes,
	};
	atomic_fetch_add_explicit(&request->state->offered, 1, memory_order_relaxed);
	if (request->policy->is_suspended)
		return REASON_SUSPENDED;
	enum reason reason = admit_words(&admission);
	if (reason == REASON_NONE && !take_concurrency(limits, request)) {
		ret->may_wait = limit->queue_ms > 0 && limit->concurrency > 0;
		if (ret->may_wait) /* limit_wait refuses, or it is served in the end */
			return REASON_CONCURRENCY;
		reason = REASON_CONCURRENCY;
	} else if (reason == REASON_NONE) {
		ret->taken |= LIMIT_TOOK_REQUEST;
		reason = admit_rest(limits, request, ret);
	}
	if (reason != REASON_NONE && reason != REASON_BODY_TOO_LARGE && reason != REASON_WEBSOCKETS)
		while (admission.word_count > 0)
			give_word(limits, &admission.words[--admission.word_count], request->now_ns);
	return refuse(limits, ret, reason, request->now_ns);
}

enum reason limit_wait(struct limits *limits, const struct limit_request *request, struct limit_grant *grant,
		       struct fair_waiter *waiter)
{
	assert(grant->may_wait && !grant->taken);
	grant->may_wait = false;
	waiter->tenant = request->tenant;
	waiter->concurrency = request->policy->limits.concurrency;
	waiter->deadline_ns = request->now_ns + (uint64_t)request->policy->limits.queue_ms * 1000000;
	return refuse(limits, grant,
		      fair_tenant_wait(limits->fair, request->state, limits->lane, waiter, request->now_ns),
		      request->now_ns);
}

enum reason limit_resume(struct limits *limits, const struct limit_request *request,
			 struct limit_grant *grant, struct fair_waiter *waiter)
{
	enum reason reason = REASON_CONCURRENCY;
	if (fair_tenant_leave(limits->fair, grant->state, waiter) == FAIR_CHOSEN) {
		grant->taken |= LIMIT_TOOK_REQUEST;
		reason = admit_rest(limits, request, grant);
	}
	return refuse(limits, grant, reason, request->now_ns);
}

void limit_leave(struct limits *limits, struct limit_grant *grant, struct fair_waiter *waiter,
		 uint64_t now_ns)
{
	if (fair_tenant_leave(limits->fair, grant->state, waiter) == FAIR_CHOSEN)
		grant->taken |= LIMIT_TOOK_REQUEST;
	limit_release(limits, grant, now_ns);
}

static void release_websocket(struct limits *limits, struct limit_grant *grant)
{
	if (!(grant->taken & LIMIT_TOOK_WEBSOCKET))
		return;
	grant->taken &= ~LIMIT_TOOK_WEBSOCKET;
	uint32_t before = atomic_fetch_sub(&grant->state->websockets[limits->lane], 1);
	assert(before > 0);
	(void)before;
}

void limit_become_tunnel(struct limits *limits, struct limit_grant *grant, uint64_t now_ns)
{
	if (!(grant->taken & LIMIT_TOOK_REQUEST))
		return;
	grant->taken &= ~LIMIT_TOOK_REQUEST;
	fair_tenant_give(limits->fair, grant->state, grant->tenant, limits->lane, now_ns);
}

void limit_release(struct limits *limits, struct limit_grant *grant, uint64_t now_ns)
{
	release_websocket(limits, grant);
	limit_become_tunnel(limits, grant, now_ns);
}

bool limit_connection(struct tenant_state *state, const struct policy *policy, uint64_t now_ns)
{
	const struct policy_rate *rate = &policy->limits.connections;
	return rate->interval_ns == POLICY_UNLIMITED ||
	       gcra_shared_take(&state->connections_tat_ns, rate->interval_ns, rate->burst, 1, now_ns).fits;
}

/* --- what the client is told --- */

static IN_LINE char *write_octets(char *at, const char *text, size_t length)
{
	memcpy(at, text, length);
	return at + length;
}
#define WRITE(at, literal) write_octets(at, literal, sizeof literal - 1)

static char *write_number(char *at, uint64_t number)
{
	char digits[20];
	unsigned count = 0;
	do {
		digits[count++] = '0' + number % 10;
	} while (number /= 10);
	while (count > 0)
		*at++ = digits[--count];
	return at;
}

static uint64_t whole_seconds(uint64_t ns)
{
	uint64_t seconds = ns / SECOND_NS + (ns % SECOND_NS > 0);
	return seconds < WAIT_SHOWN_MAX_S ? seconds : WAIT_SHOWN_MAX_S;
}

/* The fields of draft-ietf-httpapi-ratelimit-headers: a quota, and what is left of it. */
static char *write_rate(char *at, const struct limit_grant *grant, bool is_refused)
{
	bool is_nothing = grant->interval_ns == GCRA_NOTHING;
	uint64_t window_s = is_nothing ? 1 : whole_seconds(gcra_burst_ns(grant->interval_ns, grant->burst));
	uint64_t until_s = whole_seconds(is_refused ? grant->wait_ns : grant->debt_ns);
	uint64_t left = is_refused ? 0 : gcra_remaining(grant->debt_ns, grant->interval_ns, grant->burst);

	at = WRITE(at, "RateLimit-Policy: \"rate\";q=");
	at = write_number(at, is_nothing ? 0 : grant->burst);
	at = WRITE(at, ";w=");
	at = write_number(at, window_s ? window_s : 1);
	at = WRITE(at, "\r\nRateLimit: \"rate\";r=");
	at = write_number(at, left);
	at = WRITE(at, ";t=");
	at = write_number(at, is_refused && !until_s ? 1 : until_s);
	return WRITE(at, "\r\n");
}

/* 0: the answer has no Retry-After. */
static uint64_t retry_after_s(const struct limit_grant *grant, enum reason reason, uint64_t random)
{
	switch (reason) {
	case REASON_RATE:
	case REASON_CLIENT_RATE:
	case REASON_ROUTE_RATE:
	case REASON_KEY_RATE: {
		uint64_t wait_s = whole_seconds(grant->wait_ns);
		return (wait_s ? wait_s : 1) + random % 2;
	}
	case REASON_CONCURRENCY:
	case REASON_WEBSOCKETS:
		return 1 + random % 2;
	case REASON_QUEUE_FULL:
	case REASON_QUEUE_DEADLINE:
	case REASON_NO_ORIGIN:
	case REASON_DRAINING:
		return 1 + random % 3;
	default:
		return 0;
	}
}

size_t limit_headers(const struct limit_grant *grant, enum reason reason, uint64_t random,
		     char out[static LIMIT_HEADERS_MAX])
{
	uint64_t after_s = retry_after_s(grant, reason, random);
	bool is_rate = reason == REASON_RATE || reason == REASON_CLIENT_RATE || reason == REASON_ROUTE_RATE ||
		       reason == REASON_KEY_RATE;
	char *at = out;

	if (after_s) {
		at = WRITE(at, "Retry-After: ");
		at = write_number(at, after_s);
		at = WRITE(at, "\r\n");
	}
	if (is_rate ? grant->headers != POLICY_HEADERS_NEVER
		    : reason == REASON_NONE && grant->headers == POLICY_HEADERS_ALWAYS &&
			      grant->interval_ns != POLICY_UNLIMITED)
		at = write_rate(at, grant, is_rate);
	assert(at - out < LIMIT_HEADERS_MAX);
	return at - out;
}
