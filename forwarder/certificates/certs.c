/*
 * One look at a time through the directory, on a helper. Then, here, what it found is taken over, and where
 * that changed what is served a new table is made. Control thread.
 */
#include "forwarder/certificates/certs.h"
#include "forwarder/certificates/certs_scan.h"
#include "forwarder/certificates/certs_watch.h"
#include "lib/clock.h"
#include "lib/helper.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRING_S ((int64_t)14 * 86400)

struct item {
	char *name, *file;
	struct certs_stamp stamps[CERTS_FILES];
	struct certnames_entry *entry; /* that is served; NULL: none of it was ever good */
	char **names;
	size_t name_count;
	char *problem, *warnings;
	bool is_seen;
};

struct certs {
	struct event_base *base;
	struct certs_hooks hooks;
	char *directory, *default_name;
	struct certs_watch *watch;
	struct helper *helper; /* NULL: no look is on */
	struct certs_scan scan;
	bool is_wanted; /* another look when this one is over */
	bool is_ready;
	bool has_new_folder;
	bool is_configured; /* anew: there is something to tell */
	struct map *items;  /* by file */
	struct map *links;  /* the helper's while it runs */
	struct item **sorted;
	size_t count;
	char *problem; /* of the directory */
	uint64_t seed;
	const struct certnames *names;
};

const char *certs_state_word(enum certs_state state)
{
	static const char *const words[] = {"valid", "expiring", "expired", "failed"};
	static_assert(sizeof words / sizeof *words == CERTS_STATES, "each has a word");
	assert(state < CERTS_STATES);
	return words[state];
}

/* ---- items ---- */

static void free_names(struct item *item)
{
	for (size_t i = 0; i < item->name_count; i++)
		free(item->names[i]);
	free(item->names);
	item->names = NULL;
	item->name_count = 0;
}

static void free_item(struct item *item)
{
	certnames_entry_unref(item->entry);
	free_names(item);
	free(item->name);
	free(item->file);
	free(item->problem);
	free(item->warnings);
	free(item);
}

static const struct certs_stamp *stamps_of(const void *user, const char *file)
{
	const struct certs *certs = user;
	const struct item *item = map_get(certs->items, file);
	return item ? item->stamps : NULL;
}

/* True: another certificate is served, or other names. */
static bool take_over(struct item *item, struct certs_found *found)
{
	struct certs_read *read = &found->read;
	int64_t now_s = clock_unix_ms() / 1000;
	memcpy(item->stamps, found->stamps, sizeof item->stamps);
	if (found->again)
		memset(item->stamps, 0, sizeof item->stamps);
	free(item->problem);
	free(item->warnings);
	item->problem = read->problem;
	item->warnings = read->warnings;
	read->problem = read->warnings = NULL;
	if (read->entry && read->entry->not_after_s <= now_s)
		item->problem = xstrdup("the certificate has expired");
	if (item->problem && item->entry) {
		char *all = xasprintf("%s; the one before it is served", item->problem);
		free(item->problem);
		item->problem = all;
		return false;
	}
	if (!read->entry)
		return false;
	certnames_entry_unref(item->entry);
	free_names(item);
	item->entry = read->entry;
	item->names = read->names;
	item->name_count = read->name_count;
	read->entry = NULL;
	read->names = NULL;
	read->name_count = 0;
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct item *const *one = a, *const *other = b;
	return strcmp((*one)->file, (*other)->file);
}

static void sort(struct certs *certs)
{
	struct item *item;
	free(certs->sorted);
	certs->count = 0;
	certs->sorted = xmalloc((map_count(certs->items) + 1) * sizeof *certs->sorted);
	for (size_t at = 0; (item = map_next(certs->items, &at, NULL));)
		certs->sorted[certs->count++] = item;
	qsort(certs->sorted, certs->count, sizeof *certs->sorted, compare);
}

static bool drop_missing(struct certs *certs)
{
	bool is_changed = false;
	for (size_t i = 0; i < certs->count; i++) {
		struct item *item = certs->sorted[i];
		if (item->is_seen)
			continue;
		is_changed |= item->entry != NULL;
		map_remove(certs->items, item->file);
		free_item(item);
	}
	return is_changed;
}

