/* What tests of forwarderd's control path share: a server of files in a folder of its own, without a relay.
 */
#pragma once
#include "forwarder/control/server.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/forwarder_server_XXXXXX";
static char config_path[80], fleet_path[80], socket_path[80], snapshot_path[80];
static struct event_base *base;
static struct publish world;
static struct server *server;
static unsigned starts;
static bool can_bind;

/* ---- a relay ---- */

static inline bool start_serving(void *user, struct err_list *errors)
{
	assert_non_null(publish_get(&world));
	starts++;
	if (!can_bind)
		err_add(errors, NULL, 0, 0, "127.0.0.1:1: cannot be bound");
	return can_bind;
}

static inline const struct sockaddr_storage *listeners(void *user, size_t *ret_count)
{
	static struct sockaddr_storage bound[2];
	struct sockaddr_in plain = {.sin_family = AF_INET, .sin_port = htons(8080)};
	memcpy(&bound[0], &plain, sizeof plain);
	*ret_count = 1;
	return bound;
}

static inline size_t connections(void *user)
{
	return 5;
}

static const struct server_hooks hooks = {
	.start_serving = start_serving, .listeners = listeners, .connections = connections};

/* ---- files ---- */

static inline void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static inline void write_config(const char *more)
{
	char text[1000];
	snprintf(text, sizeof text,
		 "node: {name: fwd, region: eu, state_dir: %s}\n"
		 "forwarder: {http: ['127.0.0.1:0']%s}\n%s",
		 folder, more, strstr(more, "control:") ? "" : "fleet: [fleet.yaml]\n");
	write_file(config_path, text);
}

static inline void write_fleet(const char *tenants)
{
	char text[2000];
	snprintf(text, sizeof text,
		 "regions: {eu: {at: [50, 8]}}\n"
		 "zones: {app.example.net: {text: \"@ 60 SOA . . 1 1 1 1 1\\n@ 60 NS ns.example.\"}}\n"
		 "services: {shop: {vips: {eu: [192.0.2.1]}, routes: [{origins: web}], origins: {web: {eu: "
		 "['10.1.0.5:80']}}}}\n"
		 "tenants: {%s}\n",
		 tenants);
	write_file(fleet_path, text);
}

#define TENANT(id) id ": {zone: app.example.net, service: shop}"

static inline const char *who(const char *name)
{
	static char id[64];
	const struct world *now = publish_get(&world);
	struct hosts_entry entry;
	if (!now || !hosts_find(now->hosts, name, strlen(name), &entry))
		return "";
	snprintf(id, sizeof id, "%.*s", (int)entry.tenant_length, entry.tenant);
	return id;
}

/* ---- the scene ---- */

static inline int set_up(void **state)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(config_path, sizeof config_path, "%s/node.yaml", folder);
	snprintf(fleet_path, sizeof fleet_path, "%s/fleet.yaml", folder);
	snprintf(socket_path, sizeof socket_path, "%s/gslb.sock", folder);
	snprintf(snapshot_path, sizeof snapshot_path, "%s/forwarderd-fleet.jsonl", folder);
	base = event_base_new();
	starts = 0;
	can_bind = true;
	write_config("");
	write_fleet(TENANT("acme"));
	return 0;
}

static inline int tear_down(void **state)
{
	server_free(server);
	server = NULL;
	assert_null(publish_get(&world));
	event_base_free(base);
	unlink(config_path);
	unlink(fleet_path);
	unlink(socket_path);
	unlink(snapshot_path);
	char epoch_path[sizeof folder + 32];
	snprintf(epoch_path, sizeof epoch_path, "%s/forwarderd-epoch", folder);
	unlink(epoch_path);
	return rmdir(folder);
}

#define AWAIT(claim)                                               \
	for (uint64_t started_ms = clock_mono_ms(); !(claim);) {   \
		assert_true(clock_mono_ms() - started_ms < 20000); \
		event_base_loop(base, EVLOOP_ONCE);                \
	}

static inline void start(void)
{
	struct err_list errors = {0};
	server = server_new(base, config_path, &hooks, &world, &errors);
	assert_int_equal(errors.count, 0);
	assert_non_null(server);
}
