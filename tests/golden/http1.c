/*
 * HTTP/1 octets against what becomes of them (docs/http1.md has the rules). `http1 CASES` reads each case
 * whole and cut at every octet; `http1 --write CASES` prints the file with the outcomes of today: for
 * reading, every line, before it becomes the new truth.
 *
 *   # what the case is about
 *   > request [https] [trusted] [route]   | response [HEAD] [1.0] [upgrade] | body [length=N] [limit=N] |
 * proxy | a line of octets, to which CRLF is added ! octets alone = outcome, and with `< ` the head that is
 * sent on
 *
 * Octets have the escapes \r \n \t \0 \\ \xHH, and \{N:text} for N times the text. `< (ours)` stands for the
 * fields that a request to an origin gets: who asks, by what way, ids and Via.
 */
#include "forwarder/http1/head_write.h"
#include "forwarder/http1/http1_body.h"
#include "forwarder/http1/proxy_header.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal)                       \
	{                                   \
		literal, sizeof literal - 1 \
	}
#define WHOLE_CUTS 3000 /* longer ones are cut at each 97th octet */

struct octets {
	char *text;
	size_t length;
};

static const struct http_head_limits limits = {16384, 8192, 8192, 100};
static struct http_head head;

/* ---- how octets are written ---- */

static void add_octets(const char *at, size_t length, FILE *out);

static const char *add_escape(const char *at, FILE *out)
{
	static const char letters[] = "rnt0\\", octets[] = "\r\n\t\0\\";
	const char *letter = strchr(letters, *at);
	unsigned octet, count;
	int used = 0;
	if (sscanf(at, "x%2x", &octet) == 1 && *at == 'x') {
		fputc((int)octet, out);
		return at + 3;
	}
	if (sscanf(at, "{%u:%n", &count, &used) == 1 && used > 0) {
		size_t length = strcspn(at + used, "}");
		for (unsigned i = 0; i < count; i++)
			add_octets(at + used, length, out);
		return at + used + length + 1;
	}
	if (!*at || !letter) {
		fprintf(stderr, "http1: unknown escape \\%s\n", at);
		exit(2);
	}
	fputc(octets[letter - letters], out);
	return at + 1;
}

static void add_octets(const char *at, size_t length, FILE *out)
{
	for (const char *end = at + length; at < end;)
		if (*at == '\\')
			at = add_escape(at + 1, out);
		else
			fputc(*at++, out);
}

static void add_line(const char *line, FILE *out)
{
	const char *text = line[1] ? line + 2 : "";
	add_octets(text, strlen(text), out);
	if (line[0] == '|')
		fputs("\r\n", out);
}

