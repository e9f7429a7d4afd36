/* Signals and limits of a daemon's process. Main thread. */
#include "daemon/run.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define STOP_SIGNALS 2

struct run {
	struct event_base *base;
	struct event *stop[STOP_SIGNALS], *hang_up, *user1;
	run_reload_fn *reload, *reopen;
	void *user;
};

static void on_stop(evutil_socket_t signal, short what, void *user)
{
	event_base_loopbreak(((struct run *)user)->base);
}

static void on_hang_up(evutil_socket_t signal, short what, void *user)
{
	struct run *run = user;
	run->reload(run->user);
}

static void on_user1(evutil_socket_t signal, short what, void *user)
{
	struct run *run = user;
	run->reopen(run->user);
}

/* The soft limit is low for programs that use select(2), of which this is none. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_warning("the number of open files stays limited: %s", strerror(errno));
}

struct run *run_new(struct event_base *base, run_reload_fn *reload, void *user)
{
	static const int stop_signals[STOP_SIGNALS] = {SIGTERM, SIGINT};
	assert(base && reload);
	struct run *run = xcalloc(1, sizeof *run);
	*run = (struct run){.base = base, .reload = reload, .user = user};
	for (size_t i = 0; i < STOP_SIGNALS; i++) {
		run->stop[i] = evsignal_new(base, stop_signals[i], on_stop, run);
		evsignal_add(run->stop[i], NULL);
	}
	run->hang_up = evsignal_new(base, SIGHUP, on_hang_up, run);
	evsignal_add(run->hang_up, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of that write, like a full disk */
	raise_descriptor_limit();
	return run;
}

void run_set_reopen(struct run *run, run_reload_fn *reopen)
{
	assert(reopen && !run->user1);
	run->reopen = reopen;
	run->user1 = evsignal_new(run->base, SIGUSR1, on_user1, run);
	evsignal_add(run->user1, NULL);
}

void run_free(struct run *run)
{
	if (!run)
		return;
	for (size_t i = 0; i < STOP_SIGNALS; i++)
		event_free(run->stop[i]);
	event_free(run->hang_up);
	if (run->user1)
		event_free(run->user1);
	free(run);
}
