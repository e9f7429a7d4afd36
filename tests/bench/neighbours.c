/*
 * Whether UDP workers get into each other's way: the CPU time of a query in the worker's own loop, for
 * one worker alone, for two in one process, and for two in processes of their own, which share nothing
 * but the machine. Our recvmmsg and sendmmsg stand before the kernel's, which would hide what is to be
 * seen: they hand out queries and take the replies. The last row is the proof that the meter works: two
 * workers that count into one struct stats. Each worker is pinned to a CPU; needs two of them, idle ones.
 *
 *   neighbours [ROUNDS]
 */
#include "gslb/decide/resolve.h"
#include "gslb/serve/budget.h"
#include "gslb/serve/rrl.h"
#include "gslb/serve/udp.h"
#include "lib/mem.h"
#include "tests/support/fixture.h"
#include "tests/support/packet.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAMES 10000u
#define TENANTS 30u
#define BATCHES 30000u /* of a sample */
#define ROUNDS_MAX 99u
#define WORKERS 2u

static struct publish world;
static struct packet queries[NAMES];
static _Thread_local struct lane {
	unsigned left, at;
	uint64_t replies;
	atomic_bool stop;
} lane;

struct seat { /* one worker's thread: what it needs and what it found */
	_Alignas(MEM_APART) int cpu;
	struct stats *stats;
	pthread_barrier_t *start;
	double ns_per_query;
};

static void require(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "neighbours: %s\n", what);
	exit(1);
}

/* ---- the work: half static names, half a few tenants with a client subnet ---- */

static void make_work(void)
{
	char *text = NULL, line[128];
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	fputs("region eu 50 8\nregion us 38 -77\nplace 192.0.2.0/24 50 8\nservice shop split=sticky\n"
	      "vip shop eu 192.0.2.1\nvip shop eu 192.0.2.2\nvip shop us 192.0.2.3\nzone example\n"
	      "@ 3600 IN SOA ns1 host 1 7200 900 1209600 60\n",
	      out);
	for (unsigned i = 0; i < NAMES; i++)
		fprintf(out, "s%u 300 IN A 192.0.2.80\n", i);
	fputs("end\n", out);
	for (unsigned i = 0; i < TENANTS; i++)
		fprintf(out, "tenant t%u.example shop\n", i);
	fclose(out);
	publish_swap(&world, fixture_world(text));
	free(text);
	struct rng rng;
	rng_seed(&rng, 1);
	for (unsigned i = 0; i < NAMES; i++) {
		unsigned number = (unsigned)(rng_next(&rng) % NAMES);
		snprintf(line, sizeof line, i % 2 ? "s%u.example." : "t%u.example.",
			 i % 2 ? number : number % TENANTS);
		packet_query(&queries[i], line, "A");
		packet_opt(&queries[i], 1232, 0, 0);
		if (i % 2 == 0)
			packet_subnet(&queries[i], "192.0.2.0/24");
	}
}

/* ---- instead of the kernel ---- */

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	if (lane.left == 0) {
		atomic_store_explicit(&lane.stop, true, memory_order_relaxed);
		errno = EAGAIN;
		return -1;
	}
	lane.left--;
	for (unsigned i = 0; i < count; i++) {
		const struct packet *query = &queries[lane.at++ % NAMES];
		struct sockaddr_in *peer = messages[i].msg_hdr.msg_name;
		*peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
		messages[i].msg_hdr.msg_namelen = sizeof *peer;
		memcpy(messages[i].msg_hdr.msg_iov->iov_base, query->octets, query->length);
		messages[i].msg_len = (unsigned)query->length;
	}
	return (int)count;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	lane.replies += count;
	return (int)count;
}

/* ---- a worker ---- */

/* As workers.c makes it. */
static struct udp_worker *make_worker(struct stats *stats, const atomic_bool *stop)
{
	struct udp_worker *worker = xcalloc_apart(sizeof *worker);
	worker->world = &world;
	worker->stop = stop;
	worker->context.scratch = xcalloc_apart(sizeof *worker->context.scratch);
	worker->context.rrl = rrl_new();
	worker->context.budgets = xmap(sizeof *worker->context.budgets);
	worker->context.stats = stats;
	rng_seed(&worker->context.rng, 1);
	return worker;
}

