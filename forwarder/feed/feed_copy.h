/*
 * The copy of gslbd's fleet and controls that the lines of GET /v1/changes make (docs/api.md): a change
 * counts when its version has come, and a reset is read into a fleet beside the one that serves. Control
 * thread; reads and writes nothing.
 */
#pragma once
#include "forwarder/build/build.h"

struct feed_copy;

struct feed_copy_hooks {
	void *user;
	/* A reset is whole: takes over both, puts the build's world in the place of what was before and frees
	 * that. */
	void (*replaced)(void *user, struct fleet *fleet, struct build *build);
	/* A change is whole: fleet and build of the last reset have it. */
	void (*changed)(void *user);
};

struct feed_copy *feed_copy_new(const struct build_shared *shared, const struct feed_copy_hooks *hooks);
void feed_copy_free(struct feed_copy *copy); /* NULL is fine */

enum feed_copy_result {
	FEED_COPY_MORE,	     /* taken */
	FEED_COPY_WHOLE,     /* a change or a reset is whole, and was told to the hooks */
	FEED_COPY_HEARTBEAT, /* nothing changed */
	FEED_COPY_BROKEN,    /* no line of a feed, or a change of nothing known: ask for everything */
};
/* A line without its end. */
enum feed_copy_result feed_copy_line(struct feed_copy *copy, const char *text, size_t length);
/* Forgets what is not whole: the reply ended, or everything will come anew. */
void feed_copy_abandon(struct feed_copy *copy);
/* What to ask from: the last version; "0" where nothing is known. */
const char *feed_copy_version(const struct feed_copy *copy);
bool feed_copy_is_resetting(const struct feed_copy *copy);
uint64_t feed_copy_resets(const struct feed_copy *copy);  /* that began */
void feed_copy_forget(struct feed_copy *copy);		  /* asks for everything; what serves stays */
size_t feed_copy_set_aside(const struct feed_copy *copy); /* objects that did not fit, since the last reset */
/* Ends controls whose time is over, though nobody says so; once a second. */
void feed_copy_expire(struct feed_copy *copy);

/* The lines of all controls, in no order; NULL: that was all. Lives until a control changes. */
const char *feed_copy_next_control(const struct feed_copy *copy, size_t *at);
