/* Octets through TLS: whatever the socket cuts them into, whoever stops reading, and however the peer ends.
 */
#include "lib/rng.h"
#include "tests/support/tls_rig.h"
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct certificate site;

static int make_certificate(void **state)
{
	site = certificate_make("P-256", "site.example", NULL, false, 90);
	return 0;
}

static int free_certificate(void **state)
{
	certificate_free(&site);
	return 0;
}

static const struct certnames *table(void)
{
	struct certnames *names = certnames_new(7);
	struct certnames_entry *entry = certificate_entry(&site, NULL);
	const char *name = "site.example";
	certnames_add(names, entry, &name, 1);
	certnames_entry_unref(entry);
	return names;
}

static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};

static void open_version(struct tls_pair *pair, struct tls_rig *rig, int version)
{
	SSL_CTX_set_max_proto_version(rig->peer, version);
	tls_pair_open(pair, rig, "site.example", SOCK_STREAM);
}

static void open_shaken(struct tls_pair *pair, struct tls_rig *rig, int version)
{
	open_version(pair, rig, version);
	assert_true(tls_pair_shake(pair));
	assert_int_equal(SSL_version(pair->ssl), version);
	tls_pair_events(pair);
}

/* ---- cuts ---- */

/* A client that writes into memory, so that the test decides what arrives when. */
static BIO *detach(struct tls_pair *pair)
{
	BIO *written = BIO_new(BIO_s_mem()), *socket = BIO_new_socket(pair->client_fd, BIO_NOCLOSE);
	SSL_set_bio(pair->ssl, socket, written);
	return written;
}

/* Puts what the client wrote onto the wire in two parts, or octet by octet, and lets the server work at each.
 */
static void deliver(struct tls_pair *pair, BIO *written, size_t cut, bool each,
		    void (*work)(struct tls_pair *pair))
{
	char *data;
	long length = BIO_get_mem_data(written, &data);
	size_t at = 0;
	while (at < (size_t)length) {
		size_t part = each					   ? 1
			      : at == 0 && cut < (size_t)length && cut > 0 ? cut
									   : (size_t)length - at;
		assert_int_equal(write(pair->client_fd, data + at, part), part);
		at += part;
		tls_pair_events(pair);
		work(pair);
	}
	BIO_reset(written);
}

static void shake_on(struct tls_pair *pair)
{
	if (pair->last != TLS_OK)
		pair->last = tls_handshake(pair->tls, &pair->socket);
	assert_true(pair->last == TLS_OK || pair->last == TLS_WANTS_READ);
	if (pair->last == TLS_WANTS_READ)
		assert_false(pair->socket.can_read); /* an event will come */
}

static char got[65536];
static size_t got_length;

static void read_on(struct tls_pair *pair)
{
	size_t length;
	enum tls_result result;
	while ((result = tls_read(pair->tls, &pair->socket, got + got_length, 7, &length)) == TLS_OK)
		got_length += length;
	assert_int_equal(result, TLS_WANTS_READ);
	assert_false(tls_has_more(pair->tls, &pair->socket));
}

/* Length of the client's first flight. */
static size_t cut_at(struct tls_rig *rig, int version, size_t cut, bool each)
{
	struct tls_pair pair;
	open_version(&pair, rig, version);
	BIO *written = detach(&pair);
	size_t first = 0;
	for (int round = 0; round < 6 && !(pair.last == TLS_OK && SSL_is_init_finished(pair.ssl)); round++) {
		SSL_do_handshake(pair.ssl);
		if (first == 0)
			first = BIO_pending(written);
		deliver(&pair, written, cut, each, shake_on);
	}
	assert_int_equal(pair.last, TLS_OK);
	static const char request[] = "GET / HTTP/1.1\r\nHost: site.example\r\n\r\n";
	assert_int_equal(SSL_write(pair.ssl, request, 20), 20);
	assert_int_equal(SSL_write(pair.ssl, request + 20, sizeof request - 1 - 20), sizeof request - 1 - 20);
	got_length = 0;
	deliver(&pair, written, cut, each, read_on);
	assert_int_equal(got_length, sizeof request - 1);
	assert_memory_equal(got, request, got_length);
	tls_pair_close(&pair);
	return first;
}

