/*
 * GET /v1/export: the fleet as one document. A large one is written piece by piece between the loop's other
 * work, and anew where the fleet changed meanwhile, so that it is the fleet of one moment. Control thread.
 */
#include "gslb/api/api_request.h"
#include "lib/mem.h"
#include <stdlib.h>
#include <string.h>

#define PIECE_OBJECTS 2000 /* 3 ms of tenants */
#define RESTARTS_MAX 3	   /* then in one go: who changes the fleet all the time has to wait once */

struct export_job {
	const struct server *server;
	struct api_jobs *jobs;
	struct api_deferred *deferred;
	struct fleet_export *output;
	bool with_base;
	const struct fleet *fleet; /* that `output` is of */
	uint64_t fleet_version;
	unsigned restarts;
	struct event *timer;
	struct export_job *next; /* in jobs->exports */
};

static void job_free(struct export_job *job)
{
	event_free(job->timer);
	fleet_export_free(job->output);
	free(job);
}

void export_jobs_free(struct export_job *jobs)
{
	while (jobs) {
		struct export_job *next = jobs->next;
		job_free(jobs);
		jobs = next;
	}
}

static void reply_export(struct fleet_export *output, struct api_reply *reply)
{
	size_t length;
	char *text = fleet_export_take(output, &length);
	api_reply_owned_text(reply, 200, "application/yaml", text, length);
}

static void finish(struct export_job *job)
{
	struct export_job **link = &job->jobs->exports;
	struct api_reply reply;
	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	api_reply_init(&reply);
	reply_export(job->output, &reply);
	job->deferred->finish(job->deferred, &reply);
	api_reply_done(&reply);
	job_free(job);
}

static void begin(struct export_job *job)
{
	fleet_export_free(job->output);
	job->output = fleet_export_new(job->with_base);
	job->fleet = server_fleet(job->server);
	job->fleet_version = server_fleet_version(job->server);
}

/* By a timer, not by event_active(): those are served before anything that came in. */
static void go_on_later(struct export_job *job)
{
	event_add(job->timer, &(const struct timeval){0});
}

static void on_turn(evutil_socket_t none, short what, void *user)
{
	struct export_job *job = user;
	if (job->fleet != server_fleet(job->server) ||
	    job->fleet_version != server_fleet_version(job->server)) {
		job->restarts++;
		begin(job);
	}
	size_t most = job->restarts > RESTARTS_MAX ? SIZE_MAX : PIECE_OBJECTS;
	if (fleet_export_step(job->output, job->fleet, most))
		go_on_later(job);
	else
		finish(job);
}

void api_get_export(struct api_request *request, struct api_reply *reply)
{
	struct server *server = request->server;
	const char *source = api_param(request, "source");
	bool is_all = source && strcmp(source, "all") == 0;
	if (source && !is_all && strcmp(source, "store") != 0) {
		api_reply_problem(reply, PROBLEM_BAD_REQUEST, NULL, "source is store or all");
		return;
	}
	struct fleet_export *output = fleet_export_new(is_all);
	if (!fleet_export_step(output, server_fleet(server), PIECE_OBJECTS)) {
		reply_export(output, reply);
		fleet_export_free(output);
		return;
	}
	struct export_job *job = xcalloc(1, sizeof(*job));
	*job = (struct export_job){.server = server,
				   .jobs = request->jobs,
				   .deferred = request->deferred,
				   .output = output,
				   .with_base = is_all,
				   .fleet = server_fleet(server),
				   .fleet_version = server_fleet_version(server),
				   .next = request->jobs->exports};
	job->timer = evtimer_new(server_base(server), on_turn, job);
	request->jobs->exports = job;
	reply->is_deferred = true;
	go_on_later(job);
}
