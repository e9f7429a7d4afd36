/* Lines of the access log. */
#include "forwarder/plan/reason.h"
#include "forwarder/seeing/log_line.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char names[] =
	"time id tenant service route region method host path status reason client tls sni alpn "
	"protocol bytes_in bytes_out origin attempts reused us_queue us_connect us_head us_total "
	"trace tail key";

static void add(struct log_record_draft *draft, enum log_record_text which, const char *text)
{
	log_record_add(draft, which, text, strlen(text));
}

static json_t *parse(const struct log_record_draft *draft, bool anonymizes)
{
	/* 2026-01-31T12:00:00.007Z, ten seconds after the monotonic clock began */
	struct log_line_clock clock = {.offset_ns = 1769860800007 * 1000000 - 10000000000};
	struct log_line_settings settings = {"eu", anonymizes};
	char *line = malloc(LOG_LINE_MAX);
	size_t length = log_line_write(&draft->record, &settings, &clock, line);
	assert_int_equal(line[length - 1], '\n');
	assert_null(memchr(line, '\n', length - 1));
	json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	free(line);
	return json;
}

static void assert_names(json_t *json)
{
	char *all = strdup(names);
	size_t count = 0;
	for (char *name = strtok(all, " "); name; name = strtok(NULL, " "), count++)
		assert_non_null(json_object_get(json, name));
	assert_int_equal(json_object_size(json), count);
	free(all);
}

static void assert_text(json_t *json, const char *name, const char *text)
{
	assert_string_equal(json_string_value(json_object_get(json, name)), text);
}

static struct log_record_draft *new_draft(void)
{
	struct log_record_draft *draft = calloc(1, sizeof *draft);
	draft->record.end_ns = 10000000000;
	draft->record.route = LOG_RECORD_NO_ROUTE;
	draft->record.minor = 1;
	return draft;
}

static void a_line_has_every_member(void **state)
{
	struct log_record_draft *draft = new_draft();
	draft->record.us_total = 5000000000;
	draft->record.us_head = 17;
	draft->record.bytes_out = 1ull << 60;
	draft->record.route = 3;
	draft->record.status = 429;
	draft->record.reason = REASON_RATE;
	draft->record.attempts = 2;
	draft->record.is_reused = true;
	ip_parse("2001:db8:1:2ff::7", &draft->record.client);
	add(draft, LOG_RECORD_ID, "0123456789abcdef0123456789abcdef");
	add(draft, LOG_RECORD_TENANT, "acme");
	add(draft, LOG_RECORD_SERVICE, "shop");
	add(draft, LOG_RECORD_METHOD, "GET");
	add(draft, LOG_RECORD_HOST, "a.example");
	add(draft, LOG_RECORD_PATH, "/x");
	add(draft, LOG_RECORD_TLS, "TLSv1.3");
	add(draft, LOG_RECORD_SNI, "a.example");
	add(draft, LOG_RECORD_ALPN, "http/1.1");
	add(draft, LOG_RECORD_TRACE, "fedcba9876543210fedcba9876543210");
	add(draft, LOG_RECORD_KEY, "partner");
	add(draft, LOG_RECORD_ORIGIN, "10.1.0.5:8080");
	json_t *json = parse(draft, false);
	assert_names(json);
	assert_text(json, "time", "2026-01-31T12:00:00.007Z");
	assert_text(json, "tenant", "acme");
	assert_text(json, "region", "eu");
	assert_text(json, "reason", "rate");
	assert_text(json, "client", "2001:db8:1:2ff::7");
	assert_text(json, "tls", "TLSv1.3");
	assert_text(json, "protocol", "HTTP/1.1");
	assert_text(json, "origin", "10.1.0.5:8080");
	assert_text(json, "key", "partner");
	assert_int_equal(json_integer_value(json_object_get(json, "route")), 3);
	assert_int_equal(json_integer_value(json_object_get(json, "us_total")), 5000000000);
	assert_int_equal(json_integer_value(json_object_get(json, "bytes_out")), 1ll << 60);
	assert_true(json_is_true(json_object_get(json, "reused")));
	json_decref(json);
	free(draft);
}

