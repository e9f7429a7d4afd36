/*
 * GET /v1/tail: a live sample of the queries that this node answers, one JSON object a line, for as long as
 * the client listens. The workers fill rings (gslb/decide/sample.h) only meanwhile. Control thread.
 */
#include "gslb/api/api_internal.h"
#include "gslb/compile/world_builder.h"
#include "gslb/decide/sample.h"
#include "gslb/decide/words.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "zones/rcode.h"
#include "zones/rrtype.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define LISTENERS_MAX 8
#define TURN_MS 100
#define LINES_A_TURN 500 /* for one listener: what is beyond is counted */

struct listener {
	struct http_deferred *deferred;
	struct evbuffer *lines;
	char tenant[64], region[64]; /* "" all */
	bool has_client;
	struct prefix client;
	uint64_t left;	  /* lines, UINT64_MAX: no bound */
	uint64_t end_ms;  /* monotonic, UINT64_MAX: none */
	uint64_t dropped; /* since the last line that told so */
	unsigned lines_this_turn;
	LIST_ENTRY(listener) link;
};

struct api_tail {
	struct server *server;
	struct event *timer;
	size_t count;
	uint64_t lost; /* of all rings, at the last turn */
	LIST_HEAD(, listener) listeners;
};

/* ---- the rings ---- */

static uint64_t count_lost(const struct api_tail *tail)
{
	size_t count;
	uint64_t lost = 0;
	struct stats *const *stats = server_stats(tail->server, &count);
	for (size_t i = 0; i < count; i++)
		lost += counter_read(&stats[i]->samples->lost);
	return lost;
}

/* The tenant that every listener asks for: then the workers need not tell of others. */
static uint32_t common_tenant(const struct api_tail *tail)
{
	const struct listener *first = LIST_FIRST(&tail->listeners), *listener;
	assert(first && tail->count > 0);
	LIST_FOREACH(listener, &tail->listeners, link)
	if (!*listener->tenant || strcmp(listener->tenant, first->tenant) != 0)
		return SAMPLE_ANY;
	const struct fleet_object *tenant =
		fleet_get(server_fleet(tail->server), FLEET_TENANT, first->tenant);
	return tenant ? tenant->number : SAMPLE_ANY;
}

static void set_wanted(const struct api_tail *tail, bool is_wanted)
{
	size_t count;
	struct stats *const *stats = server_stats(tail->server, &count);
	uint32_t tenant = is_wanted ? common_tenant(tail) : SAMPLE_ANY;
	for (size_t i = 0; i < count; i++) {
		atomic_store_explicit(&stats[i]->samples->tenant, tenant, memory_order_relaxed);
		atomic_store_explicit(&stats[i]->samples->is_wanted, is_wanted, memory_order_relaxed);
	}
}

static void forget_samples(const struct api_tail *tail)
{
	size_t count;
	struct stats *const *stats = server_stats(tail->server, &count);
	for (size_t i = 0; i < count; i++)
		while (sample_peek(stats[i]->samples))
			sample_pop(stats[i]->samples);
}

/* ---- one sample ---- */

static const char *service_of(const struct api_tail *tail, const struct sample *sample)
{
	const struct plan_service *service = NULL;
	if (sample->service != SAMPLE_ANY)
		service = world_builder_service(server_builder(tail->server), sample->service);
	return service ? service->id : NULL;
}

static const char *region_of(const struct api_tail *tail, const struct sample *sample)
{
	const struct world *world = server_world(tail->server);
	assert(sample->region == SAMPLE_NO_REGION || sample->region < REGIONS_MAX);
	if (sample->region == SAMPLE_NO_REGION || !*world->plan->region_id[sample->region])
		return NULL;
	return world->plan->region_id[sample->region];
}

static const char *tenant_of(const struct api_tail *tail, const struct sample *sample)
{
	const struct fleet_tenant *tenant = NULL;
	if (sample->tenant != SAMPLE_ANY)
		tenant = world_builder_tenant(server_builder(tail->server), sample->tenant);
	return tenant ? tenant->object.id : NULL;
}

static void time_text(const struct sample *sample, char out[static 40])
{
	int64_t unix_ms = clock_unix_ms() - (int64_t)((clock_mono_ns() - sample->at_ns) / 1000000);
	char seconds[32];
	text_from_unix_ms(unix_ms, seconds);
	snprintf(out, 40, "%.19s.%03dZ", seconds, (int)(unix_ms % 1000));
}

