/*
 * VIPs by host name against a small resolver of this file: what a name has reaches the services, failures
 * empty nothing, and a restart knows the addresses from before. No server.
 */
#include "health/resolve_names.h"
#include "lib/clock.h"
#include "lib/net.h"
#include "tests/unit/store_fixture.h"
#include <sys/socket.h>

/* ---- a resolver ---- */

enum { RCODE_OK = 0, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };

static struct event_base *base;
static struct event *readable;
static int resolver = -1;
static char resolver_address[32];
static unsigned rcode[2];	    /* of questions for A, for AAAA */
static const char *addresses[2][4]; /* NULL ends each */
static uint32_t ttl_s;
static unsigned questions;

static size_t put_record(uint8_t *out, unsigned family, const char *address)
{
	struct ip ip;
	unsigned octets = family == 4 ? 4 : 16;
	assert_true(ip_parse(address, &ip));
	const uint8_t head[] = {0xc0, 12, 0, family == 4 ? 1 : 28, 0, 1,
				0,    0,  0, (uint8_t)ttl_s,	   0, (uint8_t)octets};
	memcpy(out, head, sizeof head);
	memcpy(out + sizeof head, ip.bytes, octets);
	return sizeof head + octets;
}

static void on_question(evutil_socket_t fd, short events, void *user)
{
	uint8_t message[512];
	struct sockaddr_in peer;
	socklen_t peer_length = sizeof peer;
	ssize_t length = recvfrom(fd, message, sizeof message, 0, (struct sockaddr *)&peer, &peer_length);
	if (length < 12)
		return;
	size_t end = 12;
	while (message[end] != 0)
		end += message[end] + 1u;
	unsigned row = message[end + 2] == 28;
	end += 5; /* what stands behind the question (EDNS) is not answered */
	questions++;
	uint8_t count = 0;
	for (size_t at = end; rcode[row] == RCODE_OK && addresses[row][count]; count++)
		end = at += put_record(message + at, row ? 6 : 4, addresses[row][count]);
	message[2] = 0x81;
	message[3] = (uint8_t)(0x80 | rcode[row]);
	memcpy(message + 6, (const uint8_t[]){0, count, 0, 0, 0, 0}, 6);
	sendto(fd, message, end, 0, (struct sockaddr *)&peer, peer_length);
}

static void answer_with(const char *v4, const char *v6)
{
	rcode[0] = rcode[1] = RCODE_OK;
	addresses[0][0] = v4;
	addresses[1][0] = v6;
	addresses[0][1] = addresses[1][1] = NULL;
}

/* ---- the scene ---- */

static struct store *store;
static struct resolve_names *names;
static unsigned changes, progresses;

static void on_addresses_changed(void *user)
{
	changes++;
	assert_ptr_equal(user, &changes);
	resolve_names_fill(names, fleet);
}

static void on_progressed(void *user)
{
	progresses++;
}

static void new_names(void)
{
	const struct resolve_names_hooks hooks = {&changes, on_addresses_changed, on_progressed};
	names = resolve_names_new(base, store, resolver_address, &hooks);
}

static int set_up(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	if (setup(state) != 0)
		return -1;
	base = event_base_new();
	resolver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(resolver, (struct sockaddr *)&address, length) < 0 ||
	    getsockname(resolver, (struct sockaddr *)&address, &length) < 0)
		return -1;
	snprintf(resolver_address, sizeof resolver_address, "127.0.0.1:%u", ntohs(address.sin_port));
	readable = event_new(base, resolver, EV_READ | EV_PERSIST, on_question, NULL);
	event_add(readable, NULL);
	changes = progresses = questions = 0;
	ttl_s = 60;
	answer_with("192.0.2.10", NULL);
	apply_good(fleet, FLEET_STORE,
		   "services: {cloud: {vips: {eu: [192.0.2.1, {name: lb.example, weight: 6}]}}}\n");
	store = must_open();
	new_names();
	return 0;
}

static int tear_down(void **state)
{
	resolve_names_free(names);
	store_close(store);
	event_free(readable);
	close(resolver);
	event_base_free(base);
	return teardown(state);
}

/* Turns the loop until the claim holds; twenty seconds are too long for anything here. */
#define AWAIT(claim)                                               \
	for (uint64_t started_ms = clock_mono_ms(); !(claim);) {   \
		assert_true(clock_mono_ms() - started_ms < 20000); \
		event_base_loop(base, EVLOOP_ONCE);                \
	}

/* The VIPs of the service, "192.0.2.1 192.0.2.10/2", the second by shares. */
static const char *vips(void)
{
	static char text[1024];
	const struct fleet_service *service = (const void *)fleet_get(fleet, FLEET_SERVICE, "cloud");
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < service->vips[0].count; i++) {
		const struct fleet_vip *vip = &service->vips[0].vips[i];
		char address[IP_TEXT_MAX];
		ip_format(&vip->ip, address);
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? " " : "", address);
		if (vip->shares > 1)
			used += (size_t)snprintf(text + used, sizeof text - used, "/%u", vip->shares);
	}
	return text;
}

static void sync_now(void)
{
	resolve_names_sync(names, fleet);
}

/* ---- tests ---- */

static void a_name_becomes_addresses(void **state)
{
	sync_now();
	assert_string_equal(vips(), "192.0.2.1");
	assert_false(resolve_names_are_known(names));
	AWAIT(progresses == 1);
	assert_true(resolve_names_are_known(names));
	assert_int_equal(changes, 1);
	assert_string_equal(vips(), "192.0.2.1 192.0.2.10");
	assert_int_equal(questions, 2); /* one a family */
}

