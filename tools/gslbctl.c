/*
 * gslbctl: the operator's hand. This file: the table of verbs, the reading of the command line and
 * the help. Every verb is a call of the API of one gslbd (reference: gslbctl --help). One thread.
 */
#include "lib/arena.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "tools/ctl.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_DEFAULT "/run/gslb/gslb.sock"
#define TENANT_OPTIONS "zone: service: tier: region+ host+ domain+ state: tag+"
#define LIST_OPTIONS "limit: after:"
#define TENANT_MORE                                                                         \
	"  --zone ZONE        the zone of its host names\n"                                 \
	"  --service SERVICE  the service that answers\n"                                   \
	"  --tier TIER        the tier whose budgets hold\n"                                \
	"  --region REGION    an allowed region; repeat for more; none given: all\n"        \
	"  --host HOST        a name relative to the zone (@ is the apex, * a wildcard);\n" \
	"                     repeat for more; none given: the tenant's id\n"               \
	"  --domain FQDN      a custom domain; repeat for more\n"                           \
	"  --state STATE      active or suspended\n"                                        \
	"  --tag TAG          repeat for more\n"

static const struct ctl_verb verbs[] = {
	{"Look", "status", "", "", "", 0, 0, ctl_state_status, "the node: ready, sizes, listeners, geography",
	 NULL},
	{"Look", "regions", "", LIST_OPTIONS, "", 0, 0, ctl_state_regions, "regions with health and controls",
	 NULL},
	{"Look", "vips", "", LIST_OPTIONS, "", 0, 0, ctl_state_vips, "every VIP: up or down, since when, why",
	 NULL},
	{"Look", "explain", "NAME [TYPE]", "client: via: what-if+", "", 1, 2, ctl_explain,
	 "why this client gets this answer",
	 "  --client ADDR|PREFIX  the client, as its subnet would come by ECS\n"
	 "  --via RESOLVER        the resolver's address\n"
	 "  --what-if X=STATE     suppose: X is a region or a VIP's address; up and down set its\n"
	 "                        health, N% and force-down its control. Repeat, or part by commas.\n"
	 "\n"
	 "  gslbctl explain acme.app.example.net --client 81.2.69.0/24\n"
	 "  gslbctl explain acme.app.example.net AAAA --client 2001:db8::/48 --what-if eu=down,us=50%\n"},
	{"Look", "tail", "", "tenant: region: client: count: for:", "", 0, 0, ctl_tail,
	 "the queries as they come, with the decision on each",
	 "  --tenant ID      only this tenant's\n"
	 "  --region REGION  only those that this region answers\n"
	 "  --client PREFIX  only clients (the subnet by ECS, else the resolver) inside PREFIX\n"
	 "  --count N        end after N lines\n"
	 "  --for T          end after T (30s, 5m)\n"
	 "\n"
	 "A sample: at some thousand a second a line says how many were not shown. With -o json a JSON\n"
	 "object a line.\n"
	 "\n"
	 "  gslbctl tail --tenant acme --client 81.2.69.0/24 --count 20\n"},
	{"Look", "top", "", "interval: count:", "", 0, 0, ctl_top,
	 "queries a second by tenant, region and result",
	 "  --interval T  between two tables; 2s when not given\n"
	 "  --count N     end after N tables; without it, endless on a terminal and 1 elsewhere\n"},
	{"Look", "audit", "", "since: limit:", "", 0, 0, ctl_state_audit, "who changed what, and why",
	 "  --since N  only lines after number N\n"
	 "  --limit N  at most N lines\n"},

	{"Steer", "region drain", "NAME",
	 "service: share: for: reason:", "over: confirm-within: dry-run: override:", 1, 1,
	 ctl_control_region_drain, "send a region fewer clients, or none",
	 "  --share N    the part that stays, in percent (0 to 100); 0 when not given\n"
	 "  --service S  only for this service\n"
	 "  --for T      it ends by itself after T (30s, 10m, 2h)\n"
	 "  --reason R   for the audit\n"
	 "\n"
	 "A region of share 0 is still used when no other region has a healthy VIP.\n"
	 "\n"
	 "  gslbctl region drain eu --share 50 --for 30m --reason 'new kernel'\n"},
	{"Steer", "region force-down", "NAME",
	 "service: for: reason:", "over: confirm-within: dry-run: override:", 1, 1,
	 ctl_control_region_force_down, "never answer with a region, come what may",
	 "  --service S  only for this service\n"
	 "  --for T      it ends by itself after T (30s, 10m, 2h)\n"
	 "  --reason R   for the audit\n"
	 "\n"
	 "With every region of a tenant forced down its names have no address (NODATA).\n"},
	{"Steer", "region restore", "NAME", "service: reason:", "over: confirm-within: dry-run: override:", 1,
	 1, ctl_control_region_restore, "end drain or force-down",
	 "  --service S  end the control of this service alone\n"
	 "  --reason R   for the audit\n"},
	{"Steer", "vip drain", "REGION ADDRESS", "for: reason:", "", 2, 2, ctl_control_vip_drain,
	 "take one VIP out of the split",
	 "  --for T     it ends by itself after T (30s, 10m, 2h)\n"
	 "  --reason R  for the audit\n"
	 "\n"
	 "  gslbctl vip drain eu 192.0.2.11 --for 1h --reason 'new disk'\n"},
	{"Steer", "vip restore", "REGION ADDRESS", "reason:", "", 2, 2, ctl_control_vip_restore,
	 "put it back into the split", "  --reason R  for the audit\n"},
	{"Steer", "flip", "FROM TO", "service: for: reason:", "over: confirm-within: dry-run: override:", 2,
	 2, ctl_control_flip, "drain FROM and restore TO, in one change",
	 "  --service S  only for this service\n"
	 "  --for T      both controls end by themselves after T (30s, 10m, 2h)\n"
	 "  --reason R   for the audit\n"
	 "\n"
	 "  gslbctl flip eu us --reason 'power work in Frankfurt'\n"},

	{"Tenants and fleet", "tenants", "", LIST_OPTIONS, "", 0, 0, ctl_fleet_tenants, "the tenants", NULL},
	{"Tenants and fleet", "tenant show", "ID", "", "", 1, 1, ctl_fleet_tenant_show, "one tenant", NULL},
	{"Tenants and fleet", "tenant add", "ID --zone ZONE --service SERVICE", TENANT_OPTIONS, "", 1, 1,
	 ctl_fleet_tenant_add, "a new tenant; its name is answered at once",
	 TENANT_MORE "\n"
		     "  gslbctl tenant add acme --zone app.example.net --service shop --region eu\n"},
	{"Tenants and fleet", "tenant set", "ID", TENANT_OPTIONS, "", 1, 1, ctl_fleet_tenant_set,
	 "change what is given, keep the rest",
	 TENANT_MORE "\n"
		     "A repeated option replaces the whole list; --region '' (or --host '', …) empties it,\n"
		     "and --tier '' takes the tier away.\n"
		     "\n"
		     "  gslbctl tenant set acme --region eu --region us\n"},
	{"Tenants and fleet", "tenant remove", "ID", "", "", 1, 1, ctl_fleet_tenant_remove, "remove a tenant",
	 NULL},
	{"Tenants and fleet", "tenant import", "FILE", "dry-run zone: service: tier:", "", 1, 1, ctl_import,
	 "many tenants out of a CSV or JSON file",
	 "  --dry-run          only count what would change; each part of 5000 is tried by itself\n"
	 "  --zone ZONE        for rows that name none\n"
	 "  --service SERVICE  for rows that name none\n"
	 "  --tier TIER        for rows that name none\n"
	 "\n"
	 "FILE (- reads standard input) is CSV with a header line (id, zone, service, tier, regions,\n"
	 "hosts, domains, state, tags; several in one cell are parted by blanks or semicolons), or JSON:\n"
	 "an array of tenants with their ids, or one tenant a line. A tenant that exists is replaced. What\n"
	 "is refused is told with its line and does not stop the others; the exit code is 1 then.\n"
	 "\n"
	 "  gslbctl tenant import customers.csv --zone app.example.net --service shop\n"},
	{"Tenants and fleet", "apply", "-f FILE", "file: prune dry-run", "", 0, 0, ctl_fleet_apply,
	 "bring in a fleet document, whole or not at all",
	 "  -f, --file FILE  YAML or JSON; - reads standard input\n"
	 "  --prune          also remove objects, of the kinds that FILE names, that it does not name\n"
	 "  --dry-run        only count what would change\n"},
	{"Tenants and fleet", "export", "", "source:", "", 0, 0, ctl_fleet_export, "the fleet as YAML",
	 "  --source store|all  what came by the API (store, the default), or the files' objects too\n"},
	{"Tenants and fleet", "check", "FILE…", "", "", 1, CTL_ARGS_MAX, ctl_check,
	 "validate node.yaml or fleet documents here, without a node",
	 "A file with a key of node.yaml at its top (node, dns, …) is checked with all files that it names;\n"
	 "fleet documents are checked together, as one fleet. For a good node.yaml it prints in which order\n"
	 "each service's regions answer a client of each continent, with all up and with each one down.\n"},
	{"Tenants and fleet", "schema", "[node|fleet]", "", "", 0, 1, ctl_schema,
	 "JSON Schema of node.yaml or of fleet documents",
	 "Draft 2020-12, for editors and pipelines; fleet when neither is named. References between objects\n"
	 "are what 'check' looks at.\n"
	 "\n"
	 "  gslbctl schema fleet > fleet.schema.json\n"},

	{"Node", "zone check", "ZONE", "resolver: port:", "", 1, 1, ctl_zone_check,
	 "ask the parent and every name server of a zone whether all is well",
	 "  --resolver ADDR[@PORT]  that finds the parent; the system's when not given\n"
	 "  --port N                of the name servers; 53 when not given\n"
	 "\n"
	 "Looks at the delegation at the parent, its glue, and at each address of each name server: whether\n"
	 "it answers with authority over UDP and TCP, with which serial, and names the same servers. No\n"
	 "gslbd is asked as such. The exit code is 1 when a problem was found.\n"
	 "\n"
	 "  gslbctl zone check app.example.net\n"},
	{"Node", "backup", "FILE", "", "", 1, 1, ctl_backup,
	 "save the node's store into a file, and verify it",
	 "The store holds what came by the API (objects, controls) and the audit; base documents and zone\n"
	 "files are files already. The node goes on meanwhile. An older FILE is replaced once the new one "
	 "is\n"
	 "whole. --timeout is for the time in which nothing comes.\n"
	 "\n"
	 "  gslbctl backup /srv/backup/gslb-$(date +%F).db\n"},
	{"Node", "restore", "FILE", "config: state-dir: dry-run", "", 1, 1, ctl_restore,
	 "put a backup into the state directory of a node that is stopped",
	 "  --config NODE.YAML  the node whose state directory it is\n"
	 "  --state-dir DIR     or the directory itself; /var/lib/gslb when neither is given\n"
	 "  --dry-run           only verify the backup\n"
	 "\n"
	 "The backup is verified first; one of an earlier version is brought to the format of this one. "
	 "What\n"
	 "the directory held stays beside it, as gslb.db.before-restore.\n"
	 "Refused while a gslbd uses the directory.\n"},
	{"Node", "completion", "SHELL", "", "", 1, 1, ctl_completion,
	 "what bash or zsh needs to complete these words", "  . <(gslbctl completion bash)\n"},
	{"Node", "reload", "", "", "", 0, 0, ctl_state_reload, "read all files again, all or nothing", NULL},
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

const struct ctl_verb *ctl_verbs(size_t *ret_count)
{
	*ret_count = VERBS;
	return verbs;
}

static const char *const later_verbs[] = {"domain", "diff", "drill"};
static const char *const later_options[] = {"server", "token-file"};

/* ---- help ---- */

static void print_help(void)
{
	puts("gslbctl VERB … [--socket PATH] [-o table|json] [--timeout T]\n"
	     "Looks at and steers one gslbd. Every verb is a call of its API; no verb asks back.");
	const char *group = "";
	for (size_t i = 0; i < VERBS; i++) {
		if (strcmp(group, verbs[i].group) != 0)
			printf("\n%s\n", group = verbs[i].group);
		char *left = xasprintf("%s %s", verbs[i].words, verbs[i].args);
		/* The ellipsis is three octets and one column. */
		int width = strstr(left, "…") ? 30 : 28;
		if (strlen(left) > (size_t)width)
			printf("  %s\n  %*s  %s\n", left, 28, "", verbs[i].help);
		else
			printf("  %-*s  %s\n", width, left, verbs[i].help);
		free(left);
	}
	puts("\nOptions that stand anywhere\n"
	     "  --socket PATH   the node's API socket (or GSLB_SOCKET; default " SOCKET_DEFAULT ")\n"
	     "  -o table|json   tables for people, or the API's reply unchanged\n"
	     "  --timeout T     give up after T; 10s when not given\n"
	     "  VERB --help     more on one verb\n"
	     "  --version\n"
	     "\nExamples\n"
	     "  gslbctl tenant add acme --zone app.example.net --service shop\n"
	     "  gslbctl explain acme.app.example.net --client 81.2.69.0/24\n"
	     "  gslbctl region drain eu --share 50 --for 30m --reason 'new kernel'\n"
	     "  gslbctl region restore eu\n"
	     "  gslbctl vips -o json\n"
	     "\nExit: 0 done, 1 refused, failed or not reached, 2 wrong usage. Times are UTC.");
}

static void print_verb_help(const struct ctl_verb *verb)
{
	printf("gslbctl %s%s%s%s\n%s\n", verb->words, *verb->args ? " " : "", verb->args,
	       *verb->options ? " [options]" : "", verb->help);
	if (verb->more)
		printf("\n%s", verb->more);
	else if (strcmp(verb->options, LIST_OPTIONS) == 0)
		puts("\n  --limit N   at most N items (without it: all of them)\n"
		     "  --after ID  those that come after ID");
}

enum ctl_exit ctl_usage(const struct ctl *ctl, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("gslbctl: ", stderr);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	if (ctl->verb)
		fprintf(stderr, "\n(gslbctl %s --help tells more)\n", ctl->verb->words);
	else
		fputs("\n(gslbctl --help lists the verbs)\n", stderr);
	return CTL_USAGE;
}

/* ---- options ---- */

const char *ctl_option(const struct ctl *ctl, const char *name)
{
	size_t at = 0;
	return ctl_option_next(ctl, name, &at);
}

const char *ctl_option_next(const struct ctl *ctl, const char *name, size_t *at)
{
	while (*at < ctl->option_count) {
		const struct ctl_option *option = &ctl->options[(*at)++];
		if (strcmp(option->name, name) == 0)
			return option->value ? option->value : "";
	}
	return NULL;
}

/* 0: not among the words; else ' ' a switch, ':' one value, '+' values. */
static char option_kind(const char *words, const char *name)
{
	size_t length = strlen(name);
	for (const char *at = words; *at;) {
		size_t word = strcspn(at, " :+");
		char kind = at[word] == ':' || at[word] == '+' ? at[word] : ' ';
		if (word == length && memcmp(at, name, length) == 0)
			return kind;
		at += word;
		at += strspn(at, ":+ ");
	}
	return 0;
}

static bool is_among(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static enum ctl_exit unknown_option(const struct ctl *ctl, const char *name)
{
	char *copy = xasprintf("%s socket output timeout help version", ctl->verb ? ctl->verb->options : "");
	const char *words[32];
	size_t count = 0;
	for (char *save, *word = strtok_r(copy, " :+", &save); word && count < 32;
	     word = strtok_r(NULL, " :+", &save))
		words[count++] = word;
	const char *nearest = text_nearest(name, words, count);
	enum ctl_exit code;
	if (ctl->verb)
		code = ctl_usage(ctl, "%s has no option --%s%s%s%s", ctl->verb->words, name,
				 nearest ? "; did you mean --" : "", nearest ? nearest : "",
				 nearest ? "?" : "");
	else
		code = ctl_usage(ctl, "unknown option --%s%s%s%s", name, nearest ? "; did you mean --" : "",
				 nearest ? nearest : "", nearest ? "?" : "");
	free(copy);
	return code;
}

/* ---- reading the command line ---- */

static enum ctl_exit set_global(struct ctl *ctl, const char *name, const char *value)
{
	if (strcmp(name, "socket") == 0) {
		ctl->socket_path = value;
	} else if (strcmp(name, "timeout") == 0) {
		if (!text_to_duration_ms(value, &ctl->timeout_ms) || ctl->timeout_ms == 0)
			return ctl_usage(ctl, "--timeout %s: not a duration (500ms, 10s, 2m)", value);
	} else if (strcmp(value, "json") == 0 || strcmp(value, "table") == 0) {
		ctl->output = *value == 'j' ? CTL_JSON : CTL_TABLE;
	} else {
		return ctl_usage(ctl, "--output %s: one of table, json", value);
	}
	return CTL_DONE;
}

/* "region" alone, or followed by no word that it knows: prints its verbs. False: it has none. */
static bool print_verbs_below(const char *first, FILE *out)
{
	size_t length = strlen(first);
	bool has_any = false;
	for (size_t i = 0; i < VERBS; i++) {
		if (strncmp(verbs[i].words, first, length) != 0 || verbs[i].words[length] != ' ')
			continue;
		fprintf(out, "  gslbctl %s %s\n", verbs[i].words, verbs[i].args);
		has_any = true;
	}
	return has_any;
}

static enum ctl_exit unknown_verb(const struct ctl *ctl, const char *first, const char *second)
{
	if (is_among(first, later_verbs, sizeof(later_verbs) / sizeof(*later_verbs)))
		return ctl_usage(ctl, "'%s' is not supported by this build", first);
	const char *candidates[VERBS];
	for (size_t i = 0; i < VERBS; i++)
		candidates[i] = verbs[i].words;
	char *two = xasprintf("%s %s", first, second);
	const char *nearest = *second ? text_nearest(two, candidates, VERBS) : NULL;
	bool is_two = nearest && strchr(nearest, ' ');
	if (!is_two)
		nearest = text_nearest(first, candidates, VERBS);
	size_t length = strlen(first);
	bool is_first_word = false;
	for (size_t i = 0; i < VERBS; i++)
		is_first_word |= strncmp(verbs[i].words, first, length) == 0 && verbs[i].words[length] == ' ';
	if (is_first_word && !is_two)
		ctl_usage(ctl, *second ? "%s has no verb '%s'" : "%s needs one more word", first, second);
	else
		ctl_usage(ctl, "unknown verb '%s'%s%s%s", is_two ? two : first,
			  nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	print_verbs_below(first, stderr);
	free(two);
	return CTL_USAGE;
}

/* The verb of the leading words; *ret_words: how many it took. NULL: unknown. */
static const struct ctl_verb *find_verb(const char *first, const char *second, size_t *ret_words)
{
	for (size_t i = 0; i < VERBS; i++) {
		const char *blank = strchr(verbs[i].words, ' ');
		size_t length = blank ? (size_t)(blank - verbs[i].words) : strlen(verbs[i].words);
		if (strlen(first) != length || memcmp(verbs[i].words, first, length) != 0 ||
		    (blank && strcmp(blank + 1, second) != 0))
			continue;
		*ret_words = 1 + (blank != NULL);
		return &verbs[i];
	}
	return NULL;
}

static const char *long_name(const char *argument)
{
	static const struct {
		const char *brief, *name;
	} short_names[] = {{"-o", "output"}, {"-f", "file"}, {"-h", "help"}};
	if (strncmp(argument, "--", 2) == 0)
		return argument + 2;
	for (size_t i = 0; i < sizeof(short_names) / sizeof(*short_names); i++)
		if (strncmp(argument, short_names[i].brief, 2) == 0 && (!argument[2] || argument[2] == '='))
			return short_names[i].name;
	return NULL;
}

/* Leading words of the line, options skipped as if each that may take a value did: enough to find the
 * verb before its options are read. */
static size_t leading_words(int argc, char **argv, const char **words, size_t most)
{
	size_t count = 0;
	for (int i = 1; i < argc && count < most; i++) {
		if (argv[i][0] != '-' || !argv[i][1]) {
			words[count++] = argv[i];
			continue;
		}
		const char *name = long_name(argv[i]);
		bool is_switch =
			!name || option_kind("help version prune dry-run", name) || strchr(argv[i], '=');
		i += !is_switch;
	}
	return count;
}

static enum ctl_exit read_option(struct ctl *ctl, int argc, char **argv, int *at)
{
	const char *written = argv[*at];
	const char *name = long_name(written);
	if (!name)
		return ctl_usage(ctl, "unknown option %s", written);
	char *value = strchr(written, '=');
	if (written[1] != '-')
		value = written[2] == '=' ? argv[*at] + 2 : NULL;
	bool is_long = strncmp(written, "--", 2) == 0;
	const char *bare = arena_strndup(ctl->arena, name, is_long ? strcspn(name, "=") : strlen(name));
	char kind = option_kind("socket: output: timeout: help version", bare);
	bool is_global = kind != 0;
	if (!kind && ctl->verb)
		kind = option_kind(ctl->verb->options, bare);
	if (!kind && (is_among(bare, later_options, sizeof(later_options) / sizeof(*later_options)) ||
		      (ctl->verb && option_kind(ctl->verb->later, bare))))
		return ctl_usage(ctl, "--%s is not supported by this build", bare);
	if (!kind)
		return unknown_option(ctl, bare);
	if (kind == ' ' && value)
		return ctl_usage(ctl, "--%s takes no value", bare);
	if (kind != ' ' && !value && *at + 1 >= argc)
		return ctl_usage(ctl, "--%s needs a value", bare);
	if (kind != ' ')
		value = value ? value + 1 : argv[++*at];
	if (kind == ':' && !is_global && ctl_option(ctl, bare))
		return ctl_usage(ctl, "--%s is given twice", bare);
	if (strcmp(bare, "help") == 0)
		ctl->wants_help = true;
	else if (strcmp(bare, "version") == 0)
		ctl->wants_version = true;
	else if (is_global)
		return set_global(ctl, bare, value);
	else if (ctl->option_count == CTL_OPTIONS_MAX)
		return ctl_usage(ctl, "more than %d options", CTL_OPTIONS_MAX);
	else
		ctl->options[ctl->option_count++] = (struct ctl_option){bare, value};
	return CTL_DONE;
}

static enum ctl_exit read_line(struct ctl *ctl, int argc, char **argv, size_t verb_words)
{
	bool only_words = false;
	for (int i = 1; i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (only_words || argv[i][0] != '-' || !argv[i][1]) {
			if (verb_words > 0) {
				verb_words--;
			} else if (ctl->arg_count == CTL_ARGS_MAX) {
				return ctl_usage(ctl, "more than %d arguments", CTL_ARGS_MAX);
			} else {
				ctl->args[ctl->arg_count++] = argv[i];
			}
		} else {
			enum ctl_exit code = read_option(ctl, argc, argv, &i);
			if (code != CTL_DONE)
				return code;
		}
	}
	return CTL_DONE;
}

static enum ctl_exit print_help_for(const struct ctl *ctl, const char *first, const char *second)
{
	if (ctl->verb)
		print_verb_help(ctl->verb);
	else if (!*first)
		print_help();
	else if (!print_verbs_below(first, stdout))
		return unknown_verb(ctl, first, second);
	return CTL_DONE;
}

static bool has_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* What a request is made of: JSON would leave out what is not UTF-8, a region of a tenant as well. Files may
 * have any name. */
static enum ctl_exit check_words(const struct ctl *ctl)
{
	static const char *const files[] = {"socket", "file", "config", "state-dir"};
	for (size_t i = 0; i < ctl->arg_count; i++) {
		if (!*ctl->args[i])
			return ctl_usage(ctl, "%s needs %s, and one of them is empty", ctl->verb->words,
					 ctl->verb->args);
		if (!text_is_utf8(ctl->args[i]) && !strstr(ctl->verb->args, "FILE"))
			return ctl_usage(ctl, "'%s' is not UTF-8", ctl->args[i]);
	}
	for (size_t i = 0; i < ctl->option_count; i++) {
		const struct ctl_option *option = &ctl->options[i];
		bool is_file = false;
		for (size_t j = 0; j < sizeof(files) / sizeof(*files); j++)
			is_file |= strcmp(option->name, files[j]) == 0;
		if (option->value && !is_file && !text_is_utf8(option->value))
			return ctl_usage(ctl, "--%s %s: not UTF-8", option->name, option->value);
	}
	return CTL_DONE;
}

static enum ctl_exit run(struct ctl *ctl, int argc, char **argv)
{
	const char *words[3] = {"", "", ""};
	size_t count = leading_words(argc, argv, words, 3), verb_words = 0;
	bool is_help = strcmp(words[0], "help") == 0;
	const char *first = words[is_help], *second = words[is_help + 1];
	ctl->verb = find_verb(first, second, &verb_words);
	ctl->wants_help = is_help;
	bool asks_help = is_help || has_help(argc, argv);
	if (!ctl->verb && *first && !asks_help)
		return unknown_verb(ctl, first, second);
	enum ctl_exit code = read_line(ctl, argc, argv, ctl->verb ? verb_words + is_help : count);
	if (code != CTL_DONE)
		return code;
	if (ctl->wants_version) {
		puts("gslbctl " GSLB_VERSION);
		return CTL_DONE;
	}
	if (ctl->wants_help)
		return print_help_for(ctl, first, second);
	if (!ctl->verb)
		return ctl_usage(ctl, "which verb?");
	if (ctl->arg_count < ctl->verb->least)
		return ctl_usage(ctl, "%s needs %s", ctl->verb->words, ctl->verb->args);
	if (ctl->arg_count > ctl->verb->most)
		return ctl_usage(ctl, "'%s' is one word too many for %s", ctl->args[ctl->verb->most],
				 ctl->verb->words);
	code = check_words(ctl);
	return code == CTL_DONE ? ctl->verb->run(ctl) : code;
}

int main(int argc, char **argv)
{
	const char *socket_path = getenv("GSLB_SOCKET");
	static struct ctl ctl; /* zeroed; too large for comfort on the stack */
	ctl.socket_path = socket_path && *socket_path ? socket_path : SOCKET_DEFAULT;
	ctl.timeout_ms = 10000;
	ctl.arena = arena_new();
	enum ctl_exit code = run(&ctl, argc, argv);
	arena_free(ctl.arena);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("gslbctl: standard output");
		code = CTL_FAILED;
	}
	return (int)code;
}
