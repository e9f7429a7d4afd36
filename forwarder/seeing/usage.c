/* Records of usage. The writer's thread. */
#include "forwarder/seeing/usage.h"
#include "forwarder/seeing/log_file.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH 1000 /* records of one write */
#define LINE_MAX_OCTETS 1024
#define EPOCH_FILE "forwarderd-epoch"
#define HOUR_LENGTH 10 /* "2026013112" */

struct usage {
	char *node, *directory;
	uint64_t keep_ms, epoch;
	struct usage_sum *sum;
	uint64_t look_ms, write_ms; /* when it is due; monotonic */
	int64_t hour;		    /* of the open file; -1: none */
	struct log_file file;
	char *lines;
};

/* ---- the number of this start ---- */

static bool write_number(const char *path, const char *directory, uint64_t number)
{
	char *temporary = xasprintf("%s.new", path), text[24];
	int length = snprintf(text, sizeof text, "%" PRIu64 "\n", number);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_good = fd >= 0 && folder >= 0 && write(fd, text, (size_t)length) == length &&
		       fsync(fd) == 0 && rename(temporary, path) == 0 && fsync(folder) == 0;

	if (fd >= 0)
		close(fd);
	if (folder >= 0)
		close(folder);
	free(temporary);
	return is_good;
}

static uint64_t read_number(const char *path)
{
	uint64_t number = 0;
	size_t length;
	const char *reason;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : file_read(fd, 64, &length, &reason);

	if (fd >= 0)
		close(fd);
	if (text) {
		text[strcspn(text, "\n")] = '\0';
		text_to_uint(text, &number);
	}
	free(text);
	return number;
}

/* Above all before it, also where the file was lost: ids are never used again. */
static uint64_t next_epoch(const char *state_dir)
{
	char *path = xasprintf("%s/" EPOCH_FILE, state_dir);
	uint64_t epoch = read_number(path) + 1, now_s = (uint64_t)clock_unix_ms() / 1000;

	if (epoch < now_s)
		epoch = now_s;
	mkdir(state_dir, 0750);
	if (!write_number(path, state_dir, epoch))
		log_warning("%s cannot be written: %s", path, strerror(errno));
	free(path);
	return epoch;
}

/* ---- files ---- */

static void name_hour(time_t unix_s, char out[static HOUR_LENGTH + 1])
{
	struct tm tm;

	gmtime_r(&unix_s, &tm);
	strftime(out, HOUR_LENGTH + 1, "%Y%m%d%H", &tm);
}

static void drop_old(const struct usage *usage, time_t now_s)
{
	char oldest[HOUR_LENGTH + 1];
	DIR *directory = opendir(usage->directory);
	const struct dirent *entry;

	name_hour(now_s - (time_t)(usage->keep_ms / 1000), oldest);
	while (directory && (entry = readdir(directory))) {
		if (strspn(entry->d_name, "0123456789") != HOUR_LENGTH ||
		    strcmp(entry->d_name + HOUR_LENGTH, ".jsonl") != 0 ||
		    strncmp(entry->d_name, oldest, HOUR_LENGTH) >= 0)
			continue;
		if (unlinkat(dirfd(directory), entry->d_name, 0) != 0)
			log_warning("%s/%s cannot be removed: %s", usage->directory, entry->d_name,
				    strerror(errno));
	}
	if (directory)
		closedir(directory);
}

static void follow_hour(struct usage *usage, time_t now_s)
{
	char hour[HOUR_LENGTH + 1];

	if (now_s / 3600 == usage->hour)
		return;
	log_file_done(&usage->file);
	name_hour(now_s, hour);
	char *path = xasprintf("%s/%s.jsonl", usage->directory, hour);
	log_file_init(&usage->file, path, UINT64_MAX, 0);
	free(path);
	usage->hour = now_s / 3600;
	mkdir(usage->directory, 0750);
	drop_old(usage, now_s);
}

/* ---- records ---- */

