/*
 * The head of an HTTP/1 message (RFC 9112): one strict pass that records where everything stands. What a
 * field means is its reader's. The octets must stay where they are while the record is used. Pure; any
 * thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_FIELDS_MAX 500
#define HTTP_HEAD_BYTES_MAX 65536

/* Fields that somebody looks for; all others are HTTP_FIELD_OTHER. */
enum http_field {
	HTTP_FIELD_OTHER,
	HTTP_FIELD_HOST,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_CONNECTION,
	HTTP_FIELD_KEEP_ALIVE,
	HTTP_FIELD_PROXY_CONNECTION,
	HTTP_FIELD_PROXY_AUTHORIZATION,
	HTTP_FIELD_TE,
	HTTP_FIELD_TRAILER,
	HTTP_FIELD_UPGRADE,
	HTTP_FIELD_HTTP2_SETTINGS,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_MAX_FORWARDS,
	HTTP_FIELD_VIA,
	HTTP_FIELD_DATE,
	HTTP_FIELD_COOKIE,
	HTTP_FIELD_SET_COOKIE,
	HTTP_FIELD_AUTHORIZATION,
	HTTP_FIELD_FORWARDED,
	HTTP_FIELD_X_FORWARDED, /* X-Forwarded-*, the name tells which */
	HTTP_FIELD_X_REAL_IP,
	HTTP_FIELD_X_REQUEST_ID,
	HTTP_FIELD_X_TENANT_ID,
	HTTP_FIELD_GSLB, /* Gslb-* */
	HTTP_FIELD_TRACEPARENT,
	HTTP_FIELD_TRACESTATE,
	HTTP_FIELD_COUNT
};

struct http_head_field {
	uint32_t name, value; /* offsets; the value without white space round it */
	uint16_t name_length, value_length;
	uint8_t field; /* enum http_field */
};

enum http_head_status {
	HTTP_HEAD_PARTIAL, /* all well so far; more octets are needed */
	HTTP_HEAD_DONE,
	HTTP_HEAD_BAD,	       /* 400 of a request, 502 of a response */
	HTTP_HEAD_TARGET_LONG, /* 414 */
	HTTP_HEAD_LARGE,       /* 431 */
	HTTP_HEAD_VERSION,     /* 505 */
};

struct http_head_limits {
	uint32_t head_bytes, line_bytes, target_bytes, fields;
};

struct http_head {
	uint32_t length;		 /* octets of the head, its empty line included */
	uint32_t scanned;		 /* PARTIAL: where to go on; zero it before the first call */
	uint8_t minor;			 /* of HTTP/1.x: 0, or 1 for 1 to 9 */
	uint16_t status;		 /* of a response */
	uint32_t method, target, reason; /* offsets */
	uint32_t method_length, target_length, reason_length;
	uint32_t count;
	struct http_head_field fields[HTTP_HEAD_FIELDS_MAX];
};

enum http_head_status http_head_request(struct http_head *head, const char *octets, size_t length,
					const struct http_head_limits *limits);
enum http_head_status http_head_response(struct http_head *head, const char *octets, size_t length,
					 const struct http_head_limits *limits);
/* The next field of this kind at or after *at, which moves behind it; NULL: none. */
const struct http_head_field *http_head_next(const struct http_head *head, enum http_field field,
					     uint32_t *at);
