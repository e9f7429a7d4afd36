/* What systemd hears: the state, whole, over a path and over an abstract name; nothing where nobody listens.
 */
#include "daemon/sd_notify.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

static char directory[] = "/tmp/gslb-sd-notify-XXXXXX";

static int listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void expect(int fd, const char *wanted)
{
	char heard[64] = "";

	assert_int_equal(recv(fd, heard, sizeof heard - 1, MSG_DONTWAIT), strlen(wanted));
	assert_string_equal(heard, wanted);
	close(fd);
}

static void test_path(void **state)
{
	char path[64];

	snprintf(path, sizeof path, "%s/notify", directory);
	int fd = listen_at(path);
	assert_true(sd_notify_send("READY=1\nSTATUS=serving"));
	expect(fd, "READY=1\nSTATUS=serving");
	assert_false(sd_notify_send("READY=1")); /* nobody is there any more */
	unlink(path);
}

static void test_abstract_name(void **state)
{
	char name[64];

	snprintf(name, sizeof name, "@gslb-sd-notify-%d", (int)getpid());
	int fd = listen_at(name);
	assert_true(sd_notify_send("STOPPING=1"));
	expect(fd, "STOPPING=1");
}

static void test_nobody_asked(void **state)
{
	char longest[200];

	unsetenv("NOTIFY_SOCKET");
	assert_false(sd_notify_send("READY=1"));
	setenv("NOTIFY_SOCKET", "", 1);
	assert_false(sd_notify_send("READY=1"));
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_false(sd_notify_send("READY=1"));
	memset(longest, 'a', sizeof longest);
	longest[0] = '/';
	longest[sizeof longest - 1] = '\0';
	setenv("NOTIFY_SOCKET", longest, 1);
	assert_false(sd_notify_send("READY=1"));
}

static int setup(void **state)
{
	return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_abstract_name),
		cmocka_unit_test(test_nobody_asked),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
