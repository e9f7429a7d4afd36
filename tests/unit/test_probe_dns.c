/* dns probes against servers on loopback: UDP, TCP after truncation, and what is nobody's answer. */
#include "checker/probe.h"
#include "lib/clock.h"
#include "tests/unit/origin.h"
#include "tests/unit/probing.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

static struct event_base *base;
static struct {
	int fd;
	struct event *readable;
	uint16_t port;
	struct evconnlistener *tcp;
	uint8_t flags[2];	  /* of the answer */
	bool is_mute, lies_first; /* lies: an answer with another id comes before the right one */
	unsigned udp_queries, tcp_queries, tcp_ends, tcp_resets;
	uint8_t tcp_flags[2];
	uint8_t query[512];
	size_t query_length;
} server;
static struct probing probing;

static void on_query(evutil_socket_t fd, short events, void *user)
{
	struct sockaddr_storage from;
	socklen_t from_length = sizeof from;
	ssize_t length =
		recvfrom(fd, server.query, sizeof server.query, 0, (struct sockaddr *)&from, &from_length);
	assert_true(length >= 12);
	server.query_length = (size_t)length;
	server.udp_queries++;
	uint8_t answer[512];
	memcpy(answer, server.query, (size_t)length);
	answer[2] = server.flags[0];
	answer[3] = server.flags[1];
	if (server.lies_first) {
		answer[0] ^= 0xff;
		sendto(fd, answer, (size_t)length, 0, (struct sockaddr *)&from, from_length);
		answer[0] ^= 0xff;
		sendto(fd, answer, 3, 0, (struct sockaddr *)&from, from_length);
	}
	if (!server.is_mute)
		sendto(fd, answer, (size_t)length, 0, (struct sockaddr *)&from, from_length);
}

static void on_tcp_query(struct bufferevent *stream, void *user)
{
	uint8_t bytes[514];
	struct evbuffer *in = bufferevent_get_input(stream);
	if (evbuffer_get_length(in) < server.query_length + 2)
		return;
	size_t length = bufferevent_read(stream, bytes, sizeof bytes);
	assert_int_equal(bytes[0] << 8 | bytes[1], length - 2);
	server.tcp_queries++;
	bytes[4] = server.tcp_flags[0];
	bytes[5] = server.tcp_flags[1];
	/* records that nobody needs for a verdict */
	static const uint8_t more[300];
	size_t whole = length - 2 + sizeof more;
	bytes[0] = (uint8_t)(whole >> 8);
	bytes[1] = (uint8_t)whole;
	bufferevent_write(stream, bytes, length);
	bufferevent_write(stream, more, sizeof more);
}

static void on_tcp_end(struct bufferevent *stream, short events, void *user)
{
	server.tcp_ends++;
	server.tcp_resets += (events & BEV_EVENT_ERROR) != 0;
	bufferevent_free(stream);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int length,
		      void *user)
{
	struct bufferevent *stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(stream, on_tcp_query, NULL, on_tcp_end, NULL);
	bufferevent_enable(stream, EV_READ | EV_WRITE);
}

static int set_up(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	base = event_base_new();
	probing = (struct probing){.base = base};
	memset(&server, 0, sizeof server);
	server.flags[0] = server.tcp_flags[0] = 0x84;
	server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	/* The kernel's choice for UDP may be taken for TCP. */
	do {
		address.sin_port = 0;
		close(server.fd);
		server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		assert_int_equal(bind(server.fd, (struct sockaddr *)&address, sizeof address), 0);
		getsockname(server.fd, (struct sockaddr *)&address, &length);
		server.tcp = evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 16,
						     (struct sockaddr *)&address, length);
	} while (!server.tcp);
	server.port = ntohs(address.sin_port);
	server.readable = event_new(base, server.fd, EV_READ | EV_PERSIST, on_query, NULL);
	event_add(server.readable, NULL);
	return 0;
}

static int tear_down(void **state)
{
	event_base_loop(base, EVLOOP_NONBLOCK); /* what the client closed ends */
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_free(server.readable);
	close(server.fd);
	evconnlistener_free(server.tcp);
	event_base_free(base);
	return 0;
}

static const char *probe_with(struct probe_spec *spec)
{
	spec->kind = probe_kinds_find("dns");
	spec->port = spec->port ? spec->port : server.port;
	spec->timeout_ms = spec->timeout_ms ? spec->timeout_ms : 5000;
	return probing_judge(&probing, "127.0.0.1", spec, NULL);
}

static void the_name_is_asked_for(void **state)
{
	static const uint8_t name[] = "\7example\3net";
	struct probe_spec root = {0}, named = {.question = name, .question_length = sizeof name};
	assert_string_equal(probe_with(&root), "good");
	assert_int_equal(server.query_length, 17);
	assert_string_equal(probe_with(&named), "good");
	assert_memory_equal(server.query + 12, name, sizeof name);
	assert_int_equal(server.tcp_queries, 0);
}

static void errors_are_told(void **state)
{
	static const uint8_t name[] = "\7example\3net";
	struct probe_spec spec = {.question = name, .question_length = sizeof name};
	server.flags[1] = 2;
	assert_string_equal(probe_with(&spec), "SERVFAIL");
	server.flags[1] = 3;
	assert_string_equal(probe_with(&spec), "NXDOMAIN");
}

static void truncation_leads_to_tcp(void **state)
{
	struct probe_spec spec = {0};
	server.flags[0] |= 0x02;
	assert_string_equal(probe_with(&spec), "good");
	assert_int_equal(server.udp_queries, 1);
	assert_int_equal(server.tcp_queries, 1);
	server.tcp_flags[1] = 2;
	assert_string_equal(probe_with(&spec), "SERVFAIL");
	server.tcp_flags[0] |= 0x02;
	server.tcp_flags[1] = 0;
	assert_string_equal(probe_with(&spec), "truncated answer over TCP");
	evconnlistener_disable(server.tcp);
	spec.timeout_ms = 80; /* one deadline over both */
	assert_string_equal(probe_with(&spec), "timeout");
	evconnlistener_enable(server.tcp);
}

static void a_connection_is_ended_not_reset(void **state)
{
	struct probe_spec spec = {.kind = probe_kinds_find("dns"), .port = server.port, .timeout_ms = 5000};
	server.flags[0] |= 0x02;
	assert_string_equal(probing_end(&probing, "127.0.0.1", &spec, NULL), "good");
	server.tcp_flags[1] = 2;
	assert_string_equal(probing_end(&probing, "127.0.0.1", &spec, NULL), "SERVFAIL");
	assert_int_equal(server.tcp_ends, 2);
	assert_int_equal(server.tcp_resets, 0);
}

static void answers_to_nobody_are_passed_over(void **state)
{
	struct probe_spec spec = {0};
	server.lies_first = true;
	assert_string_equal(probe_with(&spec), "good");
	server.is_mute = true;
	spec.timeout_ms = 80;
	uint64_t start_ms = clock_mono_ms();
	assert_string_equal(probe_with(&spec), "timeout");
	assert_in_range(clock_mono_ms() - start_ms, 75, 1000);
}

static void a_closed_port_is_refused(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	getsockname(fd, (struct sockaddr *)&address, &length);
	close(fd);
	struct probe_spec spec = {.port = ntohs(address.sin_port)};
	assert_string_equal(probe_with(&spec), "connection refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_name_is_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(errors_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(truncation_leads_to_tcp, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_connection_is_ended_not_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_to_nobody_are_passed_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_closed_port_is_refused, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
