/* A worker's TLS against an OpenSSL client of another party, over a socket that is watched edge-triggered. */
#pragma once
#include "forwarder/tls/tls.h"
#include "tests/support/certificate.h"
#include <openssl/ssl.h>

struct tls_rig {
	struct tls_context *context;
	SSL_CTX *peer; /* the client's */
	/* what the hello's callback answers with */
	const struct certnames *names;
	struct ticket_secrets secrets;
	uint64_t tenant; /* 0: a hash of the name */
	bool limits;
	unsigned hellos, hellos_again;
	void *connection; /* of the last hello */
	char name[256];
	int64_t unix_s;
};

struct tls_pair {
	struct tls_rig *rig;
	struct tls *tls;
	struct tls_socket socket;
	SSL *ssl;
	int client_fd, epoll_fd;
	enum tls_result last;
};

void tls_rig_init(struct tls_rig *rig, const struct certnames *names, bool only_1_3);
void tls_rig_done(struct tls_rig *rig);
/* Connected, nothing said; `name` NULL: no SNI. `type`: SOCK_STREAM, or SOCK_SEQPACKET where sends are
 * counted. */
void tls_pair_open(struct tls_pair *pair, struct tls_rig *rig, const char *name, int type);
void tls_pair_close(struct tls_pair *pair);
/* Takes what epoll tells of the server's socket into its flags. */
void tls_pair_events(struct tls_pair *pair);
/* Both sides go on until neither can. True: the handshake is done on both. */
bool tls_pair_shake(struct tls_pair *pair);
/* The reason of the client's last error: SSL_R_... */
int tls_pair_reason(void);
/* A whole connection with a word each way, and its session; NULL where the handshake failed. */
SSL_SESSION *tls_pair_session(struct tls_rig *rig, const char *name, SSL_SESSION *offered,
			      bool *ret_is_resumed);
