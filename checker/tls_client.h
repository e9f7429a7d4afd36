/*
 * The client's side of TLS for probes, by OpenSSL: one context for all of them, what one connection asks
 * of its peer, and words for what was wrong. Any one thread.
 */
#pragma once
#include "checker/probe_spec.h"
#include "lib/net.h"

struct ssl_st;
struct ssl_session_st;
struct tls_client;

#define TLS_REASON_MAX 96

struct tls_question {
	const char *name;  /* sent as SNI and compared with the certificate; NULL: the address is compared */
	struct ip address; /* of the peer */
	const char *alpn;  /* "http/1.1"; NULL: none */
	enum probe_verify verify;
	uint64_t expires_within_ms;
};

/* What one connection's callbacks need; its owner's, for as long as the connection lives. */
struct tls_link {
	enum probe_verify verify;
	uint64_t expires_within_ms;
	struct ssl_session_st *session; /* that the peer offered last */
};

/* Trusts the system's certificates (OpenSSL's default file and directory, or SSL_CERT_FILE and
 * SSL_CERT_DIR of the environment). */
struct tls_client *tls_client_new(void);
void tls_client_free(struct tls_client *client); /* NULL is fine */
struct ssl_st *tls_client_connect(struct tls_client *client, int fd, const struct tls_question *question,
				  struct ssl_session_st *session, struct tls_link *link);
/* The certificate that the peer showed: NULL when it is good, else the reason, in `reason`. */
const char *tls_client_judge(struct ssl_st *ssl, const struct tls_link *link,
			     char reason[static TLS_REASON_MAX]);
/* Words for OpenSSL's oldest error, which is taken from the queue. */
const char *tls_client_error(char reason[static TLS_REASON_MAX]);
void tls_client_session_free(struct ssl_session_st *session); /* NULL is fine */
