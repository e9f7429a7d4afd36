/*
 * node.yaml (docs/configuration.md, "node.yaml"): what every daemon of a node reads from it, and the sections
 * of its own that a daemon adds. Control thread.
 */
#pragma once
#include "lib/doc_read.h"
#include "lib/err.h"
#include "lib/net.h"

#define CONFIG_SECTIONS_MAX 16

struct node_config {
	char *path;
	char *name, *region; /* region NULL: not given */
	char *state_dir;     /* absolute or as resolved against the file */
	char *resolvers;     /* "127.0.0.1:53,[::1]:53"; NULL: those of the system */
	size_t fleet_count, geo_count;
	char **fleet, **geo; /* paths, resolved against the file */
	char *admin_socket;  /* resolved against state_dir */
	bool has_admin_http;
	char *admin_http_written;
	struct listen_address admin_http;
	bool has_probes;
	char *vantage;
	unsigned probe_concurrency;
};

/* What a daemon has beside that. Its readers get what it gave config_read as their target: it keeps struct
 * node_config as the first member of its own structure. A key without a reader is refused by name. */
struct config_sections {
	const struct doc_key *keys; /* at most CONFIG_SECTIONS_MAX; ends with a NULL name */
	/* After all keys, for what depends on several; NULL: nothing does. */
	void (*finish)(const struct doc_reader *reader, struct node_config *config);
	const char *socket; /* where `admin.socket` is not given; NULL: "gslb.sock" */
};

#define CONFIG_WORKERS_MAX 256

/* Fills `config`, which is zero but for what `sections` read into. False when the file cannot be read or
 * parsed. Else everything wrong is in `errors` and the rest is usable, so that the files that it names can be
 * checked in the same pass. config_done is needed in both cases. */
bool config_read(struct node_config *config, const char *path, const struct config_sections *sections,
		 struct err_list *errors);
void config_done(struct node_config *config); /* frees what it holds */

/* For sections of more than one daemon. 1 to CONFIG_WORKERS_MAX, or `auto`: the usable cores. */
void config_read_workers(const struct doc_reader *reader, const struct doc_node *value, bool *ret_is_auto,
			 unsigned *ret_count);
/* Another daemon's section: a mapping, of which nothing is read. */
void config_read_foreign(const struct doc_reader *reader, const struct doc_node *value, void *target);
/* A path as written; false, with an error: it is none. */
bool config_read_path(const struct doc_reader *reader, const struct doc_node *value, const char **ret);
/* What `admin` may hold, for a daemon that has a section of its own for it. */
void config_read_admin(const struct doc_reader *reader, const struct doc_node *value, void *target);
/* Makes of the socket as written, or `otherwise`, the one relative to state_dir, whichever of the two comes
 * first in the file. `node`: where it is written, or NULL. */
void config_place_socket(const struct doc_reader *reader, const char *otherwise, const struct doc_node *node,
			 struct node_config *config);
/* Whether two texts, each NULL or not, are the same. */
bool config_is_same_text(const char *a, const char *b);
/* The first restart-only key of the common sections that differs, or NULL. */
const char *config_restart_only_difference(const struct node_config *a, const struct node_config *b);
