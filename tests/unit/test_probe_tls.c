/* tls and https probes against a real server: names, certificates, resumption, kept connections. */
#include "checker/probe_tls.h"
#include "lib/clock.h"
#include "tests/unit/origin.h"
#include "tests/unit/probing.h"
#include "tests/unit/tls_origin.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct event_base *base;
static struct certificate authority, good;
static struct tls_origin server;
static struct probe_kept kept;
static struct probing probing;

static int set_up(void **state)
{
	base = event_base_new();
	probing = (struct probing){.base = base};
	authority = certificate_make("Test authority", NULL, -DAY_S, 400 * DAY_S, NULL);
	good = certificate_make("shop.test", "DNS:shop.test", -DAY_S, 30 * DAY_S + 3600, &authority);
	certificate_trust(&authority);
	kept.tls = tls_client_new();
	tls_origin_start(&server, &good);
	server.reply = OK_REPLY;
	return 0;
}

static int tear_down(void **state)
{
	probe_kept_done(&kept);
	tls_client_free(kept.tls);
	tls_origin_stop(&server);
	certificate_distrust();
	certificate_free(&authority);
	certificate_free(&good);
	event_base_free(base);
	return 0;
}

static const char *probe_with(struct probe_spec *spec)
{
	spec->port = spec->port ? spec->port : server.port;
	spec->timeout_ms = spec->timeout_ms ? spec->timeout_ms : 5000;
	return probing_end(&probing, "127.0.0.1", spec, &kept);
}

static const char *name_sent_to(const char *target, const char *host, const char *sni)
{
	static char name[PROBE_TLS_NAME_MAX];
	struct ip ip = {.family = 4};
	struct probe_spec spec = {.kind = probe_kinds_find("tls"), .name = target, .host = host, .sni = sni};
	const char *sent = probe_tls_question(&ip, &spec, name).name;
	return sent ? sent : "none";
}

static const char *name_sent(const char *host, const char *sni)
{
	return name_sent_to(NULL, host, sni);
}

static void the_target_has_a_name_of_its_own(void **state)
{
	assert_string_equal(name_sent_to("lb.cloud.test.", NULL, NULL), "lb.cloud.test");
	assert_string_equal(name_sent_to("lb.cloud.test.", "shop.test", NULL), "shop.test");
	assert_string_equal(name_sent_to("lb.cloud.test.", NULL, "shop.test"), "shop.test");
	assert_string_equal(name_sent_to("lb.cloud.test.", "192.0.2.1", NULL), "none");
}

static void the_name_is_the_hosts_where_it_is_one(void **state)
{
	assert_string_equal(name_sent(NULL, NULL), "none");
	assert_string_equal(name_sent("shop.test", NULL), "shop.test");
	assert_string_equal(name_sent("shop.test:8443", NULL), "shop.test");
	assert_string_equal(name_sent("shop.test.", NULL), "shop.test");
	assert_string_equal(name_sent("192.0.2.1", NULL), "none");
	assert_string_equal(name_sent("192.0.2.1:443", NULL), "none");
	assert_string_equal(name_sent("2001:db8::1", NULL), "none");
	assert_string_equal(name_sent("[2001:db8::1]:443", NULL), "none");
	assert_string_equal(name_sent("192.0.2.1", "shop.test"), "shop.test");
	assert_string_equal(name_sent("a.test", "b.test"), "b.test");
}

static void a_handshake_is_up(void **state)
{
	struct probe_spec spec = {
		.kind = probe_kinds_find("tls"), .sni = "shop.test", .verify = PROBE_VERIFY_FULL};
	assert_string_equal(probe_with(&spec), "good");
	spec.expires_within_ms = 14 * DAY_S * 1000;
	assert_string_equal(probe_with(&spec), "good");
	spec.expires_within_ms = 60 * DAY_S * 1000;
	assert_string_equal(probe_with(&spec), "certificate expires in 30d");
	spec.expires_within_ms = 0;
	spec.sni = "other.test";
	assert_string_equal(probe_with(&spec), "certificate is for shop.test");
	spec.verify = PROBE_VERIFY_CHAIN;
	assert_string_equal(probe_with(&spec), "good");
}

