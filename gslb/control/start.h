/*
 * The start rule: the DNS sockets are opened when the first world is published and each probed target has a
 * finished round or a fresh stored state, or when start_wait is over. Control thread.
 */
#pragma once
#include "gslb/control/server.h"

void start_init(struct server *server);
void start_done(struct server *server);
/* The first world is published. */
void start_begin(struct server *server);
/* More is known of health than before, or less needs to be: the rule may be fulfilled now. */
void start_progress(struct server *server);
