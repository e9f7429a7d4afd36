/* TLS to origins: whom we believe, and what is kept between connections. */
#include "forwarder/tls/tls_origin.h"
#include "tests/support/certificate.h"
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct certificate ca, other_ca, good, self, expired, address;
static SSL_CTX *origin; /* the server */
static struct tls_context *context;

static enum tls_verdict on_hello(void *user, void *connection, struct tls_hello *hello)
{
	abort();
}

static int prepare(void **state)
{
	ca = certificate_make("P-256", "the authority", NULL, true, 90);
	other_ca = certificate_make("P-256", "another authority", NULL, true, 90);
	good = certificate_make("P-256", "origin.example", &ca, false, 90);
	self = certificate_make("RSA-2048", "origin.example", NULL, false, 90);
	expired = certificate_make("P-256", "origin.example", &ca, false, -1);
	address = certificate_make("P-256", "10.1.2.3", &ca, false, 90);
	struct tls_settings settings = {.cache_bytes = 1 << 20, .hello = on_hello};
	context = tls_context_new(&settings);
	origin = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_session_id_context(origin, (const unsigned char *)"origin",
				       6); /* it may ask for certificates */
	return 0;
}

static int finish(void **state)
{
	struct certificate *all[] = {&ca, &other_ca, &good, &self, &expired, &address};
	tls_context_free(context);
	SSL_CTX_free(origin);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		certificate_free(all[i]);
	return 0;
}

static X509_STORE *trust_in(const struct certificate *certificate)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_add_cert(store, certificate->x509);
	return store;
}

struct outcome {
	enum tls_result result;
	enum reason reason;
	bool is_resumed;
	char seen[64]; /* SNI at the origin */
	bool had_certificate;
	char failure[80];
};

/* A handshake with a request and an answer. */
static struct outcome talk(const struct pool_tls *settings, const struct certificate *shows,
			   struct origin *to)
{
	struct outcome outcome = {.result = TLS_WANTS_READ};
	struct tls_socket socket = {.can_read = true, .can_write = true};
	char request[] = "request", got[16];
	struct iovec piece = {request, 7};
	size_t length;
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	socket.fd = fds[0];
	SSL *ssl = SSL_new(origin);
	SSL_use_cert_and_key(ssl, shows->x509, shows->key, NULL, 1);
	SSL_set_fd(ssl, fds[1]);
	SSL_set_accept_state(ssl);
	struct tls *tls = tls_origin_connect(context, settings, to);
	for (int i = 0; i < 6 && outcome.result == TLS_WANTS_READ; i++) {
		socket.can_read = true;
		outcome.result = tls_handshake(tls, &socket);
		SSL_do_handshake(ssl);
	}
	if (outcome.result == TLS_OK) {
		assert_int_equal(tls_write(tls, &socket, &piece, 1, &length), TLS_OK);
		assert_int_equal(SSL_read(ssl, got, sizeof got), 7);
		assert_int_equal(SSL_write(ssl, "answer", 6), 6);
		socket.can_read = true;
		assert_int_equal(tls_read(tls, &socket, got, sizeof got, &length), TLS_OK);
		assert_int_equal(length, 6);
		const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
		snprintf(outcome.seen, sizeof outcome.seen, "%s", name ? name : "");
		outcome.is_resumed = SSL_session_reused(ssl);
		outcome.had_certificate = SSL_get0_peer_certificate(ssl) != NULL;
		SSL_shutdown(ssl);
	} else if (outcome.result == TLS_FAILED) {
		outcome.reason = tls_origin_reason(tls);
		snprintf(outcome.failure, sizeof outcome.failure, "%s", tls_failure(tls));
	}
	tls_free(tls);
	SSL_free(ssl);
	close(fds[0]);
	close(fds[1]);
	return outcome;
}

static struct origin origin_at(uint32_t number, const char *text)
{
	struct origin at = {.number = number, .generation = 1};
	struct sockaddr_in *in = (struct sockaddr_in *)&at.address;
	in->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
	at.address_length = sizeof *in;
	return at;
}

