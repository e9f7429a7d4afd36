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
#include "gslb/serve/tcp.h"
#include "gslb/serve/udp.h"
#include "lib/mem.h"
#include "lib/privilege.h"
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_OCTETS (1 << 20)
#define BACKLOG 1024
#define PORT_ATTEMPTS 16
/* Bounds workers_stop where shutdown(2) should not wake a receiver (udp.c). */
#define RECEIVE_TIMEOUT_MS 250
#define THREADS_MAX (PUBLISH_READERS_MAX - 24) /* the rest of the process reads worlds too */

struct workers {
	atomic_bool stop;
	size_t listener_count;
	struct sockaddr_storage *listeners;
	size_t udp_count;
	struct udp_worker **udp; /* worker w of listener l: [w * listener_count + l] */
	int *tcp_sockets;	 /* the same; -1: none (yet) */
	unsigned tcp_count;
	struct tcp_server **tcp;
	struct tcp_places *tcp_places;
	size_t thread_count; /* started */
	pthread_t *threads;
	size_t stats_count;
	struct stats **stats;
};

/* ---- sockets ---- */

static bool is_any_address(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static in_port_t *port_of(struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? &((struct sockaddr_in *)address)->sin_port
					     : &((struct sockaddr_in6 *)address)->sin6_port;
}

static void set_option(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof value); /* what fails costs speed, not answers */
}

