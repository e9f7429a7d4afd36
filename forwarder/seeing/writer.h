/*
 * The thread that writes: it takes records of the access log from the workers' rings and makes lines of them,
 * so that no worker ever waits for a disk. What the rings or the disk have no room for is counted, and a line
 * says how many are missing. The functions are the control thread's.
 */
#pragma once
#include "forwarder/io/worker_view.h"
#include <stdbool.h>
#include <stddef.h>

#define WRITER_TURN_MS 100 /* a line is written at most so much later */

struct writer;

struct writer_log {
	bool is_on;
	const char *path; /* NULL: standard error */
	uint64_t rotate_bytes;
	uint32_t keep;
	bool anonymizes;
};

struct writer_hooks {
	void *user;
	/* On the writer's thread, each turn; is_last: no worker runs any more. NULL: nothing else to do. */
	void (*turn)(void *user, bool is_last);
};

/* Starts the thread. `workers` outlive it. NULL, with errno: there is no thread left. */
struct writer *writer_new(const char *region, struct worker_view *const *workers, size_t worker_count,
			  const struct writer_log *log, const struct writer_hooks *hooks);
/* When no worker runs any more: writes what is left and ends. NULL is fine. */
void writer_free(struct writer *writer);
/* Another file, or none, from the next turn on. What is in `log` is copied. */
void writer_configure(struct writer *writer, const struct writer_log *log);
/* Another program has renamed the file. */
void writer_reopen(struct writer *writer);
/* Lines that could not be kept, since the start. */
uint64_t writer_dropped(const struct writer *writer);
uint64_t writer_written(const struct writer *writer);
