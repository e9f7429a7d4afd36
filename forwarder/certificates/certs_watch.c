/* inotify and two timers. Control thread. */
#include "forwarder/certificates/certs_watch.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define EVENTS                                                                                               \
	(IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ATTRIB | IN_DELETE_SELF | \
	 IN_MOVE_SELF | IN_ONLYDIR)

struct certs_watch {
	void (*changed)(void *user);
	void *user;
	int fd; /* -1: inotify is not to be had */
	struct event *readable, *quiet, *poll;
	uint64_t since_ms; /* the first change that was not told yet; 0: none */
};

static void tell(struct certs_watch *watch)
{
	struct timeval period = {.tv_sec = CERTS_WATCH_POLL_S};
	watch->since_ms = 0;
	event_del(watch->quiet);
	event_add(watch->poll, &period);
	watch->changed(watch->user);
}

void certs_watch_touch(struct certs_watch *watch)
{
	uint64_t now_ms = clock_mono_ms();
	struct timeval wait = {.tv_usec = CERTS_WATCH_QUIET_MS * 1000};
	if (watch->since_ms == 0)
		watch->since_ms = now_ms;
	if (now_ms - watch->since_ms < CERTS_WATCH_QUIET_MAX_MS - CERTS_WATCH_QUIET_MS ||
	    !event_pending(watch->quiet, EV_TIMEOUT, NULL))
		event_add(watch->quiet, &wait);
}

static void on_readable(evutil_socket_t fd, short what, void *user)
{
	char events[4096];
	while (read((int)fd, events, sizeof events) > 0)
		; /* which file it was shows in its stamp */
	certs_watch_touch(user);
}

static void on_time(evutil_socket_t fd, short what, void *user)
{
	tell(user);
}

struct certs_watch *certs_watch_new(struct event_base *base, void (*changed)(void *user), void *user)
{
	struct certs_watch *watch = xcalloc(1, sizeof *watch);
	assert(changed);
	watch->changed = changed;
	watch->user = user;
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	watch->quiet = evtimer_new(base, on_time, watch);
	watch->poll = evtimer_new(base, on_time, watch);
	if (watch->fd >= 0)
		watch->readable = event_new(base, watch->fd, EV_READ | EV_PERSIST, on_readable, watch);
	if (!watch->quiet || !watch->poll || (watch->fd >= 0 && !watch->readable))
		abort(); /* out of memory */
	if (watch->readable)
		event_add(watch->readable, NULL);
	event_add(watch->poll, &(struct timeval){.tv_sec = CERTS_WATCH_POLL_S});
	return watch;
}

void certs_watch_free(struct certs_watch *watch)
{
	if (!watch)
		return;
	event_free(watch->quiet);
	event_free(watch->poll);
	if (watch->readable)
		event_free(watch->readable);
	if (watch->fd >= 0)
		close(watch->fd);
	free(watch);
}

bool certs_watch_add(struct certs_watch *watch, const char *directory)
{
	return watch->fd >= 0 && inotify_add_watch(watch->fd, directory, EVENTS) >= 0;
}
