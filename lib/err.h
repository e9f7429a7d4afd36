/*
 * Errors of the control path: everything that is wrong, collected in one pass, each with the place
 * where it stands. lib/ and decide/ never log; callers print or send a list. Single-threaded.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct err {
	char *file;	 /* NULL: no file, see pointer */
	uint32_t line;	 /* 1-based; 0 = unknown */
	uint32_t column; /* 1-based; 0 = unknown (zone files) */
	char *pointer;	 /* RFC 6901 pointer into a JSON body, or NULL */
	char *message;
	char *nearest; /* nearest valid word, or NULL; `message` already names it for people */
	bool is_warning;
	const char *topic; /* of err_warn_topic(), else NULL */
};

struct err_list {
	struct err *items;
	size_t count, capacity;
	size_t errors; /* items that are not warnings */
	struct err_topic {
		const char *name;
		size_t kept, dropped;
	} * topics;
	size_t topic_count, topic_capacity;
};

#define ERR_TOPIC_MAX 20 /* warnings of one topic in a list */

/* file and pointer may be NULL and are copied. Returns the new entry, valid until the next add. */
struct err *err_add(struct err_list *list, const char *file, uint32_t line, uint32_t column,
		    const char *format, ...) __attribute__((format(printf, 5, 6)));
struct err *err_warn(struct err_list *list, const char *file, uint32_t line, uint32_t column,
		     const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A warning that millions of objects may deserve: the list keeps the first ERR_TOPIC_MAX of a topic, and the
 * last of these tells how many more there are. `topic` lives as long as the program. NULL: only counted. */
struct err *err_warn_topic(struct err_list *list, const char *topic, const char *file, uint32_t line,
			   uint32_t column, const char *format, ...) __attribute__((format(printf, 6, 7)));
void err_set_pointer(struct err *err, const char *pointer);
void err_set_nearest(struct err *err, const char *word);
bool err_has_errors(const struct err_list *list);
void err_sort(struct err_list *list); /* by file (first seen first), line, column; stable */
/* `file:line:column: message`; a part that is unknown is left out with its colon. malloc'ed. */
char *err_line(const struct err_list *list, size_t index);
/* The message of the first that is no warning; NULL: none is. */
const char *err_first_message(const struct err_list *list);
/* One line each; a warning reads `file:line:column: warning: message`. */
void err_print(const struct err_list *list, FILE *out);
/* [{file,line,column,message,nearest} | {pointer,message,nearest}], warnings left out; new reference */
json_t *err_to_json(const struct err_list *list);
json_t *err_warnings_to_json(const struct err_list *list); /* the same of warnings alone */
void err_move(struct err_list *to, struct err_list *from); /* appends and empties `from` */
void err_done(struct err_list *list);
