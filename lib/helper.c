/* One thread for one piece of work, and an eventfd by which it tells that it is done. Control thread. */
#include "lib/helper.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct helper {
	void (*work)(void *user);
	void (*done)(void *user);
	void *user;
	pthread_t thread;
	bool is_running;
	int wakeup; /* eventfd: the work is done */
	struct event *event;
};

static void *run(void *user)
{
	struct helper *helper = user;
	helper->work(helper->user);
	uint64_t one = 1;
	if (write(helper->wakeup, &one, sizeof one) != sizeof one)
		abort(); /* an eventfd that was never written cannot be full */
	return NULL;
}

static void on_done(evutil_socket_t fd, short what, void *user)
{
	struct helper *helper = user;
	assert(helper->is_running);
	void (*done)(void *) = helper->done;
	void *its = helper->user;
	helper_free(helper);
	done(its);
}

struct helper *helper_start(struct event_base *base, void (*work)(void *user), void (*done)(void *user),
			    void *user)
{
	struct helper *helper = xcalloc(1, sizeof *helper);
	assert(work && done);
	*helper = (struct helper){.work = work, .done = done, .user = user};
	helper->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int reason = errno;
	if (helper->wakeup >= 0) {
		helper->event = event_new(base, helper->wakeup, EV_READ, on_done, helper);
		if (!helper->event)
			abort(); /* out of memory */
		event_add(helper->event, NULL);
		reason = pthread_create(&helper->thread, NULL, run, helper);
		helper->is_running = reason == 0;
		if (helper->is_running)
			return helper;
	}
	helper_free(helper);
	errno = reason;
	return NULL;
}

void helper_free(struct helper *helper)
{
	if (!helper)
		return;
	if (helper->is_running)
		pthread_join(helper->thread, NULL);
	if (helper->event)
		event_free(helper->event);
	if (helper->wakeup >= 0)
		close(helper->wakeup);
	free(helper);
}
