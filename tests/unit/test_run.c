/* A daemon's process: which signals end it, which reload it, and which it lives through. */
#include "daemon/run.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <cmocka.h>

static struct event_base *base;
static struct run *run;
static unsigned reloads;

static void on_reload(void *user)
{
	++*(unsigned *)user;
	event_base_loopbreak(base);
}

static int setup(void **state)
{
	reloads = 0;
	base = event_base_new();
	run = run_new(base, on_reload, &reloads);
	return 0;
}

static int teardown(void **state)
{
	run_free(run);
	event_base_free(base);
	return 0;
}

static void test_hang_up_reloads_and_goes_on(void **state)
{
	for (unsigned i = 1; i <= 3; i++) {
		raise(SIGHUP);
		event_base_dispatch(base);
		assert_int_equal(reloads, i);
	}
}

static void test_log_files_are_opened_anew_where_that_is_wanted(void **state)
{
	run_set_reopen(run, on_reload);
	raise(SIGUSR1);
	event_base_dispatch(base);
	assert_int_equal(reloads, 1);
}

static void test_termination_and_interrupt_leave_the_loop(void **state)
{
	raise(SIGTERM);
	assert_int_equal(event_base_dispatch(base), 0);
	assert_true(event_base_got_break(base));
	raise(SIGINT);
	assert_int_equal(event_base_dispatch(base), 0);
	assert_true(event_base_got_break(base));
	assert_int_equal(reloads, 0);
}

/* A peer that went away, and a disk that is full, are errors of one write. */
static void test_broken_pipes_and_full_disks_do_not_kill(void **state)
{
	raise(SIGPIPE);
	raise(SIGXFSZ);
}

static void test_as_many_descriptors_as_the_system_allows(void **state)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(limit.rlim_cur == limit.rlim_max);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hang_up_reloads_and_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_files_are_opened_anew_where_that_is_wanted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_termination_and_interrupt_leave_the_loop, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_broken_pipes_and_full_disks_do_not_kill, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_as_many_descriptors_as_the_system_allows, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
