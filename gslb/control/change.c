/* See the header. Control thread. */
#include "gslb/control/change.h"
#include "gslb/compile/world_builder.h"
#include "gslb/control/journal.h"
#include "gslb/control/loading.h"
#include "gslb/control/serials.h"
#include "gslb/control/server_internal.h"
#include "gslb/control/start.h"
#include "health/health_book.h"
#include "health/resolve_names.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "store/controls.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- fleet ---- */

static json_t *counts_json(const struct fleet_result *result)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "added", (json_int_t)result->added, "changed",
			 (json_int_t)result->changed, "removed", (json_int_t)result->removed, "unchanged",
			 (json_int_t)result->unchanged);
}

static bool commit_fleet(struct server *server, const struct fleet_result *result, uint64_t version,
			 const struct requester *requester, const char *verb, const char *object,
			 struct err_list *errors)
{
	assert(result->touched_count > 0 && version > server->fleet_version);
	bool is_single = result->touched_count == 1;
	const struct fleet_touched *touched = result->touched;
	json_t *before = is_single && touched->before ? fleet_object_to_json(touched->before) : NULL;
	json_t *after = is_single ? (touched->after ? fleet_object_to_json(touched->after) : NULL)
				  : counts_json(result);
	struct audit_line line = {
		.time_unix_ms = clock_unix_ms(),
		.author = requester->author,
		.via = requester->via,
		.verb = verb,
		.object = object,
		.reason = "",
		.before = before,
		.after = after,
	};
	struct store_change change = {
		.fleet = result,
		.fleet_version = version,
		.audit = &line,
		.audit_count = 1,
	};
	bool is_durable = store_commit(server->store, &change, errors);
	json_decref(before);
	json_decref(after);
	return is_durable;
}

enum change_outcome change_fleet(struct server *server, struct fleet_change *change, bool dry_run,
				 const struct requester *requester, const char *verb, const char *object,
				 struct fleet_result *ret, struct err_list *errors)
{
	if (!server->is_loaded) {
		err_add(errors, NULL, 0, 0, "the fleet is still being loaded");
		return CHANGE_UNAVAILABLE;
	}
	uint64_t version = server->fleet_version + 1;
	if (!fleet_apply(server->fleet, change, version, dry_run, ret, errors)) {
		if (ret->refusal == FLEET_REFUSED_BASE_OBJECT)
			return CHANGE_BASE_OBJECT;
		return ret->refusal == FLEET_REFUSED_NOT_FOUND ? CHANGE_NOT_FOUND : CHANGE_INVALID;
	}
	if (dry_run || ret->touched_count == 0)
		return CHANGE_DONE;
	if (!world_builder_is_prepared(server->builder, ret)) {
		fleet_revert(server->fleet, ret);
		return CHANGE_WAITS;
	}
	if (!commit_fleet(server, ret, version, requester, verb, object, errors)) {
		fleet_revert(server->fleet, ret);
		return CHANGE_UNAVAILABLE;
	}
	server->fleet_version = version;
	loading_follow(server->loading, ret);
	if (ret->structure_changed) {
		resolve_names_sync(server->names, server->fleet);
		health_book_sync(server->health, server->fleet);
	}
	/* The very time that the store knows: a restart finds the same serial. */
	serials_renew(server->fleet, ret, store_fleet_changed_unix_ms(server->store) / 1000);
	world_builder_fleet_changed(server->builder, ret, version);
	journal_add_fleet(server->journal, ret);
	start_progress(server); /* what the start waited for may have left the fleet */
	return CHANGE_DONE;
}

/* ---- controls ---- */

#define OBJECT_MAX 512 /* octets of a controlled object in the audit */

static void describe_object(const struct control_row *row, char *out, size_t size)
{
	if (strcmp(row->region, CONTROL_OF_ORIGIN) == 0) {
		snprintf(out, size, "origin %s", row->address);
		for (char *slash = strchr(out, '/'); slash; slash = strchr(slash, '/'))
			*slash = ' ';
	} else if (row->address[0])
		snprintf(out, size, "vip %s %s", row->region, row->address);
	else if (row->service[0])
		snprintf(out, size, "region %s service %s", row->region, row->service);
	else
		snprintf(out, size, "region %s", row->region);
}

