/*
 * Who is next: a quiet tenant is served although a noisy one has all it may have waiting, what is late is not
 * served, and no freed slot is left while somebody waits.
 */
#include "forwarder/traffic/fair.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define MS ((uint64_t)1000000)
#define START_NS (1000000 * MS)
#define WAITERS 1100

struct rig {
	struct fair *fair;
	struct origin origins[2];
	struct pool_member members[2];
	struct pool_state state;
	struct pool pool;
	struct balance_local local;
	struct rng rng;
	struct balance_request request;
	struct balance_choice held; /* the slot that all wait for */
	struct fair_waiter waiters[WAITERS];
	uint64_t told[2 * WAITERS]; /* cookies, in their order */
	unsigned told_count;
};

static void note(void *context, uint32_t worker, uint64_t cookie)
{
	struct rig *rig = context;
	assert_int_equal(worker, cookie % 7);
	rig->told[rig->told_count++] = cookie;
}

static struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof *rig);

	rig->fair = fair_new(note, rig);
	rig->members[0] = (struct pool_member){&rig->origins[0], 1};
	rig->members[1] = (struct pool_member){&rig->origins[1], 1};
	rig->pool = (struct pool){.state = &rig->state,
				  .concurrency = 1,
				  .member_count = 1,
				  .weight_total = 1,
				  .members = rig->members};
	rng_seed(&rig->rng, 1);
	rig->request = (struct balance_request){
		.pool = &rig->pool, .local = &rig->local, .rng = &rig->rng, .sticky = -1, .now_ns = START_NS};
	assert_int_equal(balance_take(&rig->request, &rig->held), BALANCE_TAKEN);
	return rig;
}

static void rig_free(struct rig *rig)
{
	fair_queue_free(rig->state.queue);
	fair_free(rig->fair);
	free(rig);
}

static enum reason wait_as(struct rig *rig, unsigned at, uint32_t tenant, enum policy_priority priority,
			   uint64_t now_ns, uint64_t long_ns)
{
	struct fair_waiter *waiter = &rig->waiters[at];

	waiter->cookie = at;
	waiter->worker = at % 7;
	waiter->tenant = tenant;
	waiter->priority = priority;
	waiter->deadline_ns = now_ns + long_ns;
	rig->request.now_ns = now_ns;
	return fair_wait(rig->fair, &rig->request, waiter);
}

/* Frees the slot; returns who has it now, WAITERS: nobody. Who was late is told before. */
static unsigned serve(struct rig *rig, uint64_t now_ns)
{
	unsigned before = rig->told_count;

	fair_give(rig->fair, &rig->state, &rig->held, now_ns);
	if (rig->told_count == before)
		return WAITERS;
	unsigned at = rig->told[rig->told_count - 1];
	if (fair_leave(&rig->state, &rig->waiters[at]) != FAIR_CHOSEN)
		return WAITERS;
	rig->held = rig->waiters[at].choice;
	assert_int_equal(rig->origins[0].in_flight, 1);
	return at;
}

static void a_quiet_tenant_is_served_although_a_noisy_one_has_all_it_may_have_waiting(void **state)
{
	struct rig *rig = rig_new();
	unsigned accepted = 0;

	for (unsigned i = 0; i < 1000; i++)
		accepted += wait_as(rig, i, 1, POLICY_NORMAL, START_NS, 1000 * MS) == REASON_NONE;
	assert_int_equal(accepted, FAIR_TENANT_MAX);
	for (int i = 0; i < 10; i++)
		serve(rig, START_NS);
	assert_int_equal(wait_as(rig, 1000, 2, POLICY_NORMAL, START_NS, 1000 * MS), REASON_NONE);
	unsigned served = 0;
	while (serve(rig, START_NS) != 1000)
		served++;
	assert_true(served <= 1);
	rig_free(rig);
}

static void priorities_weigh_sixteen_four_and_one(void **state)
{
	struct rig *rig = rig_new();
	unsigned got[4] = {0};

	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(wait_as(rig, i, i % 3,
					 i % 3 == 0   ? POLICY_HIGH
					 : i % 3 == 1 ? POLICY_NORMAL
						      : POLICY_LOW,
					 START_NS, 1000 * MS),
				 REASON_NONE);
	for (int i = 0; i < 84; i++)
		got[serve(rig, START_NS) % 3]++;
	assert_in_range(got[0], 63, 65);
	assert_in_range(got[1], 15, 17);
	assert_in_range(got[2], 3, 5);
	rig_free(rig);
}

