/*
 * PROXY headers: once a verdict stands, octets behind it change nothing, and none comes before its octets.
 * What was read is written and read again.
 */
#include "forwarder/http1/proxy_header.h"
#include "lib/mem.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header header = {0}, again = {0};
	enum proxy_header_status whole = proxy_header_read((const char *)data, size, &header);
	check(whole != PROXY_HEADER_PARTIAL || size < PROXY_HEADER_V2_MAX);
	for (size_t cut = 0; cut < size && cut < 600; cut++) {
		char *copy = xmemdup(data, cut);
		enum proxy_header_status status = proxy_header_read(copy, cut, &again);
		free(copy);
		check(status == PROXY_HEADER_PARTIAL || status == whole);
		check(status != PROXY_HEADER_DONE || cut >= header.length);
	}
	if (whole != PROXY_HEADER_DONE)
		return 0;
	check(header.length <= size && header.length <= PROXY_HEADER_V2_MAX);
	char out[PROXY_HEADER_WRITE_MAX];
	size_t length = proxy_header_write(&header, out);
	check(proxy_header_read(out, length, &again) == PROXY_HEADER_DONE && again.length == length);
	check(again.is_local == header.is_local);
	check(header.is_local ||
	      (again.source_port == header.source_port && ip_equal(&again.source, &header.source) &&
	       ip_equal(&again.destination, &header.destination)));
	return 0;
}