static void print_octets(FILE *out, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint8_t c = text[i];
		if (c == '\r' || c == '\n' || c == '\t')
			fprintf(out, "\\%c", c == '\r' ? 'r' : c == '\n' ? 'n' : 't');
		else if (c < ' ' || c >= 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
}

/* A head as `< ` lines, of long ones the beginning. `ours` in it, if it is not empty, is told by one word. */
static void print_head(FILE *out, const char *text, size_t length, const char *ours, const char *word)
{
	size_t ours_length = strlen(ours);
	while (length > 0) {
		const char *end = memmem(text, length, "\r\n", 2);
		assert(end);
		size_t line = end + 2 - text;
		if (ours_length > 0 && length >= ours_length && memcmp(text, ours, ours_length) == 0) {
			fprintf(out, "< (%s)\n", word);
			line = ours_length;
		} else {
			fputs("< ", out);
			if (line > 200)
				fprintf(out, "(%zu octets) ", line - 2);
			print_octets(out, text, line < 200 ? line - 2 : 40);
			fputc('\n', out);
		}
		text += line;
		length -= line;
	}
}

/* ---- requests ---- */

static const struct route_pair route_add[] = {{TEXT("x-team"), TEXT("blue")}};
static const struct route_text route_remove[] = {TEXT("cookie")}, route_upgrade[] = {TEXT("websocket")};
static const struct route plain_route = {.upgrade_count = 1, .upgrade = route_upgrade};
static const struct route other_route = {.path = TEXT("/api"),
					 .rewrite_prefix = TEXT("/v2"),
					 .rewrite_host = TEXT("inner.example"),
					 .add_count = 1,
					 .add = route_add,
					 .remove_count = 1,
					 .remove = route_remove};

/* What goes to an origin is one message for anyone: read again it is framed as it was, and has one Host. */
static void check_written(const char *text, size_t length, const struct http1_request *request)
{
	static struct http_head again;
	static char scratch[HTTP1_REQUEST_SCRATCH(16384)];
	const struct http_head_limits wide = {65536, 16384, 16384, 200};
	struct http_head_scan scan = {0};
	struct http1_request second;
	enum http_head_status status = http_head_request(&again, &scan, text, length, &wide);
	if (status != HTTP_HEAD_DONE || again.length != length ||
	    http1_request_read(&again, text, false, scratch, &second).reason != REASON_NONE ||
	    second.framing != request->framing || second.content_length != request->content_length ||
	    second.path.text[0] != request->path.text[0]) {
		fprintf(stderr, "http1: a head to an origin is not strict:\n%.*s\n", (int)length, text);
		exit(1);
	}
}

static void print_to_origin(FILE *out, const char *words, const char *octets,
			    const struct http1_request *request)
{
	static char written[65536];
	const struct route *route = strstr(words, "route") ? &other_route : &plain_route;
	struct head_write_request from = {
		.head = &head,
		.octets = octets,
		.request = request,
		.route = route,
		.tenant = TEXT("acme"),
		.client = TEXT("192.0.2.7"),
		.peer = TEXT("10.0.0.9"),
		.is_trusted = strstr(words, "trusted"),
		.is_https = strstr(words, "https"),
		.is_upgrade = http1_request_upgrades(request, route),
		.request_id = TEXT("0af7651916cd43dd8448eb211c80319c"),
		.trace = "0af7651916cd43dd8448eb211c80319c",
		.span = "b7ad6b7169203331",
		.is_sampled = true,
	};
	size_t length = head_write_request(&from, written, sizeof written);
	assert(length > 0);
	check_written(written, length, request);
	char ours[1000], word[20], port[8] = "";
	if (request->host.port)
		snprintf(port, sizeof port, ":%u", request->host.port);
	snprintf(ours, sizeof ours,
		 "X-Tenant-ID: acme\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http%s\r\n"
		 "X-Forwarded-Host: %.*s%s\r\nX-Real-IP: 192.0.2.7\r\n"
		 "X-Request-ID: 0af7651916cd43dd8448eb211c80319c\r\n"
		 "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nVia: 1.%u gslb\r\n",
		 from.is_https ? "s" : "", (int)request->host.length, request->name, port, request->minor);
	snprintf(word, sizeof word, "ours%s%s", from.is_https ? " https" : "", request->minor ? "" : " 1.0");
	print_head(out, written, length - 2, ours, word);
}

static void print_framing(FILE *out, enum http1_framing framing, uint64_t length)
{
	static const char *const words[] = {" none", " length", " chunked", " to-eof"};
	fputs(words[framing], out);
	if (framing == HTTP1_LENGTH)
		fprintf(out, " %llu", (unsigned long long)length);
}

static void print_refusal(FILE *out, struct http1_verdict verdict)
{
	fprintf(out, "= %u %s%s\n", reason_status(verdict.reason), reason_word(verdict.reason),
		verdict.closes ? " close" : "");
}

static bool print_request(FILE *out, const char *words, const struct octets *octets, size_t cut)
{
	static char scratch[HTTP1_REQUEST_SCRATCH(8192)];
	struct http_head_scan scan = {0};
	struct http1_request request;
	enum http_head_status status = HTTP_HEAD_PARTIAL;
	char *copy = xmemdup(octets->text, cut); /* each read in its own octets */
	if (cut < octets->length)
		status = http_head_request(&head, &scan, copy, cut, &limits);
	free(copy);
	copy = xmemdup(octets->text, octets->length);
	if (status == HTTP_HEAD_PARTIAL)
		status = http_head_request(&head, &scan, copy, octets->length, &limits);
	if (status == HTTP_HEAD_DONE && cut < octets->length) /* the first part may have held all of it */
		http_head_request(&head, &(struct http_head_scan){0}, copy, octets->length, &limits);
	if (status == HTTP_HEAD_PARTIAL) {
		fputs("= partial\n", out);
	} else if (status != HTTP_HEAD_DONE) {
		print_refusal(out, http1_request_refusal(status));
	} else {
		struct http1_verdict verdict =
			http1_request_read(&head, copy, strstr(words, "https"), scratch, &request);
		if (verdict.reason != REASON_NONE) {
			print_refusal(out, verdict);
		} else {
			fputs("= pass", out);
			print_framing(out, request.framing, request.content_length);
			fprintf(out, "%s%s%s\n", request.keeps_alive ? "" : " close",
				request.expects_continue ? " 100" : "",
				request.is_options_here ? " options-here" : "");
			if (!request.is_options_here)
				print_to_origin(out, words, copy, &request);
		}
	}
	free(copy);
	return true;
}

/* ---- responses ---- */

static void print_to_client(FILE *out, const char *words, const char *octets,
			    const struct http1_response *response, bool is_switch)
{
	static char written[65536];
	uint8_t minor = !strstr(words, "1.0");
	enum http1_framing framing = http1_response_framing(response, minor);
	struct head_write_response from = {
		.head = &head,
		.octets = octets,
		.response = response,
		.client_minor = minor,
		.framing = framing,
		.keeps_alive = minor > 0 && framing != HTTP1_TO_EOF,
		.is_switch = is_switch,
		.date = "Sun, 06 Nov 1994 08:49:37 GMT",
	};
	size_t length = head_write_response(&from, written, sizeof written);
	assert(length > 0);
	print_head(out, written, length - 2, "", "");
}

static bool print_response(FILE *out, const char *words, const struct octets *octets, size_t cut)
{
	static const char *const kinds[] = {"final", "dropped", "hints", "switch", "502"};
	struct http_head_scan scan = {0};
	struct http1_response response;
	struct http1_response_asked asked = {
		.is_head = strstr(words, "HEAD"),
		.client_minor = !strstr(words, "1.0"),
	};
	enum http_head_status status = HTTP_HEAD_PARTIAL;
	if (strstr(words, "upgrade"))
		asked.upgrade = route_upgrade[0];
	char *copy = xmemdup(octets->text, octets->length);
	if (cut < octets->length)
		status = http_head_response(&head, &scan, copy, cut, &http1_response_limits);
	if (status == HTTP_HEAD_PARTIAL)
		status = http_head_response(&head, &scan, copy, octets->length, &http1_response_limits);
	if (status == HTTP_HEAD_PARTIAL || status != HTTP_HEAD_DONE) {
		fputs(status == HTTP_HEAD_PARTIAL ? "= partial\n" : "= 502\n", out);
	} else {
		enum http1_response_kind kind = http1_response_read(&head, copy, &asked, &response);
		fprintf(out, "= %s", kinds[kind]);
		if (kind == HTTP1_RESPONSE_FINAL) {
			print_framing(out, response.framing, response.content_length);
			fputs(response.keeps_alive ? "" : " close", out);
		}
		fputc('\n', out);
		if (kind != HTTP1_RESPONSE_DROPPED && kind != HTTP1_RESPONSE_BAD)
			print_to_client(out, words, copy, &response, kind == HTTP1_RESPONSE_SWITCH);
	}
	free(copy);
	return true;
}

/* ---- bodies ---- */

static unsigned long long number(const char *words, const char *key, unsigned long long otherwise)
{
	const char *found = strstr(words, key);
	return found ? strtoull(found + strlen(key), NULL, 10) : otherwise;
}

static bool print_body(FILE *out, const char *words, const struct octets *octets, size_t cut)
{
	static const char *const statuses[] = {"more", "done", "400", "413", "431"};
	struct http1_body body;
	struct http1_body_take take;
	enum http1_body_status status = HTTP1_BODY_MORE;
	bool is_counted = strstr(words, "length=");
	char *data = xcalloc(1, octets->length + 1);
	size_t length = 0, from = 0;
	http1_body_start(&body, is_counted ? HTTP1_LENGTH : HTTP1_CHUNKED, number(words, "length=", 0),
			 number(words, "limit=", UINT64_MAX), strstr(words, "response"));
	for (size_t to = cut; status == HTTP1_BODY_MORE; to = octets->length) {
		char *copy = xmemdup(octets->text + from, to - from);
		status = http1_body_take(&body, copy, to - from, &take);
		memcpy(data + length, copy + take.data, take.data_length);
		length += take.data_length;
		if (status == HTTP1_BODY_DONE && take.trailers_length > 0)
			memcpy(data + length, copy + take.trailers, take.trailers_length);
		free(copy);
		from += take.taken;
		if (to == octets->length)
			break;
	}
	fprintf(out, "= %s", statuses[status]);
	if (status == HTTP1_BODY_DONE) {
		fprintf(out, " left=%zu data=", octets->length - from);
		print_octets(out, data, length < 100 ? length : 100);
		if (take.trailers_length > 0)
			fputs(" trailers=", out);
		print_octets(out, data + length, take.trailers_length < 100 ? take.trailers_length : 100);
	}
	fputc('\n', out);
	free(data);
	return true;
}

/* ---- PROXY ---- */

static bool print_proxy(FILE *out, const char *words, const struct octets *octets, size_t cut)
{
	struct proxy_header header;
	char source[IP_TEXT_MAX], destination[IP_TEXT_MAX];
	char *copy = xmemdup(octets->text, octets->length);
	enum proxy_header_status status = proxy_header_read(copy, cut, &header);
	if (status == PROXY_HEADER_PARTIAL)
		status = proxy_header_read(copy, octets->length, &header);
	free(copy);
	if (status != PROXY_HEADER_DONE) {
		fputs(status == PROXY_HEADER_BAD ? "= bad\n" : "= partial\n", out);
		return true;
	}
	ip_format(&header.source, source);
	ip_format(&header.destination, destination);
	if (header.is_local)
		fprintf(out, "= local left=%zu\n", octets->length - header.length);
	else
		fprintf(out, "= %s %u to %s %u left=%zu\n", source, header.source_port, destination,
			header.destination_port, octets->length - header.length);
	return true;
}

/* ---- the file ---- */

static const struct kind {
	const char *word;
	bool (*print)(FILE *out, const char *words, const struct octets *octets, size_t cut);
} kinds[] = {{"request", print_request},
	     {"response", print_response},
	     {"body", print_body},
	     {"proxy", print_proxy}};

/* `> WORD OCTETS` stands for a case of this kind: what comes before, the octets, what comes behind. */
static const struct {
	const char *word, *kind, *before, *behind;
} shorts[] = {
	{"line ", "request", "", "\r\nHost: a.example\r\n\r\n"},
	{"get ", "request", "GET / HTTP/1.1\r\nHost: a.example\r\n", "\r\n\r\n"},
	{"post ", "request", "POST /p HTTP/1.1\r\nHost: a.example\r\n", "\r\n\r\n"},
	{"host ", "request", "GET / HTTP/1.1\r\nHost: ", "\r\n\r\n"},
	{"status ", "response", "", "\r\nDate: d\r\nContent-Length: 5\r\n\r\n"},
	{"origin ", "response", "HTTP/1.1 200 OK\r\nDate: d\r\n", "\r\n\r\n"},
	{"chunks ", "body", "", ""},
	{"words ", "proxy", "PROXY ", "\r\n"},
};

/* Returns the words of the case, of which the octets may be known already. */
static char *start_case(const char *line, FILE *in)
{
	for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++)
		if (strncmp(line, shorts[i].word, strlen(shorts[i].word)) == 0) {
			fputs(shorts[i].before, in);
			line += strlen(shorts[i].word);
			add_octets(line, strlen(line), in);
			fputs(shorts[i].behind, in);
			return xstrdup(shorts[i].kind);
		}
	return xstrdup(line);
}