static void who_always_comes_back_is_not_ahead_of_who_waits(void **state)
{
	struct rig *rig = rig_new();
	unsigned got = 0;

	for (unsigned i = 0; i < 100; i++)
		wait_as(rig, i, 1, POLICY_NORMAL, START_NS, 1000 * MS);
	wait_as(rig, 100, 2, POLICY_NORMAL, START_NS, 1000 * MS);
	for (int i = 0; i < 60; i++)
		if (serve(rig, START_NS) == 100) {
			got++;
			wait_as(rig, 100, 2, POLICY_NORMAL, START_NS, 1000 * MS);
		}
	assert_in_range(got, 29, 31);
	rig_free(rig);
}

static void first_come_first_served_until_the_first_is_too_late(void **state)
{
	struct rig *rig = rig_new();

	for (unsigned i = 0; i < 60; i++)
		wait_as(rig, i, 1, POLICY_NORMAL, START_NS + i * MS, 1000 * MS);
	assert_int_equal(serve(rig, START_NS + 400 * MS), 0);
	assert_int_equal(serve(rig, START_NS + 502 * MS), 1); /* the head is late, but since now */
	assert_int_equal(serve(rig, START_NS + 590 * MS), 2);
	assert_int_equal(serve(rig, START_NS + 603 * MS), 59); /* for 100 ms: the last come is in time */
	assert_int_equal(serve(rig, START_NS + 604 * MS), 58);
	for (unsigned i = 3; i < 57; i++)
		assert_int_equal(fair_leave(&rig->state, &rig->waiters[i]), FAIR_WAITS);
	wait_as(rig, 60, 1, POLICY_NORMAL, START_NS + 605 * MS, 1000 * MS);
	assert_int_equal(fair_leave(&rig->state, &rig->waiters[57]), FAIR_WAITS);
	wait_as(rig, 61, 1, POLICY_NORMAL, START_NS + 606 * MS, 1000 * MS);
	assert_int_equal(serve(rig, START_NS + 607 * MS), 60); /* the queue moves: in turn again */
	rig_free(rig);
}

static void who_is_late_is_told_and_not_served(void **state)
{
	struct rig *rig = rig_new();

	for (unsigned i = 0; i < 3; i++)
		wait_as(rig, i, 1, POLICY_NORMAL, START_NS, (i + 1) * 100 * MS);
	assert_int_equal(serve(rig, START_NS + 200 * MS), 2);
	assert_int_equal(rig->told_count, 3);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(fair_leave(&rig->state, &rig->waiters[i]), FAIR_LATE);
	assert_int_equal(rig->state.queued, 0);
	/* nobody in time is left: the slot is free */
	wait_as(rig, 3, 1, POLICY_NORMAL, START_NS + 200 * MS, 100 * MS);
	serve(rig, START_NS + 300 * MS);
	assert_int_equal(rig->origins[0].in_flight, 0);
	/* and without any time there is no queue */
	assert_int_equal(wait_as(rig, 4, 1, POLICY_NORMAL, START_NS, 0), REASON_QUEUE_FULL);
	rig_free(rig);
}

static void the_queue_is_bounded_and_forgets_who_was_there(void **state)
{
	struct rig *rig = rig_new();

	for (unsigned round = 0; round < 8; round++) { /* always other tenants */
		rig->told_count = 0;
		for (unsigned i = 0; i < WAITERS; i++)
			assert_int_equal(
				wait_as(rig, i, round * WAITERS + i, POLICY_LOW, START_NS, 1000 * MS),
				i < FAIR_WAITERS_MAX ? REASON_NONE : REASON_QUEUE_FULL);
		for (unsigned i = 0; i < FAIR_WAITERS_MAX / 2; i++)
			assert_true(serve(rig, START_NS) < WAITERS);
		for (unsigned i = 0; i < FAIR_WAITERS_MAX; i++)
			fair_leave(&rig->state, &rig->waiters[i]);
		assert_int_equal(rig->state.queued, 0);
	}
	rig_free(rig);
}

static void who_leaves_keeps_a_slot_that_it_has_already(void **state)
{
	struct rig *rig = rig_new();

	wait_as(rig, 0, 1, POLICY_NORMAL, START_NS, 1000 * MS);
	wait_as(rig, 1, 1, POLICY_NORMAL, START_NS, 1000 * MS);
	assert_true(fair_is_queued(&rig->state));
	assert_int_equal(fair_leave(&rig->state, &rig->waiters[0]), FAIR_WAITS);
	assert_int_equal(fair_leave(&rig->state, &rig->waiters[0]), FAIR_NOT);
	fair_give(rig->fair, &rig->state, &rig->held, START_NS);
	assert_int_equal(fair_leave(&rig->state, &rig->waiters[1]), FAIR_CHOSEN);
	assert_int_equal(rig->origins[0].in_flight, 1);
	fair_give(rig->fair, &rig->state, &rig->waiters[1].choice, START_NS);
	assert_int_equal(rig->origins[0].in_flight, 0);
	/* a slot that is free when one comes to wait is its own at once, without a message */
	unsigned told = rig->told_count;
	assert_int_equal(wait_as(rig, 2, 1, POLICY_NORMAL, START_NS, 1000 * MS), REASON_NONE);
	assert_int_equal(rig->waiters[2].status, FAIR_CHOSEN);
	assert_int_equal(rig->told_count, told);
	rig_free(rig);
}

