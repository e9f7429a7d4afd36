/*
 * The queues. Of a pool: start-time fair queueing, a heap of the tenants that wait, each with its own line.
 * `start` is the virtual time at which the head of a line may begin; serving it moves the line on by its
 * cost, so a tenant with a thousand requests is as far ahead after one of them as a tenant with two. Of a
 * tenant's concurrency: one line.
 */
#include "forwarder/traffic/fair.h"
#include "lib/mem.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define LINES 256	   /* locks of tenants' lines */
#define BUCKETS 2048	   /* of tenants in a pool's queue */
#define TENANTS_MAX 1280   /* that wait, or whose last request is ahead of the virtual time */
#define COST_HIGH 1	   /* weight 16 */
#define COST_NORMAL 4	   /* weight 4 */
#define COST_LOW 16	   /* weight 1 */
#define LATE_NS 100000000u /* so long must the head have waited too long: then last come, first served */

static_assert(TENANTS_MAX > FAIR_WAITERS_MAX, "one that waits finds room");

struct line {
	struct fair_waiter *first, *last;
};

struct tenant {
	struct line line;
	uint64_t start, finish;
	uint64_t late_since_ns;
	uint32_t number, count;
	uint16_t next;	  /* in the bucket, or of the free ones; + 1 */
	uint16_t heap_at; /* + 1; 0: nobody waits */
};

struct pool_queue {
	pthread_mutex_t mutex;
	uint64_t virtual_time, last_finish;
	uint32_t count, concurrency, heap_count, tenant_count;
	uint16_t free; /* + 1 */
	uint16_t buckets[BUCKETS];
	uint16_t heap[FAIR_WAITERS_MAX];
	struct tenant tenants[TENANTS_MAX];
};

struct fair {
	fair_wake *wake;
	void *context;
	struct {
		pthread_mutex_t mutex;
		struct line line; /* of all tenants that fall here */
	} lines[LINES];
};

struct fair *fair_new(fair_wake *wake, void *context)
{
	struct fair *fair = xcalloc(1, sizeof *fair);
	fair->wake = wake;
	fair->context = context;
	for (unsigned i = 0; i < LINES; i++)
		pthread_mutex_init(&fair->lines[i].mutex, NULL);
	return fair;
}

void fair_free(struct fair *fair)
{
	free(fair);
}

static void line_append(struct line *line, struct fair_waiter *waiter)
{
	waiter->next = NULL;
	waiter->previous = line->last;
	*(line->last ? &line->last->next : &line->first) = waiter;
	line->last = waiter;
}

static void line_remove(struct line *line, struct fair_waiter *waiter)
{
	*(waiter->previous ? &waiter->previous->next : &line->first) = waiter->next;
	*(waiter->next ? &waiter->next->previous : &line->last) = waiter->previous;
	waiter->next = waiter->previous = NULL;
}

static uint32_t status_of(const struct fair_waiter *waiter)
{
	return atomic_load_explicit((_Atomic uint32_t *)&waiter->status, memory_order_relaxed);
}

/* It is out of its line: tells its worker, unless that is the caller. */
static void settle(struct fair *fair, struct fair_waiter *waiter, enum fair_status status,
		   const struct fair_waiter *self)
{
	uint32_t worker = waiter->worker;
	uint64_t cookie = waiter->cookie;
	if (status == FAIR_CHOSEN && waiter != self)
		status = FAIR_TOLD;
	atomic_store_explicit(&waiter->status, status, memory_order_release);
	if (waiter != self)
		fair->wake(fair->context, worker, cookie);
}

/* What its worker finds; then it waits no more. */
static enum fair_status take_status(struct fair_waiter *waiter)
{
	enum fair_status status = status_of(waiter);
	atomic_store_explicit(&waiter->status, FAIR_NOT, memory_order_relaxed);
	return status == FAIR_TOLD ? FAIR_CHOSEN : status;
}

/* --- a pool --- */

/* Maps it when somebody waits there first: a page or two, once in the life of a pool. */
static struct pool_queue *queue_of(struct pool_state *state)
{
	struct pool_queue *queue = atomic_load_explicit(&state->queue, memory_order_acquire);
	if (queue)
		return queue;
	struct pool_queue *made = xmap(sizeof *made);
	pthread_mutex_init(&made->mutex, NULL);
	if (atomic_compare_exchange_strong(&state->queue, &queue, made))
		return made;
	fair_queue_free(made);
	return queue;
}

