/* Work on a thread of its own, and its end on the loop's. */
#include "lib/helper.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct job {
	struct event_base *base;
	pthread_t worked_on;
	bool has_worked, is_done;
};

static void work(void *user)
{
	struct job *job = user;
	job->worked_on = pthread_self();
	job->has_worked = true;
}

static void done(void *user)
{
	struct job *job = user;
	job->is_done = true;
	event_base_loopbreak(job->base);
}

static void test_the_loop_goes_on_when_the_work_is_done(void **state)
{
	struct job job = {.base = event_base_new()};
	assert_non_null(helper_start(job.base, work, done, &job));
	assert_false(job.is_done);
	event_base_dispatch(job.base);
	assert_true(job.is_done);
	assert_true(job.has_worked);
	assert_false(pthread_equal(job.worked_on, pthread_self()));
	event_base_free(job.base);
}

static void test_one_that_is_given_up_calls_nobody(void **state)
{
	struct job job = {.base = event_base_new()};
	helper_free(helper_start(job.base, work, done, &job));
	assert_true(job.has_worked); /* it was waited for */
	event_base_loop(job.base, EVLOOP_NONBLOCK);
	assert_false(job.is_done);
	helper_free(NULL);
	event_base_free(job.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_loop_goes_on_when_the_work_is_done),
		cmocka_unit_test(test_one_that_is_given_up_calls_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