static void an_origin_that_comes_back_serves_who_waits(void **state)
{
	struct rig *rig = rig_new();

	rig->pool.member_count = 2;
	rig->pool.weight_total = 2;
	rig->origins[1].state = ORIGIN_DOWN;
	wait_as(rig, 0, 1, POLICY_NORMAL, START_NS, 1000 * MS);
	fair_look(rig->fair, &rig->request);
	assert_int_equal(rig->told_count, 0);
	rig->origins[1].state = ORIGIN_UP;
	fair_look(rig->fair, &rig->request);
	assert_int_equal(rig->told_count, 1);
	assert_ptr_equal(rig->waiters[0].choice.origin, &rig->origins[1]);
	/* one that left gives its slots to nobody */
	fair_leave(&rig->state, &rig->waiters[0]);
	wait_as(rig, 1, 1, POLICY_NORMAL, START_NS, 1000 * MS);
	rig->origins[0].state = ORIGIN_EJECTED;
	fair_give(rig->fair, &rig->state, &rig->held, START_NS);
	assert_int_equal(fair_leave(&rig->state, &rig->waiters[1]), FAIR_WAITS);
	rig_free(rig);
}

static void the_concurrency_of_a_tenant_is_waited_for_in_turn(void **state)
{
	struct rig *rig = rig_new();
	struct tenant_state tenant = {0}, other = {0};

	tenant.in_flight[1] = 1; /* of the process before */
	assert_true(fair_tenant_take(&tenant, 0, 2));
	assert_false(fair_tenant_take(&tenant, 0, 2));
	assert_int_equal(tenant.peak_in_flight, 2);
	for (unsigned i = 0; i < 4; i++) {
		rig->waiters[i] = (struct fair_waiter){.cookie = i,
						       .worker = i,
						       .tenant = i == 1 ? 256 + 5 : 5, /* the same line */
						       .concurrency = 2,
						       .deadline_ns = START_NS + (i == 2 ? 10 : 100) * MS};
		if (i == 1)
			assert_true(fair_tenant_take(&other, 0, 2) && fair_tenant_take(&other, 0, 2));
		assert_int_equal(
			fair_tenant_wait(rig->fair, i == 1 ? &other : &tenant, 0, &rig->waiters[i], START_NS),
			REASON_NONE);
		assert_int_equal(rig->waiters[i].status, FAIR_WAITS);
	}
	fair_tenant_give(rig->fair, &tenant, 5, 0, START_NS);
	assert_int_equal(rig->told_count, 1);
	assert_int_equal(fair_tenant_leave(rig->fair, &tenant, &rig->waiters[0]), FAIR_CHOSEN);
	fair_tenant_give(rig->fair, &tenant, 5, 0, START_NS + 50 * MS); /* 2 is late, 3 is not */
	assert_int_equal(fair_tenant_leave(rig->fair, &tenant, &rig->waiters[2]), FAIR_LATE);
	assert_int_equal(fair_tenant_leave(rig->fair, &tenant, &rig->waiters[3]), FAIR_CHOSEN);
	assert_int_equal(tenant.in_flight[0], 1);
	assert_int_equal(tenant.queued, 0);
	assert_int_equal(fair_tenant_leave(rig->fair, &other, &rig->waiters[1]), FAIR_WAITS);
	assert_int_equal(other.in_flight[0], 2);
	for (unsigned i = 4; i < 4 + FAIR_TENANT_MAX + 1; i++) {
		rig->waiters[i] = (struct fair_waiter){
			.tenant = 5, .concurrency = 2, .deadline_ns = START_NS + 100 * MS};
		assert_int_equal(fair_tenant_wait(rig->fair, &tenant, 0, &rig->waiters[i], START_NS),
				 i < 4 + FAIR_TENANT_MAX ? REASON_NONE : REASON_CONCURRENCY);
	}
	rig_free(rig);
}

/* --- threads: each is a worker that asks, waits to be told, and gives --- */