static json_t *share_json(int share)
{
	return share == SHARE_DOWN ? json_string("down") : json_integer(share);
}

static json_t *row_json(const struct control_row *row)
{
	if (!row)
		return NULL;
	char expires[32];
	text_from_unix_ms(row->expires_unix_ms, expires);
	json_t *json = json_pack("{s:o}", "share", share_json(row->share));
	if (row->expires_unix_ms)
		json_object_set_new(json, "until", json_text(expires));
	return json;
}

/* Does the region hold such a VIP in any service? */
static bool region_has_vip(const struct server *server, const char *region, const char *address)
{
	struct ip ip;
	if (!ip_parse(address, &ip))
		return false;
	size_t at = 0;
	for (struct fleet_object *object; (object = fleet_next(server->fleet, FLEET_SERVICE, &at));) {
		const struct fleet_service *service = (const struct fleet_service *)object;
		for (size_t r = 0; r < service->vip_region_count; r++) {
			if (strcmp(service->vips[r].region, region) != 0)
				continue;
			for (size_t v = 0; v < service->vips[r].count; v++)
				if (ip_equal(&service->vips[r].vips[v].ip, &ip))
					return true;
		}
	}
	return false;
}

/* "SERVICE/POOL/ADDRESS" → its parts. */
static void split_origin(const char *text, char service[static 64], char pool[static 64],
			 const char **ret_address)
{
	const char *first = strchr(text, '/'), *second = first ? strchr(first + 1, '/') : NULL;
	assert(first && second && first - text < 64 && second - first <= 64); /* as the API put it together */
	snprintf(service, 64, "%.*s", (int)(first - text), text);
	snprintf(pool, 64, "%.*s", (int)(second - first - 1), first + 1);
	*ret_address = second + 1;
}

/* By the text of the fleet; of a name's origins any address is possible. */
static bool pool_has_origin(const struct fleet_pool *pool, const char *address)
{
	struct listen_address parsed;
	bool is_address = listen_parse_http(address, &parsed);
	for (size_t r = 0; r < pool->region_count; r++)
		for (size_t i = 0; i < pool->regions[r].origin_count; i++)
			if (strcmp(pool->regions[r].origins[i].text, address) == 0 ||
			    (is_address && pool->regions[r].origins[i].name))
				return true;
	return false;
}

static void err_unknown(struct server *server, enum fleet_kind kind, const char *id, struct err_list *errors)
{
	char known[TEXT_KNOWN_MAX];
	const char *nearest = fleet_known(server->fleet, kind, id, known);
	struct err *err = err_add(errors, NULL, 0, 0, "no %s '%s'%s", fleet_kind_name[kind], id, known);
	err_set_nearest(err, nearest);
}

static bool origin_is_known(struct server *server, const char *text, struct err_list *errors)
{
	char id[64], pool_id[64], known[TEXT_KNOWN_MAX];
	const char *address, *ids[FLEET_POOLS_MAX];
	split_origin(text, id, pool_id, &address);
	const struct fleet_service *service =
		(const struct fleet_service *)fleet_get(server->fleet, FLEET_SERVICE, id);
	if (!service) {
		err_unknown(server, FLEET_SERVICE, id, errors);
		return false;
	}
	for (size_t i = 0; i < service->pool_count; i++) {
		ids[i] = service->pools[i].id;
		if (strcmp(service->pools[i].id, pool_id) != 0)
			continue;
		if (!pool_has_origin(&service->pools[i], address))
			err_add(errors, NULL, 0, 0, "origins '%s' of service '%s' have no %s", pool_id, id,
				address);
		return pool_has_origin(&service->pools[i], address);
	}
	const char *nearest = text_known(pool_id, ids, service->pool_count, known);
	err_set_nearest(err_add(errors, NULL, 0, 0, "service '%s' has no origins '%s'%s", id, pool_id, known),
			nearest);
	return false;
}