static double cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void *work(void *argument)
{
	struct seat *seat = argument;
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(seat->cpu, &one);
	require(sched_setaffinity(0, sizeof one, &one) == 0, "cannot be pinned");
	struct udp_worker *worker = make_worker(seat->stats, &lane.stop);
	for (unsigned phase = 0; phase < 2; phase++) { /* the first one warms up */
		lane.left = phase == 0 ? BATCHES / 10 : BATCHES;
		lane.replies = 0;
		atomic_store(&lane.stop, false);
		pthread_barrier_wait(seat->start);
		double before = cpu_ns();
		udp_run(worker);
		seat->ns_per_query = (cpu_ns() - before) / (double)lane.replies;
		require(lane.replies == (uint64_t)(phase == 0 ? BATCHES / 10 : BATCHES) * UDP_BATCH,
			"not every query was answered");
	}
	xunmap(worker->context.budgets, sizeof *worker->context.budgets);
	rrl_free(worker->context.rrl);
	free(worker->context.scratch);
	free(worker);
	return NULL;
}

/* ---- the rows ---- */

enum row { ALONE, THREADS, PROCESSES, ONE_STATS, ROWS };
static const char *const row_name[ROWS] = {"one worker", "two in one process", "two in a process each",
					   "two that count into one struct stats"};

static double sample(enum row row, const int *cpus)
{
	unsigned count = row == ALONE ? 1 : WORKERS;
	struct shared {
		pthread_barrier_t start;
		struct seat seats[WORKERS];
	} *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(shared != MAP_FAILED, "mmap");
	pthread_barrierattr_t between;
	pthread_barrierattr_init(&between);
	pthread_barrierattr_setpshared(&between, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->start, &between, count);
	struct stats *stats[WORKERS] = {stats_new(), stats_new()};
	pthread_t threads[WORKERS];
	double sum = 0;
	for (unsigned i = 0; i < count; i++) {
		shared->seats[i] = (struct seat){.cpu = cpus[i], .start = &shared->start};
		shared->seats[i].stats = stats[row == ONE_STATS ? 0 : i];
		if (row != PROCESSES) {
			require(pthread_create(&threads[i], NULL, work, &shared->seats[i]) == 0, "no thread");
		} else if (fork() == 0) {
			work(&shared->seats[i]);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < count; i++) {
		if (row == PROCESSES)
			wait(NULL);
		else
			pthread_join(threads[i], NULL);
	}
	for (unsigned i = 0; i < count; i++)
		sum += shared->seats[i].ns_per_query;
	for (unsigned i = 0; i < WORKERS; i++)
		stats_free(stats[i]);
	munmap(shared, sizeof *shared);
	return sum / count;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	static double found[ROWS][ROUNDS_MAX];
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 9;
	cpu_set_t usable;
	int cpus[WORKERS];
	unsigned cpu_count = 0;
	require(rounds > 0 && rounds <= ROUNDS_MAX, "from 1 to 99 rounds");
	require(sched_getaffinity(0, sizeof usable, &usable) == 0, "no CPUs");
	for (int cpu = 0; cpu < CPU_SETSIZE && cpu_count < WORKERS; cpu++)
		if (CPU_ISSET(cpu, &usable))
			cpus[cpu_count++] = cpu;
	require(cpu_count == WORKERS, "two CPUs are needed");
	make_work();
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned row = 0; row < ROWS; row++)
			found[row][round] = sample((enum row)row, cpus);
	printf("ns of CPU for a query: median (lowest)\n");
	for (unsigned row = 0; row < ROWS; row++) {
		qsort(found[row], rounds, sizeof found[row][0], compare);
		printf("%-40s %6.1f (%.1f)\n", row_name[row], found[row][rounds / 2], found[row][0]);
	}
	world_free(publish_swap(&world, NULL));
	return 0;
}
