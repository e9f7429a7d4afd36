/* The writer's thread, and what the control thread tells it. */
#include "forwarder/seeing/writer.h"
#include "forwarder/io/ring.h"
#include "forwarder/seeing/log_file.h"
#include "forwarder/seeing/log_line.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH ((size_t)256 << 10) /* octets of one write */
#define BUSY_TURN_MS 5		  /* where a turn found a batch, rings fill quickly */

struct writer {
	pthread_t thread;
	struct worker_view *const *workers;
	size_t worker_count;
	char *region;
	struct writer_hooks hooks;
	/* what the control thread tells */
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool is_ending, is_reopening, is_configured;
	struct writer_log next; /* is_configured */
	/* the writer's own */
	bool is_on;
	struct log_file file;
	struct log_line_settings settings;
	struct log_line_clock clock;
	uint64_t *seen_drops; /* of each ring */
	uint64_t missing;     /* lines that no line tells of yet */
	size_t batch_length;
	char *batch;
	_Atomic uint64_t lost, written;
};

/* ---- the thread ---- */

static size_t count_lines(const char *lines, size_t length)
{
	size_t count = 0;

	for (const char *at = lines, *end = lines + length; at < end; count++)
		at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
	return count;
}

static void flush(struct writer *writer)
{
	size_t length = writer->batch_length, taken;

	assert(length <= BATCH);
	if (length == 0)
		return;
	writer->batch_length = 0;
	taken = log_file_append(&writer->file, writer->batch, length, clock_mono_ms());
	size_t kept = count_lines(writer->batch, taken);
	size_t lost = count_lines(writer->batch + taken, length - taken);
	atomic_fetch_add(&writer->written, kept);
	atomic_fetch_add(&writer->lost, lost);
	writer->missing += lost;
}

/* A line in the place of those that are missing, once there is room for one. */
static void tell_missing(struct writer *writer)
{
	char line[LOG_LINE_MAX];
	int64_t now_ns = (int64_t)clock_mono_ns() + writer->clock.offset_ns;

	for (size_t i = 0; i < writer->worker_count; i++) {
		uint64_t dropped =
			atomic_load_explicit(&writer->workers[i]->log->dropped, memory_order_relaxed);
		writer->missing += dropped - writer->seen_drops[i];
		writer->seen_drops[i] = dropped;
	}
	if (writer->missing == 0)
		return;
	size_t length = log_line_dropped(writer->missing, now_ns, &writer->clock, line);
	if (log_file_append(&writer->file, line, length, clock_mono_ms()) == length)
		writer->missing = 0;
}

/* Returns the octets of the lines. */
static size_t drain(struct writer *writer, struct ring *ring)
{
	const struct log_record *record;
	size_t length, sum = 0;

	while ((record = ring_peek(ring, &length))) {
		if (writer->is_on) {
			if (writer->batch_length + LOG_LINE_MAX > BATCH)
				flush(writer);
			length = log_line_write(record, &writer->settings, &writer->clock,
						writer->batch + writer->batch_length);
			writer->batch_length += length;
			sum += length;
		}
		ring_next(ring);
	}
	return sum;
}

/* Returns how long to wait for the next. */
static unsigned take_turn(struct writer *writer, bool is_last)
{
	size_t sum = 0;

	writer->clock.offset_ns = clock_unix_ms() * 1000000 - (int64_t)clock_mono_ns();
	if (writer->is_on)
		tell_missing(writer);
	for (size_t i = 0; i < writer->worker_count; i++)
		sum += drain(writer, writer->workers[i]->log->ring);
	flush(writer);
	if (writer->hooks.turn)
		writer->hooks.turn(writer->hooks.user, is_last);
	return sum > BATCH ? BUSY_TURN_MS : WRITER_TURN_MS;
}