void fair_queue_free(struct pool_queue *queue)
{
	xunmap(queue, sizeof *queue);
}

static bool heap_is_before(const struct pool_queue *queue, uint32_t a, uint32_t b)
{
	return queue->tenants[queue->heap[a]].start < queue->tenants[queue->heap[b]].start;
}

static void heap_swap(struct pool_queue *queue, uint32_t a, uint32_t b)
{
	uint16_t moved = queue->heap[a];
	queue->heap[a] = queue->heap[b];
	queue->heap[b] = moved;
	queue->tenants[queue->heap[a]].heap_at = a + 1;
	queue->tenants[queue->heap[b]].heap_at = b + 1;
}

static void heap_settle(struct pool_queue *queue, uint32_t at)
{
	for (; at > 0 && heap_is_before(queue, at, (at - 1) / 2); at = (at - 1) / 2)
		heap_swap(queue, at, (at - 1) / 2);
	for (;;) {
		uint32_t least = at;
		for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++)
			if (child < queue->heap_count && heap_is_before(queue, child, least))
				least = child;
		if (least == at)
			return;
		heap_swap(queue, at, least);
		at = least;
	}
}

static void heap_add(struct pool_queue *queue, struct tenant *tenant)
{
	assert(queue->heap_count < FAIR_WAITERS_MAX);
	uint32_t at = queue->heap_count++;
	queue->heap[at] = tenant - queue->tenants;
	tenant->heap_at = at + 1;
	heap_settle(queue, at);
}

static void heap_remove(struct pool_queue *queue, struct tenant *tenant)
{
	uint32_t at = tenant->heap_at - 1, last = --queue->heap_count;
	assert(tenant->heap_at > 0);
	heap_swap(queue, at, last);
	tenant->heap_at = 0;
	if (at < last)
		heap_settle(queue, at);
}

static uint16_t *bucket_of(struct pool_queue *queue, uint32_t number)
{
	return &queue->buckets[number % BUCKETS];
}

static struct tenant *find_tenant(struct pool_queue *queue, uint32_t number)
{
	for (uint16_t at = *bucket_of(queue, number); at; at = queue->tenants[at - 1].next)
		if (queue->tenants[at - 1].number == number)
			return &queue->tenants[at - 1];
	return NULL;
}

/* Tenants of whom nobody waits; at first those that the virtual time has passed, for they lose nothing. */
static void forget_tenants(struct pool_queue *queue, bool passed_only)
{
	for (uint32_t i = 0; i < BUCKETS; i++)
		for (uint16_t *link = &queue->buckets[i]; *link;) {
			struct tenant *tenant = &queue->tenants[*link - 1];
			if (tenant->count || (passed_only && tenant->finish > queue->virtual_time)) {
				link = &tenant->next;
				continue;
			}
			uint16_t at = *link;
			*link = tenant->next;
			tenant->next = queue->free;
			queue->free = at;
		}
}

static struct tenant *make_tenant(struct pool_queue *queue, uint32_t number)
{
	uint16_t at = queue->free;
	if (!at && queue->tenant_count < TENANTS_MAX) {
		at = ++queue->tenant_count;
	} else {
		if (!at)
			forget_tenants(queue, true);
		if (!queue->free)
			forget_tenants(queue, false);
		at = queue->free;
		assert(at > 0);
		queue->free = queue->tenants[at - 1].next;
	}
	struct tenant *tenant = &queue->tenants[at - 1];
	uint16_t *bucket = bucket_of(queue, number);
	*tenant = (struct tenant){.number = number, .next = *bucket};
	*bucket = at;
	return tenant;
}

static void set_count(struct pool_state *state, struct pool_queue *queue, uint32_t count)
{
	queue->count = count;
	if (!count) /* what was used while nobody waited took from nobody */
		queue->virtual_time = queue->last_finish;
	atomic_store(&state->queued, count);
}

static void leave_line(struct pool_state *state, struct pool_queue *queue, struct tenant *tenant,
		       struct fair_waiter *waiter)
{
	line_remove(&tenant->line, waiter);
	if (!--tenant->count) {
		heap_remove(queue, tenant);
		tenant->late_since_ns = 0;
	}
	set_count(state, queue, queue->count - 1);
}

/* First come, first served, until the first wait too long: then none would be in time, so the last come are
 * served and the first give up. */
