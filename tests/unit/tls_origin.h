/*
 * Certificates made on the spot, and a TLS server in a thread of its own that shows one of them: answers
 * every request with fixed bytes. Loopback, port from the kernel. One connection at a time.
 */
#pragma once
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DAY_S 86400L

struct certificate {
	X509 *x509;
	EVP_PKEY *key;
};

static void must(bool is_done)
{
	if (!is_done)
		abort();
}

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	must(extension && X509_add_ext(x509, extension, -1));
	X509_EXTENSION_free(extension);
}

/* names: as openssl.cnf writes them ("DNS:a.test,IP:127.0.0.1"), NULL for an authority. issuer NULL:
 * signed by itself. Valid from and until so many seconds from now. */
static inline struct certificate certificate_make(const char *subject, const char *names, long from_s,
						  long until_s, const struct certificate *issuer)
{
	static long serial;
	struct certificate made = {X509_new(), EVP_EC_gen("P-256")};
	must(made.x509 && made.key);
	X509_set_version(made.x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(made.x509), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(made.x509), from_s);
	X509_gmtime_adj(X509_getm_notAfter(made.x509), until_s);
	X509_set_pubkey(made.x509, made.key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(made.x509), "CN", MBSTRING_ASC,
				   (const uint8_t *)subject, -1, -1, 0);
	X509 *by = issuer ? issuer->x509 : made.x509;
	X509_set_issuer_name(made.x509, X509_get_subject_name(by));
	add_extension(made.x509, by, NID_basic_constraints, names ? "CA:FALSE" : "critical,CA:TRUE");
	if (names)
		add_extension(made.x509, by, NID_subject_alt_name, names);
	must(X509_sign(made.x509, issuer ? issuer->key : made.key, EVP_sha256()) > 0);
	return made;
}

static inline void certificate_free(struct certificate *certificate)
{
	X509_free(certificate->x509);
	EVP_PKEY_free(certificate->key);
}

/* What tls_client_new() trusts from now on; the file is removed by certificate_distrust(). */
static char trust_path[64];
static inline void certificate_trust(const struct certificate *authority)
{
	snprintf(trust_path, sizeof trust_path, "/tmp/gslb-trust-XXXXXX");
	int fd = mkstemp(trust_path);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	must(file && PEM_write_X509(file, authority->x509));
	fclose(file);
	setenv("SSL_CERT_FILE", trust_path, 1);
}
static inline void certificate_distrust(void)
{
	unlink(trust_path);
	unsetenv("SSL_CERT_FILE");
}

/* ---- the server ---- */

struct tls_origin {
	SSL_CTX *context;
	int listener;
	uint16_t port;
	pthread_t thread;
	const char *reply;		  /* to each request; NULL: none */
	bool speaks_plainly;		  /* the reply without TLS, at once */
	bool is_mute;			  /* accepts, and never shakes hands */
	bool stays_open;		  /* for further requests */
	unsigned requests_per_connection; /* 0: no limit */
	atomic_uint connections, handshakes, resumptions, requests;
	atomic_bool is_told_of_the_end; /* the last client sent close_notify */
	char name[64];			/* SNI of the last handshake; "" none */
	char alpn[16];
};

static int tls_origin_choose(SSL *ssl, const uint8_t **out, uint8_t *out_length, const uint8_t *in,
			     unsigned in_length, void *user)
{
	struct tls_origin *origin = user;
	*out = in + 1; /* the client's first */
	*out_length = in[0];
	snprintf(origin->alpn, sizeof origin->alpn, "%.*s", in[0], in + 1);
	return SSL_TLSEXT_ERR_OK;
}

/* A request ends with an empty line; the clients of the tests send no body. */
static bool tls_origin_read(SSL *ssl)
{
	char text[4096];
	size_t length = 0;
	while (length < sizeof text - 1) {
		int got = SSL_read(ssl, text + length, (int)(sizeof text - 1 - length));
		if (got <= 0)
			return false;
		length += (size_t)got;
		text[length] = '\0';
		if (strstr(text, "\r\n\r\n"))
			return true;
	}
	return false;
}

static void tls_origin_serve(struct tls_origin *origin, int fd)
{
	char byte;
	if (origin->speaks_plainly)
		(void)!write(fd, origin->reply, strlen(origin->reply));
	if (origin->speaks_plainly || origin->is_mute) {
		while (read(fd, &byte, 1) > 0) /* until the client has gone */
			continue;
		return;
	}
	SSL *ssl = SSL_new(origin->context);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
		snprintf(origin->name, sizeof origin->name, "%s", name ? name : "");
		origin->resumptions += SSL_session_reused(ssl) == 1;
		origin->handshakes++;
		unsigned served = 0;
		while (tls_origin_read(ssl)) {
			origin->requests++;
			if (!origin->reply || SSL_write(ssl, origin->reply, (int)strlen(origin->reply)) <= 0)
				break;
			if (!origin->stays_open || ++served == origin->requests_per_connection)
				break;
		}
		origin->is_told_of_the_end = (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	ERR_clear_error();
}

static void *tls_origin_run(void *user)
{
	struct tls_origin *origin = user;
	int fd;
	while ((fd = accept(origin->listener, NULL, NULL)) >= 0) {
		struct timeval patience = {.tv_sec = 10};
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		origin->connections++;
		tls_origin_serve(origin, fd);
		close(fd);
	}
	return NULL;
}

static inline void tls_origin_show(struct tls_origin *origin, const struct certificate *certificate)
{
	SSL_CTX_free(origin->context);
	origin->context = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(origin->context, certificate->x509);
	SSL_CTX_use_PrivateKey(origin->context, certificate->key);
	SSL_CTX_set_alpn_select_cb(origin->context, tls_origin_choose, origin);
	SSL_CTX_set_session_id_context(origin->context, (const uint8_t *)"test", 4);
}

static inline void tls_origin_start(struct tls_origin *origin, const struct certificate *certificate)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	signal(SIGPIPE, SIG_IGN);
	tls_origin_show(origin, certificate);
	origin->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(bind(origin->listener, (struct sockaddr *)&address, sizeof address) == 0);
	must(listen(origin->listener, 64) == 0);
	must(getsockname(origin->listener, (struct sockaddr *)&address, &length) == 0);
	origin->port = ntohs(address.sin_port);
	must(pthread_create(&origin->thread, NULL, tls_origin_run, origin) == 0);
}

/* The test's own connections must be closed by now. */
static inline void tls_origin_stop(struct tls_origin *origin)
{
	shutdown(origin->listener, SHUT_RDWR);
	pthread_join(origin->thread, NULL);
	close(origin->listener);
	SSL_CTX_free(origin->context);
	*origin = (struct tls_origin){0};
}
