/*
 * How API calls are carried: libevent's evhttp on the Unix socket and, for three plain pages, on
 * admin.http. What a call means is api_dispatch's. Control thread.
 *
 * evhttp answers by itself, in HTML, what is not well-formed HTTP (400) and bodies beyond twice our
 * limit (413); up to there a body is read, so that its refusal can be told as a problem.
 */
#include "gslb/api/api.h"

#include "gslb/api/api_request.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <malloc.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define IDLE_S 30 /* a connection that neither sends nor takes anything for so long is closed */
#define HEADERS_MAX (32 << 10)
#define PIECES_WAITING_MAX ((size_t)1 << 20) /* octets that a slow client has not taken yet */
#define PLAIN_BODY_MAX (4 << 10)
#define BACKLOG 1024
#define LARGE_BODY (1 << 20) /* after which memory is given back to the system, */
#define TRIM_S 1	     /* when the reply has gone, too */
#define ACCEPT_PAUSE_MS 100  /* after accept failed, for want of descriptors */

struct listener {
	struct api *api;
	bool is_plain;
	struct evhttp *http;
	struct evhttp_bound_socket *bound; /* NULL: not open */
	char *written;			   /* the address, as configured */
};

struct api {
	struct server *server;
	struct api_jobs jobs;
	struct listener unix_socket, plain;
	dev_t socket_device; /* the file that we bound, */
	ino_t socket_inode;  /* and not one that came in its place, is removed at the end */
	uid_t author_uid;
	char author[96]; /* of author_uid; "" none yet */
	LIST_HEAD(, call) calls;
	struct event *trim;
};

/* A request that waits for its reply; most wait for nothing. */
struct call {
	struct api_deferred deferred;
	struct listener *listener;
	struct evhttp_request *http;
	bool has_begun; /* to send pieces */
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

static void send_reply(struct evhttp_request *http, struct api_reply *reply)
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
		snprintf(length, sizeof(length), "%zu", evbuffer_get_length(reply->body));
		evhttp_add_header(headers, "Content-Length", length);
		evbuffer_drain(reply->body, evbuffer_get_length(reply->body));
	}
	evhttp_send_reply(http, reply->status, NULL, reply->body);
}

static struct call *call_of(struct api_deferred *deferred)
{
	return (struct call *)((char *)deferred - offsetof(struct call, deferred));
}

static void finish_call(struct api_deferred *deferred, struct api_reply *reply)
{
	struct call *call = call_of(deferred);
	send_reply(call->http, reply);
	LIST_REMOVE(call, link);
	free(call);
}

static enum api_piece send_piece(struct api_deferred *deferred, struct evbuffer *octets)
{
	struct call *call = call_of(deferred);
	struct evhttp_connection *connection = evhttp_request_get_connection(call->http);
	if (!connection)
		return API_PIECE_GONE;
	struct bufferevent *stream = evhttp_connection_get_bufferevent(connection);
	if (!call->has_begun) {
		/* The client has nothing more to say: its silence is no reason to part. */
		bufferevent_set_timeouts(stream, NULL, &(const struct timeval){.tv_sec = IDLE_S});
		evhttp_add_header(evhttp_request_get_output_headers(call->http), "Content-Type",
				  "application/jsonl");
		evhttp_send_reply_start(call->http, 200, NULL);
		call->has_begun = true;
	}
	if (evbuffer_get_length(bufferevent_get_output(stream)) > PIECES_WAITING_MAX)
		return API_PIECE_BUSY;
	if (evbuffer_get_length(octets) > 0)
		evhttp_send_reply_chunk(call->http, octets);
	return API_PIECE_SENT;
}

static void end_pieces(struct api_deferred *deferred)
{
	struct call *call = call_of(deferred);
	evhttp_send_reply_end(call->http);
	LIST_REMOVE(call, link);
	free(call);
}

