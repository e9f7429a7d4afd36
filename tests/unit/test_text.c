/* Every unit of the configuration, its limits, and what is refused. */
#include "lib/text.h"
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define DAY_MS 86400000ull

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {{"1ms", 1},
		    {"500ms", 500},
		    {"2s", 2000},
		    {"5m", 300000},
		    {"12h", 43200000},
		    {"30d", 30 * DAY_MS},
		    {"0s", 0},
		    {"0ms", 0},
		    {"365d", 365 * DAY_MS},
		    {"8760h", 365 * DAY_MS}};
	static const char *const bad[] = {"",
					  "5",
					  "s",
					  "5 s",
					  "5S",
					  "1.5s",
					  "-1s",
					  "+1s",
					  "1m30s",
					  "05s",
					  "366d",
					  "8761h",
					  "1w",
					  "1y",
					  "5sec",
					  " 5s",
					  "5s ",
					  "0x1s",
					  "1us",
					  "31536000001ms",
					  "99999999999999999999s"};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		uint64_t ms = 77;
		assert_true(text_to_duration_ms(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint64_t ms = 77;
		assert_false(text_to_duration_ms(bad[i], &ms));
		assert_int_equal(ms, 77);
	}
}

static void durations_are_written_in_the_largest_exact_unit(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = {{0, "0s"},
		     {1, "1ms"},
		     {1500, "1500ms"},
		     {2000, "2s"},
		     {60000, "1m"},
		     {90000, "90s"},
		     {3600000, "1h"},
		     {DAY_MS, "1d"},
		     {36 * 3600000, "36h"},
		     {UINT64_MAX, "18446744073709551615ms"}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char out[24];
		text_from_duration_ms(cases[i].ms, out);
		assert_string_equal(out, cases[i].text);
	}
}

static void percents(void **state)
{
	static const struct {
		const char *text;
		uint32_t hundredths;
	} good[] = {{"0%", 0},	  {"50%", 5000},   {"12.5%", 1250},   {"12.05%", 1205},
		    {"0.01%", 1}, {"100%", 10000}, {"100.00%", 10000}};
	static const char *const bad[] = {"",	  "%",	 "50",	   "50.%", ".5%",  "050%", "100.01%",
					  "101%", "-1%", "1.234%", "50 %", "50%%", "1e1%", "4294967346%"};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		uint32_t hundredths = 77;
		assert_true(text_to_percent(good[i].text, &hundredths));
		assert_int_equal(hundredths, good[i].hundredths);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint32_t hundredths = 77;
		assert_false(text_to_percent(bad[i], &hundredths));
		assert_int_equal(hundredths, 77);
	}
}

static void unsigned_numbers(void **state)
{
	static const char *const bad[] = {"",
					  "-1",
					  "+1",
					  "01",
					  "00",
					  "1.0",
					  "1e3",
					  "0x10",
					  " 1",
					  "1 ",
					  "1_000",
					  "one",
					  "18446744073709551616"};
	uint64_t value = 77;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(text_to_uint(bad[i], &value));
	assert_int_equal(value, 77);
	assert_true(text_to_uint("0", &value) && value == 0);
	assert_true(text_to_uint("65535", &value) && value == 65535);
	assert_true(text_to_uint("18446744073709551615", &value) && value == UINT64_MAX);
}

static void decimal_numbers(void **state)
{
	static const char *const bad[] = {"",	  "-",	   ".5",  "5.",	 "+5",	  "1e3", "inf", "nan",
					  "-inf", "0x1p3", "1,5", "007", "1.2.3", " 1",	 "1 ",	"--1"};
	double value = 77;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(text_to_double(bad[i], &value));
	assert_true(value == 77);
	assert_true(text_to_double("50.11", &value) && value == 50.11);
	assert_true(text_to_double("-77.45", &value) && value == -77.45);
	assert_true(text_to_double("0", &value) && value == 0);
	assert_true(text_to_double("-0.25", &value) && value == -0.25);
	char huge[400];
	memset(huge, '9', sizeof huge - 1);
	huge[sizeof huge - 1] = '\0';
	assert_false(text_to_double(huge, &value));
}

