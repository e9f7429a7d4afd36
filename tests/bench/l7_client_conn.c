/* One connection of l7_client: opened, used, kept or closed. See l7_client.h. */
#include "tests/bench/l7_client.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { BUFFER_BYTES = 65536, REST_MS = 10 };

static char g_buffer[BUFFER_BYTES];

static void append(struct client_list *list, struct client_conn *conn, uint64_t wake_ns)
{
	conn->next = NULL;
	conn->wake_ns = wake_ns;
	if (list->last)
		list->last->next = conn;
	else
		list->first = conn;
	list->last = conn;
}

static void pace_later(struct client_conn *conn)
{
	struct client_list *list = &conn->group->paced;
	if (conn->is_paced)
		return;
	conn->is_paced = true;
	conn->paced_next = NULL;
	conn->paced_ns = client_now_ns + conn->group->every_ms * 1000000ull;
	if (list->last)
		list->last->paced_next = conn;
	else
		list->first = conn;
	list->last = conn;
}

void client_drop(struct client_conn *conn)
{
	if (conn->state == STATE_CONNECTING || conn->state == STATE_HANDSHAKE)
		conn->group->opening--;
	if (conn->ssl) {
		SSL_set_quiet_shutdown(conn->ssl, 1);
		SSL_shutdown(conn->ssl);
		SSL_free(conn->ssl);
		conn->ssl = NULL;
	}
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
	conn->state = STATE_CLOSED;
	conn->can_read = conn->can_write = conn->has_end = conn->was_used = conn->awaits_echo = false;
	free(conn->head);
	conn->head = NULL;
	conn->head_length = 0;
}

/* What a connection does that has nothing to do: the next request, or wait for one that is due. */
static void next(struct client_conn *conn)
{
	struct client_group *group = conn->group;
	if (group->mode == MODE_HOLD)
		return;
	if (group->rate <= 0) {
		client_start(conn, client_now_ns);
	} else if (group->backlog_count) {
		group->backlog_count--;
		client_start(conn, group->backlog[group->backlog_first++ % CLIENT_BACKLOG]);
	} else if (!conn->is_idle) {
		conn->is_idle = true;
		conn->next = group->idle;
		group->idle = conn;
	}
}

void client_fail(struct client_conn *conn, enum count_error error)
{
	static const char *const names[ERROR_KINDS] = {"refused", "reset", "closed", "timeout", "tls", "bad"};
	struct client_group *group = conn->group;
	bool is_early = error == ERROR_RESET || error == ERROR_CLOSED;
	if (conn->state == STATE_IDLE) { /* the server ended it, as it may */
		client_drop(conn);
		return;
	}
	if (conn->state == STATE_HELD) {
		group->count.closed_while_held++;
		client_drop(conn);
		return;
	}
	if (is_early && conn->state == STATE_HEAD && conn->was_used && !conn->was_retried && !conn->head) {
		group->count.stale++;
		client_drop(conn);
		conn->was_retried = true;
		client_start(conn, conn->due_ns);
		return;
	}
	group->count.errors[error]++;
	if (client_is_loud)
		fprintf(stderr, "%.3f %s %s state %d after %.3f s%s\n", (double)client_now_ns / 1e9,
			group->name, names[error], (int)conn->state,
			(double)(client_now_ns - conn->since_ns) / 1e9, conn->was_used ? ", reused" : "");
	client_drop(conn);
	conn->was_retried = false;
	if (group->rate > 0) {
		next(conn);
	} else if (!conn->is_resting) {
		conn->is_resting = true;
		append(&group->resting, conn, client_now_ns + REST_MS * 1000000ull);
	}
}

/* ---- sending ---- */

/* Octets taken; 0: none now; −1: failed. */
static ssize_t put(struct client_conn *conn, const char *octets, size_t length)
{
	if (!conn->ssl) {
		ssize_t n = send(conn->fd, octets, length, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			conn->can_write = false;
			return 0;
		}
		return n;
	}
	ERR_clear_error();
	int n = SSL_write(conn->ssl, octets, (int)length);
	if (n > 0)
		return n;
	int error = SSL_get_error(conn->ssl, n);
	if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) {
		conn->can_write = false;
		return 0;
	}
	return -1;
}

