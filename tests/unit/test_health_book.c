/*
 * The book of health over real probes on loopback, with a fleet, a store and hooks: no server.
 */
#include "health/health_book.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "store/store.h"
#include "tests/unit/fleet_fixture.h"
#include "tests/unit/origin.h"
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define HOUR_MS ((int64_t)3600 * 1000)
#define CONCURRENCY 10

/* ---- the scene: one origin on 127.0.0.1, nobody on 127.0.0.2 ---- */

#define WEB "type: tcp, timeout: 100ms"
#define SHOP "  shop: {check: web, vips: {eu: [127.0.0.1, 127.0.0.2]}}\n"

static struct event_base *base;
static struct origin origin;
static char directory[64];
static struct store *store;
static struct fleet *fleet;
static struct health_book *book;
static unsigned changes, progresses;

static void on_changed(void *user, const struct ip *vip)
{
	assert_non_null(vip);
	changes++;
}

static void on_progressed(void *user)
{
	progresses++;
}

static void new_book(void)
{
	book = health_book_new(
		base, store, NULL,
		&(const struct health_hooks){.changed = on_changed, .progressed = on_progressed});
	health_book_configure(book, CONCURRENCY);
}

static void sync_now(void)
{
	health_book_sync(book, fleet);
}

/* The fleet is from now on this one; `web` are keys of the check, and defaults follow. */
static void use(const char *web, const char *services)
{
	char text[2048];
	struct fleet *before = fleet;
	snprintf(text, sizeof text,
		 "regions: {eu: {at: [50, 8]}}\n"
		 "checks:\n"
		 "  web: {%s, port: %u, rise: 2, fall: 3, clear: 2%s}\n"
		 "  port: {" WEB ", port: %u, interval: 100ms}\n"
		 "services:\n%s",
		 web, origin.port, strstr(web, "interval") ? "" : ", interval: 100ms", origin.port, services);
	fleet = fleet_new();
	apply_good(fleet, FLEET_BASE, text);
	sync_now();
	fleet_free(before);
}

static int set_up(void **state)
{
	struct err_list errors = {0};
	log_init("test", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	memset(&origin, 0, sizeof origin);
	changes = progresses = 0;
	snprintf(directory, sizeof directory, "/tmp/gslb-health-XXXXXX");
	base = event_base_new();
	if (!mkdtemp(directory) || !origin_open(&origin, base, "127.0.0.1", 0))
		return -1;
	store = store_open(directory, &errors);
	fleet = NULL;
	if (!store)
		return -1;
	new_book();
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"gslb.db", "gslb.db-wal", "gslb.lock"};
	char path[128];
	health_book_free(book);
	store_close(store);
	fleet_free(fleet);
	origin_settle(&origin);
	event_base_free(base);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		unlink(path);
	}
	return rmdir(directory);
}

static const struct health_entry *entry_of(const char *address, const char *check)
{
	struct fleet_vip vip = {0};
	assert_true(ip_parse(address, &vip.ip));
	return health_book_find(book, &vip, check);
}

#define GOOD entry_of("127.0.0.1", "web")
#define BAD entry_of("127.0.0.2", "web")

/* Turns the loop until the claim holds; ten seconds are too long for anything here. */
#define AWAIT(claim)                                               \
	for (uint64_t started_ms = clock_mono_ms(); !(claim);) {   \
		assert_true(clock_mono_ms() - started_ms < 10000); \
		event_base_loop(base, EVLOOP_ONCE);                \
	}

static void turn_ms(unsigned ms)
{
	event_base_loopexit(base, &(const struct timeval){.tv_usec = ms * 1000});
	event_base_dispatch(base);
}

static void restart(void)
{
	health_book_free(book);
	new_book();
	sync_now();
}

static size_t entry_count(void)
{
	size_t count = 0;
	for (size_t at = 0; health_book_next(book, &at);)
		count++;
	return count;
}

/* ---- what the store holds ---- */

static struct store_health_row stored[8];

static void note_row(void *user, const struct store_health_row *row)
{
	size_t *count = user;
	assert_true(*count < 8);
	stored[(*count)++] = *row;
}

static size_t read_stored(void)
{
	size_t count = 0;
	assert_true(store_each_health(store, note_row, &count));
	return count;
}

/* As if the last rounds were so long ago; no book is there to write meanwhile. */
static void age_stored(int64_t seen_ms, int64_t changed_ms)
{
	size_t count = read_stored();
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++) {
		stored[i].seen_unix_ms = clock_unix_ms() - seen_ms;
		stored[i].changed_unix_ms -= changed_ms;
	}
	assert_true(store_save_health(store, stored, count));
}

