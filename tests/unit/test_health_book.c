/*
 * The book of health over real probes on loopback. Fleet, store and world builder are small stand-ins
 * of this file, so that a test says exactly what they hold and sees exactly what reaches them.
 */
#include "gslb/compile/world_builder.h"
#include "gslb/control/server.h"
#include "health/health_book.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/unit/origin.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#define HOUR_MS ((int64_t)3600 * 1000)

/* ---- stand-ins ---- */

static struct fleet_check checks[2];
static struct fleet_service services[2];
static size_t service_count;

struct fleet_object *fleet_next(const struct fleet *fleet, enum fleet_kind kind, size_t *at)
{
	assert_int_equal(kind, FLEET_SERVICE);
	return *at < service_count ? &services[(*at)++].object : NULL;
}

struct fleet_object *fleet_get(const struct fleet *fleet, enum fleet_kind kind, const char *id)
{
	assert_int_equal(kind, FLEET_CHECK);
	for (size_t i = 0; i < 2; i++)
		if (strcmp(checks[i].object.id, id) == 0)
			return &checks[i].object;
	return NULL;
}

static struct health_row stored[8];
static size_t stored_count;
static unsigned saves;
static bool store_is_broken;

bool store_each_health(struct store *store, store_health_fn *fn, void *user)
{
	for (size_t i = 0; i < stored_count; i++)
		fn(user, &stored[i]);
	return true;
}

bool store_save_health(struct store *store, const struct health_row *rows, size_t count)
{
	saves++;
	for (size_t i = 0; i < count && !store_is_broken; i++) {
		size_t at = 0;
		while (at < stored_count && strcmp(stored[at].target, rows[i].target) != 0)
			at++;
		assert_true(at < 8);
		stored[at] = rows[i];
		stored_count += at == stored_count;
	}
	return !store_is_broken;
}

static unsigned changes, progresses;

void world_builder_state_changed(struct world_builder *builder, const struct ip *vip)
{
	assert_non_null(vip);
	changes++;
}

void server_health_progress(struct server *server)
{
	progresses++;
}

/* ---- the scene: one origin on 127.0.0.1, nobody on 127.0.0.2 ---- */

static struct origin origin;
static struct node_config config;
static struct server server;
static struct fleet_vips regions[2];
static struct fleet_vip vips[2][2];
static char builder;

static char web[] = "web", port[] = "port", eu[] = "eu", get[] = "GET", root[] = "/", other[] = "/other",
	    host[] = "other.test";

