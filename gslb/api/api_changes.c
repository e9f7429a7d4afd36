/*
 * GET /v1/changes: what changes in the fleet and its controls, one JSON object a line, for those that keep a
 * copy. A reader who knows nothing gets everything first, piece by piece between the loop's other work; what
 * changes meanwhile comes behind, as it is by then. A line with `version` says that all above fits together.
 * Control thread.
 */
#include "gslb/api/api_internal.h"
#include "gslb/control/journal.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define READERS_MAX 64
#define TURN_LINES 2000 /* of all readers together: 5 ms of tenants */
#define HEARTBEAT_MS 5000
#define BUSY_MS 10 /* until a reader who takes too little is offered more */
#define WAIT_MAX_MS 3600000

struct reader {
	struct http_deferred *deferred;
	struct evbuffer *lines;
	uint64_t position; /* of the journal: what came before it was told, or stands in the listing */
	bool is_listing;
	enum fleet_kind kind; /* of the next object of the listing; FLEET_KINDS: its controls */
	size_t at;	      /* of fleet_next(), controls_next() */
	bool is_open;	      /* lines went out since the last version */
	bool is_busy;
	uint64_t heartbeat_ms, end_ms; /* monotonic */
	LIST_ENTRY(reader) link;
};

struct api_changes {
	struct server *server;
	struct event *timer;
	size_t count;
	LIST_HEAD(, reader) readers;
};

/* ---- lines ---- */

static void add_line(struct reader *reader, json_t *json)
{
	/* 15 digits: what a double keeps of a decimal, so that 0.95 stays 0.95. */
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));
	assert(text && json_is_object(json));
	if (evbuffer_add(reader->lines, text, strlen(text)) < 0 || evbuffer_add(reader->lines, "\n", 1) < 0)
		abort();
	free(text);
	json_decref(json);
	reader->is_open = true;
}

/* The records of a zone are no business of a reader, and may be many. */
static void add_object(struct reader *reader, const struct fleet_object *object)
{
	json_t *own = object->kind == FLEET_ZONE ? json_object() : fleet_object_to_json(object);
	fleet_json_resolve_paths(object, own);
	add_line(reader, json_pack("{s:o, s:o, s:o}", "put", json_text(fleet_kind_name[object->kind]), "id",
				   json_text(object->id), "object", own));
}

static json_t *control_object(const char *region, const char *service, const char *address)
{
	json_t *object = json_pack("{s:o}", "region", json_text(region));
	if (strcmp(region, CONTROL_OF_ORIGIN) == 0) {
		char *text = xstrdup(address), *pool = strchr(text, '/'), *origin = strchr(pool + 1, '/');
		json_object_clear(object);
		*pool = *origin = '\0';
		json_object_set_new(object, "service", json_text(text));
		json_object_set_new(object, "pool", json_text(pool + 1));
		json_object_set_new(object, "origin", json_text(origin + 1));
		free(text);
		return object;
	}
	if (*service)
		json_object_set_new(object, "service", json_text(service));
	if (*address)
		json_object_set_new(object, "vip", json_text(address));
	return object;
}

static json_t *left_ms(const struct control_row *row)
{
	uint64_t now = clock_mono_ms();
	if (row->expires_mono_ms == 0)
		return json_null();
	return json_integer(row->expires_mono_ms > now ? (json_int_t)(row->expires_mono_ms - now) : 0);
}

static void add_control(struct reader *reader, const struct control_row *row)
{
	json_t *line = json_pack("{s:o}", "control", control_object(row->region, row->service, row->address));
	json_t *view = api_view_control(row);
	json_object_del(view, "version"); /* of the control alone */
	json_object_update(line, view);
	json_object_set_new(line, "left_ms", left_ms(row));
	json_decref(view);
	add_line(reader, line);
}

