/* One HTTP exchange over the Unix socket of gslbd. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct ctl_http_request {
	const char *method, *path; /* path with query, percent-encoded */
	const char *body;	   /* NULL: none */
	size_t length;
	const char *content_type;
	const char *condition; /* one more header line, or NULL */
	/* The body of a reply of 200 is written here piece by piece, unless this is NULL. The timeout then is
	 * for the time without any octet. */
	FILE *into;
	bool may_be_silent; /* with `into`: there is no timeout once it is connected */
};

struct ctl_http_reply {
	long status;
	char *body; /* NUL-terminated */
	size_t length;
};

/* False: no reply came, and *ret_why (malloc'ed) says why. */
bool ctl_http_exchange(const char *socket_path, uint64_t timeout_ms, const struct ctl_http_request *request,
		       struct ctl_http_reply *ret, char **ret_why);
void ctl_http_reply_done(struct ctl_http_reply *reply);
