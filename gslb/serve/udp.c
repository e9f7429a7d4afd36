/*
 * The batch loop: receive what waits, answer it, send the replies. Thread: one UDP worker each. No
 * allocation, lock, log or libevent from here down (tests/lint/symbols.py).
 */
#include "gslb/serve/udp.h"
#include "gslb/serve/tally.h"
#include "lib/clock.h"
#include <errno.h>

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

/* Answers the queries in[0..received) and returns the number of replies, which stand first in out[]. */
static unsigned answer_batch(struct udp_worker *worker, const struct world *world, unsigned received)
{
	struct udp_batch *batch = &worker->batch;
	unsigned replies = 0;
	for (unsigned i = 0; i < received; i++) {
		struct msghdr *in = &batch->in[i].msg_hdr, *out = &batch->out[replies].msg_hdr;
		if (in->msg_namelen != 0) { /* 0: not a packet, the wake-up of shutdown(2) */
			struct ip peer = ip_from_sockaddr((const struct sockaddr *)&batch->peer[i]);
			size_t length =
				answer_query(&worker->context, world, TRANSPORT_UDP, &peer, batch->query[i],
					     batch->in[i].msg_len, batch->reply[replies], UDP_OCTETS);
			if (length != 0) {
				batch->out_vector[replies].iov_len = length;
				out->msg_name = in->msg_name;
				out->msg_namelen = in->msg_namelen;
				out->msg_control = in->msg_control;
				out->msg_controllen = in->msg_controllen;
				if (worker->has_any_address)
					forget_interface(out);
				replies++;
			}
		}
	}
	return replies;
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

/* The kernel has overwritten the lengths of those it used. */
static void reset(struct udp_worker *worker, unsigned used)
{
	for (unsigned i = 0; i < used; i++) {
		struct msghdr *in = &worker->batch.in[i].msg_hdr;
		in->msg_namelen = sizeof worker->batch.peer[i];
		if (worker->has_any_address)
			in->msg_controllen = UDP_CONTROL_OCTETS;
	}
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
		reset(worker, (unsigned)received);
	}
	publish_reader_done(&reader);
	return NULL;
}
