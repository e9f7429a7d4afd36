/* See the header: a ring of names. Control thread. */
#include "gslb/control/journal.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static_assert((JOURNAL_ENTRIES & (JOURNAL_ENTRIES - 1)) == 0, "positions wrap by a mask");

struct slot {
	char *key; /* owned; NULL: none yet */
	uint8_t kind;
	bool is_control;
};

struct journal {
	struct slot *slots;
	size_t capacity;     /* grows up to JOURNAL_ENTRIES: most fleets change little */
	uint64_t first, end; /* positions */
	char instance[20];
	void (*changed)(void *user);
	void *user;
};

struct journal *journal_new(void)
{
	struct journal *journal = xcalloc(1, sizeof *journal);
	struct rng rng;
	rng_seed_from_system(&rng);
	snprintf(journal->instance, sizeof journal->instance, "%016" PRIx64, rng_next(&rng));
	return journal;
}

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	for (size_t i = 0; i < journal->capacity; i++)
		free(journal->slots[i].key);
	free(journal->slots);
	free(journal);
}

const char *journal_instance(const struct journal *journal)
{
	return journal->instance;
}

uint64_t journal_end(const struct journal *journal)
{
	return journal->end;
}

void journal_version(const struct journal *journal, uint64_t position, char out[static JOURNAL_VERSION_MAX])
{
	snprintf(out, JOURNAL_VERSION_MAX, "%s-%" PRIu64, journal->instance, position);
}

bool journal_reaches(const struct journal *journal, uint64_t position)
{
	return position >= journal->first && position <= journal->end;
}

struct journal_entry journal_at(const struct journal *journal, uint64_t position)
{
	assert(position >= journal->first && position < journal->end);
	const struct slot *slot = &journal->slots[position & (journal->capacity - 1)];
	return (struct journal_entry){slot->is_control, (enum fleet_kind)slot->kind, slot->key};
}

/* Twice as many slots, or all of them; each entry moves to where its position leads. */
static void grow(struct journal *journal)
{
	size_t capacity = journal->capacity ? 2 * journal->capacity : 256;
	struct slot *slots = xcalloc(capacity, sizeof *slots);
	for (uint64_t at = journal->first; at < journal->end; at++)
		slots[at & (capacity - 1)] = journal->slots[at & (journal->capacity - 1)];
	free(journal->slots);
	journal->slots = slots;
	journal->capacity = capacity;
}

static void add(struct journal *journal, struct slot slot)
{
	assert(slot.key && journal->end - journal->first <= journal->capacity);
	if (journal->end - journal->first == journal->capacity) {
		if (journal->capacity < JOURNAL_ENTRIES)
			grow(journal);
		else
			journal->first++;
	}
	struct slot *place = &journal->slots[journal->end & (journal->capacity - 1)];
	free(place->key);
	*place = slot;
	journal->end++;
}

static void tell(struct journal *journal)
{
	if (journal->changed)
		journal->changed(journal->user);
}

void journal_add_fleet(struct journal *journal, const struct fleet_result *result)
{
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_touched *touched = &result->touched[i];
		const struct fleet_object *object = touched->after ? touched->after : touched->before;
		assert(object && object->kind == touched->kind);
		add(journal, (struct slot){.key = xstrdup(object->id), .kind = (uint8_t)touched->kind});
	}
	tell(journal);
}

void journal_add_control(struct journal *journal, const struct control_row *row)
{
	size_t region = strlen(row->region) + 1, service = strlen(row->service) + 1;
	size_t address = strlen(row->address) + 1;
	char *key = xmalloc(region + service + address);
	memcpy(key, row->region, region);
	memcpy(key + region, row->service, service);
	memcpy(key + region + service, row->address, address);
	add(journal, (struct slot){.key = key, .is_control = true});
	tell(journal);
}

void journal_reset(struct journal *journal)
{
	for (size_t i = 0; i < journal->capacity; i++)
		free(journal->slots[i].key);
	free(journal->slots);
	journal->slots = NULL;
	journal->capacity = 0;
	journal->first = ++journal->end;
	tell(journal);
}

void journal_listen(struct journal *journal, void (*changed)(void *user), void *user)
{
	journal->changed = changed;
	journal->user = user;
}
