/* A DNS client over real sockets of loopback, for tests. Waiting is bounded; aborts on its own errors. */
#pragma once
#include "tests/support/packet.h"
#include <stdbool.h>
#include <sys/socket.h>

int client_udp(const struct sockaddr_storage *server); /* a connected socket; close() it */
int client_tcp(const struct sockaddr_storage *server);

void client_send_udp(int fd, const struct packet *query);
void client_send_tcp(int fd, const struct packet *query); /* with its length before it */
void client_send(int fd, const void *octets, size_t length);

/* The next reply; its length, or 0 when none came within five seconds (UDP) or the server has closed
 * the connection (TCP). */
size_t client_receive_udp(int fd, uint8_t *out, size_t size);
size_t client_receive_tcp(int fd, uint8_t *out, size_t size);
/* Waits at most five seconds for the server to close; false: it sent something or did not. */
bool client_is_closed(int fd);
