/*
 * Which objects and controls changed, in order: what GET /v1/changes follows. It holds names, not values: who
 * reads it takes the values of the moment. Bounded; who is too far behind begins anew. Control thread.
 */
#pragma once
#include "fleet/fleet.h"
#include "store/store.h"

#define JOURNAL_ENTRIES (1 << 17) /* a power of two; about 5 MB when as many objects have changed */

struct journal;

struct journal_entry {
	bool is_control;
	enum fleet_kind kind; /* of an object */
	/* The object's id; of a control region, service and address, each with its NUL. */
	const char *key;
};

struct journal *journal_new(void);
void journal_free(struct journal *journal); /* NULL is fine */

/* What this process counts is no other's: told with each position. */
const char *journal_instance(const struct journal *journal);
/* The position behind the last entry. The entries of one change stand together, and nobody reads between. */
uint64_t journal_end(const struct journal *journal);
/* The position as the version of a feed: "INSTANCE-POSITION". */
#define JOURNAL_VERSION_MAX 48
void journal_version(const struct journal *journal, uint64_t position, char out[static JOURNAL_VERSION_MAX]);
/* Whether everything that changed since this position is known. */
bool journal_reaches(const struct journal *journal, uint64_t position);
/* The entry at a position that is reached and before the end; until the journal changes. */
struct journal_entry journal_at(const struct journal *journal, uint64_t position);

void journal_add_fleet(struct journal *journal, const struct fleet_result *result);
void journal_add_control(struct journal *journal, const struct control_row *row);
/* Everything may be different: no position of before is reached any more. */
void journal_reset(struct journal *journal);
/* `changed` is called after each addition and reset; one listener. */
void journal_listen(struct journal *journal, void (*changed)(void *user), void *user);
