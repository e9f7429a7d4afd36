/* What tests of forwarder/control share: a build of a fleet, and its worlds without workers. */
#pragma once
#include "forwarder/build/build.h"
#include "lib/clock.h"
#include "tests/unit/fleet_fixture.h"

static struct event_base *base;
static struct origins *origins;
static struct slots *slots;
static struct build_shared shared;
static struct world *world; /* the last one */
static unsigned nodes = 1;

static inline void shared_new(void)
{
	static const struct origins_hooks hooks;

	base = event_base_new();
	origins = origins_new(base, 10, ORIGINS_GRACE_MS, &hooks);
	slots = slots_new();
	shared = (struct build_shared){.origins = origins, .slots = slots, .region = "eu", .nodes = &nodes};
}

static inline void shared_free(void)
{
	free(world);
	world = NULL;
	origins_free(origins);
	slots_free(slots);
	event_base_free(base);
}

/* What a server does: nobody reads the world before this one any more. */
static inline void publish(struct build *build)
{
	struct world *next = build_world(build);

	free(world);
	world = next;
	build_settle(build);
}

/* The id of who has the name, "" of nobody; *ret is filled. */
static inline const char *owner(const char *name, struct hosts_entry *ret)
{
	static char id[64];

	if (!hosts_find(world->hosts, name, strlen(name), ret))
		return "";
	snprintf(id, sizeof id, "%.*s", (int)ret->tenant_length, ret->tenant);
	return id;
}

static inline const struct policy *policy_of(const char *name)
{
	struct hosts_entry entry;

	assert_true(hosts_find(world->hosts, name, strlen(name), &entry));
	assert_true(entry.policy < world->policy_count);
	assert_non_null(world->policies[entry.policy]);
	return world->policies[entry.policy];
}

static inline const struct pool *pool_named(const char *name)
{
	for (size_t i = 0; i < world->pool_count; i++) {
		if (world->pools[i] && strcmp(world->pools[i]->state->name, name) == 0) {
			assert_int_equal(world->pools[i]->state->number, i);
			return world->pools[i];
		}
	}
	return NULL;
}

static inline const struct route_service *service_named(const char *id)
{
	for (size_t i = 0; i < world->service_count; i++)
		if (world->services[i] && strcmp(world->services[i]->id, id) == 0)
			return world->services[i];
	return NULL;
}