static void make_table(struct certs *certs)
{
	struct certnames *names = certnames_new(certs->seed);
	for (size_t i = 0; i < certs->count; i++) {
		struct item *item = certs->sorted[i];
		if (!item->entry)
			continue;
		certnames_add(names, item->entry, (const char *const *)item->names, item->name_count);
		if (certs->default_name && strcmp(certs->default_name, item->name) == 0)
			certnames_set_default(names, item->entry);
	}
	assert(certs->names);
	certnames_unref(certs->names);
	certs->names = names;
}

/* ---- what was wrong ---- */

static void report_warnings(struct err_list *errors, const char *path, const char *warnings)
{
	while (warnings && *warnings) {
		int length = (int)strcspn(warnings, "\n");
		err_warn(errors, path, 0, 0, "%.*s", length, warnings);
		warnings += length + (warnings[length] == '\n');
	}
}

static void report(const struct certs *certs)
{
	struct err_list errors = {0};
	struct certnames_found found;
	if (certs->problem)
		err_add(&errors, certs->directory, 0, 0, "%s", certs->problem);
	for (size_t i = 0; i < certs->count; i++) {
		const struct item *item = certs->sorted[i];
		char *path = xasprintf("%s/%s", certs->directory, item->file);
		if (item->problem)
			err_add(&errors, path, 0, 0, "%s", item->problem);
		report_warnings(&errors, path, item->warnings);
		free(path);
	}
	if (certs->default_name && !certnames_default(certs->names, &found))
		err_add(&errors, certs->directory, 0, 0, "default_certificate: there is no '%s'",
			certs->default_name);
	certs->hooks.loaded(certs->hooks.user, &errors);
	err_done(&errors);
}

/* ---- looking ---- */

static bool take_all(struct certs *certs)
{
	bool is_changed = !certs->is_ready;
	for (size_t i = 0; i < certs->count; i++)
		certs->sorted[i]->is_seen = false;
	for (size_t i = 0; i < certs->scan.count; i++) {
		struct certs_found *found = &certs->scan.items[i];
		struct item *item = map_get(certs->items, found->file);
		if (!item) {
			item = xcalloc(1, sizeof *item);
			item->name = xstrdup(found->name);
			item->file = xstrdup(found->file);
			map_put(certs->items, item->file, item);
			certs->has_new_folder |= found->is_folder;
		}
		item->is_seen = true;
		if (!found->is_unchanged)
			is_changed |= take_over(item, found);
		certs->is_wanted |= found->again;
	}
	is_changed |= drop_missing(certs);
	sort(certs);
	return is_changed;
}

static bool has_news(const struct certs *certs)
{
	for (size_t i = 0; i < certs->scan.count; i++)
		if (!certs->scan.items[i].is_unchanged)
			return true;
	return map_count(certs->items) != certs->scan.count;
}

/* Folders are watched once they are known; what changed in between shows at the next look. */
static void watch_folders(struct certs *certs)
{
	if (!certs->has_new_folder)
		return;
	certs->has_new_folder = false;
	for (size_t i = 0; i < certs->scan.count; i++) {
		if (!certs->scan.items[i].is_folder)
			continue;
		char *path = xasprintf("%s/%s", certs->directory, certs->scan.items[i].file);
		certs_watch_add(certs->watch, path);
		free(path);
	}
	certs->is_wanted = true;
}

static void on_looked(void *user)
{
	struct certs *certs = user;
	assert(certs->helper);
	certs->helper = NULL;
	bool is_news = !certs->is_ready || certs->is_configured || has_news(certs) ||
		       (certs->scan.problem != NULL) != (certs->problem != NULL);
	bool is_changed = !certs->is_ready;
	certs->is_configured = false;
	free(certs->problem);
	certs->problem = certs->scan.problem;
	certs->scan.problem = NULL;
	if (!certs->problem) {
		is_changed = take_all(certs);
		watch_folders(certs);
	}
	certs_scan_done(&certs->scan);
	certs->is_ready = true;
	if (is_changed)
		make_table(certs);
	if (certs->is_wanted)
		certs_watch_touch(certs->watch);
	certs->is_wanted = false;
	if (is_news)
		report(certs);
}

static void work(void *user)
{
	struct certs *certs = user;
	certs_scan(&certs->scan);
}

