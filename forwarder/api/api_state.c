/* Calls that show the state, and reloads. Control thread. */
#include "forwarder/api/api_internal.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/text.h"
#include <assert.h>
#include <string.h>

void api_get_healthz(struct http_request *request, struct http_reply *reply)
{
	http_reply_text(reply, 200, "application/json", "{\"healthy\":true}");
}

void api_get_readyz(struct http_request *request, struct http_reply *reply)
{
	const char *const *what = server_waiting(api_server(request));
	json_t *waiting = json_array();

	if (!*what) {
		json_decref(waiting);
		http_reply_text(reply, 200, "application/json", "{\"ready\":true}");
		return;
	}
	for (; *what; what++)
		json_array_append_new(waiting, json_text(*what));
	http_reply_json(reply, 503, json_pack("{s:b, s:o}", "ready", 0, "waiting", waiting));
}

void api_get_openapi(struct http_request *request, struct http_reply *reply)
{
	http_reply_constant(reply, 200, "application/json", api_openapi_text, strlen(api_openapi_text));
}

/* ---- status ---- */

static json_t *view_listeners(const struct api *api)
{
	const struct forwarder_config *config = server_config(api->server);
	json_t *http = json_array(), *https = json_array();
	struct sockaddr_storage plain;
	char text[64];
	size_t count;
	const struct sockaddr_storage *bound = server_listeners(api->server, &count);

	for (size_t i = 0; i < count; i++) {
		listen_format((const struct sockaddr *)&bound[i], false, text);
		json_array_append_new(i < config->http_count ? http : https, json_text(text));
	}
	bool has_plain = http_server_plain_address(api->http, &plain);
	if (has_plain)
		listen_format((const struct sockaddr *)&plain, false, text);
	return json_pack("{s:o, s:o, s:o, s:o}", "http", http, "https", https, "admin",
			 json_text(has_plain ? text : NULL), "socket", json_text(config->node.admin_socket));
}

/* null: the fleet is that of files. */
static json_t *view_feed(const struct server *server)
{
	static const char *const words[] = {"reading", "lost", "open"};
	struct feed_facts facts;
	uint64_t now_ms = clock_mono_ms();

	if (!server_feed(server, &facts))
		return json_null();
	assert(facts.state <= FEED_OPEN);
	return json_pack("{s:o, s:o, s:o, s:o, s:I}", "state", json_text(words[facts.state]), "problem",
			 json_text(*facts.problem ? facts.problem : NULL), "version",
			 json_text(server_feed_version(server)), "heard_s",
			 facts.heard_ms ? json_integer((json_int_t)((now_ms - facts.heard_ms) / 1000))
					: json_null(),
			 "set_aside", (json_int_t)server_set_aside(server));
}

void api_get_status(struct http_request *request, struct http_reply *reply)
{
	const struct server *server = api_server(request);
	const struct node_config *node = &server_config(server)->node;
	const struct world *world = server_world(server);
	struct build_counts counts = {0};
	json_t *body = json_object();

	if (server_build(server))
		build_count(server_build(server), &counts);
	json_object_set_new(body, "node", json_text(node->name));
	json_object_set_new(body, "region", json_text(node->region));
	json_object_set_new(body, "version", json_text(GSLB_VERSION));
	json_object_set_new(body, "ready", json_boolean(!*server_waiting(server)));
	json_object_set_new(body, "draining", json_boolean(server_is_draining(server)));
	json_object_set_new(
		body, "uptime_s",
		json_integer((json_int_t)((clock_mono_ms() - server_started_mono_ms(server)) / 1000)));
	json_object_set_new(body, "epoch", json_integer(world ? (json_int_t)world->epoch : 0));
	json_object_set_new(body, "tenants", json_integer((json_int_t)counts.tenants));
	json_object_set_new(body, "hosts", json_integer((json_int_t)counts.hosts));
	json_object_set_new(body, "host_bytes", json_integer((json_int_t)counts.host_bytes));
	json_object_set_new(body, "policies", json_integer((json_int_t)counts.policies));
	json_object_set_new(body, "services", json_integer((json_int_t)counts.services));
	json_object_set_new(body, "pools", json_integer((json_int_t)counts.pools));
	json_object_set_new(body, "origins", json_integer((json_int_t)origins_count(server_origins(server))));
	json_object_set_new(body, "connections", json_integer((json_int_t)server_connections(server)));
	json_object_set_new(body, "listeners", view_listeners(api_of(request)));
	json_object_set_new(body, "feed", view_feed(server));
	http_reply_json(reply, 200, body);
}

/* ---- origins ---- */

static bool is_of_service(const struct origins_row *row, const char *service)
{
	size_t length = service ? strlen(service) : 0;

	return !service || (strncmp(row->pool->name, service, length) == 0 && row->pool->name[length] == '/');
}

