/* Calls the API: prints all that a refusal says, and reads lists page by page. One thread. */
#include "lib/mem.h"
#include "tools/ctl.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* `mark` stands before the message. */
static void print_error(const json_t *error, const char *source, const char *mark)
{
	const char *file = text_of(error, "file");
	json_int_t line = json_integer_value(json_object_get(error, "line"));
	json_int_t column = json_integer_value(json_object_get(error, "column"));
	if (line && source) /* the API knows the document as the body of a request */
		file = source;
	if (*file)
		fprintf(stderr, "%s:", file);
	if (line)
		fprintf(stderr, "%lld:", (long long)line);
	if (line && column)
		fprintf(stderr, "%lld:", (long long)column);
	if (*text_of(error, "pointer"))
		fprintf(stderr, "%s:", text_of(error, "pointer"));
	fprintf(stderr, "%s%s%s\n", *file || line || *text_of(error, "pointer") ? " " : "gslbctl: ", mark,
		text_of(error, "message"));
}

void ctl_print_warnings(const json_t *reply, const char *source)
{
	const json_t *warnings = json_object_get(reply, "warnings");
	for (size_t i = 0; i < json_array_size(warnings); i++)
		print_error(json_array_get(warnings, i), source, "warning: ");
}

void ctl_print_refusal(const struct ctl_http_reply *reply, const char *source)
{
	json_t *problem = json_loadb(reply->body, reply->length, 0, NULL);
	if (!json_is_object(problem)) {
		fprintf(stderr, "gslbctl: gslbd answered with HTTP status %ld and no reason\n",
			reply->status);
		json_decref(problem);
		return;
	}
	/* `detail` sums up what the list of errors says in full. */
	const json_t *errors = json_object_get(problem, "errors");
	const char *detail = text_of(problem, "detail");
	if (json_array_size(errors) == 0)
		fprintf(stderr, "gslbctl: %s\n", *detail ? detail : text_of(problem, "title"));
	for (size_t i = 0; i < json_array_size(errors); i++)
		print_error(json_array_get(errors, i), source, "");
	json_decref(problem);
}

void ctl_print_reply(const struct ctl_http_reply *reply)
{
	fwrite(reply->body, 1, reply->length, stdout);
	/* A program gets every octet as it came; a person's prompt begins on a line of its own. */
	if (reply->length && reply->body[reply->length - 1] != '\n' && isatty(STDOUT_FILENO))
		putchar('\n');
}

static bool call(const struct ctl *ctl, const struct ctl_http_request *request, const char *source,
		 struct ctl_http_reply *ret, bool *ret_is_missing)
{
	struct ctl_http_reply reply;
	char *why;
	assert(*request->path == '/');
	if (!ctl_http_exchange(ctl->socket_path, ctl->timeout_ms, request, &reply, &why)) {
		fprintf(stderr, "gslbctl: %s\n", why);
		free(why);
		return false;
	}
	if (reply.status >= 200 && reply.status < 300) {
		*ret = reply;
		return true;
	}
	if (ret_is_missing && reply.status == 404) {
		*ret_is_missing = true;
	} else {
		if (ctl->output == CTL_JSON)
			ctl_print_reply(&reply);
		ctl_print_refusal(&reply, source);
	}
	ctl_http_reply_done(&reply);
	return false;
}

bool ctl_call(const struct ctl *ctl, const struct ctl_http_request *request, const char *source,
	      struct ctl_http_reply *ret)
{
	return call(ctl, request, source, ret, NULL);
}

bool ctl_call_or_missing(const struct ctl *ctl, const struct ctl_http_request *request,
			 struct ctl_http_reply *ret, bool *ret_is_missing)
{
	*ret_is_missing = false;
	return call(ctl, request, NULL, ret, ret_is_missing);
}

enum ctl_exit ctl_change(const struct ctl *ctl, const char *method, const char *path, json_t *body,
			 const char *done)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	assert(!text == !body && done);
	json_decref(body);
	struct ctl_http_request request = {
		.method = method,
		.path = path,
		.body = text,
		.length = text ? strlen(text) : 0,
		.content_type = text ? "application/json" : NULL,
	};
	struct ctl_http_reply reply;
	bool is_done = ctl_call(ctl, &request, NULL, &reply);
	free(text);
	if (!is_done)
		return CTL_FAILED;
	if (ctl->output == CTL_JSON) {
		ctl_print_reply(&reply);
	} else {
		json_t *json = json_loadb(reply.body, reply.length, 0, NULL);
		json_int_t epoch = json_integer_value(json_object_get(json, "epoch"));
		printf("%s", done);
		if (epoch)
			printf(" (epoch %lld)", (long long)epoch);
		putchar('\n');
		ctl_print_warnings(json, NULL);
		json_decref(json);
	}
	ctl_http_reply_done(&reply);
	return CTL_DONE;
}

json_t *ctl_json(const struct ctl_http_reply *reply)
{
	json_error_t error;
	json_t *json = json_loadb(reply->body, reply->length, 0, &error);
	if (!json)
		fprintf(stderr, "gslbctl: gslbd's reply is not JSON: %s\n", error.text);
	return json;
}

