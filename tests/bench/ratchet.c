/*
 * Drives the UDP worker's own loop for tests/bench/ratchet.py, which counts its instructions under
 * callgrind. One thread and real sockets of loopback: our recvmmsg stands before the kernel's and
 * queues the next queries first, so that a batch holds exactly as many as it should; callgrind counts
 * only while the worker runs, its libc included. Names, places and seeds are fixed, so that the count
 * is too. Every reply is looked at. Run without valgrind, it only does that.
 */
#include "gslb/decide/resolve.h"
#include "gslb/serve/udp.h"
#include "lib/mem.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#define NAMES 10000u /* static ones, and as many tenants */
#define QUERIES 10000u
#define SERVICES 40u
#define REGIONS 4u
#define PLACES 20000u
#define QUERY_MAX 128
#define SEED 20260101

enum kind { STATIC, GEO, MISSING, KINDS };

static const char *const kind_names[KINDS] = {"static", "geo-ecs", "nxdomain"};
static const unsigned batches[] = {1, 32};

struct query {
	size_t length;
	uint8_t octets[QUERY_MAX];
};

static struct run { /* what our recvmmsg needs to know */
	enum kind kind;
	unsigned batch, asked, answered;
	int client;
	atomic_bool stop;
	struct query queries[QUERIES];
} run;

static void require(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "ratchet: %s\n", what);
	abort();
}

/* ---- the queries ---- */

static void put_name(struct query *query, char prefix, unsigned number, struct rng *rng)
{
	static const uint8_t origin[] = "\2lb\7example";
	char label[16];
	if (prefix) {
		snprintf(label, sizeof label, "%c%07u", prefix, number);
	} else {
		for (unsigned i = 0; i < 10; i++)
			label[i] = (char)('a' + rng_next(rng) % 26);
		label[10] = 0;
	}
	size_t length = strlen(label);
	query->octets[query->length++] = (uint8_t)length;
	memcpy(query->octets + query->length, label, length);
	query->length += length;
	memcpy(query->octets + query->length, origin, sizeof origin);
	query->length += sizeof origin;
}

static void put(struct query *query, const char *octets, size_t length)
{
	require(query->length + length <= sizeof query->octets, "a query is too long");
	memcpy(query->octets + query->length, octets, length);
	query->length += length;
}

/* Queries for A: names at random, half of them with EDNS, those of tenants all with a client subnet. */
static void make_queries(enum kind kind)
{
	static const char prefixes[KINDS] = {'s', 't', 0};
	struct rng rng;
	rng_seed(&rng, SEED + kind);
	for (unsigned i = 0; i < QUERIES; i++) {
		struct query *query = &run.queries[i];
		bool has_edns = kind == GEO || i % 2 == 1;
		query->length = 0;
		put(query, "\0\0\0\0\0\1\0\0\0\0\0", 11);
		put(query, has_edns ? "\1" : "\0", 1);
		query->octets[0] = (uint8_t)(i >> 8);
		query->octets[1] = (uint8_t)i;
		put_name(query, prefixes[kind], (unsigned)(rng_next(&rng) % NAMES), &rng);
		put(query, "\0\1\0\1", 4);
		if (kind == GEO) {
			uint64_t net = rng_next(&rng);
			const char subnet[] = {0,
					       8,
					       0,
					       7,
					       0,
					       1,
					       24,
					       0,
					       (char)(1 + net % 223),
					       (char)(net >> 8),
					       (char)(net >> 16)};
			put(query, "\0\0\51\4\320\0\0\0\0\0\13", 11);
			put(query, subnet, sizeof subnet);
		} else if (has_edns) {
			put(query, "\0\0\51\4\320\0\0\0\0\0\0", 11);
		}
	}
}

/* ---- the world ---- */

