/* Reading files of usage: of each id the record with the highest `seq` counts. Any thread. */
#include "forwarder/seeing/usage_query.h"
#include "lib/map.h"
#include "lib/mem.h"
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOUR_LENGTH 10	 /* "2026013112" */
#define MINUTE_LENGTH 12 /* "202601311200" */

struct record {
	json_int_t seq;
	uint64_t fields[USAGE_FIELDS];
};

struct reading {
	struct usage_query *query;
	char since[MINUTE_LENGTH + 1];
	struct map *records; /* by id */
};

static const char *const names[USAGE_FIELDS] = {[USAGE_REQUESTS] = "requests",
						[USAGE_BYTES_IN] = "bytes_in",
						[USAGE_BYTES_OUT] = "bytes_out",
						[USAGE_C2XX] = "c2xx",
						[USAGE_C3XX] = "c3xx",
						[USAGE_C4XX] = "c4xx",
						[USAGE_C5XX] = "c5xx",
						[USAGE_LIMITED] = "limited",
						[USAGE_WEBSOCKET_MS] = "websocket_s",
						[USAGE_HANDSHAKES] = "handshakes"};

/* NODE/EPOCH/MINUTE/TENANT: is it this tenant's, and not from before? */
static bool is_asked_for(const struct reading *reading, const char *id)
{
	const char *tenant = strrchr(id, '/');

	return tenant && tenant - id > MINUTE_LENGTH && strcmp(tenant + 1, reading->query->tenant) == 0 &&
	       tenant[-MINUTE_LENGTH - 1] == '/' &&
	       strncmp(tenant - MINUTE_LENGTH, reading->since, MINUTE_LENGTH) >= 0;
}

static void take(struct reading *reading, const char *id, const json_t *line)
{
	struct record *record = map_get(reading->records, id);
	json_int_t seq = json_integer_value(json_object_get(line, "seq"));

	if (!record) {
		record = xcalloc(1, sizeof *record);
		map_put(reading->records, id, record);
	}
	if (seq < record->seq)
		return;
	record->seq = seq;
	for (unsigned i = 0; i < USAGE_FIELDS; i++) {
		double value = json_number_value(json_object_get(line, names[i]));
		record->fields[i] = i == USAGE_WEBSOCKET_MS
					    ? (uint64_t)(value * 1000 + 0.5)
					    : (uint64_t)json_integer_value(json_object_get(line, names[i]));
	}
}

static void read_line(struct reading *reading, const char *text, size_t length)
{
	const char *tenant = reading->query->tenant;

	if (!memmem(text, length, tenant, strlen(tenant)))
		return; /* most lines are others' */
	json_t *line = json_loadb(text, length, 0, NULL);
	const char *id = json_string_value(json_object_get(line, "id"));
	if (!id)
		reading->query->bad++;
	else if (is_asked_for(reading, id))
		take(reading, id, line);
	json_decref(line);
}

static void read_file(struct reading *reading, int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char *text = NULL;
	size_t room = 0;
	ssize_t length;

	if (!file) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((length = getline(&text, &room, file)) > 0)
		read_line(reading, text, (size_t)length);
	free(text);
	fclose(file);
}

static void read_directory(struct reading *reading)
{
	DIR *directory = opendir(reading->query->directory);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strspn(entry->d_name, "0123456789") == HOUR_LENGTH &&
		    strcmp(entry->d_name + HOUR_LENGTH, ".jsonl") == 0 &&
		    strncmp(entry->d_name, reading->since, HOUR_LENGTH) >= 0)
			read_file(reading, dirfd(directory), entry->d_name);
	if (directory)
		closedir(directory);
}

void usage_query_run(struct usage_query *query)
{
	struct reading reading = {.query = query, .records = map_new()};
	time_t since_s = query->since_ms / 1000;
	struct record *record;
	const char *id;
	struct tm tm;

	assert(query->tenant && *query->tenant);
	gmtime_r(&since_s, &tm);
	strftime(reading.since, sizeof reading.since, "%Y%m%d%H%M", &tm);
	query->records = query->bad = 0;
	memset(query->sums, 0, sizeof query->sums);
	read_directory(&reading);
	for (size_t at = 0; (record = map_next(reading.records, &at, &id)); free(record)) {
		query->records++;
		for (unsigned i = 0; i < USAGE_FIELDS; i++)
			query->sums[i] += record->fields[i];
	}
	map_free(reading.records);
}
