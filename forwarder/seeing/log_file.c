/* Appending lines. The writer's thread. */
#include "forwarder/seeing/log_file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_MS 1000
#define SAY_MS 60000

void log_file_init(struct log_file *file, const char *path, uint64_t rotate_bytes, uint32_t keep)
{
	assert(rotate_bytes > 0);
	*file = (struct log_file){.path = path ? xstrdup(path) : NULL,
				  .rotate_bytes = rotate_bytes,
				  .keep = keep,
				  .fd = path ? -1 : STDERR_FILENO};
}

void log_file_reopen(struct log_file *file)
{
	if (file->path && file->fd >= 0) {
		close(file->fd);
		file->fd = -1;
	}
	file->retry_ms = 0;
}

void log_file_done(struct log_file *file)
{
	log_file_reopen(file);
	free(file->path);
	file->path = NULL;
}

/* Said once a minute: on a full disk some lines fit and others do not. */
static void failed(struct log_file *file, const char *what, uint64_t now_ms)
{
	if (file->said_ms == 0 || now_ms >= file->said_ms + SAY_MS) {
		log_error("%s %s: %s", file->path ? file->path : "stderr", what, strerror(errno));
		file->said_ms = now_ms + 1;
	}
}

static bool open_file(struct log_file *file, uint64_t now_ms)
{
	struct stat stat;

	if (file->fd >= 0)
		return true;
	if (now_ms < file->retry_ms)
		return false;
	file->fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (file->fd < 0 || fstat(file->fd, &stat) != 0) {
		failed(file, "cannot be opened", now_ms);
		log_file_reopen(file);
		file->retry_ms = now_ms + RETRY_MS;
		return false;
	}
	file->size = (uint64_t)stat.st_size;
	file->is_regular = S_ISREG(stat.st_mode);
	file->is_cut = false;
	return true;
}

static void rename_all(const struct log_file *file)
{
	for (uint32_t i = file->keep; i > 0; i--) {
		char *to = xasprintf("%s.%u", file->path, i);
		char *from = i > 1 ? xasprintf("%s.%u", file->path, i - 1) : xstrdup(file->path);
		if (rename(from, to) != 0 && errno != ENOENT)
			log_warning("%s cannot be renamed: %s", from, strerror(errno));
		free(from);
		free(to);
	}
	if (file->keep == 0)
		unlink(file->path);
}

static void rotate(struct log_file *file, size_t length, uint64_t now_ms)
{
	if (!file->path || !file->is_regular || file->size == 0 || file->size + length <= file->rotate_bytes)
		return;
	rename_all(file);
	log_file_reopen(file);
	open_file(file, now_ms);
}

static size_t write_all(const struct log_file *file, const char *octets, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t wrote = write(file->fd, octets + done, length - done);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			break;
		done += (size_t)wrote;
	}
	return done;
}

/* What stands of a line that could not be written whole goes, where it can. */
static size_t keep_whole(struct log_file *file, const char *lines, size_t done)
{
	const char *end = done ? memrchr(lines, '\n', done) : NULL;
	size_t whole = end ? (size_t)(end - lines) + 1 : 0;

	if (whole == done)
		return whole;
	if (file->is_regular && ftruncate(file->fd, (off_t)(file->size + whole)) == 0)
		return whole;
	file->is_cut = true;
	return whole;
}

size_t log_file_append(struct log_file *file, const char *lines, size_t length, uint64_t now_ms)
{
	assert(length > 0 && lines[length - 1] == '\n');
	if (!open_file(file, now_ms))
		return 0;
	rotate(file, length, now_ms);
	if (file->fd < 0)
		return 0;
	if (file->is_cut && write_all(file, "\n", 1) == 1)
		file->is_cut = false;
	size_t done = write_all(file, lines, length);
	if (done < length) {
		failed(file, "cannot be written", now_ms);
		done = keep_whole(file, lines, done);
	}
	file->size += done;
	return done;
}
