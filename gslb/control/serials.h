/*
 * Serials of zones with `serial: change`: the time of the last change of the zone's text or tenants, however
 * often gslbd is started again (RFC 1982: never backwards). Control thread.
 */
#pragma once
#include "daemon/config.h"
#include "fleet/fleet.h"

/* After a change of the fleet, before it is published: zones whose text or tenants were touched get the time
 * as their serial. */
void serials_renew(const struct fleet *fleet, const struct fleet_result *result, int64_t now_unix_s);
/* Of a fleet that is about to be taken over: the time of the last change that the files, the store and the
 * same zone of the fleet that is served until now know. */
void serials_restore(const struct fleet *fleet, const struct fleet *served, const struct node_config *config,
		     int64_t store_unix_s);
