/*
 * A body as it comes, in either direction: which of the received octets are data, and where it ends
 * (RFC 9112 §6, §7). What is sent on is framed anew, so no chunk line of one side ever reaches the other.
 * Pure; a worker's thread.
 */
#pragma once
#include "forwarder/http1/http1_request.h"

#define HTTP1_BODY_LINE_MAX 256		/* a chunk's size and extensions */
#define HTTP1_BODY_EXTENSIONS_MAX 16384 /* of a whole body */
#define HTTP1_BODY_TRAILER_BYTES_MAX 8192
#define HTTP1_BODY_TRAILER_FIELDS_MAX 32
#define HTTP1_BODY_SMALL_CHUNKS 4096 /* in a row, of less than 8 octets on average: refused */

enum http1_body_status {
	HTTP1_BODY_MORE,     /* all taken well; more is needed */
	HTTP1_BODY_DONE,     /* the body is whole; octets behind `taken` are not its */
	HTTP1_BODY_BAD,	     /* 400, or 502 of a response */
	HTTP1_BODY_LARGE,    /* 413: over the limit */
	HTTP1_BODY_TRAILERS, /* 431: trailers too large */
};

struct http1_body {
	uint64_t left;	/* of the chunk or body */
	uint64_t limit; /* of all data; UINT64_MAX: none */
	uint64_t total; /* data so far */
	uint16_t line;	/* octets of the chunk line so far */
	uint16_t extensions;
	uint16_t chunks; /* of the row that is counted */
	uint16_t small;	 /* their octets, as far as they matter */
	uint8_t part;
	bool is_response;
};

/* `length` counts with HTTP1_LENGTH only. A body of no octets is DONE before any is received:
 * http1_body_is_done(). */
/* The row of small chunks is refused of clients only: origins that stream have their reasons. */
void http1_body_start(struct http1_body *body, enum http1_framing framing, uint64_t length, uint64_t limit,
		      bool is_response);
bool http1_body_is_done(const struct http1_body *body);
/* Octets that are still to come at least; UINT64_MAX: nobody knows. */
uint64_t http1_body_left(const struct http1_body *body);

struct http1_body_take {
	uint32_t data, data_length; /* the one span of data, after chunks were moved together */
	uint32_t taken;		    /* octets used up, to the front of the rest */
	/* DONE: field lines to be sent behind a last chunk, each with its CRLF, without the empty line */
	uint32_t trailers, trailers_length;
};

/*
 * Reads `octets`, which it may move within themselves up to `taken`. At MORE the caller keeps what stands
 * behind `taken` (only ever the beginning of a trailer section, at most HTTP1_BODY_TRAILER_BYTES_MAX) and
 * gives it again with more behind. Data is valid with any status but BAD; a caller that sees one of the three
 * refusals ends the other side without its end mark.
 */
enum http1_body_status http1_body_take(struct http1_body *body, char *octets, size_t length,
				       struct http1_body_take *ret);
/* The sender has closed: DONE where that ends the body, else BAD. */
enum http1_body_status http1_body_end(const struct http1_body *body);

/* "HEXSIZE CRLF" of a chunk into `out`; returns its length. CRLF follows the data. */
#define HTTP1_BODY_CHUNK_HEAD_MAX 18
size_t http1_body_chunk_head(uint64_t length, char out[static HTTP1_BODY_CHUNK_HEAD_MAX]);
