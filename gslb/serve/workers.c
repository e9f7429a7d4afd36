/*
 * Sockets and threads of the data path. Thread: the control thread calls all of this.
 *
 * For UDP one thread per worker and listen address: each then blocks in recvmmsg on its one socket and
 * needs no poll between two batches. For TCP one thread per worker, with a listening socket for each
 * address. The kernel spreads the clients of an address over its workers' sockets (SO_REUSEPORT).
 */
#include "gslb/serve/workers.h"
#include "gslb/decide/resolve.h"
#include "gslb/serve/budget.h"
#include "gslb/serve/rrl.h"
#include "gslb/serve/sockets.h"
#include "gslb/serve/tcp.h"
#include "gslb/serve/udp.h"
#include "lib/mem.h"
#include "lib/privilege.h"
#include "lib/text.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX (PUBLISH_READERS_MAX - 24) /* the rest of the process reads worlds too */

/* What the kernel dropped of one socket; its own counter starts again after 2^32. */
struct kernel_drops {
	uint32_t seen;
	uint64_t total;
};

struct workers {
	atomic_bool stop;
	size_t listener_count;
	struct sockaddr_storage *listeners;
	size_t udp_count;
	struct udp_worker **udp;		     /* worker w of listener l: [w * listener_count + l] */
	int *tcp_sockets;			     /* the same; -1: none (yet) */
	struct kernel_drops *drops[TRANSPORT_COUNT]; /* the same */
	unsigned tcp_count;
	struct tcp_server **tcp;
	struct tcp_slots *tcp_slots;
	size_t thread_count; /* started */
	pthread_t *threads;
	size_t stats_count;
	struct stats **stats;
};

/* ---- what a worker owns ---- */

static struct udp_worker *udp_worker_new(struct workers *workers, const struct publish *world, int fd,
					 const struct sockaddr_storage *address)
{
	struct udp_worker *worker = xcalloc_apart(sizeof *worker);
	worker->socket = fd;
	worker->has_any_address = sockets_is_any_address(address);
	worker->world = world;
	worker->stop = &workers->stop;
	worker->context.scratch = xcalloc_apart(sizeof *worker->context.scratch);
	worker->context.rrl = rrl_new();
	worker->context.budgets = xmap(sizeof *worker->context.budgets);
	worker->context.stats = workers->stats[workers->stats_count++] = stats_new();
	rng_seed_from_system(&worker->context.rng);
	return worker;
}

static bool bind_listener(struct workers *workers, const struct workers_config *config, size_t number)
{
	const struct listen_address *wanted = &config->listen[number];
	struct sockaddr_storage *bound = &workers->listeners[number];
	int udp, tcp;
	if (!sockets_open_pair(wanted, &config->sockets, bound, &udp, &tcp))
		return false;
	for (unsigned w = 0;; w++) {
		size_t place = w * workers->listener_count + number;
		workers->udp[place] = udp_worker_new(workers, config->world, udp, bound);
		workers->tcp_sockets[place] = tcp;
		if (tcp < 0 || w + 1 == config->workers)
			return tcp >= 0;
		udp = sockets_open_udp(bound, wanted->length, &config->sockets);
		if (udp < 0)
			return false;
		tcp = sockets_open_tcp(bound, wanted->length, &config->sockets, false);
	}
}

/* ---- threads ---- */

/* `cpu` NULL: on any. */
static bool start_thread(struct workers *workers, void *(*run)(void *), void *argument, const char *name,
			 const cpu_set_t *cpu)
{
	pthread_t *thread = &workers->threads[workers->thread_count];
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	if (cpu)
		pthread_attr_setaffinity_np(&attributes, sizeof *cpu, cpu);
	int reason = pthread_create(thread, &attributes, run, argument);
	pthread_attr_destroy(&attributes);
	if (reason != 0)
		return false;
	pthread_setname_np(*thread, name);
	workers->thread_count++;
	return true;
}

