/* PROXY headers whole and cut at every octet; what is written is read again. */
#include "forwarder/http1/proxy_header.h"
#include "lib/bytes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct proxy_header header;

static enum proxy_header_status read_copy(const char *octets, size_t length)
{
	char *copy = malloc(length);
	assert_non_null(copy);
	memcpy(copy, octets, length);
	enum proxy_header_status status = proxy_header_read(copy, length, &header);
	free(copy);
	return status;
}

static enum proxy_header_status read_octets(const char *octets, size_t length)
{
	enum proxy_header_status whole = read_copy(octets, length);
	for (size_t cut = 0; cut < length; cut++) {
		enum proxy_header_status status = read_copy(octets, cut);
		assert_true(status == PROXY_HEADER_PARTIAL || status == whole);
	}
	read_copy(octets, length);
	return whole;
}

static enum proxy_header_status v1(const char *text)
{
	return read_octets(text, strlen(text));
}

/* `more` octets follow the fixed part, which says `said`. */
static enum proxy_header_status v2(uint8_t command, uint8_t transport, size_t said, const void *octets,
				   size_t more)
{
	uint8_t text[1024] = "\r\n\r\n\0\r\nQUIT\n";
	text[12] = command;
	text[13] = transport;
	bytes_put16(text + 14, said);
	memcpy(text + 16, octets, more);
	return read_octets((const char *)text, 16 + more);
}

static void assert_header(const char *source, unsigned source_port, const char *destination,
			  unsigned destination_port)
{
	char text[IP_TEXT_MAX];
	assert_false(header.is_local);
	ip_format(&header.source, text);
	assert_string_equal(text, source);
	assert_int_equal(header.source_port, source_port);
	ip_format(&header.destination, text);
	assert_string_equal(text, destination);
	assert_int_equal(header.destination_port, destination_port);
}

static void version_1_is_read(void **state)
{
	assert_int_equal(v1("PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\nGET /"), PROXY_HEADER_DONE);
	assert_header("192.0.2.7", 51000, "198.51.100.1", 443);
	assert_int_equal(header.length, 45);
	assert_int_equal(v1("PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n"), PROXY_HEADER_DONE);
	assert_header("2001:db8::7", 0, "2001:db8::1", 65535);
	assert_int_equal(v1("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"), PROXY_HEADER_DONE);
	assert_header("192.0.2.7", 1, "::1", 2);
	assert_int_equal(v1("PROXY UNKNOWN\r\n"), PROXY_HEADER_DONE);
	assert_true(header.is_local);
	assert_int_equal(v1("PROXY UNKNOWN what ever it says\r\n"), PROXY_HEADER_DONE);
	assert_true(header.is_local);
}

static void malformed_version_1_is_refused(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\r\n\r\n",
		"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n",
		"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
		"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
		"PROXY TCP4 ::1 ::1 1 2\r\n",
		"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP6 ::g ::1 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 0x1 2\r\n",
		"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY UNKNOWNS\r\n",
		"PROXY \r\n",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(v1(bad[i]), PROXY_HEADER_BAD);
	static const char nul[] = "PROXY TCP4 1.2.3.4\0x 1.2.3.4 1 2\r\n";
	assert_int_equal(read_octets(nul, sizeof nul - 1), PROXY_HEADER_BAD);
}

static void version_1_has_107_octets(void **state)
{
	char text[200];
	sprintf(text, "PROXY UNKNOWN %091d\r\n", 0);
	assert_int_equal(strlen(text), 107);
	assert_int_equal(v1(text), PROXY_HEADER_DONE);
	sprintf(text, "PROXY UNKNOWN %092d\r\n", 0);
	assert_int_equal(v1(text), PROXY_HEADER_BAD);
	text[107] = '\0';
	assert_int_equal(v1(text), PROXY_HEADER_BAD);
}

static const char four[] = "\xc0\0\2\7\xc6\x33\x64\1\xc7\x38\1\xbb";
static const char six[36] =
	"\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\2";

