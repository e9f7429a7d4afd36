/* See the header. */
#include "health/load_book.h"
#include "fleet/words.h"
#include "lib/log.h"
#include "lib/map.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNTS_APART_MS 5000

struct load_book {
	struct map *entries; /* "region/service" → struct load_entry *, owned */
	struct map *nodes;   /* id → struct load_node *, owned */
	size_t record_count;
	load_changed_fn *changed;
	void *user;
};

struct load_book *load_book_new(load_changed_fn *changed, void *user)
{
	struct load_book *book = xcalloc(1, sizeof *book);
	book->entries = map_new();
	book->nodes = map_new();
	book->changed = changed;
	book->user = user;
	return book;
}

static void entry_free(struct load_entry *entry)
{
	for (size_t i = 0; i < entry->count; i++)
		free(entry->records[i]);
	free(entry->records);
	free(entry);
}

void load_book_free(struct load_book *book)
{
	const char *key;
	void *value;
	if (!book)
		return;
	for (size_t at = 0; (value = map_next(book->entries, &at, &key));)
		entry_free(value);
	for (size_t at = 0; (value = map_next(book->nodes, &at, &key));)
		free(value);
	map_free(book->entries);
	map_free(book->nodes);
	free(book);
}

/* ---- looking ---- */

static void entry_key(const char *region, const char *service, char out[static 2 * LOAD_REPORT_ID_MAX])
{
	snprintf(out, 2 * LOAD_REPORT_ID_MAX, "%.63s/%.63s", region, service);
}

static struct load_entry *find(const struct load_book *book, const char *region, const char *service)
{
	char key[2 * LOAD_REPORT_ID_MAX];
	entry_key(region, service, key);
	return map_get(book->entries, key);
}

const struct load_entry *load_book_find(const struct load_book *book, const char *region, const char *service)
{
	return find(book, region, service);
}

const struct load_entry *load_book_next(const struct load_book *book, size_t *at)
{
	const char *key;
	return map_next(book->entries, at, &key);
}

const struct load_node *load_book_next_node(const struct load_book *book, size_t *at)
{
	const char *key;
	return map_next(book->nodes, at, &key);
}

static bool is_within(uint64_t seen_ms, uint64_t now_ms, uint64_t most_ms)
{
	return now_ms <= seen_ms || now_ms - seen_ms <= most_ms;
}

bool load_record_is_fresh(const struct load_record *record, uint64_t now_ms)
{
	return is_within(record->node->seen_ms, now_ms, LOAD_FRESH_MS) &&
	       is_within(record->seen_ms, now_ms, LOAD_RECORD_MS);
}

struct load_rates load_record_rates(const struct load_record *record)
{
	const struct load_counts *from = &record->counts[0];
	const struct load_service *now = &record->now;
	if (record->seen_ms <= from->at_ms)
		return (struct load_rates){0};
	double seconds = (double)(record->seen_ms - from->at_ms) / 1000;
	return (struct load_rates){
		.requests = (double)(now->requests - from->requests) / seconds,
		.errors = (double)(now->errors - from->errors) / seconds,
		.limited = (double)(now->limited - from->limited) / seconds,
		.tail_in = (double)(now->tail_in - from->tail_in) / seconds,
		.tail_out = (double)(now->tail_out - from->tail_out) / seconds,
	};
}

/* ---- what is left of a region ---- */

struct sum {
	unsigned nodes, draining;
	uint64_t current, target, max;
	double weight, weight_by_max;
};

/* Each node counts by what it can bear, so that one of many lowers the region by its own part alone. */
static uint16_t scale_of(const struct sum *sum)
{
	unsigned up = sum->nodes - sum->draining;
	assert(sum->draining <= sum->nodes);
	if (up == 0)
		return 0; /* all of them are leaving */
	double share = sum->max > 0 ? sum->weight_by_max / (double)sum->max : sum->weight / up;
	uint16_t scale = (uint16_t)(share * SCORE_FULL + 0.5);
	if (scale == 0 && share > 0)
		scale = 1; /* a little is not nothing */
	return scale < SCORE_FULL ? scale : SCORE_FULL;
}

