/* SHA-256 by the examples of the standard, and each length round the edge of a block against another one. */
#include "forwarder/plan/sha256.h"
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, const char *hex)
{
	uint8_t hash[SHA256_BYTES];
	char found[2 * SHA256_BYTES + 1];

	sha256(text, strlen(text), hash);
	for (int i = 0; i < SHA256_BYTES; i++)
		sprintf(found + 2 * i, "%02x", hash[i]);
	assert_string_equal(found, hex);
}

static void examples_of_the_standard(void **state)
{
	expect("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	expect("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void each_length_is_as_openssl_has_it(void **state)
{
	uint8_t octets[300], ours[SHA256_BYTES], theirs[SHA256_BYTES];

	for (size_t i = 0; i < sizeof octets; i++)
		octets[i] = i * 31 + 7;
	for (size_t length = 0; length <= sizeof octets; length++) {
		sha256(octets, length, ours);
		assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, octets, length, theirs, NULL), 1);
		assert_memory_equal(ours, theirs, sizeof ours);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_standard),
		cmocka_unit_test(each_length_is_as_openssl_has_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
