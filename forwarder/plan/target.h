/*
 * What a request is for: host and path in their one form. That form is matched by hosts and routes and is
 * what the origin gets, so that nobody can show one path to a route and another to an origin. Pure; any
 * thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_HOST_MAX 256

struct target_host {
	uint16_t length; /* of the name: lower case, no final dot */
	uint16_t port;	 /* 0: none, or an empty one */
	bool is_address; /* [::1]: no tenant has it */
};

/* Reads `uri-host [":" port]` (RFC 9110 §7.2); the name is written to `out`. False: malformed. */
bool target_host(const char *text, size_t length, char out[static TARGET_HOST_MAX], struct target_host *ret);

struct target_path {
	const char *text; /* path, and behind a '?' the query, as the origin gets it */
	uint32_t length;
	uint32_t path_length; /* ≤ length; the query, if there is one, begins at path_length + 1 */
};

/*
 * A path that begins with '/', and its query, without dot segments and with unreserved characters unescaped
 * (RFC 3986 §5.2.4, §6.2.2); any other escape, so %2F and %5C too, stays. Where nothing changes ret->text is
 * `text`, else it is `out` of `length` octets. False: 400.
 */
bool target_path(const char *text, size_t length, char *out, struct target_path *ret);

enum target_form { TARGET_ORIGIN, TARGET_ABSOLUTE, TARGET_ASTERISK, TARGET_OTHER };

struct target {
	enum target_form form;
	bool is_https;	       /* ABSOLUTE: its scheme */
	const char *authority; /* ABSOLUTE: as it stands there */
	uint32_t authority_length;
	const char *path; /* ORIGIN and ABSOLUTE: the rest; ABSOLUTE may have none, or begin with '?' */
	uint32_t path_length;
};

/* Splits a request target (RFC 9112 §3.2). TARGET_OTHER: authority-form, another scheme, or nothing of all.
 */
void target_read(const char *text, size_t length, struct target *ret);
