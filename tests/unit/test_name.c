/* Names: escapes, limits, order. */
#include "zones/name.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct name name(const char *text)
{
	struct name value;

	assert_null(name_from_text(text, NULL, &value));
	assert_int_equal(value.length, name_length(value.octets));
	return value;
}

static void text_becomes_wire(void **state)
{
	static const struct {
		const char *text;
		const char *wire;
		size_t length;
	} cases[] = {
		{".", "\0", 1},
		{"Example.NET.", "\7example\3net\0", 13},
		{"example.net", "\7example\3net\0", 13},
		{"a\\.b.c", "\3a.b\1c\0", 7},
		{"\\000\\255\\032.", "\3\0\377\040\0", 5},
		{"\\065\\Z.", "\2az\0", 4},
		{"*.x.", "\1*\1x\0", 5},
		{"a\\..", "\2a.\0", 4},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct name value = name(cases[i].text);
		assert_int_equal(value.length, cases[i].length);
		assert_memory_equal(value.octets, cases[i].wire, value.length);
	}
}

static void names_are_relative_to_the_origin(void **state)
{
	struct name origin = name("example.net"), value;

	assert_null(name_from_text("www", &origin, &value));
	assert_true(name_equal(value.octets, name("www.example.net").octets));
	assert_null(name_from_text("@", &origin, &value));
	assert_true(name_equal(value.octets, origin.octets));
	assert_null(name_from_text("www.", &origin, &value));
	assert_true(name_equal(value.octets, name("www.").octets));
	assert_null(name_from_text("www\\.", &origin, &value)); /* an escaped dot is no end */
	assert_true(name_equal(value.octets, name("www\\..example.net").octets));
	assert_null(name_from_text(".", &origin, &value));
	assert_int_equal(value.length, 1);
}

static void bad_text_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{"", "empty name"},
		{"..", "empty label"},
		{".a", "empty label"},
		{"a..b", "empty label"},
		{"a\\", "'\\' at the end"},
		{"a\\1", "'\\' and a digit need three digits"},
		{"a\\12x", "'\\' and a digit need three digits"},
		{"a\\256", "\\DDD above 255"},
		{"a b", "blank, control or non-ASCII character (write it as \\DDD)"},
		{"b\xc3\xbc", "blank, control or non-ASCII character (write it as \\DDD)"},
	};
	struct name value = {.length = 99};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *reason = name_from_text(cases[i].text, NULL, &value);
		assert_non_null(reason);
		assert_string_equal(reason, cases[i].reason);
		assert_int_equal(value.length, 99);
	}
}

/* "aaa….bbb…." of the given labels */
static const char *long_text(const unsigned *labels, size_t count)
{
	static char text[NAME_TEXT_MAX];
	char *to = text;

	for (size_t i = 0; i < count; i++) {
		memset(to, 'a' + (int)i, labels[i]);
		to += labels[i];
		*to++ = '.';
	}
	*to = '\0';
	return text;
}

static void limits(void **state)
{
	struct name value, origin = name("b.");
	const unsigned most[] = {63, 63, 63, 61}, over[] = {63, 63, 63, 62}, label[] = {64};

	assert_null(name_from_text(long_text(most, 4), NULL, &value));
	assert_int_equal(value.length, 255);
	assert_false(name_wildcard_of(value.octets, &value));
	assert_string_equal(name_from_text(long_text(over, 4), NULL, &value), "name longer than 255 octets");
	assert_string_equal(name_from_text(long_text(label, 1), NULL, &value), "label longer than 63 octets");

	char relative[NAME_TEXT_MAX];
	snprintf(relative, sizeof relative, "%s", long_text(most, 4));
	relative[strlen(relative) - 1] = '\0';
	assert_string_equal(name_from_text(relative, &origin, &value), "name longer than 255 octets");
	relative[strlen(relative) - 2] = '\0';
	assert_null(name_from_text(relative, &origin, &value));
	assert_int_equal(value.length, 255);

	char deep[NAME_TEXT_MAX] = "";
	for (int i = 0; i < 127; i++)
		strcat(deep, "x.");
	assert_null(name_from_text(deep, NULL, &value));
	assert_int_equal(name_labels(value.octets), 127);
	strcat(deep, "x.");
	assert_non_null(name_from_text(deep, NULL, &value));
}

