/* The dns check's question, and what it makes of answers. */
#include "checker/dns_response.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t name[] = "\7example\3net";
static uint8_t question[DNS_QUESTION_BYTES_MAX], answer[600];
static size_t question_length;
static const char *reason;

static int set_up(void **state)
{
	question_length = dns_response_question(0x1234, name, sizeof name, question);
	memset(answer, 0, sizeof answer);
	memcpy(answer, question, question_length);
	answer[2] |= 0x80;
	reason = NULL;
	return 0;
}

static enum dns_verdict read_answer(void)
{
	return dns_response_read(question, question_length, answer, question_length, &reason);
}

static void the_question_is_for_the_soa(void **state)
{
	static const uint8_t expected[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\3net\0\0\6\0\1";
	assert_int_equal(question_length, sizeof expected - 1);
	assert_memory_equal(question, expected, question_length);
	uint8_t root[1] = {0};
	assert_int_equal(dns_response_question(1, root, 1, question), 17);
}

static void noerror_is_up_with_or_without_data(void **state)
{
	assert_int_equal(read_answer(), DNS_UP);
	answer[7] = 1; /* an answer record, which nobody reads */
	assert_int_equal(read_answer(), DNS_UP);
	answer[13] = 'E'; /* a server may answer in another case */
	assert_int_equal(read_answer(), DNS_UP);
	answer[2] |= 0x02;
	assert_int_equal(read_answer(), DNS_TRUNCATED);
}

static void errors_have_names(void **state)
{
	answer[3] = 2;
	assert_int_equal(read_answer(), DNS_REFUSED_IT);
	assert_string_equal(reason, "SERVFAIL");
	answer[3] = 0x80 | 5;
	assert_int_equal(read_answer(), DNS_REFUSED_IT);
	assert_string_equal(reason, "REFUSED");
	answer[3] = 1;
	answer[5] = 0; /* it could not read the question */
	assert_int_equal(dns_response_read(question, question_length, answer, 12, &reason), DNS_REFUSED_IT);
	assert_string_equal(reason, "FORMERR");
	answer[3] = 14;
	assert_int_equal(read_answer(), DNS_REFUSED_IT);
	assert_string_equal(reason, "an unusual error code");
}

static void a_refused_root_says_what_to_set(void **state)
{
	uint8_t root[1] = {0};
	question_length = dns_response_question(1, root, 1, question);
	memcpy(answer, question, question_length);
	answer[2] |= 0x80;
	answer[3] = 5;
	assert_int_equal(read_answer(), DNS_REFUSED_IT);
	assert_non_null(strstr(reason, "'host'"));
}

static void answers_to_others_are_passed_over(void **state)
{
	answer[1] ^= 1;
	assert_int_equal(read_answer(), DNS_IGNORED);
	set_up(NULL);
	answer[2] &= 0x7f; /* a query */
	assert_int_equal(read_answer(), DNS_IGNORED);
	set_up(NULL);
	answer[2] |= 0x28; /* UPDATE */
	assert_int_equal(read_answer(), DNS_IGNORED);
	set_up(NULL);
	answer[14] = 'y'; /* another name */
	assert_int_equal(read_answer(), DNS_IGNORED);
	set_up(NULL);
	answer[question_length - 3] = 1; /* another type */
	assert_int_equal(read_answer(), DNS_IGNORED);
	set_up(NULL);
	answer[5] = 0; /* NOERROR without its question proves nothing */
	assert_int_equal(read_answer(), DNS_IGNORED);
	set_up(NULL);
	for (size_t length = 0; length < question_length; length++)
		assert_int_equal(dns_response_read(question, question_length, answer, length, &reason),
				 DNS_IGNORED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_question_is_for_the_soa, set_up),
		cmocka_unit_test_setup(noerror_is_up_with_or_without_data, set_up),
		cmocka_unit_test_setup(errors_have_names, set_up),
		cmocka_unit_test_setup(a_refused_root_says_what_to_set, set_up),
		cmocka_unit_test_setup(answers_to_others_are_passed_over, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
