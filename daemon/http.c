/*
 * How HTTP calls are carried: libevent's evhttp on the Unix socket and, for the plain pages, on a loopback
 * address. What a call means is http_route.c's and the handlers'. Control thread.
 *
 * evhttp answers by itself, in HTML, what is not well-formed HTTP (400) and bodies beyond twice our
 * limit (413); up to there a body is read, so that its refusal can be told as a problem.
 */
#include "daemon/http.h"
#include "daemon/http_listen.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <malloc.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDLE_S 30 /* a connection that neither sends nor takes anything for so long is closed */
#define HEADERS_MAX (32 << 10)
#define PIECES_WAITING_MAX ((size_t)1 << 20) /* octets that a slow client has not taken yet */
#define PLAIN_BODY_MAX (4 << 10)
#define LARGE_BODY (1 << 20) /* after which memory is given back to the system, */
#define TRIM_S 1	     /* when the reply has gone, too */
#define ACCEPT_PAUSE_MS 100  /* after accept failed, for want of descriptors */

struct listener {
	struct http_server *server;
	bool is_plain;
	struct evhttp *http;
	struct evhttp_bound_socket *bound; /* NULL: not open */
	char *written;			   /* the address, as configured */
};

struct http_server {
	struct event_base *base;
	const struct http_service *service;
	struct listener unix_socket, plain;
	dev_t socket_device; /* the file that we bound, */
	ino_t socket_inode;  /* and not one that came in its place, is removed at the end */
	uid_t author_uid;
	char author[96]; /* of author_uid; "" none yet */
	LIST_HEAD(, call) calls;
	struct event *trim;
};

/* A request until its reply is sent. */
struct call {
	struct http_deferred deferred;
	struct listener *listener;
	struct evhttp_request *http;
	enum {
		CALL_HANDLED,	/* its handler runs */
		CALL_DEFERRED,	/* its reply comes later */
		CALL_IN_PIECES, /* the head of its reply is sent */
	} state;
	LIST_ENTRY(call) link;
};

/* ---- one request ---- */

static const char *method_name(struct evhttp_request *http)
{
	switch (evhttp_request_get_command(http)) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_HEAD:
		return "HEAD";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	default:
		return "";
	}
}

static void send_reply(struct evhttp_request *http, struct http_reply *reply)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(http);
	const char *method = method_name(http);
	evhttp_add_header(headers, "Content-Type", reply->content_type);
	if (reply->etag[0])
		evhttp_add_header(headers, "ETag", reply->etag);
	if (reply->allow[0])
		evhttp_add_header(headers, "Allow", reply->allow);
	/* evhttp reads no body with a method that it does not know: what follows is no request. */
	if (method[0] == '\0')
		evhttp_add_header(headers, "Connection", "close");
	/* evhttp would send the body with HEAD, too. */
	if (strcmp(method, "HEAD") == 0) {
		char length[24];
		snprintf(length, sizeof length, "%zu", evbuffer_get_length(reply->body));
		evhttp_add_header(headers, "Content-Length", length);
		evbuffer_drain(reply->body, evbuffer_get_length(reply->body));
	}
	evhttp_send_reply(http, reply->status, NULL, reply->body);
}

static void end_call(struct call *call)
{
	LIST_REMOVE(call, link);
	free(call);
}

/* ---- replies that come later ---- */

static struct call *call_of(struct http_deferred *deferred)
{
	struct call *call = (struct call *)((char *)deferred - offsetof(struct call, deferred));
	assert(call->state != CALL_HANDLED); /* a handler answers at once by its reply */
	return call;
}

static void finish_call(struct http_deferred *deferred, struct http_reply *reply)
{
	struct call *call = call_of(deferred);
	assert(call->state == CALL_DEFERRED && !reply->is_deferred);
	send_reply(call->http, reply);
	end_call(call);
}

static enum http_piece send_piece(struct http_deferred *deferred, struct evbuffer *octets)
{
	struct call *call = call_of(deferred);
	struct evhttp_connection *connection = evhttp_request_get_connection(call->http);
	if (!connection)
		return HTTP_PIECE_GONE;
	struct bufferevent *stream = evhttp_connection_get_bufferevent(connection);
	if (call->state == CALL_DEFERRED) {
		/* The client has nothing more to say: its silence is no reason to part. */
		bufferevent_set_timeouts(stream, NULL, &(const struct timeval){.tv_sec = IDLE_S});
		evhttp_add_header(evhttp_request_get_output_headers(call->http), "Content-Type",
				  "application/jsonl");
		evhttp_send_reply_start(call->http, 200, NULL);
		call->state = CALL_IN_PIECES;
	}
	if (evbuffer_get_length(bufferevent_get_output(stream)) > PIECES_WAITING_MAX)
		return HTTP_PIECE_BUSY;
	if (evbuffer_get_length(octets) > 0)
		evhttp_send_reply_chunk(call->http, octets);
	return HTTP_PIECE_SENT;
}

