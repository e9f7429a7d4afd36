/*
 * tcpflood - DNS over TCP load generator for one pinned core (epoll).
 *
 *   tcpflood -p PORT -f FILE.uq [-a ADDR] [-d SECONDS] [-C CONNS] [-q DEPTH] [-1] [-c CPU]
 *
 * Default: CONNS persistent connections with DEPTH queries in flight on each.
 * -1: a new connection for each query, closed with RST so that no TIME_WAIT piles up.
 * Answers are checked for a known id, QR and the question.  Prints one JSON object.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONN = 4096, BUF = 16384, IDS = 4096 };

struct query {
	const unsigned char *pkt;
	uint16_t len, qend;
};

struct conn {
	int fd;
	uint32_t inflight, next;
	size_t have;
	unsigned char buf[BUF];
	uint32_t q[IDS];
	uint64_t t[IDS];
};

static struct query *g_q;
static uint32_t g_nq, g_qi;
static struct conn *g_c;
static struct sockaddr_in g_to;
static int g_ep, g_single = 0, g_depth = 8;
static uint64_t st_recv, st_err, st_bad;
static uint32_t *g_lat;
static size_t g_nlat;
enum { MAX_LAT = 1 << 22 };

static void die(const char *w)
{
	perror(w);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void load(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) != 0)
		die(path);
	unsigned char *m = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (m == MAP_FAILED || memcmp(m, "UQ02", 4) != 0)
		die("query file");
	memcpy(&g_nq, m + 4, 4);
	g_q = calloc(g_nq, sizeof *g_q);
	if (!g_q)
		die("calloc");
	unsigned char *p = m + 8;
	for (uint32_t i = 0; i < g_nq; i++) {
		memcpy(&g_q[i].len, p, 2);
		g_q[i].pkt = p + 6;
		p += 6 + g_q[i].len;
		unsigned o = 12;
		while (g_q[i].pkt[o])
			o += g_q[i].pkt[o] + 1u;
		g_q[i].qend = (uint16_t)(o + 5);
	}
}

static void send_queries(struct conn *c, unsigned n)
{
	unsigned char out[BUF];
	size_t len = 0;
	uint64_t now = now_ns();
	for (unsigned k = 0; k < n; k++) {
		struct query *q = &g_q[g_qi];
		if (len + q->len + 2u > sizeof out)
			break;
		unsigned id = c->next++ % IDS;
		c->q[id] = g_qi;
		c->t[id] = now;
		out[len] = (unsigned char)(q->len >> 8);
		out[len + 1] = (unsigned char)q->len;
		memcpy(out + len + 2, q->pkt, q->len);
		out[len + 2] = (unsigned char)(id >> 8);
		out[len + 3] = (unsigned char)id;
		len += q->len + 2u;
		g_qi = (g_qi + 1) % g_nq;
		c->inflight++;
	}
	if (send(c->fd, out, len, MSG_NOSIGNAL) != (ssize_t)len)
		st_err++;
}

static void open_conn(struct conn *c)
{
	int one = 1;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0)
		die("socket");
	if (connect(c->fd, (struct sockaddr *)&g_to, sizeof g_to) != 0) {
		st_err++;
		close(c->fd);
		c->fd = -1;
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(g_ep, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		die("epoll_ctl");
	c->inflight = 0;
	c->next = 0;
	c->have = 0;
	send_queries(c, g_single ? 1 : (unsigned)g_depth);
}

static void reopen(struct conn *c)
{
	struct linger l = {1, 0};
	if (c->fd >= 0) {
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
		close(c->fd);
	}
	open_conn(c);
}

static void readable(struct conn *c)
{
	ssize_t n = recv(c->fd, c->buf + c->have, sizeof c->buf - c->have, MSG_DONTWAIT);
	if (n <= 0) {
		if (n < 0 && errno == EAGAIN)
			return;
		st_err++;
		reopen(c);
		return;
	}
	c->have += (size_t)n;
	size_t o = 0;
	unsigned done = 0;
	uint64_t now = now_ns();
	while (c->have - o >= 2) {
		size_t len = (size_t)c->buf[o] << 8 | c->buf[o + 1];
		if (c->have - o < len + 2)
			break;
		unsigned char *p = c->buf + o + 2;
		unsigned id = (unsigned)p[0] << 8 | p[1];
		struct query *q = id < IDS ? &g_q[c->q[id]] : NULL;
		if (!q || len < q->qend || !(p[2] & 0x80) || memcmp(p + 12, q->pkt + 12, q->qend - 12u) != 0)
			st_bad++;
		else if (g_nlat < MAX_LAT)
			g_lat[g_nlat++] = (uint32_t)(now - c->t[id]);
		st_recv++;
		done++;
		c->inflight--;
		o += len + 2;
	}
	memmove(c->buf, c->buf + o, c->have - o);
	c->have -= o;
	if (done == 0)
		return;
	if (g_single)
		reopen(c);
	else
		send_queries(c, done);
}

static int cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	const char *addr = "127.0.0.1", *file = NULL;
	int port = 5300, cpu = -1, conns = 50, c;
	double secs = 2;
	while ((c = getopt(argc, argv, "p:f:a:d:C:q:1c:")) != -1) {
		switch (c) {
		case 'p':
			port = atoi(optarg);
			break;
		case 'f':
			file = optarg;
			break;
		case 'a':
			addr = optarg;
			break;
		case 'd':
			secs = atof(optarg);
			break;
		case 'C':
			conns = atoi(optarg);
			break;
		case 'q':
			g_depth = atoi(optarg);
			break;
		case '1':
			g_single = 1;
			break;
		case 'c':
			cpu = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (!file || conns < 1 || conns > MAX_CONN || g_depth < 1 || g_depth > 100)
		return 2;
	if (cpu >= 0) {
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		(void)sched_setaffinity(0, sizeof set, &set);
	}
	load(file);
	g_to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	if (inet_pton(AF_INET, addr, &g_to.sin_addr) != 1)
		die("address");
	g_ep = epoll_create1(0);
	g_c = calloc((size_t)conns, sizeof *g_c);
	g_lat = malloc(sizeof(uint32_t) * MAX_LAT);
	if (!g_c || !g_lat)
		die("calloc");
	/* One query answered on each connection before the next is opened and before the clock starts: a
	   short listen backlog would drop SYNs, and their retries would be measured instead of the server. */
	for (int i = 0; i < conns && !g_single; i++) {
		int depth = g_depth;
		struct pollfd pf = {.events = POLLIN};
		g_depth = 1;
		open_conn(&g_c[i]);
		pf.fd = g_c[i].fd;
		g_depth = depth;
		if (pf.fd < 0 || poll(&pf, 1, 5000) != 1)
			die("a connection was not answered");
	}
	st_recv = st_err = 0;
	uint64_t start = now_ns(), end = start + (uint64_t)(secs * 1e9);
	for (int i = 0; i < conns; i++) {
		if (g_single)
			open_conn(&g_c[i]);
		else
			send_queries(&g_c[i], (unsigned)g_depth - 1);
	}
	struct epoll_event ev[256];
	while (now_ns() < end) {
		int n = epoll_wait(g_ep, ev, 256, 50);
		for (int i = 0; i < n; i++)
			readable(ev[i].data.ptr);
		if (n == 0)
			for (int i = 0; i < conns; i++)
				if (g_c[i].fd < 0)
					open_conn(&g_c[i]);
	}
	double el = (double)(now_ns() - start) / 1e9;
	qsort(g_lat, g_nlat, sizeof *g_lat, cmp);
	double p50 = g_nlat ? g_lat[g_nlat / 2] / 1e3 : 0, p99 = g_nlat ? g_lat[g_nlat * 99 / 100] / 1e3 : 0;
	printf("{\"elapsed\":%.3f,\"recv\":%llu,\"qps\":%.0f,\"errors\":%llu,\"bad\":%llu,\"p50_us\":%.1f,"
	       "\"p99_us\":%.1f}\n",
	       el, (unsigned long long)st_recv, (double)st_recv / el, (unsigned long long)st_err,
	       (unsigned long long)st_bad, p50, p99);
	return 0;
}
