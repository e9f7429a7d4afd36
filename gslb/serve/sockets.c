/* See sockets.h. Control thread. */
#include "gslb/serve/sockets.h"
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define BACKLOG 1024
#define PORT_ATTEMPTS 16
/* Bounds workers_stop where shutdown(2) should not wake a receiver (udp.c). */
#define RECEIVE_TIMEOUT_MS 250

bool sockets_is_any_address(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static in_port_t *port_of(struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? &((struct sockaddr_in *)address)->sin_port
					     : &((struct sockaddr_in6 *)address)->sin6_port;
}

static void set_option(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof value); /* what fails costs speed, not answers */
}

/* What an administrator may have (CAP_NET_ADMIN), else what net.core.rmem_max and wmem_max allow. */
static void set_buffer(int fd, int forced, int option, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) != 0)
		set_option(fd, SOL_SOCKET, option, bytes);
}

static bool set_freebind(int fd, int family)
{
	int on = 1;
	return family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on) == 0
				 : setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on) == 0;
}

/* Bound with SO_REUSEPORT or SO_REUSEADDR (`reuse`). */
static int open_bound(const struct sockaddr_storage *address, socklen_t length, int type, int reuse,
		      bool has_freebind)
{
	int fd = socket(address->ss_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int on = 1;
	bool is_set = setsockopt(fd, SOL_SOCKET, reuse, &on, sizeof on) == 0;
	if (is_set && address->ss_family == AF_INET6)
		is_set = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
	if (is_set && has_freebind)
		is_set = set_freebind(fd, address->ss_family);
	if (is_set && bind(fd, (const struct sockaddr *)address, length) == 0)
		return fd;
	int reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

int sockets_open_udp(const struct sockaddr_storage *address, socklen_t length,
		     const struct sockets_settings *settings)
{
	int fd = open_bound(address, length, SOCK_DGRAM, SO_REUSEPORT, settings->has_freebind);
	if (fd < 0)
		return -1;
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, (int)settings->buffer_bytes);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, (int)settings->buffer_bytes);
	/* Path MTU messages can be forged to make us fragment: replies are small enough without them (RFC
	 * 9715 §3.1, §7) */
	if (address->ss_family == AF_INET) {
		set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
		if (sockets_is_any_address(address))
			set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
	} else {
		set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
		if (sockets_is_any_address(address))
			set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	}
	struct timeval timeout = {.tv_usec = RECEIVE_TIMEOUT_MS * 1000};
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0)
		return fd;
	close(fd);
	return -1;
}

int sockets_open_tcp(const struct sockaddr_storage *address, socklen_t length,
		     const struct sockets_settings *settings, bool is_first)
{
	int on = 1;
	int fd = open_bound(address, length, SOCK_STREAM | SOCK_NONBLOCK,
			    is_first ? SO_REUSEADDR : SO_REUSEPORT, settings->has_freebind);
	if (fd < 0)
		return -1;
	/* replies go at once; accepted sockets inherit it */
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

bool sockets_open_pair(const struct listen_address *wanted, const struct sockets_settings *settings,
		       struct sockaddr_storage *ret_bound, int *ret_udp, int *ret_tcp)
{
	struct sockaddr_storage asked = wanted->sockaddr;
	bool is_port_free_to_choose = *port_of(&asked) == 0;
	for (int attempt = 0;; attempt++) {
		struct sockaddr_storage bound = asked;
		socklen_t length = wanted->length;
		int udp = sockets_open_udp(&asked, length, settings);
		if (udp < 0)
			return false;
		int tcp = -1;
		if (getsockname(udp, (struct sockaddr *)&bound, &length) == 0)
			tcp = sockets_open_tcp(&bound, length, settings, true);
		if (tcp >= 0) {
			*ret_bound = bound;
			*ret_udp = udp;
			*ret_tcp = tcp;
			return true;
		}
		int reason = errno;
		close(udp);
		errno = reason;
		if (!is_port_free_to_choose || reason != EADDRINUSE || attempt == PORT_ATTEMPTS)
			return false;
	}
}

static unsigned granted(int fd, int option)
{
	int doubled = 0; /* the kernel adds as much for its own bookkeeping */
	socklen_t length = sizeof doubled;
	getsockopt(fd, SOL_SOCKET, option, &doubled, &length);
	return (unsigned)doubled / 2;
}

void sockets_granted(int udp, unsigned *ret_receive_bytes, unsigned *ret_send_bytes)
{
	*ret_receive_bytes = granted(udp, SO_RCVBUF);
	*ret_send_bytes = granted(udp, SO_SNDBUF);
}

uint32_t sockets_dropped(int fd)
{
	uint32_t values[SK_MEMINFO_VARS] = {0};
	socklen_t length = sizeof values;
	getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values, &length);
	return values[SK_MEMINFO_DROPS];
}