static void add_entry(const struct api_changes *changes, struct reader *reader, struct journal_entry entry)
{
	if (!entry.is_control) {
		const struct fleet_object *object =
			fleet_get(server_fleet(changes->server), entry.kind, entry.key);
		if (object)
			add_object(reader, object);
		else
			add_line(reader,
				 json_pack("{s:o, s:o}", "remove", json_text(fleet_kind_name[entry.kind]),
					   "id", json_text(entry.key)));
		return;
	}
	const char *region = entry.key, *service = region + strlen(region) + 1;
	const char *address = service + strlen(service) + 1;
	const struct control_row *row =
		controls_get(server_controls(changes->server), region, service, address);
	if (row)
		add_control(reader, row);
	else
		add_line(reader, json_pack("{s:o, s:n}", "control", control_object(region, service, address),
					   "share"));
}

static void add_version(struct reader *reader, const struct journal *journal)
{
	char version[JOURNAL_VERSION_MAX];
	journal_version(journal, reader->position, version);
	add_line(reader, json_pack("{s:o}", "version", json_text(version)));
	reader->is_open = false;
	reader->heartbeat_ms = clock_mono_ms() + HEARTBEAT_MS;
}

/* ---- one reader ---- */

static void begin_listing(struct reader *reader, const struct journal *journal)
{
	reader->position = journal_end(journal);
	reader->is_listing = true;
	reader->kind = 0;
	reader->at = 0;
	add_line(reader, json_pack("{s:b}", "reset", 1));
}

/* Returns how many lines it added, at most `most`. */
static size_t list_some(const struct api_changes *changes, struct reader *reader, size_t most)
{
	size_t lines = 0;
	while (lines < most && reader->kind < FLEET_KINDS) {
		const struct fleet_object *object =
			fleet_next(server_fleet(changes->server), reader->kind, &reader->at);
		if (object) {
			add_object(reader, object);
			lines++;
		} else {
			reader->kind++;
			reader->at = 0;
		}
	}
	if (reader->kind < FLEET_KINDS)
		return lines;
	const struct control_row *row;
	while ((row = controls_next(server_controls(changes->server), &reader->at))) {
		add_control(reader, row); /* an operator's hand: few */
		lines++;
	}
	reader->is_listing = false;
	return lines;
}

/* True: there is more to tell than `most` lines. */
static bool tell_some(const struct api_changes *changes, struct reader *reader, size_t most)
{
	const struct journal *journal = server_journal(changes->server);
	size_t lines = 0;
	if (!journal_reaches(journal, reader->position))
		begin_listing(reader, journal);
	if (reader->is_listing)
		lines = list_some(changes, reader, most);
	if (reader->is_listing)
		return true;
	for (; lines < most && reader->position < journal_end(journal); lines++)
		add_entry(changes, reader, journal_at(journal, reader->position++));
	if (reader->position < journal_end(journal))
		return true;
	if (reader->is_open || clock_mono_ms() >= reader->heartbeat_ms)
		add_version(reader, journal);
	return false;
}

static void reader_free(struct api_changes *changes, struct reader *reader)
{
	assert(changes->count > 0);
	LIST_REMOVE(reader, link);
	evbuffer_free(reader->lines);
	free(reader);
	changes->count--;
}

/* Lines that a busy reader does not take wait with him, and he gets no new ones meanwhile. *ret_wait_ms: when
 * he is due again. False: he is gone. */
static bool turn_reader(struct api_changes *changes, struct reader *reader, size_t most,
			uint64_t *ret_wait_ms)
{
	bool has_more = true;
	if (!reader->is_busy)
		has_more = tell_some(changes, reader, most);
	enum http_piece sent = reader->deferred->piece(reader->deferred, reader->lines);
	reader->is_busy = sent == HTTP_PIECE_BUSY;
	uint64_t now = clock_mono_ms();
	bool is_over = !has_more && !reader->is_busy && now >= reader->end_ms;
	if (sent == HTTP_PIECE_GONE || is_over) {
		reader->deferred->end(reader->deferred);
		reader_free(changes, reader);
		return false;
	}
	uint64_t due_ms = reader->heartbeat_ms < reader->end_ms ? reader->heartbeat_ms : reader->end_ms;
	*ret_wait_ms = reader->is_busy ? BUSY_MS : has_more ? 0 : due_ms > now ? due_ms - now : 0;
	return true;
}