#define THREADS 4
#define ROUNDS 20000

static struct rig *raced;
static struct tenant_state raced_tenant;
static sem_t mailboxes[THREADS];
static pthread_barrier_t start;
static _Atomic unsigned waits;

static void post(void *context, uint32_t worker, uint64_t cookie)
{
	sem_post(&mailboxes[worker]);
}

/* A thread has no test to fail in: the program ends. */
static void must(bool is_true)
{
	if (!is_true)
		abort();
}

static void await(unsigned worker)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	waits++;
	while (sem_timedwait(&mailboxes[worker], &until))
		must(errno == EINTR); /* ETIMEDOUT: a wake-up was lost */
}

static void race_pool(unsigned worker, struct fair_waiter *waiter, const struct balance_request *request)
{
	struct balance_choice choice;

	if (fair_is_queued(&raced->state) || balance_take(request, &choice) != BALANCE_TAKEN) {
		sched_yield(); /* the moment in which the slot comes free unseen */
		must(fair_wait(raced->fair, request, waiter) == REASON_NONE);
		bool is_at_once = waiter->status == FAIR_CHOSEN;
		if (!is_at_once && rng_next(request->rng) % 8 == 0) { /* the client goes */
			enum fair_status status = fair_leave(&raced->state, waiter);
			if (status == FAIR_WAITS)
				return;
			await(worker);
			must(status == FAIR_CHOSEN);
		} else {
			if (!is_at_once)
				await(worker);
			must(fair_leave(&raced->state, waiter) == FAIR_CHOSEN);
		}
		choice = waiter->choice;
	}
	if (rng_next(request->rng) % 4 == 0)
		sched_yield(); /* others come meanwhile */
	fair_give(raced->fair, &raced->state, &choice, START_NS);
}

static void race_tenant(unsigned worker, struct fair_waiter *waiter)
{
	if (!fair_tenant_take(&raced_tenant, 0, 1)) {
		sched_yield();
		waiter->concurrency = 1;
		must(fair_tenant_wait(raced->fair, &raced_tenant, 0, waiter, START_NS) == REASON_NONE);
		if (waiter->status != FAIR_CHOSEN)
			await(worker);
		must(fair_tenant_leave(raced->fair, &raced_tenant, waiter) == FAIR_CHOSEN);
	}
	if (worker % 2)
		sched_yield();
	fair_tenant_give(raced->fair, &raced_tenant, 3, 0, START_NS);
}

static void *race(void *argument)
{
	unsigned worker = (uintptr_t)argument;
	struct balance_local local = {0};
	struct rng rng;
	struct balance_request request = raced->request;
	struct fair_waiter *waiter = &raced->waiters[worker];

	rng_seed(&rng, worker);
	request.local = &local;
	request.rng = &rng;
	waiter->worker = worker;
	waiter->deadline_ns = UINT64_MAX;
	pthread_barrier_wait(&start);
	for (int i = 0; i < ROUNDS; i++) {
		waiter->tenant = worker % 2;
		race_pool(worker, waiter, &request);
		waiter->tenant = 3;
		race_tenant(worker, waiter);
	}
	return NULL;
}

static void no_wake_up_is_lost_between_workers(void **state)
{
	pthread_t threads[THREADS];

	raced = rig_new();
	balance_give(&raced->held);
	fair_free(raced->fair);
	raced->fair = fair_new(post, NULL);
	pthread_barrier_init(&start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		sem_init(&mailboxes[i], 0, 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(raced->origins[0].in_flight, 0);
	assert_int_equal(raced->state.queued, 0);
	assert_int_equal(raced_tenant.in_flight[0], 0);
	assert_int_equal(raced_tenant.queued, 0);
	assert_true(waits > ROUNDS / 10); /* they did meet */
	rig_free(raced);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quiet_tenant_is_served_although_a_noisy_one_has_all_it_may_have_waiting),
		cmocka_unit_test(priorities_weigh_sixteen_four_and_one),
		cmocka_unit_test(who_always_comes_back_is_not_ahead_of_who_waits),
		cmocka_unit_test(first_come_first_served_until_the_first_is_too_late),
		cmocka_unit_test(who_is_late_is_told_and_not_served),
		cmocka_unit_test(the_queue_is_bounded_and_forgets_who_was_there),
		cmocka_unit_test(who_leaves_keeps_a_slot_that_it_has_already),
		cmocka_unit_test(an_origin_that_comes_back_serves_who_waits),
		cmocka_unit_test(the_concurrency_of_a_tenant_is_waited_for_in_turn),
		cmocka_unit_test(no_wake_up_is_lost_between_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