static void what_there_is_not_is_null(void **state)
{
	struct log_record_draft *draft = new_draft();
	draft->record.status = 400;
	draft->record.minor = 0;
	json_t *json = parse(draft, false);
	assert_names(json);
	for (unsigned i = 0; i < 5; i++)
		assert_true(json_is_null(json_object_get(
			json, (const char *[]){"tenant", "route", "client", "origin", "reason"}[i])));
	assert_text(json, "protocol", "HTTP/1.0");
	json_decref(json);
	free(draft);
}

static void what_came_from_outside_cannot_end_a_text(void **state)
{
	struct log_record_draft *draft = new_draft();
	add(draft, LOG_RECORD_METHOD, "A\"},{\\\n\x7f\x01");
	add(draft, LOG_RECORD_ALPN, "h\xff\xc3\xa4");
	json_t *json = parse(draft, false);
	assert_text(json, "method", "A\"},{\\\n\x7f\x01");
	assert_text(json, "alpn", "h???");
	json_decref(json);
	free(draft);
}

/* At each place of a text, whatever stands around it. */
static void each_octet_is_told(void **state)
{
	struct log_line_settings settings = {"eu", false};
	struct log_line_clock clock = {0};
	char text[12], *line = malloc(LOG_LINE_MAX);
	for (unsigned octet = 0; octet < 256; octet++)
		for (unsigned at = 0; at < sizeof text; at++) {
			struct log_record_draft *draft = new_draft();
			memcpy(text, "abcd!~ [GET/", sizeof text);
			text[at] = (char)octet;
			log_record_add(draft, LOG_RECORD_METHOD, text, sizeof text);
			size_t length = log_line_write(&draft->record, &settings, &clock, line);
			json_t *json = json_loadb(line, length, JSON_ALLOW_NUL, NULL);
			const json_t *told = json_object_get(json, "method");
			if (octet >= 0x80)
				text[at] = '?';
			assert_int_equal(json_string_length(told), sizeof text);
			assert_memory_equal(json_string_value(told), text, sizeof text);
			json_decref(json);
			free(draft);
		}
	free(line);
}

static void the_longest_fits(void **state)
{
	struct log_record_draft *draft = new_draft();
	char text[LOG_RECORD_VALUE_MAX];
	memset(text, '\x01', sizeof text);
	for (unsigned i = 0; i < LOG_RECORD_TEXTS; i++)
		log_record_add(draft, i, text, sizeof text);
	json_t *json = parse(draft, false);
	assert_names(json);
	json_decref(json);
	free(draft);
}

static void an_address_is_cut_where_that_is_wanted(void **state)
{
	struct log_record_draft *draft = new_draft();
	ip_parse("192.0.2.77", &draft->record.client);
	json_t *json = parse(draft, true);
	assert_text(json, "client", "192.0.2.0");
	json_decref(json);
	ip_parse("2001:db8:1:2ff::7", &draft->record.client);
	json = parse(draft, true);
	assert_text(json, "client", "2001:db8:1:200::");
	json_decref(json);
	free(draft);
}

static void what_is_missing_has_a_line(void **state)
{
	struct log_line_clock clock = {0};
	char line[LOG_LINE_MAX];
	size_t length = log_line_dropped(17, 1769860800007 * 1000000, &clock, line);
	static const char wanted[] = "{\"time\":\"2026-01-31T12:00:00.007Z\",\"dropped\":17}\n";
	assert_int_equal(length, sizeof wanted - 1);
	assert_memory_equal(line, wanted, length);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_every_member),
		cmocka_unit_test(what_there_is_not_is_null),
		cmocka_unit_test(what_came_from_outside_cannot_end_a_text),
		cmocka_unit_test(each_octet_is_told),
		cmocka_unit_test(the_longest_fits),
		cmocka_unit_test(an_address_is_cut_where_that_is_wanted),
		cmocka_unit_test(what_is_missing_has_a_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