/* The number-th CPU of those in `usable`, in turn. */
static cpu_set_t one_cpu(const cpu_set_t *usable, size_t number)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	size_t left = number % (size_t)CPU_COUNT(usable);
	for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
		if (CPU_ISSET(cpu, usable) && left-- == 0)
			CPU_SET(cpu, &one);
	return one;
}

/* A worker's threads, one for each address, share its CPU. */
static bool start_udp_threads(struct workers *workers, bool pins_cpus)
{
	cpu_set_t usable;
	if (pins_cpus && sched_getaffinity(0, sizeof usable, &usable) != 0)
		return false;
	for (size_t i = 0; i < workers->udp_count; i++) {
		cpu_set_t cpu;
		if (pins_cpus)
			cpu = one_cpu(&usable, i / workers->listener_count);
		if (!start_thread(workers, udp_run, workers->udp[i], "dns-udp", pins_cpus ? &cpu : NULL))
			return false;
	}
	return true;
}

/* Signals are the control thread's. */
static bool start_threads(struct workers *workers, bool pins_cpus)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool is_started = true;
	for (unsigned w = 0; w < workers->tcp_count && is_started; w++)
		is_started = start_thread(workers, tcp_run, workers->tcp[w], "dns-tcp", NULL);
	is_started = is_started && start_udp_threads(workers, pins_cpus);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return is_started;
}

static struct workers *workers_new(const struct workers_config *config)
{
	struct workers *workers = xcalloc(1, sizeof *workers);
	workers->listener_count = config->listen_count;
	workers->listeners = xcalloc(config->listen_count, sizeof *workers->listeners);
	workers->udp_count = config->listen_count * config->workers;
	workers->udp = xcalloc(workers->udp_count, sizeof *workers->udp);
	workers->tcp_sockets = xcalloc(workers->udp_count, sizeof *workers->tcp_sockets);
	for (size_t i = 0; i < workers->udp_count; i++)
		workers->tcp_sockets[i] = -1;
	for (unsigned t = 0; t < TRANSPORT_COUNT; t++)
		workers->drops[t] = xcalloc(workers->udp_count, sizeof *workers->drops[t]);
	workers->tcp = xcalloc(config->workers, sizeof(struct tcp_server *));
	workers->tcp_slots = tcp_slots_new();
	size_t threads = workers->udp_count + config->workers;
	workers->threads = xcalloc(threads, sizeof *workers->threads);
	workers->stats = xcalloc(threads, sizeof(struct stats *));
	return workers;
}

static void warn_of_buffers(const struct workers *workers, const struct workers_config *config,
			    struct err_list *errors)
{
	unsigned receive_bytes, send_bytes;
	char wanted[24], receive[24], send[24];
	sockets_granted(workers->udp[0]->socket, &receive_bytes, &send_bytes);
	if (receive_bytes >= config->sockets.buffer_bytes && send_bytes >= config->sockets.buffer_bytes)
		return;
	text_from_bytes(config->sockets.buffer_bytes, wanted);
	text_from_bytes(receive_bytes, receive);
	text_from_bytes(send_bytes, send);
	err_warn(errors, NULL, 0, 0,
		 "of dns.socket_buffer %s the kernel grants %s to receive and %s to send; the limits are "
		 "net.core.rmem_max and net.core.wmem_max",
		 wanted, receive, send);
}

static void make_tcp_servers(struct workers *workers, const struct workers_config *config)
{
	for (unsigned w = 0; w < config->workers; w++) {
		struct stats *stats = workers->stats[workers->stats_count++] = stats_new();
		workers->tcp[workers->tcp_count++] = tcp_new(
			config->world, workers->tcp_slots, &workers->tcp_sockets[w * workers->listener_count],
			workers->listener_count, stats);
	}
}

