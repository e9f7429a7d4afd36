/*
 * The file has the feed's own lines. A new one is written beside it and renamed when it is whole. Control
 * thread.
 */
#include "forwarder/feed/feed_snapshot.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_OCTETS ((size_t)256 << 10) /* in one call: some milliseconds */
#define RENEW_OBJECTS 500		/* likewise */
#define RENEW_MIN ((uint64_t)8 << 20)	/* octets of changes that are not worth a new file */
#define RETRY_MS 60000			/* after writing failed */

struct text {
	char *octets;
	size_t used, capacity;
};

struct feed_snapshot {
	char *path, *new_path;
	FILE *file;		 /* appended to; NULL: it cannot be, or there is none yet */
	uint64_t base, appended; /* octets: of the whole state, and of the changes behind it */
	struct text pending;	 /* lines of the change that is not whole */
	size_t last_line;	 /* where the last of them begins */
	bool is_open;		 /* lines came since the last change was whole */
	FILE *reset;		 /* lines of the reset that is not whole */
	uint64_t reset_octets;
	/* renewal */
	FILE *renewed;
	uint64_t renewed_octets;
	enum fleet_kind kind;
	size_t at;
	struct text behind; /* changes since it began */
	uint64_t retry_ms;  /* monotonic: not before */
	/* reading */
	FILE *input;
	char *line;
	size_t line_capacity;
	long good; /* the end of the last whole change */
};

static void put(struct text *text, const char *octets, size_t length)
{
	xgrow((void **)&text->octets, &text->capacity, text->used + length + 1, 1);
	memcpy(text->octets + text->used, octets, length);
	text->octets[text->used + length] = '\n';
	text->used += length + 1;
}

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
	*file = NULL;
}

/* Its owner alone may read it: keys of tenants stand in it. */
static FILE *open_file(const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "a");

	if (fd >= 0 && !file)
		close(fd);
	return file;
}

static void give_up(struct feed_snapshot *snapshot)
{
	log_warning("%s: %s; the fleet is not kept for a restart, which is tried again in a minute",
		    snapshot->path, strerror(errno));
	close_file(&snapshot->file);
	close_file(&snapshot->reset);
	close_file(&snapshot->renewed);
	unlink(snapshot->new_path);
	snapshot->behind.used = 0;
	snapshot->retry_ms = clock_mono_ms() + RETRY_MS;
}

/* The new file takes the place of the old one. */
static void take_over(struct feed_snapshot *snapshot, FILE **file, uint64_t octets)
{
	assert(*file && octets > 0);
	if (fflush(*file) != 0 || rename(snapshot->new_path, snapshot->path) < 0) {
		give_up(snapshot);
		return;
	}
	close_file(&snapshot->file);
	snapshot->file = *file;
	*file = NULL;
	snapshot->base = octets;
	snapshot->appended = 0;
}

/* ---- lines ---- */

void feed_snapshot_abandon(struct feed_snapshot *snapshot)
{
	snapshot->pending.used = 0;
	snapshot->is_open = false;
	if (!snapshot->reset)
		return;
	close_file(&snapshot->reset);
	unlink(snapshot->new_path);
}

void feed_snapshot_reset(struct feed_snapshot *snapshot)
{
	feed_snapshot_abandon(snapshot);
	close_file(&snapshot->renewed); /* it would be of what was before */
	snapshot->behind.used = 0;
	snapshot->reset = open_file(snapshot->new_path, O_TRUNC);
	snapshot->reset_octets = 0;
	if (!snapshot->reset)
		give_up(snapshot);
}

void feed_snapshot_line(struct feed_snapshot *snapshot, const char *text, size_t length)
{
	snapshot->is_open = true;
	if (!snapshot->reset) {
		snapshot->last_line = snapshot->pending.used;
		if (snapshot->file || snapshot->renewed)
			put(&snapshot->pending, text, length);
		return;
	}
	if (fwrite(text, 1, length, snapshot->reset) != length || fputc('\n', snapshot->reset) == EOF)
		give_up(snapshot);
	snapshot->reset_octets += length + 1;
}

void feed_snapshot_whole(struct feed_snapshot *snapshot)
{
	struct text *pending = &snapshot->pending;

	if (snapshot->reset)
		take_over(snapshot, &snapshot->reset, snapshot->reset_octets);
	else if (snapshot->file && pending->used > 0) {
		if (fwrite(pending->octets, 1, pending->used, snapshot->file) != pending->used ||
		    fflush(snapshot->file) != 0)
			give_up(snapshot);
		snapshot->appended += pending->used;
	}
	/* Without the version, which would end the reset while objects do not fit yet. */
	if (snapshot->renewed && snapshot->last_line > 0)
		put(&snapshot->behind, pending->octets, snapshot->last_line - 1);
	pending->used = snapshot->last_line = 0;
	snapshot->is_open = false;
}

/* ---- renewal ---- */

static bool write_line(FILE *file, const char *text, uint64_t *octets)
{
	*octets += strlen(text) + 1;
	return fputs(text, file) != EOF && fputc('\n', file) != EOF;
}

static bool write_json(FILE *file, json_t *json, uint64_t *octets)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));

	assert(text);
	bool is_good = write_line(file, text, octets);
	free(text);
	json_decref(json);
	return is_good;
}