static size_t write_record(const struct usage *usage, const struct usage_tenant *tenant,
			   char out[static LINE_MAX_OCTETS])
{
	const uint64_t *n = tenant->record;
	time_t minute_s = tenant->minute * 60;
	char minute[16];
	struct tm tm;

	gmtime_r(&minute_s, &tm);
	strftime(minute, sizeof minute, "%Y%m%d%H%M", &tm);
	int length = snprintf(
		out, LINE_MAX_OCTETS,
		"{\"id\":\"%s/%" PRIu64 "/%s/%s\",\"seq\":%u,\"requests\":%" PRIu64 ",\"bytes_in\":%" PRIu64
		",\"bytes_out\":%" PRIu64 ",\"c2xx\":%" PRIu64 ",\"c3xx\":%" PRIu64 ",\"c4xx\":%" PRIu64
		",\"c5xx\":%" PRIu64 ",\"limited\":%" PRIu64 ",\"websocket_s\":%" PRIu64 ".%03u"
		",\"handshakes\":%" PRIu64 "}\n",
		usage->node, usage->epoch, minute, tenant->id, tenant->seq + 1, n[USAGE_REQUESTS],
		n[USAGE_BYTES_IN], n[USAGE_BYTES_OUT], n[USAGE_C2XX], n[USAGE_C3XX], n[USAGE_C4XX],
		n[USAGE_C5XX], n[USAGE_LIMITED], n[USAGE_WEBSOCKET_MS] / 1000,
		(unsigned)(n[USAGE_WEBSOCKET_MS] % 1000), n[USAGE_HANDSHAKES]);
	assert(length > 0 && length < LINE_MAX_OCTETS);
	return (size_t)length;
}

/* Returns how many of the list are on the disk: all of a batch, or fewer where it is full. */
static size_t write_batch(struct usage *usage, size_t *ret_tried)
{
	size_t length = 0, tried = 0, done = 0;

	for (struct usage_tenant *tenant = usage_sum_changed(usage->sum); tenant && tried < BATCH;
	     tenant = tenant->next_changed, tried++)
		length += write_record(usage, tenant, usage->lines + length);
	*ret_tried = tried;
	if (tried == 0)
		return 0;
	size_t taken = log_file_append(&usage->file, usage->lines, length, clock_mono_ms());
	for (const char *at = usage->lines, *end = at + taken; at < end; done++)
		at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
	struct usage_tenant *tenant = usage_sum_changed(usage->sum);
	for (size_t i = 0; i < done; i++, tenant = tenant->next_changed)
		tenant->seq++;
	if (done && fdatasync(usage->file.fd) != 0) {
		log_error("%s: %s", usage->file.path, strerror(errno));
		return 0; /* said again, with the next number */
	}
	return done;
}

static void write_changed(struct usage *usage)
{
	size_t tried, done;

	do {
		done = write_batch(usage, &tried);
		usage_sum_written(usage->sum, done);
	} while (done == tried && tried == BATCH);
}

void usage_turn(struct usage *usage, bool is_last)
{
	uint64_t now_ms = clock_mono_ms();
	int64_t unix_ms = clock_unix_ms();

	if (now_ms < usage->look_ms && !is_last)
		return;
	usage->look_ms = now_ms + USAGE_LOOK_MS;
	usage_sum_look(usage->sum, unix_ms, is_last);
	if (now_ms < usage->write_ms && !is_last)
		return;
	usage->write_ms = now_ms + USAGE_WRITE_MS - USAGE_LOOK_MS; /* what is counted waits for a look, too */
	follow_hour(usage, unix_ms / 1000);
	write_changed(usage);
}

/* ---- life ---- */

struct usage *usage_new(const struct usage_settings *settings, struct worker_view *const *workers,
			size_t worker_count)
{
	struct usage *usage = xcalloc(1, sizeof *usage);

	usage->node = xstrdup(settings->node);
	usage->directory = xstrdup(settings->directory);
	usage->keep_ms = settings->keep_ms;
	usage->epoch = next_epoch(settings->state_dir);
	usage->sum = usage_sum_new(workers, worker_count);
	usage->hour = -1;
	usage->file.fd = -1;
	usage->lines = xmalloc((size_t)BATCH * LINE_MAX_OCTETS);
	return usage;
}

void usage_free(struct usage *usage)
{
	if (!usage)
		return;
	log_file_done(&usage->file);
	usage_sum_free(usage->sum);
	free(usage->lines);
	free(usage->node);
	free(usage->directory);
	free(usage);
}

struct usage_sum *usage_sums(struct usage *usage)
{
	return usage->sum;
}
