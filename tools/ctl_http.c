/* HTTP over the Unix socket, by libcurl. One thread. */
#include "tools/ctl_http.h"
#include "lib/mem.h"
#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct body {
	CURL *curl;
	FILE *into;
	char *bytes;
	size_t length, capacity;
};

static size_t collect(char *data, size_t size, size_t count, void *user)
{
	struct body *body = user;
	size_t length = size * count;
	long status = 0;
	if (body->into && curl_easy_getinfo(body->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
	    status == 200)
		return fwrite(data, 1, length, body->into);
	xgrow((void **)&body->bytes, &body->capacity, body->length + length + 1, 1);
	memcpy(body->bytes + body->length, data, length);
	body->length += length;
	assert(body->length < body->capacity);
	body->bytes[body->length] = 0;
	return length;
}

/* libcurl only says "couldn't connect"; the operator needs the system's reason. NULL: a connection is
 * possible. */
static const char *why_not_connected(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address.sun_path)
		return "the path is longer than a socket's may be (107 octets)";
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return strerror(errno);
	const char *reason = NULL;
	if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		reason = strerror(errno);
	close(fd);
	return reason;
}

/* Who was asked, as far as the socket's name tells. */
static const char *daemon_at(const char *socket_path)
{
	return strstr(socket_path, "forwarder") ? "forwarderd" : "gslbd";
}

static char *explain_failure(const char *socket_path, uint64_t timeout_ms, CURLcode code)
{
	if (code == CURLE_OPERATION_TIMEDOUT)
		return xasprintf("no answer from %s at %s within %llu ms; it may still be at work "
				 "(--timeout waits longer)",
				 daemon_at(socket_path), socket_path, (unsigned long long)timeout_ms);
	const char *daemon = daemon_at(socket_path), *reason = why_not_connected(socket_path);
	if (reason && strcmp(reason, strerror(EACCES)) == 0)
		return xasprintf("cannot reach %s at %s: %s (the socket is for root and %s's group; "
				 "--socket PATH or GSLB_SOCKET names its socket)",
				 daemon, socket_path, reason, daemon);
	if (reason)
		return xasprintf(
			"cannot reach %s at %s: %s (is it running? --socket PATH or GSLB_SOCKET names "
			"its socket)",
			daemon, socket_path, reason);
	return xasprintf("%s at %s: %s", daemon, socket_path, curl_easy_strerror(code));
}

static struct curl_slist *headers_of(const struct ctl_http_request *request)
{
	/* Without "Expect:" libcurl waits a second for 100-continue before a large body. */
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	if (request->content_type) {
		char *line = xasprintf("Content-Type: %s", request->content_type);
		headers = curl_slist_append(headers, line);
		free(line);
	}
	if (request->condition)
		headers = curl_slist_append(headers, request->condition);
	return headers;
}

bool ctl_http_exchange(const char *socket_path, uint64_t timeout_ms, const struct ctl_http_request *request,
		       struct ctl_http_reply *ret, char **ret_why)
{
	assert(request->method && *request->path == '/');
	assert(request->body ? request->content_type != NULL : request->length == 0);
	assert(!request->may_be_silent || request->into);
	CURL *curl = curl_easy_init();
	if (!curl)
		abort();
	struct body body = {.curl = curl, .into = request->into, .bytes = xcalloc(1, 1), .capacity = 1};
	struct curl_slist *headers = headers_of(request);
	char *url = xasprintf("http://localhost%s", request->path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (request->may_be_silent) {
		curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
	} else if (request->into) {
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)(timeout_ms + 999) / 1000);
	} else {
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	}
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
	if (request->body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	CURLcode code = curl_easy_perform(curl);
	long status = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	free(url);
	if (code != CURLE_OK) {
		free(body.bytes);
		*ret_why = explain_failure(socket_path, timeout_ms, code);
		return false;
	}
	*ret = (struct ctl_http_reply){.status = status, .body = body.bytes, .length = body.length};
	return true;
}

void ctl_http_reply_done(struct ctl_http_reply *reply)
{
	free(reply->body);
	reply->body = NULL;
}
