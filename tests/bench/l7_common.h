/*
 * What the programs of the L7 benchmark share: the end with a message, sockets, a clock, a CPU.
 */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

_Noreturn static inline void l7_die(const char *what)
{
	perror(what);
	exit(1);
}

static inline void *l7_alloc(size_t count, size_t bytes)
{
	void *memory = calloc(count ? count : 1, bytes);
	if (!memory)
		l7_die("calloc");
	return memory;
}

static inline uint64_t l7_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void l7_pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		l7_die("cpu");
}

static inline void l7_raise_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* "ADDRESS:PORT" or "PORT" of 127.0.0.1. */
static inline struct sockaddr_in l7_address(const char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const char *colon = strchr(text, ':');
	char host[64];
	if (colon) {
		snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
		if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
			l7_die("address");
	}
	address.sin_port = htons((uint16_t)atoi(colon ? colon + 1 : text));
	return address;
}

static inline void l7_set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof value) != 0)
		l7_die("setsockopt");
}

static inline int l7_listen(struct sockaddr_in address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		l7_die("socket");
	l7_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	l7_set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* what it accepts inherits it */
	if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0)
		l7_die("listen");
	return fd;
}

/* A connection under way, or −1. */
static inline int l7_connect(const struct sockaddr_in *address, const struct sockaddr_in *from)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		l7_die("socket");
	l7_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (from) {
		l7_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		if (bind(fd, (const struct sockaddr *)from, sizeof *from) != 0)
			l7_die("bind");
	}
	if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EINPROGRESS)
		return fd;
	int reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

/* Once and for all, as edge-triggered epoll needs it. */
static inline void l7_watch(int epoll, int fd, void *data)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = data};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		l7_die("epoll_ctl");
}
