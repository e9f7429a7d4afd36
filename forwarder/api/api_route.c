/*
 * POST /v1/route: what would become of a request, by the functions that requests pass through. Nothing is
 * counted, and no limit is used up. Control thread.
 */
#include "forwarder/api/api_internal.h"
#include "forwarder/http1/cookies.h"
#include "forwarder/http1/http1_request.h"
#include "forwarder/traffic/balance.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define URL_MAX 16384
#define FIELDS_MAX 100
#define FIELD_MAX 8192

struct question {
	const struct doc *doc;
	struct err_list *errors;
	const char *method;
	bool is_https;
	struct ip client;
	char *octets; /* of the head that it makes */
	size_t length;
};

struct found {
	const struct world *world;
	struct http_head head;
	struct http1_request http;
	struct hosts_entry host;
	const struct policy *policy; /* NULL: no tenant */
	const struct route_service *service;
	const struct route *route; /* NULL: none, or none was looked for */
	const struct pool *pool;
	struct http1_verdict verdict;
};

/* ---- the question ---- */

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return true;
	return false;
}

static void refuse_control(struct question *question, const struct doc_node *node, const char *text)
{
	if (text && has_control(text))
		doc_err(question->errors, question->doc, node, "it holds a control character");
}

/* Of "https://shop.example/cart?x=1", "shop.example/cart" or "shop.example": the authority and the rest. */
static void read_url(struct question *question, FILE *out)
{
	const struct doc_node *root = question->doc->root;
	const char *url = http_body_required(question->doc, root, "url", URL_MAX, question->errors);

	if (!url)
		return;
	refuse_control(question, doc_get(root, "url"), url);
	question->is_https = strncmp(url, "https://", 8) == 0;
	const char *host = strstr(url, "://");
	if (host && !question->is_https && strncmp(url, "http://", 7) != 0)
		doc_err(question->errors, question->doc, doc_get(root, "url"), "neither http nor https");
	host = host ? host + 3 : url;
	size_t length = strcspn(host, "/?");
	const char *rest = host + length;
	fprintf(out, "%s %s%s HTTP/1.1\r\nHost: %.*s\r\n", question->method, *rest == '/' ? "" : "/", rest,
		(int)length, host);
}

static void read_fields(struct question *question, FILE *out)
{
	const struct doc_node *fields = doc_get(question->doc->root, "headers");

	if (!fields)
		return;
	if (fields->kind != DOC_MAPPING || fields->count > FIELDS_MAX) {
		doc_err(question->errors, question->doc, fields, "names and values, at most %d", FIELDS_MAX);
		return;
	}
	for (const struct doc_node *field = fields->first; field; field = field->next) {
		const char *value =
			http_body_text(question->doc, fields, field->key, FIELD_MAX, question->errors);
		refuse_control(question, field, field->key);
		refuse_control(question, field, value);
		if (value)
			fprintf(out, "%s: %s\r\n", field->key, value);
	}
}

static bool read_question(const struct doc *doc, struct err_list *errors, struct question *ret)
{
	static const char *const words[] = {"url", "method", "client", "headers", NULL}, *const none[] = {
												 NULL};
	FILE *out = open_memstream(&ret->octets, &ret->length);

	ret->doc = doc;
	ret->errors = errors;
	doc_check_keys(errors, doc, doc->root, words, none);
	ret->method = http_body_text(doc, doc->root, "method", 32, errors);
	refuse_control(ret, doc_get(doc->root, "method"), ret->method);
	if (!ret->method)
		ret->method = "GET";
	const char *client = http_body_text(doc, doc->root, "client", IP_TEXT_MAX, errors);
	if (client && !ip_parse(client, &ret->client))
		doc_err(errors, doc, doc_get(doc->root, "client"), "'%s' is no address", client);
	read_url(ret, out);
	read_fields(ret, out);
	fputs("\r\n", out);
	fclose(out);
	return !err_has_errors(errors);
}

/* ---- the way of a request (forwarder/relay/request.c), without its limits ---- */

static struct http1_verdict refused(enum reason reason)
{
	return (struct http1_verdict){reason, false};
}

static struct http1_verdict find(struct found *found, const struct question *question, char *scratch)
{
	const struct world *world = found->world;
	const struct http_head_limits limits = {.head_bytes = world->settings.head_bytes,
						.line_bytes = world->settings.line_bytes,
						.target_bytes = world->settings.line_bytes,
						.fields = world->settings.fields_max};
	struct http_head_scan scan = {0};
	enum http_head_status status =
		http_head_request(&found->head, &scan, question->octets, question->length, &limits);

	if (status != HTTP_HEAD_DONE)
		return http1_request_refusal(status == HTTP_HEAD_PARTIAL ? HTTP_HEAD_BAD : status);
	struct http1_verdict verdict =
		http1_request_read(&found->head, question->octets, question->is_https, scratch, &found->http);
	if (verdict.reason != REASON_NONE)
		return verdict;
	if (found->http.host.is_address ||
	    !hosts_find(world->hosts, found->http.name, found->http.host.length, &found->host))
		return refused(REASON_NO_TENANT);
	found->policy = world->policies[found->host.policy];
	found->service = world->services[found->policy->service];
	enum reason reason = policy_verdict(found->policy, question->is_https, found->http.path.text,
					    found->http.path.length);
	if (reason != REASON_NONE)
		return refused(reason);
	struct route_request request = http1_request_route(&found->http, &found->head, question->octets);
	enum route_result result = route_find(found->service, &request, &found->route);
	if (result == ROUTE_NONE)
		return refused(REASON_NO_ROUTE);
	found->pool = world->pools[found->route->pool];
	return refused(result == ROUTE_BUT_METHOD ? REASON_METHOD : REASON_NONE);
}

