/* See the header. Control thread. */
#include "forwarder/feed/feed_copy.h"
#include "forwarder/feed/feed_lines.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_LINES 1000 /* of a reset: some ten milliseconds */
#define VERSION_MAX 128

struct control {
	char *service, *pool, *origin; /* NULL: of a region, or of what a later version has */
	bool is_drain;
	uint64_t expires_mono_ms; /* 0: until restored */
	char *line;		  /* NULL: it is taken away */
};

struct feed_copy {
	struct build_shared shared;
	struct feed_copy_hooks hooks;
	char version[VERSION_MAX];
	struct fleet *fleet; /* that serve; the hooks' user owns them. NULL: none yet */
	struct build *build;
	/* a reset that is not whole */
	struct fleet *next_fleet;
	struct build *next_build;
	struct feed_lines *lines;     /* of the change, or the batch of a reset */
	struct feed_lines *misfits;   /* of a reset: they may fit at its end */
	struct map *controls;	      /* text of what is controlled → struct control */
	struct map *changed_controls; /* by the change or reset that is not whole */
	size_t set_aside;
	uint64_t resets;
	bool is_open; /* lines came since the last version */
};

/* ---- controls ---- */

static void control_free(struct control *control)
{
	if (!control)
		return;
	free(control->service);
	free(control->pool);
	free(control->origin);
	free(control->line);
	free(control);
}

static void free_controls(struct map *controls)
{
	struct control *control;

	for (size_t at = 0; (control = map_next(controls, &at, NULL));)
		control_free(control);
	map_free(controls);
}

static char *member(const struct doc_node *node, const char *key)
{
	const struct doc_node *value = doc_get(node, key);

	return value && value->kind == DOC_SCALAR ? xstrdup(value->text) : NULL;
}

/* "REGION SERVICE VIP POOL ORIGIN" */
static char *control_key(const struct doc_node *what)
{
	static const char *const keys[] = {"region", "service", "vip", "pool", "origin"};
	char *text[5], *key;

	for (unsigned i = 0; i < 5; i++)
		text[i] = member(what, keys[i]);
	key = xasprintf("%s %s %s %s %s", text[0] ? text[0] : "", text[1] ? text[1] : "",
			text[2] ? text[2] : "", text[3] ? text[3] : "", text[4] ? text[4] : "");
	for (unsigned i = 0; i < 5; i++)
		free(text[i]);
	return key;
}

static bool is_null(const struct doc_node *node)
{
	return !node || (node->kind == DOC_SCALAR && !node->is_quoted && strcmp(node->text, "null") == 0);
}

static bool add_control(struct feed_copy *copy, const struct doc *doc, const char *text, size_t length)
{
	const struct doc_node *what = doc_get(doc->root, "control"), *share = doc_get(doc->root, "share");
	const struct doc_node *left = doc_get(doc->root, "left_ms");
	uint64_t left_ms;

	if (!what || what->kind != DOC_MAPPING)
		return false;
	struct control *control = xcalloc(1, sizeof *control);
	control->service = member(what, "service");
	control->pool = member(what, "pool");
	control->origin = member(what, "origin");
	if (!is_null(share)) {
		control->line = xstrndup(text, length);
		control->is_drain = share->kind == DOC_SCALAR && strcmp(share->text, "100") != 0;
		if (!is_null(left) && left->kind == DOC_SCALAR && text_to_uint(left->text, &left_ms))
			control->expires_mono_ms = clock_mono_ms() + left_ms + 1;
	}
	char *key = control_key(what);
	control_free(map_put(copy->changed_controls, key, control));
	free(key);
	return true;
}

static void forget_control(struct feed_copy *copy, const char *key)
{
	struct control *old = map_remove(copy->controls, key);

	if (old && old->origin && old->service && old->pool && old->is_drain)
		origins_restore(copy->shared.origins, old->service, old->pool, old->origin);
	control_free(old);
}

static void take_controls(struct feed_copy *copy, bool is_reset)
{
	struct control *control;
	const char *key;

	if (is_reset) {
		free_controls(copy->controls);
		copy->controls = map_new();
		origins_restore_all(copy->shared.origins);
	}
	for (size_t at = 0; (control = map_next(copy->changed_controls, &at, &key));) {
		forget_control(copy, key);
		if (!control->line) {
			control_free(control);
			continue;
		}
		map_put(copy->controls, key, control);
		if (control->origin && control->service && control->pool && control->is_drain)
			origins_drain(copy->shared.origins, control->service, control->pool, control->origin);
	}
	map_free(copy->changed_controls);
	copy->changed_controls = map_new();
}

void feed_copy_expire(struct feed_copy *copy)
{
	uint64_t now_ms = clock_mono_ms();
	const struct control *control;
	const char *key;

	for (size_t at = 0; (control = map_next(copy->controls, &at, &key));) {
		if (control->expires_mono_ms == 0 || control->expires_mono_ms > now_ms)
			continue;
		char *expired = xstrdup(key);
		forget_control(copy, expired);
		free(expired);
		at = 0; /* the map has changed */
	}
}

const char *feed_copy_next_control(const struct feed_copy *copy, size_t *at)
{
	const struct control *control = map_next(copy->controls, at, NULL);

	return control ? control->line : NULL;
}

