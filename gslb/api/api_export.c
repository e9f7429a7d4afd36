/*
 * GET /v1/export: the fleet as one document. A large one is written piece by piece between the loop's other
 * work, and anew where the fleet changed meanwhile, so that it is the fleet of one moment. Control thread.
 */
#include "gslb/api/api_internal.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_OBJECTS 2000 /* 3 ms of tenants */
#define RESTARTS_MAX 3	   /* then in one go: who changes the fleet all the time has to wait once */

struct api_export {
	struct api *api;
	struct http_deferred *deferred;
	struct fleet_export *output;
	bool with_base;
	const struct fleet *fleet; /* that `output` is of */
	uint64_t fleet_version;
	unsigned restarts;
	struct event *timer;
	struct api_export *next; /* in api->exports */
};

static void job_free(struct api_export *job)
{
	event_free(job->timer);
	fleet_export_free(job->output);
	free(job);
}

void api_exports_free(struct api_export *jobs)
{
	while (jobs) {
		struct api_export *next = jobs->next;
		job_free(jobs);
		jobs = next;
	}
}

static void reply_export(struct fleet_export *output, struct http_reply *reply)
{
	size_t length;
	char *text = fleet_export_take(output, &length);
	http_reply_owned_text(reply, 200, "application/yaml", text, length);
}

static void finish(struct api_export *job)
{
	struct api_export **link = &job->api->exports;
	struct http_reply reply;
	while (*link != job) {
		assert(*link); /* it is in the list until it has finished */
		link = &(*link)->next;
	}
	*link = job->next;
	http_reply_init(&reply);
	reply_export(job->output, &reply);
	job->deferred->finish(job->deferred, &reply);
	http_reply_done(&reply);
	job_free(job);
}

static void begin(struct api_export *job)
{
	fleet_export_free(job->output);
	job->output = fleet_export_new(job->with_base);
	job->fleet = server_fleet(job->api->server);
	job->fleet_version = server_fleet_version(job->api->server);
}

/* By a timer, not by event_active(): those are served before anything that came in. */
static void go_on_later(struct api_export *job)
{
	event_add(job->timer, &(const struct timeval){0});
}

static void on_turn(evutil_socket_t none, short what, void *user)
{
	struct api_export *job = user;
	assert(job->output && job->api->exports);
	if (job->fleet != server_fleet(job->api->server) ||
	    job->fleet_version != server_fleet_version(job->api->server)) {
		job->restarts++;
		begin(job);
	}
	size_t most = job->restarts > RESTARTS_MAX ? SIZE_MAX : PIECE_OBJECTS;
	if (fleet_export_step(job->output, job->fleet, most))
		go_on_later(job);
	else
		finish(job);
}

void api_get_export(struct http_request *request, struct http_reply *reply)
{
	struct api *api = api_of(request);
	const struct server *server = api->server;
	const char *source = http_request_param(request, "source");
	bool is_all = source && strcmp(source, "all") == 0;
	if (source && !is_all && strcmp(source, "store") != 0) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "source is store or all");
		return;
	}
	struct fleet_export *output = fleet_export_new(is_all);
	if (!fleet_export_step(output, server_fleet(server), PIECE_OBJECTS)) {
		reply_export(output, reply);
		fleet_export_free(output);
		return;
	}
	struct api_export *job = xcalloc(1, sizeof *job);
	*job = (struct api_export){.api = api,
				   .deferred = request->deferred,
				   .output = output,
				   .with_base = is_all,
				   .fleet = server_fleet(server),
				   .fleet_version = server_fleet_version(server),
				   .next = api->exports};
	job->timer = evtimer_new(server_base(server), on_turn, job);
	api->exports = job;
	reply->is_deferred = true;
	go_on_later(job);
}
