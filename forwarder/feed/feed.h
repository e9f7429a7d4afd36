/*
 * What gslbd tells of its fleet (GET /v1/changes on `control.api`): followed for ever, from the last version
 * that is known, and kept on disk. While it cannot be reached all goes on as it was. Control thread.
 */
#pragma once
#include "forwarder/feed/feed_copy.h"
#include <event2/event.h>

struct feed;

struct feed_hooks {
	void *user;
	void (*was_read)(
		void *user); /* all that the disk knew was brought to the copy, which may be nothing */
};

/* socket_path: gslbd's. snapshot_path: where the fleet is kept. The copy, which hears of everything, outlives
 * it. */
struct feed *feed_new(struct event_base *base, const char *socket_path, const char *snapshot_path,
		      struct feed_copy *copy, const struct feed_hooks *hooks);
void feed_free(struct feed *feed); /* NULL is fine */

enum feed_state {
	FEED_READING, /* of the disk */
	FEED_LOST,    /* gslbd cannot be reached, or is not ready; asked again and again */
	FEED_OPEN,
};
struct feed_facts {
	enum feed_state state;
	const char *problem;  /* FEED_LOST: the last one; else "" */
	uint64_t heard_ms;    /* monotonic: the last version that came; 0: none yet */
	uint64_t connections; /* that were answered */
};
void feed_facts(const struct feed *feed, struct feed_facts *ret);
/* Once a second: renews the snapshot where it grew, with the fleet that the copy made (NULL: none yet). */
void feed_tick(struct feed *feed, const struct fleet *fleet);
/* Connects to gslbd's Unix socket without waiting, for whoever has something to ask there. -1, with errno. */
int feed_open_socket(const char *path);