/* ---- tests ---- */

static void the_first_round_decides(void **state)
{
	use(WEB, SHOP);
	assert_false(health_book_is_complete(book));
	assert_int_equal(GOOD->verdict.state, VERDICT_UNKNOWN);
	assert_int_equal(GOOD->score, SCORE_FULL);
	assert_true(GOOD->is_probed);
	AWAIT(health_book_is_complete(book));
	assert_int_equal(GOOD->verdict.state, VERDICT_UP);
	assert_int_equal(GOOD->score, SCORE_FULL);
	assert_string_equal(GOOD->reason, "");
	assert_int_equal(BAD->verdict.state, VERDICT_DOWN);
	assert_int_equal(BAD->score, 0);
	assert_string_equal(BAD->reason, "connection refused");
	assert_true(BAD->changed_unix_ms > 0 && BAD->changed_ms > 0 && !BAD->is_long_ago);
	assert_int_equal(progresses, 2);
	assert_int_equal(changes, 2);
}

static void targets_are_shared_by_services(void **state)
{
	use(WEB, SHOP "  mail: {check: web, vips: {eu: [127.0.0.1, {address: 127.0.0.2, check: port}]}}\n");
	assert_int_equal(entry_count(), 3);
	assert_non_null(entry_of("127.0.0.2", "port"));
	/* always up: nothing to know */
	use(WEB, "  shop: {vips: {eu: [127.0.0.1, 127.0.0.2]}}\n"
		 "  mail: {vips: {eu: [127.0.0.1, {address: 127.0.0.2, check: port}]}}\n");
	assert_int_equal(entry_count(), 1);
	use(WEB, "  shop: {vips: {eu: [127.0.0.1]}}\n");
	assert_int_equal(entry_count(), 0);
	assert_true(health_book_is_complete(book));
	assert_null(GOOD);
}

static int compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct store_health_row *)a)->target,
		      ((const struct store_health_row *)b)->target);
}

/* What a check asks is a part of its target's name in the store. These were written by version 0.1.0: a
 * version that names them otherwise would forget every state at its first start. */
static void targets_keep_their_names_in_the_store(void **state)
{
	static const char *const names[] = {
		"127.0.0.1 a-tcp 664b815c5c319333", "127.0.0.2 b-http c3a060f3d5f89610",
		"127.0.0.3 c-tls 99bcebb028aaa85d", "127.0.0.4 d-https ccd679013f9e7632",
		"127.0.0.5 e-dns 1e5664f606acaaaa", "127.0.0.6 f-grpc 426007b82faed69d",
	};
	fleet = fleet_new();
	apply_good(
		fleet, FLEET_BASE,
		"regions: {eu: {at: [50, 8]}}\n"
		"checks:\n"
		"  a-tcp: {type: tcp, port: 1}\n"
		"  b-http: {type: http, port: 1, method: HEAD, path: /x, host: h.test, headers: {A: b},"
		" expect: \"200-299,404\"}\n"
		"  c-tls: {type: tls, port: 1, sni: s.test, verify: full, expires_within: 14d}\n"
		"  d-https: {type: https, port: 1, body: ready, verify: chain}\n"
		"  e-dns: {type: dns, port: 1, host: example.net}\n"
		"  f-grpc: {type: grpc-health, port: 1}\n"
		"services:\n"
		"  s: {vips: {eu: [{address: 127.0.0.1, check: a-tcp}, {address: 127.0.0.2, check: b-http},"
		" {address: 127.0.0.3, check: c-tls}, {address: 127.0.0.4, check: d-https},"
		" {address: 127.0.0.5, check: e-dns}, {address: 127.0.0.6, check: f-grpc}]}}\n");
	sync_now();
	AWAIT(health_book_is_complete(book));
	health_book_save(book);
	assert_int_equal(read_stored(), 6);
	qsort(stored, 6, sizeof stored[0], compare_rows);
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(stored[i].target, names[i]);
}

static size_t one_address(void *user, const char *name, const struct ip **ret)
{
	static struct ip ip;
	ip_parse("127.0.0.1", &ip);
	*ret = &ip;
	return 1;
}

