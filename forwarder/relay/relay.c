/* Starting and ending the workers. Control thread; each worker's thread runs its loop. */
#include "forwarder/relay/relay.h"
#include "forwarder/io/clients.h"
#include "forwarder/relay/conn.h"
#include "forwarder/relay/loop.h"
#include "forwarder/relay/own_reply.h"
#include "forwarder/relay/worker_life.h"
#include "forwarder/tls/tls_mem.h"
#include "forwarder/traffic/fair.h"
#include "forwarder/traffic/limit.h"
#include "lib/privilege.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct relay {
	struct relay_shared shared;
	unsigned started;
	bool pins_cpus;
	pthread_t threads[WORKER_PEERS_MAX];
	struct request_stats *stats[WORKER_PEERS_MAX];
	struct worker_view *views[WORKER_PEERS_MAX];
	size_t listener_count;
	struct sockaddr_storage bound[LISTENERS_MAX];
};

static void wake(void *context, uint32_t number, uint64_t cookie)
{
	struct relay_shared *relay = context;
	struct mail mail = {.kind = MAIL_GRANTED, .a = cookie};

	assert(number < relay->worker_count);
	/* A full mailbox loses the letter: the request looks by itself before long. */
	mailbox_post(&relay->workers[number]->mailbox, &mail);
}

static void pin(unsigned number)
{
	cpu_set_t usable, one;
	unsigned wanted;

	if (sched_getaffinity(0, sizeof usable, &usable) != 0)
		return;
	wanted = number % (unsigned)CPU_COUNT(&usable);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &usable) || wanted-- != 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		pthread_setaffinity_np(pthread_self(), sizeof one, &one);
		return;
	}
}

struct start {
	struct worker *worker;
	bool pins_cpus;
};

static void *run_worker(void *argument)
{
	struct start start = *(struct start *)argument;
	struct worker *worker = start.worker;
	char name[16];

	free(argument);
	snprintf(name, sizeof name, "fwd-w%u", worker->number % 1000);
	pthread_setname_np(pthread_self(), name);
	if (start.pins_cpus)
		pin(worker->number);
	tls_mem_thread_start();
	if (worker->has_tls) {
		worker->tls = tls_context_new(&worker->tls_settings);
		atomic_store(&worker->view.tls, tls_context_counters(worker->tls));
	}
	publish_reader_init(&worker->reader);
	loop_run(worker);
	publish_reader_online(&worker->reader);
	conn_done(worker);
	publish_reader_offline(&worker->reader);
	publish_reader_done(&worker->reader);
	atomic_store(&worker->view.tls, NULL);
	tls_context_free(worker->tls);
	tls_mem_thread_end();
	return NULL;
}

/* The SO_REUSEPORT sockets of one address share the port that the kernel chose for the first. */
static bool open_listeners(struct relay *relay, const struct relay_config *config, struct err_list *errors)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		struct listener_address listener = config->listeners[i];
		for (unsigned w = 0; w < config->workers; w++) {
			int fd = listeners_open(&listener, &relay->bound[i], errors);
			if (fd < 0)
				return false;
			listener.address.sockaddr = relay->bound[i];
			worker_add_listener(relay->shared.workers[w], fd, listener.is_https);
		}
	}
	relay->listener_count = config->listener_count;
	return true;
}

static bool make_workers(struct relay *relay, const struct relay_config *config, struct err_list *errors)
{
	struct worker_settings settings = {
		.buffers_bytes = config->buffers_bytes,
		.has_tls = config->has_tls,
		.tls = {.only_1_3 = config->only_tls_1_3,
			.cache_bytes = config->certificate_cache_bytes / config->workers},
	};

	for (unsigned i = 0; i < config->workers; i++) {
		relay->shared.workers[i] = worker_new(&relay->shared, i, &settings);
		if (!relay->shared.workers[i]) {
			err_add(errors, NULL, 0, 0, "cannot make worker %u: %s", i, strerror(errno));
			return false;
		}
		relay->stats[i] = relay->shared.workers[i]->stats;
		relay->views[i] = &relay->shared.workers[i]->view;
		relay->shared.worker_count = i + 1;
	}
	return open_listeners(relay, config, errors);
}

