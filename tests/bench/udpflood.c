/*
 * udpflood - UDP DNS load generator for one pinned core.
 *
 * Replays ready-made query packets ("UQ02" file, made by data.py), keeps a window
 * of queries in flight over S sockets (closed loop), or sends at a fixed rate
 * whatever comes back (open loop, -r).  Every answer is checked: known id, QR
 * bit, question section byte for byte, and, where the query file says so, the
 * IPv4 address answered.  Queries not answered in time are counted as lost.
 * Prints an empty line when the load begins, and one JSON object at the end.
 *
 *   udpflood -p PORT -f FILE [-a ADDR] [-d SECONDS | -n QUERIES] [-w WINDOW]
 *            [-S SOCKETS] [-b BATCH] [-g] [-r RATE [-P]] [-T TIMEOUT_MS]
 *            [-c CPU] [-m MASK_HEX] [-W WARMUP_S] [-s FIRST] [-I SECONDS]
 *
 * -g  send each batch as one UDP GSO super-packet (all packets of a batch must
 *     have one size); the kernel splits it on the receiving side, which roughly
 *     halves the cost of sending, so that this core is not the bottleneck.
 * -s  begin with this query of the file.
 * -I  tells the 99th percentile of each interval of so many seconds too, and the
 *     whole histogram of latencies as [[nanoseconds, answers], ...].
 * SIGTERM ends it early, with its result.
 * -P  Poisson arrivals instead of evenly spaced ones.
 * -m  mask for comparing the answered address (default ffffffff).
 * Latency in open loop counts from the moment a query was due, not from when it
 * was sent, so a stalled client does not hide a slow server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
	MAX_SOCK = 64,
	MAX_BATCH = 64,
	RBUF = 4096 + 64,
	IDS = 65536,
	HSUB = 64,
	HBITS = 6,
	MAX_INTERVALS = 10000
};

struct query {
	unsigned char *pkt; /* whole packet, id patched in place before each send */
	uint16_t len, qend; /* packet length, end of the question section */
	uint32_t expect;    /* expected IPv4 answer, 0 = do not check */
};

struct slot {
	uint64_t due;
	uint32_t q;
	uint32_t busy;
};

struct chan {
	int fd;
	uint32_t next, tail, inflight; /* next, tail: running id counters */
	struct slot *slots;
};

static struct query *g_q;
static uint32_t g_nq, g_next; /* how many, the one to send next */
static struct chan g_ch[MAX_SOCK];
static int g_nsock = 4, g_batch = 32, g_gso = 0, g_poisson = 0;
static uint32_t g_window = 256;
static uint32_t g_mask = 0xffffffffu;
static uint64_t g_timeout = 1000000000ull;

static uint64_t st_sent, st_recv, st_lost, st_badq, st_badid, st_mism, st_checked, st_tc;
static uint64_t st_rcode[16], st_empty, st_bytes, st_skipped, st_senderr;
static uint64_t g_hist[64 * HSUB], g_now_hist[64 * HSUB]; /* of the run, of this interval */
static double g_each[MAX_INTERVALS];			  /* 99th percentile of each interval, ns */
static unsigned g_intervals;

static volatile sig_atomic_t g_stop;

