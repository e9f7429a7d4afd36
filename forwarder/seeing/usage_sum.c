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
	uint64_t all[USAGE_FIELDS]; /* since the start */
	/* Those with the most requests, as far as they asked since others had fewer. */
	uint32_t top_count;
	uint64_t top_least; /* requests of the least of them */
	int64_t top_half_hour;
	struct usage_tenant *top[USAGE_SUM_TOP];
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

/* ---- the most ---- */

static uint64_t recent_of(const struct usage_sum *sum, const struct usage_tenant *tenant)
{
	int64_t age = sum->unix_ms / MS_PER_HALF_HOUR - tenant->half_hour;

	return age == 0 ? tenant->recent[0] + tenant->recent[1] : age == 1 ? tenant->recent[0] : 0;
}

static void set_top(struct usage_sum *sum, uint32_t place, struct usage_tenant *tenant)
{
	assert(place < USAGE_SUM_TOP);
	sum->top[place] = tenant;
	tenant->top = place + 1;
}

static void leave_top(struct usage_sum *sum, struct usage_tenant *tenant)
{
	if (!tenant->top)
		return;
	set_top(sum, tenant->top - 1, sum->top[--sum->top_count]);
	tenant->top = 0;
}

/* The place of the least; its requests become the bound that another has to pass. */
static uint32_t find_least(struct usage_sum *sum)
{
	uint32_t least = 0;

	sum->top_half_hour = sum->unix_ms / MS_PER_HALF_HOUR;
	sum->top_least = UINT64_MAX;
	for (uint32_t i = 0; i < sum->top_count; i++) {
		uint64_t recent = recent_of(sum, sum->top[i]);
		if (recent < sum->top_least) {
			sum->top_least = recent;
			least = i;
		}
	}
	return least;
}

/* It has more than before. In a new half hour all others have less. */
static void consider_for_top(struct usage_sum *sum, struct usage_tenant *tenant)
{
	if (tenant->top)
		return;
	if (sum->top_count < USAGE_SUM_TOP) {
		set_top(sum, sum->top_count++, tenant);
		return;
	}
	if (recent_of(sum, tenant) <= sum->top_least && sum->top_half_hour == sum->unix_ms / MS_PER_HALF_HOUR)
		return;
	uint32_t least = find_least(sum);
	if (recent_of(sum, tenant) <= sum->top_least)
		return;
	sum->top[least]->top = 0;
	set_top(sum, least, tenant);
}

/* ---- tenants ---- */

/* Nobody counts for it any more and its record is written. */
static void drop_idle(struct usage_sum *sum, struct usage_tenant *tenant)
{
	if (tenant->seats || tenant->is_changed)
		return;
	leave_top(sum, tenant);
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
	consider_for_top(sum, tenant);
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
		sum->all[i] += now[i] - seat->seen[i];
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

/* ---- telling ---- */

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
	struct usage_row *rows = xcalloc(USAGE_SUM_TOP, sizeof *rows);

	assert(most > 0 && most <= USAGE_SUM_TOP);
	pthread_mutex_lock(&sum->lock);
	size_t count = sum->top_count;
	for (size_t i = 0; i < count; i++) {
		const struct usage_tenant *tenant = sum->top[i];
		rows[i] = (struct usage_row){xstrdup(tenant->id), recent_of(sum, tenant), {0}};
		memcpy(rows[i].total, tenant->total, sizeof rows[i].total);
	}
	memcpy(ret_others, sum->all, sizeof sum->all);
	pthread_mutex_unlock(&sum->lock);
	qsort(rows, count, sizeof *rows, by_recent);
	for (size_t i = most; i < count; i++)
		free(rows[i].id);
	count = count < most ? count : most;
	for (size_t i = 0; i < count; i++) {
		ret[i] = rows[i];
		for (unsigned k = 0; k < USAGE_FIELDS; k++)
			ret_others[k] -= rows[i].total[k];
	}
	free(rows);
	return count;
}
