/* What people write becomes what resolvers ask for. */
#include "lib/idn.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void letters_become_a_labels(void **state)
{
	static const struct {
		const char *name, *ascii;
	} cases[] = {
		{"b\xc3\xbc"
		 "cher",
		 "xn--bcher-kva"},
		{"B\xc3\x9c"
		 "CHER.Example.",
		 "xn--bcher-kva.Example."}, /* ASCII labels as they are */
		{"bu\xcc\x88"
		 "cher",
		 "xn--bcher-kva"}, /* two code points, as some file systems write it */
		{"stra\xc3\x9f"
		 "e",
		 "xn--strae-oqa"}, /* not "strasse": RFC 5892 */
		{"\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", "xn--r8jz45g.xn--zckzah"},
		{"*.b\xc3\xbcro", "*.xn--bro-hoa"},
		{"_sip._tcp.b\xc3\xbcro", "_sip._tcp.xn--bro-hoa"},
		{"a\\.b\\255.b\xc3\xbcro", "a\\.b\\255.xn--bro-hoa"},
		{"xn--bcher-kva", "xn--bcher-kva"},
		{"xn--no-punycode-at-all!", "xn--no-punycode-at-all!"},
		{"", ""},
		{".", "."},
		{"@", "@"},
		{"a..b", "a..b"},
		{"a\\", "a\\"},
	};
	char out[IDN_TEXT_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_null(idn_to_ascii(cases[i].name, out));
		assert_string_equal(out, cases[i].ascii);
	}
}

static void what_has_no_a_label_says_why(void **state)
{
	static const struct {
		const char *name, *reason;
	} cases[] = {
		{"b\xfc"
		 "cher",
		 "not UTF-8"}, /* Latin-1 */
		{"\xc3", "not UTF-8"},
		{"\xe2\x80\xa8", "no internationalized name (RFC 5892)"}, /* line separator */
		{"-\xc3\xbc", "no internationalized name (RFC 5892)"},
		{"a\\.\xc3\xbc", "escapes and other letters than ASCII's in one label"},
		{"\xc3\xbc.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xbc",
		 "label longer than 63 octets"},
	};
	char out[IDN_TEXT_MAX] = "before";

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_string_equal(idn_to_ascii(cases[i].name, out), cases[i].reason);
		assert_string_equal(out, "before");
	}
}

static void the_longest_text_fits_and_no_longer(void **state)
{
	char name[IDN_TEXT_MAX + 1], out[IDN_TEXT_MAX];

	memset(name, 'a', sizeof name);
	name[IDN_TEXT_MAX - 1] = '\0';
	assert_null(idn_to_ascii(name, out));
	assert_string_equal(out, name);
	name[IDN_TEXT_MAX - 1] = 'a';
	name[IDN_TEXT_MAX] = '\0';
	assert_string_equal(idn_to_ascii(name, out), "name longer than 255 octets");
}

static void ascii_is_told_from_the_rest(void **state)
{
	assert_true(idn_is_ascii(""));
	assert_true(idn_is_ascii("a\x7f"));
	assert_false(idn_is_ascii("a\x80"));
}

static void a_hint_names_what_resolvers_ask_for(void **state)
{
	struct idn_hint hint = {.reason = "untouched"};
	assert_false(idn_hint("plain.example", &hint));
	assert_string_equal(hint.reason, "untouched");
	assert_true(idn_hint("*.b\xc3\xbc"
			     "cher",
			     &hint));
	assert_string_equal(hint.meant, "*.xn--bcher-kva");
	assert_string_equal(hint.reason, "it has letters beyond ASCII; resolvers ask for '*.xn--bcher-kva'");
	assert_true(idn_hint("b\xfc"
			     "cher",
			     &hint));
	assert_string_equal(hint.meant, "");
	assert_string_equal(hint.reason, "it has letters beyond ASCII, and no form in ASCII: not UTF-8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_become_a_labels),
		cmocka_unit_test(what_has_no_a_label_says_why),
		cmocka_unit_test(the_longest_text_fits_and_no_longer),
		cmocka_unit_test(ascii_is_told_from_the_rest),
		cmocka_unit_test(a_hint_names_what_resolvers_ask_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