static void stop(int number)
{
	(void)number;
	g_stop = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* log-linear histogram, 64 steps per power of two */
static unsigned hist_slot(uint64_t v)
{
	if (v < HSUB)
		return (unsigned)v;
	unsigned msb = 63u - (unsigned)__builtin_clzll(v);
	return ((msb - HBITS + 1) << HBITS) + (unsigned)((v >> (msb - HBITS)) & (HSUB - 1));
}

static double hist_value(unsigned s)
{
	if (s < HSUB)
		return s;
	unsigned msb = (s >> HBITS) + HBITS - 1;
	return ldexp(1.0 + (double)(s & (HSUB - 1)) / HSUB, (int)msb);
}

static double percentile(const uint64_t *hist, double p)
{
	uint64_t total = 0, run = 0;
	for (unsigned i = 0; i < 64 * HSUB; i++)
		total += hist[i];
	if (total == 0)
		return 0;
	uint64_t want = (uint64_t)ceil((double)total * p / 100.0);
	for (unsigned i = 0; i < 64 * HSUB; i++) {
		run += hist[i];
		if (run >= want)
			return hist_value(i);
	}
	return 0;
}

static void load(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0)
		die(path);
	unsigned char *m =
		mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (m == MAP_FAILED)
		die("mmap");
	if (st.st_size < 8 || memcmp(m, "UQ02", 4) != 0) {
		fprintf(stderr, "%s: not a UQ02 file\n", path);
		exit(1);
	}
	memcpy(&g_nq, m + 4, 4);
	g_q = calloc(g_nq, sizeof *g_q);
	if (!g_q)
		die("calloc");
	unsigned char *p = m + 8, *end = m + st.st_size;
	for (uint32_t i = 0; i < g_nq; i++) {
		struct query *q = &g_q[i];
		if (p + 6 > end)
			exit(1);
		memcpy(&q->len, p, 2);
		memcpy(&q->expect, p + 2, 4);
		q->pkt = p + 6;
		p += 6 + q->len;
		if (p > end || q->len < 17)
			exit(1);
		unsigned o = 12;
		while (o < q->len && q->pkt[o] != 0)
			o += q->pkt[o] + 1u;
		q->qend = (uint16_t)(o + 5);
	}
	close(fd);
}

static void finish(struct chan *c, struct slot *s)
{
	s->busy = 0;
	c->inflight--;
}

/* Take the next n queries and give them ids; due[i] is when each was due. */
static void stage(struct chan *c, const uint64_t *due, int n, uint32_t first)
{
	for (int i = 0; i < n; i++) {
		uint32_t qi = (first + (uint32_t)i) % g_nq;
		uint16_t id = (uint16_t)c->next++;
		struct slot *s = &c->slots[id];
		if (s->busy) {
			st_lost++;
			finish(c, s);
		}
		s->busy = 1;
		s->q = qi;
		s->due = due[i];
		c->inflight++;
		g_q[qi].pkt[0] = (unsigned char)(id >> 8);
		g_q[qi].pkt[1] = (unsigned char)id;
	}
}