static void send_more(struct client_conn *conn)
{
	const struct client_request *request = &conn->group->requests[conn->tenant];
	while (conn->can_write && conn->sent < conn->allowed) {
		ssize_t n = put(conn, request->text + conn->sent, conn->allowed - conn->sent);
		if (n < 0 && conn->state == STATE_HEAD && conn->can_read)
			return; /* an answer may have come before the end: reading tells */
		if (n < 0) {
			client_fail(conn, ERROR_RESET);
			return;
		}
		conn->sent += (size_t)n;
	}
	if (conn->sent < request->length && conn->group->mode == MODE_SLOW)
		pace_later(conn);
}

static void ask(struct client_conn *conn)
{
	struct client_group *group = conn->group;
	if (!group->asks) {
		group->count.completed++;
		count_latency(&group->count, client_now_ns - conn->due_ns);
		client_drop(conn);
		next(conn);
		return;
	}
	conn->state = STATE_HEAD;
	conn->sent = 0;
	conn->closes = false;
	conn->allowed = group->requests[conn->tenant].length;
	if (group->mode == MODE_SLOW)
		conn->allowed -= group->body;
	group->count.sent++;
	send_more(conn);
}

static void send_message(struct client_conn *conn)
{
	snprintf(conn->echo, sizeof conn->echo, "%08x%08x", (unsigned)(conn - conn->group->conns),
		 conn->message++);
	conn->awaits_echo = true;
	conn->echo_length = 0;
	conn->due_ns = conn->since_ns = client_now_ns;
	if (put(conn, conn->echo, CLIENT_MESSAGE) != CLIENT_MESSAGE)
		client_fail(conn, ERROR_RESET);
}

void client_pace(struct client_conn *conn)
{
	conn->is_paced = false;
	if (conn->state == STATE_TUNNEL) {
		pace_later(conn);
		if (!conn->awaits_echo)
			send_message(conn);
	} else if (conn->state == STATE_HEAD && conn->group->mode == MODE_SLOW) {
		size_t length = conn->group->requests[conn->tenant].length;
		conn->allowed += conn->group->step;
		if (conn->allowed > length)
			conn->allowed = length;
		send_more(conn);
	}
}

/* ---- opening ---- */

int client_keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct client_request *request = SSL_get_app_data(ssl);
	SSL_SESSION_free(request->session);
	request->session = session;
	return 1;
}

static bool is_for(struct client_request *request, SSL *ssl)
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);
	if (request->is_checked || SSL_session_reused(ssl))
		return true;
	request->is_checked = certificate && X509_check_host(certificate, request->host, 0, 0, NULL) == 1;
	return request->is_checked;
}

static void shake_hands(struct client_conn *conn)
{
	ERR_clear_error();
	int result = SSL_connect(conn->ssl);
	if (result == 1) {
		struct client_group *group = conn->group;
		group->opening--;
		group->count.handshakes++;
		group->count.resumed += (uint64_t)SSL_session_reused(conn->ssl);
		conn->can_write = true;
		conn->state = STATE_IDLE;
		if (is_for(&group->requests[conn->tenant], conn->ssl)) {
			ask(conn);
			return;
		}
		conn->state = STATE_HEAD;
		client_fail(conn, ERROR_TLS);
		return;
	}
	int error = SSL_get_error(conn->ssl, result);
	if (error == SSL_ERROR_WANT_READ)
		conn->can_read = conn->has_end; /* the end is seen by reading on */
	else if (error != SSL_ERROR_WANT_WRITE)
		client_fail(conn, error == SSL_ERROR_SYSCALL ? ERROR_RESET : ERROR_TLS);
}

static void connected(struct client_conn *conn)
{
	struct client_group *group = conn->group;
	struct client_request *request = &group->requests[conn->tenant];
	if (!group->is_tls) {
		group->opening--;
		conn->state = STATE_IDLE;
		ask(conn);
		return;
	}
	conn->state = STATE_HANDSHAKE;
	conn->ssl = SSL_new(client_tls);
	SSL_set_fd(conn->ssl, conn->fd);
	SSL_set_app_data(conn->ssl, request);
	SSL_set_tlsext_host_name(conn->ssl, request->host);
	if (group->resumes && request->session)
		SSL_set_session(conn->ssl, request->session);
	shake_hands(conn);
}