static int set_up(void **state)
{
	log_init("test", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	memset(&origin, 0, sizeof origin);
	stored_count = saves = changes = progresses = 0;
	store_is_broken = false;
	config = (struct node_config){.has_probes = true, .probe_concurrency = 10};
	server = (struct server){.config = &config, .base = event_base_new(), .builder = (void *)&builder};
	if (!origin_open(&origin, server.base, "127.0.0.1", 0))
		return -1;
	for (size_t i = 0; i < 2; i++)
		checks[i] = (struct fleet_check){.object.id = i == 0 ? web : port,
						 .type = CHECK_TCP,
						 .port = origin.port,
						 .interval_ms = 100,
						 .timeout_ms = 100,
						 .rise = 2,
						 .fall = 3,
						 .clear = 2,
						 .method = get,
						 .path = root};
	memset(vips, 0, sizeof vips);
	for (size_t r = 0; r < 2; r++)
		for (size_t v = 0; v < 2; v++)
			ip_parse(v == 0 ? "127.0.0.1" : "127.0.0.2", &vips[r][v].ip);
	for (size_t r = 0; r < 2; r++) {
		regions[r] = (struct fleet_vips){.region = eu, .count = 2, .vips = vips[r]};
		services[r] =
			(struct fleet_service){.check = web, .vip_region_count = 1, .vips = &regions[r]};
	}
	service_count = 1;
	server.health = health_book_new(&server);
	return 0;
}

static int tear_down(void **state)
{
	health_book_free(server.health);
	origin_settle(&origin);
	event_base_free(server.base);
	return 0;
}

static const struct health_entry *entry_of(const char *address, const char *check)
{
	struct ip ip;
	assert_true(ip_parse(address, &ip));
	return health_book_find(server.health, &ip, check);
}

#define GOOD entry_of("127.0.0.1", "web")
#define BAD entry_of("127.0.0.2", "web")

/* Turns the loop until the claim holds; ten seconds are too long for anything here. */
#define AWAIT(claim)                                               \
	for (uint64_t started_ms = clock_mono_ms(); !(claim);) {   \
		assert_true(clock_mono_ms() - started_ms < 10000); \
		event_base_loop(server.base, EVLOOP_ONCE);         \
	}

static void sync_now(void)
{
	health_book_sync(server.health, NULL);
}

static void restart(void)
{
	health_book_free(server.health);
	server.health = health_book_new(&server);
	sync_now();
}

static size_t entry_count(void)
{
	size_t count = 0;
	for (size_t at = 0; health_book_next(server.health, &at);)
		count++;
	return count;
}

/* ---- tests ---- */

static void the_first_round_decides(void **state)
{
	sync_now();
	assert_false(health_book_is_complete(server.health));
	assert_int_equal(GOOD->verdict.state, VERDICT_UNKNOWN);
	assert_int_equal(GOOD->score, SCORE_FULL);
	assert_true(GOOD->is_probed);
	AWAIT(health_book_is_complete(server.health));
	assert_int_equal(GOOD->verdict.state, VERDICT_UP);
	assert_int_equal(GOOD->score, SCORE_FULL);
	assert_string_equal(GOOD->reason, "");
	assert_int_equal(BAD->verdict.state, VERDICT_DOWN);
	assert_int_equal(BAD->score, 0);
	assert_string_equal(BAD->reason, "connection refused");
	assert_true(BAD->changed_unix_ms > 0 && BAD->changed_ms > 0 && !BAD->is_settled);
	assert_int_equal(progresses, 2);
	assert_int_equal(changes, 2);
}

static void targets_are_shared_by_services(void **state)
{
	service_count = 2;
	vips[1][1].check = port;
	sync_now();
	assert_int_equal(entry_count(), 3);
	assert_non_null(entry_of("127.0.0.2", "port"));
	services[0].check = services[1].check = NULL; /* always up: nothing to know */
	sync_now();
	assert_int_equal(entry_count(), 1);
	service_count = 0;
	sync_now();
	assert_int_equal(entry_count(), 0);
	assert_true(health_book_is_complete(server.health));
	assert_null(GOOD);
}

static void pending_failures_and_the_fall_reach_the_world(void **state)
{
	sync_now();
	AWAIT(health_book_is_complete(server.health));
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
	assert_true(origin_open(&origin, server.base, "127.0.0.1", origin.port));
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
	checks[0].interval_ms = 3600000;
	sync_now();
	AWAIT(health_book_is_complete(server.health));
	uint64_t changed_ms = BAD->changed_ms;
	checks[0].interval_ms = 150; /* holds from now on, not from the next hour */
	checks[0].rise = 1;
	checks[0].path = other; /* which only http asks */
	sync_now();
	assert_int_equal(BAD->verdict.state, VERDICT_DOWN);
	assert_int_equal(BAD->changed_ms, changed_ms);
	assert_true(BAD->is_probed && health_book_is_complete(server.health));
	uint64_t rounds = BAD->latency_count;
	AWAIT(BAD->latency_count > rounds + 1);
	checks[0].type = CHECK_HTTP;
	origin_reply(&origin, "HTTP/1.1 200 OK\r\n\r\n");
	sync_now(); /* another question: nothing is known of it */
	assert_int_equal(BAD->verdict.state, VERDICT_UNKNOWN);
	assert_false(health_book_is_complete(server.health));
	AWAIT(health_book_is_complete(server.health));
	assert_int_equal(GOOD->verdict.state, VERDICT_UP);
	checks[0].host = host;
	sync_now();
	assert_int_equal(GOOD->verdict.state, VERDICT_UNKNOWN);
}

static void nobody_probes_nothing_is_known(void **state)
{
	config.has_probes = false;
	sync_now();
	assert_int_equal(GOOD->verdict.state, VERDICT_UNKNOWN);
	assert_false(GOOD->is_probed);
	assert_true(health_book_is_complete(server.health));
	config.has_probes = true;
	sync_now();
	AWAIT(health_book_is_complete(server.health));
	assert_int_equal(BAD->verdict.state, VERDICT_DOWN);
	config.probe_concurrency = 20; /* states outlive a change of concurrency */
	sync_now();
	assert_int_equal(BAD->verdict.state, VERDICT_DOWN);
	uint64_t rounds = BAD->latency_count;
	AWAIT(BAD->latency_count > rounds);
	config.has_probes = false;
	sync_now();
	assert_int_equal(BAD->verdict.state, VERDICT_UNKNOWN);
	assert_int_equal(BAD->score, SCORE_FULL);
	assert_false(BAD->is_probed);
}

static void a_restart_knows_what_was(void **state)
{
	sync_now();
	AWAIT(health_book_is_complete(server.health));
	int64_t changed_unix_ms = BAD->changed_unix_ms;
	uint64_t changed_ms = BAD->changed_ms;
	restart();
	assert_true(health_book_is_complete(server.health));
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
	sync_now();
	AWAIT(health_book_is_complete(server.health));
	health_book_save(server.health);
	assert_int_equal(stored_count, 2);
	for (size_t i = 0; i < stored_count; i++)
		stored[i].changed_unix_ms -= 48 * HOUR_MS;
	server.health = (health_book_free(server.health), health_book_new(&server));
	for (size_t i = 0; i < stored_count; i++)
		stored[i].seen_unix_ms = clock_unix_ms() - 23 * HOUR_MS;
	sync_now();
	assert_int_equal(GOOD->verdict.state, VERDICT_UP);
	server.health = (health_book_free(server.health), health_book_new(&server));
	for (size_t i = 0; i < stored_count; i++)
		stored[i].seen_unix_ms = clock_unix_ms() - 25 * HOUR_MS;
	sync_now();
	assert_int_equal(GOOD->verdict.state, VERDICT_UNKNOWN);
	assert_false(health_book_is_complete(server.health));
	AWAIT(health_book_is_complete(server.health));
	checks[0].type = CHECK_HTTP;
	restart();
	assert_int_equal(GOOD->verdict.state, VERDICT_UNKNOWN);
}

static void a_transition_is_stored_soon(void **state)
{
	sync_now();
	AWAIT(health_book_is_complete(server.health));
	uint64_t start_ms = clock_mono_ms();
	AWAIT(stored_count == 2);
	assert_true(clock_mono_ms() - start_ms <= 1000);
	assert_int_equal(saves, 1); /* both in one transaction */
	store_is_broken = true;
	origin_refuse(&origin);
	AWAIT(saves == 2);
	assert_int_equal(GOOD->verdict.state, VERDICT_DOWN);
	store_is_broken = false; /* nothing is lost: the next save brings it */
	health_book_save(server.health);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(stored[i].state, VIP_DOWN);
}

static void states_are_held_while_probes_cannot_run(void **state)
{
	struct rlimit before, none;
	sync_now();
	AWAIT(health_book_is_complete(server.health));
	uint64_t rounds = GOOD->latency_count;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0; /* whatever is closed meanwhile makes no room */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	AWAIT(health_book_is_frozen(server.health));
	event_base_loopexit(server.base,
			    &(const struct timeval){.tv_usec = 500000}); /* more than `fall` rounds */
	event_base_dispatch(server.base);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(GOOD->verdict.state, VERDICT_UP);
	assert_int_equal(verdict_pending(&GOOD->verdict), 0);
	assert_true(GOOD->latency_count <= rounds + 1);
	AWAIT(!health_book_is_frozen(server.health));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_round_decides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(targets_are_shared_by_services, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pending_failures_and_the_fall_reach_the_world, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_sync_keeps_what_stays_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_probes_nothing_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_restart_knows_what_was, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_old_state_or_another_question_is_not_restored, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_transition_is_stored_soon, set_up, tear_down),
		cmocka_unit_test_setup_teardown(states_are_held_while_probes_cannot_run, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
