/*
 * Objects of the feed as they came, a line each, until they are applied to a fleet: all of them as one
 * change, and where that is refused those that fit. Of two lines of one object the later counts. Control
 * thread.
 */
#pragma once
#include "fleet/fleet.h"
#include "forwarder/build/build.h"

struct feed_lines;

struct feed_lines *feed_lines_new(void);
void feed_lines_free(struct feed_lines *lines); /* NULL is fine */
/* A line that puts or removes an object of a known kind; false: it is none. */
bool feed_lines_add(struct feed_lines *lines, const struct doc *doc, const char *text, size_t length);
/* A later line of this object counts, wherever it stands. */
void feed_lines_overtake(struct feed_lines *lines, const struct doc *doc);
size_t feed_lines_count(const struct feed_lines *lines);
size_t feed_lines_bytes(const struct feed_lines *lines);
/* Brings them to the fleet, and what they touched to its build. What does not fit stays here, and may fit
 * when other objects have come; returns how many those are. */
size_t feed_lines_apply(struct feed_lines *lines, struct fleet *fleet, struct build *build);
/* Those of `from` come behind those of `to`; `from` is empty then. */
void feed_lines_move(struct feed_lines *to, struct feed_lines *from);
/* Forgets them, each with a line in the log: they do not fit. */
void feed_lines_set_aside(struct feed_lines *lines);
void feed_lines_clear(struct feed_lines *lines);
