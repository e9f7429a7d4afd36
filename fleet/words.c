/* The words for steering and states, as documents, API, metrics and tools have them. Constant. */
#include "fleet/words.h"
#include "checker/probe_spec.h"
#include <assert.h>
#include <stddef.h>

const char *const fleet_order_word[] = {[ORDER_NEAREST] = "nearest",
					[ORDER_LISTED] = "listed",
					[ORDER_MAP] = "map",
					[ORDER_NONE] = "none",
					[ORDER_KINDS] = NULL};

bool fleet_order_uses_place(enum order_kind order)
{
	switch (order) {
	case ORDER_NEAREST:
	case ORDER_MAP:
		return true;
	case ORDER_LISTED:
	case ORDER_NONE:
		return false;
	case ORDER_KINDS:
		break;
	}
	assert(!"no such order");
	return false;
}

const char *const fleet_split_word[] = {
	[SPLIT_STICKY] = "sticky", [SPLIT_RANDOM] = "random", [SPLITS] = NULL};

const char *const fleet_last_resort_word[] = {[LAST_RESORT_ALL] = "all",
					      [LAST_RESORT_FIRST] = "first",
					      [LAST_RESORT_NODATA] = "nodata",
					      [LAST_RESORT_LAST_GOOD] = "last-good",
					      [LAST_RESORT_ADDRESSES] = NULL};

const char *const fleet_vip_state_word[] = {
	[VIP_DOWN] = "down", [VIP_UP] = "up", [VIP_UNKNOWN] = "unknown", [VIP_STATES] = NULL};

const char *const fleet_verify_word[] = {
	[PROBE_VERIFY_NONE] = "none", [PROBE_VERIFY_CHAIN] = "chain", [PROBE_VERIFY_FULL] = "full", NULL};
