/*
 * Controls in memory: one row per region, region × service, or VIP, found by text key. Few rows (an
 * operator's hand), so lists are walked where no key is given. Control thread.
 */
#include "store/controls.h"

#include "lib/map.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct controls {
	struct map *rows; /* key → struct control_row *, owned */
};

/* By hand: for each VIP of a service that is compiled keys are made, and printf is most of it. */
void controls_key(const char *region, const char *service, const char *address,
		  char out[static CONTROLS_KEY_MAX])
{
	const char *const parts[] = {region, "/", address[0] ? "" : service, "/", address};
	size_t used = 0;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		for (const char *at = parts[i]; *at && used < CONTROLS_KEY_MAX - 1; at++)
			out[used++] = *at;
	out[used] = '\0';
}

static void free_row(struct control_row *row)
{
	if (!row)
		return;
	free(row->reason);
	free(row->author);
	free(row);
}

struct controls *controls_new(void)
{
	struct controls *controls = xcalloc(1, sizeof *controls);
	controls->rows = map_new();
	return controls;
}

void controls_free(struct controls *controls)
{
	if (!controls)
		return;
	struct control_row *row;
	const char *key;
	for (size_t at = 0; (row = map_next(controls->rows, &at, &key));)
		free_row(row);
	map_free(controls->rows);
	free(controls);
}

void controls_put(struct controls *controls, const struct control_row *row)
{
	char key[CONTROLS_KEY_MAX];
	assert(row->region[0] && row->share >= SHARE_DOWN && row->share <= 100);
	struct control_row *copy = xmemdup(row, sizeof *row);
	copy->reason = xstrdup(row->reason ? row->reason : "");
	copy->author = xstrdup(row->author ? row->author : "");
	controls_key(row->region, row->service, row->address, key);
	assert(strlen(key) < sizeof key - 1); /* whole, so that no two objects share one */
	free_row(map_put(controls->rows, key, copy));
}

bool controls_remove(struct controls *controls, const char *region, const char *service, const char *address)
{
	char key[CONTROLS_KEY_MAX];
	controls_key(region, service, address, key);
	struct control_row *row = map_remove(controls->rows, key);
	bool is_found = row != NULL;
	free_row(row);
	return is_found;
}

const struct control_row *controls_get(const struct controls *controls, const char *region,
				       const char *service, const char *address)
{
	char key[CONTROLS_KEY_MAX];
	controls_key(region, service, address, key);
	return map_get(controls->rows, key);
}

const struct control_row *controls_effective(const struct controls *controls, const char *region,
					     const char *service)
{
	const struct control_row *row = controls_get(controls, region, service, "");
	return row ? row : controls_get(controls, region, "", "");
}

const struct control_row *controls_next(const struct controls *controls, size_t *at)
{
	const char *key;
	return map_next(controls->rows, at, &key);
}

uint64_t controls_next_expiry(const struct controls *controls)
{
	uint64_t earliest = UINT64_MAX;
	const struct control_row *row;
	for (size_t at = 0; (row = controls_next(controls, &at));)
		if (row->expires_mono_ms != 0 && row->expires_mono_ms < earliest)
			earliest = row->expires_mono_ms;
	return earliest;
}

static bool is_due(const struct control_row *row, uint64_t now_mono_ms)
{
	return row->expires_mono_ms != 0 && row->expires_mono_ms <= now_mono_ms;
}

size_t controls_expire(struct controls *controls, uint64_t now_mono_ms,
		       void (*fn)(void *user, const struct control_row *row), void *user)
{
	size_t due = 0;
	const struct control_row *row;
	for (size_t at = 0; (row = controls_next(controls, &at));) {
		if (!is_due(row, now_mono_ms))
			continue;
		fn(user, row);
		due++;
	}
	/* Dropped one a walk: a map must not change under its iterator. */
	for (size_t at = 0; (row = controls_next(controls, &at));) {
		if (!is_due(row, now_mono_ms))
			continue;
		struct control_row key = *row;
		controls_remove(controls, key.region, key.service, key.address);
		at = 0;
	}
	return due;
}
