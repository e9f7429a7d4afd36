/*
 * The batch loop: receive what waits, answer it, send the replies. Thread: one UDP worker each. No
 * allocation, lock, log or libevent from here down (tests/lint/symbols.py).
 */
#include "gslb/serve/udp.h"
#include "gslb/serve/tally.h"
#include "lib/clock.h"
#include "lib/inline.h"
#include <errno.h>
#include <string.h>

static void prepare(struct udp_worker *worker)
{
	struct udp_batch *batch = &worker->batch;
	for (unsigned i = 0; i < UDP_BATCH; i++) {
		batch->in_vector[i] = (struct iovec){batch->query[i], UDP_OCTETS};
		batch->in[i].msg_hdr = (struct msghdr){
			.msg_name = &batch->peer[i],
			.msg_namelen = sizeof batch->peer[i],
			.msg_iov = &batch->in_vector[i],
			.msg_iovlen = 1,
			.msg_control = worker->has_any_address ? batch->control[i] : NULL,
			.msg_controllen = worker->has_any_address ? UDP_CONTROL_OCTETS : 0,
		};
		batch->out_vector[i] = (struct iovec){batch->reply[i], 0};
		batch->out[i].msg_hdr = (struct msghdr){.msg_iov = &batch->out_vector[i], .msg_iovlen = 1};
	}
}

/* The reply leaves from the address that was asked, by whatever way leads back to the client: the
 * interface of arrival is forgotten unless the address means nothing without it. */
static void forget_interface(struct msghdr *header)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	if (!control)
		return;
	if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(control);
		info->ipi_ifindex = 0;
	} else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo *info = (struct in6_pktinfo *)CMSG_DATA(control);
		if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
			info->ipi6_ifindex = 0;
	}
}

static inline void take_peer(const struct sockaddr_in6 *address, struct ip *ret)
{
	if (address->sin6_family != AF_INET) {
		*ret = ip_from_sockaddr((const struct sockaddr *)address);
		return;
	}
	ret->family = 4; /* without a call */
	memset(ret->bytes, 0, sizeof ret->bytes);
	memcpy(ret->bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
}

/* What was received, up to where each query's name and place are found. */
static OUT_OF_LINE WHOLE void read_batch(struct udp_worker *worker, const struct world *world,
					 unsigned received)
{
	struct udp_batch *batch = &worker->batch;
	for (unsigned i = 0; i < received; i++) {
		struct incoming *incoming = &batch->incoming[i];
		take_peer(&batch->peer[i], &incoming->client.resolver);
		answer_read(world, batch->query[i], batch->in[i].msg_len, incoming);
	}
	answer_find(worker->context.stats, world, batch->incoming, received);
}

/* Answers the queries in[0..received) and returns the number of replies, which stand first in out[]. */
static OUT_OF_LINE WHOLE unsigned answer_batch(struct udp_worker *worker, const struct world *world,
					       unsigned received)
{
	struct udp_batch *batch = &worker->batch;
	struct mmsghdr *out = batch->out;
	read_batch(worker, world, received);
	for (unsigned i = 0; i < received; i++) {
		struct msghdr *in = &batch->in[i].msg_hdr, *reply = &out->msg_hdr;
		if (in->msg_namelen == 0) { /* not a packet: the wake-up of shutdown(2) */
			in->msg_namelen = sizeof batch->peer[i];
			continue;
		}
		size_t length = answer_incoming(&worker->context, world, TRANSPORT_UDP, &batch->incoming[i],
						reply->msg_iov->iov_base, UDP_OCTETS);
		if (length == 0)
			continue;
		reply->msg_iov->iov_len = length;
		reply->msg_name = in->msg_name;
		reply->msg_namelen = in->msg_namelen;
		if (worker->has_any_address) {
			reply->msg_control = in->msg_control;
			reply->msg_controllen = in->msg_controllen;
			forget_interface(reply);
		}
		out++;
	}
	return (unsigned)(out - batch->out);
}

/* A reply that the kernel does not take (full buffer, no route, a filter) is lost, as any datagram may
 * be; those behind it still go. Each round sends or drops at least one. */
static void send_replies(struct udp_worker *worker, unsigned count)
{
	struct mmsghdr *out = worker->batch.out;
	for (unsigned sent = 0; sent < count;) {
		int taken = sendmmsg(worker->socket, out + sent, count - sent, MSG_DONTWAIT);
		if (taken > 0) {
			sent += (unsigned)taken;
		} else if (errno != EINTR) {
			counter_add(&worker->context.stats->dropped[DROP_SOCKET], 1);
			sent++;
		}
	}
}

/* The kernel has overwritten these lengths. (Those of the names it leaves as the socket's family has them.)
 */
static void reset_control(struct udp_batch *batch, unsigned used)
{
	for (unsigned i = 0; i < used; i++)
		batch->in[i].msg_hdr.msg_controllen = UDP_CONTROL_OCTETS;
}

/*
 * Blocks in recvmmsg, so that a batch costs two system calls and no poll. How it ends: shutdown(2)
 * wakes a receiver of an unconnected UDP socket on Linux, though it returns ENOTCONN; where it did
 * not, the socket's receive timeout does (workers.c). An error of the socket is reported once and
 * cleared by the kernel, so that going on is no busy loop.
 */
void *udp_run(void *argument)
{
	struct udp_worker *worker = argument;
	struct udp_batch *batch = &worker->batch;
	struct publish_reader reader;
	publish_reader_init(&reader);
	prepare(worker);
	while (!atomic_load_explicit(worker->stop, memory_order_relaxed)) {
		int received = recvmmsg(worker->socket, batch->in, UDP_BATCH, MSG_WAITFORONE, NULL);
		if (received <= 0)
			continue;
		uint64_t start_ns = worker->context.now_ns = clock_mono_ns();
		publish_reader_online(&reader);
		unsigned replies = answer_batch(worker, publish_get(worker->world), (unsigned)received);
		publish_reader_offline(&reader);
		send_replies(worker, replies);
		tally_latency(worker->context.stats, TRANSPORT_UDP, replies, clock_mono_ns() - start_ns);
		if (worker->has_any_address)
			reset_control(batch, (unsigned)received);
	}
	publish_reader_done(&reader);
	return NULL;
}
