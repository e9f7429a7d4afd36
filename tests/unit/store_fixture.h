/* A store in a directory of its own, and a small fleet whose changes go into it. */
#pragma once
#include "lib/log.h"
#include "store/store.h"
#include "tests/unit/fleet_fixture.h"
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
static struct fleet *fleet;

/* Every file of the directory; the store's may have many names. */
static inline void remove_files(void)
{
	DIR *listing = opendir(directory);
	for (struct dirent *entry; listing && (entry = readdir(listing));) {
		char path[sizeof directory + sizeof entry->d_name + 1];
		snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
		unlink(path);
		rmdir(path);
	}
	closedir(listing);
}

static inline const char *in_directory(const char *name)
{
	static char paths[4][256];
	static unsigned at;
	char *path = paths[at++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", directory, name);
	return path;
}

static int setup(void **state)
{
	log_init("test", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	snprintf(directory, sizeof directory, "/tmp/gslb-store-XXXXXX");
	fleet = fleet_new();
	apply_good(fleet, FLEET_BASE,
		   "regions: {eu: {at: [50, 8]}}\n"
		   "services: {shop: {vips: {eu: [192.0.2.1]}}}\n"
		   "zones: {z.example: {text: \"@ 60 SOA a b 1 2 3 4 5\\n@ 60 NS n.test.\\n\"}}\n");
	return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
	fleet_free(fleet);
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

/* Applies the change to the fleet and stores it with an audit line, as the control path does; one that the
 * store does not take is taken back. */
static inline bool commit(struct store *store, struct fleet_change *change, uint64_t version)
{
	struct err_list errors = {0};
	struct fleet_result result = {0};
	struct audit_line line = {.time_unix_ms = (int64_t)version * 1000,
				  .author = "uid:1",
				  .via = "api",
				  .verb = "apply",
				  .object = "fleet",
				  .reason = ""};
	if (!fleet_apply(fleet, change, version, false, &result, &errors))
		fail_msg("%s", errors.items[0].message);
	bool is_done = store_commit(
		store,
		&(struct store_change){
			.fleet = &result, .fleet_version = version, .audit = &line, .audit_count = 1},
		&errors);
	assert_int_equal(is_done, !err_has_errors(&errors));
	if (!is_done)
		fleet_revert(fleet, &result);
	fleet_result_done(&result);
	fleet_change_free(change);
	err_done(&errors);
	return is_done;
}

static inline bool store_yaml(struct store *store, const char *yaml, uint64_t version)
{
	struct err_list errors = {0};
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	add_yaml(change, "f", yaml, &errors);
	assert_int_equal(errors.count, 0);
	return commit(store, change, version);
}

/* The version is in the object too, so that each one is a change. */
static inline bool put_tenant(struct store *store, const char *id, uint64_t version)
{
	char yaml[160];
	snprintf(yaml, sizeof yaml, "tenants: {%s: {zone: z.example, service: shop, tags: [v%llu]}}\n", id,
		 (unsigned long long)version);
	return store_yaml(store, yaml, version);
}

static inline void write_file(const char *name, const void *bytes, size_t length)
{
	FILE *file = fopen(in_directory(name), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

/* free() it; NULL: there is no such file. */
static inline char *read_file(const char *path, size_t *ret_length)
{
	struct stat status;
	FILE *file = fopen(path, "r");
	if (!file)
		return NULL;
	assert_int_equal(fstat(fileno(file), &status), 0);
	char *bytes = xmalloc((size_t)status.st_size + 1);
	*ret_length = fread(bytes, 1, (size_t)status.st_size, file);
	bytes[*ret_length] = '\0';
	fclose(file);
	return bytes;
}
