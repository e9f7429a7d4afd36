/*
 * GET /v1/backup: the store as one file. The copy is made piece by piece between the loop's other work and
 * then sent from the disk. Control thread.
 */
#include "gslb/api/api_internal.h"
#include "lib/mem.h"
#include "store/store.h"
#include "store/store_backup.h"
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

struct api_backup {
	struct api *api;
	struct http_deferred *deferred;
	struct store_backup *backup;
	struct event *timer;
};

void api_backup_free(struct api_backup *job)
{
	if (!job)
		return;
	event_free(job->timer);
	store_backup_free(job->backup);
	free(job);
}

static void finish(struct api_backup *job, int fd, int64_t octets, const struct err_list *errors)
{
	struct http_reply reply;
	assert(job->api->backup == job && (fd < 0 || octets > 0));
	http_reply_init(&reply);
	if (fd < 0) {
		http_reply_errors(&reply, HTTP_PROBLEM_UNAVAILABLE, errors);
	} else { /* the buffer owns the descriptor from here */
		reply.status = 200;
		reply.content_type = "application/vnd.sqlite3";
		if (evbuffer_add_file(reply.body, fd, 0, octets) < 0)
			abort();
	}
	job->api->backup = NULL;
	job->deferred->finish(job->deferred, &reply);
	http_reply_done(&reply);
	api_backup_free(job);
}

/* By a timer, not by event_active(): those are served before anything that came in. */
static void go_on_later(struct api_backup *job)
{
	event_add(job->timer, &(const struct timeval){0});
}

static void on_turn(evutil_socket_t none, short what, void *user)
{
	struct api_backup *job = user;
	struct err_list errors = {0};
	int64_t octets = 0;
	int fd = -1;
	assert(job->api->backup == job);
	enum store_backup_step step = store_backup_step(job->backup, &errors);
	if (step == STORE_BACKUP_MORE) {
		go_on_later(job);
		return;
	}
	if (step == STORE_BACKUP_DONE)
		fd = store_backup_file(job->backup, &octets, &errors);
	finish(job, fd, octets, &errors);
	err_done(&errors);
}

void api_get_backup(struct http_request *request, struct http_reply *reply)
{
	struct api *api = api_of(request);
	struct err_list errors = {0};
	if (api->backup) {
		http_reply_problem(reply, HTTP_PROBLEM_UNAVAILABLE, NULL, "another backup is being taken");
		return;
	}
	struct store_backup *backup = store_backup_start(store_database(server_store(api->server)), &errors);
	if (!backup) {
		http_reply_errors(reply, HTTP_PROBLEM_UNAVAILABLE, &errors);
		err_done(&errors);
		return;
	}
	struct api_backup *job = xcalloc(1, sizeof *job);
	*job = (struct api_backup){.api = api, .deferred = request->deferred, .backup = backup};
	job->timer = evtimer_new(server_base(api->server), on_turn, job);
	api->backup = job;
	reply->is_deferred = true;
	go_on_later(job);
}