static void configure(struct writer *writer)
{
	assert(writer->is_configured);
	log_file_done(&writer->file);
	writer->is_on = writer->next.is_on;
	if (writer->is_on)
		log_file_init(&writer->file, writer->next.path, writer->next.rotate_bytes, writer->next.keep);
	else
		writer->missing = 0;
	writer->settings = (struct log_line_settings){writer->region, writer->next.anonymizes};
	free((char *)writer->next.path);
	writer->next.path = NULL;
	writer->is_configured = false;
}

/* Until it is told something, or it is time. False: no more. */
static bool wait_for_turn(struct writer *writer, unsigned wait_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)wait_ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&writer->lock);
	while (!writer->is_ending && !writer->is_reopening && !writer->is_configured)
		if (pthread_cond_timedwait(&writer->told, &writer->lock, &until) == ETIMEDOUT)
			break;
	if (writer->is_configured)
		configure(writer);
	else if (writer->is_reopening)
		log_file_reopen(&writer->file);
	writer->is_reopening = false;
	bool goes_on = !writer->is_ending;
	pthread_mutex_unlock(&writer->lock);
	return goes_on;
}

static void *run(void *argument)
{
	struct writer *writer = argument;
	unsigned wait_ms = 0;

	pthread_setname_np(pthread_self(), "fwd-writer");
	while (wait_for_turn(writer, wait_ms))
		wait_ms = take_turn(writer, false);
	take_turn(writer, true);
	return NULL;
}

/* ---- the control thread ---- */

static void set_next(struct writer *writer, const struct writer_log *log)
{
	free((char *)writer->next.path);
	writer->next = *log;
	writer->next.path = log->path ? xstrdup(log->path) : NULL;
	writer->is_configured = true;
}

static void free_parts(struct writer *writer)
{
	log_file_done(&writer->file);
	pthread_cond_destroy(&writer->told);
	pthread_mutex_destroy(&writer->lock);
	free((char *)writer->next.path);
	free(writer->region);
	free(writer->seen_drops);
	free(writer->batch);
	free(writer);
}

struct writer *writer_new(const char *region, struct worker_view *const *workers, size_t worker_count,
			  const struct writer_log *log, const struct writer_hooks *hooks)
{
	struct writer *writer = xcalloc(1, sizeof *writer);
	pthread_condattr_t attributes;
	sigset_t all, before;

	assert(region);
	writer->region = xstrdup(region);
	writer->workers = workers;
	writer->worker_count = worker_count;
	writer->hooks = *hooks;
	writer->seen_drops = xcalloc(worker_count + 1, sizeof *writer->seen_drops);
	writer->batch = xmalloc(BATCH);
	writer->file.fd = -1;
	set_next(writer, log);
	pthread_mutex_init(&writer->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&writer->told, &attributes);
	pthread_condattr_destroy(&attributes);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the control thread's */
	int error = pthread_create(&writer->thread, NULL, run, writer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error)
		return writer;
	free_parts(writer);
	errno = error;
	return NULL;
}

void writer_free(struct writer *writer)
{
	if (!writer)
		return;
	pthread_mutex_lock(&writer->lock);
	writer->is_ending = true;
	pthread_cond_signal(&writer->told);
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);
	free_parts(writer);
}

void writer_configure(struct writer *writer, const struct writer_log *log)
{
	pthread_mutex_lock(&writer->lock);
	set_next(writer, log);
	pthread_cond_signal(&writer->told);
	pthread_mutex_unlock(&writer->lock);
}

void writer_reopen(struct writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	writer->is_reopening = true;
	pthread_cond_signal(&writer->told);
	pthread_mutex_unlock(&writer->lock);
}

uint64_t writer_dropped(const struct writer *writer)
{
	uint64_t sum = atomic_load(&writer->lost);

	for (size_t i = 0; i < writer->worker_count; i++)
		sum += atomic_load_explicit(&writer->workers[i]->log->dropped, memory_order_relaxed);
	return sum;
}

uint64_t writer_written(const struct writer *writer)
{
	return atomic_load(&writer->written);
}
