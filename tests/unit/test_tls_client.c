/* What the checks say of certificates: every wrong one has its own short reason. */
#include "checker/stream.h"
#include "tests/unit/tls_origin.h"
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct certificate authority;
static struct tls_client *client;
static char reason[TLS_REASON_MAX];

static int set_up(void **state)
{
	authority = certificate_make("Test authority", NULL, -DAY_S, 400 * DAY_S, NULL);
	certificate_trust(&authority);
	client = tls_client_new();
	return 0;
}

static int tear_down(void **state)
{
	tls_client_free(client);
	certificate_distrust();
	certificate_free(&authority);
	return 0;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

/* One handshake with a server that shows the certificate; "good", or why not. */
static const char *judge(const struct certificate *certificate, const struct tls_question *question)
{
	static struct tls_origin origin;
	tls_origin_start(&origin, certificate);
	struct stream *stream = stream_tls(connect_to(origin.port), client, question, NULL);
	assert_int_equal(stream_handshake(stream), STREAM_GOOD); /* the socket blocks */
	const char *wrong = stream_judge_certificate(stream);
	snprintf(reason, sizeof reason, "%s", wrong ? wrong : "good");
	stream_free(stream, false);
	tls_origin_stop(&origin);
	return reason;
}

static const char *judge_new(const char *names, long from_s, long until_s, const struct certificate *issuer,
			     struct tls_question question)
{
	struct certificate certificate = certificate_make("common.test", names, from_s, until_s, issuer);
	ip_parse("127.0.0.1", &question.address);
	judge(&certificate, &question);
	certificate_free(&certificate);
	return reason;
}

#define CHAIN                                                     \
	{                                                         \
		.name = "shop.test", .verify = PROBE_VERIFY_CHAIN \
	}
#define FULL                                                     \
	{                                                        \
		.name = "shop.test", .verify = PROBE_VERIFY_FULL \
	}
#define GOOD_TIMES -DAY_S, 30 * DAY_S

static void nothing_asked_anything_goes(void **state)
{
	struct tls_question none = {.name = "shop.test"};
	assert_string_equal(judge_new("DNS:other.test", -9 * DAY_S, -DAY_S, NULL, none), "good");
}

static void a_chain_ends_at_somebody_trusted(void **state)
{
	struct tls_question chain = CHAIN;
	assert_string_equal(judge_new("DNS:other.test", GOOD_TIMES, &authority, chain), "good");
	assert_string_equal(judge_new("DNS:shop.test", GOOD_TIMES, NULL, chain),
			    "certificate is self-signed");
	struct certificate stranger = certificate_make("Somebody else", NULL, -DAY_S, 400 * DAY_S, NULL);
	assert_string_equal(judge_new("DNS:shop.test", GOOD_TIMES, &stranger, chain),
			    "certificate issuer is not trusted");
	certificate_free(&stranger);
}

static void times_count(void **state)
{
	struct tls_question chain = CHAIN;
	assert_string_equal(judge_new("DNS:shop.test", -9 * DAY_S, -DAY_S, &authority, chain),
			    "certificate expired");
	assert_string_equal(judge_new("DNS:shop.test", DAY_S, 9 * DAY_S, &authority, chain),
			    "certificate is not valid yet");
}

static void the_name_is_compared(void **state)
{
	struct tls_question full = FULL, address = {.verify = PROBE_VERIFY_FULL};
	assert_string_equal(judge_new("DNS:shop.test", GOOD_TIMES, &authority, full), "good");
	struct tls_question deep = {.name = "eu.shop.test", .verify = PROBE_VERIFY_FULL};
	assert_string_equal(judge_new("DNS:a.test,DNS:*.shop.test", GOOD_TIMES, &authority, deep), "good");
	assert_string_equal(judge_new("DNS:other.test,DNS:more.test", GOOD_TIMES, &authority, full),
			    "certificate is for other.test");
	assert_string_equal(judge_new("IP:192.0.2.1", GOOD_TIMES, &authority, full),
			    "certificate is for 192.0.2.1");
	assert_string_equal(judge_new("email:a@b.test", GOOD_TIMES, &authority, full),
			    "certificate is for common.test");
	assert_string_equal(judge_new("IP:127.0.0.1", GOOD_TIMES, &authority, address), "good");
	assert_string_equal(judge_new("DNS:shop.test", GOOD_TIMES, &authority, address),
			    "certificate is for shop.test");
}

static void a_name_of_a_stranger_is_plain_text(void **state)
{
	struct tls_question full = FULL;
	assert_string_equal(judge_new("DNS:a\x1b[2J\xc3.test", GOOD_TIMES, &authority, full),
			    "certificate is for a?[2J?.test");
}

static void an_end_that_is_near_is_told(void **state)
{
	struct tls_question soon = {.name = "shop.test", .expires_within_ms = 14 * DAY_S * 1000};
	assert_string_equal(judge_new("DNS:x.test", -DAY_S, 15 * DAY_S, NULL, soon), "good");
	assert_string_equal(judge_new("DNS:x.test", -DAY_S, 3 * DAY_S + 60, NULL, soon),
			    "certificate expires in 3d");
	assert_string_equal(judge_new("DNS:x.test", -DAY_S, 5 * 3600 + 60, NULL, soon),
			    "certificate expires in 5h");
	assert_string_equal(judge_new("DNS:x.test", -DAY_S, 150, NULL, soon), "certificate expires in 2m");
	assert_string_equal(judge_new("DNS:x.test", -DAY_S, -60, NULL, soon), "certificate expired");
	soon.verify = PROBE_VERIFY_FULL; /* what is wrong now is told before what will be */
	assert_string_equal(judge_new("DNS:x.test", -DAY_S, 3 * DAY_S, &authority, soon),
			    "certificate is for x.test");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_asked_anything_goes),
		cmocka_unit_test(a_chain_ends_at_somebody_trusted),
		cmocka_unit_test(times_count),
		cmocka_unit_test(the_name_is_compared),
		cmocka_unit_test(a_name_of_a_stranger_is_plain_text),
		cmocka_unit_test(an_end_that_is_near_is_told),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