void client_start(struct client_conn *conn, uint64_t due_ns)
{
	struct client_group *group = conn->group;
	conn->due_ns = due_ns;
	conn->since_ns = client_now_ns;
	if (conn->state == STATE_CLOSED || !group->is_tls) { /* over TLS a connection is one tenant's */
		conn->tenant = group->next_tenant;
		group->next_tenant = (group->next_tenant + 1) % group->tenants;
	}
	if (conn->state == STATE_IDLE) {
		conn->was_used = true;
		conn->was_retried = false;
		ask(conn);
		return;
	}
	struct sockaddr_in from = {.sin_family = AF_INET};
	if (group->from) {
		unsigned number = group->next_from++ % group->from;
		from.sin_addr.s_addr = htonl(0x7f010001u + (number / 250 << 8) + number % 250);
	}
	conn->fd = l7_connect(&group->to, group->from ? &from : NULL);
	conn->state = STATE_CONNECTING;
	group->opening++;
	group->count.opened++;
	if (conn->fd < 0)
		client_fail(conn, ERROR_REFUSED);
	else
		l7_watch(client_epoll, conn->fd, conn);
}

/* ---- receiving ---- */

static const char *find_field(const char *head, size_t length, const char *name)
{
	size_t name_length = strlen(name);
	const char *end = head + length, *line = memchr(head, '\n', length);
	for (; line && (size_t)(end - line) > name_length + 1;
	     line = memchr(line + 1, '\n', (size_t)(end - line) - 1))
		if (!strncasecmp(line + 1, name, name_length) && line[1 + name_length] == ':') {
			line += name_length + 2;
			while (*line == ' ')
				line++;
			return line;
		}
	return NULL;
}

/* False: nothing that can be understood. */
static bool read_head(struct client_conn *conn, const char *head, size_t length)
{
	if (length < 16 || memcmp(head, "HTTP/1.", 7) != 0 || head[8] != ' ')
		return false;
	conn->status = (unsigned)atoi(head + 9);
	const char *size = find_field(head, length, "content-length");
	const char *connection = find_field(head, length, "connection");
	if (connection && !strncasecmp(connection, "close", 5))
		conn->closes = true;
	conn->body_left = size ? strtoull(size, NULL, 10) : 0;
	conn->body_got = conn->body_left;
	bool has_length = size || conn->status == 101 || conn->status == 204 || conn->status == 304;
	return conn->status >= 100 && conn->status < COUNT_STATUS_MAX && has_length;
}

static void answered(struct client_conn *conn)
{
	struct client_group *group = conn->group;
	struct count *count = &group->count;
	if (conn->status == 200 && group->bytes && conn->body_got != group->bytes) {
		client_fail(conn, ERROR_BAD);
		return;
	}
	count->status[conn->status]++;
	count->completed++;
	count->octets += conn->body_got;
	count_latency(count, client_now_ns - conn->due_ns);
	if (conn->status == 101) {
		conn->state = STATE_TUNNEL;
		pace_later(conn);
		return;
	}
	bool is_whole = conn->sent == group->requests[conn->tenant].length;
	conn->state = STATE_IDLE;
	if (group->mode == MODE_HOLD) {
		conn->state = STATE_HELD;
		group->held++;
	} else if (group->mode == MODE_NEW || conn->closes || !is_whole) {
		client_drop(conn);
	}
	next(conn);
}

static bool echo_is_right(struct client_conn *conn, const char *octets, size_t length)
{
	struct count *count = &conn->group->count;
	if (!conn->awaits_echo || length > CLIENT_MESSAGE - conn->echo_length ||
	    memcmp(conn->echo + conn->echo_length, octets, length) != 0)
		return false;
	conn->echo_length += length;
	if (conn->echo_length == CLIENT_MESSAGE) {
		conn->awaits_echo = false;
		count->messages++;
		count_latency(count, client_now_ns - conn->due_ns);
	}
	return true;
}

