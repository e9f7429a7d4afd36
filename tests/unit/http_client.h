/* A client of an HTTP server that runs on the test's own loop. */
#pragma once
#include "lib/clock.h"
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 20000

static inline struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_true(strlen(path) < sizeof address.sun_path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	return address;
}

static inline int connect_unix(const char *path)
{
	struct sockaddr_un address = unix_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static struct event_base *base; /* of the server */
static char socket_path[96];
static char received[65536];

static inline bool is_complete(const char *until)
{
	return until && strstr(received, until);
}

/* Sends, and turns the server's loop until it closes or `until` (may be NULL) was received. */
static inline const char *exchange(int fd, const char *bytes, size_t length, const char *until)
{
	size_t used = 0;
	bool is_open = true;
	uint64_t deadline = clock_mono_ms() + WAIT_MS;
	received[0] = '\0';
	while (is_open && !is_complete(until)) {
		assert_true(clock_mono_ms() < deadline);
		ssize_t sent = length ? write(fd, bytes, length) : 0;
		if (sent > 0) {
			bytes += sent;
			length -= (size_t)sent;
		}
		event_base_loop(base, EVLOOP_NONBLOCK);
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN | (length ? POLLOUT : 0)};
		poll(&poll_fd, 1, 1);
		ssize_t got = read(fd, received + used, sizeof received - 1 - used);
		if (got > 0)
			used += (size_t)got;
		received[used] = '\0';
		is_open = got > 0 || (got < 0 && errno == EAGAIN);
	}
	return received;
}

static inline const char *ask(const char *request)
{
	int fd = connect_unix(socket_path);
	assert_true(fd >= 0);
	exchange(fd, request, strlen(request), NULL);
	close(fd);
	return received;
}

static inline void expect(const char *text)
{
	if (!strstr(received, text))
		fail_msg("no '%s' in: %s", text, received);
}

#define CLOSE "Host: gslb\r\nConnection: close\r\n\r\n"