static void send_batch(struct chan *c, int n, uint32_t first)
{
	struct iovec iov[MAX_BATCH];
	int same = 1;
	for (int i = 0; i < n; i++) {
		struct query *q = &g_q[(first + (uint32_t)i) % g_nq];
		iov[i].iov_base = q->pkt;
		iov[i].iov_len = q->len;
		same &= q->len == iov[0].iov_len;
	}
	if (g_gso && same && n > 1) {
		union {
			char b[CMSG_SPACE(sizeof(uint16_t))];
			struct cmsghdr align;
		} ctl;
		memset(&ctl, 0, sizeof ctl);
		struct msghdr mh = {.msg_iov = iov,
				    .msg_iovlen = (size_t)n,
				    .msg_control = ctl.b,
				    .msg_controllen = sizeof ctl.b};
		struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_UDP;
		cm->cmsg_type = UDP_SEGMENT;
		cm->cmsg_len = CMSG_LEN(sizeof(uint16_t));
		uint16_t seg = (uint16_t)iov[0].iov_len;
		memcpy(CMSG_DATA(cm), &seg, sizeof seg);
		if (sendmsg(c->fd, &mh, 0) < 0)
			st_senderr++;
	} else {
		struct mmsghdr mm[MAX_BATCH];
		for (int i = 0; i < n; i++)
			mm[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
		for (int done = 0; done < n;) {
			int m = sendmmsg(c->fd, mm + done, (unsigned)(n - done), 0);
			if (m <= 0) {
				st_senderr++; /* ECONNREFUSED of an earlier packet, or a full buffer */
				if (m < 0 && errno != ECONNREFUSED)
					break;
				continue;
			}
			done += m;
		}
	}
	st_sent += (uint64_t)n;
}

/* First A record of the answer section; 0 when there is none. */
static uint32_t first_a(const unsigned char *p, size_t len, size_t o)
{
	unsigned an = (unsigned)p[6] << 8 | p[7];
	while (an-- > 0) {
		while (o < len && p[o] != 0 && p[o] < 0xc0)
			o += p[o] + 1u;
		o += o < len && p[o] >= 0xc0 ? 2 : 1;
		if (o + 10 > len)
			return 0;
		unsigned type = (unsigned)p[o] << 8 | p[o + 1];
		unsigned rdlen = (unsigned)p[o + 8] << 8 | p[o + 9];
		if (type == 1 && rdlen == 4 && o + 14 <= len)
			return (uint32_t)p[o + 10] << 24 | (uint32_t)p[o + 11] << 16 |
			       (uint32_t)p[o + 12] << 8 | p[o + 13];
		o += 10 + rdlen;
	}
	return 0;
}

static void take(struct chan *c, const unsigned char *p, size_t len, uint64_t now)
{
	if (len < 12 || !(p[2] & 0x80)) {
		st_badq++;
		return;
	}
	struct slot *s = &c->slots[(uint16_t)(p[0] << 8 | p[1])];
	if (!s->busy) {
		st_badid++;
		return;
	}
	struct query *q = &g_q[s->q];
	if (len < q->qend || memcmp(p + 12, q->pkt + 12, q->qend - 12u) != 0) {
		st_badq++;
		return;
	}
	unsigned rcode = p[3] & 15;
	st_rcode[rcode]++;
	st_tc += (p[2] >> 1) & 1;
	if (p[6] == 0 && p[7] == 0)
		st_empty++;
	if (q->expect != 0) {
		st_checked++;
		if ((first_a(p, len, q->qend) & g_mask) != (q->expect & g_mask))
			st_mism++;
	}
	st_recv++;
	st_bytes += len;
	uint64_t lat = now > s->due ? now - s->due : 0;
	g_now_hist[hist_slot(lat)]++;
	finish(c, s);
}

static int drain(struct chan *c)
{
	static unsigned char buf[MAX_BATCH][RBUF];
	static struct iovec iov[MAX_BATCH];
	static struct mmsghdr mm[MAX_BATCH];
	static int ready = 0;
	if (!ready) {
		for (int i = 0; i < MAX_BATCH; i++) {
			iov[i].iov_base = buf[i];
			iov[i].iov_len = RBUF;
			mm[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
		}
		ready = 1;
	}
	int n = recvmmsg(c->fd, mm, MAX_BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	uint64_t now = now_ns();
	for (int i = 0; i < n; i++)
		take(c, buf[i], mm[i].msg_len, now);
	return n;
}

static void expire(struct chan *c, uint64_t now)
{
	while (c->tail != c->next) {
		struct slot *s = &c->slots[(uint16_t)c->tail];
		if (s->busy) {
			if (now < s->due + g_timeout)
				break;
			st_lost++;
			finish(c, s);
		}
		c->tail++;
	}
	if (c->next - c->tail > IDS)
		c->tail = c->next - IDS;
}

static void open_channels(const char *addr, int port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port)};
	struct sockaddr *to = (struct sockaddr *)&sin;
	socklen_t tolen = sizeof sin;
	if (inet_pton(AF_INET6, addr, &sin6.sin6_addr) == 1) {
		to = (struct sockaddr *)&sin6;
		tolen = sizeof sin6;
	} else if (inet_pton(AF_INET, addr, &sin.sin_addr) != 1) {
		die("address");
	}
	for (int i = 0; i < g_nsock; i++) {
		int sz = 4 << 20;
		struct chan *c = &g_ch[i];
		c->fd = socket(to->sa_family, SOCK_DGRAM, 0);
		if (c->fd < 0)
			die("socket");
		(void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &sz, sizeof sz);
		(void)setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &sz, sizeof sz);
		if (connect(c->fd, to, tolen) != 0)
			die("connect");
		c->slots = calloc(IDS, sizeof *c->slots);
		if (!c->slots)
			die("calloc");
	}
}

static void reset_stats(void)
{
	st_sent = st_recv = st_lost = st_badq = st_badid = st_mism = st_checked = st_tc = 0;
	st_empty = st_bytes = st_skipped = st_senderr = 0;
	memset(st_rcode, 0, sizeof st_rcode);
	memset(g_hist, 0, sizeof g_hist);
	memset(g_now_hist, 0, sizeof g_now_hist);
}

