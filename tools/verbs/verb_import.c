/*
 * tenant import FILE: sends many tenants in chunks, each of which is one transaction of the API. When the API
 * refuses a row, the import reports it, takes it out of its chunk and sends the chunk again. One thread.
 */
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "tools/ctl.h"
#include "tools/ctl_rows.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)2 << 30)
#define CHUNK_ROWS 5000
/* Octets of the file. As JSON they may be a few times as many, and a call takes 64 MiB. */
#define CHUNK_BYTES ((size_t)8 << 20)
#define PROGRESS_MS 200

struct import {
	struct ctl *ctl;
	const char *source; /* for messages */
	const char *path;   /* of the API */
	bool shows_progress, has_stopped;
	size_t total_octets;
	uint64_t shown_ms;
	json_int_t added, changed, unchanged;
	size_t read;
	json_t *refused;
	struct map *lines; /* id → line, to find an id that comes twice */
	size_t row_count;
	struct ctl_row rows[CHUNK_ROWS];
};

static void show_progress(struct import *import, const struct ctl_rows *rows, bool is_end)
{
	if (!import->shows_progress || (!is_end && clock_mono_ms() - import->shown_ms < PROGRESS_MS))
		return;
	import->shown_ms = clock_mono_ms();
	size_t octets = (size_t)(rows->at - rows->text);
	fprintf(stderr, "\r%3.0f %%  %zu tenants, %zu refused\x1b[K%s",
		import->total_octets ? 100.0 * (double)octets / (double)import->total_octets : 100.0,
		import->read, json_array_size(import->refused), is_end ? "\n" : "");
	fflush(stderr);
}

static void refuse(struct import *import, const struct ctl_row *row, const char *why)
{
	if (import->shows_progress)
		fputs("\r\x1b[K", stderr);
	char id[TEXT_QUOTE_MAX] = "";
	if (row->id)
		text_quote(row->id, id);
	fprintf(stderr, "%s:%zu: %s%s%s%s\n", import->source, row->line, row->id ? "tenant " : "", id,
		row->id ? ": " : "", why);
	json_array_append_new(import->refused, json_pack("{s:I, s:o, s:o}", "line", (json_int_t)row->line,
							 "id", json_text(row->id), "reason", json_text(why)));
}

/* ---- one call ---- */

static char *chunk_body(struct ctl_row *const *rows, size_t count)
{
	json_t *tenants = json_object();
	for (size_t i = 0; i < count; i++) {
		int failed = json_object_set(tenants, rows[i]->id, rows[i]->tenant);
		assert(!failed); /* ctl_rows refuses ids that JSON cannot hold */
		(void)failed;
	}
	json_t *body = json_pack("{s:o}", "tenants", tenants);
	char *text = json_dumps(body, JSON_COMPACT);
	assert(text);
	json_decref(body);
	return text;
}

/* The place in rows of the row that "/tenants/ID/…" points to, or `count`. */
static size_t row_of_pointer(struct ctl_row *const *rows, size_t count, const char *pointer)
{
	static const char head[] = "/tenants/";
	if (!pointer || strncmp(pointer, head, sizeof head - 1) != 0)
		return count;
	const char *from = pointer + sizeof head - 1;
	size_t length = 0;
	char *id = xmalloc(strlen(from) + 1);
	for (; *from && *from != '/'; from++) { /* RFC 6901 §4: ~1 is a slash, ~0 a tilde */
		bool is_escape = *from == '~' && (from[1] == '0' || from[1] == '1');
		id[length++] = is_escape ? (from[1] == '1' ? '/' : '~') : *from;
		from += is_escape;
	}
	id[length] = 0;
	size_t i = 0;
	while (i < count && strcmp(rows[i]->id, id) != 0)
		i++;
	free(id);
	return i;
}

/* Reports the rows that the problem points to and removes them; returns how many are left. */
static size_t take_out(struct import *import, struct ctl_row **rows, size_t count, const json_t *problem)
{
	const json_t *errors = json_object_get(problem, "errors");
	char **why = xcalloc(count + 1, sizeof *why);
	for (size_t i = 0; i < json_array_size(errors); i++) {
		const json_t *error = json_array_get(errors, i);
		size_t row =
			row_of_pointer(rows, count, json_string_value(json_object_get(error, "pointer")));
		const char *message = json_string_value(json_object_get(error, "message"));
		if (row == count)
			continue;
		char *all = xasprintf("%s%s%s", why[row] ? why[row] : "", why[row] ? "; " : "",
				      message ? message : "");
		free(why[row]);
		why[row] = all;
	}
	size_t left = 0;
	for (size_t i = 0; i < count; i++) {
		if (why[i])
			refuse(import, rows[i], why[i]);
		else
			rows[left++] = rows[i];
		free(why[i]);
	}
	free(why);
	assert(left <= count);
	return left;
}