/* ---- objects ---- */

static void forget_next(struct feed_copy *copy)
{
	build_free(copy->next_build);
	fleet_free(copy->next_fleet);
	copy->next_build = NULL;
	copy->next_fleet = NULL;
}

static void begin_reset(struct feed_copy *copy)
{
	feed_copy_abandon(copy);
	assert(!copy->next_fleet && !copy->next_build);
	copy->next_fleet = fleet_new();
	copy->next_build = build_new(&copy->shared, copy->next_fleet, copy->build);
	copy->is_open = true;
	copy->resets++;
}

static void apply_batch(struct feed_copy *copy)
{
	/* What does not fit yet waits for what comes. */
	if (feed_lines_apply(copy->lines, copy->next_fleet, copy->next_build) > 0)
		feed_lines_move(copy->misfits, copy->lines);
}

static void set_aside(struct feed_copy *copy, struct feed_lines *lines)
{
	copy->set_aside += feed_lines_count(lines);
	feed_lines_set_aside(lines);
}

static void end_reset(struct feed_copy *copy)
{
	struct fleet *fleet = copy->next_fleet;
	struct build *build = copy->next_build;

	assert(fleet && build);
	apply_batch(copy);
	copy->set_aside = 0;
	if (feed_lines_apply(copy->misfits, fleet, build) > 0)
		set_aside(copy, copy->misfits);
	copy->fleet = fleet;
	copy->build = build;
	copy->next_fleet = NULL;
	copy->next_build = NULL;
	take_controls(copy, true);
	copy->hooks.replaced(copy->hooks.user, fleet, build);
}

static void end_change(struct feed_copy *copy)
{
	assert(copy->fleet && copy->build && !copy->next_fleet);
	if (feed_lines_apply(copy->lines, copy->fleet, copy->build) > 0)
		set_aside(copy, copy->lines);
	take_controls(copy, false);
	copy->hooks.changed(copy->hooks.user);
}

static enum feed_copy_result take_version(struct feed_copy *copy, const struct doc_node *version)
{
	if (version->kind != DOC_SCALAR || version->length >= sizeof copy->version)
		return FEED_COPY_BROKEN;
	if (copy->is_open && !copy->next_fleet && !copy->fleet)
		return FEED_COPY_BROKEN;
	bool was_open = copy->is_open;
	copy->is_open = false;
	strcpy(copy->version, version->text);
	if (!was_open)
		return FEED_COPY_HEARTBEAT;
	if (copy->next_fleet)
		end_reset(copy);
	else
		end_change(copy);
	return FEED_COPY_WHOLE;
}

enum feed_copy_result feed_copy_line(struct feed_copy *copy, const char *text, size_t length)
{
	struct err_list errors = {0};
	struct doc *doc = doc_from_json(text, length, &errors);
	enum feed_copy_result result = FEED_COPY_MORE;

	err_done(&errors);
	if (!doc || doc->root->kind != DOC_MAPPING) {
		doc_free(doc);
		return FEED_COPY_BROKEN;
	}
	const struct doc_node *version = doc_get(doc->root, "version");
	if (version) {
		result = take_version(copy, version);
	} else if (doc_get(doc->root, "reset")) {
		begin_reset(copy);
	} else if (add_control(copy, doc, text, length) || feed_lines_add(copy->lines, doc, text, length)) {
		copy->is_open = true;
		feed_lines_overtake(copy->misfits, doc);
		if (copy->next_fleet && feed_lines_count(copy->lines) >= BATCH_LINES)
			apply_batch(copy);
	}
	doc_free(doc);
	return result;
}

/* ---- life ---- */

struct feed_copy *feed_copy_new(const struct build_shared *shared, const struct feed_copy_hooks *hooks)
{
	struct feed_copy *copy = xcalloc(1, sizeof *copy);

	assert(hooks->replaced && hooks->changed);
	copy->shared = *shared;
	copy->hooks = *hooks;
	strcpy(copy->version, "0");
	copy->lines = feed_lines_new();
	copy->misfits = feed_lines_new();
	copy->controls = map_new();
	copy->changed_controls = map_new();
	return copy;
}

void feed_copy_abandon(struct feed_copy *copy)
{
	forget_next(copy);
	feed_lines_clear(copy->lines);
	feed_lines_clear(copy->misfits);
	free_controls(copy->changed_controls);
	copy->changed_controls = map_new();
	copy->is_open = false;
}

void feed_copy_free(struct feed_copy *copy)
{
	if (!copy)
		return;
	feed_copy_abandon(copy);
	feed_lines_free(copy->lines);
	feed_lines_free(copy->misfits);
	free_controls(copy->controls);
	free_controls(copy->changed_controls);
	free(copy);
}

const char *feed_copy_version(const struct feed_copy *copy)
{
	return copy->version;
}

bool feed_copy_is_resetting(const struct feed_copy *copy)
{
	return copy->next_fleet != NULL;
}

uint64_t feed_copy_resets(const struct feed_copy *copy)
{
	return copy->resets;
}

void feed_copy_forget(struct feed_copy *copy)
{
	feed_copy_abandon(copy);
	strcpy(copy->version, "0");
}

size_t feed_copy_set_aside(const struct feed_copy *copy)
{
	return copy->set_aside;
}