static struct sum sum_of(const struct load_entry *entry, uint64_t now_ms)
{
	struct sum sum = {0};
	for (size_t i = 0; i < entry->count; i++) {
		const struct load_record *record = entry->records[i];
		if (!load_record_is_fresh(record, now_ms))
			continue;
		sum.nodes++;
		if (record->node->state == LOAD_DRAINING) {
			sum.draining++;
			continue;
		}
		sum.current += record->now.current;
		sum.target += record->now.target;
		sum.max += record->now.max;
		sum.weight += record->now.weight;
		sum.weight_by_max += record->now.weight * record->now.max;
	}
	return sum;
}

static void evaluate(struct load_book *book, struct load_entry *entry, uint64_t now_ms)
{
	struct sum sum = sum_of(entry, now_ms);
	entry->is_fresh = sum.nodes > 0;
	entry->nodes = sum.nodes;
	entry->draining = sum.draining;
	if (!entry->is_fresh)
		return;
	entry->fresh_ms = now_ms;
	entry->current = sum.current;
	entry->target = sum.target;
	entry->max = sum.max;
	uint16_t scale = scale_of(&sum);
	if (scale == entry->scale)
		return;
	entry->scale = scale;
	entry->changed_ms = now_ms;
	book->changed(book->user, entry->region, entry->service);
}

/* ---- reports ---- */

static bool is_later(const struct load_report *report, const struct load_node *node)
{
	if (report->epoch != node->epoch)
		return report->epoch > node->epoch;
	if (report->seq != node->seq)
		return report->seq > node->seq;
	return report->part > node->part;
}

static void drop_record(struct load_book *book, struct load_entry *entry, size_t at)
{
	assert(at < entry->count && book->record_count > 0);
	free(entry->records[at]);
	entry->records[at] = entry->records[--entry->count];
	book->record_count--;
}

/* Of a node that has moved to another region, or is forgotten. */
static void drop_records_of(struct load_book *book, const struct load_node *node, uint64_t now_ms)
{
	const char *key;
	struct load_entry *entry;
	for (size_t at = 0; (entry = map_next(book->entries, &at, &key));) {
		size_t before = entry->count;
		for (size_t i = entry->count; i-- > 0;)
			if (entry->records[i]->node == node)
				drop_record(book, entry, i);
		if (entry->count < before)
			evaluate(book, entry, now_ms);
	}
}

static struct load_node *node_of(struct load_book *book, const struct load_report *report)
{
	struct load_node *node = map_get(book->nodes, report->node);
	if (node || map_count(book->nodes) == LOAD_NODES_MAX)
		return node;
	node = xcalloc(1, sizeof *node);
	strcpy(node->node, report->node);
	strcpy(node->region, report->region);
	map_put(book->nodes, node->node, node);
	return node;
}

static struct load_entry *entry_of(struct load_book *book, const char *region, const char *service)
{
	char key[2 * LOAD_REPORT_ID_MAX];
	struct load_entry *entry = find(book, region, service);
	if (entry)
		return entry;
	entry = xcalloc(1, sizeof *entry);
	strcpy(entry->region, region);
	strcpy(entry->service, service);
	entry->scale = SCORE_FULL;
	entry_key(region, service, key);
	map_put(book->entries, key, entry);
	return entry;
}

static struct load_record *record_of(struct load_book *book, struct load_entry *entry, struct load_node *node)
{
	for (size_t i = 0; i < entry->count; i++)
		if (entry->records[i]->node == node)
			return entry->records[i];
	xgrow((void **)&entry->records, &entry->capacity, entry->count + 1, sizeof *entry->records);
	struct load_record *record = xcalloc(1, sizeof *record);
	record->node = node;
	entry->records[entry->count++] = record;
	book->record_count++;
	return record;
}

static void note_counts(struct load_record *record, bool begins_anew, uint64_t now_ms)
{
	const struct load_service *now = &record->now;
	const struct load_counts counts = {now_ms,	 now->requests, now->errors,
					   now->limited, now->tail_in,	now->tail_out};
	if (begins_anew) {
		record->counts[0] = record->counts[1] = counts;
	} else if (now_ms - record->counts[1].at_ms >= COUNTS_APART_MS) {
		record->counts[0] = record->counts[1];
		record->counts[1] = counts;
	}
}

static void take_service(struct load_book *book, struct load_node *node, const struct load_service *service,
			 bool is_new_epoch, uint64_t now_ms)
{
	struct load_entry *entry = entry_of(book, node->region, service->service);
	struct load_record *record = record_of(book, entry, node);
	bool begins_anew = is_new_epoch || record->seen_ms == 0 || service->requests < record->now.requests;
	record->seen_ms = now_ms;
	record->now = *service;
	note_counts(record, begins_anew, now_ms);
	evaluate(book, entry, now_ms);
}

