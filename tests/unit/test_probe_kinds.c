/* The table of kinds: every row is whole, and found by its name and its number. */
#include "checker/probe_kinds.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* The store remembers kinds by number: what an earlier version wrote must mean the same. */
static void numbers_stay(void **state)
{
	static const char *const names[] = {"tcp", "http", "tls", "https", "dns", "grpc-health"};
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_string_equal(probe_kinds_get(i)->name, names[i]);
		assert_ptr_equal(probe_kinds_find(names[i]), probe_kinds_get(i));
		assert_int_equal(probe_kinds_number(probe_kinds_get(i)), i);
	}
	assert_null(probe_kinds_find("no such kind"));
}

static void every_row_is_whole(void **state)
{
	const struct probe_kind *kind;
	for (unsigned i = 0; (kind = probe_kinds_get(i)); i++) {
		assert_non_null(kind->name);
		assert_ptr_equal(probe_kinds_find(kind->name), kind); /* the name is its own */
		assert_non_null(kind->ask);
		assert_true(!kind->done || kind->state_bytes > 0);
		/* what a certificate may be asked needs TLS, and the other way round */
		assert_int_equal((kind->keys & PROBE_KEY_VERIFY) != 0, kind->secure != NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_stay),
		cmocka_unit_test(every_row_is_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
