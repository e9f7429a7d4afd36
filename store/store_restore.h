/*
 * Bringing a backup back into a state directory that no node uses. Any one thread.
 */
#pragma once
#include "lib/err.h"

struct store_summary {
	int64_t format; /* of the backup */
	int64_t fleet_version, objects, controls, audit_lines;
};
/* Whether it is a whole and undamaged copy of a format that this version knows. */
bool store_verify(const char *file, struct store_summary *ret, struct err_list *errors);
/* Verifies `file` and puts it in the place of the state directory's store, in the format that this version
 * writes. What was there stays beside it as gslb.db.before-restore. Refuses while a process uses the
 * directory. */
bool store_restore(const char *file, const char *state_dir, struct store_summary *ret,
		   struct err_list *errors);
/* What a restore that was cut off left to do, if anything; the caller holds the directory's lock. */
bool store_restore_finish(const char *state_dir, struct err_list *errors);
