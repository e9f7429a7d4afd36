/*
 * Judges the answer of a gRPC health check (the gRPC protocol over HTTP/2, "Responses"; the message is
 * protobuf with field 1, an enum). Pure.
 */
#include "checker/grpc_response.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool is_word(const uint8_t *bytes, size_t length, const char *word)
{
	return length == strlen(word) && memcmp(bytes, word, length) == 0;
}

/* Digits, at most three; 999 for what is not a number. */
static unsigned number_of(const uint8_t *bytes, size_t length)
{
	unsigned number = 0;
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] < '0' || bytes[i] > '9' || length > 3)
			return 999;
		number = number * 10 + (bytes[i] - '0');
	}
	return length > 0 ? number : 999;
}

void grpc_response_header(struct grpc_response *response, const uint8_t *name, size_t name_length,
			  const uint8_t *value, size_t value_length)
{
	static const char type[] = "application/grpc";
	if (is_word(name, name_length, ":status")) {
		response->http_status = number_of(value, value_length);
	} else if (is_word(name, name_length, "grpc-status")) {
		response->has_status = true;
		response->status = number_of(value, value_length);
	} else if (is_word(name, name_length, "content-type")) {
		size_t length = sizeof type - 1;
		response->is_grpc = value_length >= length && memcmp(value, type, length) == 0 &&
				    (value_length == length || value[length] == '+' || value[length] == ';');
	}
}

void grpc_response_data(struct grpc_response *response, const uint8_t *bytes, size_t length)
{
	assert(response->body_length <= sizeof response->body);
	size_t room = sizeof response->body - response->body_length;
	if (length > room) {
		response->is_too_long = true;
		length = room;
	}
	memcpy(response->body + response->body_length, bytes, length);
	response->body_length += length;
}

/* ---- protobuf ---- */

struct cursor {
	const uint8_t *at, *end;
};

static bool take_varint(struct cursor *cursor, uint64_t *ret)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 64 && cursor->at < cursor->end; shift += 7) {
		uint8_t octet = *cursor->at++;
		value |= (uint64_t)(octet & 0x7f) << shift;
		if (!(octet & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

/* A field that is not ours, by its wire type. */
static bool skip_field(struct cursor *cursor, unsigned wire_type)
{
	uint64_t length = 0;
	if (wire_type == 0)
		return take_varint(cursor, &length);
	if (wire_type == 1)
		length = 8;
	else if (wire_type == 5)
		length = 4;
	else if (wire_type != 2 || !take_varint(cursor, &length))
		return false;
	if (length > (uint64_t)(cursor->end - cursor->at))
		return false;
	cursor->at += length;
	return true;
}

/* HealthCheckResponse.status; 0 (UNKNOWN) where it is absent, the last one where it is there twice. */
static bool read_message(struct cursor cursor, uint64_t *ret_status)
{
	*ret_status = 0;
	while (cursor.at < cursor.end) {
		uint64_t tag;
		if (!take_varint(&cursor, &tag))
			return false;
		bool is_ours = tag == (1 << 3 | 0);
		if (is_ours ? !take_varint(&cursor, ret_status) : !skip_field(&cursor, tag & 7))
			return false;
	}
	return true;
}

/* ---- verdict ---- */

static const char *judge_message(const struct grpc_response *response)
{
	static const char *const words[] = {"UNKNOWN", NULL, "NOT_SERVING", "SERVICE_UNKNOWN"};
	const uint8_t *body = response->body;
	if (response->is_too_long || response->body_length < 5)
		return "no valid gRPC answer";
	uint32_t length =
		(uint32_t)body[1] << 24 | (uint32_t)body[2] << 16 | (uint32_t)body[3] << 8 | body[4];
	bool is_compressed = body[0] != 0; /* which we did not offer to read */
	uint64_t status;
	if (is_compressed || length != response->body_length - 5 ||
	    !read_message((struct cursor){body + 5, body + response->body_length}, &status))
		return "no valid gRPC answer";
	return status < sizeof words / sizeof words[0] ? words[status] : "an unknown state of serving";
}

const char *grpc_response_judge(const struct grpc_response *response, char reason[static 96])
{
	static const char *const names[] = {
		"OK",
		"CANCELLED",
		"UNKNOWN",
		"INVALID_ARGUMENT",
		"DEADLINE_EXCEEDED",
		"NOT_FOUND",
		"ALREADY_EXISTS",
		"PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED",
		"FAILED_PRECONDITION",
		"ABORTED",
		"OUT_OF_RANGE",
		"UNIMPLEMENTED",
		"INTERNAL",
		"UNAVAILABLE",
		"DATA_LOSS",
		"UNAUTHENTICATED",
	};
	if (response->http_status != 200) {
		snprintf(reason, 96, "status %u", response->http_status);
		return reason;
	}
	if (!response->is_grpc || !response->has_status)
		return "no valid gRPC answer";
	if (response->status == 0)
		return judge_message(response);
	bool is_known = response->status < sizeof names / sizeof names[0];
	snprintf(reason, 96, "gRPC status %u%s%s", response->status, is_known ? " " : "",
		 is_known ? names[response->status] : "");
	return reason;
}
