/*
 * The threads that answer: for each of `dns.workers` a UDP worker per listen address and a TCP thread with
 * a libevent base, each with SO_REUSEPORT sockets of its own. Started and stopped by main.
 */
#pragma once
#include "gslb/serve/answer.h"
#include "gslb/serve/sockets.h"
#include "lib/err.h"
#include "lib/net.h"
#include "lib/publish.h"

struct workers_config {
	const struct listen_address *listen;
	size_t listen_count;
	unsigned workers; /* 1..256 */
	bool pins_cpus;	  /* each worker's UDP threads to one CPU, in turn */
	struct sockets_settings sockets;
	const struct publish *world; /* of struct world; the limits of TCP stand in its settings */
};

struct workers;

/* Binds every address for UDP and TCP (a port 0 is chosen by the kernel, the same for both), then
 * starts the threads. NULL with entries in `errors` when an address cannot be bound; then nothing
 * stays open; `errors` may hold a warning otherwise. Binding happens here and not before: a closed port sends
 * resolvers elsewhere. */
struct workers *workers_start(const struct workers_config *config, struct err_list *errors);
/* Stops receiving, lets every thread finish its batch, joins. Returns within 500 ms. */
void workers_stop(struct workers *workers); /* NULL is fine; frees */
/* The addresses as bound, in the order of the configuration. */
const struct sockaddr_storage *workers_listeners(const struct workers *workers, size_t *ret_count);
/* Statistics of all threads; valid until workers_stop. */
struct stats *const *workers_stats(const struct workers *workers, size_t *ret_count);
/* What the kernel dropped before a thread took it, since the start: datagrams of the listener's full socket
 * buffers, or connections that its full queues refused. Control thread. */
uint64_t workers_kernel_dropped(struct workers *workers, size_t listener, enum transport transport);
