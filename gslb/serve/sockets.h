/* The sockets of the data path: how they are made, and what the kernel says of them. Control thread. */
#pragma once
#include "lib/net.h"

struct sockets_settings {
	unsigned buffer_bytes; /* of a UDP socket, to receive and to send */
	bool has_freebind;     /* the address may come later (ip(7), IP_FREEBIND) */
};

/* The first UDP socket and the first TCP socket of a listener, on one port, where a port 0 is chosen by the
 * kernel. False with errno. */
bool sockets_open_pair(const struct listen_address *wanted, const struct sockets_settings *settings,
		       struct sockaddr_storage *ret_bound, int *ret_udp, int *ret_tcp);
/* Bound, blocking with a receive timeout, and sharing the address with others of this user. -1 with errno. */
int sockets_open_udp(const struct sockaddr_storage *address, socklen_t length,
		     const struct sockets_settings *settings);
/* Listening, not blocking. The first of an address is bound alone, so that a second server is refused
 * instead of taking half of the clients, and shares from then on. -1 with errno. */
int sockets_open_tcp(const struct sockaddr_storage *address, socklen_t length,
		     const struct sockets_settings *settings, bool is_first);
/* 0.0.0.0 or :: */
bool sockets_is_any_address(const struct sockaddr_storage *address);

/* The buffers that a UDP socket was given: less than asked for where the system's limits are lower. */
void sockets_granted(int udp, unsigned *ret_receive_bytes, unsigned *ret_send_bytes);
/* What the kernel has dropped so far because the socket's queue was full: datagrams, or of a listening
 * socket connections. Starts again after 2^32. */
uint32_t sockets_dropped(int fd);