static struct zone *make_zone(void)
{
	size_t size = NAMES * 40u + 200, length = 0;
	char *text = xcalloc(1, size);
	length += (size_t)snprintf(text, size,
				   "$ORIGIN lb.example.\n$TTL 30\n"
				   "@ SOA ns1 host 1 3600 600 86400 30\n@ NS ns1\nns1 A 192.0.2.53\n");
	for (unsigned i = 0; i < NAMES; i++)
		length += (size_t)snprintf(text + length, size - length, "s%07u A 10.0.%u.%u\n", i, i / 256,
					   i % 256);
	struct name name;
	require(name_from_text("lb.example.", NULL, &name) == NULL, "the zone's name");
	struct err_list errors = {0};
	struct zone *zone = zone_load(&name, NULL, text, "lb.example", &errors);
	require(zone != NULL, "the zone");
	err_done(&errors);
	free(text);
	return zone;
}

/* Prefixes of 16 to 26 bits anywhere, as unlike as those of a city database. */
static struct places *make_places(void)
{
	struct location *locations = xcalloc(PLACES, sizeof *locations);
	struct rng rng;
	rng_seed(&rng, SEED);
	for (unsigned i = 0; i < PLACES; i++) {
		uint64_t draw = rng_next(&rng);
		struct ip ip = {4,
				{(uint8_t)(1 + draw % 223), (uint8_t)(draw >> 8), (uint8_t)(draw >> 16),
				 (uint8_t)(draw >> 24)}};
		locations[i].prefix.length = (uint8_t)(16 + (draw >> 32) % 11);
		locations[i].prefix.ip = ip_cut(&ip, locations[i].prefix.length);
		locations[i].has_at = locations[i].place.has_at = true;
		locations[i].place.latitude = (double)((draw >> 40) % 130) - 60;
		locations[i].place.longitude = (double)((draw >> 48) % 360) - 180;
	}
	struct places *empty = places_new_empty();
	struct places *places = places_overlay(empty, locations, PLACES);
	places_unref(empty);
	free(locations);
	return places;
}

static struct plan_service *make_service(unsigned number)
{
	static const char *const regions[REGIONS] = {"na", "sa", "eu", "ap"};
	struct plan_vip_input vips[REGIONS];
	struct plan_region_input inputs[REGIONS];
	char id[16];
	snprintf(id, sizeof id, "s%u", number);
	for (unsigned i = 0; i < REGIONS; i++) {
		vips[i] = (struct plan_vip_input){
			.ip = {4, {10, (uint8_t)(1 + i), 0, (uint8_t)number}},
			.weight = 1,
			.state = VIP_UP,
			.score = SCORE_FULL,
			.ttl = 60,
		};
		inputs[i] = (struct plan_region_input){.number = (uint8_t)i,
						       .id = regions[i],
						       .share = 100,
						       .vip_count = 1,
						       .vips = &vips[i]};
	}
	return plan_service_compile(&(struct plan_service_input){
		.number = number,
		.id = id,
		.split = SPLIT_STICKY,
		.prefix4 = 24,
		.prefix6 = 56,
		.answers = 1,
		.ttl_min = 5,
		.ttl_max = 60,
		.min_healthy_hundredths = 5000,
		.region_count = REGIONS,
		.regions = inputs,
	});
}

static struct world *make_world(void)
{
	struct places *places = make_places();
	struct order *order = order_compile(
		&(struct order_spec){
			.kind = ORDER_NEAREST,
			.listed_count = REGIONS,
			.listed = {0, 1, 2, 3},
			.latitude = {38.95, -23.55, 50.11, 1.35},
			.longitude = {-77.45, -46.63, 8.68, 103.82},
		},
		places);
	struct plan *plan = plan_new(SERVICES, SERVICES);
	for (unsigned i = 0; i < SERVICES; i++) {
		plan_set_service(plan, i, make_service(i));
		plan_set_policy(plan, i, i, order, (1u << REGIONS) - 1, false, false);
	}
	order_unref(order);
	struct index_edit *edit = index_edit_new(NULL);
	struct zone *zone = make_zone();
	index_edit_add_zone(edit, zone);
	zone_unref(zone);
	for (unsigned i = 0; i < NAMES; i++) {
		char text[32];
		struct name name;
		snprintf(text, sizeof text, "t%07u.lb.example.", i);
		require(name_from_text(text, NULL, &name) == NULL, "a tenant's name");
		index_edit_set_tenant(edit, &name, i % SERVICES, i);
	}
	struct serve_settings settings = {.edns_size = 1232, .ecs = true};
	return world_new(1, 1, index_edit_done(edit), plan, places, &settings);
}

