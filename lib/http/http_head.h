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
	HTTP_FIELD_ALIAS, /* CGI makes one name of it and of an X- or Gslb- field above: X_Tenant_ID */
	HTTP_FIELD_FRAMING_ALIAS, /* the same of Content-Length and Transfer-Encoding */
	HTTP_FIELD_COUNT
};

struct http_head_field {
	uint32_t name, value; /* offsets; the value without white space round it */
	uint16_t name_length, value_length;
	uint8_t field; /* enum http_field */
	bool is_named; /* the reader's: Connection names it, it goes no further */
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

/* What is known of a head whose end has not come: of a connection, zero before the first octet. */
struct http_head_scan {
	uint32_t line; /* where the line begins that has no end yet */
	uint32_t at;   /* how far it was looked at */
};

struct http_head {
	uint32_t length;		 /* octets of the head, its empty line included */
	uint8_t minor;			 /* of HTTP/1.x: 0, or 1 for 1 to 9 */
	uint16_t status;		 /* of a response */
	uint32_t method, target, reason; /* offsets */
	uint32_t method_length, target_length, reason_length;
	uint32_t count;
	struct http_head_field fields[HTTP_HEAD_FIELDS_MAX];
};

/*
 * The same octets again with more behind them until it is not PARTIAL; a verdict comes with the first octet
 * that decides it where the rest might never come. *head is written at DONE only; any head will do, it need
 * not be the connection's.
 */
enum http_head_status http_head_request(struct http_head *head, struct http_head_scan *scan,
					const char *octets, size_t length,
					const struct http_head_limits *limits);
/* Space before a colon is no part of the name here (RFC 9112 §5.1). */
enum http_head_status http_head_response(struct http_head *head, struct http_head_scan *scan,
					 const char *octets, size_t length,
					 const struct http_head_limits *limits);
/* Fields alone, up to and with an empty line: a trailer section. `count` and `length` of *head are set. */
enum http_head_status http_head_trailers(struct http_head *head, const char *octets, size_t length,
					 const struct http_head_limits *limits);

/* The next field of this kind at or after *at, which moves behind it; NULL: none. */
const struct http_head_field *http_head_next(const struct http_head *head, enum http_field field,
					     uint32_t *at);
/* Which field a name is. */
enum http_field http_head_field(const char *name, size_t length);
bool http_head_is_token(const char *text, size_t length); /* RFC 9110 §5.6.2 */
/* `lower` is in lower case already; letters of `text` may be in either. */
bool http_head_equals(const char *text, size_t length, const char *lower, size_t lower_length);

/* The next element of a comma-separated list (RFC 9110 §5.6.1), without white space round it; empty ones are
 * passed over. False: none is left. *at begins at 0. */
bool http_head_element(const char *list, size_t length, size_t *at, const char **ret, size_t *ret_length);
