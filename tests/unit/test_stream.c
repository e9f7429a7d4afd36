/* One connection, plain or TLS: the same calls, and every end told apart. */
#include "checker/stream.h"
#include "tests/unit/tls_origin.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct certificate certificate;
static struct tls_client *client;
static struct tls_origin origin;

static int set_up(void **state)
{
	certificate = certificate_make("a.test", "DNS:a.test", -DAY_S, DAY_S, NULL);
	client = tls_client_new();
	tls_origin_start(&origin, &certificate);
	return 0;
}

static int tear_down(void **state)
{
	tls_origin_stop(&origin);
	tls_client_free(client);
	certificate_free(&certificate);
	return 0;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* Ten seconds are too long for anything here. */
static void wait_for(struct stream *stream, enum stream_status wants)
{
	struct pollfd poll_fd = {stream_fd(stream), wants == STREAM_WANTS_WRITE ? POLLOUT : POLLIN, 0};
	assert_true(wants == STREAM_WANTS_READ || wants == STREAM_WANTS_WRITE);
	assert_int_equal(poll(&poll_fd, 1, 10000), 1);
}

static enum stream_status shake_hands(struct stream *stream)
{
	enum stream_status status;
	while ((status = stream_handshake(stream)) == STREAM_WANTS_READ || status == STREAM_WANTS_WRITE)
		wait_for(stream, status);
	return status;
}

static enum stream_status read_some(struct stream *stream, char *bytes, size_t size, size_t *ret_length)
{
	enum stream_status status;
	while ((status = stream_read(stream, bytes, size, ret_length)) == STREAM_WANTS_READ)
		wait_for(stream, status);
	return status;
}

static void plain_bytes_go_both_ways(void **state)
{
	int pair[2];
	char bytes[16];
	size_t length = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	struct stream *stream = stream_plain(pair[0]);
	assert_int_equal(stream_fd(stream), pair[0]);
	assert_int_equal(stream_handshake(stream), STREAM_GOOD);
	assert_null(stream_judge_certificate(stream));
	assert_null(stream_take_session(stream));
	assert_int_equal(stream_read(stream, bytes, sizeof bytes, &length), STREAM_WANTS_READ);
	assert_true(stream_is_reusable(stream));
	assert_int_equal(stream_write(stream, "hello", 5, &length), STREAM_GOOD);
	assert_int_equal(length, 5);
	assert_int_equal(read(pair[1], bytes, sizeof bytes), 5);
	assert_int_equal(write(pair[1], "yes", 3), 3);
	assert_false(stream_is_reusable(stream)); /* unasked */
	assert_int_equal(stream_read(stream, bytes, sizeof bytes, &length), STREAM_GOOD);
	assert_memory_equal(bytes, "yes", 3);
	close(pair[1]);
	assert_false(stream_is_reusable(stream));
	assert_int_equal(stream_read(stream, bytes, sizeof bytes, &length), STREAM_CLOSED);
	assert_int_equal(stream_write(stream, "hello", 5, &length), STREAM_FAILED);
	assert_int_equal(stream_errno(stream), EPIPE);
	stream_free(stream, false);
}

static void a_full_socket_says_so(void **state)
{
	static const char many[65536];
	int pair[2];
	size_t length = 0;
	enum stream_status status = STREAM_GOOD;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	struct stream *stream = stream_plain(pair[0]);
	for (int i = 0; i < 1000 && status == STREAM_GOOD; i++)
		status = stream_write(stream, many, sizeof many, &length);
	assert_int_equal(status, STREAM_WANTS_WRITE);
	stream_free(stream, true);
	close(pair[1]);
}

static void tls_is_told_by_the_same_calls(void **state)
{
	struct tls_question question = {.name = "a.test", .alpn = "http/1.1"};
	char bytes[64];
	size_t length = 0;
	origin.reply = "secret";
	struct stream *stream = stream_tls(connect_to(origin.port), client, &question, NULL);
	assert_int_equal(shake_hands(stream), STREAM_GOOD);
	assert_int_equal(shake_hands(stream), STREAM_GOOD); /* it stays so */
	assert_int_equal(stream_write(stream, "x\r\n\r\n", 5, &length), STREAM_GOOD);
	assert_int_equal(read_some(stream, bytes, sizeof bytes, &length), STREAM_GOOD);
	assert_memory_equal(bytes, "secret", 6);
	assert_int_equal(read_some(stream, bytes, sizeof bytes, &length), STREAM_CLOSED);
	struct ssl_session_st *session = stream_take_session(stream);
	assert_non_null(session);
	assert_null(stream_take_session(stream));
	stream_free(stream, false);
	assert_string_equal(origin.name, "a.test");
	assert_string_equal(origin.alpn, "http/1.1");
	stream = stream_tls(connect_to(origin.port), client, &question, session);
	assert_int_equal(shake_hands(stream), STREAM_GOOD);
	assert_int_equal(stream_write(stream, "x\r\n\r\n", 5, &length), STREAM_GOOD);
	assert_int_equal(read_some(stream, bytes, sizeof bytes, &length), STREAM_GOOD);
	assert_int_equal(origin.resumptions, 1);
	stream_free(stream, false);
	tls_client_session_free(session);
}

static void no_name_no_sni(void **state)
{
	struct tls_question question = {.name = NULL};
	char bytes[64];
	size_t length = 0;
	struct stream *stream = stream_tls(connect_to(origin.port), client, &question, NULL);
	assert_int_equal(shake_hands(stream), STREAM_GOOD);
	assert_int_equal(stream_write(stream, "x\r\n\r\n", 5, &length), STREAM_GOOD);
	assert_int_equal(read_some(stream, bytes, sizeof bytes, &length), STREAM_CLOSED);
	assert_string_equal(origin.name, "");
	stream_free(stream, false);
}

static void failures_have_words(void **state)
{
	struct tls_question question = {.name = "a.test"};
	origin.speaks_plainly = true;
	origin.reply = "HTTP/1.1 400 Bad Request\r\n\r\n";
	struct stream *stream = stream_tls(connect_to(origin.port), client, &question, NULL);
	assert_int_equal(shake_hands(stream), STREAM_FAILED);
	assert_int_equal(stream_errno(stream), 0);
	assert_string_equal(stream_reason(stream), "the answer is not TLS");
	stream_free(stream, true);
	int pair[2];
	char bytes[2048];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	stream = stream_tls(pair[0], client, &question, NULL);
	assert_int_equal(stream_handshake(stream), STREAM_WANTS_READ);
	assert_true(read(pair[1], bytes, sizeof bytes) > 0);
	close(pair[1]); /* in the middle of the handshake */
	assert_int_equal(stream_handshake(stream), STREAM_FAILED);
	assert_int_equal(stream_errno(stream), 0);
	assert_string_equal(stream_reason(stream), "connection closed");
	stream_free(stream, true);
}

static void an_end_leaves_the_peer_its_say(void **state)
{
	int pair[2];
	char bytes[16];
	size_t length = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	struct stream *stream = stream_plain(pair[0]);
	stream_end(stream);
	assert_int_equal(read(pair[1], bytes, sizeof bytes), 0);
	assert_false(stream_is_reusable(stream));
	assert_int_equal(stream_discard(stream, &length), STREAM_WANTS_READ);
	assert_int_equal(write(pair[1], "late", 4), 4);
	assert_int_equal(stream_discard(stream, &length), STREAM_GOOD);
	assert_int_equal(length, 4);
	close(pair[1]);
	assert_int_equal(stream_discard(stream, &length), STREAM_CLOSED);
	stream_free(stream, false);
}

static void tls_is_ended_by_its_own_word(void **state)
{
	struct tls_question question = {.name = "a.test"};
	size_t length = 0;
	enum stream_status status;
	origin.reply = "secret";
	origin.stays_open = true; /* until the client ends it */
	struct stream *stream = stream_tls(connect_to(origin.port), client, &question, NULL);
	assert_int_equal(shake_hands(stream), STREAM_GOOD);
	assert_int_equal(stream_write(stream, "x\r\n\r\n", 5, &length), STREAM_GOOD);
	stream_end(stream);
	while ((status = stream_discard(stream, &length)) != STREAM_CLOSED)
		if (status != STREAM_GOOD)
			wait_for(stream, status);
	stream_free(stream, false);
	assert_true(origin.is_told_of_the_end);
}

static void an_aborted_connection_is_reset(void **state)
{
	struct tls_question question = {.name = "a.test"};
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	char bytes[2048];
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&address, &length);
	struct stream *stream = stream_tls(connect_to(ntohs(address.sin_port)), client, &question, NULL);
	assert_int_equal(stream_handshake(stream), STREAM_WANTS_READ);
	int accepted = accept(listener, NULL, NULL);
	stream_free(stream, true);
	ssize_t got;
	while ((got = read(accepted, bytes, sizeof bytes)) > 0)
		continue;
	assert_int_equal(got, -1);
	assert_int_equal(errno, ECONNRESET);
	close(accepted);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plain_bytes_go_both_ways, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_socket_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tls_is_told_by_the_same_calls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_name_no_sni, set_up, tear_down),
		cmocka_unit_test_setup_teardown(failures_have_words, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_end_leaves_the_peer_its_say, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tls_is_ended_by_its_own_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_aborted_connection_is_reset, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
