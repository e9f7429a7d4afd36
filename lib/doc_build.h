/* What the two readers of documents share (doc_yaml.c, doc_json.c); not for other files. */
#pragma once
#include "lib/doc.h"

struct doc *doc_new(const char *file); /* file is copied, NULL for none */
struct doc_node *doc_node_new(struct doc *doc, enum doc_kind kind);
/* Appends `node` to `parent`, whose last member is *last (NULL: none yet). */
void doc_node_append(struct doc_node *parent, struct doc_node **last, struct doc_node *node);