/* A server that is asked by a name may answer otherwise than by its address. */
static void a_name_makes_a_target_of_its_own(void **state)
{
	static char name[] = "lb.test.";
	struct fleet_vip named = {.name = name};
	char expected[64];
	ip_parse("127.0.0.1", &named.ip);
	origin_reply(&origin, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	use("type: http, timeout: 100ms", "  named: {check: web, vips: {eu: [{name: lb.test}]}}\n"
					  "  shop: {check: web, vips: {eu: [127.0.0.1]}}\n");
	struct fleet_object *service = fleet_get(fleet, FLEET_SERVICE, "named");
	assert_true(fleet_vips_resolve(&((struct fleet_service *)service)->vips[0], one_address, NULL));
	sync_now();
	assert_int_equal(entry_count(), 2);
	const struct health_entry *entry = health_book_find(book, &named, "web");
	assert_non_null(GOOD);
	assert_true(entry && entry != GOOD);
	snprintf(expected, sizeof expected, "\r\nHost: lb.test:%u\r\n", origin.port);
	AWAIT(strstr(origin.request, expected));
	AWAIT(entry->verdict.state == VERDICT_UP && GOOD->verdict.state == VERDICT_UP);
	health_book_save(book); /* each is remembered by its name */
	assert_int_equal(read_stored(), 2);
	restart();
	assert_int_equal(health_book_find(book, &named, "web")->verdict.state, VERDICT_UP);
}

static void pending_failures_and_the_fall_are_told(void **state)
{
	use(WEB, SHOP);
	AWAIT(health_book_is_complete(book));
	unsigned before = changes;
	uint64_t transitions = GOOD->transitions;
	origin_refuse(&origin);
	AWAIT(verdict_pending(&GOOD->verdict) == 1);
	assert_int_equal(GOOD->verdict.state, VERDICT_UP);
	assert_string_equal(GOOD->reason, "connection refused");
	assert_int_equal(changes, before + 1);
	AWAIT(GOOD->verdict.state == VERDICT_DOWN);
	assert_int_equal(changes, before + 3);
	assert_int_equal(GOOD->transitions, transitions + 1);
	assert_true(origin_open(&origin, base, "127.0.0.1", origin.port));
	AWAIT(GOOD->verdict.state == VERDICT_UP);
	assert_int_equal(changes, before + 5); /* one pending success, then up */
	assert_string_equal(GOOD->reason, "");
	uint64_t counted = 0;
	for (size_t i = 0; i < 16; i++)
		counted += GOOD->latency_bucket[i];
	assert_int_equal(counted, GOOD->latency_count);
	assert_true(counted >= 6 && GOOD->latency_sum_us > 0);
}

static void a_sync_keeps_what_stays_the_same(void **state)
{
	use(WEB ", interval: 1h", SHOP);
	AWAIT(health_book_is_complete(book));
	uint64_t changed_ms = BAD->changed_ms;
	/* The interval holds from now on, not from the next hour. */
	use("type: tcp, timeout: 90ms, interval: 150ms", SHOP);
	assert_int_equal(BAD->verdict.state, VERDICT_DOWN);
	assert_int_equal(BAD->changed_ms, changed_ms);
	assert_true(BAD->is_probed && health_book_is_complete(book));
	uint64_t rounds = BAD->latency_count;
	AWAIT(BAD->latency_count > rounds + 1);
	origin_reply(&origin, "HTTP/1.1 200 OK\r\n\r\n");
	use("type: http, path: /other", SHOP); /* another question: nothing is known of it */
	assert_int_equal(BAD->verdict.state, VERDICT_UNKNOWN);
	assert_false(health_book_is_complete(book));
	AWAIT(health_book_is_complete(book));
	assert_int_equal(GOOD->verdict.state, VERDICT_UP);
	use("type: http, path: /other, host: other.test", SHOP);
	assert_int_equal(GOOD->verdict.state, VERDICT_UNKNOWN);
}

static void nobody_probes_nothing_is_known(void **state)
{
	health_book_configure(book, 0);
	use(WEB, SHOP);
	assert_int_equal(GOOD->verdict.state, VERDICT_UNKNOWN);
	assert_false(GOOD->is_probed);
	assert_true(health_book_is_complete(book));
	health_book_configure(book, CONCURRENCY);
	sync_now();
	AWAIT(health_book_is_complete(book));
	assert_int_equal(BAD->verdict.state, VERDICT_DOWN);
	health_book_configure(book, 2 * CONCURRENCY); /* states outlive a change of concurrency */
	sync_now();
	assert_int_equal(BAD->verdict.state, VERDICT_DOWN);
	uint64_t rounds = BAD->latency_count;
	AWAIT(BAD->latency_count > rounds);
	health_book_configure(book, 0);
	sync_now();
	assert_int_equal(BAD->verdict.state, VERDICT_UNKNOWN);
	assert_int_equal(BAD->score, SCORE_FULL);
	assert_false(BAD->is_probed);
}

static void a_restart_knows_what_was(void **state)
{
	use(WEB, SHOP);
	AWAIT(health_book_is_complete(book));
	int64_t changed_unix_ms = BAD->changed_unix_ms;
	uint64_t changed_ms = BAD->changed_ms;
	restart();
	assert_true(health_book_is_complete(book));
	assert_int_equal(GOOD->verdict.state, VERDICT_UP);
	assert_int_equal(BAD->verdict.state, VERDICT_DOWN);
	assert_int_equal(BAD->score, 0);
	assert_int_equal(BAD->changed_unix_ms, changed_unix_ms);
	assert_in_range(BAD->changed_ms, changed_ms - 50, changed_ms + 50); /* the TTL goes on where it was */
	assert_int_equal(BAD->transitions, 0);
	unsigned before = progresses;
	AWAIT(progresses == before + 2); /* it is probed all the same */
}

static void an_old_state_or_another_question_is_not_restored(void **state)
{
	use(WEB, SHOP);
	AWAIT(health_book_is_complete(book));
	health_book_free(book);
	age_stored(23 * HOUR_MS, 48 * HOUR_MS);
	new_book();
	sync_now();
	assert_int_equal(GOOD->verdict.state, VERDICT_UP);
	health_book_free(book);
	age_stored(25 * HOUR_MS, 0);
	new_book();
	sync_now();
	assert_int_equal(GOOD->verdict.state, VERDICT_UNKNOWN);
	assert_false(health_book_is_complete(book));
	AWAIT(health_book_is_complete(book));
	health_book_free(book);
	new_book();
	use("type: http", SHOP);
	assert_int_equal(GOOD->verdict.state, VERDICT_UNKNOWN);
}

static void a_transition_is_stored_soon(void **state)
{
	use(WEB, SHOP);
	AWAIT(health_book_is_complete(book));
	uint64_t start_ms = clock_mono_ms();
	AWAIT(read_stored() > 0);
	assert_true(clock_mono_ms() - start_ms <= 1000);
	assert_int_equal(read_stored(), 2); /* both in one transaction */
}

static void what_the_store_does_not_take_is_written_later(void **state)
{
	struct rlimit before, none;
	use(WEB, SHOP);
	AWAIT(read_stored() == 2);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0); /* as a full disk */
	origin_refuse(&origin);
	AWAIT(GOOD->verdict.state == VERDICT_DOWN);
	turn_ms(300); /* longer than a transition waits for others */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	for (size_t i = read_stored(); i-- > 0;)
		assert_int_equal(stored[i].state, strncmp(stored[i].target, "127.0.0.1 ", 10) == 0
							  ? STORE_HEALTH_UP
							  : STORE_HEALTH_NEVER_UP);
	health_book_save(book);
	for (size_t i = read_stored(); i-- > 0;)
		assert_int_equal(stored[i].state, strncmp(stored[i].target, "127.0.0.1 ", 10) == 0
							  ? STORE_HEALTH_DOWN
							  : STORE_HEALTH_NEVER_UP);
}

static void states_are_held_while_probes_cannot_run(void **state)
{
	struct rlimit before, none;
	use(WEB, SHOP);
	AWAIT(health_book_is_complete(book));
	uint64_t rounds = GOOD->latency_count;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0; /* whatever is closed meanwhile makes no room */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	AWAIT(health_book_is_frozen(book));
	turn_ms(500); /* more than `fall` rounds */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(GOOD->verdict.state, VERDICT_UP);
	assert_int_equal(verdict_pending(&GOOD->verdict), 0);
	assert_true(GOOD->latency_count <= rounds + 1);
	AWAIT(!health_book_is_frozen(book));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_round_decides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(targets_are_shared_by_services, set_up, tear_down),
		cmocka_unit_test_setup_teardown(targets_keep_their_names_in_the_store, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_name_makes_a_target_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pending_failures_and_the_fall_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_sync_keeps_what_stays_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_probes_nothing_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_restart_knows_what_was, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_old_state_or_another_question_is_not_restored, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_transition_is_stored_soon, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_store_does_not_take_is_written_later, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(states_are_held_while_probes_cannot_run, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