/* What the node tells of its state holds for all of its services. */
static void evaluate_region(struct load_book *book, const char *region, uint64_t now_ms)
{
	const char *key;
	struct load_entry *entry;
	for (size_t at = 0; (entry = map_next(book->entries, &at, &key));)
		if (strcmp(entry->region, region) == 0)
			evaluate(book, entry, now_ms);
}

enum load_outcome load_book_accept(struct load_book *book, const struct load_report *report, uint64_t now_ms)
{
	struct load_node *known = map_get(book->nodes, report->node);
	assert(report->node[0] && report->region[0]);
	if (known && !is_later(report, known))
		return LOAD_OLD;
	if (book->record_count + report->service_count > LOAD_RECORDS_MAX)
		return LOAD_TOO_MANY;
	struct load_node *node = node_of(book, report);
	if (!node)
		return LOAD_TOO_MANY;
	bool is_new_epoch = !known || node->epoch != report->epoch;
	bool is_other_state = known && node->state != report->state;
	if (strcmp(node->region, report->region) != 0) {
		drop_records_of(book, node, now_ms);
		strcpy(node->region, report->region);
	}
	if (node->is_silent && node->state == LOAD_UP)
		log_info("forwarder %s in %s reports its load again", node->node, node->region);
	node->is_silent = false;
	node->epoch = report->epoch;
	node->seq = report->seq;
	node->part = report->part;
	node->state = report->state;
	node->seen_ms = now_ms;
	for (size_t i = 0; i < report->service_count; i++)
		take_service(book, node, &report->services[i], is_new_epoch, now_ms);
	if (is_other_state)
		evaluate_region(book, node->region, now_ms);
	return LOAD_ACCEPTED;
}

/* ---- age ---- */

static void tell_silence(struct load_node *node, uint64_t now_ms)
{
	if (node->is_silent || is_within(node->seen_ms, now_ms, LOAD_SILENT_MS))
		return;
	node->is_silent = true;
	if (node->state == LOAD_UP) /* who drains is expected to leave */
		log_warning("forwarder %s in %s has not reported its load for %d s: what it said last holds",
			    node->node, node->region, LOAD_SILENT_MS / 1000);
}

static void drop_node(struct load_book *book, struct load_node *node, uint64_t now_ms)
{
	drop_records_of(book, node, now_ms);
	map_remove(book->nodes, node->node);
	free(node);
}

static void forget_nodes(struct load_book *book, uint64_t now_ms)
{
	const char *key;
	struct load_node *node;
	for (size_t at = 0; (node = map_next(book->nodes, &at, &key));) {
		tell_silence(node, now_ms);
		if (is_within(node->seen_ms, now_ms, LOAD_FORGOTTEN_MS))
			continue;
		drop_node(book, node, now_ms);
		at = 0; /* a map must not change under its iterator */
	}
}

/* Where nobody speaks any more, nothing is known. */
static void drop_entry(struct load_book *book, struct load_entry *entry)
{
	char key[2 * LOAD_REPORT_ID_MAX];
	bool was_lowered = entry->scale != SCORE_FULL;
	struct load_entry copy = *entry;
	entry_key(entry->region, entry->service, key);
	while (entry->count > 0)
		drop_record(book, entry, entry->count - 1);
	map_remove(book->entries, key);
	entry_free(entry);
	if (was_lowered)
		book->changed(book->user, copy.region, copy.service);
}

static void drop_old_records(struct load_book *book, struct load_entry *entry, uint64_t now_ms)
{
	for (size_t i = entry->count; i-- > 0;)
		if (!is_within(entry->records[i]->seen_ms, now_ms, LOAD_FORGOTTEN_MS))
			drop_record(book, entry, i);
}

void load_book_turn(struct load_book *book, uint64_t now_ms)
{
	const char *key;
	struct load_entry *entry;
	forget_nodes(book, now_ms);
	for (size_t at = 0; (entry = map_next(book->entries, &at, &key));) {
		evaluate(book, entry, now_ms);
		drop_old_records(book, entry, now_ms);
		if (entry->is_fresh || is_within(entry->fresh_ms, now_ms, LOAD_FORGOTTEN_MS))
			continue;
		drop_entry(book, entry);
		at = 0;
	}
}