static bool start_threads(struct relay *relay, struct err_list *errors)
{
	sigset_t all, before;
	int error = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the control thread's */
	for (unsigned i = 0; i < relay->shared.worker_count && error == 0; i++) {
		struct start *start = malloc(sizeof *start);
		*start = (struct start){relay->shared.workers[i], relay->pins_cpus};
		error = pthread_create(&relay->threads[i], NULL, run_worker, start);
		if (error == 0)
			relay->started++;
		else
			free(start);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		err_add(errors, NULL, 0, 0, "cannot start a worker: %s", strerror(error));
	return error == 0;
}

struct relay *relay_start(const struct relay_config *config, struct err_list *errors)
{
	struct relay *relay = xcalloc_apart(sizeof *relay);
	struct relay_shared *shared = &relay->shared;

	assert(config->workers >= 1 && config->workers <= WORKER_PEERS_MAX &&
	       config->listener_count <= LISTENERS_MAX);
	own_reply_init();
	shared->world = config->world;
	shared->fair = fair_new(wake, shared);
	shared->limits = limit_new(shared->fair, 0);
	shared->clients = clients_new();
	shared->connections_max = (config->connections + config->workers - 1) / config->workers;
	relay->pins_cpus = config->pins_cpus;
	if (make_workers(relay, config, errors)) {
		/* Ports below 1024 are bound; no thread that reads strangers' octets keeps the right. */
		if (!privilege_drop())
			err_add(errors, NULL, 0, 0, "cannot give up capabilities: %s", strerror(errno));
		else if (start_threads(relay, errors))
			return relay;
	}
	relay_stop(relay);
	return NULL;
}

static void tell_all(struct relay *relay, const struct mail *mail)
{
	for (unsigned i = 0; i < relay->started; i++)
		while (!mailbox_post(&relay->shared.workers[i]->mailbox, mail))
			sched_yield(); /* it empties its mailbox each turn */
}

void relay_drain(struct relay *relay, uint64_t until_mono_ms)
{
	struct mail mail = {.kind = MAIL_DRAIN, .a = until_mono_ms};

	atomic_store(&relay->shared.is_draining, 1);
	tell_all(relay, &mail);
}

void relay_join(struct relay *relay)
{
	struct mail mail = {.kind = MAIL_STOP};

	tell_all(relay, &mail);
	for (unsigned i = 0; i < relay->started; i++)
		pthread_join(relay->threads[i], NULL);
	relay->started = 0;
}

void relay_stop(struct relay *relay)
{
	if (!relay)
		return;
	relay_join(relay);
	for (unsigned i = 0; i < relay->shared.worker_count; i++)
		worker_free(relay->shared.workers[i]);
	limit_free(relay->shared.limits);
	fair_free(relay->shared.fair);
	clients_free(relay->shared.clients);
	free(relay);
}

size_t relay_connections(const struct relay *relay)
{
	size_t sum = 0;

	for (unsigned i = 0; i < relay->shared.worker_count; i++)
		sum += atomic_load_explicit(&relay->shared.workers[i]->conn_count_shown,
					    memory_order_relaxed);
	return sum;
}

const struct sockaddr_storage *relay_listeners(const struct relay *relay, size_t *ret_count)
{
	*ret_count = relay->listener_count;
	return relay->bound;
}

struct request_stats *const *relay_stats(const struct relay *relay, size_t *ret_count)
{
	*ret_count = relay->shared.worker_count;
	return relay->stats;
}

struct worker_view *const *relay_views(const struct relay *relay, size_t *ret_count)
{
	*ret_count = relay->shared.worker_count;
	return relay->views;
}