static void test_whom_we_believe(void **state)
{
	X509_STORE *trust = trust_in(&ca), *other = trust_in(&other_ca);
	struct origin at = origin_at(1, "10.1.2.3"), elsewhere = origin_at(2, "10.1.2.4");
	const struct {
		const char *sni;
		enum pool_verify verify;
		X509_STORE *trust;
		const struct certificate *shown;
		struct origin *at;
		const char *failure; /* NULL: believed */
	} cases[] = {
		{"origin.example", POOL_VERIFY_FULL, trust, &good, &at, NULL},
		{"other.example", POOL_VERIFY_FULL, trust, &good, &at, "hostname mismatch"},
		{"other.example", POOL_VERIFY_CHAIN, trust, &good, &at, NULL},
		{"origin.example", POOL_VERIFY_FULL, other, &good, &at,
		 "unable to get local issuer certificate"},
		{"origin.example", POOL_VERIFY_CHAIN, trust, &self, &at, "self-signed certificate"},
		{"origin.example", POOL_VERIFY_FULL, trust, &expired, &at, "certificate has expired"},
		{"origin.example", POOL_VERIFY_NONE, NULL, &expired, &at, NULL},
		{"origin.example", POOL_VERIFY_NONE, NULL, &self, &at, NULL},
		{NULL, POOL_VERIFY_FULL, trust, &address, &at, NULL},
		{NULL, POOL_VERIFY_FULL, trust, &address, &elsewhere, "IP address mismatch"},
		{NULL, POOL_VERIFY_FULL, trust, &good, &at, "IP address mismatch"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pool_tls settings = {.id = 100 + i,
					    .sni = cases[i].sni,
					    .verify = cases[i].verify,
					    .trust = cases[i].trust};
		struct outcome outcome = talk(&settings, cases[i].shown, cases[i].at);
		if (cases[i].failure) {
			assert_int_equal(outcome.result, TLS_FAILED);
			assert_int_equal(outcome.reason, REASON_ORIGIN_CERTIFICATE);
			assert_string_equal(outcome.failure, cases[i].failure);
		} else {
			assert_int_equal(outcome.result, TLS_OK);
			assert_string_equal(outcome.seen, cases[i].sni ? cases[i].sni : "");
		}
	}
	assert_int_equal(counter_read(&tls_context_counters(context)->origin_failed), 6);
	X509_STORE_free(trust);
	X509_STORE_free(other);
}

static void test_an_origin_by_name_is_asked_for_by_it(void **state)
{
	static const struct {
		const char *text, *seen;
		bool is_believed;
	} cases[] = {
		{"origin.example:8443", "origin.example", true},
		{"other.example:8443", "other.example", false},
		{"10.1.2.3:8443", "", false},
		{"[2001:db8::1]:8443", "", false},
		{"a-name-that-is-longer-than-what-the-text-of-an-origin-has-room-f", "", false},
	};
	X509_STORE *trust = trust_in(&ca);
	struct pool_tls full = {.id = 50, .verify = POOL_VERIFY_FULL, .trust = trust}, chain = full;
	chain.id = 51;
	chain.verify = POOL_VERIFY_CHAIN;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct origin at = origin_at(80 + (uint32_t)i, "10.1.2.3");
		snprintf(at.text, sizeof at.text, "%s", cases[i].text);
		assert_int_equal(talk(&full, &good, &at).result, cases[i].is_believed ? TLS_OK : TLS_FAILED);
		assert_string_equal(talk(&chain, &good, &at).seen, cases[i].seen);
	}
	X509_STORE_free(trust);
}

static void test_sessions_are_kept_per_origin_and_settings(void **state)
{
	X509_STORE *trust = trust_in(&ca);
	struct origin first = origin_at(40, "10.1.2.3"), second = origin_at(41, "10.1.2.4");
	struct pool_tls settings = {.id = 7, .sni = "origin.example", .trust = trust}, other = settings;
	other.id = 8;
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	for (int v = 0; v < 2; v++) {
		SSL_CTX_set_max_proto_version(origin, versions[v]);
		first.generation = 10 + v;
		assert_false(talk(&settings, &good, &first).is_resumed);
		assert_true(talk(&settings, &good, &first).is_resumed);
		assert_true(talk(&settings, &good, &first).is_resumed);
		assert_false(talk(&settings, &good, &second).is_resumed);
		assert_false(talk(&other, &good, &first).is_resumed);
		first.generation += 2; /* another origin got the number */
		assert_false(talk(&other, &good, &first).is_resumed);
		second.generation += 2;
	}
	SSL_CTX_set_max_proto_version(origin, 0);
	X509_STORE_free(trust);
}

static int on_verify(int is_good, X509_STORE_CTX *store)
{
	return 1;
}

static void test_our_certificate_is_shown_when_asked_for(void **state)
{
	X509_STORE *trust = trust_in(&ca);
	struct certificate ours = certificate_make("P-256", "forwarder", &ca, false, 90);
	struct origin at = origin_at(60, "10.1.2.3");
	struct pool_tls settings = {
		.id = 20, .sni = "origin.example", .trust = trust, .certificate = ours.x509, .key = ours.key};
	SSL_CTX_set_verify(origin, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
	struct outcome outcome = talk(&settings, &good, &at);
	assert_int_equal(outcome.result, TLS_OK);
	assert_true(outcome.had_certificate);
	SSL_CTX_set_verify(origin, SSL_VERIFY_NONE, NULL);
	certificate_free(&ours);
	X509_STORE_free(trust);
}

static void test_what_is_not_tls_is_no_matter_of_certificates(void **state)
{
	struct pool_tls settings = {.id = 30, .sni = "origin.example", .verify = POOL_VERIFY_NONE};
	struct origin at = origin_at(70, "10.1.2.3");
	struct tls_socket socket = {.can_read = true, .can_write = true};
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	socket.fd = fds[0];
	struct tls *tls = tls_origin_connect(context, &settings, &at);
	assert_int_equal(tls_handshake(tls, &socket), TLS_WANTS_READ);
	assert_int_equal(write(fds[1], "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 28);
	socket.can_read = true;
	assert_int_equal(tls_handshake(tls, &socket), TLS_FAILED);
	assert_int_equal(tls_origin_reason(tls), REASON_ORIGIN_TLS);
	assert_string_equal(tls_failure(tls), "wrong version number");
	tls_free(tls);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whom_we_believe),
		cmocka_unit_test(test_an_origin_by_name_is_asked_for_by_it),
		cmocka_unit_test(test_sessions_are_kept_per_origin_and_settings),
		cmocka_unit_test(test_our_certificate_is_shown_when_asked_for),
		cmocka_unit_test(test_what_is_not_tls_is_no_matter_of_certificates),
	};
	return cmocka_run_group_tests(tests, prepare, finish);
}
