/* When DNS may be answered. Control thread. */
#include "gslb/control/start.h"
#include "gslb/compile/world_builder.h"
#include "gslb/control/server_internal.h"
#include "health/health_book.h"
#include "health/resolve_names.h"
#include "lib/log.h"
#include <assert.h>

static void open_sockets(struct server *server)
{
	assert(server->is_loaded && !server->is_ready);
	struct err_list errors = {0};
	evtimer_del(server->start_timer);
	server->is_waiting_health = false;
	world_builder_settle(server->builder); /* the first answer knows what the probes found */
	if (!server->hooks->start_serving(server->hooks->user, &errors)) {
		err_print(&errors, stderr);
		server->has_failed = true;
		event_base_loopbreak(server->base);
	} else {
		server->is_ready = true;
		for (size_t i = 0; i < errors.count; i++)
			log_warning("%s", errors.items[i].message);
		log_info("ready: answering %zu zones, %zu tenants", fleet_count(server->fleet, FLEET_ZONE),
			 fleet_count(server->fleet, FLEET_TENANT));
	}
	err_done(&errors);
}

/* A name that was not looked up yet is a VIP that nobody could see. */
static bool is_health_known(const struct server *server)
{
	return resolve_names_are_known(server->names) && health_book_is_complete(server->health);
}

void start_progress(struct server *server)
{
	if (server->is_waiting_health && is_health_known(server))
		open_sockets(server);
}

static void on_start_wait(evutil_socket_t fd, short what, void *user)
{
	struct server *server = user;
	if (!server->is_waiting_health)
		return;
	log_warning("answering without a full round of checks: start_wait is over");
	open_sockets(server);
}

void start_begin(struct server *server)
{
	uint32_t wait_ms = server->config->start_wait_ms;
	server->is_waiting_health = true;
	if (wait_ms == 0 || is_health_known(server)) {
		open_sockets(server);
		return;
	}
	struct timeval wait = {wait_ms / 1000, (suseconds_t)(wait_ms % 1000 * 1000)};
	evtimer_add(server->start_timer, &wait);
}

void start_init(struct server *server)
{
	server->start_timer = evtimer_new(server->base, on_start_wait, server);
}

void start_done(struct server *server)
{
	event_free(server->start_timer);
}
