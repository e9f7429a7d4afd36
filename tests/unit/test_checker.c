/* The schedule: rounds on time, limits kept, nothing told of what is gone. Real sockets on loopback. */
#include "checker/checker.h"
#include "checker/probe_kinds.h"
#include "lib/clock.h"
#include "tests/unit/origin.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

static struct event_base *base;
static struct origin origin;
static struct checker *checker;

struct tally { /* of one target */
	unsigned rounds, good, inconclusive;
	uint64_t last_ms, shortest_ms, longest_ms; /* between results */
	char reason[128];
};
static unsigned results, results_wanted;

static void on_result(void *user, const struct probe_result *result)
{
	struct tally *tally = user;
	uint64_t now_ms = clock_mono_ms(), gap_ms = now_ms - tally->last_ms;
	if (tally->rounds > 0) {
		if (tally->shortest_ms == 0 || gap_ms < tally->shortest_ms)
			tally->shortest_ms = gap_ms;
		if (gap_ms > tally->longest_ms)
			tally->longest_ms = gap_ms;
	}
	tally->last_ms = now_ms;
	tally->rounds++;
	tally->good += result->is_ok;
	tally->inconclusive += result->is_inconclusive;
	snprintf(tally->reason, sizeof tally->reason, "%s", result->reason);
	if (++results == results_wanted)
		event_base_loopbreak(base);
}

static void set_up_with(unsigned concurrency)
{
	results = results_wanted = 0;
	memset(&origin, 0, sizeof origin);
	base = event_base_new();
	assert_non_null(base);
	assert_true(origin_open(&origin, base, "127.0.0.1", 0));
	checker = checker_new(base, concurrency, 1, on_result);
}

static void tear_down(void)
{
	checker_free(checker);
	origin_settle(&origin);
	event_base_free(base);
}

static struct checker_target *add(const char *kind, uint32_t interval_ms, uint32_t timeout_ms,
				  struct tally *tally)
{
	struct ip ip;
	assert_true(ip_parse("127.0.0.1", &ip));
	struct probe_spec spec = {.kind = probe_kinds_find(kind),
				  .port = origin.port,
				  .interval_ms = interval_ms,
				  .timeout_ms = timeout_ms,
				  .method = "GET",
				  .path = "/"};
	return checker_add(checker, &ip, &spec, tally);
}

/* Awaits so many results more; ten seconds are too long for anything here. Returns the time it took. */
static uint64_t await(unsigned count)
{
	uint64_t start_ms = clock_mono_ms();
	results_wanted = results + count;
	event_base_loopexit(base, &(const struct timeval){.tv_sec = 10});
	event_base_dispatch(base);
	assert_int_equal(results, results_wanted);
	return clock_mono_ms() - start_ms;
}

