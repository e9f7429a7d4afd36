/* A server that holds what the test put into it, for what only looks at one. */
#pragma once
#include "gslb/control/server.h"

struct server {
	struct event_base *base;
	const struct server_hooks *hooks;
	struct gslb_config *config;
	struct fleet *fleet;
	struct store *store;
	struct controls *controls;
	struct load_book *load_book;
	struct publish *world;
	uint64_t epoch, fleet_version, index_builds, started_mono_ms;
	size_t invalid_objects;
	bool is_ready, is_loaded;
};

struct event_base *server_base(const struct server *server)
{
	return server->base;
}

const struct gslb_config *server_config(const struct server *server)
{
	return server->config;
}

struct fleet *server_fleet(const struct server *server)
{
	return server->fleet;
}

struct store *server_store(const struct server *server)
{
	return server->store;
}

struct controls *server_controls(const struct server *server)
{
	return server->controls;
}

struct journal *server_journal(const struct server *server)
{
	return NULL; /* nobody follows */
}

struct loads *server_loads(const struct server *server)
{
	return NULL; /* nobody reports here, */
}

const struct shedding *server_shedding(const struct server *server)
{
	return NULL; /* and nothing is shed */
}

const struct load_book *server_load_book(const struct server *server)
{
	return server->load_book; /* but what was reported is looked at */
}

const struct health_book *server_health(const struct server *server)
{
	return NULL; /* see health_stand_in.h */
}

const struct notify *server_notify(const struct server *server)
{
	return NULL; /* nobody was told */
}

struct world_builder *server_builder(const struct server *server)
{
	return NULL;
}

const struct world *server_world(const struct server *server)
{
	return publish_get(server->world);
}

uint64_t server_epoch(const struct server *server)
{
	return server->epoch;
}

uint64_t server_fleet_version(const struct server *server)
{
	return server->fleet_version;
}

uint64_t server_index_builds(const struct server *server)
{
	return server->index_builds;
}

size_t server_invalid_objects(const struct server *server)
{
	return server->invalid_objects;
}

uint64_t server_started_mono_ms(const struct server *server)
{
	return server->started_mono_ms;
}

bool server_is_loaded(const struct server *server)
{
	return server->is_loaded;
}

bool server_is_ready(const struct server *server)
{
	return server->is_ready;
}

const struct sockaddr_storage *server_listeners(const struct server *server, size_t *ret_count)
{
	return server->hooks->listeners(server->hooks->user, ret_count);
}

struct stats *const *server_stats(const struct server *server, size_t *ret_count)
{
	return server->hooks->stats(server->hooks->user, ret_count);
}

uint64_t server_kernel_dropped(const struct server *server, size_t listener, unsigned transport)
{
	return server->hooks->kernel_dropped(server->hooks->user, listener, transport);
}

/* Nothing that a test changes has to be compiled first. */
void server_await(struct server *server, server_ready_fn *ready, void *user)
{
	ready(user);
}
