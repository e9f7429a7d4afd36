/* See tls_rig.h. */
#include "tests/support/tls_rig.h"
#include "lib/hash.h"
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void need(bool is_right)
{
	if (!is_right)
		abort();
}

static enum tls_verdict on_hello(void *user, void *connection, struct tls_hello *hello)
{
	struct tls_rig *rig = user;
	rig->hellos++;
	rig->hellos_again += hello->is_again;
	rig->connection = connection;
	need(hello->length < sizeof rig->name);
	memcpy(rig->name, hello->name, hello->length);
	rig->name[hello->length] = '\0';
	hello->certificates = rig->names;
	hello->secrets = rig->secrets.count > 0 ? &rig->secrets : NULL;
	hello->tenant_hash = rig->tenant ? rig->tenant : hash_bytes(hello->name, hello->length, 1);
	return rig->limits ? TLS_HELLO_LIMITED : TLS_HELLO_GOES_ON;
}

void tls_rig_init(struct tls_rig *rig, const struct certnames *names, bool only_1_3)
{
	*rig = (struct tls_rig){.names = names, .unix_s = 1700000000};
	rig->secrets =
		(struct ticket_secrets){.id = 1, .count = 1, .secret = {"a secret of thirty-two octets .."}};
	struct tls_settings settings = {
		.only_1_3 = only_1_3, .cache_bytes = 1 << 20, .hello = on_hello, .user = rig};
	rig->context = tls_context_new(&settings);
	tls_context_set_time(rig->context, rig->unix_s);
	rig->peer = SSL_CTX_new(TLS_client_method());
	need(rig->peer != NULL);
	SSL_CTX_set_security_level(rig->peer, 1);
}

void tls_rig_done(struct tls_rig *rig)
{
	tls_context_free(rig->context);
	SSL_CTX_free(rig->peer);
	certnames_unref(rig->names);
}

void tls_pair_open(struct tls_pair *pair, struct tls_rig *rig, const char *name, int type)
{
	int fds[2];
	*pair = (struct tls_pair){.rig = rig, .last = TLS_WANTS_READ};
	need(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	pair->socket.fd = fds[0];
	pair->client_fd = fds[1];
	pair->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	need(epoll_ctl(pair->epoll_fd, EPOLL_CTL_ADD, fds[0], &event) == 0);
	pair->tls = tls_accept(rig->context, pair);
	pair->ssl = SSL_new(rig->peer);
	need(pair->ssl && SSL_set_fd(pair->ssl, fds[1]) == 1);
	if (name)
		SSL_set_tlsext_host_name(pair->ssl, name);
	SSL_set_connect_state(pair->ssl);
}

void tls_pair_close(struct tls_pair *pair)
{
	tls_free(pair->tls);
	SSL_free(pair->ssl);
	close(pair->socket.fd);
	if (pair->client_fd >= 0)
		close(pair->client_fd);
	close(pair->epoll_fd);
}

void tls_pair_events(struct tls_pair *pair)
{
	struct epoll_event event;
	if (epoll_wait(pair->epoll_fd, &event, 1, 0) != 1)
		return;
	pair->socket.can_read |= (event.events & EPOLLIN) != 0;
	pair->socket.can_write |= (event.events & EPOLLOUT) != 0;
	if (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		pair->socket.is_ended = pair->socket.can_read = true;
}

bool tls_pair_shake(struct tls_pair *pair)
{
	int idle = 0;
	while (idle < 4) { /* a HelloRetryRequest is a round more */
		ERR_clear_error();
		int client = SSL_do_handshake(pair->ssl);
		bool is_client_stuck = client != 1 && SSL_get_error(pair->ssl, client) != SSL_ERROR_WANT_READ;
		tls_pair_events(pair);
		enum tls_result before = pair->last;
		if (pair->last == TLS_WANTS_READ || pair->last == TLS_WANTS_WRITE)
			pair->last = tls_handshake(pair->tls, &pair->socket);
		if (client == 1 && pair->last == TLS_OK)
			return true;
		idle = before == pair->last ? idle + 1 : 0;
		if (is_client_stuck)
			break;
	}
	return false;
}

int tls_pair_reason(void)
{
	return ERR_GET_REASON(ERR_peek_last_error());
}

static SSL_SESSION *last_session;

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION_free(last_session);
	last_session = session;
	return 1;
}

SSL_SESSION *tls_pair_session(struct tls_rig *rig, const char *name, SSL_SESSION *offered,
			      bool *ret_is_resumed)
{
	struct tls_pair pair;
	char word[16];
	size_t length;
	SSL_CTX_set_session_cache_mode(rig->peer, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(rig->peer, on_session);
	tls_pair_open(&pair, rig, name, SOCK_STREAM);
	if (offered) { /* a copy: one of TLS 1.3 is used up when another comes */
		SSL_SESSION *copy = SSL_SESSION_dup(offered);
		SSL_set_session(pair.ssl, copy);
		SSL_SESSION_free(copy);
	}
	last_session = NULL;
	if (tls_pair_shake(&pair)) {
		struct tls_facts facts;
		char out[] = "word";
		struct iovec piece = {out, 4};
		need(tls_write(pair.tls, &pair.socket, &piece, 1, &length) == TLS_OK && length == 4);
		need(SSL_read(pair.ssl, word, sizeof word) == 4);
		tls_facts(pair.tls, &facts);
		*ret_is_resumed = SSL_session_reused(pair.ssl);
		need(facts.is_resumed == *ret_is_resumed);
		SSL_shutdown(pair.ssl);
	}
	tls_pair_close(&pair);
	SSL_SESSION *session = last_session;
	last_session = NULL;
	return session;
}