struct workers *workers_start(const struct workers_config *config, struct err_list *errors)
{
	assert(config->listen_count > 0 && config->workers > 0);
	if ((config->listen_count + 1) * config->workers > THREADS_MAX) {
		err_add(errors, NULL, 0, 0, "%u workers on %zu addresses are too many: at most %d threads",
			config->workers, config->listen_count, THREADS_MAX);
		return NULL;
	}
	struct workers *workers = workers_new(config);
	bool is_bound = true;
	for (size_t i = 0; i < config->listen_count; i++)
		if (!bind_listener(workers, config, i)) {
			const char *
				reason = strerror(errno),
			       *hint = errno == EADDRNOTAVAIL
					       ? "; dns.freebind: true listens on an address that comes later"
					       : "";
			char text[64];
			listen_format((const struct sockaddr *)&config->listen[i].sockaddr, true, text);
			err_add(errors, NULL, 0, 0, "cannot listen on %s: %s%s", text, reason, hint);
			is_bound = false;
		}
	if (is_bound) {
		make_tcp_servers(workers, config);
		warn_of_buffers(workers, config, errors);
		/* Ports below 1024 are bound; no thread that reads strangers' packets keeps the right. */
		if (!privilege_drop())
			err_add(errors, NULL, 0, 0, "cannot give up capabilities: %s", strerror(errno));
		else if (start_threads(workers, config->pins_cpus))
			return workers;
		else
			err_add(errors, NULL, 0, 0, "cannot start a thread: %s", strerror(EAGAIN));
	}
	workers_stop(workers);
	return NULL;
}

static void udp_worker_free(struct udp_worker *worker)
{
	if (!worker)
		return;
	close(worker->socket);
	free(worker->context.scratch);
	rrl_free(worker->context.rrl);
	xunmap(worker->context.budgets, sizeof *worker->context.budgets);
	free(worker);
}

void workers_stop(struct workers *workers)
{
	if (!workers)
		return;
	atomic_store_explicit(&workers->stop, true, memory_order_relaxed);
	for (size_t i = 0; i < workers->udp_count; i++)
		if (workers->udp[i])
			shutdown(workers->udp[i]->socket, SHUT_RD); /* ENOTCONN, yet it wakes: udp.c */
	for (unsigned w = 0; w < workers->tcp_count; w++)
		tcp_stop(workers->tcp[w]);
	for (size_t i = 0; i < workers->thread_count; i++)
		pthread_join(workers->threads[i], NULL);
	for (size_t i = 0; i < workers->udp_count; i++)
		udp_worker_free(workers->udp[i]);
	if (workers->tcp_count == 0) /* else the sockets are theirs */
		for (size_t i = 0; i < workers->udp_count; i++)
			if (workers->tcp_sockets[i] >= 0)
				close(workers->tcp_sockets[i]);
	for (unsigned w = 0; w < workers->tcp_count; w++)
		tcp_free(workers->tcp[w]);
	tcp_slots_free(workers->tcp_slots);
	free(workers->tcp);
	for (size_t i = 0; i < workers->stats_count; i++)
		stats_free(workers->stats[i]);
	free(workers->stats);
	free(workers->threads);
	free(workers->udp);
	free(workers->tcp_sockets);
	for (unsigned t = 0; t < TRANSPORT_COUNT; t++)
		free(workers->drops[t]);
	free(workers->listeners);
	free(workers);
}

const struct sockaddr_storage *workers_listeners(const struct workers *workers, size_t *ret_count)
{
	*ret_count = workers->listener_count;
	return workers->listeners;
}

struct stats *const *workers_stats(const struct workers *workers, size_t *ret_count)
{
	*ret_count = workers->stats_count;
	return workers->stats;
}

uint64_t workers_kernel_dropped(struct workers *workers, size_t listener, enum transport transport)
{
	uint64_t total = 0;
	for (size_t i = listener; i < workers->udp_count; i += workers->listener_count) {
		struct kernel_drops *drops = &workers->drops[transport][i];
		uint32_t now = sockets_dropped(transport == TRANSPORT_UDP ? workers->udp[i]->socket
									  : workers->tcp_sockets[i]);
		drops->total += (uint32_t)(now - drops->seen);
		drops->seen = now;
		total += drops->total;
	}
	return total;
}
