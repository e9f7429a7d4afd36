/* RDATA of HTTPS records, octet by octet (RFC 9460 §2.2, appendix D). */
#include "gslb/decide/https.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char h2[] = "h2", http1[] = "http/1.1";
static char *const usual[] = {h2, http1};

static void a_template_tells_no_usual_port(void **state)
{
	static const uint8_t expected[] = {0, 1,   0,	0,   1,	  0,   12,  2,	 'h', '2',
					   8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
	uint8_t out[HTTPS_TEMPLATE_MAX];
	assert_int_equal(https_template(usual, 2, 443, out), sizeof expected);
	assert_memory_equal(out, expected, sizeof expected);
	assert_int_equal(https_template(usual, 1, 8443, out), 10 + 6);
	assert_memory_equal(out + 10, ((uint8_t[]){0, 3, 0, 2, 0x20, 0xfb}), 6);
}

static void the_longest_template_has_room(void **state)
{
	char longest[256];
	memset(longest, 'x', 255);
	longest[255] = 0;
	char *alpn[HTTPS_ALPN_MAX];
	for (unsigned i = 0; i < HTTPS_ALPN_MAX; i++)
		alpn[i] = longest;
	uint8_t *out = malloc(HTTPS_TEMPLATE_MAX);
	assert_int_equal(https_template(alpn, HTTPS_ALPN_MAX, 1, out), HTTPS_TEMPLATE_MAX);
	free(out);
}

static void hints_follow_in_the_order_of_their_keys(void **state)
{
	uint8_t https[HTTPS_TEMPLATE_MAX], out[256];
	struct plan_service service = {.https = https};
	service.https_length = (uint16_t)https_template(usual, 1, 443, https);
	struct plan_vip four[] = {{.ip = {4, {192, 0, 2, 1}}}, {.ip = {4, {192, 0, 2, 2}}}};
	struct plan_vip six = {.ip = {6, {0x20, 1, 0xd, 0xb8, [15] = 1}}};
	const struct plan_vip *const vips[2][ANSWERS_MAX] = {{&four[0], &four[1]}, {&six}};
	uint8_t count[2] = {2, 1};
	static const uint8_t hints[] = {0,    4, 0,   8,    192, 0, 2, 1, 192, 0, 2, 2, 0, 6, 0, 16,
					0x20, 1, 0xd, 0xb8, 0,	 0, 0, 0, 0,   0, 0, 0, 0, 0, 0, 1};
	assert_int_equal(https_rdata_length(&service, count), service.https_length + sizeof hints);
	https_rdata_write(&service, vips, count, out);
	assert_memory_equal(out, https, service.https_length);
	assert_memory_equal(out + service.https_length, hints, sizeof hints);
	count[0] = 0; /* a family without an address has no key */
	assert_int_equal(https_rdata_length(&service, count), service.https_length + 20);
	https_rdata_write(&service, vips, count, out);
	assert_memory_equal(out + service.https_length, hints + 12, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_template_tells_no_usual_port),
		cmocka_unit_test(the_longest_template_has_room),
		cmocka_unit_test(hints_follow_in_the_order_of_their_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
