/* The SOA record of negative answers, compressed once for all of them. The thread that builds the zone. */
#pragma once
#include "zones/zone.h"

/* Fills zone->negative from the SOA and the negative TTL. */
void negative_compress(struct zone *zone);
