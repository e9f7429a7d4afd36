/* Memory that cannot fail: growth, and the abort when a size is impossible. */
#include "lib/mem.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void growth_keeps_what_was_there(void **state)
{
	int *items = NULL;
	size_t capacity = 0;

	for (int i = 0; i < 1000; i++) {
		xgrow((void **)&items, &capacity, (size_t)i + 1, sizeof(*items));
		assert_true(capacity > (size_t)i);
		items[i] = i;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(items[i], i);
	free(items);
}

static void copies(void **state)
{
	char *text = xasprintf("%s-%d", "eu", 7), *part = xstrndup(text, 2), *whole = xstrdup(text);
	char *bytes = xmemdup("a\0b", 3);

	assert_string_equal(text, "eu-7");
	assert_string_equal(part, "eu");
	assert_string_equal(whole, text);
	assert_memory_equal(bytes, "a\0b", 3);
	free(text);
	free(part);
	free(whole);
	free(bytes);
	free(xmalloc(0));
	free(xcalloc(0, 8));
	free(xrealloc(NULL, 0));
	free(xmemdup(NULL, 0));
}

static void an_impossible_size_aborts(void **state)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		void *items = NULL;
		size_t capacity = 0;
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		xgrow(&items, &capacity, SIZE_MAX / 4, 8);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_keeps_what_was_there),
		cmocka_unit_test(copies),
		cmocka_unit_test(an_impossible_size_aborts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