/* Bound with SO_REUSEPORT or SO_REUSEADDR (`reuse`). */
static int open_bound(const struct sockaddr_storage *address, socklen_t length, int type, int reuse)
{
	int fd = socket(address->ss_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int on = 1;
	bool is_set = setsockopt(fd, SOL_SOCKET, reuse, &on, sizeof on) == 0;
	if (is_set && address->ss_family == AF_INET6)
		is_set = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
	if (is_set && bind(fd, (const struct sockaddr *)address, length) == 0)
		return fd;
	int reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

static int open_udp(const struct sockaddr_storage *address, socklen_t length)
{
	int fd = open_bound(address, length, SOCK_DGRAM, SO_REUSEPORT);
	if (fd < 0)
		return -1;
	set_option(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_OCTETS);
	set_option(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_OCTETS);
	/* Path MTU messages can be forged to make us fragment: replies are small enough without them (RFC
	 * 9715 §3.1, §7) */
	if (address->ss_family == AF_INET) {
		set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
		if (is_any_address(address))
			set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
	} else {
		set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
		if (is_any_address(address))
			set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	}
	struct timeval timeout = {.tv_usec = RECEIVE_TIMEOUT_MS * 1000};
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The first of an address is bound alone, so that a second server is refused instead of taking half of
 * the clients, and shares from then on. */
static int open_tcp(const struct sockaddr_storage *address, socklen_t length, bool is_first)
{
	int on = 1;
	int fd = open_bound(address, length, SOCK_STREAM | SOCK_NONBLOCK,
			    is_first ? SO_REUSEADDR : SO_REUSEPORT);
	if (fd < 0)
		return -1;
	/* replies go at once; accepted sockets inherit it */
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

/* The first UDP socket and the TCP socket of a listener, on one port. */
static bool open_pair(const struct listen_address *wanted, struct sockaddr_storage *ret_bound, int *ret_udp,
		      int *ret_tcp)
{
	struct sockaddr_storage asked = wanted->sockaddr;
	bool is_port_free_to_choose = *port_of(&asked) == 0;
	for (int attempt = 0;; attempt++) {
		struct sockaddr_storage bound = asked;
		socklen_t length = wanted->length;
		int udp = open_udp(&asked, length);
		if (udp < 0)
			return false;
		int tcp = -1;
		if (getsockname(udp, (struct sockaddr *)&bound, &length) == 0)
			tcp = open_tcp(&bound, length, true);
		if (tcp >= 0) {
			*ret_bound = bound;
			*ret_udp = udp;
			*ret_tcp = tcp;
			return true;
		}
		int reason = errno;
		close(udp);
		errno = reason;
		if (!is_port_free_to_choose || reason != EADDRINUSE || attempt == PORT_ATTEMPTS)
			return false;
	}
}

static struct udp_worker *udp_worker_new(struct workers *workers, const struct publish *world, int fd,
					 const struct sockaddr_storage *address)
{
	struct udp_worker *worker = xcalloc_apart(sizeof *worker);
	worker->socket = fd;
	worker->has_any_address = is_any_address(address);
	worker->world = world;
	worker->stop = &workers->stop;
	worker->context.scratch = xcalloc_apart(sizeof *worker->context.scratch);
	worker->context.rrl = rrl_new();
	worker->context.budgets = xmap(BUDGET_BUCKETS * sizeof *worker->context.budgets);
	worker->context.stats = workers->stats[workers->stats_count++] = stats_new();
	rng_seed_from_system(&worker->context.rng);
	return worker;
}

static bool bind_listener(struct workers *workers, const struct workers_config *config, size_t number)
{
	const struct listen_address *wanted = &config->listen[number];
	struct sockaddr_storage *bound = &workers->listeners[number];
	int udp, tcp;
	if (!open_pair(wanted, bound, &udp, &tcp))
		return false;
	for (unsigned w = 0;; w++) {
		size_t place = w * workers->listener_count + number;
		workers->udp[place] = udp_worker_new(workers, config->world, udp, bound);
		workers->tcp_sockets[place] = tcp;
		if (tcp < 0 || w + 1 == config->workers)
			return tcp >= 0;
		udp = open_udp(bound, wanted->length);
		if (udp < 0)
			return false;
		tcp = open_tcp(bound, wanted->length, false);
	}
}

/* ---- threads ---- */

static bool start_thread(struct workers *workers, void *(*run)(void *), void *argument, const char *name)
{
	pthread_t *thread = &workers->threads[workers->thread_count];
	if (pthread_create(thread, NULL, run, argument) != 0)
		return false;
	pthread_setname_np(*thread, name);
	workers->thread_count++;
	return true;
}

/* Signals are the control thread's. */
static bool start_threads(struct workers *workers)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool is_started = true;
	for (unsigned w = 0; w < workers->tcp_count && is_started; w++)
		is_started = start_thread(workers, tcp_run, workers->tcp[w], "dns-tcp");
	for (size_t i = 0; i < workers->udp_count && is_started; i++)
		is_started = start_thread(workers, udp_run, workers->udp[i], "dns-udp");
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
	workers->tcp = xcalloc(config->workers, sizeof(struct tcp_server *));
	workers->tcp_places = tcp_places_new();
	size_t threads = workers->udp_count + config->workers;
	workers->threads = xcalloc(threads, sizeof *workers->threads);
	workers->stats = xcalloc(threads, sizeof(struct stats *));
	return workers;
}

static void make_tcp_servers(struct workers *workers, const struct workers_config *config)
{
	for (unsigned w = 0; w < config->workers; w++) {
		struct stats *stats = workers->stats[workers->stats_count++] = stats_new();
		workers->tcp[workers->tcp_count++] = tcp_new(
			config->world, workers->tcp_places,
			&workers->tcp_sockets[w * workers->listener_count], workers->listener_count, stats);
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
			const char *reason = strerror(errno);
			char text[64];
			listen_format((const struct sockaddr *)&config->listen[i].sockaddr, true, text);
			err_add(errors, NULL, 0, 0, "cannot listen on %s: %s", text, reason);
			is_bound = false;
		}
	if (is_bound) {
		make_tcp_servers(workers, config);
		/* Ports below 1024 are bound; no thread that reads strangers' packets keeps the right. */
		if (!privilege_drop())
			err_add(errors, NULL, 0, 0, "cannot give up capabilities: %s", strerror(errno));
		else if (start_threads(workers))
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
	xunmap(worker->context.budgets, BUDGET_BUCKETS * sizeof *worker->context.budgets);
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
	tcp_places_free(workers->tcp_places);
	free(workers->tcp);
	for (size_t i = 0; i < workers->stats_count; i++)
		stats_free(workers->stats[i]);
	free(workers->stats);
	free(workers->threads);
	free(workers->udp);
	free(workers->tcp_sockets);
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
