/* Life and checks of the origins. Control thread; workers read and write the words of struct origin. */
#include "forwarder/build/origins.h"
#include "checker/checker.h"
#include "forwarder/plan/outlier.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/map.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_MS 1000
#define SETTLED_MS 1000 /* a pool is this old: what joins it now comes to others' work */

struct held_pool {
	struct pool_state state; /* first: callers hold this */
	struct origins *origins;
	unsigned references;
	uint64_t born_ms, left_ms; /* left_ms: when the last reference went; 0: it is in use */
};

struct held_origin {
	struct origin origin; /* first: callers hold this */
	struct origins *origins;
	struct held_pool *pool; /* a reference of its own */
	unsigned references;
	char *key, *written;
	struct ip ip;
	char *name; /* of `written`, absolute; NULL: an address */
	uint16_t port;
	bool is_drained;
	uint64_t left_ms;
	/* check */
	struct checker_target *probe; /* NULL: none */
	uint64_t digest;
	struct verdict_limits limits;
	struct verdict verdict;
	char reason[96];
	uint64_t changed_ms;
};

/* Small numbers; the next user of one has another generation. */
struct numbers {
	void **items;
	uint32_t *generations;
	size_t end, capacity, generation_capacity, first_free;
};

struct origins {
	struct event_base *base;
	struct origins_hooks hooks;
	struct checker *checker;
	struct map *pools;   /* "SERVICE/POOL" → struct held_pool */
	struct map *by_key;  /* "SERVICE/POOL ADDRESS" → struct held_origin */
	struct map *drained; /* "SERVICE/POOL ADDRESS" → anything */
	struct numbers pool_numbers, origin_numbers;
	uint64_t grace_ms;
	struct event *timer; /* while something is leaving */
};

/* ---- numbers ---- */

static uint32_t number_new(struct numbers *numbers, void *item)
{
	size_t at = numbers->first_free;

	while (at < numbers->end && numbers->items[at])
		at++;
	xgrow((void **)&numbers->items, &numbers->capacity, at + 1, sizeof *numbers->items);
	xgrow((void **)&numbers->generations, &numbers->generation_capacity, at + 1,
	      sizeof *numbers->generations);
	if (at == numbers->end) {
		numbers->generations[at] = 0;
		numbers->end++;
	}
	numbers->items[at] = item;
	numbers->generations[at]++;
	numbers->first_free = at + 1;
	assert(at < UINT32_MAX);
	return (uint32_t)at;
}

static void number_free(struct numbers *numbers, uint32_t number)
{
	assert(number < numbers->end && numbers->items[number]);
	numbers->items[number] = NULL;
	if (number < numbers->first_free)
		numbers->first_free = number;
}

static void numbers_done(struct numbers *numbers)
{
	free(numbers->items);
	free(numbers->generations);
}

/* ---- pools ---- */

static struct held_pool *held_pool(const struct pool_state *state)
{
	return (struct held_pool *)(uintptr_t)state;
}

static struct held_origin *held(const struct origin *origin)
{
	return (struct held_origin *)(uintptr_t)origin;
}

static void wait_to_sweep(struct origins *origins)
{
	if (!evtimer_pending(origins->timer, NULL))
		evtimer_add(origins->timer, &(const struct timeval){.tv_sec = SWEEP_MS / 1000});
}

struct pool_state *origins_take_pool(struct origins *origins, const char *service, const char *pool)
{
	char *key = xasprintf("%s/%s", service, pool);
	struct held_pool *held = map_get(origins->pools, key);

	if (held) {
		free(key);
	} else {
		held = xcalloc_apart(sizeof *held);
		held->origins = origins;
		held->state.name = key;
		held->state.number = number_new(&origins->pool_numbers, held);
		held->born_ms = clock_mono_ms();
		map_put(origins->pools, key, held);
	}
	held->references++;
	held->left_ms = 0;
	return &held->state;
}

void origins_give_pool(struct origins *origins, struct pool_state *pool)
{
	struct held_pool *held = held_pool(pool);

	assert(held->references > 0 && held->origins == origins);
	if (--held->references)
		return;
	held->left_ms = clock_mono_ms();
	wait_to_sweep(origins);
}

static void pool_free(struct held_pool *held)
{
	struct origins *origins = held->origins;

	assert(held->references == 0);
	map_remove(origins->pools, held->state.name);
	number_free(&origins->pool_numbers, held->state.number);
	if (held->state.queue && origins->hooks.free_queue)
		origins->hooks.free_queue(held->state.queue);
	free(held->state.name);
	free(held);
}

/* ---- origins ---- */

static void fill_address(struct origin *origin, const struct ip *ip, uint16_t port)
{
	char address[IP_TEXT_MAX];

	ip_format(ip, address);
	if (ip->family == 4) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
		memcpy(&in.sin_addr, ip->bytes, 4);
		memcpy(&origin->address, &in, sizeof in);
		origin->address_length = sizeof in;
		snprintf(origin->text, sizeof origin->text, "%s:%u", address, port);
	} else {
		struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
		memcpy(&in.sin6_addr, ip->bytes, 16);
		memcpy(&origin->address, &in, sizeof in);
		origin->address_length = sizeof in;
		snprintf(origin->text, sizeof origin->text, "[%s]:%u", address, port);
	}
	origin->key = hash_bytes(origin->text, strlen(origin->text), 0);
}