static void rates(void **state)
{
	static const char *const bad[] = {"",	   "500",   "500/y",	  "500/ s",	 "/s",
					  "-1/s",  "1.5/s", "10000001/s", "600000001/m", "36000000001/h",
					  "500/S", "500s"};
	double rate = 77;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(text_to_rate(bad[i], &rate));
	assert_true(rate == 77);
	assert_true(text_to_rate("500/s", &rate) && rate == 500);
	assert_true(text_to_rate("600/m", &rate) && rate == 10);
	assert_true(text_to_rate("0/s", &rate) && rate == 0);
	assert_true(text_to_rate("10000000/s", &rate) && rate == 10e6);
	assert_true(text_to_rate("600000000/m", &rate) && rate == 10e6);
	assert_true(text_to_rate("36/h", &rate) && rate == 0.01);
	assert_true(text_to_rate("864000000000/d", &rate) && rate == 10e6);
}

static void sizes(void **state)
{
	static const char *const bad[] = {"",	    "500",     "64 KiB",
					  "64kib",  "64KB",    "-1B",
					  "1.5MiB", "64KiB/s", "18446744073709551615KiB",
					  "KiB",    "64K"};
	static const struct {
		const char *text;
		uint64_t bytes;
		const char *back;
	} good[] = {{"0B", 0, "0B"},
		    {"512B", 512, "512B"},
		    {"64KiB", 65536, "64KiB"},
		    {"1024KiB", 1 << 20, "1MiB"},
		    {"4MiB", 4 << 20, "4MiB"},
		    {"2GiB", (uint64_t)2 << 30, "2GiB"},
		    {"50MB", 50000000, "50MB"},
		    {"3kB", 3000, "3kB"}};
	uint64_t bytes = 77;
	char back[24];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(text_to_bytes(bad[i], &bytes));
	assert_int_equal(bytes, 77);
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(text_to_bytes(good[i].text, &bytes));
		assert_int_equal(bytes, good[i].bytes);
		text_from_bytes(bytes, back);
		assert_string_equal(back, good[i].back);
	}
}

static void distances(void **state)
{
	uint32_t km = 77;

	assert_false(text_to_distance_km("300", &km));
	assert_false(text_to_distance_km("300 km", &km));
	assert_false(text_to_distance_km("300m", &km));
	assert_false(text_to_distance_km("0.5km", &km));
	assert_false(text_to_distance_km("4294967296km", &km));
	assert_int_equal(km, 77);
	assert_true(text_to_distance_km("0km", &km) && km == 0);
	assert_true(text_to_distance_km("20000km", &km) && km == 20000);
}

static void ids(void **state)
{
	char id[66];

	memset(id, 'a', 65);
	id[63] = '\0';
	assert_true(text_is_id(id));
	id[63] = 'a';
	id[64] = '\0';
	assert_false(text_is_id(id));
	assert_true(text_is_id("a") && text_is_id("1") && text_is_id("123") && text_is_id("null") &&
		    text_is_id("a--b") && text_is_id("no"));
	assert_false(text_is_id("") || text_is_id("-a") || text_is_id("a-") || text_is_id("A") ||
		     text_is_id("a.b") || text_is_id("a_b") || text_is_id("\xc3\xa9") || text_is_id("a b"));
}

static void assert_known(const char *const *words)
{
	char known[TEXT_KNOWN_MAX];

	assert_ptr_equal(text_known("prot", words, 7, known), text_nearest("port", words, 7));
	assert_string_equal(known, "; did you mean 'port'?");
	assert_null(text_known("zzzzzzzz", words, 2, known));
	char want[TEXT_KNOWN_MAX];
	snprintf(want, sizeof want, "; there is %s, %s", words[0], words[1]);
	assert_string_equal(known, want);
	assert_null(text_known("zone", words, 0, known));
	assert_string_equal(known, "");
}

static void nearest_words(void **state)
{
	static const char *const words[] = {"port", "path", "interval", "timeout", "rise", "fall", "type"};

	assert_string_equal(text_nearest("prot", words, 7), "port");
	assert_string_equal(text_nearest("intervall", words, 7), "interval");
	assert_string_equal(text_nearest("timout", words, 7), "timeout");
	assert_string_equal(text_nearest("Timeout", words, 7), "timeout");
	assert_string_equal(text_nearest("tpye", words, 7), "type");
	assert_null(text_nearest("zone", words, 7));
	assert_null(text_nearest("", words, 7));
	assert_null(text_nearest("port", words, 0));
	assert_known(words);
	char longest[200];
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_null(text_nearest(longest, words, 7));
}