static struct fair_waiter *choose_waiter(struct tenant *tenant, uint64_t now_ns)
{
	const struct fair_waiter *head = tenant->line.first;
	if (now_ns - head->since_ns <= (head->deadline_ns - head->since_ns) / 2)
		tenant->late_since_ns = 0;
	else if (!tenant->late_since_ns)
		tenant->late_since_ns = now_ns;
	bool is_late = tenant->late_since_ns && now_ns - tenant->late_since_ns >= LATE_NS;
	return is_late ? tenant->line.last : tenant->line.first;
}

static uint32_t cost_of(enum policy_priority priority)
{
	return priority == POLICY_HIGH ? COST_HIGH : priority == POLICY_LOW ? COST_LOW : COST_NORMAL;
}

/* The slot goes to who is next. False: nobody in time was left. */
static bool pass_on(struct fair *fair, struct pool_state *state, struct pool_queue *queue,
		    const struct balance_choice *choice, const struct fair_waiter *self, uint64_t now_ns)
{
	while (queue->heap_count) {
		struct tenant *tenant = &queue->tenants[queue->heap[0]];
		struct fair_waiter *first = tenant->line.first;
		if (now_ns >= first->deadline_ns) {
			leave_line(state, queue, tenant, first);
			settle(fair, first, FAIR_LATE, self);
			continue;
		}
		struct fair_waiter *next = choose_waiter(tenant, now_ns);
		queue->virtual_time = tenant->start;
		tenant->finish = tenant->start + cost_of(next->priority);
		if (tenant->finish > queue->last_finish)
			queue->last_finish = tenant->finish;
		tenant->start = tenant->finish;
		heap_settle(queue, 0);
		leave_line(state, queue, tenant, next);
		next->choice = *choice;
		settle(fair, next, FAIR_CHOSEN, self);
		return true;
	}
	return false;
}

static void pass_slots(struct fair *fair, const struct balance_request *request, struct pool_queue *queue,
		       const struct fair_waiter *self)
{
	struct pool_state *state = request->pool->state;
	struct balance_choice choice;
	while (queue->count && balance_take(request, &choice) == BALANCE_TAKEN)
		if (!pass_on(fair, state, queue, &choice, self, request->now_ns))
			balance_give(&choice);
}

enum reason fair_wait(struct fair *fair, const struct balance_request *request, struct fair_waiter *waiter)
{
	struct pool_state *state = request->pool->state;
	struct pool_queue *queue = queue_of(state);

	assert(status_of(waiter) == FAIR_NOT);
	if (request->now_ns >= waiter->deadline_ns)
		return REASON_QUEUE_FULL;
	pthread_mutex_lock(&queue->mutex);
	struct tenant *tenant = find_tenant(queue, waiter->tenant);
	if (queue->count >= FAIR_WAITERS_MAX || (tenant && tenant->count >= FAIR_TENANT_MAX)) {
		pthread_mutex_unlock(&queue->mutex);
		return REASON_QUEUE_FULL;
	}
	if (!tenant)
		tenant = make_tenant(queue, waiter->tenant);
	waiter->since_ns = request->now_ns;
	atomic_store_explicit(&waiter->status, FAIR_WAITS, memory_order_relaxed);
	line_append(&tenant->line, waiter);
	if (!tenant->count++) {
		tenant->start = tenant->finish > queue->virtual_time ? tenant->finish : queue->virtual_time;
		heap_add(queue, tenant);
	}
	queue->concurrency = request->pool->concurrency;
	set_count(state, queue, queue->count + 1);
	pass_slots(fair, request, queue, waiter);
	pthread_mutex_unlock(&queue->mutex);
	return REASON_NONE;
}

enum fair_status fair_leave(struct pool_state *state, struct fair_waiter *waiter)
{
	struct pool_queue *queue = queue_of(state);

	pthread_mutex_lock(&queue->mutex);
	enum fair_status status = take_status(waiter);
	if (status == FAIR_WAITS) {
		struct tenant *tenant = find_tenant(queue, waiter->tenant);
		assert(tenant);
		leave_line(state, queue, tenant, waiter);
	}
	pthread_mutex_unlock(&queue->mutex);
	return status;
}

