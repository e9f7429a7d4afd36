/* A store in a directory of its own, and small objects to put into it. The fleet is a stand-in. */
#pragma once
#include "lib/mem.h"
#include "store/store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

const char *const fleet_kind_name[FLEET_KINDS] = {"region",  "location", "check", "map",
						  "service", "zone",	 "tier",  "tenant"};

json_t *fleet_object_to_json(const struct fleet_object *object)
{
	return json_pack("{s:s, s:I}", "own", object->id, "number", (json_int_t)object->number);
}

static char directory[64];

static void remove_files(void)
{
	static const char *const names[] = {"gslb.db", "gslb.db-wal", "gslb.db-shm", "gslb.db-journal",
					    "gslb.lock"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
		rmdir(path);
	}
}

static int setup(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/gslb-store-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
	remove_files();
	return rmdir(directory);
}

static inline struct store *must_open(void)
{
	struct err_list errors = {0};
	struct store *store = store_open(directory, &errors);
	if (!store)
		fail_msg("%s", errors.count ? errors.items[0].message : "no error");
	assert_int_equal(errors.count, 0);
	return store;
}

/* The directory is refused; the first message holds both words. */
static inline void must_refuse(const char *path, const char *word, const char *other)
{
	struct err_list errors = {0};
	assert_null(store_open(path, &errors));
	assert_true(err_has_errors(&errors));
	const struct err *err = &errors.items[0];
	assert_non_null(err->file);
	if (!strstr(err->message, word) || !strstr(err->message, other))
		fail_msg("'%s' lacks '%s' or '%s'", err->message, word, other);
	err_done(&errors);
}

static inline bool put_object(struct store *store, enum fleet_kind kind, const char *id, uint32_t number,
			      uint64_t version)
{
	struct fleet_object object = {
		.kind = kind, .source = FLEET_STORE, .id = (char *)id, .number = number, .version = version};
	struct fleet_touched touched = {.kind = kind, .after = &object};
	struct fleet_result result = {.touched_count = 1, .touched = &touched};
	struct audit_line line = {.time_unix_ms = (int64_t)version * 1000,
				  .author = "uid:1",
				  .via = "api",
				  .verb = "apply",
				  .object = id,
				  .reason = ""};
	struct store_change change = {
		.fleet = &result, .fleet_version = version, .audit = &line, .audit_count = 1};
	struct err_list errors = {0};
	bool is_done = store_commit(store, &change, &errors);
	assert_int_equal(is_done, !err_has_errors(&errors));
	err_done(&errors);
	return is_done;
}