static void count_applied(struct import *import, const struct ctl_http_reply *reply)
{
	json_t *counts = ctl_json(reply);
	import->added += json_integer_value(json_object_get(counts, "added"));
	import->changed += json_integer_value(json_object_get(counts, "changed"));
	import->unchanged += json_integer_value(json_object_get(counts, "unchanged"));
	import->has_stopped |= !counts;
	json_decref(counts);
}

static void send_rows(struct import *import, struct ctl_row **rows, size_t count);

static void send_less(struct import *import, struct ctl_row **rows, size_t count,
		      const struct ctl_http_reply *reply)
{
	json_t *problem = json_loadb(reply->body, reply->length, 0, NULL);
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	size_t left = take_out(import, rows, count, problem);
	if (left < count) {
		send_rows(import, rows, left);
	} else if (count == 1) {
		refuse(import, rows[0], detail ? detail : "refused without a reason");
	} else { /* the problem names no row: each half is tried by itself */
		send_rows(import, rows, count / 2);
		send_rows(import, rows + count / 2, count - count / 2);
	}
	json_decref(problem);
}

static void send_rows(struct import *import, struct ctl_row **rows, size_t count)
{
	assert(count <= CHUNK_ROWS);
	if (count == 0 || import->has_stopped)
		return;
	char *body = chunk_body(rows, count);
	struct ctl_http_request request = {.method = "POST",
					   .path = import->path,
					   .body = body,
					   .length = strlen(body),
					   .content_type = "application/json"};
	struct ctl_http_reply reply;
	char *why = NULL;
	bool has_reply =
		ctl_http_exchange(import->ctl->socket_path, import->ctl->timeout_ms, &request, &reply, &why);
	free(body);
	if (has_reply && reply.status == 200) {
		count_applied(import, &reply);
	} else if (has_reply && (reply.status == 409 || reply.status == 413 || reply.status == 422 ||
				 reply.status == 400)) {
		send_less(import, rows, count, &reply);
	} else { /* the rows are not to blame: the next chunk would fail as well */
		import->has_stopped = true;
		if (import->shows_progress)
			fputc('\n', stderr);
		if (has_reply)
			ctl_print_refusal(&reply, NULL);
		else
			fprintf(stderr, "gslbctl: %s\n", why);
	}
	free(why);
	if (has_reply)
		ctl_http_reply_done(&reply);
}

/* ---- the file ---- */

static void send_chunk(struct import *import)
{
	struct ctl_row *rows[CHUNK_ROWS];
	for (size_t i = 0; i < import->row_count; i++)
		rows[i] = &import->rows[i];
	send_rows(import, rows, import->row_count);
	for (size_t i = 0; i < import->row_count; i++)
		ctl_row_done(&import->rows[i]);
	import->row_count = 0;
}

/* --zone, --service and --tier fill what the row leaves out. */
static void fill_defaults(const struct ctl *ctl, json_t *tenant)
{
	static const char *const keys[] = {"zone", "service", "tier"};
	for (size_t i = 0; i < 3; i++)
		if (ctl_option(ctl, keys[i]) && !json_object_get(tenant, keys[i]))
			json_object_set_new(tenant, keys[i], json_text(ctl_option(ctl, keys[i])));
}

/* False: the row is refused, and reported. */
static bool is_good_row(struct import *import, const struct ctl_row *row)
{
	char *why = row->why ? xstrdup(row->why) : NULL;
	if (!why) {
		size_t *first = map_get(import->lines, row->id);
		if (first) {
			why = xasprintf("it stands in line %zu already", *first);
		} else {
			size_t *line = xmalloc(sizeof *line);
			*line = row->line;
			map_put(import->lines, row->id, line);
		}
	}
	if (why)
		refuse(import, row, why);
	bool is_good = !why;
	free(why);
	return is_good;
}

