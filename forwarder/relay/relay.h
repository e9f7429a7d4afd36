/* The workers of the process: their threads, what they share, and what they are told. Control thread. */
#pragma once
#include "forwarder/io/listeners.h"
#include "forwarder/io/worker_view.h"
#include "forwarder/plan/request_stats.h"
#include "forwarder/tls/tls.h"
#include "lib/publish.h"

struct relay;

struct relay_config {
	const struct publish *world; /* there is one already */
	unsigned workers;
	bool pins_cpus;
	uint32_t connections; /* of all workers */
	size_t buffers_bytes; /* of each */
	bool has_tls;
	bool only_tls_1_3;
	size_t certificate_cache_bytes; /* of all */
	size_t listener_count;
	const struct listener_address *listeners;
};

/* Binds all listeners and starts. NULL: errors say why, and nothing is left open. */
struct relay *relay_start(const struct relay_config *config, struct err_list *errors);
/* Ends all threads and connections at once; what they counted can still be looked at. */
void relay_join(struct relay *relay);
/* The same, and frees it. NULL is fine. */
void relay_stop(struct relay *relay);
/* No connection is accepted from now on, requests that are under way end, idle connections end until then. */
void relay_drain(struct relay *relay, uint64_t until_mono_ms);
/* Clients' connections that are open. */
size_t relay_connections(const struct relay *relay);
/* As bound, in the order of the configuration. */
const struct sockaddr_storage *relay_listeners(const struct relay *relay, size_t *ret_count);
struct request_stats *const *relay_stats(const struct relay *relay, size_t *ret_count);
/* What is seen of each worker, from any thread; of the access log the caller is the one receiver. */
struct worker_view *const *relay_views(const struct relay *relay, size_t *ret_count);