static void test_records_may_be_cut_anywhere(void **state)
{
	struct tls_rig rig;
	tls_rig_init(&rig, table(), false);
	for (size_t v = 0; v < 2; v++) {
		size_t length = cut_at(&rig, versions[v], 0, true);
		for (size_t cut = 1; cut < length; cut++)
			cut_at(&rig, versions[v], cut, false);
	}
	tls_rig_done(&rig);
}

static void test_a_request_may_come_with_the_end_of_the_handshake(void **state)
{
	struct tls_rig rig;
	struct tls_pair pair;
	size_t length;
	tls_rig_init(&rig, table(), false);
	open_version(&pair, &rig, TLS1_3_VERSION);
	BIO *written = detach(&pair);
	SSL_do_handshake(pair.ssl);
	deliver(&pair, written, 0, false, shake_on);
	assert_int_equal(SSL_do_handshake(pair.ssl), 1);
	SSL_write(pair.ssl, "early", 5);
	deliver(&pair, written, 0, false, shake_on);
	assert_int_equal(pair.last, TLS_OK);
	/* no event is left: the octets are inside */
	assert_false(pair.socket.can_read);
	assert_true(tls_has_more(pair.tls, &pair.socket));
	assert_int_equal(tls_read(pair.tls, &pair.socket, got, sizeof got, &length), TLS_OK);
	assert_int_equal(length, 5);
	assert_false(tls_has_more(pair.tls, &pair.socket));
	tls_pair_close(&pair);
	tls_rig_done(&rig);
}

/* ---- calls of the system ---- */

static void test_what_a_call_writes_is_sent_at_once(void **state)
{
	struct tls_rig rig;
	struct tls_pair pair;
	char packet[70000], head[] = "HTTP/1.1 200 OK\r\n\r\n", body[40000];
	struct iovec pieces[] = {{head, sizeof head - 1}, {body, 100}};
	size_t length;
	memset(body, 'b', sizeof body);
	tls_rig_init(&rig, table(), false);
	SSL_CTX_set_session_cache_mode(rig.peer, SSL_SESS_CACHE_CLIENT);
	tls_pair_open(&pair, &rig, "site.example", SOCK_SEQPACKET); /* a packet is a send */
	BIO *read = BIO_new(BIO_s_mem()), *written = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(read, -1);
	SSL_set_bio(pair.ssl, read, written);
	for (int flight = 0; flight < 2; flight++) {
		char *data;
		SSL_do_handshake(pair.ssl);
		long pending = BIO_get_mem_data(written, &data);
		assert_int_equal(send(pair.client_fd, data, (size_t)pending, 0), pending);
		BIO_reset(written);
		tls_pair_events(&pair);
		pair.last = tls_handshake(pair.tls, &pair.socket);
		ssize_t one = recv(pair.client_fd, packet, sizeof packet, 0);
		if (flight == 0) { /* ServerHello to Finished */
			assert_true(one > 500);
			BIO_write(read, packet, (int)one);
			assert_int_equal(recv(pair.client_fd, packet, sizeof packet, 0), -1);
		} else { /* the ticket waits */
			assert_int_equal(one, -1);
			assert_int_equal(pair.last, TLS_OK);
			assert_false(tls_has_unsent(pair.tls));
		}
	}
	/* ticket, head and body: two records in one packet */
	assert_int_equal(tls_write(pair.tls, &pair.socket, pieces, 2, &length), TLS_OK);
	assert_int_equal(length, sizeof head - 1 + 100);
	ssize_t one = recv(pair.client_fd, packet, sizeof packet, 0);
	BIO_write(read, packet, (int)one);
	assert_int_equal(SSL_read(pair.ssl, got, sizeof got), sizeof head - 1 + 100); /* one record */
	assert_true(SSL_SESSION_has_ticket(SSL_get_session(pair.ssl)));
	/* four records */
	pieces[1].iov_len = sizeof body;
	assert_int_equal(tls_write(pair.tls, &pair.socket, pieces, 2, &length), TLS_OK);
	assert_int_equal(length, sizeof head - 1 + sizeof body);
	one = recv(pair.client_fd, packet, sizeof packet, 0);
	assert_int_equal(one, length + 3 * 22);
	assert_int_equal(recv(pair.client_fd, packet, sizeof packet, 0), -1);
	tls_pair_close(&pair);
	tls_rig_done(&rig);
}

/* ---- flow ---- */

