/* What the readers of node.yaml share: config.c the file, config_dns.c its key `dns`. Control thread. */
#pragma once
#include "gslb/control/config.h"
#include "lib/doc_read.h"

struct draft { /* a configuration that is being read */
	struct node_config *config;
	const char *socket;
	const struct doc_node *socket_node; /* NULL: not given */
	const char *nsid;		    /* NULL: the node's name */
	double rrl_rate;		    /* responses a second for a prefix, all workers together */
};

/* `target` is a struct draft. */
void config_read_dns(const struct doc_reader *reader, const struct doc_node *value, void *target);
