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
		xgrow((void **)&items, &capacity, (size_t)i + 1, sizeof *items);
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

static void what_stands_apart_shares_no_line(void **state)
{
	enum { PIECES = 50 };
	uint8_t *apart[PIECES], *among[PIECES];

	for (int i = 0; i < PIECES; i++) {
		size_t size = 1 + (size_t)i * 13;
		apart[i] = xcalloc_apart(size);
		among[i] = xcalloc(1, 8);
		assert_int_equal((uintptr_t)apart[i] % MEM_APART, 0);
		for (size_t at = 0; at < size; at++)
			assert_int_equal(apart[i][at], 0);
	}
	for (int i = 0; i < PIECES; i++) {
		uintptr_t end = (uintptr_t)apart[i] + (1 + (uintptr_t)i * 13);
		for (int other = 0; other < PIECES; other++)
			assert_true((uintptr_t)among[other] < (uintptr_t)apart[i] ||
				    (uintptr_t)among[other] / MEM_APART > (end - 1) / MEM_APART);
	}
	for (int i = 0; i < PIECES; i++) {
		free(apart[i]);
		free(among[i]);
	}
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
		cmocka_unit_test(what_stands_apart_shares_no_line),
		cmocka_unit_test(an_impossible_size_aborts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
