/*
 * What the access log says of one request, as a worker passes it to the writer: numbers, and the octets of
 * its texts one behind the other. Everything stands in the record itself, for when the line is written the
 * world and the connection may be others. A value; any thread.
 */
#pragma once
#include "lib/net.h"
#include <stdatomic.h>

#define LOG_RECORD_VALUE_MAX 512 /* octets of a text; what is longer is cut */
#define LOG_RECORD_NO_ROUTE UINT32_MAX
#define LOG_RECORD_RING ((size_t)4 << 20) /* octets of a worker's ring */

/* In the order of their octets. */
enum log_record_text {
	LOG_RECORD_ID,
	LOG_RECORD_TENANT,
	LOG_RECORD_SERVICE,
	LOG_RECORD_METHOD,
	LOG_RECORD_HOST,
	LOG_RECORD_PATH,
	LOG_RECORD_TLS,
	LOG_RECORD_SNI,
	LOG_RECORD_ALPN,
	LOG_RECORD_TRACE,
	LOG_RECORD_KEY,
	LOG_RECORD_ORIGIN, /* last: it is known last */
	LOG_RECORD_TEXTS
};

struct log_record {
	uint64_t end_ns; /* CLOCK_MONOTONIC */
	uint64_t us_total;
	uint64_t bytes_in, bytes_out;
	uint32_t us_queue, us_connect, us_head; /* 0: it did not come to that */
	uint32_t route;				/* number in its service */
	uint16_t status;
	uint8_t reason; /* enum reason */
	uint8_t minor;	/* of HTTP/1 */
	uint8_t attempts;
	bool is_reused; /* the origin's connection had served another request before */
	struct ip client;
	uint16_t length[LOG_RECORD_TEXTS]; /* 0: there is none */
};

/* A record that is being made, with room for all its texts. */
#define LOG_RECORD_TEXT_ROOM 2048
struct log_record_draft {
	struct log_record record;
	char texts[LOG_RECORD_TEXT_ROOM]; /* right behind it, as in the ring */
	uint32_t texts_length;
	struct log_record_draft *next; /* free ones */
};

/* What a worker has for the log: its ring, and what the ring had no room for. */
struct ring;
struct log_record_sink {
	struct ring *ring;
	_Atomic uint64_t dropped;
};

/* The next of its texts: each once, in their order. Cut where it is too long. */
void log_record_add(struct log_record_draft *draft, enum log_record_text which, const char *text,
		    size_t length);
/* Puts it into the ring, or counts it as dropped. */
void log_record_send(struct log_record_sink *sink, const struct log_record_draft *draft);
/* Of a record from the ring; not terminated. */
const char *log_record_text(const struct log_record *record, enum log_record_text which, size_t *ret_length);
