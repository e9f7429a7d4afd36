/*
 * A small world from a few lines of text, through the public functions of zones/ and decide/ alone.
 * For tests; a mistake in the text aborts with a message.
 *
 *   set edns_size=N nsid=TEXT ecs=true|false tcp_connections=N tcp_per_client=N tcp_queries=N tcp_idle_ms=N
 *   region ID LATITUDE LONGITUDE             numbered in order from 0
 *   place PREFIX LATITUDE LONGITUDE
 *   service ID [order=nearest|listed|none] [split=sticky|random] [last_resort=all|first|nodata]
 *           [answers=N] [prefix4=N] [prefix6=N] [ttl_min=N] [ttl_max=N]
 *   vip SERVICE REGION ADDRESS [weight=N] [state=up|down|unknown] [drained=1]
 *   share SERVICE REGION N|down
 *   shed SERVICE REGION [below=BUCKET] [headroom=N]   clients of buckets below leave
 *   zone NAME                                the master file follows, up to a line "end"
 *   tenant NAME SERVICE [regions=ID,ID] [suspended=1] [queries=N] [nxdomain=N]
 *                                            numbered in order from 0; budgets a second, one worker's
 */
#pragma once
#include "gslb/decide/world.h"

struct world *fixture_world(const char *text); /* world_free */
