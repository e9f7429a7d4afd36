/* What tests of the feed share: a copy whose worlds are published without workers, and lines. */
#pragma once
#include "forwarder/feed/feed_copy.h"
#include "tests/unit/build_fixture.h"

static struct fleet *fleet;
static struct build *build;
static struct feed_copy *copy;
static unsigned replaced, changed;

static inline void on_replaced(void *user, struct fleet *next_fleet, struct build *next_build)
{
	publish(next_build);
	build_free(build);
	fleet_free(fleet);
	fleet = next_fleet;
	build = next_build;
	replaced++;
}

static inline void on_changed(void *user)
{
	publish(build);
	changed++;
}

static inline void copy_new(void)
{
	const struct feed_copy_hooks hooks = {NULL, on_replaced, on_changed};

	replaced = changed = 0;
	copy = feed_copy_new(&shared, &hooks);
}

static inline void copy_free(void)
{
	feed_copy_free(copy);
	build_free(build);
	fleet_free(fleet);
	fleet = NULL;
	build = NULL;
	free(world);
	world = NULL;
}

static inline const char *who(const char *name)
{
	struct hosts_entry entry;

	return world ? owner(name, &entry) : "";
}

#define RESET "{\"reset\":true}\n"
#define REGION "{\"put\":\"region\",\"id\":\"eu\",\"object\":{\"at\":[50,8]}}\n"
#define SERVICE "{\"put\":\"service\",\"id\":\"shop\",\"object\":{\"vips\":{\"eu\":[\"192.0.2.1\"]}}}\n"
#define ZONE "{\"put\":\"zone\",\"id\":\"app.example.net.\",\"object\":{}}\n"
#define TENANT(id)                         \
	"{\"put\":\"tenant\",\"id\":\"" id \
	"\",\"object\":{\"zone\":\"app.example.net.\",\"service\":\"shop\"}}\n"
#define HOSTS(id, host)                    \
	"{\"put\":\"tenant\",\"id\":\"" id \
	"\",\"object\":{\"zone\":\"app.example.net.\",\"service\":\"shop\",\"hosts\":[\"" host "\"]}}\n"
#define GONE(kind, id) "{\"remove\":\"" kind "\",\"id\":\"" id "\"}\n"
#define VERSION(version) "{\"version\":\"" version "\"}\n"
