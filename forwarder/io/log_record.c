/* Making and reading records of the access log. Any thread, each its own record. */
#include "forwarder/io/log_record.h"
#include "forwarder/io/ring.h"
#include <assert.h>
#include <stddef.h>
#include <string.h>

static_assert(offsetof(struct log_record_draft, texts) == sizeof(struct log_record),
	      "a draft is copied whole");

void log_record_add(struct log_record_draft *draft, enum log_record_text which, const char *text,
		    size_t length)
{
	assert(draft->record.length[which] == 0);
	size_t room = sizeof draft->texts - draft->texts_length;

	if (length > LOG_RECORD_VALUE_MAX)
		length = LOG_RECORD_VALUE_MAX;
	if (length > room)
		length = room;
	if (length == 0)
		return;
	memcpy(draft->texts + draft->texts_length, text, length);
	draft->texts_length += (uint32_t)length;
	draft->record.length[which] = (uint16_t)length;
}

void log_record_send(struct log_record_sink *sink, const struct log_record_draft *draft)
{
	size_t length = sizeof draft->record + draft->texts_length;
	void *room = ring_room(sink->ring, length);

	if (!room) {
		atomic_fetch_add_explicit(&sink->dropped, 1, memory_order_relaxed);
		return;
	}
	memcpy(room, draft, length);
	ring_put(sink->ring);
}

const char *log_record_text(const struct log_record *record, enum log_record_text which, size_t *ret_length)
{
	const char *at = (const char *)(record + 1);

	for (unsigned i = 0; i < which; i++)
		at += record->length[i];
	*ret_length = record->length[which];
	return at;
}