/* Of "NAME:PORT", with the final dot; NULL where the address is written. */
static char *name_of(const char *written, const char *address)
{
	const char *colon = strrchr(written, ':');

	if (strcmp(written, address) == 0 || !colon)
		return NULL;
	return xasprintf("%.*s%s", (int)(colon - written), written,
			 colon > written && colon[-1] == '.' ? "" : ".");
}

static bool has_control(const struct held_origin *held)
{
	const struct map *drained = held->origins->drained;
	char *key = xasprintf("%s %s", held->pool->state.name, held->written);
	bool is_drained = map_get(drained, held->key) || map_get(drained, key);

	free(key);
	return is_drained;
}

static void set_draining(struct held_origin *held)
{
	bool is_draining = held->is_drained || held->references == 0;

	atomic_store(&held->origin.is_draining, is_draining);
	if (held->origins->hooks.changed)
		held->origins->hooks.changed(held->origins->hooks.user, &held->origin);
}

static struct held_origin *origin_new(struct origins *origins, struct held_pool *pool, const struct ip *ip,
				      uint16_t port, const char *written)
{
	struct held_origin *held = xcalloc_apart(sizeof *held);
	uint64_t now_ms = clock_mono_ms();

	held->origins = origins;
	held->pool = pool;
	pool->references++;
	held->ip = *ip;
	held->port = port;
	fill_address(&held->origin, ip, port);
	held->written = xstrdup(written);
	held->name = name_of(written, held->origin.text);
	held->key = xasprintf("%s %s", pool->state.name, held->origin.text);
	held->verdict.state = VERDICT_UNKNOWN;
	held->origin.number = number_new(&origins->origin_numbers, held);
	held->origin.generation = origins->origin_numbers.generations[held->origin.number];
	atomic_store(&held->origin.state, ORIGIN_UP); /* until a check says otherwise */
	if (now_ms - pool->born_ms >= SETTLED_MS)
		atomic_store(&held->origin.slow_start_ns, clock_mono_ns());
	held->is_drained = has_control(held);
	atomic_store(&held->origin.is_draining, held->is_drained);
	map_put(origins->by_key, held->key, held);
	return held;
}

struct origin *origins_take(struct origins *origins, const struct pool_state *pool, const struct ip *ip,
			    uint16_t port, const char *written)
{
	struct held_pool *parent = held_pool(pool);
	struct origin probe;

	assert(parent->references > 0 && (ip->family == 4 || ip->family == 6));
	fill_address(&probe, ip, port);
	char *key = xasprintf("%s %s", parent->state.name, probe.text);
	struct held_origin *held = map_get(origins->by_key, key);
	free(key);
	if (!held)
		held = origin_new(origins, parent, ip, port, written);
	if (++held->references == 1 && held->left_ms) { /* it is back */
		held->left_ms = 0;
		set_draining(held);
	}
	return &held->origin;
}

static void stop_probe(struct held_origin *held)
{
	if (held->probe)
		checker_remove(held->origins->checker, held->probe);
	held->probe = NULL;
}

void origins_give(struct origins *origins, struct origin *origin)
{
	struct held_origin *held_origin = held(origin);

	assert(held_origin->references > 0 && held_origin->origins == origins);
	if (--held_origin->references)
		return;
	held_origin->left_ms = clock_mono_ms();
	stop_probe(held_origin);
	set_draining(held_origin);
	wait_to_sweep(origins);
}

static void origin_free(struct held_origin *held)
{
	struct origins *origins = held->origins;

	assert(held->references == 0);
	stop_probe(held);
	map_remove(origins->by_key, held->key);
	number_free(&origins->origin_numbers, held->origin.number);
	origins_give_pool(origins, &held->pool->state);
	free(held->key);
	free(held->written);
	free(held->name);
	free(held);
}

/* What left goes when nothing is in flight there and whoever still looks at it must be gone. */
static void on_sweep(evutil_socket_t none, short what, void *user)
{
	struct origins *origins = user;
	uint64_t now_ms = clock_mono_ms();
	bool is_waiting = false;

	for (size_t i = 0; i < origins->origin_numbers.end; i++) {
		struct held_origin *held = origins->origin_numbers.items[i];
		if (!held || !held->left_ms)
			continue;
		if (now_ms - held->left_ms >= origins->grace_ms && atomic_load(&held->origin.in_flight) == 0)
			origin_free(held);
		else
			is_waiting = true;
	}
	for (size_t i = 0; i < origins->pool_numbers.end; i++) {
		struct held_pool *held = origins->pool_numbers.items[i];
		if (!held || !held->left_ms)
			continue;
		if (now_ms - held->left_ms >= origins->grace_ms && atomic_load(&held->state.queued) == 0)
			pool_free(held);
		else
			is_waiting = true;
	}
	if (is_waiting)
		wait_to_sweep(origins);
}

/* ---- checks ---- */

