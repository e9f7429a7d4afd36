/* Verbs that ask forwarderd at its own socket what it keeps: certificates, usage. One thread. */
#include "lib/mem.h"
#include "tools/ctl.h"
#include "tools/ctl_table.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_table(void *user)
{
	ctl_table_print(user, 0, stdout);
}

static char *words_of(const json_t *object, const char *key)
{
	return ctl_words(json_object_get(object, key));
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* ---- certificates ---- */

static void certificate_row(void *user, const json_t *item)
{
	char *names = words_of(item, "names");
	char *cells[] = {words_of(item, "name"),      words_of(item, "state"),	words_of(item, "kind"),
			 words_of(item, "not_after"), words_of(item, "staple"), names,
			 words_of(item, "problem")};

	ctl_table_take(user, CTL_TABLE_CELLS(cells));
}

static enum ctl_exit run_certificates(struct ctl *ctl)
{
	static const char *const heads[] = {"NAME", "STATE", "KIND", "NOT AFTER", "STAPLE", "FOR", "PROBLEM"};
	struct ctl_table table;

	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	return ctl_list(ctl, "/v1/certificates", "after", certificate_row, print_table, &table);
}

const struct ctl_verb verb_certificates = {
	.group = "Forwarder",
	.words = "certificates",
	.options = CTL_LIST_OPTIONS,
	.is_forwarders = true,
	.run = run_certificates,
	.help = "certificates of a forwarder's directory, and what is wrong with them",
	.more = CTL_LIST_MORE
	"\n"
	"failed: a pair that does not match or cannot be read; the one before it is served.\n",
};

/* ---- usage ---- */

static void print_usage(const json_t *usage)
{
	static const struct {
		const char *key, *label;
	} rows[] = {{"requests", "requests"},	 {"c2xx", "  2xx"},	      {"c3xx", "  3xx"},
		    {"c4xx", "  4xx"},		 {"c5xx", "  5xx"},	      {"limited", "  limited"},
		    {"bytes_in", "octets in"},	 {"bytes_out", "octets out"}, {"websocket_s", "tunnels, s"},
		    {"handshakes", "handshakes"}};
	char *tenant = words_of(usage, "tenant"), *since = words_of(usage, "since");

	printf("%s since %s, in %lld minutes\n", tenant, since, (long long)number_of(usage, "minutes"));
	free(tenant);
	free(since);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		printf("%-12s %.15g\n", rows[i].label,
		       json_number_value(json_object_get(usage, rows[i].key)));
}

static enum ctl_exit run_usage(struct ctl *ctl)
{
	const char *since = ctl_option(ctl, "since");
	char *tenant = ctl_path("", ctl->args[0]), *from = ctl_path("", since ? since : "24h");
	char *path = xasprintf("/v1/usage?tenant=%s&since=%s", tenant + 1, from + 1);
	struct ctl_http_request request = {.method = "GET", .path = path};

	assert(ctl->arg_count == 1 && *tenant == '/' && *from == '/');
	enum ctl_exit code = ctl_show(ctl, &request, print_usage);
	free(tenant);
	free(from);
	free(path);
	return code;
}

const struct ctl_verb verb_usage = {
	.group = "Forwarder",
	.words = "usage",
	.args = "TENANT",
	.options = "since:",
	.least = 1,
	.most = 1,
	.is_forwarders = true,
	.run = run_usage,
	.help = "what a tenant used at this forwarder",
	.more = "  --since WHEN  a time as 2026-01-31T12:00:00Z, or so long ago as 7d; 24h when not given\n"
		"\n"
		"It sums up the files of forwarder.usage, which are 10 s behind.\n",
};
