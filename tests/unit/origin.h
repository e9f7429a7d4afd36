/*
 * A server for the tests of probes, on the test's own event base: answers every request with fixed
 * bytes, at once or piece by piece, or accepts and says nothing. Loopback, port from the kernel.
 */
#pragma once
#include "lib/net.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>

struct origin {
	struct event_base *base;
	struct evconnlistener *listener;
	uint16_t port;
	const char *reply; /* NULL: never a word */
	size_t reply_length;
	size_t piece_bytes;    /* 0: all at once; else so many each millisecond */
	bool stays_open;       /* after the reply */
	unsigned end_delay_ms; /* between the client's end and the server's */
	bool ends_after_reply; /* stays open, but closes when a second request comes */
	unsigned accepted, open, most_open;
	unsigned resets;     /* connections that the client reset */
	size_t unsent_bytes; /* of the reply, when the last connection ended */
	char request[4096];  /* the last one */
	size_t request_length;
};

struct origin_connection {
	struct origin *origin;
	struct bufferevent *stream;
	struct event *timer;
	size_t sent;
	bool is_answered; /* the reply began */
};

static void origin_close(struct origin_connection *connection)
{
	connection->origin->open--;
	connection->origin->unsent_bytes = evbuffer_get_length(bufferevent_get_output(connection->stream));
	event_free(connection->timer);
	bufferevent_free(connection->stream);
	free(connection);
}

static void origin_on_late_end(evutil_socket_t fd, short events, void *user)
{
	origin_close(user);
}

static void origin_on_event(struct bufferevent *stream, short events, void *user)
{
	struct origin_connection *connection = user;
	struct origin *origin = connection->origin;
	struct timeval delay = {origin->end_delay_ms / 1000, origin->end_delay_ms % 1000 * 1000};
	if (events & BEV_EVENT_ERROR)
		origin->resets++;
	if (events & BEV_EVENT_EOF && origin->end_delay_ms > 0)
		event_base_once(origin->base, -1, EV_TIMEOUT, origin_on_late_end, connection, &delay);
	else if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		origin_close(connection);
}

static void origin_on_written(struct bufferevent *stream, void *user)
{
	struct origin_connection *connection = user;
	bool is_over = connection->is_answered && connection->sent == connection->origin->reply_length;
	if (is_over && !connection->origin->stays_open)
		origin_close(connection);
}

static void origin_send(evutil_socket_t fd, short events, void *user)
{
	struct origin_connection *connection = user;
	struct origin *origin = connection->origin;
	connection->is_answered = true;
	if (origin->reply_length == 0) {
		origin_close(connection);
		return;
	}
	size_t left = origin->reply_length - connection->sent;
	size_t take = origin->piece_bytes > 0 && origin->piece_bytes < left ? origin->piece_bytes : left;
	const char *from = origin->reply + connection->sent;
	connection->sent += take;
	bufferevent_write(connection->stream, from, take);
	if (take < left)
		event_add(connection->timer, &(const struct timeval){.tv_usec = 1000});
}

static void origin_on_request(struct bufferevent *stream, void *user)
{
	struct origin_connection *connection = user;
	struct origin *origin = connection->origin;
	size_t room = sizeof origin->request - 1 - origin->request_length;
	origin->request_length += bufferevent_read(stream, origin->request + origin->request_length, room);
	origin->request[origin->request_length] = '\0';
	if (connection->is_answered && origin->ends_after_reply)
		origin_close(connection);
	else if (origin->reply && !connection->is_answered && strstr(origin->request, "\r\n\r\n"))
		origin_send(-1, EV_TIMEOUT, connection);
}

static void origin_on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
			     int length, void *user)
{
	struct origin *origin = user;
	struct origin_connection *connection = calloc(1, sizeof *connection);
	if (!connection)
		abort();
	origin->accepted++;
	if (++origin->open > origin->most_open)
		origin->most_open = origin->open;
	origin->request_length = 0;
	connection->origin = origin;
	connection->timer = evtimer_new(origin->base, origin_send, connection);
	connection->stream = bufferevent_socket_new(origin->base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(connection->stream, origin_on_request, origin_on_written, origin_on_event,
			  connection);
	bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
}

/* text "127.0.0.1" or "::1"; port 0: the kernel chooses. False: no such address here. */
static inline bool origin_open(struct origin *origin, struct event_base *base, const char *text,
			       uint16_t port)
{
	struct ip ip;
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	if (!ip_parse(text, &ip))
		return false;
	memcpy(&v4.sin_addr, ip.bytes, 4);
	memcpy(&v6.sin6_addr, ip.bytes, 16);
	origin->base = base;
	origin->listener = evconnlistener_new_bind(
		base, origin_on_accept, origin, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
		ip.family == 4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
		ip.family == 4 ? sizeof v4 : sizeof v6);
	if (!origin->listener)
		return false;
	struct sockaddr_in6 bound; /* the port stands at the same place in both families */
	socklen_t bound_length = sizeof bound;
	getsockname(evconnlistener_get_fd(origin->listener), (struct sockaddr *)&bound, &bound_length);
	origin->port = ntohs(bound.sin6_port);
	return true;
}

static inline void origin_reply(struct origin *origin, const char *reply)
{
	origin->reply = reply;
	origin->reply_length = reply ? strlen(reply) : 0;
}

/* Stops listening: the next connection is refused. */
static inline void origin_refuse(struct origin *origin)
{
	if (origin->listener)
		evconnlistener_free(origin->listener);
	origin->listener = NULL;
}

/* Lets connections that the peer closed end; those left hanging are the test's to end by its probes. */
static inline void origin_settle(struct origin *origin)
{
	origin_refuse(origin);
	while (origin->open > 0 && event_base_loop(origin->base, EVLOOP_ONCE) == 0)
		continue;
}