static void on_result(void *user, const struct probe_result *result)
{
	struct held_origin *held = user;

	assert(held->probe && held->references > 0);
	if (result->is_inconclusive)
		return;
	if (!result->is_ok)
		snprintf(held->reason, sizeof held->reason, "%s", result->reason);
	enum verdict_state before = held->verdict.state;
	if (!verdict_update(&held->verdict, &held->limits, result->is_ok))
		return;
	bool is_up = held->verdict.state == VERDICT_UP;
	held->changed_ms = clock_mono_ms();
	if (is_up)
		held->reason[0] = 0;
	if (is_up && before == VERDICT_UNKNOWN)
		return; /* as it was */
	outlier_check(&held->origin, is_up, clock_mono_ns());
	log_info("origin %s of %s is %s%s%s", held->origin.text, held->pool->state.name,
		 is_up ? "up" : "down", *held->reason ? ": " : "", held->reason);
	if (held->origins->hooks.changed)
		held->origins->hooks.changed(held->origins->hooks.user, &held->origin);
}

void origins_set_check(struct origins *origins, struct origin *origin, const struct origins_check *check)
{
	struct held_origin *held_origin = held(origin);

	assert(held_origin->references > 0);
	if (check && held_origin->probe && held_origin->digest == check->digest)
		return;
	stop_probe(held_origin);
	held_origin->verdict = (struct verdict){.state = VERDICT_UNKNOWN};
	held_origin->reason[0] = 0;
	held_origin->changed_ms = 0;
	/* What another check said holds no longer; without any round an origin is up. */
	if (atomic_load(&origin->state) == ORIGIN_DOWN)
		outlier_check(origin, true, clock_mono_ns());
	if (!check)
		return;
	struct probe_spec spec = check->spec;
	spec.name = held_origin->name;
	spec.port = held_origin->port;
	held_origin->digest = check->digest;
	held_origin->limits = check->limits;
	held_origin->probe = checker_add(origins->checker, &held_origin->ip, &spec, held_origin);
}

/* ---- an operator's hand ---- */

static void follow_controls(struct origins *origins)
{
	struct held_origin *held;

	for (size_t at = 0; (held = map_next(origins->by_key, &at, NULL));) {
		bool is_drained = has_control(held);
		if (is_drained == held->is_drained)
			continue;
		held->is_drained = is_drained;
		set_draining(held);
	}
}

void origins_drain(struct origins *origins, const char *service, const char *pool, const char *address)
{
	char *key = xasprintf("%s/%s %s", service, pool, address);

	map_put(origins->drained, key, origins);
	free(key);
	follow_controls(origins);
}

void origins_restore(struct origins *origins, const char *service, const char *pool, const char *address)
{
	char *key = xasprintf("%s/%s %s", service, pool, address);

	map_remove(origins->drained, key);
	free(key);
	follow_controls(origins);
}

void origins_restore_all(struct origins *origins)
{
	map_free(origins->drained);
	origins->drained = map_new();
	follow_controls(origins);
}

/* ---- what is shown ---- */

bool origins_next(const struct origins *origins, size_t *at, struct origins_row *ret)
{
	while (*at < origins->origin_numbers.end && !origins->origin_numbers.items[*at])
		++*at;
	if (*at == origins->origin_numbers.end)
		return false;
	const struct held_origin *held = origins->origin_numbers.items[(*at)++];
	*ret = (struct origins_row){.origin = &held->origin,
				    .pool = &held->pool->state,
				    .written = held->written,
				    .is_leaving = held->references == 0,
				    .is_drained = held->is_drained,
				    .is_checked = held->probe != NULL,
				    .verdict = held->verdict.state,
				    .reason = held->reason,
				    .changed_ms = held->changed_ms};
	return true;
}

size_t origins_count(const struct origins *origins)
{
	return map_count(origins->by_key);
}

/* ---- life ---- */

struct origins *origins_new(struct event_base *base, unsigned concurrency, uint64_t grace_ms,
			    const struct origins_hooks *hooks)
{
	struct origins *origins = xcalloc(1, sizeof *origins);

	origins->grace_ms = grace_ms;
	origins->base = base;
	origins->hooks = *hooks;
	origins->checker = checker_new(base, concurrency, clock_mono_ns(), on_result);
	origins->pools = map_new();
	origins->by_key = map_new();
	origins->drained = map_new();
	origins->timer = evtimer_new(base, on_sweep, origins);
	return origins;
}

void origins_free(struct origins *origins)
{
	if (!origins)
		return;
	origins->hooks.changed = NULL;
	for (size_t i = 0; i < origins->origin_numbers.end; i++)
		if (origins->origin_numbers.items[i])
			origin_free(origins->origin_numbers.items[i]);
	for (size_t i = 0; i < origins->pool_numbers.end; i++)
		if (origins->pool_numbers.items[i])
			pool_free(origins->pool_numbers.items[i]);
	checker_free(origins->checker);
	map_free(origins->pools);
	map_free(origins->by_key);
	map_free(origins->drained);
	numbers_done(&origins->pool_numbers);
	numbers_done(&origins->origin_numbers);
	event_free(origins->timer);
	free(origins);
}