void fair_give(struct fair *fair, struct pool_state *state, const struct balance_choice *choice,
	       uint64_t now_ns)
{
	struct balance_choice next;

	balance_give(choice);
	if (!atomic_load(&state->queued))
		return;
	struct pool_queue *queue = queue_of(state);
	pthread_mutex_lock(&queue->mutex);
	while (queue->count && balance_take_at(state, choice->origin, queue->concurrency, &next))
		if (!pass_on(fair, state, queue, &next, NULL, now_ns))
			balance_give(&next);
	pthread_mutex_unlock(&queue->mutex);
}

void fair_look(struct fair *fair, const struct balance_request *request)
{
	struct pool_queue *queue = queue_of(request->pool->state);

	pthread_mutex_lock(&queue->mutex);
	queue->concurrency = request->pool->concurrency;
	pass_slots(fair, request, queue, NULL);
	pthread_mutex_unlock(&queue->mutex);
}

/* --- the concurrency of a tenant --- */

bool fair_tenant_take(struct tenant_state *state, unsigned lane, uint32_t concurrency)
{
	assert(lane < 2);
	uint32_t own = atomic_load(&state->in_flight[lane]), all;
	do {
		uint32_t other = atomic_load(&state->in_flight[!lane]);
		if ((uint64_t)own + other >= concurrency)
			return false;
		all = own + other + 1;
	} while (!atomic_compare_exchange_weak(&state->in_flight[lane], &own, own + 1));
	uint32_t peak = atomic_load_explicit(&state->peak_in_flight, memory_order_relaxed);
	while (all > peak && !atomic_compare_exchange_weak(&state->peak_in_flight, &peak, all))
		;
	return true;
}

/* Slots of this tenant go to those of it who wait here, in their order. */
static void pass_tenant_slots(struct fair *fair, struct line *line, struct tenant_state *state,
			      uint32_t number, unsigned lane, const struct fair_waiter *self, uint64_t now_ns)
{
	for (struct fair_waiter *waiter = line->first, *next; waiter; waiter = next) {
		next = waiter->next;
		if (waiter->tenant != number)
			continue;
		bool is_late = now_ns >= waiter->deadline_ns;
		if (!is_late && !fair_tenant_take(state, lane, waiter->concurrency))
			return;
		line_remove(line, waiter);
		atomic_fetch_sub(&state->queued, 1);
		settle(fair, waiter, is_late ? FAIR_LATE : FAIR_CHOSEN, self);
	}
}

enum reason fair_tenant_wait(struct fair *fair, struct tenant_state *state, unsigned lane,
			     struct fair_waiter *waiter, uint64_t now_ns)
{
	unsigned at = waiter->tenant % LINES;

	assert(status_of(waiter) == FAIR_NOT);
	pthread_mutex_lock(&fair->lines[at].mutex);
	if (state->queued >= FAIR_TENANT_MAX || now_ns >= waiter->deadline_ns) {
		pthread_mutex_unlock(&fair->lines[at].mutex);
		return REASON_CONCURRENCY;
	}
	waiter->since_ns = now_ns;
	atomic_store_explicit(&waiter->status, FAIR_WAITS, memory_order_relaxed);
	line_append(&fair->lines[at].line, waiter);
	atomic_fetch_add(&state->queued, 1);
	pass_tenant_slots(fair, &fair->lines[at].line, state, waiter->tenant, lane, waiter, now_ns);
	pthread_mutex_unlock(&fair->lines[at].mutex);
	return REASON_NONE;
}

enum fair_status fair_tenant_leave(struct fair *fair, struct tenant_state *state, struct fair_waiter *waiter)
{
	unsigned at = waiter->tenant % LINES;

	pthread_mutex_lock(&fair->lines[at].mutex);
	enum fair_status status = take_status(waiter);
	if (status == FAIR_WAITS) {
		line_remove(&fair->lines[at].line, waiter);
		atomic_fetch_sub(&state->queued, 1);
	}
	pthread_mutex_unlock(&fair->lines[at].mutex);
	return status;
}

void fair_tenant_give(struct fair *fair, struct tenant_state *state, uint32_t tenant, unsigned lane,
		      uint64_t now_ns)
{
	unsigned at = tenant % LINES;
	uint32_t before = atomic_fetch_sub(&state->in_flight[lane], 1);
	assert(before > 0);
	(void)before;
	if (!atomic_load(&state->queued))
		return;
	pthread_mutex_lock(&fair->lines[at].mutex);
	pass_tenant_slots(fair, &fair->lines[at].line, state, tenant, lane, NULL, now_ns);
	pthread_mutex_unlock(&fair->lines[at].mutex);
}