/* The begin of an answer that is not whole yet. */
static void keep_head(struct client_conn *conn, const char *octets, size_t length)
{
	conn->head = realloc(conn->head, CLIENT_HEAD_MAX);
	if (!conn->head)
		l7_die("realloc");
	memcpy(conn->head + conn->head_length, octets, length);
	conn->head_length += length;
}

static void take_head(struct client_conn *conn, const char *octets, size_t length)
{
	size_t kept = conn->head_length;
	if (kept + length > CLIENT_HEAD_MAX && !memmem(octets, length, "\r\n\r\n", 4)) {
		client_fail(conn, ERROR_BAD);
		return;
	}
	if (kept) {
		size_t room = CLIENT_HEAD_MAX - kept;
		keep_head(conn, octets, length < room ? length : room);
	}
	const char *head = kept ? conn->head : octets;
	const char *end = memmem(head, kept ? conn->head_length : length, "\r\n\r\n", 4);
	if (!end) {
		if (!kept)
			keep_head(conn, octets, length);
		return;
	}
	size_t head_length = (size_t)(end - head) + 4;
	bool is_good = read_head(conn, head, head_length);
	free(conn->head);
	conn->head = NULL;
	conn->head_length = 0;
	size_t rest = length - (head_length - kept);
	if (!is_good || rest > conn->body_left) {
		client_fail(conn, ERROR_BAD);
		return;
	}
	if (conn->status >= 100 && conn->status < 200 && conn->status != 101)
		return; /* the final answer follows */
	conn->state = STATE_BODY;
	conn->body_left -= rest;
	if (!conn->body_left)
		answered(conn);
}

static void take(struct client_conn *conn, const char *octets, size_t length)
{
	if (conn->state == STATE_HEAD) {
		take_head(conn, octets, length);
	} else if (conn->state == STATE_BODY && length <= conn->body_left) {
		conn->body_left -= length;
		if (!conn->body_left)
			answered(conn);
	} else if (conn->state != STATE_TUNNEL || !echo_is_right(conn, octets, length)) {
		if (conn->state == STATE_IDLE || conn->state == STATE_HELD)
			conn->state = STATE_BODY; /* unasked for: an error, whatever it says */
		client_fail(conn, ERROR_BAD);
	}
}

static void receive_tls(struct client_conn *conn)
{
	while (conn->ssl && conn->state >= STATE_IDLE) {
		ERR_clear_error();
		int n = SSL_read(conn->ssl, g_buffer, sizeof g_buffer);
		if (n > 0) {
			take(conn, g_buffer, (size_t)n);
			continue;
		}
		int error = SSL_get_error(conn->ssl, n);
		if (error == SSL_ERROR_WANT_READ)
			conn->can_read = false;
		else
			client_fail(conn, error == SSL_ERROR_ZERO_RETURN ? ERROR_CLOSED : ERROR_RESET);
		return;
	}
}

static void receive(struct client_conn *conn)
{
	if (conn->ssl) {
		receive_tls(conn);
		return;
	}
	while (conn->fd >= 0 && conn->can_read && conn->state >= STATE_IDLE) {
		ssize_t n = recv(conn->fd, g_buffer, sizeof g_buffer, 0);
		if (n < 0 && errno == EAGAIN) {
			conn->can_read = false;
			return;
		}
		if (n <= 0) {
			client_fail(conn, n == 0 ? ERROR_CLOSED : ERROR_RESET);
			return;
		}
		if ((size_t)n < sizeof g_buffer && !conn->has_end)
			conn->can_read = false;
		take(conn, g_buffer, (size_t)n);
	}
}

void client_event(struct client_conn *conn, uint32_t events)
{
	if (conn->fd < 0)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn->can_read = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn->has_end = true;
	if (events & EPOLLOUT)
		conn->can_write = true;
	if (conn->state == STATE_CONNECTING) {
		if (events & (EPOLLERR | EPOLLHUP)) {
			client_fail(conn, ERROR_REFUSED);
			return;
		}
		if (!(events & EPOLLOUT))
			return;
		connected(conn);
	} else if (conn->state == STATE_HANDSHAKE) {
		shake_hands(conn);
	} else if (conn->state == STATE_HEAD && events & EPOLLOUT) {
		send_more(conn);
	}
	if (conn->can_read && conn->state >= STATE_IDLE)
		receive(conn);
}
