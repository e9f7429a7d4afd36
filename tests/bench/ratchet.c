/*
 * Drives the UDP worker's own loop for tests/bench/ratchet.py, which counts its instructions under
 * callgrind. One thread and real sockets of loopback: our recvmmsg stands before the kernel's and
 * queues the next queries first, so that a batch holds exactly as many as it should; callgrind counts
 * only while the worker runs, its libc included. Names, places and seeds are fixed, so that the count
 * is too. Every reply is looked at. Run without valgrind, it only does that.
 */
#include "gslb/decide/https.h"
#include "gslb/decide/place/place_build.h"
#include "gslb/serve/budget.h"
#include "gslb/serve/cookie.h"
#include "gslb/serve/message.h"
#include "gslb/serve/rrl.h"
#include "gslb/serve/udp.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#define NAMES 10000u /* static ones, and as many tenants of each form of service */
#define QUERIES 10000u
#define SERVICES 40u /* of each form */
#define REGIONS 4u
#define BLOCKS 4096u  /* /12, so that every address has a place, */
#define PLACES 20000u /* and so many others inside of them */
#define QUERY_MAX 128
#define SEED 20260101

enum carries { EDNS_HALF, EDNS_SUBNET }; /* every second query has EDNS; all have a client subnet */
enum form { ONE_ADDRESS, HTTPS_HINTS, FOUR_ADDRESSES, FOUR_OF_SIX, ONE_OF_TWO, OTHER_FAMILY, FORMS };

static const struct form_spec {
	char prefix; /* of its tenants' names */
	uint8_t vips, answers;
	bool has_https; /* and VIPs of both families */
	bool is_split;	/* only the last region has IPv4, and IPv6 all the others */
} forms[FORMS] = {{'t', 1, 1, false, false}, {'h', 1, 1, true, false},	{'v', 4, 4, false, false},
		  {'w', 6, 4, false, false}, {'x', 2, 1, false, false}, {'y', 1, 1, true, true}};

static const struct kind {
	const char *name;
	char prefix; /* of the names asked; 0: names that do not exist */
	enum carries edns;
	uint16_t type;
	uint8_t answers, authorities, additionals, rcode; /* of a right reply, OPT aside */
} kinds[] = {
	{"static", 's', EDNS_HALF, RR_A, 1, 0, 0, RCODE_NOERROR},
	{"geo-ecs", 't', EDNS_SUBNET, RR_A, 1, 0, 0, RCODE_NOERROR},
	{"nxdomain", 0, EDNS_HALF, RR_A, 0, 1, 0, RCODE_NXDOMAIN},
	{"https", 'h', EDNS_HALF, RR_HTTPS, 1, 0, 2, RCODE_NOERROR},
	{"https-ecs", 'h', EDNS_SUBNET, RR_HTTPS, 1, 0, 2, RCODE_NOERROR},
	{"four-vips", 'v', EDNS_SUBNET, RR_A, 4, 0, 0, RCODE_NOERROR},
	{"one-of-two", 'x', EDNS_SUBNET, RR_A, 1, 0, 0, RCODE_NOERROR},
	{"four-of-six", 'w', EDNS_SUBNET, RR_A, 4, 0, 0, RCODE_NOERROR},
	{"other-family", 'y', EDNS_SUBNET, RR_A, 1, 0, 0, RCODE_NOERROR},
	{"other-family-https", 'y', EDNS_SUBNET, RR_HTTPS, 1, 0, 2, RCODE_NOERROR},
};
static const unsigned batches[] = {1, UDP_BATCH};

/* What is configured and asked for beyond the plain case, counted for these kinds. RRL, cookies and
 * budgets are all on, with limits that nobody reaches. */
enum extra { PLAIN, LIMITS, CLIENT_COOKIE, COOKIE, EXTRAS };
static const char *const extra_names[EXTRAS] = {"", "+limits", "+client-cookie", "+cookie"};
#define KINDS_WITH_EXTRAS 3

struct query {
	size_t length;
	uint8_t octets[QUERY_MAX];
};