static json_t *addresses_json(const struct sample *sample)
{
	json_t *list = json_array();
	assert(sample->address_count <= SAMPLE_ADDRESSES);
	for (unsigned i = 0; i < sample->address_count; i++) {
		char text[IP_TEXT_MAX];
		ip_format(&sample->address[i], text);
		json_array_append_new(list, json_text(text));
	}
	return list;
}

static json_t *sample_json(const struct api_tail *tail, const struct sample *sample)
{
	char when[40], client[PREFIX_TEXT_MAX], via[IP_TEXT_MAX], name[NAME_TEXT_MAX] = "", type[16],
								  rcode[RCODE_TEXT_MAX];
	struct prefix prefix = {sample->client, sample->source_bits};
	time_text(sample, when);
	prefix_format(&prefix, client);
	ip_format(&sample->resolver, via);
	if (sample->name_length > 0)
		name_to_text(sample->name, name);
	rrtype_to_text(sample->type, type);
	rcode_to_text(sample->rcode, rcode);
	json_t *json =
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "time", json_text(when), "client",
			  json_text(client), "source", json_text(sample->is_ecs ? "ecs" : "resolver"), "via",
			  json_text(via), "transport", json_text(sample->transport ? "tcp" : "udp"), "name",
			  json_text(*name ? name : NULL), "type", json_text(*name ? type : NULL), "rcode",
			  json_text(rcode));
	json_t *more = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:b, s:o}", "tenant", json_text(tenant_of(tail, sample)),
		"service", json_text(service_of(tail, sample)), "region", json_text(region_of(tail, sample)),
		"step", json_text(sample->is_decided ? words_step((enum step)sample->step) : NULL), "ttl",
		sample->is_decided ? json_integer(sample->ttl) : json_null(), "scope", (int)sample->scope,
		"answer", addresses_json(sample), "truncated", (int)sample->is_truncated, "ede",
		sample->ede >= 0 ? json_integer(sample->ede) : json_null());
	json_object_update(json, more);
	json_decref(more);
	return json;
}

static bool is_asked_for(const struct api_tail *tail, const struct listener *listener,
			 const struct sample *sample)
{
	const char *tenant = *listener->tenant ? tenant_of(tail, sample) : "";
	const char *region = *listener->region ? region_of(tail, sample) : "";
	return listener->left > 0 && tenant && strcmp(listener->tenant, tenant) == 0 && region &&
	       strcmp(listener->region, region) == 0 &&
	       (!listener->has_client || prefix_contains(&listener->client, &sample->client));
}

static void add_line(struct evbuffer *lines, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	evbuffer_add_printf(lines, "%s\n", text);
	free(text);
	json_decref(json);
}

static void tell(const struct api_tail *tail, const struct sample *sample)
{
	struct listener *listener;
	LIST_FOREACH(listener, &tail->listeners, link)
	{
		if (!is_asked_for(tail, listener, sample))
			continue;
		if (listener->lines_this_turn == LINES_A_TURN) {
			listener->dropped++;
			continue;
		}
		listener->lines_this_turn++;
		listener->left -= listener->left != UINT64_MAX;
		add_line(listener->lines, sample_json(tail, sample));
	}
}

/* ---- listeners ---- */

static void listener_free(struct api_tail *tail, struct listener *listener)
{
	assert(tail->count > 0);
	LIST_REMOVE(listener, link);
	evbuffer_free(listener->lines);
	free(listener);
	tail->count--;
}

/* Sends what came; a client that takes too little loses these lines and is told how many. */
static void send_lines(struct api_tail *tail, struct listener *listener)
{
	unsigned lines = listener->lines_this_turn;
	assert(lines <= LINES_A_TURN);
	listener->lines_this_turn = 0;
	if (listener->dropped > 0)
		add_line(listener->lines, json_pack("{s:I}", "dropped", (json_int_t)listener->dropped));
	enum http_piece sent = listener->deferred->piece(listener->deferred, listener->lines);
	if (sent == HTTP_PIECE_SENT)
		listener->dropped = 0;
	else
		listener->dropped += lines;
	evbuffer_drain(listener->lines, evbuffer_get_length(listener->lines));
	if (sent != HTTP_PIECE_GONE && listener->left > 0 && clock_mono_ms() < listener->end_ms)
		return;
	listener->deferred->end(listener->deferred);
	listener_free(tail, listener);
}

