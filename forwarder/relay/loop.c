/*
 * A worker's loop: offline while it waits, then the clock, letters, events, what was left over, timers. The
 * clock is read twice a turn, here alone.
 */
#include "forwarder/relay/loop.h"
#include "forwarder/relay/conn.h"
#include "forwarder/relay/origin_link.h"
#include "forwarder/relay/worker_life.h"
#include "lib/clock.h"
#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define EVENTS_A_TURN 256
#define ACCEPTS_A_TURN 16
#define ACCEPT_PAUSE_MS 10
#define BALANCE_SLACK 64 /* connections above the mean that a worker keeps */

static void read_clock(struct worker *worker)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	worker->now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	worker->now_ms = worker->now_ns / 1000000u;
	if (worker->now_ms < worker->date_ms)
		return;
	worker->date_ms = worker->now_ms + 1000 - worker->now_ms % 1000;
	clock_gettime(CLOCK_REALTIME, &now);
	worker->unix_s = now.tv_sec;
	worker_write_date(worker);
}

/* The worker with the fewest connections, where this one has many more than its share; else itself. */
static struct worker *emptiest(struct worker *worker)
{
	const struct relay_shared *relay = worker->relay;
	struct worker *best = worker;
	uint64_t sum = 0;
	uint32_t least = worker->conn_count;

	for (unsigned i = 0; i < relay->worker_count; i++) {
		uint32_t count =
			atomic_load_explicit(&relay->workers[i]->conn_count_shown, memory_order_relaxed);
		sum += count;
		if (count < least) {
			least = count;
			best = relay->workers[i];
		}
	}
	return worker->conn_count > sum / relay->worker_count * 5 / 4 + BALANCE_SLACK ? best : worker;
}

static void take_connection(struct worker *worker, int fd, bool is_https)
{
	struct worker *owner = worker->relay->worker_count > 1 ? emptiest(worker) : worker;
	struct mail mail = {.kind = MAIL_CONNECTION, .a = (uint64_t)fd, .b = is_https};

	if (owner == worker || !mailbox_post(&owner->mailbox, &mail))
		conn_open(worker, fd, is_https);
}

static void accept_some(struct worker *worker, const struct worker_listener *listener)
{
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take_connection(worker, fd, listener->is_https);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			worker->accept_ms = worker->now_ms + ACCEPT_PAUSE_MS;
		return;
	}
}

/* Listeners stand in epoll as level-triggered, so one that is left alone tells again. */
static bool may_accept(struct worker *worker)
{
	if (buffers_are_scarce(&worker->buffers))
		worker->accept_ms = worker->now_ms + ACCEPT_PAUSE_MS;
	return worker->now_ms >= worker->accept_ms;
}

/* No more come; those that the kernel has accepted are taken, for their clients are connected. */
static void stop_accepting(struct worker *worker)
{
	for (unsigned i = 0; i < worker->listener_count; i++) {
		int fd;
		while ((fd = accept4(worker->listeners[i].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
			conn_open(worker, fd, worker->listeners[i].is_https);
	}
	worker_close_listeners(worker);
}

static void read_mail(struct worker *worker)
{
	struct mail mail;

	while (mailbox_take(&worker->mailbox, &mail)) {
		switch (mail.kind) {
		case MAIL_CONNECTION:
			conn_open(worker, (int)mail.a, mail.b != 0);
			break;
		case MAIL_GRANTED:
			conn_granted(worker, mail.a);
			break;
		case MAIL_DRAIN:
			stop_accepting(worker);
			conn_drain(worker, mail.a);
			break;
		case MAIL_STOP:
			worker->is_stopping = true;
			break;
		case MAIL_NONE:
			assert(false);
		}
	}
}

static void handle(struct worker *worker, const struct epoll_event *event)
{
	uint64_t data = event->data.u64;

	switch (link_event_kind(data)) {
	case LINK_CLIENT:
		conn_event(worker, data, event->events);
		break;
	case LINK_ORIGIN:
		conn_origin_event(worker, data, event->events);
		break;
	case LINK_LISTENER:
		if (link_event_number(data) < worker->listener_count && may_accept(worker))
			accept_some(worker, &worker->listeners[link_event_number(data)]);
		break;
	case LINK_MAILBOX:
		break; /* it was read ahead of all events */
	}
}

static int sleep_ms(struct worker *worker)
{
	int sleep = wheel_sleep_ms(&worker->wheel, worker->now_ms);

	/* Without a buffer nothing goes on before somebody gives one back. */
	if (worker->deferred)
		return buffers_are_scarce(&worker->buffers) ? 1 : 0;
	if (worker->now_ms < worker->accept_ms) {
		int pause = (int)(worker->accept_ms - worker->now_ms);
		sleep = sleep < 0 || sleep > pause ? pause : sleep;
	}
	return sleep;
}

static int wait_for_events(struct worker *worker, struct epoll_event *events)
{
	int sleep = sleep_ms(worker);

	publish_reader_offline(&worker->reader);
	int count = epoll_wait(worker->epoll_fd, events, EVENTS_A_TURN, sleep);
	publish_reader_online(&worker->reader);
	return count > 0 ? count : 0;
}

void loop_run(struct worker *worker)
{
	struct epoll_event events[EVENTS_A_TURN];

	publish_reader_online(&worker->reader);
	read_clock(worker);
	while (!worker->is_stopping) {
		int count = wait_for_events(worker, events);
		read_clock(worker);
		if (worker->tls)
			tls_context_set_time(worker->tls, worker->unix_s);
		read_mail(worker);
		for (int i = 0; i < count; i++)
			handle(worker, &events[i]);
		conn_run_deferred(worker);
		conn_run_timers(worker);
		buffers_trim(&worker->buffers, worker->now_ms);
		atomic_store_explicit(&worker->view.buffers_bytes, worker->buffers.used,
				      memory_order_relaxed);
	}
	publish_reader_offline(&worker->reader);
}
