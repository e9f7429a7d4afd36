/* Names find the certificate that is theirs, and no other. */
#include "forwarder/plan/certnames.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct certnames_entry *entry_of(enum certnames_kind kind, uint8_t fingerprint, int64_t not_after_s)
{
	struct certnames_entry values = {.kind = kind,
					 .fingerprint = {fingerprint},
					 .not_after_s = not_after_s,
					 .leaf = (const uint8_t *)"leaf",
					 .leaf_length = 4,
					 .key = (const uint8_t *)"key",
					 .key_length = 3};
	return certnames_entry_new(&values);
}

static void add(struct certnames *names, struct certnames_entry *entry, const char *name)
{
	certnames_add(names, entry, &name, 1);
	certnames_entry_unref(entry);
}

static unsigned found(const struct certnames *names, const char *name, enum certnames_kind kind)
{
	struct certnames_found both = {0};
	if (!certnames_find(names, name, strlen(name), &both))
		return 0;
	const struct certnames_entry *entry = kind == CERTNAMES_ECDSA ? both.ecdsa : both.rsa;
	return entry ? entry->fingerprint[0] : 0;
}

static void test_exact_is_before_wildcard(void **state)
{
	struct certnames *names = certnames_new(1);
	add(names, entry_of(CERTNAMES_ECDSA, 1, 100), "*.a.example");
	add(names, entry_of(CERTNAMES_ECDSA, 2, 100), "x.a.example");
	add(names, entry_of(CERTNAMES_ECDSA, 3, 100), "a.example");
	assert_int_equal(found(names, "x.a.example", CERTNAMES_ECDSA), 2);
	assert_int_equal(found(names, "y.a.example", CERTNAMES_ECDSA), 1);
	assert_int_equal(found(names, "a.example", CERTNAMES_ECDSA), 3);
	static const char *const nobodys[] = {"y.x.a.example", "b.example",  "example", ".a.example", "", "*",
					      "aa.example",    "*.b.example"};
	for (size_t i = 0; i < sizeof nobodys / sizeof *nobodys; i++)
		assert_int_equal(found(names, nobodys[i], CERTNAMES_ECDSA), 0);
	certnames_unref(names);
}

static void test_both_kinds_and_the_longer_valid(void **state)
{
	struct certnames *names = certnames_new(1);
	struct certnames_found both;
	uint8_t fingerprint[CERTNAMES_FINGERPRINT], other[CERTNAMES_FINGERPRINT];
	add(names, entry_of(CERTNAMES_ECDSA, 1, 100), "a.example");
	assert_true(certnames_find(names, "a.example", 9, &both));
	certnames_fingerprint(&both, other);
	add(names, entry_of(CERTNAMES_RSA, 2, 100), "a.example");
	add(names, entry_of(CERTNAMES_ECDSA, 8, 200), "a.example");
	add(names, entry_of(CERTNAMES_ECDSA, 4, 150), "a.example");
	assert_int_equal(found(names, "a.example", CERTNAMES_ECDSA), 8);
	assert_int_equal(found(names, "a.example", CERTNAMES_RSA), 2);
	assert_true(certnames_find(names, "a.example", 9, &both));
	certnames_fingerprint(&both, fingerprint);
	assert_memory_not_equal(fingerprint, other, sizeof fingerprint);
	certnames_unref(names);
}

static void test_the_default(void **state)
{
	struct certnames *names = certnames_new(1);
	struct certnames_found both;
	struct certnames_entry *entry = entry_of(CERTNAMES_RSA, 9, 100);
	const char *name = "d.example";
	assert_false(certnames_default(names, &both));
	certnames_add(names, entry, &name, 1);
	certnames_set_default(names, entry);
	certnames_entry_unref(entry);
	assert_true(certnames_default(names, &both));
	assert_int_equal(both.rsa->fingerprint[0], 9);
	assert_null(both.ecdsa);
	certnames_unref(names);
}

static void test_ten_thousand_names(void **state)
{
	struct certnames *names = certnames_new(0x1234567);
	struct certnames_entry *entries[7];
	char name[64];
	const char *at = name;
	for (unsigned i = 0; i < 7; i++)
		entries[i] = entry_of(CERTNAMES_ECDSA, (uint8_t)(i + 1), 100);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof name, "%st%u.example", i % 3 == 0 ? "*." : "", i);
		certnames_add(names, entries[i % 7], &at, 1);
	}
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof name, "%st%u.example", i % 3 == 0 ? "w." : "", i);
		assert_int_equal(found(names, name, CERTNAMES_ECDSA), i % 7 + 1);
		snprintf(name, sizeof name, "%st%u.example", i % 3 == 0 ? "" : "w.", i);
		assert_int_equal(found(names, name, CERTNAMES_ECDSA), 0);
	}
	for (unsigned i = 0; i < 7; i++)
		certnames_entry_unref(entries[i]);
	certnames_unref(names);
}

static void test_entries_outlive_their_table(void **state)
{
	struct certnames *first = certnames_new(1), *second = certnames_new(2);
	struct certnames_link *link = certnames_link_new((const uint8_t *)"link", 4, (const uint8_t[16]){7});
	struct certnames_entry values = {.leaf = (const uint8_t *)"leaf",
					 .leaf_length = 4,
					 .key = (const uint8_t *)"key",
					 .key_length = 3,
					 .staple = (const uint8_t *)"staple",
					 .staple_length = 6,
					 .chain_count = 1,
					 .chain = {link}};
	struct certnames_entry *entry = certnames_entry_new(&values);
	const char *name = "a.example";
	struct certnames_found both;
	certnames_link_unref(link);
	certnames_add(first, entry, &name, 1);
	certnames_add(second, entry, &name, 1);
	certnames_entry_unref(entry);
	certnames_unref(first);
	assert_true(certnames_find(second, name, 9, &both));
	assert_memory_equal(both.ecdsa->leaf, "leaf", 4);
	assert_memory_equal(both.ecdsa->key, "key", 3);
	assert_memory_equal(both.ecdsa->staple, "staple", 6);
	assert_memory_equal(both.ecdsa->chain[0]->der, "link", 4);
	const struct certnames *third = certnames_ref(second);
	certnames_unref(second);
	assert_true(certnames_find(third, name, 9, &both));
	certnames_unref(third);
	certnames_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_is_before_wildcard),
		cmocka_unit_test(test_both_kinds_and_the_longer_valid),
		cmocka_unit_test(test_the_default),
		cmocka_unit_test(test_ten_thousand_names),
		cmocka_unit_test(test_entries_outlive_their_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
