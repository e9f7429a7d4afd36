/* See certs_scan.h. A helper's thread. */
#include "forwarder/certificates/certs_scan.h"
#include "lib/file.h"
#include "lib/mem.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct paths {
	char *path[CERTS_FILES]; /* NULL: there can be none */
};

static void stamp_of(const struct stat *stat, struct certs_stamp *ret)
{
	*ret = (struct certs_stamp){
		.device = stat->st_dev,
		.inode = stat->st_ino,
		.size = stat->st_size,
		.modified_ns = stat->st_mtim.tv_sec * INT64_C(1000000000) + stat->st_mtim.tv_nsec,
		.changed_ns = stat->st_ctim.tv_sec * INT64_C(1000000000) + stat->st_ctim.tv_nsec,
	};
}

static void stamp(const struct paths *paths, struct certs_stamp stamps[static CERTS_FILES])
{
	struct stat status;
	for (int i = 0; i < CERTS_FILES; i++)
		if (paths->path[i] && stat(paths->path[i], &status) == 0 && S_ISREG(status.st_mode))
			stamp_of(&status, &stamps[i]);
}

static bool is_same(const struct certs_stamp *a, const struct certs_stamp *b)
{
	for (int i = 0; i < CERTS_FILES; i++)
		if (a[i].device != b[i].device || a[i].inode != b[i].inode || a[i].size != b[i].size ||
		    a[i].modified_ns != b[i].modified_ns || a[i].changed_ns != b[i].changed_ns)
			return false;
	return true;
}

/* ---- reading ---- */

static void warn(struct certs_read *read, const char *warning)
{
	char *before = read->warnings;
	read->warnings = before ? xasprintf("%s\n%s", before, warning) : xstrdup(warning);
	free(before);
}

/* NULL: problem says why. */
static char *read_file(const char *path, size_t *ret_length, bool *ret_others_read, bool *ret_again,
		       char **ret_problem)
{
	const char *base = strrchr(path, '/') + 1, *reason = NULL;
	struct stat status = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;
	if (fd < 0 || fstat(fd, &status) != 0)
		reason = strerror(errno);
	else if (!S_ISREG(status.st_mode))
		reason = "it is no file";
	else if ((uint64_t)status.st_size > CERTS_SCAN_FILE_MAX)
		reason = "it is larger than 1 MiB";
	else
		text = file_read(fd, CERTS_SCAN_FILE_MAX, ret_length, &reason);
	if (fd >= 0)
		close(fd);
	*ret_others_read = (status.st_mode & (S_IRWXO)) != 0;
	if (text)
		return text;
	*ret_again |= strcmp(reason, FILE_CHANGED) == 0;
	if (!*ret_problem)
		*ret_problem = xasprintf("%s: %s", base, reason);
	return NULL;
}

static void read_item(struct certs_scan *scan, const struct paths *paths, struct certs_found *item)
{
	struct certs_text texts[CERTS_FILES] = {0};
	char *octets[CERTS_FILES] = {0}, *problem = NULL;
	bool others_read[CERTS_FILES] = {0};
	for (int i = 0; i < CERTS_FILES; i++) {
		if (!paths->path[i] || (i == CERTS_STAPLE && item->stamps[i].inode == 0))
			continue;
		octets[i] =
			read_file(paths->path[i], &texts[i].length, &others_read[i], &item->again, &problem);
		texts[i].octets = octets[i];
	}
	if (problem) {
		item->read.problem = problem;
	} else {
		certs_read(&texts[CERTS_CERTIFICATE], &texts[CERTS_KEY], &texts[CERTS_STAPLE], scan->links,
			   &item->read);
		if (others_read[paths->path[CERTS_KEY] ? CERTS_KEY : CERTS_CERTIFICATE])
			warn(&item->read, "the key can be read by everybody");
	}
	for (int i = 0; i < CERTS_FILES; i++) {
		if (octets[i])
			explicit_bzero(octets[i], texts[i].length);
		free(octets[i]);
	}
}

/* ---- the directory ---- */

static bool has_ending(const char *name, const char *ending)
{
	size_t length = strlen(name), its = strlen(ending);
	return length > its && strcmp(name + length - its, ending) == 0;
}

/* Takes the paths. */
static void add(struct certs_scan *scan, const char *file, size_t name_length, bool is_folder,
		struct paths *paths)
{
	struct certs_found item = {
		.name = xstrndup(file, name_length), .file = xstrdup(file), .is_folder = is_folder};
	assert(paths->path[CERTS_CERTIFICATE] && name_length > 0);
	stamp(paths, item.stamps);
	const struct certs_stamp *before = scan->stamps(scan->user, file);
	item.is_unchanged = before && is_same(before, item.stamps);
	if (!item.is_unchanged)
		read_item(scan, paths, &item);
	xgrow((void **)&scan->items, &scan->capacity, scan->count + 1, sizeof *scan->items);
	scan->items[scan->count++] = item;
	for (int i = 0; i < CERTS_FILES; i++)
		free(paths->path[i]);
}

static void look_at(struct certs_scan *scan, const char *file)
{
	struct paths paths = {0};
	size_t length = strlen(file);
	if (has_ending(file, ".crt")) {
		int name = (int)length - 4;
		paths.path[CERTS_CERTIFICATE] = xasprintf("%s/%s", scan->directory, file);
		paths.path[CERTS_KEY] = xasprintf("%s/%.*s.key", scan->directory, name, file);
		paths.path[CERTS_STAPLE] = xasprintf("%s/%.*s.ocsp", scan->directory, name, file);
		add(scan, file, length - 4, false, &paths);
		return;
	}
	if (has_ending(file, ".pem")) {
		paths.path[CERTS_CERTIFICATE] = xasprintf("%s/%s", scan->directory, file);
		paths.path[CERTS_STAPLE] = xasprintf("%s/%.*s.ocsp", scan->directory, (int)length - 4, file);
		add(scan, file, length - 4, false, &paths);
		return;
	}
	if (has_ending(file, ".key") || has_ending(file, ".ocsp"))
		return;
	/* what is no folder has no such file in it */
	struct stat status;
	paths.path[CERTS_CERTIFICATE] = xasprintf("%s/%s/fullchain.pem", scan->directory, file);
	if (stat(paths.path[CERTS_CERTIFICATE], &status) != 0 && errno != EACCES) {
		free(paths.path[CERTS_CERTIFICATE]);
		return;
	}
	paths.path[CERTS_KEY] = xasprintf("%s/%s/privkey.pem", scan->directory, file);
	add(scan, file, length, true, &paths);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct certs_found *)a)->file, ((const struct certs_found *)b)->file);
}

void certs_scan(struct certs_scan *scan)
{
	DIR *directory = opendir(scan->directory);
	struct dirent *entry;
	assert(scan->stamps && scan->links && scan->count == 0);
	if (!directory) {
		scan->problem = xstrdup(strerror(errno));
		return;
	}
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			look_at(scan, entry->d_name);
	closedir(directory);
	if (scan->count > 0)
		qsort(scan->items, scan->count, sizeof *scan->items, compare);
}

void certs_scan_done(struct certs_scan *scan)
{
	for (size_t i = 0; i < scan->count; i++) {
		free(scan->items[i].name);
		free(scan->items[i].file);
		certs_read_done(&scan->items[i].read);
	}
	free(scan->items);
	free(scan->problem);
	scan->items = NULL;
	scan->problem = NULL;
	scan->count = scan->capacity = 0;
}
