/*
 * Reads the response to one check: strict HTTP/1.x head, and the body to its end. Fed with bytes as they
 * come; keeps one line of the head and at most 64 KiB of the body. The verdict often stands before the
 * message ends: then the rest is read for the connection's sake alone. Pure; any one thread.
 */
#pragma once
#include "checker/probe_spec.h"

#define HTTP_HEAD_BYTES_MAX ((size_t)32 << 10) /* interim (1xx) heads included */
#define HTTP_BODY_BYTES_MAX ((size_t)64 << 10) /* that are searched */

struct http_response;

enum http_verdict { HTTP_OPEN, HTTP_GOOD, HTTP_BAD };

/* Only expect, body and method of the spec count; it must outlive the reader. */
struct http_response *http_response_new(const struct probe_spec *spec);
void http_response_free(struct http_response *response); /* NULL is fine */
/* False: nothing more may be fed; the message has ended, or what came is no HTTP. The verdict stands then. */
bool http_response_feed(struct http_response *response, const char *bytes, size_t length);
/* The peer closed: the verdict stands from now on. */
void http_response_end(struct http_response *response);
enum http_verdict http_response_verdict(const struct http_response *response);
/* Of BAD, why; of GOOD, "" or that it was a redirect, which is never followed. */
const char *http_response_reason(const struct http_response *response);
/* The check's own headers say `Connection: keep-alive`. */
bool http_response_may_keep(const struct probe_spec *spec);
/* The message ended with the last byte fed, and the server leaves the connection open. */
bool http_response_is_reusable(const struct http_response *response);
