/*
 * The description of the API against the API: the same routes, parameters, problems and words, in both
 * directions, and the same calls on the page for people. What calls reply is held against it by the live
 * tests.
 */
#include "gslb/api/api_internal.h"
#include "gslb/decide/words.h"
#include "lib/mem.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static json_t *document;

static int setup(void **state)
{
	document = json_loads(api_openapi_text, JSON_REJECT_DUPLICATES, NULL);
	return document ? 0 : -1;
}

static int teardown(void **state)
{
	json_decref(document);
	return 0;
}

/* A JSON pointer without escapes ("#/components/schemas/Vip"); NULL: nothing is there. */
static const json_t *find(const char *reference)
{
	const json_t *at = document;
	char copy[256], *rest = copy, *step;
	snprintf(copy, sizeof copy, "%s", reference);
	assert_string_equal(strsep(&rest, "/"), "#");
	while ((step = strsep(&rest, "/")))
		at = json_object_get(at, step);
	return at;
}

static const json_t *resolve_reference(const json_t *value)
{
	const char *reference = json_string_value(json_object_get(value, "$ref"));
	return reference ? find(reference) : value;
}

static const char *text_of(const json_t *value, const char *key)
{
	return json_string_value(json_object_get(value, key));
}

/* "/v1/tenants/{id}" as the table has it; out has room for it. */
static const char *pattern_of(const char *path, char *out)
{
	char *to = out;
	assert_int_equal(*path, '/');
	for (path++; *path; path++) {
		if (*path == '{') {
			*to++ = '*';
			path = strchr(path, '}');
		} else {
			*to++ = *path;
		}
	}
	*to = '\0';
	return out;
}

static const struct http_route *find_route(const char *method, const char *pattern)
{
	for (size_t i = 0; i < api_route_count; i++)
		if (api_routes[i].handler && strcasecmp(api_routes[i].method, method) == 0 &&
		    strcmp(api_routes[i].pattern, pattern) == 0)
			return &api_routes[i];
	return NULL;
}

/* Calls `check` for each operation of the document; returns how many there are. */
static size_t each_operation(void (*check)(const char *path, const char *method, json_t *item,
					   json_t *operation))
{
	const char *path, *method;
	json_t *item, *operation;
	size_t count = 0;
	json_object_foreach (json_object_get(document, "paths"), path, item) {
		json_object_foreach (item, method, operation) {
			if (strcmp(method, "parameters") == 0)
				continue;
			check(path, method, item, operation);
			count++;
		}
	}
	return count;
}

static const struct http_route *route_of(const char *path, const char *method)
{
	char pattern[256];
	const struct http_route *route = find_route(method, pattern_of(path, pattern));
	if (!route)
		fail_msg("the API has no %s %s", method, path);
	return route;
}

static void check_route(const char *path, const char *method, json_t *item, json_t *operation)
{
	route_of(path, method);
	assert_non_null(text_of(operation, "operationId"));
	assert_non_null(text_of(operation, "summary"));
}

static void test_routes(void **state)
{
	size_t count = 0;
	for (size_t i = 0; i < api_route_count; i++)
		count += api_routes[i].handler != NULL;
	/* Every operation is a route, and there are as many of them. */
	assert_int_equal(each_operation(check_route), count);
}

static bool takes(const struct http_route *route, const char *name)
{
	for (const char *const *param = route->params; *param; param++)
		if (strcmp(*param, name) == 0)
			return true;
	return false;
}

static size_t check_parameters_of(const struct http_route *route, const char *path, const json_t *list,
				  size_t *path_count)
{
	size_t index, query_count = 0;
	json_t *written;
	json_array_foreach (list, index, written) {
		const json_t *parameter = resolve_reference(written);
		const char *name = text_of(parameter, "name"), *in = text_of(parameter, "in");
		char braced[64];
		snprintf(braced, sizeof braced, "{%s}", name);
		assert_non_null(json_object_get(parameter, "schema"));
		if (strcmp(in, "query") == 0) {
			query_count++;
			if (!takes(route, name))
				fail_msg("%s takes no parameter %s", path, name);
		} else if (strcmp(in, "path") == 0) {
			(*path_count)++;
			assert_true(json_is_true(json_object_get(parameter, "required")));
			if (!strstr(path, braced))
				fail_msg("%s has no %s", path, braced);
		} else {
			assert_string_equal(in, "header");
		}
	}
	return query_count;
}

static void check_parameters(const char *path, const char *method, json_t *item, json_t *operation)
{
	const struct http_route *route = route_of(path, method);
	size_t path_count = 0, open_count = 0, taken = 0;
	size_t count =
		check_parameters_of(route, path, json_object_get(item, "parameters"), &path_count) +
		check_parameters_of(route, path, json_object_get(operation, "parameters"), &path_count);
	for (const char *at = route->pattern; *at; at++)
		open_count += *at == '*';
	for (const char *const *param = route->params; *param; param++)
		taken++;
	if (count != taken || path_count != open_count)
		fail_msg("%s %s has other parameters than it takes", method, path);
}

static void test_parameters(void **state)
{
	each_operation(check_parameters);
}

