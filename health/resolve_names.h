/*
 * VIPs and origins by host name: looks names up by c-ares, follows their TTL and keeps the addresses of a
 * fleet's VIPs in its services (fleet_vips_resolve). A failing look-up keeps the last addresses, which the
 * store has for the next start. Control thread; nothing here waits.
 */
#pragma once
#include "fleet/fleet.h"
#include <event2/event.h>

#define NAME_TTL_MIN_S 1
#define NAME_TTL_MAX_S 3600
#define NAME_RETRY_S 5 /* after a look-up that failed in any family */

struct resolve_names;
struct store;

struct resolve_names_hooks {
	void *user;
	/* A name has other addresses than before: resolve_names_fill brings them to the services. */
	void (*addresses_changed)(void *user);
	/* A name was looked up for the first time: resolve_names_are_known may answer otherwise now. */
	void (*progressed)(void *user);
};

/* store: NULL where a restart need not know addresses. resolvers: "127.0.0.1:53,[::1]:53"; NULL: those of the
 * system. */
struct resolve_names *resolve_names_new(struct event_base *base, struct store *store, const char *resolvers,
					const struct resolve_names_hooks *hooks);
/* Before the store is closed. NULL is fine. */
void resolve_names_free(struct resolve_names *names);
/* Makes the names those of the fleet and fills its services with the addresses that are known; before
 * the health book follows the fleet. */
void resolve_names_sync(struct resolve_names *names, const struct fleet *fleet);
/* Fills the fleet's services with the addresses that are known. True: one of them has others now. */
bool resolve_names_fill(const struct resolve_names *names, const struct fleet *fleet);
/* The same for names that the caller uses itself, absolute: they take the place of the ones before. */
void resolve_names_want(struct resolve_names *names, const char *const *wanted, size_t count);
/* The addresses of one of them; a fleet_addresses_fn, whose user is a struct resolve_names. */
size_t resolve_names_addresses(void *names, const char *name, const struct ip **ret);
/* Every name was looked up once, or has addresses from before the restart. */
bool resolve_names_are_known(const struct resolve_names *names);