static void both_families_share_the_weight(void **state)
{
	answer_with("192.0.2.10", "2001:db8::10");
	sync_now();
	AWAIT(changes == 1);
	assert_string_equal(vips(), "192.0.2.1 192.0.2.10/2 2001:db8::10/2");
}

static void the_ttl_is_followed(void **state)
{
	ttl_s = 1;
	sync_now();
	AWAIT(changes == 1);
	answer_with("192.0.2.11", NULL);
	uint64_t from_ms = clock_mono_ms();
	AWAIT(changes == 2);
	assert_in_range(clock_mono_ms() - from_ms, 500, 10000);
	assert_string_equal(vips(), "192.0.2.1 192.0.2.11");
	assert_int_equal(progresses, 1);
	unsigned before = questions;
	AWAIT(questions >= before + 4); /* the same again is no change */
	assert_int_equal(changes, 2);
}

static void a_failure_empties_nothing(void **state)
{
	ttl_s = 1;
	answer_with("192.0.2.10", "2001:db8::10");
	sync_now();
	AWAIT(changes == 1);
	rcode[1] = RCODE_SERVFAIL; /* of one family: the other is followed, and this one stays */
	addresses[0][0] = "192.0.2.12";
	AWAIT(changes == 2);
	assert_string_equal(vips(), "192.0.2.1 192.0.2.12/2 2001:db8::10/2");
	rcode[0] = rcode[1] = RCODE_NXDOMAIN;
	unsigned before = questions;
	AWAIT(questions >= before + 2);
	event_base_loopexit(base, &(const struct timeval){.tv_usec = 200000});
	event_base_dispatch(base);
	assert_string_equal(vips(), "192.0.2.1 192.0.2.12/2 2001:db8::10/2");
	assert_int_equal(changes, 2);
}

static void what_is_unknown_is_told_as_known_once(void **state)
{
	rcode[0] = rcode[1] = RCODE_SERVFAIL;
	sync_now();
	AWAIT(progresses == 1);
	assert_true(resolve_names_are_known(names)); /* nobody waits for a name that fails */
	assert_int_equal(changes, 0);
	assert_string_equal(vips(), "192.0.2.1");
}

static void a_restart_knows_the_addresses(void **state)
{
	sync_now();
	AWAIT(changes == 1);
	resolve_names_free(names);
	apply_good(fleet, FLEET_STORE, "services: {cloud: {vips: {eu: [{name: lb.example}, 192.0.2.2]}}}\n");
	rcode[0] = rcode[1] = RCODE_SERVFAIL;
	new_names();
	sync_now();
	assert_true(resolve_names_are_known(names));
	assert_string_equal(vips(), "192.0.2.2 192.0.2.10");
}

static void a_name_that_left_is_forgotten(void **state)
{
	sync_now();
	AWAIT(changes == 1);
	char *stored = store_resolved(store, "lb.example.");
	assert_string_equal(stored, "192.0.2.10");
	free(stored);
	apply_good(fleet, FLEET_STORE, "services: {cloud: {vips: {eu: [192.0.2.2]}}}\n");
	sync_now();
	assert_null(store_resolved(store, "lb.example."));
	assert_true(resolve_names_are_known(names));
}

/* The answer comes when nobody wants it any more. */
static void a_name_that_leaves_meanwhile(void **state)
{
	sync_now();
	while (questions == 0)
		event_base_loop(base, EVLOOP_ONCE);
	apply_good(fleet, FLEET_STORE, "services: {cloud: {vips: {eu: [192.0.2.2]}}}\n");
	sync_now();
	event_base_loopexit(base, &(const struct timeval){.tv_usec = 200000});
	event_base_dispatch(base);
	assert_int_equal(changes + progresses, 0);
	assert_string_equal(vips(), "192.0.2.2");
}

/* Names that a caller has himself, without a store. */
static void names_of_ones_own(void **state)
{
	const struct resolve_names_hooks hooks = {&changes, on_addresses_changed, on_progressed};
	const char *const wanted[] = {"lb.example.", "other.example."};
	const struct ip *ips;
	struct ip expected;
	resolve_names_free(names);
	names = resolve_names_new(base, NULL, resolver_address, &hooks);
	resolve_names_want(names, wanted, 2);
	assert_false(resolve_names_are_known(names));
	AWAIT(resolve_names_are_known(names));
	assert_int_equal(resolve_names_addresses(names, "lb.example.", &ips), 1);
	assert_true(ip_parse("192.0.2.10", &expected));
	assert_true(ip_equal(ips, &expected));
	assert_int_equal(resolve_names_addresses(names, "third.example.", &ips), 0);
	unsigned before = questions;
	resolve_names_want(names, wanted + 1, 1);
	assert_int_equal(resolve_names_addresses(names, "lb.example.", &ips), 0);
	assert_int_equal(resolve_names_addresses(names, "other.example.", &ips), 1);
	assert_int_equal(questions, before); /* what is known is not asked for again */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_becomes_addresses),
		TEST(both_families_share_the_weight),
		TEST(the_ttl_is_followed),
		TEST(a_failure_empties_nothing),
		TEST(what_is_unknown_is_told_as_known_once),
		TEST(a_restart_knows_the_addresses),
		TEST(a_name_that_left_is_forgotten),
		TEST(a_name_that_leaves_meanwhile),
		TEST(names_of_ones_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
