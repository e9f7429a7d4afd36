/*
 * Which clients pass a region over: those outside of its share, and those that it sheds; and to where these
 * go. Pure, on the UDP path where a region of the service has such a share or sheds; any thread.
 */
#pragma once
#include "gslb/decide/choose.h"

/* `members`: the regions that the client's tier has for it. The one that takes it from the first of them; 0:
 * it stays. `candidates`: all regions of the client. Sets what struct choice has of STEP_SHED. */
region_set choose_shed(struct choice *choice, const struct client *client, region_set members,
		       region_set candidates);
/* The members that a client with this hash passes over because of their shares. */
region_set choose_outside_shares(const struct plan_service *service, region_set members,
				 uint64_t client_hash);