/* The outcome with this cut. */
static char *outcome(const char *words, const struct octets *octets, size_t cut)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	bool is_known = false;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strncmp(words, kinds[i].word, strlen(kinds[i].word)) == 0)
			is_known = kinds[i].print(out, words, octets, cut);
	fclose(out);
	if (!is_known) {
		fprintf(stderr, "http1: unknown case %s\n", words);
		exit(2);
	}
	return text;
}

/* Whole, and cut wherever it can be: the outcome must be the same. */
static unsigned check(const char *words, const struct octets *octets, const char *expected)
{
	size_t step = octets->length < WHOLE_CUTS ? 1 : 97;
	for (size_t cut = 0; cut <= octets->length; cut += step) {
		char *got = outcome(words, octets, cut == 0 ? octets->length : cut);
		bool is_same = strcmp(got, expected) == 0;
		if (!is_same)
			printf("> %s\ncut at %zu of %zu, octets ", words, cut, octets->length);
		if (!is_same) {
			print_octets(stdout, octets->text, octets->length < 300 ? octets->length : 300);
			printf("\n--- expected\n%s--- got\n%s\n", expected, got);
		}
		free(got);
		if (!is_same)
			return 1;
	}
	return 0;
}

static unsigned run(FILE *file, bool is_writing)
{
	unsigned cases = 0, failures = 0;
	char *line = NULL, *words = NULL, *input = NULL, *expected = NULL;
	size_t capacity = 0;
	struct octets octets = {0};
	FILE *in = NULL, *out = NULL;
	size_t expected_length = 0;
	for (bool is_end = false; !is_end;) {
		ssize_t got = getline(&line, &capacity, file);
		is_end = got < 0;
		if (!is_end && line[got - 1] == '\n')
			line[got - 1] = '\0';
		bool is_case = !is_end && line[0] == '>';
		if (words && (is_end || is_case || line[0] == '#' || !line[0])) {
			fclose(in);
			fclose(out);
			octets.text = input;
			char *now = is_writing ? outcome(words, &octets, octets.length) : NULL;
			if (is_writing)
				fputs(now, stdout);
			else
				failures += check(words, &octets, expected);
			free(now);
			free(input);
			free(expected);
			free(words);
			words = NULL;
			cases++;
		}
		if (is_case) {
			in = open_memstream(&input, &octets.length);
			words = start_case(line + 2, in);
			out = open_memstream(&expected, &expected_length);
		} else if (!is_end && words && (line[0] == '|' || line[0] == '!')) {
			add_line(line, in);
		} else if (!is_end && words && (line[0] == '=' || line[0] == '<')) {
			fprintf(out, "%s\n", line);
		}
		if (is_writing && !is_end && line[0] != '=' && line[0] != '<')
			puts(line);
	}
	free(line);
	if (!is_writing)
		printf("%u cases, %u failed\n", cases, failures);
	return cases == 0 ? 1 : failures;
}

int main(int argc, char **argv)
{
	bool is_writing = argc == 3 && strcmp(argv[1], "--write") == 0;
	if (argc != 2 && !is_writing) {
		fprintf(stderr, "usage: http1 [--write] CASES\n");
		return 2;
	}
	FILE *file = fopen(argv[argc - 1], "r");
	if (!file) {
		perror(argv[argc - 1]);
		return 2;
	}
	unsigned failures = run(file, is_writing);
	fclose(file);
	return failures != 0;
}
