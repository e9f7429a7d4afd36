/*
 * What an operator may say of steering and what states are called: the enumerations and their words, one
 * table each. Documents are read and written by them, the decision is compiled from them, API, metrics and
 * tools show them. Needs nothing of the fleet, so that gslb/decide may include it. Constant.
 */
#pragma once
#include <stdbool.h>

enum order_kind { ORDER_NEAREST, ORDER_LISTED, ORDER_MAP, ORDER_NONE, ORDER_KINDS };
extern const char *const fleet_order_word[ORDER_KINDS + 1]; /* ends with NULL, as all of these do */
bool fleet_order_uses_place(enum order_kind order);	    /* whether it asks where a client is */

enum split { SPLIT_STICKY, SPLIT_RANDOM, SPLITS };
extern const char *const fleet_split_word[SPLITS + 1];

enum last_resort {
	LAST_RESORT_ALL,
	LAST_RESORT_FIRST,
	LAST_RESORT_NODATA,
	LAST_RESORT_LAST_GOOD,
	LAST_RESORT_ADDRESSES, /* a list as written, for tenants that name no regions; it has no word */
};
extern const char *const fleet_last_resort_word[LAST_RESORT_ADDRESSES + 1];

/* In order of precedence. */
enum map_rule_kind { MAP_PREFIX, MAP_ASN, MAP_SUBDIVISION, MAP_COUNTRY, MAP_CONTINENT, MAP_DEFAULT };

/* Different lists [nearest, …] that the prefix and AS rules of a map may have: each costs a table. */
#define FLEET_NEAREST_LISTS_MAX 16

enum vip_state { VIP_DOWN, VIP_UP, VIP_UNKNOWN, VIP_STATES };
extern const char *const fleet_vip_state_word[VIP_STATES + 1];

extern const char *const fleet_verify_word[]; /* of enum probe_verify */

/* The score of a VIP is 0 to this. */
#define SCORE_FULL 1000

/* The share of a control is 0 to 100, or this: "down". */
#define SHARE_DOWN (-1)
