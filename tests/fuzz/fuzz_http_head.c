/*
 * Request heads against a slow reader written from the grammar (RFC 9112 §2 to §5): both take the same and
 * see the same, however the octets were cut. What goes to the origin is read by it again: one message, framed
 * as was decided.
 */
#include "forwarder/http1/head_write.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX 600
#define FIELDS_MAX 12
#define HEAD_MAX 2000
#define ALPHA "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static const struct http_head_limits limits = {HEAD_MAX, LINE_MAX, LINE_MAX, FIELDS_MAX};
/* for what we write ourselves */
static const struct http_head_limits wide = {65536, 16384, 16384, 200};

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

/* ---- the grammar ---- */

struct slow_field {
	const char *name, *value;
	size_t name_length, value_length;
};

struct slow_head {
	const char *method, *target;
	size_t method_length, target_length, length, count;
	int minor;
	struct slow_field fields[200];
};

static bool is_tchar(char c)
{
	return c && strchr("!#$%&'*+-.^_`|~0123456789" ALPHA, c);
}

static bool is_value_octet(char c)
{
	return c == '\t' || c == ' ' || (c > ' ' && c < 0x7f) || (c & 0x80);
}

/* *at is behind `token` then; false: there is none. */
static bool take_token(const char **at, const char *end, size_t *ret_length)
{
	const char *start = *at;
	while (*at < end && is_tchar(**at))
		(*at)++;
	*ret_length = *at - start;
	return *ret_length > 0;
}

static bool slow_request_line(const char *at, const char *end, struct slow_head *head)
{
	head->method = at;
	if (!take_token(&at, end, &head->method_length) || head->method_length > 32 || at == end ||
	    *at++ != ' ')
		return false;
	head->target = at;
	while (at<end && * at> ' ' && *at < 0x7f && *at != '#' && *at != '\\')
		at++;
	head->target_length = at - head->target;
	if (head->target_length == 0 || end - at != 9 || memcmp(at, " HTTP/1.", 8) != 0 || at[8] < '0' ||
	    at[8] > '9')
		return false;
	head->minor = at[8] == '0' ? 0 : 1;
	return true;
}

static bool slow_field_line(const char *at, const char *end, struct slow_field *field)
{
	field->name = at;
	if (!take_token(&at, end, &field->name_length) || at == end || *at++ != ':')
		return false;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	field->value = at;
	field->value_length = end - at;
	for (; at < end; at++)
		if (!is_value_octet(*at))
			return false;
	return true;
}

/* [CRLF] request-line CRLF *( field-line CRLF ) CRLF, and our limits. */
static bool slow_head(const char *octets, size_t length, const struct http_head_limits *most,
		      struct slow_head *head)
{
	const char *at = octets, *end = octets + length;
	if (length >= 2 && memcmp(at, "\r\n", 2) == 0)
		at += 2;
	*head = (struct slow_head){0};
	for (size_t number = 0;; number++) {
		const char *line = at;
		while (at < end && *at != '\r' && *at != '\n')
			at++;
		if (end - at < 2 || at[0] != '\r' || at[1] != '\n')
			return false;
		at += 2;
		head->length = at - octets;
		if (at - line == 2)
			return number > 0 && head->length <= most->head_bytes;
		if (number == 0) {
			if (!slow_request_line(line, at - 2, head) ||
			    head->target_length > most->target_bytes)
				return false;
		} else if (number > most->fields || at - 2 - line > most->line_bytes ||
			   !slow_field_line(line, at - 2, &head->fields[head->count++])) {
			return false;
		}
	}
}

/* ---- the comparison ---- */

static void check_same(const struct http_head *fast, const char *octets, const struct slow_head *slow)
{
	check(fast->length == slow->length && fast->minor == slow->minor && fast->count == slow->count);
	check(octets + fast->method == slow->method && fast->method_length == slow->method_length);
	check(octets + fast->target == slow->target && fast->target_length == slow->target_length);
	for (size_t i = 0; i < slow->count; i++) {
		const struct http_head_field *field = &fast->fields[i];
		check(octets + field->name == slow->fields[i].name);
		check(field->name_length == slow->fields[i].name_length);
		check(octets + field->value == slow->fields[i].value);
		check(field->value_length == slow->fields[i].value_length);
		check(field->field == http_head_field(slow->fields[i].name, slow->fields[i].name_length));
	}
}

