/*
 * Origins and pools outlive worlds: who keeps them, what drains them, when they go, and what checks say of
 * them.
 */
#include "checker/probe_kinds.h"
#include "forwarder/build/origins.h"
#include "lib/clock.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct event_base *base;
static struct origins *origins;
static unsigned changes, queues_freed;

static void on_changed(void *user, const struct origin *origin)
{
	assert_ptr_equal(user, &changes);
	assert_non_null(origin);
	changes++;
}

static void on_free_queue(struct pool_queue *queue)
{
	assert_ptr_equal(queue, &queues_freed);
	queues_freed++;
}

static int set_up(void **state)
{
	const struct origins_hooks hooks = {&changes, on_changed, on_free_queue};
	changes = queues_freed = 0;
	base = event_base_new();
	origins = origins_new(base, 10, 1, &hooks);
	return 0;
}

static int tear_down(void **state)
{
	origins_free(origins);
	event_base_free(base);
	return 0;
}

#define AWAIT(claim)                                               \
	for (uint64_t started_ms = clock_mono_ms(); !(claim);) {   \
		assert_true(clock_mono_ms() - started_ms < 20000); \
		event_base_loop(base, EVLOOP_ONCE);                \
	}

static struct origin *take(const struct pool_state *pool, const char *address, uint16_t port,
			   const char *written)
{
	struct ip ip;
	assert_true(ip_parse(address, &ip));
	return origins_take(origins, pool, &ip, port, written);
}

