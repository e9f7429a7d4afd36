/* top: computes rates of queries, or of a forwarder's requests, from two readings of counters. One thread. */
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "tools/ctl.h"
#include "tools/ctl_table.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROWS 10 /* of each table */

static const struct view {
	const char *metric, *key; /* key: in JSON */
	const char *labels[2];	  /* the second may be NULL */
	const char *heads[3];
} views[] = {
	{"gslb_dns_queries_total", "transports", {"transport"}, {"TRANSPORT", ">PER SECOND"}},
	{"gslb_dns_queries_total", "types", {"type"}, {"TYPE", ">PER SECOND"}},
	{"gslb_dns_responses_total", "rcodes", {"rcode"}, {"RCODE", ">PER SECOND"}},
	{"gslb_dns_answers_total", "answers", {"service", "region"}, {"SERVICE", "REGION", ">PER SECOND"}},
	{"gslb_dns_fallback_total", "fallback", {"service", "step"}, {"SERVICE", "FALLBACK", ">PER SECOND"}},
	{"gslb_dns_tenant_queries_total", "tenants", {"tenant"}, {"TENANT", ">PER SECOND"}},
	{"gslb_dns_dropped_total", "dropped", {"reason"}, {"DROPPED", ">PER SECOND"}},
	/* of forwarderd */
	{"gslb_forwarder_requests_total",
	 "services",
	 {"service", "class"},
	 {"SERVICE", "STATUS", ">PER SECOND"}},
	{"gslb_forwarder_requests_total",
	 "reasons",
	 {"service", "reason"},
	 {"SERVICE", "REASON", ">PER SECOND"}},
	{"gslb_forwarder_tenant_requests_total", "tenants", {"tenant"}, {"TENANT", ">PER SECOND"}},
	{"gslb_forwarder_tenant_limited_total", "limited", {"tenant"}, {"LIMITED TENANT", ">PER SECOND"}},
	{"gslb_forwarder_tenant_bytes_total", "bytes", {"tenant"}, {"TENANT", ">OCTETS A SECOND"}},
	{"gslb_forwarder_retries_total",
	 "retries",
	 {"service", "result"},
	 {"SERVICE", "RETRIES", ">PER SECOND"}},
};
#define FORWARDER_VIEW 7 /* the first of forwarderd */
#define VIEWS (sizeof views / sizeof *views)

/* A row of a view: the values of its labels, and the counter's value or its growth a second. */
struct row {
	char *label[2];
	double value;
};

struct reading {
	uint64_t at_ms;
	bool is_forwarder;	 /* forwarderd answered */
	struct map *rows[VIEWS]; /* "label\nlabel" → struct row */
};

static void reading_free(struct reading *reading)
{
	if (!reading)
		return;
	for (size_t i = 0; i < VIEWS; i++) {
		size_t at = 0;
		const char *key;
		for (struct row *row; (row = map_next(reading->rows[i], &at, &key));) {
			free(row->label[0]);
			free(row->label[1]);
			free(row);
		}
		map_free(reading->rows[i]);
	}
	free(reading);
}

/* ---- reading ---- */

/* The value of a label in `{name="value",…}`; malloc'ed, NULL: absent. */
static char *label_of(const char *labels, const char *name)
{
	size_t length = strlen(name);
	assert(*labels == '{' && length > 0); /* so that each place found has an octet before it */
	for (const char *at = labels; (at = strstr(at, name)); at += length) {
		if ((at[-1] != '{' && at[-1] != ',') || strncmp(at + length, "=\"", 2) != 0)
			continue;
		const char *from = at + length + 2;
		char *value = xmalloc(strlen(from) + 1), *to = value;
		for (; *from && *from != '"'; from++) {
			from += *from == '\\' && from[1];
			*to++ = *from;
		}
		*to = 0;
		return value;
	}
	return NULL;
}

static void add_value(struct map *rows, char *first, char *second, double value)
{
	char *key = xasprintf("%s\n%s", first, second);
	struct row *row = map_get(rows, key);
	if (row) {
		free(first);
		free(second);
	} else {
		row = xcalloc(1, sizeof *row);
		row->label[0] = first;
		row->label[1] = second;
		map_put(rows, key, row);
	}
	row->value += value;
	free(key);
}

static void read_line(struct reading *reading, const char *line)
{
	size_t name = strcspn(line, "{ ");
	const char *blank = strrchr(line, ' ');
	if (strncmp(line, "gslb_forwarder_", 15) == 0)
		reading->is_forwarder = true;
	if (line[name] != '{' || !blank)
		return;
	for (size_t i = 0; i < VIEWS; i++) {
		if (strlen(views[i].metric) != name || strncmp(line, views[i].metric, name) != 0)
			continue;
		char *first = label_of(line + name, views[i].labels[0]);
		char *second = views[i].labels[1] ? label_of(line + name, views[i].labels[1]) : xstrdup("");
		if (first && second) {
			add_value(reading->rows[i], first, second, strtod(blank, NULL));
		} else {
			free(first);
			free(second);
		}
	}
}

