/*
 * node.yaml as gslbd reads it: what every daemon has, `dns` (config_dns.c) and `notify`. `forwarder` and
 * `control` are forwarderd's: one file may be both daemons'. Owned by the control thread.
 */
#pragma once
#include "daemon/config.h"
#include "gslb/decide/world.h"
#include "health/notify_settings.h"

struct gslb_config {
	struct node_config node; /* first: see struct config_sections */
	size_t listen_count;
	char **listen_written;
	struct listen_address *listen;
	bool workers_auto;
	unsigned workers; /* `auto` resolved to the usable cores */
	bool pins_cpus;
	unsigned socket_buffer_bytes;
	bool has_freebind;
	struct serve_settings settings;
	bool has_nsid;		       /* else it is the node's name */
	double rrl_rate;	       /* responses a second for a prefix, all workers together */
	bool has_random_cookie_secret; /* none was given: a reload keeps it */
	uint32_t start_wait_ms;
	struct notify_settings notify;
};

/* NULL when the file cannot be read or parsed; else see config_read. */
struct gslb_config *gslb_config_load(const char *path, struct err_list *errors);
void gslb_config_free(struct gslb_config *config); /* NULL is fine */
/* The first restart-only key (node, bus, and of dns listen, freebind, workers, pin_cpus, socket_buffer) that
 * differs, or NULL. */
const char *gslb_config_restart_only_difference(const struct gslb_config *a, const struct gslb_config *b);
