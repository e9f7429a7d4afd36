/*
 * What the files of gslbctl share. A verb is one or a few calls of the API and ends in an exit code. Usage
 * mistakes are found before anything is sent. One thread.
 */
#pragma once
#include "tools/ctl_http.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ctl_exit { CTL_DONE, CTL_FAILED, CTL_USAGE };
enum ctl_output { CTL_TABLE, CTL_JSON };

#define CTL_ARGS_MAX 64
#define CTL_OPTIONS_MAX 1024

struct ctl_option {
	const char *name;  /* without dashes */
	const char *value; /* NULL: a switch */
	bool is_file;
};

struct ctl {
	struct arena *arena;	 /* names of options */
	const char *socket_path; /* NULL: not given; set before a verb runs */
	uint64_t timeout_ms;
	enum ctl_output output;
	bool wants_help, wants_version;
	size_t verb_count;
	const struct ctl_verb *const *verbs; /* the table */
	const struct ctl_verb *verb;	     /* the one that runs; NULL: not known yet */
	size_t arg_count;
	const char *args[CTL_ARGS_MAX]; /* after the verb's words */
	size_t option_count;
	struct ctl_option options[CTL_OPTIONS_MAX];
};

/* One verb: what it takes, does and says. Its row in ctl_verbs.c makes it known. */
struct ctl_verb {
	const char *group; /* heading in --help */
	const char *words; /* "tenant add" */
	const char *args;  /* as shown to people; NULL: none */
	/* Options of this verb, or NULL: "service: share: prune file@". A colon takes a value, a plus values,
	 * as it may repeat, and an at sign the name of a file; bare words are switches. Those that a later
	 * part of the product brings stand in `later`. */
	const char *options, *later;
	unsigned least, most; /* arguments */
	bool is_forwarders;   /* it asks forwarderd, not gslbd, where no socket is named */
	enum ctl_exit (*run)(struct ctl *ctl);
	const char *help; /* one line for the list */
	const char *more; /* for VERB --help, or NULL */
};

#define CTL_LIST_OPTIONS "limit: after:"
#define CTL_LIST_MORE                                               \
	"  --limit N   at most N items (without it: all of them)\n" \
	"  --after ID  those that come after ID\n"

/* ---- ctl_line.c ---- */

/* The first value of an option, "" for a switch, NULL: not given. */
const char *ctl_option(const struct ctl *ctl, const char *name);
/* for (size_t at = 0; (value = ctl_option_next(ctl, "host", &at));) */
const char *ctl_option_next(const struct ctl *ctl, const char *name, size_t *at);
/* Prints "gslbctl: …" and where help is; returns CTL_USAGE. */
enum ctl_exit ctl_usage(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- ctl_call.c ---- */

/* Calls the API. False: it failed or was refused, and standard error says why; with -o json standard output
 * has the refusal as the API sent it. `source` names the file that the body came from, or NULL. */
bool ctl_call(const struct ctl *ctl, const struct ctl_http_request *request, const char *source,
	      struct ctl_http_reply *ret);
/* Prints what the problem in the reply says on standard error. */
void ctl_print_refusal(const struct ctl_http_reply *reply, const char *source);
/* The same, but 404 sets *ret_is_missing and prints nothing. */
bool ctl_call_or_missing(const struct ctl *ctl, const struct ctl_http_request *request,
			 struct ctl_http_reply *ret, bool *ret_is_missing);
/* Prints on standard error what the reply says of an accepted change that can hardly be meant. */
void ctl_print_warnings(const json_t *reply, const char *source);
/* Sends `body`, which it takes over and which may be NULL. Prints the reply with -o json, else the line
 * `done`. */
enum ctl_exit ctl_change(const struct ctl *ctl, const char *method, const char *path, json_t *body,
			 const char *done);
/* The reply as JSON, or NULL after saying that the reply is not understood. */
json_t *ctl_json(const struct ctl_http_reply *reply);
/* Any JSON value as words for people: yes, no, a list with commas; malloc'ed. */
char *ctl_words(const json_t *value);
/* Prints the reply as it came. */
void ctl_print_reply(const struct ctl_http_reply *reply);
/* Sends the request and prints the reply: as it came with -o json, else by `print`. */
enum ctl_exit ctl_show(struct ctl *ctl, const struct ctl_http_request *request,
		       void (*print)(const json_t *reply));
/* Calls `row` for every item of a list, page by page, or for one page with --limit or --after; with -o json
 * it prints one reply instead. `cursor` is the option and the parameter that say where to begin: "after" or
 * "since". */
enum ctl_exit ctl_list(const struct ctl *ctl, const char *path, const char *cursor,
		       void (*row)(void *user, const json_t *item), void (*end)(void *user), void *user);
/* A path with one more segment, percent-encoded; malloc'ed. */
char *ctl_path(const char *base, const char *segment);

/* ---- ctl_file.c ---- */

/* Reads a whole file, or standard input for "-"; malloc'ed. NULL: standard error says why, and for a file of
 * more than `most` octets gives the advice. */
char *ctl_file_read(const char *path, size_t most, const char *advice, size_t *ret_length);
