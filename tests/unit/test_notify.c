/* The notification hook: commands and receivers, good, bad and slow; a queue that is bounded. */
#include "health/notify.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "tests/unit/origin.h"
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct event_base *base;
static struct notify *notify;
static struct origin origin;
static char directory[64], out_path[128], post_address[] = "127.0.0.1", post_target[] = "/hook?a=b",
					  post_host[32], post[] = "http://test/";
static char shell[] = "/bin/sh", minus_c[] = "-c", script[512];
static char *words[] = {shell, minus_c, script, NULL};
static const struct notify_settings by_command = {.exec_count = 3, .exec = words};
static struct notify_settings by_post;

static int set_up(void **state)
{
	log_init("test", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	snprintf(directory, sizeof directory, "/tmp/gslb-notify-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(out_path, sizeof out_path, "%s/out", directory);
	base = event_base_new();
	notify = notify_new(base);
	memset(&origin, 0, sizeof origin);
	if (!origin_open(&origin, base, "127.0.0.1", 0))
		return -1;
	snprintf(post_host, sizeof post_host, "127.0.0.1:%u", origin.port);
	by_post = (struct notify_settings){.post = post,
					   .post_address = post_address,
					   .post_host = post_host,
					   .post_target = post_target,
					   .post_port = origin.port};
	return 0;
}

static int tear_down(void **state)
{
	notify_free(notify);
	origin_settle(&origin);
	event_base_free(base);
	unlink(out_path);
	return rmdir(directory);
}

/* $OUT is the file that a test looks into. */
static void use_script(const char *text)
{
	snprintf(script, sizeof script, "OUT=%s; %s", out_path, text);
	notify_configure(notify, &by_command);
}

static void tell(const char *vip)
{
	struct notice notice = {.unix_ms = 1700000000123,
				.service = "shop",
				.region = "eu",
				.vip = vip,
				.check = "web",
				.from = "up",
				.to = "down",
				.reason = "body does not contain \"ok\""};
	notify_send(notify, &notice);
}

/* Turns the loop until the claim holds; twenty seconds are too long for anything here. */
#define AWAIT(claim)                                               \
	for (uint64_t started_ms = clock_mono_ms(); !(claim);) {   \
		assert_true(clock_mono_ms() - started_ms < 20000); \
		event_base_loop(base, EVLOOP_ONCE);                \
	}

static const char *written(void)
{
	static char text[65536];
	FILE *file = fopen(out_path, "r");
	size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
	text[length] = '\0';
	if (file)
		fclose(file);
	return text;
}

#define LINE(vip)                                                                                            \
	"{\"time\":\"2023-11-14T22:13:20Z\",\"service\":\"shop\",\"region\":\"eu\",\"vip\":\"" vip           \
	"\",\"check\":\"web\",\"from\":\"up\",\"to\":\"down\",\"reason\":\"body does not contain \\\"ok\\\"" \
	"\"}\n"

static void a_command_reads_one_line(void **state)
{
	use_script("cat >>$OUT");
	tell("192.0.2.1");
	tell("2001:db8::1");
	assert_string_equal(written(), ""); /* nothing is done before the loop turns */
	AWAIT(notify_counts(notify).sent == 2);
	assert_string_equal(written(), LINE("192.0.2.1") LINE("2001:db8::1"));
}

static void a_command_inherits_nothing_of_ours(void **state)
{
	int secret = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	use_script("ls /proc/self/fd | wc -l >$OUT; trap '' PIPE");
	tell("192.0.2.1");
	AWAIT(notify_counts(notify).sent == 1);
	close(secret);
	assert_int_equal(atoi(written()), 4); /* its three, and the one of ls on the folder */
}

static void failures_are_counted_and_the_next_is_told(void **state)
{
	use_script("cat >/dev/null; exit 3");
	tell("192.0.2.1");
	AWAIT(notify_counts(notify).failed == 1);
	use_script("kill -9 $$");
	tell("192.0.2.1");
	AWAIT(notify_counts(notify).failed == 2);
	use_script("true"); /* does not even read */
	tell("192.0.2.1");
	AWAIT(notify_counts(notify).sent == 1);
}

static void a_command_that_cannot_be_run_is_a_failure(void **state)
{
	static char nowhere[] = "/nonexistent/hook";
	static char *nothing[] = {nowhere, NULL};
	struct notify_settings settings = {.exec_count = 1, .exec = nothing};
	notify_configure(notify, &settings);
	tell("192.0.2.1");
	tell("192.0.2.2");
	AWAIT(notify_counts(notify).failed == 2);
}

static void one_at_a_time_and_a_slow_one_is_killed(void **state)
{
	use_script("[ -s $OUT ] && kill -0 $(head -n 1 $OUT) && echo both >>$OUT; echo $$ >>$OUT; exec sleep "
		   "60");
	tell("192.0.2.1");
	tell("192.0.2.2");
	uint64_t start_ms = clock_mono_ms();
	AWAIT(notify_counts(notify).failed == 1);
	assert_in_range(clock_mono_ms() - start_ms, NOTIFY_WAIT_S * 1000 - 100, NOTIFY_WAIT_S * 1000 + 3000);
	int child = atoi(written());
	assert_int_equal(kill(child, 0), -1); /* and reaped */
	AWAIT(strchr(strchr(written(), '\n') + 1, '\n'));
	assert_null(strstr(written(), "both"));		  /* the second did not start meanwhile */
	kill(atoi(strchr(written(), '\n') + 1), SIGKILL); /* ours, and still running */
	AWAIT(notify_counts(notify).failed == 2);
}

static void the_oldest_give_way(void **state)
{
	char vip[32];
	use_script("cat >>$OUT");
	for (int i = 0; i < NOTIFY_QUEUE_MAX + 5; i++) {
		snprintf(vip, sizeof vip, "192.0.2.%d", i);
		tell(vip);
	}
	assert_int_equal(notify_counts(notify).dropped, 5);
	AWAIT(notify_counts(notify).sent == 2);
	assert_non_null(strstr(written(), "192.0.2.5\""));
	assert_null(strstr(written(), "192.0.2.4\""));
	struct notify_settings nobody = {0};
	notify_configure(notify, &nobody);
	tell("192.0.2.1");
	uint64_t sent = notify_counts(notify).sent;
	/* one may be under way; nothing is left */
	event_base_loopexit(base, &(const struct timeval){.tv_usec = 200000});
	event_base_dispatch(base);
	assert_in_range(notify_counts(notify).sent, sent, sent + 1);
}

static void a_receiver_gets_a_post(void **state)
{
	notify_configure(notify, &by_post);
	origin_reply(&origin, "HTTP/1.1 204 No Content\r\n\r\n");
	tell("192.0.2.1");
	AWAIT(notify_counts(notify).sent == 1);
	assert_non_null(strstr(origin.request, "POST /hook?a=b HTTP/1.1\r\n"));
	assert_non_null(strstr(origin.request, post_host));
	assert_non_null(strstr(origin.request, "Content-Type: application/json\r\n"));
	const char *body = strstr(origin.request, "\r\n\r\n");
	assert_string_equal(body + 4, LINE("192.0.2.1"));
}

static void bad_receivers_are_failures(void **state)
{
	notify_configure(notify, &by_post);
	origin_reply(&origin, "HTTP/1.1 500 Oops\r\n\r\n");
	tell("192.0.2.1");
	AWAIT(notify_counts(notify).failed == 1);
	origin_reply(&origin, "220 mail.example ESMTP\r\n");
	tell("192.0.2.1");
	AWAIT(notify_counts(notify).failed == 2);
	origin_refuse(&origin);
	tell("192.0.2.1");
	tell("192.0.2.1");
	AWAIT(notify_counts(notify).failed == 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_command_reads_one_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_command_inherits_nothing_of_ours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(failures_are_counted_and_the_next_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_command_that_cannot_be_run_is_a_failure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_at_a_time_and_a_slow_one_is_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_oldest_give_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_receiver_gets_a_post, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_receivers_are_failures, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