static struct run { /* what our recvmmsg needs to know */
	const struct kind *kind;
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

static void put_opt(struct query *query, const char *options, size_t length)
{
	char fixed[] = {0, 0, RR_OPT, 4, (char)208, 0, 0, 0, 0, 0, (char)length};
	put(query, fixed, sizeof fixed);
	put(query, options, length);
}

/* A cookie of the client, and after it the one that this server gave it. Returns the length. */
static size_t make_cookie(char *out, bool is_whole, const struct serve_settings *settings, struct rng *rng)
{
	static const struct ip peer = {4, {127, 0, 0, 1}};
	uint8_t cookie[COOKIE_CLIENT_OCTETS + COOKIE_SERVER_OCTETS];
	uint64_t random = rng_next(rng);
	memcpy(cookie, &random, COOKIE_CLIENT_OCTETS);
	uint32_t now_s = (uint32_t)(clock_mono_ns() / 1000000000u);
	cookie_make(settings, now_s, &peer, cookie, cookie + COOKIE_CLIENT_OCTETS);
	size_t length = is_whole ? sizeof cookie : COOKIE_CLIENT_OCTETS;
	const char head[] = {0, 10, 0, (char)length};
	memcpy(out, head, sizeof head);
	memcpy(out + sizeof head, cookie, length);
	return sizeof head + length;
}

/* Names at random; with cookies in all that have EDNS. */
static void make_queries(const struct kind *kind, enum extra extra, const struct serve_settings *settings)
{
	struct rng rng;
	rng_seed(&rng, SEED + (uint64_t)(kind - kinds));
	for (unsigned i = 0; i < QUERIES; i++) {
		struct query *query = &run.queries[i];
		bool has_edns = kind->edns == EDNS_SUBNET || i % 2 == 1;
		query->length = 0;
		put(query, "\0\0\0\0\0\1\0\0\0\0\0", 11);
		put(query, has_edns ? "\1" : "\0", 1);
		query->octets[0] = (uint8_t)(i >> 8);
		query->octets[1] = (uint8_t)i;
		put_name(query, kind->prefix, (unsigned)(rng_next(&rng) % NAMES), &rng);
		const char question[] = {0, (char)kind->type, 0, 1};
		put(query, question, sizeof question);
		char options[64];
		size_t length = 0;
		if (kind->edns == EDNS_SUBNET) {
			uint64_t net = rng_next(&rng);
			const char subnet[] = {0, 8, 0, 7, 0, 1, 24, 0};
			memcpy(options, subnet, sizeof subnet);
			length = sizeof subnet;
			options[length++] = (char)(1 + net % 223);
			options[length++] = (char)(net >> 8);
			options[length++] = (char)(net >> 16);
		}
		if (extra == CLIENT_COOKIE || extra == COOKIE)
			length += make_cookie(options + length, extra == COOKIE, settings, &rng);
		if (has_edns)
			put_opt(query, options, length);
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
	require(!name_from_text("lb.example.", NULL, &name), "the zone's name");
	struct err_list errors = {0};
	struct zone *zone = zone_load(&name, NULL, text, "lb.example", &errors);
	require(zone != NULL, "the zone");
	err_done(&errors);
	free(text);
	return zone;
}

/* As in a city database every address has a place, and prefixes of 16 to 26 bits anywhere another one than
 * what is around them. */
static struct places *make_places(void)
{
	struct location *locations = xcalloc(BLOCKS + PLACES, sizeof *locations);
	struct rng rng;
	rng_seed(&rng, SEED);
	for (unsigned i = 0; i < BLOCKS + PLACES; i++) {
		uint64_t draw = rng_next(&rng);
		struct ip ip = {4,
				{(uint8_t)(1 + draw % 223), (uint8_t)(draw >> 8), (uint8_t)(draw >> 16),
				 (uint8_t)(draw >> 24)}};
		locations[i].prefix.length = (uint8_t)(16 + (draw >> 32) % 11);
		if (i < BLOCKS) {
			ip = (struct ip){4, {(uint8_t)(i >> 4), (uint8_t)(i << 4)}};
			locations[i].prefix.length = 12;
		}
		locations[i].prefix.ip = ip_cut(&ip, locations[i].prefix.length);
		locations[i].has_at = locations[i].place.has_at = true;
		locations[i].place.latitude = (double)((draw >> 40) % 130) - 60;
		locations[i].place.longitude = (double)((draw >> 48) % 360) - 180;
	}
	struct places *empty = places_new_empty();
	struct places *places = places_overlay(empty, locations, BLOCKS + PLACES);
	places_unref(empty);
	free(locations);
	return places;
}

/* A service of four regions; where it has HTTPS records, half of its VIPs are IPv6. */
static struct plan_service *make_service(unsigned number)
{
	static const char *const regions[REGIONS] = {"na", "sa", "eu", "ap"};
	static char h2[] = "h2", http1[] = "http/1.1", *const alpn[] = {h2, http1};
	const struct form_spec *form = &forms[number / SERVICES];
	struct plan_vip_input vips[REGIONS][VIPS_PER_REGION_MAX];
	struct plan_region_input inputs[REGIONS];
	uint8_t https[HTTPS_TEMPLATE_MAX];
	unsigned families = form->has_https && !form->is_split ? 2 : 1;
	char id[16];
	snprintf(id, sizeof id, "s%u", number);
	for (unsigned i = 0; i < REGIONS; i++) {
		for (unsigned j = 0; j < form->vips * families; j++)
			vips[i][j] = (struct plan_vip_input){
				.ip = {j % families || (form->is_split && i + 1 < REGIONS) ? 6 : 4,
				       {10, (uint8_t)(1 + i), (uint8_t)j, (uint8_t)number}},
				.weight = 1 + j / families % 3,
				.state = VIP_UP,
				.score = SCORE_FULL,
				.ttl = 60,
			};
		inputs[i] = (struct plan_region_input){.number = (uint8_t)i,
						       .id = regions[i],
						       .share = 100,
						       .vip_count = (uint8_t)(form->vips * families),
						       .vips = vips[i]};
	}
	return plan_service_compile(&(struct plan_service_input){
		.number = number,
		.id = id,
		.split = SPLIT_STICKY,
		.prefix4 = 24,
		.prefix6 = 56,
		.answers = form->answers,
		.ttl_min = 5,
		.ttl_max = 60,
		.min_healthy_hundredths = 5000,
		.region_count = REGIONS,
		.regions = inputs,
		.https_length = form->has_https ? (uint16_t)https_template(alpn, 2, 443, https) : 0,
		.https = https,
	});
}

static struct plan *make_plan(struct places *places, bool has_limits)
{
	struct order *order = order_compile(
		&(struct order_spec){
			.kind = ORDER_NEAREST,
			.listed_count = REGIONS,
			.listed = {0, 1, 2, 3},
			.latitude = {38.95, -23.55, 50.11, 1.35},
			.longitude = {-77.45, -46.63, 8.68, 103.82},
		},
		places);
	struct plan *plan = plan_new((size_t)FORMS * SERVICES, (size_t)FORMS * SERVICES);
	for (unsigned i = 0; i < FORMS * SERVICES; i++) {
		plan_set_service(plan, i, make_service(i));
		plan_set_policy(plan, i, i, order, (1u << REGIONS) - 1, false, false);
		if (has_limits)
			plan_set_budget(plan, i, &(struct plan_budget){1, 1});
	}
	order_unref(order);
	return plan;
}

static struct index *make_index(void)
{
	struct index_edit *edit = index_edit_new(NULL);
	struct zone *zone = make_zone();
	index_edit_add_zone(edit, zone);
	zone_unref(zone);
	for (unsigned form = 0; form < FORMS; form++)
		for (unsigned i = 0; i < NAMES; i++) {
			char text[32];
			struct name name;
			snprintf(text, sizeof text, "%c%07u.lb.example.", forms[form].prefix, i);
			require(!name_from_text(text, NULL, &name), "a tenant's name");
			index_edit_set_tenant(edit, &name, form * SERVICES + i % SERVICES, form * NAMES + i);
		}
	return index_edit_done(edit);
}

static struct world *make_world(bool has_limits)
{
	struct places *places = make_places();
	struct serve_settings settings = {.edns_size = 1232, .ecs = true};
	if (has_limits) {
		settings.cookie_secret_count = 1;
		memset(settings.cookie_secrets[0], 7, sizeof settings.cookie_secrets[0]);
		settings.rrl_is_on = true;
		settings.rrl_slip = 2;
		settings.rrl_interval_ns = 1;
	}
	return world_new(1, 1, make_index(), make_plan(places, has_limits), places, &settings);
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

static void receive_reply(void)
{
	uint8_t reply[512];
	const struct query *query = &run.queries[run.answered];
	ssize_t length = recv(run.client, reply, sizeof reply, MSG_DONTWAIT);
	require(length > HEADER_OCTETS, "a query without a reply");
	require(memcmp(reply, query->octets, 2) == 0 && (reply[2] & 0x86) == 0x84, "not the reply");
	const struct kind *want = run.kind;
	require(reply[7] == want->answers && reply[9] == want->authorities && (reply[3] & 15) == want->rcode,
		"a wrong reply");
	require(reply[11] == want->additionals + query->octets[11], "EDNS is answered with EDNS");
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

/* As workers.c makes it. */
static struct udp_worker *make_worker(const struct publish *world, struct sockaddr_in *ret_address)
{
	struct udp_worker *worker = xcalloc(1, sizeof *worker);
	worker->socket = bound_socket(ret_address);
	worker->world = world;
	worker->stop = &run.stop;
	worker->context.scratch = xcalloc(1, sizeof *worker->context.scratch);
	worker->context.rrl = rrl_new();
	worker->context.budgets = xmap(sizeof *worker->context.budgets);
	worker->context.stats = stats_new();
	rng_seed(&worker->context.rng, SEED);
	return worker;
}

static void free_worker(struct udp_worker *worker)
{
	close(worker->socket);
	stats_free(worker->context.stats);
	rrl_free(worker->context.rrl);
	xunmap(worker->context.budgets, sizeof *worker->context.budgets);
	free(worker->context.scratch);
	free(worker);
}

static void measure(const struct kind *kind, enum extra extra, unsigned batch, const struct publish *world)
{
	struct sockaddr_in address;
	struct udp_worker *worker = make_worker(world, &address);
	const struct world *published = publish_get(world);
	make_queries(kind, extra, &published->settings);
	run.kind = kind;
	run.batch = batch;
	run.asked = run.answered = 0;
	atomic_store(&run.stop, false);
	run.client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	require(run.client >= 0 && connect(run.client, (struct sockaddr *)&address, sizeof address) == 0,
		"connect");

	char name[48], label[64];
	snprintf(name, sizeof name, "%s%s", kind->name, extra_names[extra]);
	snprintf(label, sizeof label, "%s %u %u", name, batch, QUERIES);
	CALLGRIND_ZERO_STATS;
	CALLGRIND_TOGGLE_COLLECT;
	udp_run(worker);
	CALLGRIND_TOGGLE_COLLECT;
	CALLGRIND_DUMP_STATS_AT(label);
	require(run.answered == QUERIES, "not all queries were answered");
	printf("%s: %u queries in batches of %u answered rightly\n", name, run.answered, batch);

	close(run.client);
	free_worker(worker);
}

int main(void)
{
	struct publish world = {NULL};
	publish_swap(&world, make_world(false));
	CALLGRIND_START_INSTRUMENTATION;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		for (size_t j = 0; j < sizeof batches / sizeof *batches; j++)
			measure(&kinds[i], PLAIN, batches[j], &world);
	CALLGRIND_STOP_INSTRUMENTATION;
	world_free(publish_swap(&world, make_world(true)));
	CALLGRIND_START_INSTRUMENTATION;
	for (size_t i = 0; i < KINDS_WITH_EXTRAS; i++)
		for (enum extra extra = LIMITS; extra < EXTRAS; extra++)
			measure(&kinds[i], extra, UDP_BATCH, &world);
	CALLGRIND_STOP_INSTRUMENTATION;
	world_free(publish_swap(&world, NULL));
	return 0;
}
