/*
 * The UDP worker: one thread and one socket, one recvmmsg and one sendmmsg a batch. workers.c makes
 * the socket, the memory and the thread.
 */
#pragma once
#include "gslb/serve/answer.h"
#include "lib/publish.h"
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define UDP_BATCH 32
#define UDP_OCTETS 4096 /* read of a query, and the largest reply: the most that dns.edns_size allows */
/* Not a power of two: else the first lines of all buffers compete for the same few places of the cache. */
#define UDP_STRIDE (UDP_OCTETS + 64)
#define UDP_CONTROL_OCTETS CMSG_SPACE(sizeof(struct in6_pktinfo))

struct udp_batch { /* the buffers of one round */
	struct mmsghdr in[UDP_BATCH], out[UDP_BATCH];
	struct iovec in_vector[UDP_BATCH], out_vector[UDP_BATCH];
	struct sockaddr_in6 peer[UDP_BATCH]; /* or a struct sockaddr_in, which is smaller */
	_Alignas(struct cmsghdr) uint8_t control[UDP_BATCH][UDP_CONTROL_OCTETS];
	struct incoming incoming[UDP_BATCH];
	uint8_t query[UDP_BATCH][UDP_STRIDE], reply[UDP_BATCH][UDP_STRIDE];
};

struct udp_worker {
	int socket;	      /* blocking, with a receive timeout (see udp_run) */
	bool has_any_address; /* bound to 0.0.0.0 or ::, the kernel tells which address was asked */
	const struct publish *world;
	const atomic_bool *stop;
	struct serve_context context;
	struct udp_batch batch;
};

/* Answers until *stop. The argument is a struct udp_worker. */
void *udp_run(void *worker);
