/* tail: prints the node's queries as they come, one a line, until --count, --for or a signal ends it. One
 * thread. */
#include "lib/mem.h"
#include "tools/ctl.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A stream of JSON lines that arrives in pieces of any size. */
struct lines {
	bool is_json, has_head;
	char *text;
	size_t length, capacity;
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "-";
}

static void print_sample(struct lines *lines, const json_t *sample)
{
	static const char format[] = "%-12.12s  %-20s %-5s %-6s %-9s %-16s %-12s %-11s %5s  %s\n";
	if (!lines->has_head)
		printf(format, "TIME", "CLIENT", "", "TYPE", "RCODE", "TENANT", "REGION", "STEP", "TTL",
		       "NAME, ANSWER");
	lines->has_head = true;
	const json_t *ttl = json_object_get(sample, "ttl");
	char *ttl_words = json_is_integer(ttl) ? ctl_words(ttl) : xstrdup("-");
	char *answer = ctl_words(json_object_get(sample, "answer"));
	bool is_truncated = json_is_true(json_object_get(sample, "truncated"));
	char *last = xasprintf("%s%s%s%s", text_of(sample, "name"), *answer ? "  " : "", answer,
			       is_truncated ? "  (TC)" : "");
	const char *time = text_of(sample, "time");
	printf(format, strlen(time) > 11 ? time + 11 : time, text_of(sample, "client"),
	       text_of(sample, "transport"), text_of(sample, "type"), text_of(sample, "rcode"),
	       text_of(sample, "tenant"), text_of(sample, "region"), text_of(sample, "step"), ttl_words,
	       last);
	free(last);
	free(answer);
	free(ttl_words);
}

static void print_line(struct lines *lines, const char *text, size_t length)
{
	json_t *sample = json_loadb(text, length, 0, NULL);
	const json_t *dropped = json_object_get(sample, "dropped");
	if (dropped)
		printf("… %lld more that were not shown\n", (long long)json_integer_value(dropped));
	else if (sample)
		print_sample(lines, sample);
	json_decref(sample);
}

static ssize_t take(void *cookie, const char *data, size_t size)
{
	struct lines *lines = cookie;
	if (lines->is_json) {
		fwrite(data, 1, size, stdout);
	} else {
		xgrow((void **)&lines->text, &lines->capacity, lines->length + size, 1);
		memcpy(lines->text + lines->length, data, size);
		lines->length += size;
		char *end;
		size_t used = 0;
		while ((end = memchr(lines->text + used, '\n', lines->length - used))) {
			print_line(lines, lines->text + used, (size_t)(end - lines->text) - used);
			used = (size_t)(end - lines->text) + 1;
		}
		assert(used <= lines->length && lines->length <= lines->capacity);
		memmove(lines->text, lines->text + used, lines->length - used);
		lines->length -= used;
	}
	return fflush(stdout) == 0 ? (ssize_t)size : 0; /* 0 ends the call: standard output is gone */
}

/* "?tenant=acme&limit=5" for the given options; malloc'ed. */
static char *query_of(const struct ctl *ctl)
{
	static const struct {
		const char *option, *param;
	} params[] = {{"tenant", "tenant"},
		      {"region", "region"},
		      {"client", "client"},
		      {"count", "limit"},
		      {"for", "for"}};
	char *query = xstrdup("");
	for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
		const char *value = ctl_option(ctl, params[i].option);
		if (!value)
			continue;
		char *escaped = ctl_path("", value);
		char *longer =
			xasprintf("%s%s%s=%s", query, *query ? "&" : "?", params[i].param, escaped + 1);
		free(escaped);
		free(query);
		query = longer;
	}
	return query;
}

static enum ctl_exit run_tail(struct ctl *ctl)
{
	struct lines lines = {.is_json = ctl->output == CTL_JSON};
	FILE *into = fopencookie(&lines, "w", (cookie_io_functions_t){.write = take});
	if (!into)
		abort();
	setvbuf(into, NULL, _IONBF, 0);
	char *query = query_of(ctl), *path = xasprintf("/v1/tail%s", query);
	struct ctl_http_request request = {
		.method = "GET", .path = path, .into = into, .may_be_silent = true};
	struct ctl_http_reply reply;
	bool is_done = ctl_call(ctl, &request, NULL, &reply);
	if (is_done)
		ctl_http_reply_done(&reply);
	fclose(into);
	free(lines.text);
	free(path);
	free(query);
	return is_done ? CTL_DONE : CTL_FAILED;
}

const struct ctl_verb verb_tail = {
	.group = "Look",
	.words = "tail",
	.options = "tenant: region: client: count: for:",
	.run = run_tail,
	.help = "the queries as they come, with the decision on each",
	.more = "  --tenant ID      only this tenant's\n"
		"  --region REGION  only those that this region answers\n"
		"  --client PREFIX  only clients (the subnet by ECS, else the resolver) inside PREFIX\n"
		"  --count N        end after N lines\n"
		"  --for T          end after T (30s, 5m)\n"
		"\n"
		"A sample: at some thousand a second a line says how many were not shown. With -o json a\n"
		"JSON object a line.\n"
		"\n"
		"  gslbctl tail --tenant acme --client 81.2.69.0/24 --count 20\n",
};
