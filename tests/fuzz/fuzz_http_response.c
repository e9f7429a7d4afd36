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
					   size_t step)
{
	struct http_response *response = http_response_new(spec);
	bool is_more = true;
	for (size_t at = 0; at < length && is_more; at += step) {
		enum http_verdict before = http_response_verdict(response);
		is_more = http_response_feed(response, bytes + at, step < length - at ? step : length - at);
		check(before == HTTP_OPEN || before == http_response_verdict(response));
	}
	if (is_more)
		http_response_end(response);
	check(http_response_verdict(response) != HTTP_OPEN);
	return response;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	static const struct probe_expect any = {100, 599};
	struct probe_spec spec = {.method = data[0] & 1 ? "HEAD" : "GET"};
	spec.body = data[0] & 2 ? "ready" : NULL;
	spec.expect_count = data[0] & 4 ? 1 : 0;
	spec.expect = &any;
	const char *bytes = (const char *)data + 1;
	size_t length = size - 1;
	struct http_response *a = read_in_steps(&spec, bytes, length, length + 1);
	struct http_response *b = read_in_steps(&spec, bytes, length, 1 + (data[0] >> 3));
	check(http_response_verdict(a) == http_response_verdict(b));
	if (http_response_verdict(a) == HTTP_BAD) {
		check(strlen(http_response_reason(a)) > 0 && strlen(http_response_reason(a)) < 96);
		check(strcmp(http_response_reason(a), http_response_reason(b)) == 0);
	}
	http_response_free(a);
	http_response_free(b);
	return 0;
}
