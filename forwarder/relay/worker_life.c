/* Making and freeing what a worker has. Control thread, but for the date. */
#include "forwarder/relay/worker_life.h"
#include "forwarder/io/link.h"
#include "forwarder/io/ring.h"
#include "forwarder/relay/conn_table.h"
#include "forwarder/relay/exchange.h"
#include "forwarder/relay/origin_link.h"
#include "forwarder/relay/record.h"
#include "forwarder/relay/sni.h"
#include "forwarder/traffic/balance.h"
#include "forwarder/traffic/retry.h"
#include "lib/clock.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define POOLS_MAX ((size_t)1 << 20) /* numbers of pools' states are below it */

static bool watch_mailbox(struct worker *worker)
{
	struct link link = {.kind = LINK_MAILBOX};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = link_event_data(&link)};

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->mailbox.fd, &event) == 0;
}

static bool open_descriptors(struct worker *worker)
{
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return mailbox_init(&worker->mailbox) && worker->epoll_fd >= 0 && watch_mailbox(worker);
}

static void close_descriptors(struct worker *worker)
{
	mailbox_done(&worker->mailbox);
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
}

struct worker *worker_new(struct relay_shared *relay, unsigned number, const struct worker_settings *settings)
{
	struct worker *worker = xcalloc_apart(sizeof *worker);

	worker->relay = relay;
	worker->number = number;
	if (!open_descriptors(worker)) {
		int error = errno;
		close_descriptors(worker);
		free(worker);
		errno = error;
		return NULL;
	}
	worker->now_ms = clock_mono_ms();
	worker->now_ns = clock_mono_ns();
	rng_seed_from_system(&worker->rng);
	wheel_init(&worker->wheel, worker->now_ms);
	buffers_init(&worker->buffers, settings->buffers_bytes);
	worker->stats = request_stats_new();
	worker->log.ring = ring_new(LOG_RECORD_RING);
	worker->view.stats = worker->stats;
	worker->view.log = &worker->log;
	worker->notices.ring = ring_new(TENANT_NOTICE_RING);
	worker->view.notices = &worker->notices;
	worker->balance = xmap(POOLS_MAX * sizeof *worker->balance);
	worker->budgets = xmap(POOLS_MAX * sizeof *worker->budgets);
	conn_table_init(worker);
	origin_link_init(worker);
	worker->tls_settings = settings->tls;
	worker->tls_settings.hello = sni_hello;
	worker->tls_settings.user = worker;
	worker->has_tls = settings->has_tls;
	return worker;
}

void worker_close_listeners(struct worker *worker)
{
	for (unsigned i = 0; i < worker->listener_count; i++)
		close(worker->listeners[i].fd);
	worker->listener_count = 0;
}

static void free_exchanges(struct worker *worker)
{
	struct exchange *next;

	for (struct exchange *exchange = worker->exchange_free; exchange; exchange = next) {
		next = exchange->next;
		free(exchange);
	}
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	worker_close_listeners(worker);
	origin_link_done(worker);
	conn_table_done(worker);
	free_exchanges(worker);
	record_done(worker);
	ring_free(worker->log.ring);
	ring_free(worker->notices.ring);
	buffers_done(&worker->buffers);
	xunmap(worker->balance, POOLS_MAX * sizeof *worker->balance);
	xunmap(worker->budgets, POOLS_MAX * sizeof *worker->budgets);
	request_stats_free(worker->stats);
	close_descriptors(worker);
	free(worker);
}

bool worker_add_listener(struct worker *worker, int fd, bool is_https)
{
	assert(worker->listener_count < LISTENERS_MAX);
	struct link link = {.kind = LINK_LISTENER, .number = worker->listener_count};
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = link_event_data(&link)};

	worker->listeners[worker->listener_count++] = (struct worker_listener){fd, is_https};
	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void put_digits(char *at, unsigned value, unsigned digits)
{
	for (; digits > 0; digits--, value /= 10)
		at[digits - 1] = (char)('0' + value % 10);
}

void worker_write_date(struct worker *worker)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = worker->unix_s;
	struct tm tm;

	gmtime_r(&now, &tm);
	memcpy(worker->date, "Sun, 06 Nov 1994 08:49:37 GMT", sizeof worker->date);
	memcpy(worker->date, days + tm.tm_wday * 3, 3);
	memcpy(worker->date + 8, months + tm.tm_mon * 3, 3);
	put_digits(worker->date + 5, (unsigned)tm.tm_mday, 2);
	put_digits(worker->date + 12, (unsigned)tm.tm_year + 1900, 4);
	put_digits(worker->date + 17, (unsigned)tm.tm_hour, 2);
	put_digits(worker->date + 20, (unsigned)tm.tm_min, 2);
	put_digits(worker->date + 23, (unsigned)tm.tm_sec, 2);
}
