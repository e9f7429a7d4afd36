/* A capability is gone from the thread that gives it up and from those that it starts. */
#include "lib/privilege.h"
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define NOBODY 65534

static struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

/* NULL: this thread can do nothing special. */
static const char *find_right(void)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	if (syscall(SYS_capget, &header, data) != 0)
		return "capget";
	if (data[0].permitted || data[1].permitted || data[0].effective || data[1].effective)
		return "a capability is left";
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0) != 0)
		return "what it starts would get it back";
	return NULL;
}

static void *look(void *unused)
{
	return (void *)find_right();
}

/* As systemd starts us: a plain user with the one capability. */
static bool become_plain_user(void)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
	data[0].permitted = data[0].effective = data[0].inheritable = 1u << CAP_NET_BIND_SERVICE;
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
	       syscall(SYS_capset, &header, data) == 0 &&
	       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0;
}

static int drop_and_look(void)
{
	pthread_t thread;
	void *wrong = NULL;
	if (!become_plain_user())
		return 2;
	if (!find_right())
		return 3; /* else the rest proves nothing */
	if (!privilege_drop() || find_right())
		return 4;
	if (pthread_create(&thread, NULL, look, NULL) != 0 || pthread_join(thread, &wrong) != 0)
		return 5;
	return wrong ? 6 : 0;
}

static void drops(void **state)
{
	int status;
	if (geteuid() != 0)
		skip();
	pid_t child = fork();
	if (child == 0)
		_exit(drop_and_look());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void is_harmless_without_any(void **state)
{
	assert_true(privilege_drop());
	assert_true(privilege_drop());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drops),
		cmocka_unit_test(is_harmless_without_any),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
