/*
 * The operator's hand: controls on regions, regions × services, VIPs and origins, in memory; the
 * store holds the durable copy. Expired rows are dropped by the caller's timer through controls_expire.
 */
#pragma once
#include "store/store.h"

struct controls;

/* One key for each object that can be controlled; out of the fields of struct control_row. */
#define CONTROLS_KEY_MAX 512
void controls_key(const char *region, const char *service, const char *address,
		  char out[static CONTROLS_KEY_MAX]);

struct controls *controls_new(void);
void controls_free(struct controls *controls); /* NULL is fine */
/* Copies the row; replaces one of the same object. */
void controls_put(struct controls *controls, const struct control_row *row);
bool controls_remove(struct controls *controls, const char *region, const char *service,
		     const char *address); /* false: there was none */
/* NULL: none. service "" = the region's own; address "" = not a VIP's. */
const struct control_row *controls_get(const struct controls *controls, const char *region,
				       const char *service, const char *address);
/* The service's control on the region, else the region's, else NULL. */
const struct control_row *controls_effective(const struct controls *controls, const char *region,
					     const char *service);
/* for (size_t at = 0; (row = controls_next(controls, &at));) in order of definition */
const struct control_row *controls_next(const struct controls *controls, size_t *at);
/* Earliest expires_mono_ms, UINT64_MAX: none. */
uint64_t controls_next_expiry(const struct controls *controls);
/* Calls fn for every row that is due at now, then drops them; returns how many. */
size_t controls_expire(struct controls *controls, uint64_t now_mono_ms,
		       void (*fn)(void *user, const struct control_row *row), void *user);