/* NULL: ctl_call() has printed why. */
static struct reading *read_counters(const struct ctl *ctl)
{
	struct ctl_http_request request = {.method = "GET", .path = "/metrics"};
	struct ctl_http_reply reply;
	if (!ctl_call(ctl, &request, NULL, &reply))
		return NULL;
	struct reading *reading = xcalloc(1, sizeof *reading);
	reading->at_ms = clock_mono_ms();
	for (size_t i = 0; i < VIEWS; i++)
		reading->rows[i] = map_new();
	for (char *save, *line = strtok_r(reply.body, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (*line != '#')
			read_line(reading, line);
	ctl_http_reply_done(&reply);
	return reading;
}

/* ---- telling ---- */

static int by_value(const void *a, const void *b)
{
	const struct row *first = a, *second = b;
	if (first->value != second->value)
		return first->value < second->value ? 1 : -1;
	int order = strcmp(first->label[0], second->label[0]);
	return order ? order : strcmp(first->label[1], second->label[1]);
}

/* The rows that grew, the fastest first; their labels stay the reading's. Returns how many. */
static size_t rates_of(const struct reading *before, const struct reading *now, size_t view, struct row **ret)
{
	assert(view < VIEWS && now->at_ms >= before->at_ms);
	struct row *rows = xcalloc(map_count(now->rows[view]) + 1, sizeof *rows);
	double seconds = (double)(now->at_ms - before->at_ms) / 1000;
	size_t at = 0, count = 0;
	const char *key;
	for (const struct row *row; (row = map_next(now->rows[view], &at, &key));) {
		const struct row *old = map_get(before->rows[view], key);
		double grown = row->value - (old ? old->value : 0);
		/* Less than before: the node was restarted. */
		if (grown > 0 && seconds > 0)
			rows[count++] = (struct row){{row->label[0], row->label[1]}, grown / seconds};
	}
	assert(count <= map_count(now->rows[view]));
	qsort(rows, count, sizeof *rows, by_value);
	*ret = rows;
	return count;
}

static void print_view(const struct view *view, const struct row *rows, size_t count)
{
	struct ctl_table table;
	size_t columns = view->labels[1] ? 3 : 2;
	assert(view->labels[0] && view->heads[columns - 1] && (columns == 3 || !view->heads[2]));
	if (count == 0)
		return;
	ctl_table_init(&table, view->heads, columns);
	for (size_t i = 0; i < count && i < ROWS; i++) {
		char *rate = xasprintf("%.1f", rows[i].value);
		const char *cells[3] = {rows[i].label[0], columns == 3 ? rows[i].label[1] : rate, rate};
		ctl_table_row(&table, cells, columns);
		free(rate);
	}
	putchar('\n');
	ctl_table_print(&table, 0, stdout);
	if (count > ROWS)
		printf("… %zu more\n", count - ROWS);
}

static json_t *view_json(const struct view *view, const struct row *rows, size_t count)
{
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *row = json_object();
		for (size_t label = 0; label < 2 && view->labels[label]; label++)
			json_object_set_new(row, view->labels[label], json_text(rows[i].label[label]));
		json_object_set_new(row, "per_second", json_real(rows[i].value));
		json_array_append_new(list, row);
	}
	return list;
}

static void print_rates(const struct ctl *ctl, const struct reading *before, const struct reading *now)
{
	char when[32];
	text_from_unix_ms(clock_unix_ms(), when);
	json_t *reply = json_pack("{s:o, s:f}", "time", json_text(when), "seconds",
				  (double)(now->at_ms - before->at_ms) / 1000);
	bool is_json = ctl->output == CTL_JSON;
	const char *terminal = getenv("TERM");
	if (!is_json && isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0)
		printf("\x1b[H\x1b[J");
	size_t first = now->is_forwarder ? FORWARDER_VIEW : 0,
	       end = now->is_forwarder ? VIEWS : FORWARDER_VIEW;
	for (size_t i = first; i < end; i++) {
		struct row *rows;
		size_t count = rates_of(before, now, i, &rows);
		double sum = 0;
		for (size_t j = 0; j < count; j++)
			sum += rows[j].value;
		if (is_json)
			json_object_set_new(reply, views[i].key, view_json(&views[i], rows, count));
		else if (i == first)
			printf("%s  %.1f %s a second\n", when, sum,
			       now->is_forwarder ? "requests" : "queries");
		if (!is_json)
			print_view(&views[i], rows, count);
		free(rows);
	}
	if (is_json) {
		json_dumpf(reply, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
		putchar('\n');
	} else if (!isatty(STDOUT_FILENO)) {
		putchar('\n');
	}
	json_decref(reply);
}

static enum ctl_exit run_top(struct ctl *ctl)
{
	const char *interval = ctl_option(ctl, "interval"), *count = ctl_option(ctl, "count");
	uint64_t interval_ms = 2000, left = isatty(STDOUT_FILENO) ? UINT64_MAX : 1;
	if (interval && (!text_to_duration_ms(interval, &interval_ms) || interval_ms < 100))
		return ctl_usage(ctl, "--interval %s: a duration of at least 100ms", interval);
	if (count && (!text_to_uint(count, &left) || left == 0))
		return ctl_usage(ctl, "--count %s: a number from 1", count);
	struct reading *before = read_counters(ctl);
	for (; before && left > 0; left--) {
		struct timespec pause = {(time_t)(interval_ms / 1000), (long)(interval_ms % 1000) * 1000000};
		nanosleep(&pause, NULL);
		struct reading *now = read_counters(ctl);
		if (now)
			print_rates(ctl, before, now);
		reading_free(before);
		before = now;
		if (fflush(stdout) != 0)
			break;
	}
	bool is_good = before != NULL;
	reading_free(before);
	return is_good ? CTL_DONE : CTL_FAILED;
}

const struct ctl_verb verb_top = {
	.group = "Look",
	.words = "top",
	.options = "interval: count:",
	.run = run_top,
	.help = "queries or requests a second by tenant, region and result",
	.more = "  --interval T  between two tables; 2s when not given\n"
		"  --count N     end after N tables; without it, endless on a terminal and 1 elsewhere\n",
};
