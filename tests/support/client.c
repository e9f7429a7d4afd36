/* A DNS client for tests: see client.h. */
#include "tests/support/client.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

static void require(bool is_true, const char *what)
{
	if (is_true)
		return;
	perror(what);
	abort();
}

static int connected(const struct sockaddr_storage *server, int type)
{
	int fd = socket(server->ss_family, type | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = 5};
	socklen_t length =
		server->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	require(fd >= 0, "socket");
	require(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0, "SO_RCVTIMEO");
	require(connect(fd, (const struct sockaddr *)server, length) == 0, "connect");
	return fd;
}

int client_udp(const struct sockaddr_storage *server)
{
	return connected(server, SOCK_DGRAM);
}

int client_tcp(const struct sockaddr_storage *server)
{
	return connected(server, SOCK_STREAM);
}

void client_send(int fd, const void *octets, size_t length)
{
	require(send(fd, octets, length, MSG_NOSIGNAL) == (ssize_t)length, "send");
}

void client_send_udp(int fd, const struct packet *query)
{
	client_send(fd, query->octets, query->length);
}

void client_send_tcp(int fd, const struct packet *query)
{
	uint8_t head[2] = {(uint8_t)(query->length >> 8), (uint8_t)query->length};
	require(send(fd, head, sizeof head, MSG_NOSIGNAL | MSG_MORE) == sizeof head, "send");
	client_send_udp(fd, query);
}

size_t client_receive_udp(int fd, uint8_t *out, size_t size)
{
	ssize_t length = recv(fd, out, size, 0);
	return length > 0 ? (size_t)length : 0;
}

size_t client_receive_tcp(int fd, uint8_t *out, size_t size)
{
	uint8_t head[2];
	if (recv(fd, head, sizeof head, MSG_WAITALL) != sizeof head)
		return 0;
	size_t length = (size_t)head[0] << 8 | head[1];
	require(length <= size, "reply too long");
	return recv(fd, out, length, MSG_WAITALL) == (ssize_t)length ? length : 0;
}

bool client_is_closed(int fd)
{
	uint8_t octet;
	ssize_t length = recv(fd, &octet, 1, 0);
	return length == 0 || (length < 0 && errno == ECONNRESET);
}
