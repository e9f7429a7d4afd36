/* What a gRPC health answer says. */
#include "checker/grpc_response.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct grpc_response response;
static char reason[96];

static void header(const char *name, const char *value)
{
	grpc_response_header(&response, (const uint8_t *)name, strlen(name), (const uint8_t *)value,
			     strlen(value));
}

static int set_up(void **state)
{
	memset(&response, 0, sizeof response);
	header(":status", "200");
	header("content-type", "application/grpc+proto");
	return 0;
}

/* "good", or why not; with a prefix that fits the message. */
static const char *judge(const void *message, size_t length, const char *status)
{
	uint8_t prefix[5] = {0, 0, 0, (uint8_t)(length >> 8), (uint8_t)length};
	response.body_length = 0;
	grpc_response_data(&response, prefix, 3); /* however it is cut */
	grpc_response_data(&response, prefix + 3, 2);
	grpc_response_data(&response, message, length);
	header("grpc-status", status);
	const char *wrong = grpc_response_judge(&response, reason);
	return wrong ? wrong : "good";
}

static void serving_is_up_and_nothing_else(void **state)
{
	assert_string_equal(judge("\x08\x01", 2, "0"), "good");
	assert_string_equal(judge("", 0, "0"), "UNKNOWN");
	assert_string_equal(judge("\x08\0", 2, "0"), "UNKNOWN");
	assert_string_equal(judge("\x08\x02", 2, "0"), "NOT_SERVING");
	assert_string_equal(judge("\x08\x03", 2, "0"), "SERVICE_UNKNOWN");
	assert_string_equal(judge("\x08\x04", 2, "0"), "an unknown state of serving");
	assert_string_equal(judge("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "0"),
			    "an unknown state of serving");
}

static void fields_of_later_versions_are_skipped(void **state)
{
	assert_string_equal(judge("\x12\x03"
				  "abc\x1d"
				  "abcd\x21"
				  "abcdefgh\x28\x96\x01\x08\x01",
				  24, "0"),
			    "good");
}

static void broken_messages_are_refused(void **state)
{
	static const char no[] = "no valid gRPC answer";
	assert_string_equal(judge("\x08", 1, "0"), no);
	assert_string_equal(judge("\x08\x81", 2, "0"), no);
	assert_string_equal(judge("\x12\x05"
				  "ab",
				  4, "0"),
			    no);
	assert_string_equal(judge("\x0b\x01", 2, "0"), no); /* a group */
	assert_string_equal(judge("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "0"), no);
	static const uint8_t long_one[GRPC_MESSAGE_BYTES_MAX];
	assert_string_equal(judge(long_one, sizeof long_one, "0"), no);
	response.is_too_long = false;
	judge("\x08\x01", 2, "0");
	response.body[0] = 1; /* compressed */
	assert_string_equal(grpc_response_judge(&response, reason), no);
	response.body[0] = 0;
	response.body[4] = 3;
	assert_string_equal(grpc_response_judge(&response, reason), no);
	response.body_length = 4;
	assert_string_equal(grpc_response_judge(&response, reason), no);
}

static void statuses_have_names(void **state)
{
	assert_string_equal(judge("", 0, "12"), "gRPC status 12 UNIMPLEMENTED");
	assert_string_equal(judge("", 0, "5"), "gRPC status 5 NOT_FOUND");
	assert_string_equal(judge("", 0, "99"), "gRPC status 99");
	assert_string_equal(judge("", 0, "x"), "gRPC status 999");
	header(":status", "404");
	assert_string_equal(judge("\x08\x01", 2, "0"), "status 404");
	header(":status", "200");
	header("content-type", "application/grpcx");
	assert_string_equal(judge("\x08\x01", 2, "0"), "no valid gRPC answer");
	header("content-type", "text/html");
	assert_string_equal(judge("\x08\x01", 2, "0"), "no valid gRPC answer");
	memset(&response, 0, sizeof response);
	assert_string_equal(grpc_response_judge(&response, reason), "status 0");
	header(":status", "200");
	header("content-type", "application/grpc");
	assert_string_equal(grpc_response_judge(&response, reason), "no valid gRPC answer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(serving_is_up_and_nothing_else, set_up),
		cmocka_unit_test_setup(fields_of_later_versions_are_skipped, set_up),
		cmocka_unit_test_setup(broken_messages_are_refused, set_up),
		cmocka_unit_test_setup(statuses_have_names, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