static void end_interval(void)
{
	if (g_intervals < MAX_INTERVALS)
		g_each[g_intervals++] = percentile(g_now_hist, 99);
	for (unsigned i = 0; i < 64 * HSUB; i++)
		g_hist[i] += g_now_hist[i];
	memset(g_now_hist, 0, sizeof g_now_hist);
}

struct options {
	const char *addr, *file;
	int port, cpu;
	double secs, warm, rate; /* rate 0: closed loop */
	double interval;	 /* seconds; 0: the run is one */
	uint64_t max_q;		 /* 0: as long as secs says */
};

static void parse_options(int argc, char **argv, struct options *o)
{
	int c;
	while ((c = getopt(argc, argv, "p:f:a:d:n:w:S:b:gr:PT:c:m:W:s:I:")) != -1) {
		switch (c) {
		case 'p':
			o->port = atoi(optarg);
			break;
		case 'f':
			o->file = optarg;
			break;
		case 'a':
			o->addr = optarg;
			break;
		case 'd':
			o->secs = atof(optarg);
			break;
		case 'n':
			o->max_q = strtoull(optarg, NULL, 10);
			break;
		case 'w':
			g_window = (uint32_t)atoi(optarg);
			break;
		case 'S':
			g_nsock = atoi(optarg);
			break;
		case 'b':
			g_batch = atoi(optarg);
			break;
		case 'I':
			o->interval = atof(optarg);
			break;
		case 'g':
			g_gso = 1;
			break;
		case 'r':
			o->rate = atof(optarg);
			break;
		case 'P':
			g_poisson = 1;
			break;
		case 'T':
			g_timeout = strtoull(optarg, NULL, 10) * 1000000ull;
			break;
		case 'c':
			o->cpu = atoi(optarg);
			break;
		case 'm':
			g_mask = (uint32_t)strtoul(optarg, NULL, 16);
			break;
		case 's':
			g_next = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'W':
			o->warm = atof(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (!o->file || g_nsock < 1 || g_nsock > MAX_SOCK || g_batch < 1 || g_batch > MAX_BATCH ||
	    g_window < 1 || g_window > 30000u * (unsigned)g_nsock) {
		fprintf(stderr, "udpflood: bad argument\n");
		exit(2);
	}
}

static void send_queries(struct chan *c, const uint64_t *due, uint32_t n)
{
	stage(c, due, (int)n, g_next);
	send_batch(c, (int)n, g_next);
	g_next = (g_next + n) % g_nq;
}

/* Open loop: what has become due, in turn over the sockets. */
static void send_due(double *due, double rate, uint64_t now)
{
	static int turn;
	uint64_t dues[MAX_BATCH];
	uint32_t n = 0;
	while (n < (uint32_t)g_batch && *due <= (double)now) {
		dues[n++] = (uint64_t)*due;
		*due += g_poisson ? -log(1.0 - drand48()) * 1e9 / rate : 1e9 / rate;
	}
	struct chan *c = &g_ch[turn];
	turn = (turn + 1) % g_nsock;
	if (n > 0 && c->inflight + n < IDS / 2)
		send_queries(c, dues, n);
	else
		st_skipped += n;
}

/* Closed loop: whole batches where the window has room for one. */
static void fill_windows(uint64_t max_q)
{
	uint32_t per = g_window / (unsigned)g_nsock;
	if (per < 1)
		per = 1;
	for (int i = 0; i < g_nsock; i++) {
		struct chan *c = &g_ch[i];
		uint32_t room = per > c->inflight ? per - c->inflight : 0;
		uint32_t want = (uint32_t)g_batch < per ? (uint32_t)g_batch : per;
		if (max_q && st_sent + want > max_q)
			want = (uint32_t)(max_q - st_sent);
		if (want == 0 || room < want)
			continue;
		uint64_t dues[MAX_BATCH], now = now_ns();
		for (uint32_t k = 0; k < want; k++)
			dues[k] = now;
		send_queries(c, dues, want);
	}
}

static double cpu_seconds(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* Returns the seconds measured, and the CPU time used in them. */
static double run(const struct options *o, double *ret_cpu)
{
	uint64_t start = now_ns(), end = start + (uint64_t)((o->secs + o->warm) * 1e9), now;
	uint64_t next_expire = start, warm_end = start + (uint64_t)(o->warm * 1e9);
	uint64_t interval = o->interval > 0 ? (uint64_t)(o->interval * 1e9) : UINT64_MAX / 4;
	uint64_t interval_end = start + interval;
	double due = (double)start, cpu = cpu_seconds();
	int warming = o->warm > 0;
	srand48(12345);
	for (;;) {
		now = now_ns();
		if (warming && now >= warm_end) {
			reset_stats();
			cpu = cpu_seconds();
			warming = 0;
			start = now;
			interval_end = start + interval;
		}
		if (!warming && now >= interval_end) {
			end_interval();
			interval_end += interval;
		}
		if (now >= next_expire) {
			for (int i = 0; i < g_nsock; i++)
				expire(&g_ch[i], now);
			next_expire = now + 2000000;
		}
		if (g_stop ||
		    (o->max_q ? (st_sent >= o->max_q && st_recv + st_lost >= o->max_q) : now >= end))
			break;
		if (o->rate > 0)
			send_due(&due, o->rate, now);
		else
			fill_windows(o->max_q);
		for (int i = 0; i < g_nsock; i++)
			if (g_ch[i].inflight > 0)
				(void)drain(&g_ch[i]);
	}
	*ret_cpu = cpu_seconds() - cpu;
	end_interval(); /* what is left of the last, which may be little: not one of the intervals */
	g_intervals--;
	return (double)(now - start) / 1e9;
}

static void print_intervals(void)
{
	const char *separator = "";
	printf(",\"p99_each_us\":[");
	for (unsigned i = 0; i < g_intervals; i++, separator = ",")
		printf("%s%.1f", separator, g_each[i] / 1e3);
	printf("],\"histogram\":[");
	separator = "";
	for (unsigned i = 0; i < 64 * HSUB; i++) {
		if (g_hist[i] == 0)
			continue;
		printf("%s[%.0f,%llu]", separator, hist_value(i), (unsigned long long)g_hist[i]);
		separator = ",";
	}
	printf("]");
}

static void print_result(double el, double cpu, int has_intervals)
{
	const struct {
		const char *key;
		uint64_t value;
	} counts[] = {
		{"sent", st_sent},	  {"recv", st_recv},	     {"lost", st_lost},
		{"badq", st_badq},	  {"badid", st_badid},	     {"checked", st_checked},
		{"mismatch", st_mism},	  {"empty", st_empty},	     {"tc", st_tc},
		{"noerror", st_rcode[0]}, {"servfail", st_rcode[2]}, {"nxdomain", st_rcode[3]},
		{"refused", st_rcode[5]}, {"skipped", st_skipped},   {"senderr", st_senderr},
	};
	static const struct {
		const char *key;
		double percent;
	} latencies[] = {{"p50_us", 50}, {"p90_us", 90}, {"p99_us", 99}, {"p999_us", 99.9}, {"max_us", 100}};
	printf("{\"elapsed\":%.3f,\"qps\":%.0f,\"client_cpu\":%.3f,\"avg_size\":%.1f", el,
	       (double)st_recv / el, cpu / el, st_recv ? (double)st_bytes / (double)st_recv : 0.0);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		printf(",\"%s\":%llu", counts[i].key, (unsigned long long)counts[i].value);
	for (size_t i = 0; i < sizeof latencies / sizeof *latencies; i++)
		printf(",\"%s\":%.1f", latencies[i].key, percentile(g_hist, latencies[i].percent) / 1e3);
	if (has_intervals)
		print_intervals();
	printf("}\n");
}

int main(int argc, char **argv)
{
	struct options o = {.addr = "127.0.0.1", .port = 5300, .cpu = -1, .secs = 3};
	parse_options(argc, argv, &o);
	if (o.cpu >= 0) {
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET(o.cpu, &set);
		(void)sched_setaffinity(0, sizeof set, &set);
	}
	load(o.file);
	g_next %= g_nq;
	signal(SIGTERM, stop);
	open_channels(o.addr, o.port);
	puts(""); /* the load begins: who takes the server's CPU time waits for this line */
	fflush(stdout);
	double cpu, el = run(&o, &cpu);
	print_result(el, cpu, o.interval > 0);
	return 0;
}
