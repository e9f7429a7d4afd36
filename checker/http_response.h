/*
 * Reads the response to one check: strict HTTP/1.x head, then as much of the body as the check asks
 * for. Fed with bytes as they come; keeps one line of the head and at most 64 KiB of the body. Pure;
 * any one thread.
 */
#pragma once
#include "checker/checker.h"

#define HTTP_HEAD_BYTES_MAX ((size_t)32 << 10) /* interim (1xx) heads included */
#define HTTP_BODY_BYTES_MAX ((size_t)64 << 10) /* that are searched */

struct http_response;

enum http_progress { HTTP_MORE, HTTP_GOOD, HTTP_BAD };

/* Only expect, body and method of the spec count; it must outlive the reader. */
struct http_response *http_response_new(const struct probe_spec *spec);
void http_response_free(struct http_response *response); /* NULL is fine */
/* The check's own headers say `Connection: keep-alive`: then GOOD waits for the message's end, as long
 * as there is something to feed, so that the connection can be used again. */
bool http_response_may_keep(const struct probe_spec *spec);
/* The verdict stands, though the message goes on: the caller may stop here. */
bool http_response_is_good(const struct http_response *response);
/* After GOOD: the message ended with the last byte fed, and the server leaves the connection open. */
bool http_response_is_reusable(const struct http_response *response);
/* After GOOD or BAD nothing more may be fed. */
enum http_progress http_response_feed(struct http_response *response, const char *bytes, size_t length);
/* The peer closed: GOOD or BAD. */
enum http_progress http_response_end(struct http_response *response);
const char *http_response_reason(const struct http_response *response); /* of BAD */
