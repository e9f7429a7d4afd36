/*
 * Whole queries against whole replies. `golden WORLD CASES` builds the world (tests/support/fixture.h),
 * answers each query of the case file and compares the reply, as ldns reads it, with the text there.
 * `golden --write WORLD CASES` prints the case file with the replies of today: for reading, every line,
 * before it becomes the new truth.
 *
 *   # what the case is about
 *   > NAME TYPE [rd] [ad] [cd] [tcp] [opcode=N] [class=N] [qdcount=N] [edns[=SIZE]] [version=N] [do]
 *     [nsid] [subnet=ADDRESS/BITS] [option=CODE:HEX] [opt-again] [tail=HEX] [cut=OCTETS] [from=ADDRESS]
 *   reply lines, "SILENCE", or nothing yet
 */
#include "gslb/decide/resolve.h"
#include "gslb/serve/answer.h"
#include "gslb/serve/budget.h"
#include "lib/mem.h"
#include "tests/support/fixture.h"
#include "tests/support/packet.h"
#include "tests/support/records.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct serve_context context;
static struct world *world;

struct query {
	struct packet packet;
	enum transport transport;
	struct ip from;
};

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t length = 0, got;
	char block[4096];
	FILE *out = open_memstream(&text, &length);
	while (file && (got = fread(block, 1, sizeof block, file)) > 0)
		fwrite(block, 1, got, out);
	fclose(out);
	if (!file) {
		perror(path);
		exit(2);
	}
	fclose(file);
	return text;
}

static size_t from_hex(const char *hex, uint8_t *out, size_t size)
{
	size_t length = 0;
	for (; hex[0] && hex[1] && length < size; hex += 2) {
		unsigned octet = 0;
		sscanf(hex, "%2x", &octet);
		out[length++] = (uint8_t)octet;
	}
	return length;
}

static const char *value(const char *word, const char *key)
{
	size_t length = strlen(key);
	return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

static void need_opt(struct query *query)
{
	if (query->packet.opt == 0)
		packet_opt(&query->packet, 1232, 0, 0);
}

static void apply_edns_word(struct query *query, const char *word)
{
	struct packet *packet = &query->packet;
	const char *text;
	uint8_t octets[256];
	need_opt(query);
	if ((text = value(word, "edns")))
		packet_set16(packet, packet->opt - 6, (unsigned)atoi(text));
	else if ((text = value(word, "version")))
		packet->octets[packet->opt - 3] = (uint8_t)atoi(text);
	else if (strcmp(word, "do") == 0)
		packet->octets[packet->opt - 2] |= 0x80;
	else if (strcmp(word, "nsid") == 0)
		packet_option(packet, 3, NULL, 0);
	else if ((text = value(word, "subnet")))
		packet_subnet(packet, text);
	else if ((text = value(word, "option")) && strchr(text, ':'))
		packet_option(packet, (unsigned)atoi(text), octets,
			      from_hex(strchr(text, ':') + 1, octets, sizeof octets));
	else if (strcmp(word, "edns") != 0) {
		fprintf(stderr, "golden: unknown word %s\n", word);
		exit(2);
	}
}

static void apply_word(struct query *query, const char *word)
{
	struct packet *packet = &query->packet;
	const char *text;
	uint8_t octets[256];
	if (strcmp(word, "rd") == 0)
		packet->octets[2] |= 0x01;
	else if (strcmp(word, "ad") == 0)
		packet->octets[3] |= 0x20;
	else if (strcmp(word, "cd") == 0)
		packet->octets[3] |= 0x10;
	else if (strcmp(word, "tcp") == 0)
		query->transport = TRANSPORT_TCP;
	else if ((text = value(word, "opcode")))
		packet->octets[2] |= (uint8_t)(atoi(text) << 3);
	else if ((text = value(word, "class")))
		packet_set16(packet, packet->length - 2, (unsigned)atoi(text));
	else if ((text = value(word, "qdcount")))
		packet_set16(packet, 4, (unsigned)atoi(text));
	else if ((text = value(word, "tail")))
		packet_add(packet, octets, from_hex(text, octets, sizeof octets));
	else if ((text = value(word, "cut")))
		packet->length = (size_t)atoi(text);
	else if ((text = value(word, "from")) && ip_parse(text, &query->from))
		;
	else if (strcmp(word, "opt-again") == 0)
		packet_opt(packet, 1232, 0, 0);
	else
		apply_edns_word(query, word);
}

static void parse_query(char *line, struct query *ret)
{
	char *rest = NULL;
	char *name = strtok_r(line, " ", &rest), *type = strtok_r(NULL, " ", &rest);
	*ret = (struct query){.transport = TRANSPORT_UDP};
	ip_parse("198.51.100.53", &ret->from);
	packet_query(&ret->packet, name, type);
	for (char *word; (word = strtok_r(NULL, " ", &rest));)
		apply_word(ret, word);
}

/* The reply to a line without its "> ". */
static char *reply_to(const char *line)
{
	static uint8_t out[MESSAGE_MAX];
	struct query query;
	char *copy = xstrdup(line);
	parse_query(copy, &query);
	free(copy);
	size_t length = answer_query(&context, world, query.transport, &query.from, query.packet.octets,
				     query.packet.length, out, sizeof out);
	if (length == 0)
		return xstrdup("SILENCE\n");
	if (memcmp(out, query.packet.octets, 2) != 0)
		return xstrdup("ANOTHER ID\n");
	char *text = records_message_text(out, length);
	return text ? text : xstrdup("UNREADABLE\n");
}

/* Goes through the case file; returns how many replies are not as written. */
static unsigned run(const char *text, bool is_writing)
{
	unsigned cases = 0, failures = 0;
	while (*text) {
		size_t length = strcspn(text, "\n");
		char *line = xstrndup(text, length);
		text += length + (text[length] == '\n');
		if (strncmp(line, "> ", 2) != 0) {
			if (is_writing && line[0] == '#')
				printf("\n%s\n", line);
			free(line);
			continue;
		}
		size_t written = 0;		       /* the reply's lines */
		while (!strchr("\n#>", text[written])) /* the final NUL counts as one of them */
			written += strcspn(text + written, "\n") + 1;
		char *expected = xstrndup(text, written), *got = reply_to(line + 2);
		text += written;
		cases++;
		if (is_writing) {
			printf("%s\n%s", line, got);
		} else if (strcmp(expected, got) != 0) {
			failures++;
			printf("%s\n--- expected\n%s--- got\n%s\n", line, expected, got);
		}
		free(line);
		free(expected);
		free(got);
	}
	if (!is_writing)
		printf("%u cases, %u failed\n", cases, failures);
	return cases == 0 ? 1 : failures;
}

int main(int argc, char **argv)
{
	bool is_writing = argc == 4 && strcmp(argv[1], "--write") == 0;
	if (argc != 3 && !is_writing) {
		fprintf(stderr, "usage: golden [--write] WORLD CASES\n");
		return 2;
	}
	char *world_text = read_file(argv[argc - 2]), *cases = read_file(argv[argc - 1]);
	world = fixture_world(world_text);
	context.stats = stats_new();
	context.scratch = xcalloc(1, sizeof *context.scratch);
	context.budgets = xmap(sizeof *context.budgets);
	rng_seed(&context.rng, 1);
	unsigned failures = run(cases, is_writing);
	stats_free(context.stats);
	xunmap(context.budgets, sizeof *context.budgets);
	free(context.scratch);
	world_free(world);
	free(world_text);
	free(cases);
	return failures != 0;
}
