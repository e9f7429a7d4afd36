/*
 * node.yaml and all that it names, read in one pass: every error of every file is found. Any one thread.
 */
#pragma once
#include "gslb/compile/load.h"
#include "gslb/control/gslb_config.h"

struct node_files {
	struct gslb_config *config; /* NULL when unreadable */
	struct load_parts parts;
	struct err_list errors; /* sorted by file and line */
};

/* Takes what it can use out of `previous`. The fleet is NULL where anything is wrong with it. */
void node_files_read(const char *config_path, enum load_depth depth, struct load_previous *previous,
		     struct node_files *ret);
/* Adds warnings of what can hardly be meant, where nothing is wrong: once all is there, with the store's
 * objects too. For LOAD_CHECK node_files_read has done it. */
void node_files_warn(struct node_files *files);
void node_files_done(struct node_files *files);