static bool control_names_are_known(struct server *server, const struct control_request *request,
				    struct err_list *errors)
{
	size_t before = errors->errors;
	struct ip ip;
	char address[CONTROL_ADDRESS_MAX] = "";
	bool is_origin = strcmp(request->region, CONTROL_OF_ORIGIN) == 0;
	if (is_origin)
		snprintf(address, sizeof address, "%s", request->address);
	else if (request->address && ip_parse(request->address, &ip))
		ip_format(&ip, address);
	/* What is controlled may have left the fleet; its control can still be taken away. */
	if (request->share == SHARE_RESTORE &&
	    controls_get(server->controls, request->region, request->service ? request->service : "",
			 address))
		return true;
	if (is_origin)
		return origin_is_known(server, address, errors);
	bool has_region = fleet_get(server->fleet, FLEET_REGION, request->region) != NULL;
	if (!has_region)
		err_unknown(server, FLEET_REGION, request->region, errors);
	if (request->service && !fleet_get(server->fleet, FLEET_SERVICE, request->service))
		err_unknown(server, FLEET_SERVICE, request->service, errors);
	if (has_region && request->address && !region_has_vip(server, request->region, request->address))
		err_add(errors, NULL, 0, 0, "region '%s' has no VIP %s", request->region, request->address);
	return errors->errors == before;
}

/* The time tells the versions of a control apart, so two changes never have the same. */
static void set_since(const struct server *server, struct control_row *row, int64_t now_unix_ms)
{
	const struct control_row *old =
		controls_get(server->controls, row->region, row->service, row->address);
	row->since_unix_ms = old && old->since_unix_ms >= now_unix_ms ? old->since_unix_ms + 1 : now_unix_ms;
}

static void fill_row(const struct control_request *request, const char *author, int64_t now_unix_ms,
		     struct control_row *row)
{
	assert(strlen(request->region) < sizeof row->region);
	assert(!request->service || strlen(request->service) < sizeof row->service);
	memset(row, 0, sizeof *row);
	strncpy(row->region, request->region, sizeof row->region - 1);
	strncpy(row->service, request->service ? request->service : "", sizeof row->service - 1);
	if (strcmp(request->region, CONTROL_OF_ORIGIN) == 0) {
		snprintf(row->address, sizeof row->address, "%s", request->address);
	} else if (request->address) { /* canonical text, however it was written */
		struct ip ip;
		if (ip_parse(request->address, &ip))
			ip_format(&ip, row->address);
	}
	row->share = request->share;
	if (request->for_ms) {
		row->expires_unix_ms = now_unix_ms + (int64_t)request->for_ms;
		row->expires_mono_ms = clock_mono_ms() + request->for_ms;
	}
	row->reason = (char *)(request->reason ? request->reason : "");
	row->author = (char *)author;
}

enum change_outcome change_controls(struct server *server, const struct control_request *requests,
				    size_t count, const struct requester *requester, const char *verb,
				    struct err_list *errors)
{
	if (!server->is_loaded) {
		err_add(errors, NULL, 0, 0, "the fleet is still being loaded");
		return CHANGE_UNAVAILABLE;
	}
	assert(requester->author && requester->via && count > 0);
	bool is_known = true;
	for (size_t i = 0; i < count; i++)
		is_known &= control_names_are_known(server, &requests[i], errors);
	if (!is_known)
		return CHANGE_NOT_FOUND;

