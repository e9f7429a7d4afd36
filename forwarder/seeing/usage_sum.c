/* From slots of workers to tenants. The writer's thread; the table is locked where others read it. */
#include "forwarder/seeing/usage_sum.h"
#include "forwarder/io/ring.h"
#include "lib/map.h"
#include "lib/mem.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_MINUTE 60000
#define MS_PER_HALF_HOUR (30 * MS_PER_MINUTE)

/* What was seen of a slot of a worker. */
struct seat {
	uint64_t hash;
	struct usage_tenant *tenant;
	uint64_t seen[USAGE_FIELDS];
};

struct place {
	uint32_t worker, slot;
};

struct usage_sum {
	struct worker_view *const *workers;
	size_t worker_count;
	struct seat **seats; /* of each worker, by slot; memory is taken where it is touched */
	size_t noted_count, noted_room, worker; /* worker: whose marks are taken */
	struct place *noted;
	int64_t unix_ms;
	struct usage_tenant *changed, **changed_end;
	pthread_mutex_t lock; /* of the table and what is in it */
	struct map *tenants;
	uint64_t gone[USAGE_FIELDS]; /* of those that left the table */
};
static_assert(USAGE_FIELDS == REQUEST_STATS_BILLED, "one each");

struct usage_sum *usage_sum_new(struct worker_view *const *workers, size_t worker_count)
{
	struct usage_sum *sum = xcalloc(1, sizeof *sum);

	sum->workers = workers;
	sum->worker_count = worker_count;
	sum->seats = xcalloc(worker_count + 1, sizeof *sum->seats);
	for (size_t i = 0; i < worker_count; i++)
		sum->seats[i] = xmap(REQUEST_STATS_TENANTS * sizeof **sum->seats);
	sum->tenants = map_new();
	sum->changed_end = &sum->changed;
	pthread_mutex_init(&sum->lock, NULL);
	return sum;
}

void usage_sum_free(struct usage_sum *sum)
{
	size_t at = 0;
	const char *key;

	if (!sum)
		return;
	for (struct usage_tenant *tenant; (tenant = map_next(sum->tenants, &at, &key));)
		free(tenant);
	map_free(sum->tenants);
	for (size_t i = 0; i < sum->worker_count; i++)
		xunmap(sum->seats[i], REQUEST_STATS_TENANTS * sizeof **sum->seats);
	pthread_mutex_destroy(&sum->lock);
	free(sum->seats);
	free(sum->noted);
	free(sum);
}

static struct usage_tenant *find_or_add(struct usage_sum *sum, const char *id, size_t length)
{
	char name[TENANT_NOTICE_ID_MAX + 1];

	assert(length < sizeof name);
	memcpy(name, id, length);
	name[length] = '\0';
	struct usage_tenant *tenant = map_get(sum->tenants, name);
	if (tenant)
		return tenant;
	tenant = xcalloc(1, sizeof *tenant + length + 1);
	memcpy(tenant->id, name, length + 1);
	map_put(sum->tenants, tenant->id, tenant);
	return tenant;
}

/* Nobody counts for it any more and its record is written. */
static void drop_idle(struct usage_sum *sum, struct usage_tenant *tenant)
{
	if (tenant->seats || tenant->is_changed)
		return;
	for (unsigned i = 0; i < USAGE_FIELDS; i++)
		sum->gone[i] += tenant->total[i];
	map_remove(sum->tenants, tenant->id);
	free(tenant);
}

static void set_changed(struct usage_sum *sum, struct usage_tenant *tenant)
{
	int64_t minute = sum->unix_ms / MS_PER_MINUTE;

	if (tenant->is_changed)
		return;
	if (tenant->minute != minute) {
		/* The last one is on the disk: another record begins. */
		tenant->minute = minute;
		tenant->seq = 0;
		memset(tenant->record, 0, sizeof tenant->record);
	}
	tenant->is_changed = true;
	tenant->next_changed = NULL;
	*sum->changed_end = tenant;
	sum->changed_end = &tenant->next_changed;
}

static void add_recent(struct usage_sum *sum, struct usage_tenant *tenant, uint64_t requests)
{
	int64_t half_hour = sum->unix_ms / MS_PER_HALF_HOUR;

	if (tenant->half_hour != half_hour) {
		tenant->recent[1] = tenant->half_hour == half_hour - 1 ? tenant->recent[0] : 0;
		tenant->recent[0] = 0;
		tenant->half_hour = half_hour;
	}
	tenant->recent[0] += requests;
}

static void add(struct usage_sum *sum, struct seat *seat, const uint64_t now[static USAGE_FIELDS])
{
	struct usage_tenant *tenant = seat->tenant;

	if (memcmp(seat->seen, now, sizeof seat->seen) == 0)
		return;
	set_changed(sum, tenant);
	add_recent(sum, tenant, now[USAGE_REQUESTS] - seat->seen[USAGE_REQUESTS]);
	for (unsigned i = 0; i < USAGE_FIELDS; i++) {
		assert(now[i] >= seat->seen[i]);
		tenant->record[i] += now[i] - seat->seen[i];
		tenant->total[i] += now[i] - seat->seen[i];
		seat->seen[i] = now[i];
	}
}

static void take_notice(struct usage_sum *sum, struct seat *seat, const struct tenant_notice *notice)
{
	struct usage_tenant *old = seat->tenant;

	if (old) {
		add(sum, seat, notice->before);
		old->seats--;
	}
	seat->hash = notice->hash;
	seat->tenant = find_or_add(sum, notice->id, notice->id_length);
	seat->tenant->seats++;
	memcpy(seat->seen, notice->before, sizeof seat->seen);
	if (old && old != seat->tenant)
		drop_idle(sum, old);
}