static void every_octet_survives_text(void **state)
{
	char text[NAME_TEXT_MAX];

	for (unsigned octet = 0; octet < 256; octet++) {
		struct name value = {.length = 5}, back;
		memcpy(value.octets, (uint8_t[]){1, (uint8_t)octet, 1, 'x', 0}, 5);
		name_lower(value.octets, value.length);
		name_to_text(value.octets, text);
		assert_null(name_from_text(text, NULL, &back));
		assert_int_equal(back.length, value.length);
		assert_memory_equal(back.octets, value.octets, value.length);
	}
	struct name worst;
	memset(worst.octets, 7, sizeof worst.octets); /* labels that need four characters an octet */
	for (size_t i = 0; i < 192; i += 64)
		worst.octets[i] = 63;
	worst.octets[192] = 61;
	worst.octets[254] = 0;
	name_to_text(worst.octets, text);
	assert_int_equal(strlen(text), 4 * (63 * 3 + 61) + 4);
	name_to_text((const uint8_t *)"", text);
	assert_string_equal(text, ".");
	name_to_text((const uint8_t *)"\7a.b;\"\\@\1$", text);
	assert_string_equal(text, "a\\.b\\;\\\"\\\\\\@.\\$.");
}

/* Of every length, and from any address: what name_lower and name_hash say. */
static void lower_and_hash_in_one(void **state)
{
	uint8_t from[80], to[80], want[64];

	for (size_t i = 0; i < sizeof from; i++)
		from[i] = (uint8_t)(i * 37 + 60);
	for (size_t length = 1; length <= sizeof want; length++) {
		for (size_t shift = 0; shift < 8; shift++) {
			memcpy(want, from + shift, length);
			name_lower(want, length);
			memset(to, 0xee, sizeof to);
			uint64_t hash = name_lower_hash(from + shift, length, to);
			assert_memory_equal(to, want, length);
			assert_int_equal(to[length], 0xee);
			assert_true(hash == name_hash(want, length));
		}
	}
}

static void relations(void **state)
{
	struct name root = name("."), net = name("net"), example = name("example.net"), wildcard;

	assert_true(name_is_below(net.octets, root.octets));
	assert_true(name_is_below(example.octets, root.octets));
	assert_true(name_is_below(example.octets, net.octets));
	assert_false(name_is_below(net.octets, net.octets));
	assert_false(name_is_below(net.octets, example.octets));
	assert_false(name_is_below(name("notexample.net").octets, example.octets));
	assert_false(name_is_below(name("a.example.com").octets, example.octets));
	assert_true(name_wildcard_of(example.octets, &wildcard));
	assert_true(name_equal(wildcard.octets, name("*.example.net").octets));
	assert_true(name_is_wildcard(wildcard.octets));
	assert_false(name_is_wildcard(name("**.x").octets));
	assert_false(name_is_wildcard(name("x.*").octets));
	assert_int_equal(name_labels(root.octets), 0);
}

static void canonical_order(void **state)
{
	/* RFC 4034 §6.1 */
	static const char *const sorted[] = {"example",		"a.example",	  "yljkjljk.a.example",
					     "Z.a.example",	"zABC.a.EXAMPLE", "z.example",
					     "\\001.z.example", "*.z.example",	  "\\200.z.example"};
	const size_t count = sizeof sorted / sizeof sorted[0];

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			int order = name_compare(name(sorted[i]).octets, name(sorted[j]).octets);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

static void hash_is_fixed(void **state)
{
	struct name value = name("acme.app.example.net");

	assert_int_equal(name_hash(value.octets, value.length),
			 name_hash(name("ACME.App.example.net.").octets, value.length));
	assert_int_not_equal(name_hash(value.octets, value.length),
			     name_hash(name("acmf.app.example.net").octets, value.length));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_becomes_wire),
		cmocka_unit_test(names_are_relative_to_the_origin),
		cmocka_unit_test(bad_text_is_refused_with_a_reason),
		cmocka_unit_test(limits),
		cmocka_unit_test(every_octet_survives_text),
		cmocka_unit_test(lower_and_hash_in_one),
		cmocka_unit_test(relations),
		cmocka_unit_test(canonical_order),
		cmocka_unit_test(hash_is_fixed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
