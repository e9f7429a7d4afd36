/* See the header. Control thread. */
#include "gslb/control/loads.h"
#include "gslb/compile/world_builder.h"
#include "gslb/control/server_internal.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

#define TURN_MS 1000

struct loads {
	struct server *server;
	struct load_book *book;
	struct shedding *shedding;
	struct event *timer; /* runs while anybody reports */
};

static void on_changed(void *user, const char *region, const char *service)
{
	struct server *server = ((struct loads *)user)->server;
	const struct fleet_object *object = fleet_get(server->fleet, FLEET_SERVICE, service);
	if (object) /* else the forwarder knows of one that came or went */
		world_builder_load_changed(server->builder, object->number);
}

static const struct plan_service *plan_of(void *user, uint32_t service)
{
	return world_builder_service(((struct server *)user)->builder, service);
}

static void on_shedding_changed(void *user, uint32_t service)
{
	world_builder_load_changed(((struct server *)user)->builder, service);
}

static void on_turn(evutil_socket_t fd, short what, void *user)
{
	struct loads *loads = user;
	struct server *server = loads->server;
	struct shedding_turn turn = {
		.fleet = server->fleet,
		.loads = loads->book,
		.now_ms = clock_mono_ms(),
		.plan = plan_of,
		.changed = on_shedding_changed,
		.user = server,
	};
	load_book_turn(loads->book, turn.now_ms);
	turn.stats = server->hooks->stats(server->hooks->user, &turn.stats_count);
	if (server->is_loaded)
		shedding_turn(loads->shedding, &turn);
	if (!load_book_next_node(loads->book, &(size_t){0}) && !load_book_next(loads->book, &(size_t){0}))
		event_del(loads->timer);
}

struct loads *loads_new(struct server *server)
{
	struct loads *loads = xcalloc(1, sizeof *loads);
	loads->server = server;
	loads->book = load_book_new(on_changed, loads);
	loads->shedding = shedding_new();
	loads->timer = event_new(server->base, -1, EV_PERSIST, on_turn, loads);
	if (!loads->timer)
		abort();
	return loads;
}

void loads_free(struct loads *loads)
{
	if (!loads)
		return;
	event_free(loads->timer);
	load_book_free(loads->book);
	shedding_free(loads->shedding);
	free(loads);
}

enum load_outcome loads_accept(struct loads *loads, const struct load_report *report)
{
	enum load_outcome outcome = load_book_accept(loads->book, report, clock_mono_ms());
	if (!evtimer_pending(loads->timer, NULL))
		event_add(loads->timer, &(const struct timeval){.tv_usec = TURN_MS * 1000 % 1000000,
								.tv_sec = TURN_MS / 1000});
	return outcome;
}

const struct shedding *loads_shedding(const struct loads *loads)
{
	return loads->shedding;
}

const struct load_book *loads_book(const struct loads *loads)
{
	assert(loads->book);
	return loads->book;
}