static void take_notices(struct usage_sum *sum, size_t worker)
{
	struct ring *ring = sum->workers[worker]->notices->ring;
	const struct tenant_notice *notice;
	size_t length;

	for (; (notice = ring_peek(ring, &length)); ring_next(ring)) {
		assert(length == sizeof *notice && notice->slot < REQUEST_STATS_TENANTS);
		take_notice(sum, &sum->seats[worker][notice->slot], notice);
	}
}

/* False: the slot's owner is not the one that is known here; a notice is on its way, or was lost. */
static bool read_place(struct usage_sum *sum, const struct place *place)
{
	struct seat *seat = &sum->seats[place->worker][place->slot];
	const struct request_stats_tenant *counted =
		&sum->workers[place->worker]->stats->tenants[place->slot];
	uint64_t now[USAGE_FIELDS], owner = atomic_load(&counted->owner);

	if (owner == 0)
		return true; /* nobody's */
	if (owner != seat->hash)
		return false;
	request_stats_billed(counted, now);
	if (atomic_load(&counted->owner) != owner)
		return false;
	add(sum, seat, now);
	return true;
}

static void read_noted(struct usage_sum *sum)
{
	size_t kept = 0;

	for (size_t i = 0; i < sum->noted_count; i++)
		if (!read_place(sum, &sum->noted[i]))
			sum->noted[kept++] = sum->noted[i];
	sum->noted_count = kept;
}

static void note(void *user, uint32_t slot)
{
	struct usage_sum *sum = user;

	xgrow((void **)&sum->noted, &sum->noted_room, sum->noted_count + 1, sizeof *sum->noted);
	sum->noted[sum->noted_count++] = (struct place){(uint32_t)sum->worker, slot};
}

static void note_all(struct usage_sum *sum)
{
	for (sum->worker = 0; sum->worker < sum->worker_count; sum->worker++)
		request_stats_take_marks(sum->workers[sum->worker]->stats, note, sum);
}

void usage_sum_look(struct usage_sum *sum, int64_t unix_ms, bool is_last)
{
	sum->unix_ms = unix_ms;
	if (is_last)
		note_all(sum);
	pthread_mutex_lock(&sum->lock);
	for (size_t i = 0; i < sum->worker_count; i++)
		take_notices(sum, i);
	read_noted(sum);
	pthread_mutex_unlock(&sum->lock);
	note_all(sum);
}

struct usage_tenant *usage_sum_changed(const struct usage_sum *sum)
{
	return sum->changed;
}

void usage_sum_written(struct usage_sum *sum, size_t count)
{
	pthread_mutex_lock(&sum->lock);
	for (; count > 0; count--) {
		struct usage_tenant *tenant = sum->changed;
		assert(tenant && tenant->is_changed);
		sum->changed = tenant->next_changed;
		if (!sum->changed)
			sum->changed_end = &sum->changed;
		tenant->is_changed = false;
		drop_idle(sum, tenant);
	}
	pthread_mutex_unlock(&sum->lock);
}

/* ---- the most ---- */

static uint64_t recent_of(const struct usage_sum *sum, const struct usage_tenant *tenant)
{
	int64_t age = sum->unix_ms / MS_PER_HALF_HOUR - tenant->half_hour;

	return age == 0 ? tenant->recent[0] + tenant->recent[1] : age == 1 ? tenant->recent[0] : 0;
}

/* A heap whose first has the fewest, so that it is the one to go. */
static void sift(struct usage_row *rows, size_t count, size_t at)
{
	for (;;) {
		size_t least = at, left = 2 * at + 1;
		for (size_t child = left; child < count && child <= left + 1; child++)
			if (rows[child].recent < rows[least].recent)
				least = child;
		if (least == at)
			return;
		struct usage_row row = rows[at];
		rows[at] = rows[least];
		rows[least] = row;
		at = least;
	}
}

static void add_others(uint64_t others[static USAGE_FIELDS], const uint64_t total[static USAGE_FIELDS])
{
	for (unsigned i = 0; i < USAGE_FIELDS; i++)
		others[i] += total[i];
}

static int by_recent(const void *a, const void *b)
{
	const struct usage_row *first = a, *second = b;

	if (first->recent != second->recent)
		return first->recent < second->recent ? 1 : -1;
	return strcmp(first->id, second->id);
}

size_t usage_sum_top(struct usage_sum *sum, size_t most, struct usage_row *ret,
		     uint64_t ret_others[static USAGE_FIELDS])
{
	size_t count = 0, at = 0;
	const char *key;

	assert(most > 0);
	pthread_mutex_lock(&sum->lock);
	memcpy(ret_others, sum->gone, sizeof sum->gone);
	for (struct usage_tenant *tenant; (tenant = map_next(sum->tenants, &at, &key));) {
		struct usage_row row = {.id = tenant->id, .recent = recent_of(sum, tenant)};
		memcpy(row.total, tenant->total, sizeof row.total);
		if (count < most) {
			ret[count++] = row;
			if (count == most)
				for (size_t i = most / 2 + 1; i-- > 0;)
					sift(ret, most, i);
		} else if (row.recent > ret[0].recent) {
			add_others(ret_others, ret[0].total);
			ret[0] = row;
			sift(ret, most, 0);
		} else {
			add_others(ret_others, row.total);
		}
	}
	for (size_t i = 0; i < count; i++)
		ret[i].id = xstrdup(ret[i].id);
	pthread_mutex_unlock(&sum->lock);
	qsort(ret, count, sizeof *ret, by_recent);
	return count;
}
