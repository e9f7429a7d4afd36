/* Response codes have the names that RFC 6895 and RFC 7873 give them. */
#include "zones/rcode.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

static void expect(unsigned rcode, const char *text)
{
	char out[RCODE_TEXT_MAX];
	rcode_to_text(rcode, out);
	assert_string_equal(out, text);
}

static void test_known(void **state)
{
	expect(0, "NOERROR");
	expect(1, "FORMERR");
	expect(2, "SERVFAIL");
	expect(3, "NXDOMAIN");
	expect(4, "NOTIMP");
	expect(5, "REFUSED");
	expect(6, "YXDOMAIN");
	expect(10, "NOTZONE");
	expect(16, "BADVERS");
	expect(23, "BADCOOKIE");
}

static void test_others_have_their_number(void **state)
{
	expect(12, "RCODE12");
	expect(24, "RCODE24");
	expect(4095, "RCODE4095");
	expect(UINT32_MAX, "RCODE4294967295"); /* the longest */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_others_have_their_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