/* The origin that the next such request would go to; NULL: none can take it. It is taken and given back. */
static const struct origin *choose(const struct found *found, const struct question *question)
{
	const struct pool *pool = found->pool;
	struct balance_local local = {0};
	struct balance_choice choice;
	struct route_text value = {0};
	struct rng rng;

	assert(pool && found->verdict.reason == REASON_NONE);
	rng_seed_from_system(&rng);
	bool has_value = pool->hash == POOL_HASH_COOKIE
				 ? cookies_find(&found->head, question->octets, pool->hash_name, &value)
			 : pool->hash == POOL_HASH_HEADER
				 ? cookies_header(&found->head, question->octets, pool->hash_name, &value)
				 : false;
	struct balance_request request = {
		.pool = pool,
		.local = &local,
		.rng = &rng,
		.hash = has_value ? balance_hash(value.text, value.length)
				  : balance_hash(question->client.bytes, sizeof question->client.bytes),
		.sticky = -1,
		.now_ns = clock_mono_ns(),
	};
	if (balance_take(&request, &choice) != BALANCE_TAKEN)
		return NULL;
	balance_give(&choice);
	return choice.origin;
}

/* ---- the answer ---- */

static json_t *view_text(const struct route_text *text)
{
	return text->text ? json_text(text->text) : json_null();
}

/* null for NULL. */
static json_t *view_octets(const char *octets, size_t length)
{
	char *text = octets ? xstrndup(octets, length) : NULL;
	json_t *view = json_text(text);

	free(text);
	return view;
}

static json_t *view_route(const struct route *route, const struct pool *pool)
{
	json_t *methods = json_array();

	for (unsigned i = 0; i < route->method_count; i++)
		json_array_append_new(methods, json_text(route->methods[i].text));
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:I, s:I}", "number", (int)route->number, "path",
			 view_text(&route->path), "exact", view_text(&route->exact), "methods", methods,
			 "origins", json_text(pool->name), "timeout_ms", (json_int_t)route->timeout_ms,
			 "queue_ms", (json_int_t)route->queue_ms);
}

static json_t *view_pool(const struct server *server, const struct found *found,
			 const struct question *question)
{
	const struct pool *pool = found->pool;
	struct balance_usable usable = balance_usable(pool);
	const struct origin *choice = found->verdict.reason == REASON_NONE ? choose(found, question) : NULL;
	json_t *members = json_array();
	struct origins_row row;

	for (uint32_t i = 0; i < pool->member_count; i++) {
		size_t at = pool->members[i].origin->number;
		bool is_held = origins_next(server_origins(server), &at, &row);
		assert(is_held && row.origin == pool->members[i].origin);
		json_t *view = is_held ? api_view_origin(&row) : json_object();
		json_object_set_new(view, "weight", json_integer(pool->members[i].weight));
		json_array_append_new(members, view);
	}
	return json_pack("{s:o, s:i, s:i, s:b, s:o, s:o}", "id", json_text(pool->state->name), "usable",
			 (int)usable.usable, "total", (int)usable.total, "panic", usable.is_panic, "choice",
			 json_text(choice ? choice->text : NULL), "origins", members);
}

static json_t *view_found(const struct server *server, struct found *found, const struct question *question)
{
	const struct policy *policy = found->policy;
	enum reason reason = found->verdict.reason;

	assert(!found->pool || found->route);
	json_t *body = json_object();

	if (reason == REASON_NONE && balance_usable(found->pool).total == 0)
		reason = REASON_NO_ORIGIN;
	unsigned status = reason == REASON_MAINTENANCE ? policy->maintenance_status : reason_status(reason);
	json_object_set_new(body, "epoch", json_integer((json_int_t)found->world->epoch));
	const struct target_path *path = &found->http.path;
	json_object_set_new(body, "host", view_octets(found->http.name, found->http.host.length));
	json_object_set_new(body, "path", view_octets(path->text, path->path_length));
	json_object_set_new(body, "tenant",
			    view_octets(policy ? found->host.tenant : NULL, found->host.tenant_length));
	json_object_set_new(body, "service", json_text(policy ? found->service->id : NULL));
	json_object_set_new(body, "forwarded", json_boolean(reason == REASON_NONE));
	json_object_set_new(body, "status", status ? json_integer((json_int_t)status) : json_null());
	json_object_set_new(body, "reason", json_text(*reason_word(reason) ? reason_word(reason) : NULL));
	json_object_set_new(body, "route",
			    found->route ? view_route(found->route, found->pool) : json_null());
	json_object_set_new(body, "pool", found->pool ? view_pool(server, found, question) : json_null());
	json_object_set_new(
		body, "limits",
		policy ? api_view_limits(&policy->limits, &found->world->states[found->host.state])
		       : json_null());
	return body;
}

void api_post_route(struct http_request *request, struct http_reply *reply)
{
	const struct server *server = api_server(request);
	struct doc *doc = http_body_read(request, reply);
	struct question question = {0};
	struct err_list errors = {0};

	if (!doc)
		return;
	if (read_question(doc, &errors, &question)) {
		struct found *found = xcalloc(1, sizeof *found);
		found->world = server_world(server);
		char *scratch = xmalloc(HTTP1_REQUEST_SCRATCH(found->world->settings.line_bytes));
		found->verdict = find(found, &question, scratch);
		http_reply_json(reply, 200, view_found(server, found, &question));
		free(scratch);
		free(found);
	} else {
		http_reply_errors(reply, HTTP_PROBLEM_INVALID, &errors);
	}
	free(question.octets);
	err_done(&errors);
	doc_free(doc);
}