void api_get_origins(struct http_request *request, struct http_reply *reply)
{
	const char *service = http_request_param(request, "service");
	struct http_page page;
	struct origins_row row;
	uint64_t after = 0;
	char next[24] = "";
	json_t *items = json_array();

	if (!http_request_page(request, reply, &page))
		goto refused;
	if (page.after && !text_to_uint(page.after, &after)) {
		http_reply_problem(reply, HTTP_PROBLEM_BAD_REQUEST, NULL,
				   "after is the next of a page before");
		goto refused;
	}
	for (size_t at = page.after ? (size_t)after + 1 : 0;
	     origins_next(server_origins(api_server(request)), &at, &row);) {
		if (!is_of_service(&row, service))
			continue;
		if (json_array_size(items) == page.limit) {
			const json_t *last = json_array_get(items, page.limit - 1);
			snprintf(next, sizeof next, "%lld",
				 (long long)json_integer_value(json_object_get(last, "number")));
			break;
		}
		json_array_append_new(items, api_view_origin(&row));
	}
	http_reply_page(reply, items, *next ? next : NULL);
	return;
refused:
	json_decref(items);
}

/* ---- a tenant ---- */

static json_t *view_counts(const struct server *server, uint32_t slot)
{
	uint64_t requests = 0, limited = 0, in = 0, out = 0, classes[REQUEST_STATS_CLASSES] = {0};
	size_t count;
	struct request_stats *const *stats = server_stats(server, &count);

	for (size_t i = 0; i < count; i++) {
		const struct request_stats_tenant *tenant = &stats[i]->tenants[slot];
		requests += counter_read(&tenant->requests);
		limited += counter_read(&tenant->limited);
		in += counter_read(&tenant->bytes_in);
		out += counter_read(&tenant->bytes_out);
		for (unsigned class = 0; class < REQUEST_STATS_CLASSES; class ++)
			classes[class] += counter_read(&tenant->classes[class]);
	}
	json_t *by_class = json_array();
	for (unsigned class = 1; class < REQUEST_STATS_CLASSES; class ++)
		json_array_append_new(by_class, json_integer((json_int_t)classes[class]));
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "requests", (json_int_t)requests, "limited",
			 (json_int_t)limited, "bytes_in", (json_int_t)in, "bytes_out", (json_int_t)out,
			 "classes", by_class);
}

void api_get_tenant_state(struct http_request *request, struct http_reply *reply)
{
	const struct server *server = api_server(request);
	const char *id = request->argument[0];
	struct build_tenant tenant;

	if (!build_find_tenant(server_build(server), id, &tenant)) {
		http_reply_problem(reply, HTTP_PROBLEM_NOT_FOUND, NULL, "no tenant '%s'", id);
		return;
	}
	const struct tenant_state *state = &server_world(server)->states[tenant.slot];
	const struct route_service *service = server_world(server)->services[tenant.policy->service];
	json_t *body = json_object();
	json_object_set_new(body, "tenant", json_text(id));
	json_object_set_new(body, "service", json_text(service->id));
	json_object_set_new(body, "suspended", json_boolean(tenant.policy->is_suspended));
	json_object_set_new(body, "elsewhere", json_boolean(tenant.policy->is_elsewhere));
	json_object_set_new(body, "maintenance", json_boolean(tenant.policy->is_in_maintenance));
	json_object_set_new(body, "limits", api_view_limits(&tenant.policy->limits, state));
	json_object_set_new(body, "in_flight",
			    json_integer((json_int_t)atomic_load(&state->in_flight[0]) +
					 atomic_load(&state->in_flight[1])));
	json_object_set_new(body, "websockets",
			    json_integer((json_int_t)atomic_load(&state->websockets[0]) +
					 atomic_load(&state->websockets[1])));
	json_object_set_new(body, "queued", json_integer(atomic_load(&state->queued)));
	json_object_set_new(body, "counts", view_counts(server, tenant.slot));
	http_reply_json(reply, 200, body);
}

/* ---- reload ---- */

static void on_reloaded(void *user, const struct err_list *errors)
{
	struct http_deferred *deferred = user;
	const struct server *server = ((const struct api *)deferred->user)->server;
	const struct world *world = server_world(server);
	struct http_reply reply;

	http_reply_init(&reply);
	if (err_has_errors(errors)) {
		http_reply_errors(&reply, HTTP_PROBLEM_INVALID, errors);
	} else {
		json_t *body = json_pack("{s:I}", "epoch", world ? (json_int_t)world->epoch : (json_int_t)0);
		if (errors->count > 0)
			json_object_set_new(body, "warnings", err_warnings_to_json(errors));
		http_reply_json(&reply, 200, body);
	}
	deferred->finish(deferred, &reply);
	http_reply_done(&reply);
}

void api_post_reload(struct http_request *request, struct http_reply *reply)
{
	reply->is_deferred = true;
	server_reload(api_of(request)->server, on_reloaded, request->deferred);
}
