/*
 * kill -9 at random moments of 200 changes: what was acknowledged is there, and nothing is half there.
 * A change n is one object, one control and one audit line, so that a torn one shows.
 */
#include "lib/rng.h"
#include "tests/unit/store_fixture.h"
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define ROUNDS 20
#define CHANGES_A_ROUND 10

static bool commit_numbered(struct store *store, uint32_t n)
{
	char yaml[80], reason[16], author[] = "uid:1";
	snprintf(yaml, sizeof yaml, "tenants: {t%u: {zone: z.example, service: shop}}\n", n);
	snprintf(reason, sizeof reason, "%u", n);
	struct err_list errors = {0};
	struct fleet_result result = {0};
	struct fleet_change *fleet_change = fleet_change_new(FLEET_STORE);
	add_yaml(fleet_change, "f", yaml, &errors);
	if (!fleet_apply(fleet, fleet_change, n, false, &result, &errors))
		return false;
	struct control_row row = {.region = "eu", .share = 50, .reason = reason, .author = author};
	struct audit_line line = {.time_unix_ms = n,
				  .author = author,
				  .via = "api",
				  .verb = "apply",
				  .object = "tenant",
				  .reason = reason};
	struct store_change change = {.fleet = &result,
				      .fleet_version = n,
				      .control_count = 1,
				      .controls = &row,
				      .audit = &line,
				      .audit_count = 1};
	bool is_done = store_commit(store, &change, &errors);
	fleet_result_done(&result);
	fleet_change_free(fleet_change);
	return is_done;
}

/* Writes change after change and each number, once durable, into the pipe. Never returns. */
static void write_until_killed(uint32_t first, int acknowledge)
{
	struct err_list errors = {0};
	struct store *store = store_open(directory, &errors);
	for (uint32_t n = first; store && commit_numbered(store, n); n++)
		if (write(acknowledge, &n, sizeof n) != sizeof n)
			break;
	_exit(1);
}

static void count_object(void *user, enum fleet_kind kind, const char *id, const char *json, uint64_t version)
{
	uint32_t *count = user;
	char expected[16];
	(*count)++;
	assert_int_equal(version, *count);
	snprintf(expected, sizeof expected, "t%u", *count);
	assert_string_equal(id, expected);
}

static void note_reason(void *user, const struct control_row *row)
{
	*(uint32_t *)user = (uint32_t)atoi(row->reason);
}

/* Objects, control, audit and version tell the same number of changes; returns it. */
static uint32_t check_whole(void)
{
	struct store *store = must_open();
	uint32_t count = 0, server = 0;
	int64_t row = 0;
	assert_true(store_each_object(store, FLEET_TENANT, &row, SIZE_MAX, count_object, &count));
	assert_true(store_each_control(store, note_reason, &server));
	json_t *audit = store_audit(store, 0, 100000);
	assert_int_equal(store_fleet_version(store), count);
	assert_int_equal(server, count);
	assert_int_equal(json_array_size(audit), count);
	json_decref(audit);
	store_close(store);
	return count;
}

static void test_kill_loses_nothing_acknowledged(void **state)
{
	struct rng rng;
	rng_seed(&rng, 20240229);
	uint32_t acknowledged = 0;
	for (int round = 0; round < ROUNDS; round++) {
		int pipe_fd[2];
		assert_int_equal(pipe(pipe_fd), 0);
		pid_t child = fork();
		if (child == 0)
			write_until_killed(acknowledged + 1, pipe_fd[1]);
		close(pipe_fd[1]);
		for (int i = 0; i < CHANGES_A_ROUND; i++)
			assert_int_equal(read(pipe_fd[0], &acknowledged, sizeof acknowledged),
					 sizeof acknowledged);
		/* The moment is what is random here: somewhere inside the changes that follow. */
		struct timespec moment = {.tv_nsec = (long)(rng_next(&rng) % 4000000)};
		nanosleep(&moment, NULL);
		kill(child, SIGKILL);
		while (read(pipe_fd[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged)
			continue;
		close(pipe_fd[0]);
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		uint32_t found = check_whole();
		/* One more may be durable, its acknowledgement not yet sent. */
		assert_true(found == acknowledged || found == acknowledged + 1);
		acknowledged = found;
	}
	assert_true(acknowledged >= ROUNDS * CHANGES_A_ROUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kill_loses_nothing_acknowledged, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