static void end_pieces(struct http_deferred *deferred)
{
	struct call *call = call_of(deferred);
	evhttp_send_reply_end(call->http);
	end_call(call);
}

static void handle_call(struct call *call);

static void retry_call(struct http_deferred *deferred)
{
	struct call *call = call_of(deferred);
	assert(call->state == CALL_DEFERRED);
	if (evhttp_request_get_connection(call->http)) {
		handle_call(call);
		return;
	}
	/* The client has left, and nobody asks for it any more. */
	struct http_reply reply;
	http_reply_init(&reply);
	finish_call(deferred, &reply);
	http_reply_done(&reply);
}

/* ---- from evhttp to the handlers ---- */

/* "uid:1000 (name)" of the process behind the connection. */
static const char *find_author(struct http_server *server, struct evhttp_request *http)
{
	struct ucred peer;
	socklen_t length = sizeof peer;
	struct bufferevent *stream = evhttp_connection_get_bufferevent(evhttp_request_get_connection(http));
	if (getsockopt(bufferevent_getfd(stream), SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return "unknown";
	if (server->author[0] && server->author_uid == peer.uid)
		return server->author;
	char text[1024];
	struct passwd entry, *found = NULL;
	if (getpwuid_r(peer.uid, &entry, text, sizeof text, &found) == 0 && found)
		snprintf(server->author, sizeof server->author, "uid:%lu (%.64s)", (unsigned long)peer.uid,
			 found->pw_name);
	else
		snprintf(server->author, sizeof server->author, "uid:%lu", (unsigned long)peer.uid);
	server->author_uid = peer.uid;
	return server->author;
}

static void handle_call(struct call *call)
{
	struct listener *listener = call->listener;
	struct http_server *server = listener->server;
	struct evhttp_request *http = call->http;
	struct evkeyvalq *headers = evhttp_request_get_input_headers(http);
	struct evbuffer *body = evhttp_request_get_input_buffer(http);
	struct http_request request = {
		.method = method_name(http),
		.target = evhttp_request_get_uri(http),
		.content_type = evhttp_find_header(headers, "Content-Type"),
		.if_match = evhttp_find_header(headers, "If-Match"),
		.if_none_match = evhttp_find_header(headers, "If-None-Match"),
		.body = "",
		.body_length = evbuffer_get_length(body),
		.is_plain = listener->is_plain,
		.author = listener->is_plain ? "" : find_author(server, http),
		.deferred = &call->deferred,
	};
	if (request.body_length > 0 && request.body_length <= HTTP_BODY_MAX)
		request.body = (const char *)evbuffer_pullup(body, -1);
	struct http_reply reply;
	http_reply_init(&reply);
	call->state = CALL_HANDLED;
	http_route_dispatch(server->service, &request, &reply);
	assert(call->state == CALL_HANDLED);
	call->state = CALL_DEFERRED;
	if (!reply.is_deferred)
		finish_call(&call->deferred, &reply);
	http_reply_done(&reply);
}

/* What a body of many MiB left behind in small pieces, malloc would keep. */
static void on_trim(evutil_socket_t fd, short what, void *user)
{
	malloc_trim(0);
}

static void on_request(struct evhttp_request *http, void *user)
{
	struct listener *listener = user;
	struct http_server *server = listener->server;
	struct call *call = xcalloc(1, sizeof *call);
	call->listener = listener;
	call->http = http;
	call->deferred = (struct http_deferred){.user = server->service->user,
						.finish = finish_call,
						.retry = retry_call,
						.piece = send_piece,
						.end = end_pieces};
	LIST_INSERT_HEAD(&server->calls, call, link);
	if (evbuffer_get_length(evhttp_request_get_input_buffer(http)) > LARGE_BODY)
		event_add(server->trim, &(const struct timeval){.tv_sec = TRIM_S});
	handle_call(call);
}

/* ---- listening ---- */

static void enable_listener(struct evhttp_bound_socket *bound, void *user)
{
	evconnlistener_enable(evhttp_bound_socket_get_listener(bound));
}

static void on_resume(evutil_socket_t fd, short what, void *http)
{
	evhttp_foreach_bound_socket(http, enable_listener, NULL);
}

/* Without a pause a process that has no descriptor left would spin on the same connection. The user
 * pointer is evhttp's own: evhttp_bind_listener set it. The loop ends before the server is freed. */
static void on_accept_error(struct evconnlistener *from, void *http)
{
	struct timeval pause = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
	log_warning("the API could not accept a connection: %s", strerror(errno));
	evconnlistener_disable(from);
	event_base_once(evconnlistener_get_base(from), -1, EV_TIMEOUT, on_resume, http, &pause);
}

static void listener_init(struct listener *listener, struct http_server *server, bool is_plain)
{
	listener->server = server;
	listener->is_plain = is_plain;
	listener->http = evhttp_new(server->base);
	if (!listener->http)
		abort();
	/* All of them, the unknown ones too: the refusal is ours to tell. */
	evhttp_set_allowed_methods(listener->http, 0xffff);
	evhttp_set_max_headers_size(listener->http, HEADERS_MAX);
	evhttp_set_max_body_size(listener->http, is_plain ? PLAIN_BODY_MAX : 2 * (ev_ssize_t)HTTP_BODY_MAX);
	/* What is beyond that is read to its end all the same: closing a socket with unread data would
	 * reset the connection before the client reads why. */
	evhttp_set_flags(listener->http, EVHTTP_SERVER_LINGERING_CLOSE);
	evhttp_set_timeout(listener->http, IDLE_S);
	evhttp_set_gencb(listener->http, on_request, listener);
}

static void listener_close(struct listener *listener)
{
	if (listener->bound)
		evhttp_del_accept_socket(listener->http, listener->bound);
	listener->bound = NULL;
	free(listener->written);
	listener->written = NULL;
}

static void listener_done(struct listener *listener)
{
	listener_close(listener);
	evhttp_free(listener->http);
}

/* Takes over the descriptor, which listens already. */
static void listener_start(struct listener *listener, int fd, const char *written)
{
	assert(fd >= 0);
	listener_close(listener);
	listener->written = xstrdup(written);
	struct evconnlistener *accepting = evconnlistener_new(
		listener->server->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!accepting)
		abort();
	listener->bound = evhttp_bind_listener(listener->http, accepting);
	if (!listener->bound)
		abort();
	evconnlistener_set_error_cb(accepting, on_accept_error);
}

/* Is the file at the address the one that we bound? Somebody may have removed it. */
static bool is_socket_ours(const struct http_server *server)
{
	struct stat status;
	const char *path = server->unix_socket.written;
	return path && lstat(path, &status) == 0 && status.st_dev == server->socket_device &&
	       status.st_ino == server->socket_inode;
}

static void remove_socket(struct http_server *server)
{
	if (is_socket_ours(server))
		unlink(server->unix_socket.written);
}

static bool is_same(const char *a, const char *b)
{
	return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static void start_unix(struct http_server *server, int fd, const char *path)
{
	struct stat status = {0};
	remove_socket(server);
	if (lstat(path, &status) == 0) {
		server->socket_device = status.st_dev;
		server->socket_inode = status.st_ino;
	}
	listener_start(&server->unix_socket, fd, path);
}

bool http_server_rebind(struct http_server *server, const struct http_addresses *addresses,
			struct err_list *errors)
{
	const char *path = addresses->socket, *plain = addresses->plain_written;
	bool new_unix = !is_same(server->unix_socket.written, path) || !is_socket_ours(server);
	bool new_plain = !is_same(server->plain.written, plain);
	int unix_fd = -1, plain_fd = -1;
	assert(path);
	if (new_plain && plain && (plain_fd = http_listen_tcp(&addresses->plain, plain, errors)) < 0)
		return false;
	if (new_unix && (unix_fd = http_listen_unix(path, server->service->program, errors)) < 0) {
		if (plain_fd >= 0)
			close(plain_fd);
		return false;
	}
	if (new_plain)
		listener_close(&server->plain);
	if (plain_fd >= 0)
		listener_start(&server->plain, plain_fd, plain);
	if (new_unix)
		start_unix(server, unix_fd, path);
	return true;
}

struct http_server *http_server_new(struct event_base *base, const struct http_service *service,
				    const struct http_addresses *addresses, struct err_list *errors)
{
	struct http_server *server = xcalloc(1, sizeof *server);
	assert(base && service->routes && service->program);
	server->base = base;
	server->service = service;
	LIST_INIT(&server->calls);
	server->trim = evtimer_new(base, on_trim, NULL);
	if (!server->trim)
		abort();
	listener_init(&server->unix_socket, server, false);
	listener_init(&server->plain, server, true);
	if (http_server_rebind(server, addresses, errors))
		return server;
	http_server_free(server);
	return NULL;
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	remove_socket(server);
	listener_done(&server->unix_socket);
	listener_done(&server->plain);
	event_free(server->trim);
	struct call *call;
	while ((call = LIST_FIRST(&server->calls)))
		end_call(call);
	free(server);
}

bool http_server_plain_address(const struct http_server *server, struct sockaddr_storage *ret)
{
	socklen_t length = sizeof *ret;
	if (!server || !server->plain.bound)
		return false;
	int fd = evhttp_bound_socket_get_fd(server->plain.bound);
	return getsockname(fd, (struct sockaddr *)ret, &length) == 0;
}
