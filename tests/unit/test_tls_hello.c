/* The name of a ClientHello: as hosts are looked up, or nothing. */
#include "forwarder/tls/tls_hello.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* An extension with one entry of this type. */
static size_t extension_of(const char *name, size_t length, uint8_t type, uint8_t *ret)
{
	size_t entry = length + 3;
	uint8_t head[] = {(uint8_t)(entry >> 8), (uint8_t)entry, type, (uint8_t)(length >> 8),
			  (uint8_t)length};
	memcpy(ret, head, 5);
	memcpy(ret + 5, name, length);
	return length + 5;
}

/* "": refused */
static const char *read_name(const char *name, size_t length, uint8_t type)
{
	static char text[TLS_HELLO_NAME_MAX + 1];
	uint8_t extension[600];
	size_t size = extension_of(name, length, type, extension), read;
	if (!tls_hello_name(extension, size, text, &read))
		return "";
	text[read] = '\0';
	return text;
}

static void test_names(void **state)
{
	static const struct {
		const char *sent, *read;
	} cases[] = {
		{"a.example", "a.example"},
		{"A.ExAmPlE", "a.example"},
		{"a.example.", "a.example"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"_x.1-2.example", "_x.1-2.example"},
		{"localhost", "localhost"},
		{"10.0.0.1", "10.0.0.1"},
		{"", ""},
		{".", ""},
		{"a..b", ""},
		{".a", ""},
		{"a..", ""},
		{"a b", ""},
		{"a/b", ""},
		{"*.a.example", ""},
		{"::1", ""},
		{"b\xc3\xbc.example", ""},
		{"a\n.example", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(read_name(cases[i].sent, strlen(cases[i].sent), 0), cases[i].read);
	assert_string_equal(read_name("a\0b.example", 11, 0), "");
	assert_string_equal(read_name("a.example", 9, 1), "");
}

static void test_lengths(void **state)
{
	char name[300];
	memset(name, 'a', sizeof name);
	assert_string_equal(read_name(name, 64, 0), "");
	assert_int_equal(strlen(read_name(name, 63, 0)), 63);
	for (size_t i = 63; i < sizeof name; i += 64)
		name[i] = '.';
	assert_int_equal(strlen(read_name(name, 253, 0)), 253);
	name[253] = '.';
	assert_int_equal(strlen(read_name(name, 254, 0)), 253); /* the final dot */
	name[253] = 'a';
	assert_string_equal(read_name(name, 254, 0), "");
}

static void test_what_is_cut_or_longer_is_refused(void **state)
{
	uint8_t extension[64];
	char name[TLS_HELLO_NAME_MAX];
	size_t length = extension_of("a.example", 9, 0, extension), read;
	assert_true(tls_hello_name(extension, length, name, &read));
	for (size_t cut = 0; cut < length; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1); /* for sanitizers */
		memcpy(exact, extension, cut);
		assert_false(tls_hello_name(exact, cut, name, &read));
		free(exact);
	}
	extension[length] = 0;
	assert_false(tls_hello_name(extension, length + 1, name, &read));
	extension[1]++; /* a list with an octet behind its entry */
	assert_false(tls_hello_name(extension, length + 1, name, &read));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_what_is_cut_or_longer_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