static unsigned open_descriptors(void)
{
	unsigned count = 0;
	DIR *directory = opendir("/proc/self/fd");
	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static void tcp_is_a_connection(void **state)
{
	struct tally tally = {0};
	set_up_with(10);
	add("tcp", 100, 50, &tally);
	await(2);
	assert_int_equal(tally.good, 2);
	origin_refuse(&origin);
	await(2);
	assert_int_equal(tally.good, 2);
	assert_string_equal(tally.reason, "connection refused");
	tear_down();
}

static void first_rounds_come_at_once(void **state)
{
	static struct tally tally[50];
	memset(tally, 0, sizeof tally);
	set_up_with(512);
	for (size_t i = 0; i < 50; i++)
		add("tcp", 3600000, 1000, &tally[i]);
	assert_int_equal(checker_targets(checker), 50);
	assert_in_range(await(50), 20, 1000); /* spread, but within 100 ms and what a busy machine adds */
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(tally[i].good, 1);
	tear_down();
}

static void a_round_starts_at_least_every_interval(void **state)
{
	struct tally tally = {0};
	set_up_with(10);
	add("tcp", 100, 100, &tally);
	await(1);
	uint64_t took_ms = await(20);
	/* 0..10 % shorter, 5 % on average; never longer, and a busy machine's lateness does not add up */
	assert_in_range(took_ms, 20 * 90 - 50, 20 * 100 + 50);
	assert_in_range(tally.shortest_ms, 10, 105);
	tear_down();
}

static void timeouts_do_not_delay_the_next_round(void **state)
{
	struct tally tally = {0};
	set_up_with(10);
	origin_reply(&origin, NULL);
	add("http", 100, 100, &tally); /* the longest timeout that there may be */
	await(1);
	uint64_t took_ms = await(10);
	assert_in_range(took_ms, 850, 1300);
	assert_string_equal(tally.reason, "timeout");
	assert_int_equal(origin.most_open <= 2, 1); /* rounds never overlap; the peer may see the end late */
	tear_down();
}

static void the_limit_holds_and_the_queue_is_fair(void **state)
{
	static struct tally tally[10];
	memset(tally, 0, sizeof tally);
	set_up_with(2);
	origin_reply(&origin, NULL);
	for (size_t i = 0; i < 10; i++)
		add("http", 100, 40, &tally[i]); /* twice as much as fits */
	await(60);
	for (size_t i = 0; i < 10; i++)
		assert_in_range(tally[i].rounds, 5, 7);
	assert_in_range(origin.most_open, 1, 4);
	tear_down();
}

/* A server that ends late what its clients have ended: a connection that only waits for that is given up
 * for the sake of another target, and of its own target's next round. */
static void nobody_waits_for_a_connection_to_end(void **state)
{
	struct tally first = {0}, second = {0};
	set_up_with(1);
	origin.end_delay_ms = 1500;
	add("tcp", 10000, 10000, &first);
	add("tcp", 100, 100, &second);
	uint64_t took_ms = await(8);
	assert_in_range(took_ms, 500, 1000);
	assert_int_equal(first.good, 1);
	assert_int_equal(second.good, 7);
	assert_in_range(second.longest_ms, 50, 150);
	tear_down();
}

static void a_removed_target_is_silent_and_makes_room(void **state)
{
	struct tally first = {0}, second = {0};
	set_up_with(1);
	origin_reply(&origin, NULL);
	struct checker_target *hanging = add("http", 10000, 10000, &first);
	while (origin.request_length == 0) /* it has the slot, and no answer */
		event_base_loop(base, EVLOOP_ONCE);
	origin_reply(&origin, "HTTP/1.1 200 OK\r\n\r\n");
	struct checker_target *queued = add("http", 100, 100, &second);
	/* let its turn come, which it cannot have yet */
	event_base_loopexit(base, &(const struct timeval){.tv_usec = 150000});
	event_base_dispatch(base);
	assert_int_equal(second.rounds, 0);
	checker_remove(checker, hanging);
	await(1);
	assert_int_equal(first.rounds, 0);
	assert_int_equal(second.good, 1);
	checker_remove(checker, queued);
	assert_int_equal(checker_targets(checker), 0);
	tear_down();
}

static void running_out_of_descriptors_is_not_the_targets_fault(void **state)
{
	struct tally tally = {0};
	struct rlimit before, none;
	set_up_with(10);
	add("tcp", 100, 100, &tally);
	await(1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0; /* whatever is closed meanwhile makes no room */
	unsigned rounds = tally.rounds;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	await(2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(tally.inconclusive, 2);
	assert_int_equal(tally.rounds, rounds + 2);
	assert_string_equal(tally.reason, "too many open files");
	await(1);
	assert_int_equal(tally.inconclusive, 2);
	tear_down();
}

/* A process that was stopped finds the deadline over and an answer that it could not wait for. */
/* The rounds of many do not come in bursts: the busiest tenth of an interval sees no third of them. */
static void the_rounds_of_many_are_spread(void **state)
{
	static struct tally tally[200];
	memset(tally, 0, sizeof tally);
	set_up_with(512);
	for (size_t i = 0; i < 200; i++)
		add("tcp", 1000, 500, &tally[i]);
	await(200);
	uint64_t start_ms = clock_mono_ms();
	await(200);
	assert_in_range(clock_mono_ms() - start_ms, 600, 1400);
	unsigned tenths[16] = {0};
	for (size_t i = 0; i < 200; i++)
		if (tally[i].last_ms >= start_ms && tally[i].last_ms - start_ms < 1600)
			tenths[(tally[i].last_ms - start_ms) / 100]++;
	for (size_t i = 0; i < 16; i++)
		assert_in_range(tenths[i], 0, 66);
	tear_down();
}

static void standing_still_is_not_the_targets_fault(void **state)
{
	struct tally tally = {0};
	set_up_with(10);
	unsigned before = open_descriptors();
	origin_reply(&origin, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	add("http", 3600000, 50, &tally);
	while (open_descriptors() == before)
		event_base_loop(base, EVLOOP_ONCE);
	usleep(250000); /* what is tested: nobody turns the loop */
	uint64_t took_ms = await(2);
	assert_int_equal(tally.inconclusive, 1);
	assert_int_equal(tally.good, 1); /* probed again at once, not after an hour */
	assert_in_range(took_ms, 0, 1000);
	tear_down();
}

static void no_descriptor_is_left_behind(void **state)
{
	struct tally good = {0}, hanging = {0};
	unsigned before = open_descriptors();
	set_up_with(10);
	add("tcp", 100, 100, &good);
	add("http", 100, 30, &hanging);
	await(20);
	tear_down();
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_is_a_connection),
		cmocka_unit_test(first_rounds_come_at_once),
		cmocka_unit_test(a_round_starts_at_least_every_interval),
		cmocka_unit_test(timeouts_do_not_delay_the_next_round),
		cmocka_unit_test(the_limit_holds_and_the_queue_is_fair),
		cmocka_unit_test(nobody_waits_for_a_connection_to_end),
		cmocka_unit_test(a_removed_target_is_silent_and_makes_room),
		cmocka_unit_test(running_out_of_descriptors_is_not_the_targets_fault),
		cmocka_unit_test(the_rounds_of_many_are_spread),
		cmocka_unit_test(standing_still_is_not_the_targets_fault),
		cmocka_unit_test(no_descriptor_is_left_behind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
