/*
 * Answers to the dns check: any bytes give a verdict, UP only where id, question and NOERROR are there.
 * The first byte chooses which question was sent.
 */
#include "checker/dns_response.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t root[1] = {0}, name[] = "\7example\3net";
	uint8_t question[DNS_QUESTION_BYTES_MAX];
	const char *reason = NULL;
	if (size < 1)
		return 0;
	bool is_root = data[0] & 1;
	size_t length =
		dns_response_question(0x1234, is_root ? root : name, is_root ? 1 : sizeof name, question);
	/* A copy of its own, so that a read past its end is seen. */
	uint8_t *answer = malloc(size);
	check(answer);
	memcpy(answer, data + 1, size - 1);
	enum dns_verdict verdict = dns_response_read(question, length, answer, size - 1, &reason);
	check((verdict == DNS_REFUSED_IT) == (reason != NULL));
	if (verdict == DNS_UP || verdict == DNS_TRUNCATED)
		check(size - 1 >= length && answer[0] == 0x12 && answer[1] == 0x34 && (answer[3] & 0xf) == 0);
	free(answer);
	return 0;
}