static void a_certificate_that_changed_is_seen_at_once(void **state)
{
	static const struct probe_header keep = {"Connection", "keep-alive"};
	struct probe_spec spec = {.kind = probe_kinds_find("https"),
				  .path = "/",
				  .host = "shop.test",
				  .verify = PROBE_VERIFY_FULL,
				  .headers = &keep,
				  .header_count = 1};
	struct certificate old = certificate_make("shop.test", "DNS:shop.test", -9 * DAY_S, -60, &authority);
	server.stays_open = true;
	assert_string_equal(probe_with(&spec), "good");
	assert_string_equal(probe_with(&spec), "good");
	/* The same context, so that its old sessions would still be good. */
	SSL_CTX_use_certificate(server.context, old.x509);
	SSL_CTX_use_PrivateKey(server.context, old.key);
	assert_string_equal(probe_with(&spec), "certificate expired");
	assert_int_equal(server.resumptions, 0);
	certificate_free(&old);
}

static void no_tls_is_no_handshake(void **state)
{
	struct probe_spec spec = {.kind = probe_kinds_find("tls")};
	server.speaks_plainly = true;
	server.reply = "220 mail.example ESMTP\r\n";
	assert_string_equal(probe_with(&spec), "handshake failed: the answer is not TLS");
	server.is_mute = true;
	server.speaks_plainly = false;
	spec.timeout_ms = 80;
	uint64_t start_ms = clock_mono_ms();
	assert_string_equal(probe_with(&spec), "timeout");
	assert_in_range(clock_mono_ms() - start_ms, 75, 1000);
}

static void a_closed_port_is_refused(void **state)
{
	struct origin nobody = {0};
	assert_true(origin_open(&nobody, base, "127.0.0.1", 0));
	origin_refuse(&nobody);
	struct probe_spec spec = {.kind = probe_kinds_find("tls"), .port = nobody.port};
	assert_string_equal(probe_with(&spec), "connection refused");
}

static void https_is_http_inside(void **state)
{
	struct probe_spec spec = {
		.kind = probe_kinds_find("https"), .path = "/up", .host = "shop.test", .body = "ok"};
	assert_string_equal(probe_with(&spec), "good");
	assert_string_equal(server.name, "shop.test");
	assert_string_equal(server.alpn, "http/1.1");
	server.reply = "HTTP/1.1 503 Busy\r\n\r\n";
	assert_string_equal(probe_with(&spec), "status 503");
	server.reply = NULL;
	assert_string_equal(probe_with(&spec), "connection closed without a response");
}

static void sessions_are_resumed_where_nobody_judges(void **state)
{
	struct probe_spec spec = {.kind = probe_kinds_find("https"), .path = "/"};
	for (int i = 0; i < 3; i++)
		assert_string_equal(probe_with(&spec), "good");
	assert_int_equal(server.handshakes, 3);
	assert_int_equal(server.resumptions, 2);
}

static void a_connection_is_kept_where_the_check_asks_for_it(void **state)
{
	static const struct probe_header keep = {"connection", "Keep-Alive"};
	struct probe_spec spec = {
		.kind = probe_kinds_find("https"), .path = "/", .headers = &keep, .header_count = 1};
	server.stays_open = true;
	server.requests_per_connection = 2;
	for (int i = 0; i < 4; i++)
		assert_string_equal(probe_with(&spec), "good");
	assert_int_equal(server.requests, 4);
	assert_int_equal(server.connections, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_target_has_a_name_of_its_own),
		cmocka_unit_test(the_name_is_the_hosts_where_it_is_one),
		cmocka_unit_test_setup_teardown(a_handshake_is_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_certificate_that_changed_is_seen_at_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(no_tls_is_no_handshake, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_closed_port_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(https_is_http_inside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sessions_are_resumed_where_nobody_judges, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_connection_is_kept_where_the_check_asks_for_it, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
