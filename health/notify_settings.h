/* `notify` of node.yaml: who is told of transitions of health. Control thread. */
#pragma once
#include "lib/doc_read.h"
#include <stdint.h>

struct notify_settings { /* zero: nobody is told */
	size_t exec_count;
	char **exec; /* path and arguments; ends with NULL */
	char *post;  /* URL as written; NULL: none */
	char *post_address, *post_host, *post_target;
	uint16_t post_port;
};

/* The path of a command is relative to the file that names it. */
void notify_settings_read(const struct doc_reader *reader, const struct doc_node *value, const char *file,
			  struct notify_settings *settings);
void notify_settings_done(struct notify_settings *settings);
