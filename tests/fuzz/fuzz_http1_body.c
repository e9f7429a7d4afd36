/*
 * Chunked bodies against a slow reader that has all of it: the same data, end and verdict, however the octets
 * were cut. The first octet chooses the cut and the limit.
 */
#include "forwarder/http1/http1_body.h"
#include "lib/mem.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

struct seen {
	enum http1_body_status status;
	char *data, *trailers;
	size_t data_length, trailers_length, taken;
};

static void seen_done(struct seen *seen)
{
	free(seen->data);
	free(seen->trailers);
}

/* As the relay reads: what was not taken is given again with more behind it. */
static struct seen read_steps(const char *octets, size_t length, size_t step, uint64_t limit)
{
	struct seen seen = {.data = xmalloc(length + 1), .trailers = xmalloc(length + 1)};
	struct http1_body body;
	http1_body_start(&body, HTTP1_CHUNKED, 0, limit, false);
	for (size_t to = 0; seen.status == HTTP1_BODY_MORE && to < length;) {
		to = length - to < step ? length : to + step;
		size_t give = to - seen.taken;
		char *copy = xmemdup(octets + seen.taken, give);
		struct http1_body_take take;
		seen.status = http1_body_take(&body, copy, give, &take);
		check(take.taken <= give && take.data + take.data_length <= take.taken);
		check(seen.status != HTTP1_BODY_MORE || give - take.taken <= HTTP1_BODY_TRAILER_BYTES_MAX);
		memcpy(seen.data + seen.data_length, copy + take.data, take.data_length);
		seen.data_length += take.data_length;
		if (seen.status == HTTP1_BODY_DONE) {
			check(take.trailers + take.trailers_length <= take.taken);
			memcpy(seen.trailers, copy + take.trailers, take.trailers_length);
			seen.trailers_length = take.trailers_length;
		}
		seen.taken += take.taken;
		free(copy);
	}
	check(http1_body_is_done(&body) == (seen.status == HTTP1_BODY_DONE));
	check(http1_body_end(&body) == (seen.status == HTTP1_BODY_DONE ? HTTP1_BODY_DONE : HTTP1_BODY_BAD));
	return seen;
}

/* ---- the slow reader ---- */

/* The line of a chunk from `at`: 1*16HEXDIG [ extensions ] CRLF. 0: none, or not all of it is there. */
static size_t slow_line(const char *octets, size_t at, size_t length, uint64_t *ret_size)
{
	size_t start = at;
	uint64_t size = 0;
	for (; at < length && strchr("0123456789abcdefABCDEF", octets[at]) && octets[at]; at++)
		size = size << 4 | (octets[at] <= '9' ? octets[at] - '0' : (octets[at] | 32) - 'a' + 10);
	if (at == start || at - start > 16 || size > INT64_MAX || at == length)
		return 0;
	if (octets[at] != ';' && octets[at] != '\r')
		return 0;
	while (at < length && octets[at] != '\r' && octets[at] != '\n')
		at++;
	*ret_size = size;
	return length - at >= 2 && octets[at] == '\r' && octets[at + 1] == '\n' ? at + 2 : 0;
}

/* Whether `octets` begin with a body that anybody would read so: sizes, data, an end. What extensions and
 * trailers may be is not asked. */
static bool slow_body(const char *octets, size_t length, char *data, size_t *ret_length)
{
	size_t at = 0;
	*ret_length = 0;
	for (;;) {
		uint64_t size;
		at = slow_line(octets, at, length, &size);
		if (at == 0)
			return false;
		if (size == 0)
			break;
		if (size > length - at || length - at - size < 2 ||
		    memcmp(octets + at + size, "\r\n", 2) != 0)
			return false;
		memcpy(data + *ret_length, octets + at, size);
		*ret_length += size;
		at += size + 2;
	}
	return (length - at >= 2 && memcmp(octets + at, "\r\n", 2) == 0) ||
	       memmem(octets + at, length - at, "\r\n\r\n", 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	const char *octets = (const char *)data + 1;
	size_t length = size - 1, slow_length;
	uint64_t limit = data[0] & 1 ? 64 : UINT64_MAX;
	struct seen whole = read_steps(octets, length, length + 1, limit);
	struct seen cut = read_steps(octets, length, 1 + (data[0] >> 1), limit);
	/* of two faults either may be the verdict */
	check(whole.status == cut.status || (whole.status > HTTP1_BODY_DONE && cut.status > HTTP1_BODY_DONE));
	if (whole.status == HTTP1_BODY_MORE || whole.status == HTTP1_BODY_DONE) {
		check(whole.data_length == cut.data_length && whole.data_length <= limit);
		check(memcmp(whole.data, cut.data, whole.data_length) == 0);
		check(whole.taken == cut.taken && whole.trailers_length == cut.trailers_length);
		check(memcmp(whole.trailers, cut.trailers, whole.trailers_length) == 0);
	}
	if (whole.status == HTTP1_BODY_DONE) {
		char *slow = xmalloc(length + 1);
		check(slow_body(octets, length, slow, &slow_length));
		check(slow_length == whole.data_length && memcmp(slow, whole.data, slow_length) == 0);
		free(slow);
	}
	seen_done(&whole);
	seen_done(&cut);
	return 0;
}