static void check_responses(const char *path, const char *method, json_t *item, json_t *operation)
{
	const struct http_route *route = route_of(path, method);
	const char *status, *type;
	json_t *written, *media;
	bool has_success = false, is_plain = false;
	size_t index;
	json_object_foreach (json_object_get(operation, "responses"), status, written) {
		const json_t *response = resolve_reference(written);
		const json_t *content = json_object_get(response, "content");
		has_success |= *status == '2';
		assert_non_null(text_of(response, "description"));
		assert_int_equal(json_object_size(content), 1);
		bool is_readiness = strcmp(path, "/readyz") == 0 && strcmp(status, "503") == 0;
		json_object_foreach ((json_t *)content, type, media) {
			bool is_problem = strcmp(type, "application/problem+json") == 0;
			assert_int_equal(is_problem, *status != '2' && !is_readiness);
			assert_non_null(json_object_get(media, "schema"));
		}
	}
	json_array_foreach (json_object_get(operation, "tags"), index, media)
		is_plain |= strcmp(json_string_value(media), "plain") == 0;
	assert_true(has_success);
	assert_int_equal(is_plain, route->when == HTTP_WHEN_PLAIN);
	/* Any call may have an unknown parameter; some are refused until the fleet is loaded. */
	assert_non_null(json_object_get(json_object_get(operation, "responses"), "400"));
	if (route->when == HTTP_WHEN_AVAILABLE)
		assert_non_null(json_object_get(json_object_get(operation, "responses"), "503"));
	bool has_body = json_object_get(operation, "requestBody") != NULL;
	assert_int_equal(has_body, json_object_get(json_object_get(operation, "responses"), "413") != NULL);
}

static void test_responses(void **state)
{
	each_operation(check_responses);
}

static void check_references(const json_t *value)
{
	const char *key;
	size_t index;
	json_t *member;
	const char *reference = text_of(value, "$ref");
	if (reference && !find(reference))
		fail_msg("%s is not there", reference);
	json_object_foreach ((json_t *)value, key, member)
		check_references(member);
	json_array_foreach (value, index, member)
		check_references(member);
}

static void test_references(void **state)
{
	check_references(document);
}

/* The enum at this place has just these words. */
static void check_words(const char *reference, const char *(*word)(unsigned), unsigned count)
{
	const json_t *words = find(reference);
	size_t written = json_array_size(words);
	for (unsigned i = 0; i < count; i++) {
		bool is_there = false;
		for (size_t at = 0; at < written; at++)
			is_there |= strcmp(json_string_value(json_array_get(words, at)), word(i)) == 0;
		if (!is_there)
			fail_msg("gslb/api/openapi.json, %s: '%s' is missing", reference, word(i));
	}
	if (written != count)
		fail_msg("gslb/api/openapi.json, %s: a word that nobody says", reference);
}

static const char *problem_type(unsigned problem)
{
	static char text[64];
	snprintf(text, sizeof text, "urn:gslb:%s", http_reply_problem_kind((enum http_problem)problem)->type);
	return text;
}

static const char *step_word(unsigned step)
{
	return words_step((enum step)step);
}

static const char *region_reason_word(unsigned reason)
{
	return words_region_reason((enum region_reason)reason);
}

static const char *ttl_reason_word(unsigned reason)
{
	return words_ttl_reason((enum ttl_reason)reason);
}

static const char *vip_state_word(unsigned state)
{
	return fleet_vip_state_word[state];
}

static const char *order_word(unsigned order)
{
	return fleet_order_word[order];
}

static const char *split_word(unsigned split)
{
	return fleet_split_word[split];
}

#define SCHEMAS "#/components/schemas/"
#define POLICY SCHEMAS "Policy/properties/"

static void test_words(void **state)
{
	check_words(SCHEMAS "Problem/properties/type/enum", problem_type, HTTP_PROBLEMS);
	check_words(SCHEMAS "Step/enum", step_word, STEP_COUNT);
	check_words(SCHEMAS "RegionReason/enum", region_reason_word, REGION_REASONS);
	check_words(SCHEMAS "TtlReason/enum", ttl_reason_word, TTL_REASONS);
	check_words(SCHEMAS "VipState/enum", vip_state_word, VIP_STATES);
	check_words(POLICY "order/enum", order_word, ORDER_KINDS);
	check_words(POLICY "split/enum", split_word, SPLITS);
}

/* ---- docs/api.md ---- */

static char *read_page(const char *path)
{
	static char text[65536];
	char *full = xasprintf("%s/%s", getenv("GSLB_SOURCE"), path);
	FILE *file = fopen(full, "r");
	assert_non_null(file);
	size_t length = fread(text, 1, sizeof text - 1, file);
	text[length] = '\0';
	fclose(file);
	free(full);
	return text;
}

static const char *page;

static void check_page_row(const char *path, const char *method, json_t *item, json_t *operation)
{
	char row[256];
	size_t used = (size_t)snprintf(row, sizeof row, "\n| `");
	for (const char *at = method; *at; at++)
		row[used++] = (char)toupper((unsigned char)*at);
	snprintf(row + used, sizeof row - used, " %s` |", path);
	if (!strstr(page, row))
		fail_msg("docs/api.md has no row %s", row + 1);
}

static void test_the_page_has_every_call(void **state)
{
	page = read_page("docs/api.md");
	size_t rows = 0, operations = each_operation(check_page_row);
	for (const char *at = page; (at = strstr(at, "\n| `")); at++) {
		const char *word = at + 4;
		rows += strncmp(word, "GET /", 5) == 0 || strncmp(word, "PUT /", 5) == 0 ||
			strncmp(word, "POST /", 6) == 0 || strncmp(word, "DELETE /", 8) == 0;
	}
	assert_int_equal(rows, operations); /* and no other */
}

static void test_the_page_has_every_problem(void **state)
{
	page = read_page("docs/api.md");
	for (unsigned i = 0; i < HTTP_PROBLEMS; i++) {
		const struct http_problem_kind *kind = http_reply_problem_kind((enum http_problem)i);
		char row[64];
		snprintf(row, sizeof row, "\n| `%s` | %d |", kind->type, kind->status);
		if (!strstr(page, row))
			fail_msg("docs/api.md has no row %s", row + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_the_page_has_every_call),
		cmocka_unit_test(test_the_page_has_every_problem),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
