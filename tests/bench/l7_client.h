/* What the two halves of l7_client share: groups of connections and the states of one. One thread. */
#pragma once
#include "tests/bench/l7_common.h"
#include "tests/bench/l7_count.h"
#include <openssl/ssl.h>

enum client_mode { MODE_KEEP, MODE_NEW, MODE_HOLD, MODE_WEBSOCKET, MODE_SLOW };
enum client_state {
	STATE_CLOSED,
	STATE_CONNECTING,
	STATE_HANDSHAKE,
	STATE_IDLE,
	STATE_HEAD, /* the request is being sent or its answer awaited */
	STATE_BODY,
	STATE_TUNNEL,
	STATE_HELD,
};
enum { CLIENT_HEAD_MAX = 16384, CLIENT_MESSAGE = 16, CLIENT_BACKLOG = 65536 };

struct client_conn {
	struct client_group *group;
	int fd;
	enum client_state state;
	bool can_read, can_write, has_end, was_used, was_retried, closes, is_idle, is_paced, is_resting,
		awaits_echo;
	uint32_t tenant, status, message;
	SSL *ssl;
	uint64_t due_ns, since_ns;    /* when it was to begin, and when it did */
	size_t sent, allowed;	      /* octets of the request */
	uint64_t body_left, body_got; /* of the answer */
	char *head;		      /* an incomplete one */
	size_t head_length, echo_length;
	char echo[CLIENT_MESSAGE + 1];
	struct client_conn *next, *paced_next;
	uint64_t wake_ns, paced_ns;
};

struct client_list {
	struct client_conn *first, *last;
};

struct client_request { /* of a tenant */
	char host[64];
	char *text;
	size_t length;
	SSL_SESSION *session;
	bool is_checked;
};

struct client_group {
	char name[32], path[256], method[16], host[64], more[256];
	struct sockaddr_in to;
	enum client_mode mode;
	bool is_tls, resumes, is_poisson, asks; /* asks: false: connect (and shake hands) only */
	unsigned connections, tenants, first, from, every_ms, timeout_ms, opening_max;
	size_t body, step, bytes; /* bytes: of a 200's body */
	double rate;
	struct client_request *requests;
	struct client_conn *conns, *idle;
	struct client_list paced, resting;
	unsigned next_tenant, next_from, opening, held, unopened;
	uint64_t next_due_ns, *backlog, backlog_first, backlog_count, backlog_lost;
	struct count count;
};

extern int client_epoll;
extern bool client_is_loud; /* each error is told */
extern uint64_t client_now_ns;
extern SSL_CTX *client_tls;

void client_start(struct client_conn *conn, uint64_t due_ns);
void client_event(struct client_conn *conn, uint32_t events);
void client_fail(struct client_conn *conn, enum count_error error);
void client_pace(struct client_conn *conn); /* its time has come: more of a slow body, or a message */
void client_drop(struct client_conn *conn);
int client_keep_session(SSL *ssl, SSL_SESSION *session);
