/*
 * The feed's lines on disk, so that a restart serves without gslbd: a whole reset, and the changes since.
 * What is behind the last version in the file does not count. A cache: it is not forced to the disk, and when
 * it cannot be written all goes on without it. Control thread.
 */
#pragma once
#include "fleet/fleet.h"
#include "forwarder/feed/feed_copy.h"

struct feed_snapshot;

struct feed_snapshot *feed_snapshot_new(const char *path);
void feed_snapshot_free(struct feed_snapshot *snapshot); /* NULL is fine */

/* Reads some of the file into the copy, before anything is written. False: that was all. */
bool feed_snapshot_read(struct feed_snapshot *snapshot, struct feed_copy *copy);

/* Lines as the copy takes them: a reset begins with its line. */
void feed_snapshot_reset(struct feed_snapshot *snapshot);
void feed_snapshot_line(struct feed_snapshot *snapshot, const char *text, size_t length);
void feed_snapshot_whole(
	struct feed_snapshot *snapshot); /* the last line was a version that ends something */
void feed_snapshot_abandon(struct feed_snapshot *snapshot);

/* Where changes have become more than the fleet, or writing failed, the file is written anew, some objects a
 * call. True: there is more to do soon. `fleet` is the copy's. */
bool feed_snapshot_renew(struct feed_snapshot *snapshot, const struct fleet *fleet,
			 const struct feed_copy *copy);
