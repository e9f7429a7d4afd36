/*
 * Responses of strangers' origins: any bytes give one verdict, with a reason where it is bad, and the
 * same one however the network cut them. The first byte chooses what the check asks for.
 */
#include "checker/http_response.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

static struct http_response *read_in_steps(const struct probe_spec *spec, const char *bytes, size_t length,
					   size_t step, enum http_progress *ret)
{
	struct http_response *response = http_response_new(spec);
	*ret = HTTP_MORE;
	for (size_t at = 0; at < length && *ret == HTTP_MORE; at += step)
		*ret = http_response_feed(response, bytes + at, step < length - at ? step : length - at);
	if (*ret == HTTP_MORE)
		*ret = http_response_end(response);
	check(*ret != HTTP_MORE);
	return response;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	static const struct probe_expect any = {100, 599};
	struct probe_spec spec = {.type = PROBE_HTTP, .method = data[0] & 1 ? "HEAD" : "GET"};
	spec.body = data[0] & 2 ? "ready" : NULL;
	spec.expect_count = data[0] & 4 ? 1 : 0;
	spec.expect = &any;
	/* A connection that is kept never changes the verdict. */
	static const struct probe_header keep = {"Connection", "keep-alive"};
	struct probe_spec keeping = spec;
	keeping.headers = &keep;
	keeping.header_count = 1;
	const char *bytes = (const char *)data + 1;
	size_t length = size - 1;
	enum http_progress whole, pieces;
	struct http_response *a = read_in_steps(&spec, bytes, length, length + 1, &whole);
	struct http_response *b = read_in_steps(&spec, bytes, length, 1 + (data[0] >> 3), &pieces);
	check(whole == pieces);
	enum http_progress kept, kept_pieces;
	struct http_response *c = read_in_steps(&keeping, bytes, length, length + 1, &kept);
	struct http_response *d = read_in_steps(&keeping, bytes, length, 1 + (data[0] >> 3), &kept_pieces);
	check(kept == whole && kept_pieces == whole);
	http_response_free(c);
	http_response_free(d);
	if (whole == HTTP_BAD) {
		check(strlen(http_response_reason(a)) > 0 && strlen(http_response_reason(a)) < 96);
		check(strcmp(http_response_reason(a), http_response_reason(b)) == 0);
	}
	http_response_free(a);
	http_response_free(b);
	return 0;
}