#define FLOW_OCTETS ((size_t)3 << 20)

static uint8_t octet_at(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 12));
}

/* The server sends; the client reads by fits and starts. Writes of random sizes in up to four pieces. */
static void flow_out(int version)
{
	struct tls_rig rig;
	struct tls_pair pair;
	struct rng rng;
	rng_seed(&rng, 1);
	uint8_t *data = malloc(FLOW_OCTETS);
	size_t sent = 0, read = 0, stalls = 0;
	for (size_t i = 0; i < FLOW_OCTETS; i++)
		data[i] = octet_at(i);
	tls_rig_init(&rig, table(), false);
	open_shaken(&pair, &rig, version);
	while (read < FLOW_OCTETS) {
		for (;;) {
			struct iovec pieces[4];
			size_t at = sent, length;
			unsigned count = 1 + rng_next(&rng) % 4;
			for (unsigned i = 0; i < count; i++) {
				size_t part = rng_next(&rng) % 30000;
				part = part < FLOW_OCTETS - at ? part : FLOW_OCTETS - at;
				pieces[i] = (struct iovec){data + at, part};
				at += part;
			}
			enum tls_result result = tls_write(pair.tls, &pair.socket, pieces, count, &length);
			assert_in_range(length, 0, at - sent);
			sent += length;
			if (result == TLS_WANTS_WRITE) {
				assert_false(pair.socket.can_write);
				stalls++;
				break;
			}
			assert_int_equal(result, TLS_OK);
			if (sent == FLOW_OCTETS)
				break;
		}
		for (size_t most = rng_next(&rng) % 400000; most > 0;) {
			int n = SSL_read(pair.ssl, got, (int)(most < sizeof got ? most : sizeof got));
			if (n <= 0)
				break;
			for (int i = 0; i < n; i++)
				assert_int_equal((uint8_t)got[i], octet_at(read + (size_t)i));
			read += (size_t)n;
			most -= (size_t)n;
		}
		tls_pair_events(&pair);
	}
	assert_int_equal(sent, read);
	assert_true(stalls > 5);
	free(data);
	tls_pair_close(&pair);
	tls_rig_done(&rig);
}