	int64_t now_unix_ms = clock_unix_ms();
	struct control_row *rows = xcalloc(count, sizeof *rows);
	bool *removed = xcalloc(count, sizeof *removed);
	struct audit_line *lines = xcalloc(count, sizeof *lines);
	char(*objects)[OBJECT_MAX] = xcalloc(count, sizeof *objects);
	for (size_t i = 0; i < count; i++) {
		fill_row(&requests[i], requester->author, now_unix_ms, &rows[i]);
		set_since(server, &rows[i], now_unix_ms);
		removed[i] = requests[i].share == SHARE_RESTORE;
		describe_object(&rows[i], objects[i], sizeof objects[i]);
		const struct control_row *old =
			controls_get(server->controls, rows[i].region, rows[i].service, rows[i].address);
		lines[i] = (struct audit_line){
			.time_unix_ms = now_unix_ms,
			.author = requester->author,
			.via = requester->via,
			.verb = verb,
			.object = objects[i],
			.reason = rows[i].reason,
			.before = row_json(old),
			.after = removed[i] ? NULL : row_json(&rows[i]),
		};
	}
	struct store_change change = {
		.control_count = count,
		.controls = rows,
		.removed = removed,
		.audit = lines,
		.audit_count = count,
	};
	bool is_durable = store_commit(server->store, &change, errors);
	for (size_t i = 0; i < count; i++) {
		json_decref(lines[i].before);
		json_decref(lines[i].after);
		if (is_durable && removed[i])
			controls_remove(server->controls, rows[i].region, rows[i].service, rows[i].address);
		else if (is_durable)
			controls_put(server->controls, &rows[i]);
	}
	if (is_durable) {
		world_builder_controls_changed(server->builder, rows, count);
		for (size_t i = 0; i < count; i++)
			journal_add_control(server->journal, &rows[i]);
		change_arm_expiry(server);
	}
	free(rows);
	free(removed);
	free(lines);
	free(objects);
	return is_durable ? CHANGE_DONE : CHANGE_UNAVAILABLE;
}

/* ---- expiry ---- */

struct expired {
	struct server *server;
	struct control_row *rows;
	size_t count, capacity;
};

static void note_expired(void *user, const struct control_row *row)
{
	struct expired *expired = user;
	xgrow((void **)&expired->rows, &expired->capacity, expired->count + 1, sizeof *expired->rows);
	expired->rows[expired->count] = *row;
	expired->rows[expired->count].reason = expired->rows[expired->count].author = NULL;
	expired->count++;
	char object[OBJECT_MAX];
	describe_object(row, object, sizeof object);
	json_t *before = row_json(row);
	struct audit_line line = {
		.time_unix_ms = clock_unix_ms(),
		.author = "gslbd",
		.via = "expiry",
		.verb = "restore",
		.object = object,
		.reason = row->reason,
		.before = before,
	};
	bool removed = true;
	struct store_change change = {
		.control_count = 1,
		.controls = row,
		.removed = &removed,
		.audit = &line,
		.audit_count = 1,
	};
	struct err_list errors = {0};
	/* Not durable is no harm: a restart finds the row and lets it expire again. */
	if (!store_commit(expired->server->store, &change, &errors))
		log_error("the expiry of the control on %s is not in the store", object);
	log_info("the control on %s expired", object);
	err_done(&errors);
	json_decref(before);
}

void change_expire_controls(struct server *server)
{
	struct expired expired = {.server = server};
	controls_expire(server->controls, clock_mono_ms(), note_expired, &expired);
	if (expired.count > 0)
		world_builder_controls_changed(server->builder, expired.rows, expired.count);
	for (size_t i = 0; i < expired.count; i++)
		journal_add_control(server->journal, &expired.rows[i]);
	free(expired.rows);
	change_arm_expiry(server);
}

void change_arm_expiry(struct server *server)
{
	uint64_t next = controls_next_expiry(server->controls), now = clock_mono_ms();
	if (next == UINT64_MAX) {
		evtimer_del(server->expiry_timer);
		return;
	}
	uint64_t wait_ms = next > now ? next - now : 1;
	struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000 * 1000)};
	evtimer_add(server->expiry_timer, &wait);
}

void change_audit_reload(struct server *server, const char *author, const char *via)
{
	struct audit_line line = {
		.time_unix_ms = clock_unix_ms(),
		.author = author,
		.via = via,
		.verb = "reload",
		.object = server->config_path,
		.reason = "",
	};
	struct store_change change = {
		.fleet_version = server->fleet_version, .audit = &line, .audit_count = 1};
	struct err_list errors = {0};
	if (!store_commit(server->store, &change, &errors))
		log_error("the audit line of the reload is not in the store");
	err_done(&errors);
}