static void on_turn(evutil_socket_t none, short what, void *user)
{
	struct api_tail *tail = user;
	struct listener *listener, *next;
	size_t count;
	struct stats *const *stats = server_stats(tail->server, &count);
	for (size_t i = 0; i < count; i++) {
		/* At most a ring's worth: a busy worker must not keep us here. */
		const struct sample *sample;
		for (unsigned n = 0; n < SAMPLE_RING && (sample = sample_peek(stats[i]->samples)); n++) {
			tell(tail, sample);
			sample_pop(stats[i]->samples);
		}
	}
	uint64_t lost = count_lost(tail);
	for (listener = LIST_FIRST(&tail->listeners); listener; listener = next) {
		next = LIST_NEXT(listener, link);
		listener->dropped += lost - tail->lost;
		send_lines(tail, listener);
	}
	tail->lost = lost;
	set_wanted(tail, tail->count > 0);
	if (tail->count > 0)
		evtimer_add(tail->timer, &(const struct timeval){.tv_usec = TURN_MS * 1000});
}

static struct api_tail *tail_new(struct server *server)
{
	struct api_tail *tail = xcalloc(1, sizeof *tail);
	tail->server = server;
	tail->timer = evtimer_new(server_base(server), on_turn, tail);
	return tail;
}

void api_tail_free(struct api_tail *tail)
{
	if (!tail)
		return;
	for (struct listener *listener; (listener = LIST_FIRST(&tail->listeners));)
		listener_free(tail, listener);
	assert(tail->count == 0);
	event_free(tail->timer);
	free(tail);
}

/* ---- the call ---- */

/* False after a problem was put into the reply. */
static bool read_object(const struct http_request *request, struct http_reply *reply, const char *param,
			enum fleet_kind kind, char out[static 64])
{
	const char *id = http_request_param(request, param);
	if (!id)
		return true;
	if (strlen(id) < 64 && fleet_get(server_fleet(api_server(request)), kind, id)) {
		strcpy(out, id);
		return true;
	}
	char known[TEXT_KNOWN_MAX] = "";
	if (kind == FLEET_REGION) /* of other kinds there may be a million */
		fleet_known(server_fleet(api_server(request)), kind, id, known);
	http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "there is no %s '%.80s'%s", param, id,
			   known);
	return false;
}

static bool read_filters(const struct http_request *request, struct http_reply *reply,
			 struct listener *listener)
{
	const char *client = http_request_param(request, "client"),
		   *limit = http_request_param(request, "limit");
	const char *duration = http_request_param(request, "for");
	uint64_t for_ms = 0;
	if (!read_object(request, reply, "tenant", FLEET_TENANT, listener->tenant) ||
	    !read_object(request, reply, "region", FLEET_REGION, listener->region))
		return false;
	listener->has_client = client != NULL;
	listener->left = listener->end_ms = UINT64_MAX;
	if (client && !prefix_parse(client, &listener->client))
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "client is an address or a prefix");
	else if (limit && (!text_to_uint(limit, &listener->left) || listener->left == 0))
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "limit is a number from 1");
	else if (duration && (!text_to_duration_ms(duration, &for_ms) || for_ms == 0))
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL, "for is a duration like 30s");
	else
		return true;
	return false;
}

void api_get_tail(struct http_request *request, struct http_reply *reply)
{
	struct api_tail **only = &api_of(request)->tail;
	struct listener wanted = {.deferred = request->deferred};
	if (!read_filters(request, reply, &wanted))
		return;
	if (*only && (*only)->count == LISTENERS_MAX) {
		http_reply_problem(reply, HTTP_PROBLEM_UNAVAILABLE, NULL, "%d others look on already",
				   LISTENERS_MAX);
		return;
	}
	if (!*only)
		*only = tail_new(api_server(request));
	struct api_tail *tail = *only;
	if (tail->count == 0) { /* what was left over is old */
		forget_samples(tail);
		tail->lost = count_lost(tail);
	}
	const char *duration = http_request_param(request, "for");
	uint64_t for_ms;
	if (duration && text_to_duration_ms(duration, &for_ms))
		wanted.end_ms = clock_mono_ms() + for_ms;
	wanted.lines = evbuffer_new();
	struct listener *listener = xmemdup(&wanted, sizeof wanted);
	LIST_INSERT_HEAD(&tail->listeners, listener, link);
	tail->count++;
	set_wanted(tail, true);
	reply->is_deferred = true;
	evtimer_add(tail->timer, &(const struct timeval){.tv_usec = 1000}); /* the head goes out at once */
}