/* The client sends; the server reads when it likes, into buffers of any size. */
static void flow_in(int version)
{
	struct tls_rig rig;
	struct tls_pair pair;
	struct rng rng;
	rng_seed(&rng, 2);
	size_t sent = 0, read = 0;
	tls_rig_init(&rig, table(), false);
	open_shaken(&pair, &rig, version);
	SSL_set_mode(pair.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	static uint8_t data[50000];
	while (read < FLOW_OCTETS) {
		for (int n = 1; n > 0 && sent<FLOW_OCTETS; sent += n> 0 ? (size_t)n : 0) {
			for (size_t i = 0; i < sizeof data; i++)
				data[i] = octet_at(sent + i);
			size_t left = FLOW_OCTETS - sent;
			n = SSL_write(pair.ssl, data, (int)(left < sizeof data ? left : sizeof data));
		}
		tls_pair_events(&pair);
		for (unsigned turns = 1 + rng_next(&rng) % 8;
		     turns > 0 && tls_has_more(pair.tls, &pair.socket); turns--) {
			size_t length, size = 1 + rng_next(&rng) % sizeof got;
			enum tls_result result = tls_read(pair.tls, &pair.socket, got, size, &length);
			if (result == TLS_WANTS_READ)
				break;
			assert_int_equal(result, TLS_OK);
			for (size_t i = 0; i < length; i++)
				assert_int_equal((uint8_t)got[i], octet_at(read + i));
			read += length;
		}
	}
	assert_int_equal(read, FLOW_OCTETS);
	tls_pair_close(&pair);
	tls_rig_done(&rig);
}

static void test_octets_arrive_whole_whoever_stops(void **state)
{
	for (size_t v = 0; v < 2; v++) {
		flow_out(versions[v]);
		flow_in(versions[v]);
	}
}

/* ---- ends ---- */

static void test_ends_are_told_apart(void **state)
{
	for (size_t v = 0; v < 2; v++) {
		for (int proper = 0; proper < 2; proper++) {
			struct tls_rig rig;
			struct tls_pair pair;
			char answer[] = "answer";
			struct iovec piece = {answer, 6};
			size_t length;
			tls_rig_init(&rig, table(), false);
			open_shaken(&pair, &rig, versions[v]);
			SSL_write(pair.ssl, "last", 4);
			if (proper)
				SSL_shutdown(pair.ssl);
			shutdown(pair.client_fd, SHUT_WR);
			tls_pair_events(&pair);
			assert_int_equal(tls_read(pair.tls, &pair.socket, got, sizeof got, &length), TLS_OK);
			assert_int_equal(length, 4);
			assert_true(tls_has_more(pair.tls, &pair.socket));
			for (int again = 0; again < 2; again++)
				assert_int_equal(tls_read(pair.tls, &pair.socket, got, sizeof got, &length),
						 proper ? TLS_CLOSED : TLS_CUT);
			/* the request was whole: it is answered, and our own end is a proper one */
			assert_int_equal(tls_write(pair.tls, &pair.socket, &piece, 1, &length), TLS_OK);
			assert_int_equal(tls_close(pair.tls, &pair.socket), TLS_OK);
			assert_int_equal(tls_close(pair.tls, &pair.socket), TLS_OK);
			assert_int_equal(SSL_read(pair.ssl, got, sizeof got), 6);
			assert_int_equal(SSL_read(pair.ssl, got, sizeof got), 0);
			assert_int_equal(SSL_get_shutdown(pair.ssl) & SSL_RECEIVED_SHUTDOWN,
					 SSL_RECEIVED_SHUTDOWN);
			tls_pair_close(&pair);
			tls_rig_done(&rig);
		}
	}
}

static void test_a_vanished_peer_is_a_failure(void **state)
{
	struct tls_rig rig;
	struct tls_pair pair;
	size_t length;
	struct iovec piece = {got, sizeof got};
	tls_rig_init(&rig, table(), false);
	open_shaken(&pair, &rig, TLS1_3_VERSION);
	close(pair.client_fd);
	pair.client_fd = -1;
	assert_int_equal(tls_write(pair.tls, &pair.socket, &piece, 1, &length), TLS_FAILED);
	assert_int_equal(tls_read(pair.tls, &pair.socket, got, sizeof got, &length), TLS_FAILED);
	assert_string_equal(tls_failure(pair.tls), "the connection was reset");
	assert_int_equal(tls_close(pair.tls, &pair.socket), TLS_FAILED);
	tls_pair_close(&pair);
	tls_rig_done(&rig);
}

static void test_what_is_not_tls_gets_an_alert(void **state)
{
	struct tls_rig rig;
	struct tls_pair pair;
	uint8_t alert[16];
	tls_rig_init(&rig, table(), false);
	tls_pair_open(&pair, &rig, "site.example", SOCK_STREAM);
	assert_int_equal(write(pair.client_fd, "\x16\x03\x01\x00\x05hello", 10), 10);
	tls_pair_events(&pair);
	assert_int_equal(tls_handshake(pair.tls, &pair.socket), TLS_FAILED);
	assert_true(strlen(tls_failure(pair.tls)) > 0);
	assert_int_equal(read(pair.client_fd, alert, sizeof alert), 7);
	assert_int_equal(alert[0], 0x15);
	assert_int_equal(tls_handshake(pair.tls, &pair.socket), TLS_FAILED);
	tls_pair_close(&pair);
	/* plain HTTP */
	tls_pair_open(&pair, &rig, "site.example", SOCK_STREAM);
	assert_int_equal(write(pair.client_fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
	tls_pair_events(&pair);
	assert_int_equal(tls_handshake(pair.tls, &pair.socket), TLS_FAILED);
	assert_string_equal(tls_failure(pair.tls), "http request");
	tls_pair_close(&pair);
	/* nothing but an end */
	tls_pair_open(&pair, &rig, "site.example", SOCK_STREAM);
	shutdown(pair.client_fd, SHUT_WR);
	tls_pair_events(&pair);
	assert_int_equal(tls_handshake(pair.tls, &pair.socket), TLS_FAILED);
	tls_pair_close(&pair);
	assert_int_equal(counter_read(&tls_context_counters(rig.context)->failed), 3);
	tls_rig_done(&rig);
}

static void test_a_changed_record_is_a_failure(void **state)
{
	struct tls_rig rig;
	struct tls_pair pair;
	size_t length;
	tls_rig_init(&rig, table(), false);
	open_shaken(&pair, &rig, TLS1_3_VERSION);
	assert_int_equal(write(pair.client_fd, "\x17\x03\x03\x00\x20################################", 37),
			 37);
	tls_pair_events(&pair);
	assert_int_equal(tls_read(pair.tls, &pair.socket, got, sizeof got, &length), TLS_FAILED);
	assert_string_equal(tls_failure(pair.tls), "decryption failed or bad record mac");
	tls_pair_close(&pair);
	tls_rig_done(&rig);
}

static void test_renegotiation_is_refused(void **state)
{
	struct tls_rig rig;
	struct tls_pair pair;
	size_t length;
	tls_rig_init(&rig, table(), false);
	open_shaken(&pair, &rig, TLS1_2_VERSION);
	SSL_renegotiate(pair.ssl);
	SSL_do_handshake(pair.ssl);
	tls_pair_events(&pair);
	tls_read(pair.tls, &pair.socket, got, sizeof got, &length);
	SSL_do_handshake(pair.ssl);
	assert_int_equal(rig.hellos, 1);
	assert_int_equal(tls_pair_reason(), SSL_R_NO_RENEGOTIATION);
	tls_pair_close(&pair);
	tls_rig_done(&rig);
}

/* ---- bounds ---- */

static void test_unfinished_handshakes_are_bounded(void **state)
{
	static struct tls_pair pairs[TLS_HANDSHAKES_MAX];
	struct tls_rig rig;
	tls_rig_init(&rig, table(), false);
	assert_null(tls_context_oldest(rig.context));
	for (int i = 0; i < TLS_HANDSHAKES_MAX; i++)
		tls_pair_open(&pairs[i], &rig, "site.example", SOCK_STREAM);
	assert_null(tls_accept(rig.context, &rig));
	assert_ptr_equal(tls_context_oldest(rig.context), &pairs[0]);
	assert_true(tls_pair_shake(&pairs[0])); /* who gets through makes room */
	assert_ptr_equal(rig.connection, &pairs[0]);
	assert_ptr_equal(tls_context_oldest(rig.context), &pairs[1]);
	tls_pair_close(&pairs[1]);
	assert_ptr_equal(tls_context_oldest(rig.context), &pairs[2]);
	struct tls *newcomer = tls_accept(rig.context, &rig);
	assert_non_null(newcomer);
	tls_free(newcomer);
	for (int i = 0; i < TLS_HANDSHAKES_MAX; i++)
		if (i != 1)
			tls_pair_close(&pairs[i]);
	assert_null(tls_context_oldest(rig.context));
	tls_rig_done(&rig);
}

/* A peer that asks for new keys all the time makes us write; one that does not read what we write is dropped.
 */
static void test_who_makes_us_write_and_never_reads_is_dropped(void **state)
{
	struct tls_rig rig;
	struct tls_pair pair;
	size_t length;
	enum tls_result result = TLS_OK;
	tls_rig_init(&rig, table(), false);
	open_shaken(&pair, &rig, TLS1_3_VERSION);
	for (int i = 0; i < 200000 && result != TLS_FAILED; i++) {
		SSL_key_update(pair.ssl, SSL_KEY_UPDATE_REQUESTED);
		SSL_do_handshake(pair.ssl);
		tls_pair_events(&pair);
		result = tls_read(pair.tls, &pair.socket, got, sizeof got, &length);
	}
	assert_int_equal(result, TLS_FAILED);
	tls_pair_close(&pair);
	tls_rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_may_be_cut_anywhere),
		cmocka_unit_test(test_a_request_may_come_with_the_end_of_the_handshake),
		cmocka_unit_test(test_what_a_call_writes_is_sent_at_once),
		cmocka_unit_test(test_octets_arrive_whole_whoever_stops),
		cmocka_unit_test(test_ends_are_told_apart),
		cmocka_unit_test(test_a_vanished_peer_is_a_failure),
		cmocka_unit_test(test_what_is_not_tls_gets_an_alert),
		cmocka_unit_test(test_a_changed_record_is_a_failure),
		cmocka_unit_test(test_renegotiation_is_refused),
		cmocka_unit_test(test_unfinished_handshakes_are_bounded),
		cmocka_unit_test(test_who_makes_us_write_and_never_reads_is_dropped),
	};
	return cmocka_run_group_tests(tests, make_certificate, free_certificate);
}