static void look(struct certs *certs)
{
	if (certs->helper) {
		certs->is_wanted = true;
		return;
	}
	certs_watch_add(certs->watch, certs->directory);
	certs->scan = (struct certs_scan){
		.directory = certs->directory, .stamps = stamps_of, .user = certs, .links = certs->links};
	certs->helper = helper_start(certs->base, work, on_looked, certs);
	if (!certs->helper)
		certs_watch_touch(certs->watch); /* no thread is left: later */
}

static void on_changed(void *user)
{
	look(user);
}

/* ---- life ---- */

struct certs *certs_new(struct event_base *base, const char *directory, const char *default_name,
			const struct certs_hooks *hooks)
{
	struct certs *certs = xcalloc(1, sizeof *certs);
	struct rng rng;
	rng_seed_from_system(&rng);
	certs->base = base;
	certs->hooks = *hooks;
	certs->directory = xstrdup(directory);
	certs->default_name = default_name ? xstrdup(default_name) : NULL;
	certs->items = map_new();
	certs->links = map_new();
	certs->seed = rng_next(&rng);
	certs->names = certnames_new(certs->seed);
	certs->watch = certs_watch_new(base, on_changed, certs);
	look(certs);
	return certs;
}

void certs_free(struct certs *certs)
{
	if (!certs)
		return;
	helper_free(certs->helper);
	certs_scan_done(&certs->scan);
	certs_watch_free(certs->watch);
	for (size_t i = 0; i < certs->count; i++)
		free_item(certs->sorted[i]);
	free(certs->sorted);
	map_free(certs->items);
	certs_read_links_done(certs->links);
	certnames_unref(certs->names);
	free(certs->directory);
	free(certs->default_name);
	free(certs->problem);
	free(certs);
}

void certs_reload(struct certs *certs)
{
	look(certs);
}

void certs_configure(struct certs *certs, const char *directory, const char *default_name)
{
	assert(directory);
	bool is_same = strcmp(certs->directory, directory) == 0;
	if (!is_same && certs->helper) {
		helper_free(certs->helper); /* what it found is of the old one */
		certs->helper = NULL;
		certs_scan_done(&certs->scan);
	}
	if (!is_same) {
		free(certs->directory);
		certs->directory = xstrdup(directory);
	}
	free(certs->default_name);
	certs->default_name = default_name ? xstrdup(default_name) : NULL;
	certs->is_configured = true;
	if (certs->is_ready)
		make_table(certs);
	look(certs);
}

bool certs_is_ready(const struct certs *certs)
{
	return certs->is_ready;
}

const struct certnames *certs_names(const struct certs *certs)
{
	return certnames_ref(certs->names);
}

/* ---- what is shown ---- */

static enum certs_state state_of(const struct item *item)
{
	int64_t now_s = clock_unix_ms() / 1000;
	if (!item->entry)
		return CERTS_FAILED;
	if (item->entry->not_after_s <= now_s)
		return CERTS_EXPIRED;
	if (item->problem)
		return CERTS_FAILED;
	return item->entry->not_after_s <= now_s + EXPIRING_S ? CERTS_EXPIRING : CERTS_VALID;
}

size_t certs_count(const struct certs *certs)
{
	return certs->count;
}

void certs_row(const struct certs *certs, size_t index, struct certs_row *ret)
{
	assert(index < certs->count);
	const struct item *item = certs->sorted[index];
	const struct certnames_entry *entry = item->entry;
	*ret = (struct certs_row){
		.name = item->name,
		.file = item->file,
		.state = state_of(item),
		.kind = !entry				 ? NULL
			: entry->kind == CERTNAMES_ECDSA ? "ecdsa"
							 : "rsa",
		.not_after_s = entry ? entry->not_after_s : 0,
		.has_staple = entry && entry->staple,
		.name_count = item->name_count,
		.names = (const char *const *)item->names,
		.problem = item->problem,
	};
}

size_t certs_count_of(const struct certs *certs, enum certs_state state)
{
	size_t count = 0;
	for (size_t i = 0; i < certs->count; i++)
		count += state_of(certs->sorted[i]) == state;
	return count;
}

int64_t certs_first_expiry_s(const struct certs *certs)
{
	int64_t first = INT64_MAX;
	for (size_t i = 0; i < certs->count; i++) {
		const struct certnames_entry *entry = certs->sorted[i]->entry;
		if (entry && entry->not_after_s < first)
			first = entry->not_after_s;
	}
	return first;
}
