/* node.yaml (reference/configuration.md). Owned by the control thread. */
#pragma once
#include "gslb/decide/world.h"
#include "health/notify.h"
#include "lib/err.h"
#include "lib/net.h"

struct node_config {
	char *path;
	char *name, *region; /* region NULL: not given */
	char *state_dir;     /* absolute or as resolved against the file */
	char *resolvers;     /* "127.0.0.1:53,[::1]:53"; NULL: those of the system */
	size_t fleet_count, geo_count, listen_count;
	char **fleet, **geo; /* paths, resolved against the file */
	char **listen_written;
	struct listen_address *listen;
	bool workers_auto;
	unsigned workers; /* `auto` resolved to the usable cores */
	bool pins_cpus;
	unsigned socket_buffer_bytes;
	struct serve_settings settings;
	bool has_random_cookie_secret; /* none was given: a reload keeps it */
	uint32_t start_wait_ms;
	char *admin_socket; /* resolved against state_dir */
	bool has_admin_http;
	char *admin_http_written;
	struct listen_address admin_http;
	bool has_probes;
	char *vantage;
	unsigned probe_concurrency;
	struct notify_settings notify;
};

/* NULL when the file cannot be read or parsed. Otherwise everything wrong is in `errors` and the rest is
 * usable, so that the files that it names can be checked in the same pass. */
struct node_config *config_load(const char *path, struct err_list *errors);
void config_free(struct node_config *config); /* NULL is fine */
/* The first restart-only key (node, bus, and of dns listen, workers, pin_cpus, socket_buffer) that differs,
 * or NULL. */
const char *config_restart_only_difference(const struct node_config *a, const struct node_config *b);
