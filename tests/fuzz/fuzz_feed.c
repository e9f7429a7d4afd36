/* The feed: lines of any kind leave a world that has exactly the names of the fleet's tenants. */
#include "forwarder/feed/feed_copy.h"
#include "lib/log.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static struct fleet *fleet;
static struct build *build;
static struct world *world;

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

static void publish(void)
{
	struct world *next = build_world(build);

	free(world);
	world = next;
	build_settle(build);
}

static void on_replaced(void *user, struct fleet *next_fleet, struct build *next_build)
{
	struct fleet *old_fleet = fleet;
	struct build *old_build = build;

	fleet = next_fleet;
	build = next_build;
	publish();
	build_free(old_build);
	fleet_free(old_fleet);
}

static void on_changed(void *user)
{
	publish();
}

static bool is_plain(const uint8_t *name)
{
	for (; *name; name += *name + 1)
		for (unsigned i = 1; i <= *name; i++)
			if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_*", name[i]))
				return false;
	return true;
}

static void check_name(const struct fleet_tenant *tenant, const uint8_t *name)
{
	char text[NAME_TEXT_MAX];
	size_t length = 0;
	struct hosts_entry entry;

	for (; *name; name += *name + 1) {
		if (length > 0)
			text[length++] = '.';
		memcpy(text + length, name + 1, *name);
		length += *name;
	}
	check(hosts_find(world->hosts, text, length, &entry));
	check(entry.tenant_length == strlen(tenant->object.id));
	check(memcmp(entry.tenant, tenant->object.id, entry.tenant_length) == 0);
	const struct policy *policy = world->policies[entry.policy];
	check(policy->is_suspended == tenant->profile->is_suspended);
	check(strcmp(world->services[policy->service]->id, tenant->profile->service) == 0);
}

static void check_world(void)
{
	const struct fleet_object *object;
	size_t names = 0;

	for (size_t at = 0; (object = fleet_next(fleet, FLEET_TENANT, &at));) {
		const struct fleet_tenant *tenant = (const struct fleet_tenant *)object;
		for (struct fleet_tenant_name name = {0}; fleet_tenant_next_name(tenant, &name);) {
			if (!is_plain(name.name))
				continue;
			check_name(tenant, name.name);
			names++;
		}
	}
	check(hosts_count(world->hosts) == names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct origins_hooks origins_hooks;
	const struct feed_copy_hooks hooks = {NULL, on_replaced, on_changed};
	struct event_base *base = event_base_new();
	static const unsigned nodes = 1;
	struct build_shared shared = {.origins = origins_new(base, 1, 0, &origins_hooks),
				      .slots = slots_new(),
				      .region = "eu",
				      .nodes = &nodes};
	struct feed_copy *copy = feed_copy_new(&shared, &hooks);

	log_init("fuzz", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	for (const uint8_t *end; (end = memchr(data, '\n', size)); data = end + 1) {
		size_t length = (size_t)(end - data);
		if (feed_copy_line(copy, (const char *)data, length) == FEED_COPY_BROKEN)
			feed_copy_forget(copy);
		size -= length + 1;
	}
	feed_copy_abandon(copy);
	if (world)
		check_world();
	feed_copy_free(copy);
	build_free(build);
	fleet_free(fleet);
	free(world);
	build = NULL;
	fleet = NULL;
	world = NULL;
	check(slots_used(shared.slots) == 0);
	origins_free(shared.origins);
	slots_free(shared.slots);
	event_base_free(base);
	return 0;
}
