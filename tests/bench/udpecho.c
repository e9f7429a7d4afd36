/*
 * udpecho - the cheapest thing that can be called a UDP "DNS server".
 *
 * Receives with recvmmsg (batch B), sets QR|AA and ANCOUNT=1, appends A bytes so
 * that the reply has the size of a real answer, and sends with sendmmsg to the
 * address each packet came from.  B=1 uses plain recvmsg/sendmsg.  It parses
 * nothing, so its rate is the floor of the socket path.
 *
 *   udpecho -p PORT [-b BATCH] [-a ADD_BYTES] [-t THREADS] [-c CPU[,CPU..]]
 *           [-l ADDR] [-r RCVBUF] [-w SPIN_NS] [-k] [-e]
 *
 * -w burns that much time per query, to find what a given amount of user-space
 * work costs in QPS on this machine.  -k asks for IP_PKTINFO and sends it back, as
 * a server bound to the wildcard address has to; -e waits in epoll and receives
 * without blocking, as a server with an event loop does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUF_SIZE = 2048, MAX_BATCH = 1024, MAX_THREADS = 16 };

static int g_port = 5300, g_batch = 32, g_add = 16, g_threads = 1;
static int g_rcvbuf = 4 << 20, g_spin_ns = 0, g_pktinfo = 0, g_epoll = 0;
static int g_cpus[MAX_THREADS], g_ncpus = 0;
static const char *g_addr = "127.0.0.1";

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void spin(long ns)
{
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	do {
		clock_gettime(CLOCK_MONOTONIC, &b);
	} while ((b.tv_sec - a.tv_sec) * 1000000000L + (b.tv_nsec - a.tv_nsec) < ns);
}

static int open_socket(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((unsigned short)g_port)};
	int one = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0)
		die("SO_REUSEPORT");
	if (g_pktinfo && setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) != 0)
		die("IP_PKTINFO");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &g_rcvbuf, sizeof g_rcvbuf);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &g_rcvbuf, sizeof g_rcvbuf);
	if (inet_pton(AF_INET, g_addr, &sin.sin_addr) != 1)
		die("address");
	if (bind(fd, (struct sockaddr *)&sin, sizeof sin) != 0)
		die("bind");
	return fd;
}

static size_t make_reply(unsigned char *p, size_t len)
{
	p[2] |= 0x84; /* QR, AA */
	p[7] = 1;     /* ANCOUNT */
	memset(p + len, 0xab, (size_t)g_add);
	return len + (size_t)g_add;
}

static void loop_single(int fd, unsigned char *buf)
{
	for (;;) {
		struct sockaddr_in from;
		struct iovec iov = {.iov_base = buf, .iov_len = BUF_SIZE / 2};
		struct msghdr mh = {
			.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n = recvmsg(fd, &mh, 0);
		if (n < 12)
			continue;
		if (g_spin_ns)
			spin(g_spin_ns);
		iov.iov_len = make_reply(buf, (size_t)n);
		(void)sendmsg(fd, &mh, 0);
	}
}

static void loop_batch(int fd, unsigned char *buf)
{
	static __thread struct mmsghdr in[MAX_BATCH];
	static __thread struct iovec iov[MAX_BATCH];
	static __thread struct sockaddr_in from[MAX_BATCH];
	static __thread union {
		char b[CMSG_SPACE(sizeof(struct in_pktinfo))];
		struct cmsghdr align;
	} ctl[MAX_BATCH];
	int ep = -1, flags = MSG_WAITFORONE;
	if (g_epoll) {
		struct epoll_event ev = {.events = EPOLLIN};
		ep = epoll_create1(0);
		if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0)
			die("epoll");
		flags = MSG_DONTWAIT;
	}

	for (;;) {
		if (ep >= 0) {
			struct epoll_event ev;
			if (epoll_wait(ep, &ev, 1, -1) <= 0)
				continue;
		}
		for (int i = 0; i < g_batch; i++) {
			iov[i].iov_base = buf + (size_t)i * BUF_SIZE;
			iov[i].iov_len = BUF_SIZE / 2;
			in[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
							.msg_namelen = sizeof from[i],
							.msg_iov = &iov[i],
							.msg_iovlen = 1};
			if (g_pktinfo) {
				in[i].msg_hdr.msg_control = ctl[i].b;
				in[i].msg_hdr.msg_controllen = sizeof ctl[i].b;
			}
		}
		int n = recvmmsg(fd, in, (unsigned)g_batch, flags, NULL);
		if (n <= 0)
			continue;
		for (int i = 0; i < n; i++) {
			if (g_spin_ns)
				spin(g_spin_ns);
			iov[i].iov_len = make_reply(iov[i].iov_base, in[i].msg_len);
			if (g_pktinfo) {
				struct cmsghdr *cm = CMSG_FIRSTHDR(&in[i].msg_hdr);
				if (cm) {
					struct in_pktinfo pi;
					memcpy(&pi, CMSG_DATA(cm), sizeof pi);
					pi.ipi_spec_dst = pi.ipi_addr;
					pi.ipi_ifindex = 0;
					memcpy(CMSG_DATA(cm), &pi, sizeof pi);
				}
			}
		}
		for (int done = 0; done < n;) {
			int m = sendmmsg(fd, in + done, (unsigned)(n - done), 0);
			if (m <= 0)
				break;
			done += m;
		}
	}
}

static void *worker(void *arg)
{
	long idx = (long)arg;
	if (g_ncpus > 0) {
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET(g_cpus[idx % g_ncpus], &set);
		(void)sched_setaffinity(0, sizeof set, &set);
	}
	unsigned char *buf = calloc((size_t)g_batch, BUF_SIZE);
	if (!buf)
		die("calloc");
	int fd = open_socket();
	if (g_batch == 1)
		loop_single(fd, buf);
	else
		loop_batch(fd, buf);
	return NULL;
}

int main(int argc, char **argv)
{
	int c;
	while ((c = getopt(argc, argv, "p:b:a:t:c:l:r:w:ke")) != -1) {
		switch (c) {
		case 'p':
			g_port = atoi(optarg);
			break;
		case 'b':
			g_batch = atoi(optarg);
			break;
		case 'a':
			g_add = atoi(optarg);
			break;
		case 't':
			g_threads = atoi(optarg);
			break;
		case 'l':
			g_addr = optarg;
			break;
		case 'r':
			g_rcvbuf = atoi(optarg);
			break;
		case 'k':
			g_pktinfo = 1;
			break;
		case 'e':
			g_epoll = 1;
			break;
		case 'w':
			g_spin_ns = atoi(optarg);
			break;
		case 'c':
			for (char *s = strtok(optarg, ","); s && g_ncpus < MAX_THREADS; s = strtok(NULL, ","))
				g_cpus[g_ncpus++] = atoi(s);
			break;
		default:
			return 2;
		}
	}
	if (g_batch < 1 || g_batch > MAX_BATCH || g_add < 0 || g_add > BUF_SIZE / 2 || g_threads < 1 ||
	    g_threads > MAX_THREADS) {
		fprintf(stderr, "udpecho: bad argument\n");
		return 2;
	}
	pthread_t t[MAX_THREADS];
	for (long i = 1; i < g_threads; i++)
		if (pthread_create(&t[i], NULL, worker, (void *)i) != 0)
			die("pthread_create");
	worker(NULL);
	return 0;
}