/* ---- all readers ---- */

/* By a timer, not by event_active(): those are served before anything that came in. */
static void turn_in(struct api_changes *changes, uint64_t wait_ms)
{
	struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000 * 1000)};
	evtimer_add(changes->timer, &wait);
}

static void on_turn(evutil_socket_t none, short what, void *user)
{
	struct api_changes *changes = user;
	struct reader *reader, *next;
	size_t most = changes->count > 0 ? TURN_LINES / changes->count : 0;
	uint64_t soonest_ms = HEARTBEAT_MS, wait_ms;
	for (reader = LIST_FIRST(&changes->readers); reader; reader = next) {
		next = LIST_NEXT(reader, link);
		if (turn_reader(changes, reader, most, &wait_ms) && wait_ms < soonest_ms)
			soonest_ms = wait_ms;
	}
	if (changes->count > 0)
		turn_in(changes, soonest_ms);
}

static void on_changed(void *user)
{
	struct api_changes *changes = user;
	if (changes->count > 0)
		turn_in(changes, 0);
}

static struct api_changes *changes_new(struct server *server)
{
	struct api_changes *changes = xcalloc(1, sizeof *changes);
	changes->server = server;
	changes->timer = evtimer_new(server_base(server), on_turn, changes);
	journal_listen(server_journal(server), on_changed, changes);
	return changes;
}

void api_changes_free(struct api_changes *changes)
{
	if (!changes)
		return;
	journal_listen(server_journal(changes->server), NULL, NULL);
	for (struct reader *reader; (reader = LIST_FIRST(&changes->readers));)
		reader_free(changes, reader);
	assert(changes->count == 0);
	event_free(changes->timer);
	free(changes);
}

/* ---- the call ---- */

/* A position that the journal does not reach, where the version is another instance's, or "0". False: it is
 * no version. */
static bool read_since(const struct journal *journal, const char *since, uint64_t *ret)
{
	const char *instance = journal_instance(journal);
	const char *count = since ? strchr(since, '-') : NULL;
	uint64_t position;
	*ret = UINT64_MAX;
	if (!since || strcmp(since, "0") == 0)
		return true;
	if (!count || !text_to_uint(count + 1, &position))
		return false;
	size_t length = (size_t)(count - since);
	if (length == strlen(instance) && memcmp(since, instance, length) == 0)
		*ret = position;
	return true;
}

void api_get_changes(struct http_request *request, struct http_reply *reply)
{
	struct api *api = api_of(request);
	const char *wait = http_request_param(request, "wait");
	uint64_t wait_ms = 0, position;
	if (!read_since(server_journal(api->server), http_request_param(request, "since"), &position)) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
				   "since is a version of an earlier reply, or 0");
		return;
	}
	if (wait && (!text_to_duration_ms(wait, &wait_ms) || wait_ms > WAIT_MAX_MS)) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
				   "wait is a duration of at most 1h, like 30s");
		return;
	}
	if (api->changes && api->changes->count == READERS_MAX) {
		http_reply_problem(reply, HTTP_PROBLEM_UNAVAILABLE, NULL, "%d others follow already",
				   READERS_MAX);
		return;
	}
	if (!api->changes)
		api->changes = changes_new(api->server);
	struct api_changes *changes = api->changes;
	struct reader *reader = xcalloc(1, sizeof *reader);
	*reader = (struct reader){.deferred = request->deferred,
				  .lines = evbuffer_new(),
				  .position = position,
				  .end_ms = clock_mono_ms() + wait_ms};
	LIST_INSERT_HEAD(&changes->readers, reader, link);
	changes->count++;
	reply->is_deferred = true;
	turn_in(changes, 0);
}