static void import_rows(struct import *import, struct ctl_rows *rows)
{
	struct ctl_row row;
	size_t octets = 0;
	while (!import->has_stopped && ctl_rows_next(rows, &row)) {
		import->read++;
		if (!is_good_row(import, &row)) {
			ctl_row_done(&row);
			continue;
		}
		assert(row.id && row.tenant && import->row_count < CHUNK_ROWS);
		fill_defaults(import->ctl, row.tenant);
		import->rows[import->row_count++] = row;
		octets += row.octets;
		if (import->row_count == CHUNK_ROWS || octets >= CHUNK_BYTES) {
			send_chunk(import);
			octets = 0;
			show_progress(import, rows, false);
		}
	}
	send_chunk(import);
	if (!import->has_stopped)
		show_progress(import, rows, true);
}

static void print_summary(const struct import *import, bool is_dry)
{
	if (import->ctl->output == CTL_JSON) {
		json_t *summary =
			json_pack("{s:I, s:I, s:I, s:O, s:b, s:b}", "added", import->added, "changed",
				  import->changed, "unchanged", import->unchanged, "refused", import->refused,
				  "dry_run", is_dry, "complete", !import->has_stopped);
		json_dumpf(summary, stdout, JSON_COMPACT);
		json_decref(summary);
		putchar('\n');
		return;
	}
	printf("%s%lld added, %lld changed, %lld unchanged, %zu refused\n", is_dry ? "would be: " : "",
	       (long long)import->added, (long long)import->changed, (long long)import->unchanged,
	       json_array_size(import->refused));
	if (import->has_stopped)
		puts("stopped before the end of the file; the same import may be run again");
}

static void free_lines(struct map *lines)
{
	size_t at = 0;
	const char *key;
	for (void *line; (line = map_next(lines, &at, &key));)
		free(line);
	map_free(lines);
}

static enum ctl_exit run_tenant_import(struct ctl *ctl)
{
	const char *file = ctl->args[0];
	bool is_dry = ctl_option(ctl, "dry-run") != NULL;
	size_t length;
	char *text = ctl_file_read(file, FILE_BYTES_MAX, "import it in parts", &length), *why;
	if (!text)
		return CTL_FAILED;
	const char *source = strcmp(file, "-") == 0 ? "standard input" : file;
	struct ctl_rows rows;
	if (!ctl_rows_init(&rows, text, length, &why)) {
		fprintf(stderr, "%s:%zu: %s\n", source, (size_t)1, why);
		free(why);
		free(text);
		return CTL_FAILED;
	}
	struct import *import = xcalloc(1, sizeof *import);
	import->ctl = ctl;
	import->source = source;
	import->path = is_dry ? "/v1/apply?dry_run=true" : "/v1/apply";
	import->shows_progress = isatty(STDERR_FILENO);
	import->total_octets = length;
	import->refused = json_array();
	import->lines = map_new();
	import_rows(import, &rows);
	assert(import->row_count == 0);
	print_summary(import, is_dry);
	bool is_good = !import->has_stopped && json_array_size(import->refused) == 0;
	json_decref(import->refused);
	free_lines(import->lines);
	free(import);
	ctl_rows_done(&rows);
	free(text);
	return is_good ? CTL_DONE : CTL_FAILED;
}

const struct ctl_verb verb_tenant_import = {
	.group = "Tenants and fleet",
	.words = "tenant import",
	.args = "FILE",
	.options = "dry-run zone: service: tier:",
	.least = 1,
	.most = 1,
	.run = run_tenant_import,
	.help = "many tenants out of a CSV or JSON file",
	.more = "  --dry-run          only count what would change; each part of 5000 is tried by itself\n"
		"  --zone ZONE        for rows that name none\n"
		"  --service SERVICE  for rows that name none\n"
		"  --tier TIER        for rows that name none\n"
		"\n"
		"FILE (- reads standard input) is CSV with a header line (id, zone, service, tier,\n"
		"regions, hosts, domains, state, tags; several in one cell are parted by blanks or\n"
		"semicolons), or JSON: an array of tenants with their ids, or one tenant a line. A tenant\n"
		"that exists is replaced. What is refused is told with its line and does not stop the\n"
		"others; the exit code is 1 then.\n"
		"\n"
		"  gslbctl tenant import customers.csv --zone app.example.net --service shop\n",
};