static void test_the_same_is_one_object(void **state)
{
	struct pool_state *pool = origins_take_pool(origins, "shop", "web");
	assert_string_equal(pool->name, "shop/web");
	assert_ptr_equal(origins_take_pool(origins, "shop", "web"), pool);
	struct pool_state *other = origins_take_pool(origins, "blog", "web");
	assert_int_not_equal(other->number, pool->number);
	struct origin *a = take(pool, "127.0.0.1", 8080, "127.0.0.1:8080");
	assert_ptr_equal(take(pool, "127.0.0.1", 8080, "127.0.0.1:8080"), a);
	struct origin *b = take(pool, "2001:db8::5", 8080, "[2001:db8::5]:8080");
	struct origin *c = take(other, "127.0.0.1", 8080, "127.0.0.1:8080");
	assert_true(a->number != b->number && b->number != c->number && a->number != c->number);
	assert_int_equal(a->generation, 1);
	assert_string_equal(a->text, "127.0.0.1:8080");
	assert_string_equal(b->text, "[2001:db8::5]:8080");
	assert_true(a->key == c->key && a->key != b->key);
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->address;
	assert_int_equal(a->address_length, sizeof *in);
	assert_int_equal(ntohs(in->sin_port), 8080);
	assert_int_equal(ntohl(in->sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(b->address.ss_family, AF_INET6);
	assert_int_equal(atomic_load(&a->state), ORIGIN_UP);
	assert_int_equal(origins_count(origins), 3);
	struct origins_row row;
	size_t at = 0, rows = 0;
	while (origins_next(origins, &at, &row))
		rows++;
	assert_int_equal(rows, 3);
	origins_give(origins, a);
	origins_give(origins, a);
	origins_give(origins, b);
	origins_give(origins, c);
	origins_give_pool(origins, pool);
	origins_give_pool(origins, pool);
	origins_give_pool(origins, other);
}

static void test_what_left_is_drained_and_may_come_back(void **state)
{
	struct pool_state *pool = origins_take_pool(origins, "shop", "web");
	struct origin *a = take(pool, "127.0.0.1", 80, "127.0.0.1:80");
	pool->queue = (struct pool_queue *)&queues_freed;
	take(pool, "127.0.0.1", 80, "127.0.0.1:80");
	origins_give(origins, a);
	assert_int_equal(atomic_load(&a->is_draining), 0);
	origins_give(origins, a);
	assert_int_equal(atomic_load(&a->is_draining), 1);
	assert_int_equal(changes, 1);
	struct origins_row row;
	size_t at = 0;
	assert_true(origins_next(origins, &at, &row));
	assert_true(row.is_leaving && !row.is_drained && row.origin == a);
	assert_ptr_equal(take(pool, "127.0.0.1", 80, "127.0.0.1:80"), a);
	assert_int_equal(atomic_load(&a->is_draining), 0);
	/* while something is in flight it stays, whatever time goes by */
	atomic_store(&a->in_flight, 1);
	origins_give(origins, a);
	origins_give_pool(origins, pool);
	struct origin *other =
		take(pool = origins_take_pool(origins, "shop", "web"), "127.0.0.2", 80, "127.0.0.2:80");
	uint32_t number = other->number;
	assert_int_not_equal(number, a->number);
	origins_give(origins, other);
	AWAIT(origins_count(origins) == 1);
	at = 0;
	assert_true(origins_next(origins, &at, &row) && row.origin == a);
	other = take(pool, "127.0.0.3", 80, "127.0.0.3:80");
	assert_int_equal(other->number, number);
	assert_int_equal(other->generation, 2);
	origins_give(origins, other);
	origins_give_pool(origins, pool);
	assert_int_equal(queues_freed, 0);
	atomic_store(&a->in_flight, 0);
	AWAIT(origins_count(origins) == 0);
	AWAIT(queues_freed == 1);
}

static void test_an_operators_hand(void **state)
{
	struct pool_state *pool = origins_take_pool(origins, "shop", "web");
	struct pool_state *other = origins_take_pool(origins, "shop", "api");
	struct origin *a = take(pool, "127.0.0.1", 80, "127.0.0.1:80");
	struct origin *b = take(other, "127.0.0.1", 80, "127.0.0.1:80");
	origins_drain(origins, "shop", "web", "127.0.0.1:80");
	assert_int_equal(atomic_load(&a->is_draining), 1);
	assert_int_equal(atomic_load(&b->is_draining), 0);
	/* those that come later, by their name too */
	origins_drain(origins, "shop", "web", "app.example:81");
	struct origin *c = take(pool, "127.0.0.2", 81, "app.example:81");
	struct origin *d = take(pool, "127.0.0.3", 81, "app.example:81");
	assert_int_equal(atomic_load(&c->is_draining), 1);
	assert_int_equal(atomic_load(&d->is_draining), 1);
	origins_restore(origins, "shop", "web", "127.0.0.1:80");
	assert_int_equal(atomic_load(&a->is_draining), 0);
	assert_int_equal(atomic_load(&c->is_draining), 1);
	origins_restore_all(origins);
	assert_int_equal(atomic_load(&c->is_draining), 0);
	/* a drained one that left stays drained when the hand is taken off */
	origins_drain(origins, "shop", "web", "127.0.0.1:80");
	origins_give(origins, a);
	origins_restore_all(origins);
	assert_int_equal(atomic_load(&a->is_draining), 1);
	origins_give(origins, b);
	origins_give(origins, c);
	origins_give(origins, d);
	origins_give_pool(origins, pool);
	origins_give_pool(origins, other);
}

/* ---- checks ---- */

static int listen_somewhere(uint16_t *ret_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof in;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	in.sin_port = htons(*ret_port);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &length), 0);
	*ret_port = ntohs(in.sin_port);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void test_checks_take_an_origin_out_and_bring_it_back(void **state)
{
	uint16_t port = 0;
	int fd = listen_somewhere(&port);
	char written[32];
	struct origins_check check = {.spec = {.kind = probe_kinds_find("tcp"),
					       .port = 1, /* the origin's own is taken */
					       .interval_ms = 20,
					       .timeout_ms = 1000},
				      .limits = {.rise = 2, .fall = 2, .clear = 1},
				      .digest = 1};
	struct pool_state *pool = origins_take_pool(origins, "shop", "web");
	snprintf(written, sizeof written, "127.0.0.1:%u", port);
	struct origin *origin = take(pool, "127.0.0.1", port, written);
	struct origins_row row;
	size_t at = 0;
	origins_set_check(origins, origin, &check);
	AWAIT((at = 0, origins_next(origins, &at, &row) && row.verdict == VERDICT_UP));
	assert_true(row.is_checked);
	assert_int_equal(changes, 0); /* it was up all the time */
	assert_int_equal(atomic_load(&origin->state), ORIGIN_UP);
	close(fd);
	AWAIT(atomic_load(&origin->state) == ORIGIN_DOWN);
	at = 0;
	assert_true(origins_next(origins, &at, &row));
	assert_true(row.verdict == VERDICT_DOWN && *row.reason && row.changed_ms > 0);
	assert_int_equal(changes, 1);
	atomic_store(&origin->slow_start_ns, 0);
	fd = listen_somewhere(&port);
	AWAIT(atomic_load(&origin->state) == ORIGIN_UP);
	assert_true(atomic_load(&origin->slow_start_ns) > 0);
	assert_int_equal(changes, 2);
	/* the same check again forgets nothing */
	origins_set_check(origins, origin, &check);
	at = 0;
	assert_true(origins_next(origins, &at, &row) && row.verdict == VERDICT_UP);
	close(fd);
	AWAIT(atomic_load(&origin->state) == ORIGIN_DOWN);
	/* without a check it is up */
	origins_set_check(origins, origin, NULL);
	assert_int_equal(atomic_load(&origin->state), ORIGIN_UP);
	origins_give(origins, origin);
	origins_give_pool(origins, pool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_same_is_one_object),
		TEST(test_what_left_is_drained_and_may_come_back),
		TEST(test_an_operators_hand),
		TEST(test_checks_take_an_origin_out_and_bring_it_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
