/* Parameters of SVCB and HTTPS, in presentation form and in wire form (RFC 9460). */
#include "zones/rdata/svcparam.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The wire form in hexadecimal, or what is wrong. */
static const char *read_params(const char *text)
{
	static char result[1024];
	char reason[RDATA_REASON_MAX];
	struct zone_lex lex;
	struct zone_entry entry;
	uint8_t *octets;
	size_t length;

	zone_lex_init(&lex, text, strlen(text));
	zone_lex_next(&lex, &entry);
	assert_null(entry.reason);
	if (svcparam_read(entry.words, entry.count, &octets, &length, reason)) {
		assert_true(length * 2 < sizeof result);
		result[0] = '\0';
		for (size_t i = 0; i < length; i++)
			sprintf(result + i * 2, "%02x", octets[i]);
		assert_true(svcparam_check(octets, length, reason));
		free(octets);
	} else {
		snprintf(result, sizeof result, "%s", reason);
	}
	zone_lex_done(&lex);
	return result;
}

struct expected {
	const char *text, *result;
};

static void expect_all(const struct expected *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *result = read_params(cases[i].text);
		if (strcmp(result, cases[i].result) != 0)
			fail_msg("%s: %s, not %s", cases[i].text, result, cases[i].result);
	}
}
#define EXPECT_ALL(cases) expect_all(cases, sizeof(cases) / sizeof((cases)[0]))

/* The vectors of RFC 9460 appendix D.2, from behind the target. */
static void vectors_of_the_rfc(void **state)
{
	static const struct expected cases[] = {
		{"", ""},
		{"port=53", "000300020035"},
		{"key667=hello", "029b000568656c6c6f"},
		{"key667=\"hello\\210qoo\"", "029b000968656c6c6fd2716f6f"},
		{"ipv6hint=\"2001:db8::1,2001:db8::53:1\"",
		 "0006002020010db800000000000000000000000120010db8000000000000000000530001"},
		{"ipv6hint=\"2001:db8:122:344::192.0.2.33\"", "0006001020010db8012203440000"
							      "0000c0000221"},
		{"alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
		 "00000004000100040001000902683205"
		 "68332d313900040004c0000201"},
		{"alpn=\"f\\\\\\\\oo\\\\,bar,h2\"", "0001000c08665c6f6f2c626172026832"},
		{"alpn=f\\\\\\092oo\\092,bar,h2", "0001000c08665c6f6f2c626172026832"},
	};

	EXPECT_ALL(cases);
}

static void newer_keys(void **state)
{
	static const char template[] =
		"dohpath needs a URI template that begins with / and has the variable dns",
			  groups[] = "tls-supported-groups needs numbers from 0 to 65535, each once";
	static const struct expected cases[] = {
		{"alpn=h2 dohpath=/q{?dns}", "00010003026832000700082f717b3f646e737d"},
		{"dohpath=\"/q{?dns}\"", "000700082f717b3f646e737d"},
		{"key7=/q{?dns}", "000700082f717b3f646e737d"},
		{"dohpath=/q{?x,dns*}{&y}", "0007000f2f717b3f782c646e732a7d7b26797d"},
		{"ohttp", "00080000"},
		{"ohttp=", "00080000"},
		{"tls-supported-groups=29,23", "00090004001d0017"},
		{"tls-supported-groups=\"4588\"", "0009000211ec"},
		{"docpath=dns", "000a000403646e73"},
		{"docpath", "000a0000"},
		{"alpn=h2 mandatory=dohpath,alpn dohpath=/{?dns}",
		 "000000040001000700010003026832000700072f7b3f646e737d"},
		{"dohpath", template},
		{"dohpath=/q", template},
		{"dohpath=q{?dns}", template},
		{"dohpath=/q{?dnsx}", template},
		{"dohpath=/q{?dns", template},
		{"ohttp=1", "ohttp needs no value"},
		{"tls-supported-groups", groups},
		{"tls-supported-groups=29,29", groups},
		{"tls-supported-groups=65536", groups},
		{"tls-supported-groups=x25519", groups},
	};

	EXPECT_ALL(cases);
}

