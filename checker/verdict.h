/*
 * The rise/fall/clear state machine of one target. Pure.
 *
 * UP:   a failure counts; `fall` of them take it DOWN. Successes between failures do not reset the
 *       count until `clear` of them came in a row.
 * DOWN: a success counts; `rise` in a row take it UP; a failure resets the count.
 * UNKNOWN (nothing finished yet): the first result decides.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum verdict_state { VERDICT_DOWN, VERDICT_UP, VERDICT_UNKNOWN };

struct verdict {
	enum verdict_state state;
	uint32_t failures, successes; /* counted towards the next transition or clearing */
};
struct verdict_limits {
	uint32_t rise, fall, clear; /* 1..100 */
};

/* Returns true on a transition (UNKNOWN → UP or DOWN is one). */
bool verdict_update(struct verdict *verdict, const struct verdict_limits *limits, bool is_ok);
/* Failures counted while up, successes while down, 0 while unknown. */
uint32_t verdict_pending(const struct verdict *verdict);
