/*
 * The answer of grpc.health.v1.Health/Check: one length-prefixed message in the body of an HTTP/2
 * response, and a status beside it. Fed with headers and data by probe_grpc.c. Pure; any one thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRPC_MESSAGE_BYTES_MAX 1024 /* the real one has two */

struct grpc_response { /* zero to begin with */
	unsigned http_status;
	bool is_grpc; /* content-type */
	bool has_status;
	unsigned status; /* grpc-status */
	uint8_t body[GRPC_MESSAGE_BYTES_MAX];
	size_t body_length;
	bool is_too_long;
};

/* One header or trailer; names are lower case. */
void grpc_response_header(struct grpc_response *response, const uint8_t *name, size_t name_length,
			  const uint8_t *value, size_t value_length);
void grpc_response_data(struct grpc_response *response, const uint8_t *bytes, size_t length);
/* The stream ended well. NULL: the server is SERVING; else why not, in `reason`. */
const char *grpc_response_judge(const struct grpc_response *response, char reason[static 96]);