static void values(void **state)
{
	static const char names[] = "alpn needs names of 1 to 255 octets",
			  number[] = "port needs a number from 0 to 65535",
			  ipv4[] = "ipv4hint needs IPv4 addresses";
	static const struct expected cases[] = {
		{"port=\"443\" alpn=h2", "000100030268320003000201bb"},
		{"port=0443", "0003000201bb"},
		{"no-default-alpn alpn=h2", "0001000302683200020000"},
		{"ech=AAAA", "00050003000000"},
		{"ech=", "00050000"},
		{"ipv4hint=192.0.2.1,192.0.2.2", "00040008c0000201c0000202"},
		{"key667", "029b0000"},
		{"key667=", "029b0000"},
		{"key667=\"a b\"", "029b0003612062"},
		{"key1=\\002h2", "00010003026832"},
		{"key65535=x", "ffff000178"},
		{"alpn=\"h2\"port=53", "00010003026832000300020035"},
		{"alpn", names},
		{"alpn=\"\"", names},
		{"alpn=,h2", names},
		{"alpn=h2,", names},
		{"port", number},
		{"port=65536", number},
		{"port=https", number},
		{"key3=x", number},
		{"ech=AA", "ech needs base64"},
		{"ipv4hint", ipv4},
		{"ipv4hint=192.0.2.1,", ipv4},
		{"ipv4hint=2001:db8::1", ipv4},
		{"key4=abc", ipv4},
		{"ipv6hint=192.0.2.1", "ipv6hint needs IPv6 addresses"},
		{"alpn=h2 no-default-alpn=x", "no-default-alpn needs no value"},
	};

	EXPECT_ALL(cases);
}

static void keys_go_together(void **state)
{
	static const char others[] = "mandatory needs other keys, each once";
	static const struct expected cases[] = {
		{"mandatory=alpn alpn=h2", "00000002000100010003026832"},
		{"mandatory=key65000 key65000=a", "00000002fde8fde8000161"},
		{"mandatory=alpn", "mandatory names alpn, which is not there"},
		{"mandatory=key65000", "mandatory names key65000, which is not there"},
		{"mandatory=mandatory", others},
		{"mandatory=alpn,alpn alpn=h2", others},
		{"mandatory=foo alpn=h2", others},
		{"mandatory", others},
		{"no-default-alpn", "no-default-alpn needs alpn"},
		{"alpn=h2 alpn=h3", "alpn twice"},
		{"alpn=h2 key1=\\002h3", "alpn twice"},
		{"foo=bar", "unknown parameter 'foo'"},
		{"ipv4hnt=192.0.2.1", "unknown parameter 'ipv4hnt'; did you mean 'ipv4hint'?"},
		{"ALPN=h2", "unknown parameter 'ALPN'; did you mean 'alpn'?"},
		{"=x", "unknown parameter ''"},
		{"key=x", "unknown parameter 'key'"},
		{"key65536=x", "unknown parameter 'key65536'"},
		{"key01=x", "unknown parameter 'key01'"},
		{"alpn= h2", "unknown parameter 'h2'"},
		{"key667=a\"b\"", "unknown parameter '\"b\"'"},
		{"\"alpn=h2\"", "unknown parameter '\"alpn'; did you mean 'alpn'?"},
	};

	EXPECT_ALL(cases);
}

static const char *check(const char *octets, size_t length)
{
	static char reason[RDATA_REASON_MAX];

	return svcparam_check((const uint8_t *)octets, length, reason) ? NULL : reason;
}
#define CHECK(octets) check(octets, sizeof(octets) - 1)

static void wire_form(void **state)
{
	assert_null(CHECK(""));
	assert_null(CHECK("\0\1\0\3\2h2\0\3\0\2\1\273"));
	assert_string_equal(CHECK("\0\3\0\2\1\273\0\1\0\3\2h2"), "alpn behind a higher key");
	assert_string_equal(CHECK("\0\1\0\3\2h2\0\1\0\3\2h3"), "alpn twice");
	assert_string_equal(CHECK("\0\1\0\3\3h2"), "alpn needs names of 1 to 255 octets");
	assert_string_equal(CHECK("\0\1\0\3\2h"), "parameters that end within a parameter");
	assert_string_equal(CHECK("\0\1\0"), "parameters that end within a parameter");
	assert_string_equal(CHECK("\0\0\0\4\0\4\0\1\0\1\0\3\2h2"), "mandatory needs other keys, each once");
}

static void too_much(void **state)
{
	size_t size = 70000;
	char *text = malloc(size + 1);

	memset(text, 'a', size);
	memcpy(text, "key667=", 7);
	text[size] = '\0';
	assert_string_equal(read_params(text), "parameters of more than 65535 octets");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_rfc),
		cmocka_unit_test(newer_keys),
		cmocka_unit_test(values),
		cmocka_unit_test(keys_go_together),
		cmocka_unit_test(wire_form),
		cmocka_unit_test(too_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
