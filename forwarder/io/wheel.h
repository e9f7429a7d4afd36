/*
 * Timers of a worker: a wheel of 4 levels × 256 places with a tick of 8 ms (34 s, 2.4 h … on the levels). A
 * timer fires not before its time and at most two ticks after it. Setting one is O(1) and moves pointers
 * only. One thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_MS 8
#define WHEEL_LEVELS 4
#define WHEEL_PLACES 256
#define WHEEL_NEVER UINT64_MAX

/* Inside of what it belongs to; zero: not set. */
struct wheel_node {
	struct wheel_node *next, **link; /* link NULL: not in the wheel */
	uint64_t due_tick;
	enum wheel_owner { WHEEL_CONN, WHEEL_ORIGIN } owner; /* what it is inside of; its owner's */
};

struct wheel {
	uint64_t tick; /* all before it have fired */
	uint32_t count;
	struct wheel_node *place[WHEEL_LEVELS][WHEEL_PLACES];
	uint64_t filled[WHEEL_LEVELS][WHEEL_PLACES / 64];
	struct wheel_node *fired;
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);
/* Sets or moves the timer. */
void wheel_set(struct wheel *wheel, struct wheel_node *node, uint64_t due_ms);
/* Moves it only where it would fire too late: who finds it fired too early looks at its own deadline. */
void wheel_set_no_later(struct wheel *wheel, struct wheel_node *node, uint64_t due_ms);
void wheel_remove(struct wheel *wheel, struct wheel_node *node); /* also one that is not set */
/* The next timer whose time has come, no longer set; NULL: none. Call until it is NULL. */
struct wheel_node *wheel_take(struct wheel *wheel, uint64_t now_ms);
/* How long the worker may sleep, in ms: to the next timer or to where a level must be looked at; -1: none is
 * set. */
int wheel_sleep_ms(const struct wheel *wheel, uint64_t now_ms);