char *ctl_words(const json_t *value)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		return xstrdup(json_string_value(value));
	case JSON_INTEGER:
		return xasprintf("%lld", (long long)json_integer_value(value));
	case JSON_REAL:
		return xasprintf("%g", json_real_value(value));
	case JSON_TRUE:
		return xstrdup("yes");
	case JSON_FALSE:
		return xstrdup("no");
	case JSON_NULL:
		return xstrdup("");
	case JSON_OBJECT:
		return json_dumps(value, JSON_COMPACT);
	case JSON_ARRAY:
		break;
	}
	assert(json_is_array(value));
	char *list = xstrdup("");
	for (size_t i = 0; i < json_array_size(value); i++) {
		char *item = ctl_words(json_array_get(value, i));
		char *longer = xasprintf("%s%s%s", list, i ? ", " : "", item);
		free(item);
		free(list);
		list = longer;
	}
	return list;
}

char *ctl_path(const char *base, const char *segment)
{
	char *path = xmalloc(strlen(base) + 1 + 3 * strlen(segment) + 1);
	char *out = path + sprintf(path, "%s/", base);
	for (const char *in = segment; *in; in++) {
		if (isalnum((unsigned char)*in) || strchr("-._~:", *in))
			*out++ = *in;
		else
			out += sprintf(out, "%%%02X", (unsigned char)*in);
	}
	assert(out <= path + strlen(base) + 1 + 3 * strlen(segment));
	*out = 0;
	return path;
}

/* ---- lists ---- */

/* `cursor` is the parameter that says where the page begins: "after" or "since". */
static char *page_path(const char *path, const char *limit, const char *cursor, const char *after)
{
	char *escaped = ctl_path("", after ? after : "");
	char *page = xasprintf("%s?limit=%s", path, limit ? limit : "10000");
	if (after) {
		char *with_after = xasprintf("%s&%s=%s", page, cursor, escaped + 1);
		free(page);
		page = with_after;
	}
	free(escaped);
	return page;
}

/* The id that the next page comes after: text, or a number where ids are numbers. NULL: this page is the
 * last. */
static char *next_of(const json_t *page)
{
	const json_t *next = json_object_get(page, "next");
	if (json_is_integer(next))
		return xasprintf("%lld", (long long)json_integer_value(next));
	return json_is_string(next) && json_string_length(next) ? xstrdup(json_string_value(next)) : NULL;
}

static enum ctl_exit list_as_table(const struct ctl *ctl, const char *path, const char *limit,
				   const char *cursor, const char *from,
				   void (*row)(void *user, const json_t *item), void (*end)(void *user),
				   void *user)
{
	bool is_one_page = limit || (from && strcmp(cursor, "after") == 0);
	char *after = from ? xstrdup(from) : NULL;
	do {
		char *page = page_path(path, limit, cursor, after);
		struct ctl_http_request request = {.method = "GET", .path = page};
		struct ctl_http_reply reply;
		bool is_done = ctl_call(ctl, &request, NULL, &reply);
		free(page);
		free(after);
		after = NULL;
		if (!is_done)
			return CTL_FAILED;
		json_t *json = ctl_json(&reply);
		ctl_http_reply_done(&reply);
		if (!json)
			return CTL_FAILED;
		const json_t *items = json_object_get(json, "items");
		for (size_t i = 0; i < json_array_size(items); i++)
			row(user, json_array_get(items, i));
		after = next_of(json);
		json_decref(json);
	} while (after && !is_one_page);
	end(user);
	if (after)
		printf("more: --%s %s\n", cursor, after);
	free(after);
	return CTL_DONE;
}

enum ctl_exit ctl_list(const struct ctl *ctl, const char *path, const char *cursor,
		       void (*row)(void *user, const json_t *item), void (*end)(void *user), void *user)
{
	const char *limit = ctl_option(ctl, "limit"), *after = ctl_option(ctl, cursor);
	assert(!strchr(path, '?')); /* page_path() begins the query */
	if (ctl->output == CTL_TABLE)
		return list_as_table(ctl, path, limit, cursor, after, row, end, user);
	char *page = limit || after ? page_path(path, limit, cursor, after) : xstrdup(path);
	struct ctl_http_request request = {.method = "GET", .path = page};
	struct ctl_http_reply reply;
	bool is_done = ctl_call(ctl, &request, NULL, &reply);
	free(page);
	if (!is_done)
		return CTL_FAILED;
	ctl_print_reply(&reply);
	ctl_http_reply_done(&reply);
	return CTL_DONE;
}

enum ctl_exit ctl_show(struct ctl *ctl, const struct ctl_http_request *request,
		       void (*print)(const json_t *reply))
{
	struct ctl_http_reply reply;
	if (!ctl_call(ctl, request, NULL, &reply))
		return CTL_FAILED;
	enum ctl_exit code = CTL_DONE;
	if (ctl->output == CTL_JSON) {
		ctl_print_reply(&reply);
	} else {
		json_t *json = ctl_json(&reply);
		code = json ? CTL_DONE : CTL_FAILED;
		if (json)
			print(json);
		json_decref(json);
	}
	ctl_http_reply_done(&reply);
	return code;
}