static void version_2_is_read(void **state)
{
	assert_int_equal(v2(0x21, 0x11, 12, four, 12 + 1), PROXY_HEADER_DONE);
	assert_header("192.0.2.7", 51000, "198.51.100.1", 443);
	assert_int_equal(header.length, 28);
	assert_int_equal(v2(0x21, 0x21, 36, six, 36), PROXY_HEADER_DONE);
	assert_header("2001:db8::7", 1, "2001:db8::1", 2);
	assert_int_equal(v2(0x20, 0x11, 12, four, 12), PROXY_HEADER_DONE);
	assert_true(header.is_local);
	assert_int_equal(v2(0x20, 0x00, 0, "", 0), PROXY_HEADER_DONE);
	assert_true(header.is_local);
	assert_int_equal(v2(0x21, 0x00, 5, "abcde", 5), PROXY_HEADER_DONE);
	assert_true(header.is_local);
	char tlv[520] = "\xc0\0\2\7\xc6\x33\x64\1\xc7\x38\1\xbb\x01\0\2h2\x04\1\xf4";
	assert_int_equal(v2(0x21, 0x11, 17, tlv, 17), PROXY_HEADER_DONE);
	assert_int_equal(v2(0x21, 0x11, 520, tlv, 520), PROXY_HEADER_DONE);
	assert_int_equal(header.length, PROXY_HEADER_V2_MAX);
}

static void malformed_version_2_is_refused(void **state)
{
	char more[700] = {0};
	memcpy(more, four, 12);
	assert_int_equal(v2(0x11, 0x11, 12, four, 12), PROXY_HEADER_BAD);   /* version 1 */
	assert_int_equal(v2(0x22, 0x11, 12, four, 12), PROXY_HEADER_BAD);   /* unknown command */
	assert_int_equal(v2(0x21, 0x12, 12, four, 12), PROXY_HEADER_BAD);   /* datagrams */
	assert_int_equal(v2(0x21, 0x31, 216, more, 216), PROXY_HEADER_BAD); /* a path */
	assert_int_equal(v2(0x21, 0x41, 12, four, 12), PROXY_HEADER_BAD);
	assert_int_equal(v2(0x21, 0x11, 11, four, 11), PROXY_HEADER_BAD);
	assert_int_equal(v2(0x21, 0x21, 35, six, 35), PROXY_HEADER_BAD);
	assert_int_equal(v2(0x21, 0x11, 521, more, 521), PROXY_HEADER_BAD);
	assert_int_equal(v2(0x21, 0x11, 14, more, 14), PROXY_HEADER_BAD); /* half a TLV */
	more[14] = 2;
	assert_int_equal(v2(0x21, 0x11, 16, more, 16), PROXY_HEADER_BAD); /* a TLV beyond the end */
	assert_int_equal(v2(0x21, 0x11, 12, four, 11), PROXY_HEADER_PARTIAL);
	assert_int_equal(read_octets("\r\n\r\n\0\r\nQUIX\n", 12), PROXY_HEADER_BAD);
	assert_int_equal(read_octets("\r\nGET", 5), PROXY_HEADER_BAD);
}

static void what_is_written_is_read(void **state)
{
	struct proxy_header sent = {.source_port = 1, .destination_port = 65535};
	char out[PROXY_HEADER_WRITE_MAX];
	ip_parse("192.0.2.7", &sent.source);
	ip_parse("198.51.100.1", &sent.destination);
	assert_int_equal(proxy_header_write(&sent, out), 28);
	assert_int_equal(read_octets(out, 28), PROXY_HEADER_DONE);
	assert_header("192.0.2.7", 1, "198.51.100.1", 65535);
	ip_parse("2001:db8::1", &sent.destination);
	assert_int_equal(proxy_header_write(&sent, out), 52);
	assert_int_equal(read_octets(out, 52), PROXY_HEADER_DONE);
	assert_header("192.0.2.7", 1, "2001:db8::1", 65535); /* it went as ::ffff:192.0.2.7 */
	sent.is_local = true;
	assert_int_equal(proxy_header_write(&sent, out), 16);
	assert_int_equal(read_octets(out, 16), PROXY_HEADER_DONE);
	assert_true(header.is_local);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_is_read),
		cmocka_unit_test(malformed_version_1_is_refused),
		cmocka_unit_test(version_1_has_107_octets),
		cmocka_unit_test(version_2_is_read),
		cmocka_unit_test(malformed_version_2_is_refused),
		cmocka_unit_test(what_is_written_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
