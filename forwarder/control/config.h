/*
 * node.yaml as forwarderd reads it: what every daemon has, `forwarder` and `control`. Of a file that gslbd
 * reads too, `dns` and `notify` are gslbd's, and then `admin` is as well: forwarderd has `forwarder.admin`.
 * Owned by the control thread.
 */
#pragma once
#include "daemon/config.h"

struct forwarder_listen {
	char *written;
	struct listen_address address;
};

struct forwarder_access_log {
	bool is_on;
	char *path; /* NULL: standard error */
	uint32_t sample_hundredths;
	bool logs_errors; /* whatever the sample says */
	bool logs_query;
	bool anonymizes;
	uint64_t rotate_bytes;
	uint32_t keep; /* files */
};

struct forwarder_config {
	struct node_config
		node; /* first: see struct config_sections. `region` and `admin_socket` are there */
	size_t http_count, https_count;
	struct forwarder_listen *http, *https;
	bool workers_auto;
	unsigned workers; /* `auto` resolved to the usable cores */
	bool pins_cpus;
	char *certificates; /* directory; NULL: none, and then there is no https */
	uint64_t certificate_cache_bytes;
	char *default_certificate; /* NULL: none */
	char *tickets;		   /* file of secrets; NULL: a random one */
	bool requires_tls13;
	bool coalesces_by_certificate;
	size_t trusted_count, proxy_count;
	struct prefix *trusted_proxies, *proxy_protocol;
	uint32_t connections;
	uint32_t per_client;	/* 0: no bound */
	uint64_t buffers_bytes; /* of each worker */
	uint32_t head_bytes, line_bytes, fields_max;
	uint32_t head_ms, body_ms, idle_ms, write_ms, handshake_ms, tunnel_ms;
	uint32_t drain_ms, leave_ms;
	uint32_t nodes;	   /* forwarders of the region that share limits */
	uint32_t capacity; /* requests in flight; 0: not given */
	struct forwarder_access_log access_log;
	char *usage_dir;
	uint64_t usage_keep_ms;
	char *control_api; /* path of gslbd's socket; NULL: none, the fleet is that of the files alone */
	bool is_shared;	   /* gslbd reads the file too */
	bool has_own_admin;
};

/* NULL when the file cannot be read or parsed; else see config_read. */
struct forwarder_config *forwarder_config_load(const char *path, struct err_list *errors);
void forwarder_config_free(struct forwarder_config *config); /* NULL is fine */
/* The first restart-only key (node, control, and of forwarder http, https, workers, pin_cpus, connections)
 * that differs, or NULL. */
const char *forwarder_config_restart_only_difference(const struct forwarder_config *a,
						     const struct forwarder_config *b);