/* "uid:1000 (name)" of the process behind the connection. */
static const char *find_author(struct api *api, struct evhttp_request *http)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	struct bufferevent *stream = evhttp_connection_get_bufferevent(evhttp_request_get_connection(http));
	if (getsockopt(bufferevent_getfd(stream), SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return "unknown";
	if (api->author[0] && api->author_uid == peer.uid)
		return api->author;
	char text[1024];
	struct passwd entry, *found = NULL;
	if (getpwuid_r(peer.uid, &entry, text, sizeof(text), &found) == 0 && found)
		snprintf(api->author, sizeof(api->author), "uid:%lu (%.64s)", (unsigned long)peer.uid,
			 found->pw_name);
	else
		snprintf(api->author, sizeof(api->author), "uid:%lu", (unsigned long)peer.uid);
	api->author_uid = peer.uid;
	return api->author;
}

/* What a body of many MiB left behind in small pieces, malloc would keep. */
static void on_trim(evutil_socket_t fd, short what, void *user)
{
	malloc_trim(0);
}

static void handle_call(struct call *call);

static void on_ready_again(void *user)
{
	struct call *call = user;
	if (evhttp_request_get_connection(call->http)) {
		handle_call(call);
		return;
	}
	/* The client has left, and nobody asks for the change any more. */
	struct api_reply reply;
	api_reply_init(&reply);
	finish_call(&call->deferred, &reply);
	api_reply_done(&reply);
}

static void handle_call(struct call *call)
{
	struct listener *listener = call->listener;
	struct api *api = listener->api;
	struct evhttp_request *http = call->http;
	struct evkeyvalq *headers = evhttp_request_get_input_headers(http);
	struct evbuffer *body = evhttp_request_get_input_buffer(http);
	struct api_request request = {
		.server = api->server,
		.api = api,
		.jobs = &api->jobs,
		.method = method_name(http),
		.target = evhttp_request_get_uri(http),
		.content_type = evhttp_find_header(headers, "Content-Type"),
		.if_match = evhttp_find_header(headers, "If-Match"),
		.if_none_match = evhttp_find_header(headers, "If-None-Match"),
		.body = "",
		.body_length = evbuffer_get_length(body),
		.is_plain = listener->is_plain,
		.requester = {.author = listener->is_plain ? "" : find_author(api, http), .via = "api"},
		.deferred = &call->deferred,
	};
	if (request.body_length > 0 && request.body_length <= API_BODY_MAX)
		request.body = (const char *)evbuffer_pullup(body, -1);
	struct api_reply reply;
	api_reply_init(&reply);
	api_dispatch(&request, &reply);
	if (reply.is_put_off)
		server_await(api->server, on_ready_again, call);
	else if (!reply.is_deferred)
		finish_call(&call->deferred, &reply);
	api_reply_done(&reply);
}

static void on_request(struct evhttp_request *http, void *user)
{
	struct listener *listener = user;
	struct api *api = listener->api;
	struct call *call = xcalloc(1, sizeof(*call));
	call->listener = listener;
	call->http = http;
	call->deferred = (struct api_deferred){
		.server = api->server, .finish = finish_call, .piece = send_piece, .end = end_pieces};
	LIST_INSERT_HEAD(&api->calls, call, link);
	if (evbuffer_get_length(evhttp_request_get_input_buffer(http)) > LARGE_BODY)
		event_add(api->trim, &(const struct timeval){.tv_sec = TRIM_S});
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
 * pointer is evhttp's own: evhttp_bind_listener set it. The loop ends before the API is freed. */
static void on_accept_error(struct evconnlistener *from, void *http)
{
	struct timeval pause = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
	log_warning("the API could not accept a connection: %s", strerror(errno));
	evconnlistener_disable(from);
	event_base_once(evconnlistener_get_base(from), -1, EV_TIMEOUT, on_resume, http, &pause);
}

static void listener_init(struct listener *listener, struct api *api, bool is_plain)
{
	listener->api = api;
	listener->is_plain = is_plain;
	listener->http = evhttp_new(server_base(api->server));
	if (!listener->http)
		abort();
	/* All of them, the unknown ones too: the refusal is ours to tell. */
	evhttp_set_allowed_methods(listener->http, 0xffff);
	evhttp_set_max_headers_size(listener->http, HEADERS_MAX);
	evhttp_set_max_body_size(listener->http, is_plain ? PLAIN_BODY_MAX : 2 * (ev_ssize_t)API_BODY_MAX);
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

static void listener_start(struct listener *listener, int fd, const char *written)
{
	listener_close(listener);
	listener->written = xstrdup(written);
	struct evconnlistener *accepting =
		evconnlistener_new(server_base(listener->api->server), NULL, NULL,
				   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
	if (!accepting)
		abort();
	listener->bound = evhttp_bind_listener(listener->http, accepting);
	if (!listener->bound)
		abort();
	evconnlistener_set_error_cb(accepting, on_accept_error);
}

/* A socket file that nobody answers on is left over from a kill; one that somebody answers on is not
 * ours to take. */
static bool clear_way(const char *path, const struct sockaddr_un *address, struct err_list *errors)
{
	struct stat status;
	if (lstat(path, &status) < 0) {
		if (errno == ENOENT)
			return true;
		err_add(errors, path, 0, 0, "admin.socket: %s", strerror(errno));
		return false;
	}
	if (!S_ISSOCK(status.st_mode)) {
		err_add(errors, path, 0, 0, "admin.socket: the file exists and is no socket");
		return false;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int code = fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (code == 0 || code == EAGAIN) {
		err_add(errors, path, 0, 0, "another gslbd answers on %s", path);
		return false;
	}
	if (code != ECONNREFUSED || (unlink(path) < 0 && errno != ENOENT)) {
		err_add(errors, path, 0, 0, "admin.socket: the file is in the way: %s",
			strerror(code != ECONNREFUSED ? code : errno));
		return false;
	}
	return true;
}

/* -1 with an entry in errors. */
static int bind_unix(const char *path, struct err_list *errors)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	if (length >= sizeof(address.sun_path)) {
		err_add(errors, path, 0, 0, "admin.socket: the path has more than %zu octets",
			sizeof(address.sun_path) - 1);
		return -1;
	}
	memcpy(address.sun_path, path, length);
	if (!clear_way(path, &address, errors))
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody can connect before listen(), so that the mode is set in time. */
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0660) < 0 || listen(fd, BACKLOG) < 0) {
		err_add(errors, path, 0, 0, "admin.socket: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static int bind_plain(const struct listen_address *address, const char *written, struct err_list *errors)
{
	int on = 1;
	int fd = socket(address->sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address->sockaddr, address->length) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		err_add(errors, NULL, 0, 0, "admin.http %s: %s", written, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* Is the file at the address the one that we bound? Somebody may have removed it. */
static bool is_socket_ours(const struct api *api)
{
	struct stat status;
	const char *path = api->unix_socket.written;
	return path && lstat(path, &status) == 0 && status.st_dev == api->socket_device &&
	       status.st_ino == api->socket_inode;
}

static void remove_socket(struct api *api)
{
	if (is_socket_ours(api))
		unlink(api->unix_socket.written);
}

static bool is_same(const char *a, const char *b)
{
	return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

bool api_rebind(struct api *api, const struct node_config *config, struct err_list *errors)
{
	const char *plain = config->has_admin_http ? config->admin_http_written : NULL;
	bool new_unix = !is_same(api->unix_socket.written, config->admin_socket) || !is_socket_ours(api);
	bool new_plain = !is_same(api->plain.written, plain);
	int unix_fd = -1, plain_fd = -1;
	if (new_plain && plain && (plain_fd = bind_plain(&config->admin_http, plain, errors)) < 0)
		return false;
	if (new_unix && (unix_fd = bind_unix(config->admin_socket, errors)) < 0) {
		if (plain_fd >= 0)
			close(plain_fd);
		return false;
	}
	if (new_plain)
		listener_close(&api->plain);
	if (plain_fd >= 0)
		listener_start(&api->plain, plain_fd, plain);
	if (new_unix) {
		struct stat status = {0};
		remove_socket(api);
		if (lstat(config->admin_socket, &status) == 0) {
			api->socket_device = status.st_dev;
			api->socket_inode = status.st_ino;
		}
		listener_start(&api->unix_socket, unix_fd, config->admin_socket);
	}
	return true;
}

struct api *api_new(struct server *server, struct err_list *errors)
{
	struct api *api = xcalloc(1, sizeof(*api));
	api->server = server;
	LIST_INIT(&api->calls);
	api->trim = evtimer_new(server_base(server), on_trim, NULL);
	if (!api->trim)
		abort();
	listener_init(&api->unix_socket, api, false);
	listener_init(&api->plain, api, true);
	if (api_rebind(api, &server_config(server)->node, errors))
		return api;
	api_free(api);
	return NULL;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	tail_free(api->jobs.tail);
	backup_job_free(api->jobs.backup);
	export_jobs_free(api->jobs.exports);
	remove_socket(api);
	listener_done(&api->unix_socket);
	listener_done(&api->plain);
	event_free(api->trim);
	struct call *call;
	while ((call = LIST_FIRST(&api->calls))) {
		LIST_REMOVE(call, link);
		free(call);
	}
	free(api);
}

bool api_http_address(const struct api *api, struct sockaddr_storage *ret)
{
	socklen_t length = sizeof(*ret);
	if (!api || !api->plain.bound)
		return false;
	int fd = evhttp_bound_socket_get_fd(api->plain.bound);
	return getsockname(fd, (struct sockaddr *)ret, &length) == 0;
}