static bool write_object(struct feed_snapshot *snapshot, const struct fleet_object *object)
{
	json_t *own = object->kind == FLEET_ZONE ? json_object() : fleet_object_to_json(object);

	return write_json(snapshot->renewed,
			  json_pack("{s:o, s:o, s:o}", "put", json_text(fleet_kind_name[object->kind]), "id",
				    json_text(object->id), "object", own),
			  &snapshot->renewed_octets);
}

/* Controls, what came meanwhile, and the version. */
static bool write_end(struct feed_snapshot *snapshot, const struct feed_copy *copy)
{
	const char *control;
	bool is_good = true;

	for (size_t at = 0; (control = feed_copy_next_control(copy, &at));)
		is_good &= write_line(snapshot->renewed, control, &snapshot->renewed_octets);
	const struct text *behind = &snapshot->behind;
	is_good &= fwrite(behind->octets, 1, behind->used, snapshot->renewed) == behind->used;
	snapshot->renewed_octets += behind->used;
	is_good &= write_json(snapshot->renewed,
			      json_pack("{s:o}", "version", json_text(feed_copy_version(copy))),
			      &snapshot->renewed_octets);
	snapshot->behind.used = 0;
	return is_good;
}

static bool is_due(const struct feed_snapshot *snapshot)
{
	if (snapshot->reset || snapshot->is_open || clock_mono_ms() < snapshot->retry_ms)
		return false;
	return !snapshot->file || (snapshot->appended > RENEW_MIN && snapshot->appended > snapshot->base);
}

static bool begin_renewal(struct feed_snapshot *snapshot)
{
	snapshot->renewed = open_file(snapshot->new_path, O_TRUNC);
	snapshot->renewed_octets = 0;
	snapshot->kind = 0;
	snapshot->at = 0;
	return snapshot->renewed &&
	       write_line(snapshot->renewed, "{\"reset\":true}", &snapshot->renewed_octets);
}

bool feed_snapshot_renew(struct feed_snapshot *snapshot, const struct fleet *fleet,
			 const struct feed_copy *copy)
{
	const struct fleet_object *object;

	assert(fleet && !(snapshot->renewed && snapshot->reset));
	if (!snapshot->renewed && !is_due(snapshot))
		return false;
	bool is_good = snapshot->renewed || begin_renewal(snapshot);
	for (int left = RENEW_OBJECTS; is_good && left > 0 && snapshot->kind < FLEET_KINDS; left--) {
		object = fleet_next(fleet, snapshot->kind, &snapshot->at);
		if (object) {
			is_good = write_object(snapshot, object);
			continue;
		}
		snapshot->kind++;
		snapshot->at = 0;
	}
	if (is_good && snapshot->kind < FLEET_KINDS)
		return true;
	if (is_good && snapshot->is_open)
		return false; /* soon: the version of the copy does not have this change */
	if (!is_good || !write_end(snapshot, copy))
		give_up(snapshot);
	else
		take_over(snapshot, &snapshot->renewed, snapshot->renewed_octets);
	return false;
}

/* ---- reading ---- */

static bool end_reading(struct feed_snapshot *snapshot, struct feed_copy *copy)
{
	feed_copy_abandon(copy);
	close_file(&snapshot->input);
	free(snapshot->line);
	snapshot->line = NULL;
	if (snapshot->good > 0 && truncate(snapshot->path, snapshot->good) == 0)
		snapshot->file = open_file(snapshot->path, O_APPEND);
	snapshot->base = (uint64_t)snapshot->good;
	return false;
}

bool feed_snapshot_read(struct feed_snapshot *snapshot, struct feed_copy *copy)
{
	assert(!snapshot->file && !snapshot->reset && !snapshot->renewed);
	if (!snapshot->input) {
		snapshot->input = fopen(snapshot->path, "re");
		if (!snapshot->input)
			return end_reading(snapshot, copy);
	}
	for (size_t octets = 0; octets < READ_OCTETS;) {
		ssize_t length = getline(&snapshot->line, &snapshot->line_capacity, snapshot->input);
		if (length <= 0 || snapshot->line[length - 1] != '\n')
			return end_reading(snapshot, copy);
		switch (feed_copy_line(copy, snapshot->line, (size_t)length - 1)) {
		case FEED_COPY_BROKEN:
			return end_reading(snapshot, copy);
		case FEED_COPY_WHOLE:
			snapshot->good = ftell(snapshot->input);
			break;
		case FEED_COPY_MORE:
		case FEED_COPY_HEARTBEAT:
			break;
		}
		octets += (size_t)length;
	}
	return true;
}

/* ---- life ---- */

struct feed_snapshot *feed_snapshot_new(const char *path)
{
	struct feed_snapshot *snapshot = xcalloc(1, sizeof *snapshot);

	snapshot->path = xstrdup(path);
	snapshot->new_path = xasprintf("%s.new", path);
	return snapshot;
}

void feed_snapshot_free(struct feed_snapshot *snapshot)
{
	if (!snapshot)
		return;
	if (snapshot->reset || snapshot->renewed)
		unlink(snapshot->new_path);
	close_file(&snapshot->file);
	close_file(&snapshot->reset);
	close_file(&snapshot->renewed);
	close_file(&snapshot->input);
	free(snapshot->line);
	free(snapshot->pending.octets);
	free(snapshot->behind.octets);
	free(snapshot->path);
	free(snapshot->new_path);
	free(snapshot);
}
