/* Records of the access log, from a worker to the writer. */
#include "forwarder/io/log_record.h"
#include "forwarder/io/ring.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void assert_text(const struct log_record *record, enum log_record_text which, const char *text)
{
	size_t length;
	const char *at = log_record_text(record, which, &length);
	assert_int_equal(length, strlen(text));
	assert_memory_equal(at, text, length);
}

static void texts_and_numbers_arrive(void **state)
{
	struct log_record_sink sink = {.ring = ring_new(4096)};
	struct log_record_draft *draft = calloc(1, sizeof *draft);
	size_t length;
	draft->record.status = 204;
	draft->record.bytes_out = 77;
	log_record_add(draft, LOG_RECORD_ID, "0123", 4);
	log_record_add(draft, LOG_RECORD_HOST, "a.example", 9);
	log_record_add(draft, LOG_RECORD_ORIGIN, "10.0.0.1:80", 11);
	log_record_send(&sink, draft);
	const struct log_record *record = ring_peek(sink.ring, &length);
	assert_non_null(record);
	assert_int_equal(record->status, 204);
	assert_int_equal(record->bytes_out, 77);
	assert_text(record, LOG_RECORD_ID, "0123");
	assert_text(record, LOG_RECORD_TENANT, "");
	assert_text(record, LOG_RECORD_HOST, "a.example");
	assert_text(record, LOG_RECORD_ORIGIN, "10.0.0.1:80");
	ring_free(sink.ring);
	free(draft);
}

static void a_long_text_is_cut(void **state)
{
	struct log_record_draft *draft = calloc(1, sizeof *draft);
	char text[3000];
	memset(text, 'x', sizeof text);
	log_record_add(draft, LOG_RECORD_METHOD, text, 1);
	log_record_add(draft, LOG_RECORD_HOST, text, sizeof text);
	assert_int_equal(draft->record.length[LOG_RECORD_HOST], LOG_RECORD_VALUE_MAX);
	/* all of them as long as they may be: what has no room any more is cut, too */
	log_record_add(draft, LOG_RECORD_PATH, text, sizeof text);
	log_record_add(draft, LOG_RECORD_SNI, text, sizeof text);
	log_record_add(draft, LOG_RECORD_ALPN, text, sizeof text);
	log_record_add(draft, LOG_RECORD_ORIGIN, text, sizeof text);
	assert_int_equal(draft->texts_length, LOG_RECORD_TEXT_ROOM);
	free(draft);
}

static void what_does_not_fit_is_counted(void **state)
{
	struct log_record_sink sink = {.ring = ring_new(4096)};
	struct log_record_draft *draft = calloc(1, sizeof *draft);
	unsigned kept = 0;
	size_t length;
	for (unsigned i = 0; i < 100; i++) {
		draft->record.route = i;
		log_record_send(&sink, draft);
	}
	for (const struct log_record *record; (record = ring_peek(sink.ring, &length)); ring_next(sink.ring))
		assert_int_equal(record->route, kept++); /* the oldest stay */
	assert_true(kept > 10);
	assert_int_equal(kept + sink.dropped, 100);
	ring_free(sink.ring);
	free(draft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_and_numbers_arrive),
		cmocka_unit_test(a_long_text_is_cut),
		cmocka_unit_test(what_does_not_fit_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
