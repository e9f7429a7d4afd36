/* What goes out of a direction, in which order, and what can be said again. */
#include "forwarder/io/flow.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

struct pair {
	struct link link;
	int far;
	struct buffers buffers;
	struct flow flow;
};

static void open_pair(struct pair *pair, int send_buffer)
{
	int fds[2];
	memset(pair, 0, sizeof *pair);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	if (send_buffer)
		setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
	pair->link.socket = (struct tls_socket){.fd = fds[0], .can_write = true};
	pair->far = fds[1];
	buffers_init(&pair->buffers, 1 << 20);
	pair->flow.made = buffers_take(&pair->buffers, BUFFER_SMALL);
}

static void close_pair(struct pair *pair)
{
	buffers_give(&pair->buffers, pair->flow.made);
	buffers_done(&pair->buffers);
	link_close(&pair->link, false);
	close(pair->far);
}

static void make(struct flow *flow, const char *text)
{
	char *room = flow_room(flow, strlen(text));
	assert_non_null(room);
	memcpy(room, text, strlen(text));
	flow_made(flow, strlen(text));
}

static size_t read_all(int fd, char *out, size_t size)
{
	size_t at = 0;
	ssize_t got;
	while ((got = read(fd, out + at, size - at)) > 0)
		at += (size_t)got;
	return at;
}

static void head_data_and_end_go_in_order(void **state)
{
	struct pair pair;
	static char big[20000], got[40000];
	memset(big, 'x', sizeof big);
	open_pair(&pair, 0);
	make(&pair.flow, "head ");
	flow_pass(&pair.flow, big, sizeof big, false); /* too large for a copy */
	memcpy(flow_room(&pair.flow, 4), " end", 4);
	flow_made_behind(&pair.flow, 4);
	assert_int_equal(flow_send(&pair.flow, &pair.link), LINK_DONE);
	assert_true(flow_is_empty(&pair.flow));
	assert_int_equal(read_all(pair.far, got, sizeof got), 5 + sizeof big + 4);
	assert_memory_equal(got, "head xxx", 8);
	assert_memory_equal(got + 5 + sizeof big - 1, "x end", 5);
	close_pair(&pair);
}

/* Whatever the socket takes at a time, each octet goes out once. */
static void a_slow_socket_gets_everything_once(void **state)
{
	struct pair pair;
	static char big[300000], got[400000];
	size_t at = 0;
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)('a' + i % 23);
	open_pair(&pair, 4096);
	make(&pair.flow, "head ");
	flow_pass(&pair.flow, big, sizeof big, false);
	memcpy(flow_room(&pair.flow, 4), " end", 4);
	flow_made_behind(&pair.flow, 4);
	enum link_result result;
	while ((result = flow_send(&pair.flow, &pair.link)) == LINK_AGAIN) {
		at += read_all(pair.far, got + at, sizeof got - at);
		pair.link.socket.can_write = true;
	}
	assert_int_equal(result, LINK_DONE);
	at += read_all(pair.far, got + at, sizeof got - at);
	assert_int_equal(at, 5 + sizeof big + 4);
	assert_memory_equal(got + 5, big, sizeof big);
	assert_memory_equal(got + at - 4, " end", 4);
	close_pair(&pair);
}

static void what_is_kept_can_be_said_again(void **state)
{
	struct pair pair;
	char got[100];
	open_pair(&pair, 0);
	make(&pair.flow, "POST ");
	pair.flow.is_replayable = true;
	assert_int_equal(flow_send(&pair.flow, &pair.link), LINK_DONE);
	flow_pass(&pair.flow, "body", 4, true);
	assert_int_equal(flow_send(&pair.flow, &pair.link), LINK_DONE);
	assert_int_equal(read_all(pair.far, got, sizeof got), 9);
	assert_true(pair.flow.is_replayable);
	flow_rewind(&pair.flow);
	assert_int_equal(flow_send(&pair.flow, &pair.link), LINK_DONE);
	assert_int_equal(read_all(pair.far, got, sizeof got), 9);
	assert_memory_equal(got, "POST body", 9);
	close_pair(&pair);
}

static void what_has_no_room_cannot(void **state)
{
	struct pair pair;
	static char big[20000];
	open_pair(&pair, 0);
	make(&pair.flow, "POST ");
	pair.flow.is_replayable = true;
	flow_pass(&pair.flow, big, sizeof big, true);
	assert_false(pair.flow.is_replayable);
	assert_int_equal(flow_send(&pair.flow, &pair.link), LINK_DONE);
	assert_int_equal(buffer_room(pair.flow.made), BUFFER_SMALL); /* used again */
	close_pair(&pair);
}

static void a_closed_peer_is_an_outcome(void **state)
{
	struct pair pair;
	open_pair(&pair, 0);
	make(&pair.flow, "head");
	shutdown(pair.far, SHUT_RD);
	close(pair.far);
	assert_int_equal(flow_send(&pair.flow, &pair.link), LINK_FAILED);
	pair.far = dup(0);
	close_pair(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_data_and_end_go_in_order),
		cmocka_unit_test(a_slow_socket_gets_everything_once),
		cmocka_unit_test(what_is_kept_can_be_said_again),
		cmocka_unit_test(what_has_no_room_cannot),
		cmocka_unit_test(a_closed_peer_is_an_outcome),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