/* ---- the loop ---- */

static int bound_socket(struct sockaddr_in *ret_address)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	require(fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0, "bind");
	require(getsockname(fd, (struct sockaddr *)&address, &length) == 0, "getsockname");
	*ret_address = address;
	return fd;
}

/* What stands in the sections of a right reply: records of the answer, of the authority, RCODE. */
static void receive_reply(void)
{
	static const uint8_t wanted[KINDS][3] = {{1, 0, 0}, {1, 0, 0}, {0, 1, 3}};
	uint8_t reply[512];
	const struct query *query = &run.queries[run.answered];
	ssize_t length = recv(run.client, reply, sizeof reply, MSG_DONTWAIT);
	require(length > (ssize_t)query->length - 11, "a query without a reply");
	require(memcmp(reply, query->octets, 2) == 0 && (reply[2] & 0x84) == 0x84, "not the reply");
	const uint8_t *want = wanted[run.kind];
	require(reply[7] == want[0] && reply[9] == want[1] && (reply[3] & 15) == want[2], "a wrong reply");
	require(reply[11] == query->octets[11], "EDNS is answered with EDNS");
	run.answered++;
}

/* Takes the place of libc's: the client has its turn, not counted, then the kernel. */
int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	CALLGRIND_TOGGLE_COLLECT;
	while (run.answered < run.asked)
		receive_reply();
	bool is_over = run.asked == QUERIES;
	for (unsigned i = 0; i < run.batch && run.asked < QUERIES; i++, run.asked++) {
		const struct query *query = &run.queries[run.asked];
		require(send(run.client, query->octets, query->length, 0) == (ssize_t)query->length, "send");
	}
	if (is_over) {
		atomic_store(&run.stop, true);
		errno = EAGAIN;
	}
	CALLGRIND_TOGGLE_COLLECT;
	return is_over ? -1 : (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
}

static void measure(enum kind kind, unsigned batch, const struct publish *world)
{
	struct sockaddr_in address;
	struct udp_worker *worker = xcalloc(1, sizeof *worker);
	worker->socket = bound_socket(&address);
	worker->world = world;
	worker->stop = &run.stop;
	worker->context.scratch = xcalloc(1, sizeof *worker->context.scratch);
	worker->context.stats = stats_new();
	rng_seed(&worker->context.rng, SEED);

	make_queries(kind);
	run.kind = kind;
	run.batch = batch;
	run.asked = run.answered = 0;
	atomic_store(&run.stop, false);
	run.client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	require(run.client >= 0 && connect(run.client, (struct sockaddr *)&address, sizeof address) == 0,
		"connect");

	char label[64];
	snprintf(label, sizeof label, "%s %u %u", kind_names[kind], batch, QUERIES);
	CALLGRIND_ZERO_STATS;
	CALLGRIND_TOGGLE_COLLECT;
	udp_run(worker);
	CALLGRIND_TOGGLE_COLLECT;
	CALLGRIND_DUMP_STATS_AT(label);
	require(run.answered == QUERIES, "not all queries were answered");
	printf("%s: %u queries in batches of %u answered rightly\n", kind_names[kind], run.answered, batch);

	close(run.client);
	close(worker->socket);
	stats_free(worker->context.stats);
	free(worker->context.scratch);
	free(worker);
}

int main(void)
{
	struct publish world = {NULL};
	require(publish_swap(&world, make_world()) == NULL, "the first world");
	CALLGRIND_START_INSTRUMENTATION;
	for (enum kind kind = STATIC; kind < KINDS; kind++)
		for (unsigned i = 0; i < sizeof batches / sizeof *batches; i++)
			measure(kind, batches[i], &world);
	CALLGRIND_STOP_INSTRUMENTATION;
	world_free(publish_swap(&world, NULL));
	return 0;
}
