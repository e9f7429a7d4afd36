/*
 * VIPs by host name: looks the fleet's names up by c-ares, follows their TTL and keeps the addresses in
 * the services (fleet_vips_resolve). A failing look-up keeps the last addresses, which the store has
 * for the next start. Control thread; nothing here waits.
 */
#pragma once
#include "fleet/fleet.h"

#define NAME_TTL_MIN_S 1
#define NAME_TTL_MAX_S 3600
#define NAME_RETRY_S 5 /* after a look-up that failed in any family */

struct server;
struct resolve_names;

struct resolve_names *resolve_names_new(struct server *server);
/* Before the store is closed. NULL is fine. */
void resolve_names_free(struct resolve_names *names);
/* Makes the names those of the fleet and fills its services with the addresses that are known; before
 * the health book follows the fleet. */
void resolve_names_sync(struct resolve_names *names, const struct fleet *fleet);
/* Every name was looked up once, or has addresses from before the restart. */
bool resolve_names_are_known(const struct resolve_names *names);
