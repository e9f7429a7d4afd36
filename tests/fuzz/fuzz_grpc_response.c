/*
 * Bodies of gRPC health answers: any bytes give a verdict, the same however they are cut. The first byte
 * says how many come at a time.
 */
#include "checker/grpc_response.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

static const char *judge(const uint8_t *bytes, size_t length, size_t step, char reason[static 96])
{
	static const char *const fields[][2] = {
		{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "0"}};
	struct grpc_response response = {0};
	for (size_t i = 0; i < 3; i++)
		grpc_response_header(&response, (const uint8_t *)fields[i][0], strlen(fields[i][0]),
				     (const uint8_t *)fields[i][1], strlen(fields[i][1]));
	for (size_t at = 0; at < length; at += step)
		grpc_response_data(&response, bytes + at, step < length - at ? step : length - at);
	return grpc_response_judge(&response, reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char first[96], second[96];
	if (size < 1)
		return 0;
	const char *whole = judge(data + 1, size - 1, size, first);
	const char *pieces = judge(data + 1, size - 1, 1 + data[0] % 16, second);
	check((!whole) == (!pieces));
	check(!whole || (strlen(whole) > 0 && strcmp(whole, pieces) == 0));
	return 0;
}