static void quotes_are_short_and_plain(void **state)
{
	char out[TEXT_QUOTE_MAX], longest[300];

	text_quote("two\nlines\x1b[2J", out);
	assert_string_equal(out, "'two?lines?[2J'");
	for (size_t i = 0; i + 2 < sizeof longest; i += 2)
		memcpy(longest + i, "\xc3\xa9", 3);
	text_quote(longest, out);
	assert_true(strlen(out) < TEXT_QUOTE_MAX);
	assert_string_equal(out + strlen(out) - 6, "\xc3\xa9...'"); /* no half a character */
}

/* jansson has its own opinion, and what it refuses must not pass here. */
static void assert_like_jansson(const char *octets)
{
	json_t *json = json_string(octets);
	if (text_is_utf8(octets) != (json != NULL))
		fail_msg("%02x %02x %02x %02x", octets[0] & 0xff, octets[1] & 0xff, octets[2] & 0xff,
			 octets[3] & 0xff);
	json_decref(json);
}

static void utf8_is_what_rfc_3629_says(void **state)
{
	static const uint8_t edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
					0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
					0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};
	const size_t count = sizeof edges;
	for (unsigned i = 0; i < 0x10000; i++)
		assert_like_jansson((char[5]){(char)(i >> 8), (char)i});
	for (size_t i = 0; i < count * count * count * count; i++)
		assert_like_jansson((char[5]){(char)edges[i / (count * count * count)],
					      (char)edges[i / (count * count) % count],
					      (char)edges[i / count % count], (char)edges[i % count]});
	assert_int_equal(text_utf8_octets("a"), 1);
	assert_int_equal(text_utf8_octets("\xc3\xa9x"), 2);
	assert_int_equal(text_utf8_octets("\xe2\x82\xacx"), 3);
	assert_int_equal(text_utf8_octets("\xf0\x9f\x98\x80x"), 4);
	assert_int_equal(text_utf8_octets("\xa9"), 0);
}

static void octets_of_no_character_are_replaced(void **state)
{
	char text[] = "caf\xe9 caf\xc3\xa9 \xe2\x82", out[TEXT_QUOTE_MAX];
	text_mend_utf8(text);
	assert_string_equal(text, "caf? caf\xc3\xa9 ??");
	text_quote("caf\xe9", out);
	assert_string_equal(out, "'caf?'");
}

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {{"1970-01-01T00:00:00Z", 0},
		    {"2026-01-31T12:00:00Z", 1769860800000},
		    {"2026-01-31T13:30:00+01:30", 1769860800000},
		    {"2026-01-31T00:00:00-12:00", 1769860800000},
		    {"2024-02-29t23:59:59.2509z", 1709251199250},
		    {"1969-12-31T23:59:59Z", -1000},
		    {"2016-12-31T23:59:60Z", 1483228800000}};
	static const char *const bad[] = {"",
					  "2026-01-31",
					  "2026-01-31 12:00:00Z",
					  "2026-01-31T12:00:00",
					  "2026-1-31T12:00:00Z",
					  "2026-02-29T12:00:00Z",
					  "2026-13-01T12:00:00Z",
					  "2026-00-01T12:00:00Z",
					  "2026-01-31T24:00:00Z",
					  "2026-01-31T12:60:00Z",
					  "2026-01-31T12:00:00.Z",
					  "2026-01-31T12:00:00Zx",
					  "2026-01-31T12:00:00+0100",
					  "2026-01-31T12:00:00+24:00"};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		int64_t ms = 77;
		assert_true(text_to_unix_ms(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		int64_t ms = 77;
		assert_false(text_to_unix_ms(bad[i], &ms));
		assert_int_equal(ms, 77);
	}
	char out[32];
	text_from_unix_ms(1769860800999, out);
	assert_string_equal(out, "2026-01-31T12:00:00Z");
	text_from_unix_ms(-1, out);
	assert_string_equal(out, "1969-12-31T23:59:59Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(durations_are_written_in_the_largest_exact_unit),
		cmocka_unit_test(percents),
		cmocka_unit_test(unsigned_numbers),
		cmocka_unit_test(decimal_numbers),
		cmocka_unit_test(rates),
		cmocka_unit_test(sizes),
		cmocka_unit_test(distances),
		cmocka_unit_test(ids),
		cmocka_unit_test(nearest_words),
		cmocka_unit_test(quotes_are_short_and_plain),
		cmocka_unit_test(utf8_is_what_rfc_3629_says),
		cmocka_unit_test(octets_of_no_character_are_replaced),
		cmocka_unit_test(times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
