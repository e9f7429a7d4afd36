/*
 * The three steps that a batch takes, beside answer_query of each of its packets alone: two workers that are
 * otherwise alike have to reply and count alike. For tests; aborts where they differ.
 */
#pragma once
#include "gslb/serve/answer.h"

struct batch_packet {
	struct ip peer;
	size_t length;
	const uint8_t *octets;
};

struct batch_pair;

struct batch_pair *batch_pair_new(void);
void batch_pair_free(struct batch_pair *pair);
/* `world` may be NULL, and another one each time: the one before may be gone by then. `now_ns` grows. */
void batch_pair_answer(struct batch_pair *pair, const struct world *world, uint64_t now_ns,
		       const struct batch_packet *packets, unsigned count);