/* By step octets at a time. */
static enum http_head_status read_cut(struct http_head *head, const char *octets, size_t length, size_t step)
{
	struct http_head_scan scan = {0};
	enum http_head_status status = HTTP_HEAD_PARTIAL;
	for (size_t at = 0; status == HTTP_HEAD_PARTIAL && at < length;) {
		at = length - at < step ? length : at + step;
		status = http_head_request(head, &scan, octets, at, &limits);
	}
	return status;
}

static bool is_named(const struct slow_field *field, const char *name)
{
	return field->name_length == strlen(name) && strncasecmp(field->name, name, field->name_length) == 0;
}

/* What the origin gets is one message: one Host, and that framing which was decided. */
static void check_written(const char *written, size_t length, const struct http1_request *request)
{
	static struct slow_head head;
	size_t hosts = 0, lengths = 0, codings = 0, tenants = 0;
	char number[24];
	snprintf(number, sizeof number, "%llu", (unsigned long long)request->content_length);
	check(slow_head(written, length, &wide, &head) && head.length == length && head.minor == 1);
	for (size_t i = 0; i < head.count; i++) {
		const struct slow_field *field = &head.fields[i];
		hosts += is_named(field, "Host");
		tenants += is_named(field, "X-Tenant-ID") || is_named(field, "X_Tenant_ID");
		check(!is_named(field, "Expect") && !is_named(field, "Content_Length"));
		if (is_named(field, "Content-Length")) {
			lengths++;
			check(field->value_length == strlen(number));
			check(memcmp(field->value, number, field->value_length) == 0);
		}
		if (is_named(field, "Transfer-Encoding")) {
			codings++;
			check(field->value_length == 7 && memcmp(field->value, "chunked", 7) == 0);
		}
	}
	check(hosts == 1 && tenants == 1);
	check(lengths == (request->framing == HTTP1_LENGTH) &&
	      codings == (request->framing == HTTP1_CHUNKED));
	check(head.target_length == request->path.length &&
	      memcmp(head.target, request->path.text, head.target_length) == 0);
	check(!memmem(head.target, request->path.path_length, "/../", 4));
}

static void check_meaning(struct http_head *head, const char *octets, bool is_trusted)
{
	static char scratch[HTTP1_REQUEST_SCRATCH(LINE_MAX)], written[HEAD_MAX + 4096];
	static const struct route_text websocket = {"websocket", 9};
	static const struct route route = {.upgrade_count = 1, .upgrade = &websocket};
	struct http1_request request;
	struct http1_verdict verdict = http1_request_read(head, octets, false, scratch, &request);
	check(!verdict.closes || !request.keeps_alive);
	if (verdict.reason != REASON_NONE) {
		check(verdict.closes || verdict.reason == REASON_METHOD);
		return;
	}
	struct head_write_request from = {
		.head = head,
		.octets = octets,
		.request = &request,
		.route = &route,
		.tenant = {"acme", 4},
		.client = {"192.0.2.7", 9},
		.peer = {"10.0.0.9", 8},
		.request_id = {"0123", 4},
		.is_trusted = is_trusted,
		.is_upgrade = http1_request_upgrades(&request, &route),
	};
	if (request.is_options_here)
		return;
	size_t length = head_write_request(&from, written, sizeof written);
	check(length > 0);
	check_written(written, length, &request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head head, other;
	static struct slow_head slow;
	if (size < 1)
		return 0;
	const char *octets = (const char *)data + 1;
	size_t length = size - 1;
	struct http_head_scan scan = {0};
	enum http_head_status whole = http_head_request(&head, &scan, octets, length, &limits);
	enum http_head_status cut = read_cut(&other, octets, length, 1 + (data[0] >> 2));
	bool is_good = slow_head(octets, length, &limits, &slow);
	check(is_good == (whole == HTTP_HEAD_DONE) && is_good == (cut == HTTP_HEAD_DONE));
	check((whole == HTTP_HEAD_PARTIAL) == (cut == HTTP_HEAD_PARTIAL));
	if (!is_good)
		return 0;
	check_same(&head, octets, &slow);
	check_same(&other, octets, &slow);
	check_meaning(&head, octets, data[0] & 1);
	return 0;
}
