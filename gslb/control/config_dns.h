/* The key `dns` of node.yaml (docs/configuration.md, "dns"): its keys, defaults and limits. Control thread.
 */
#pragma once
#include "gslb/control/gslb_config.h"

void config_dns_init(struct gslb_config *config); /* the defaults */
/* `target` is a struct gslb_config. */
void config_dns_read(const struct doc_reader *reader, const struct doc_node *value, void *target);
/* What depends on several keys. */
void config_dns_finish(struct gslb_config *config);
void config_dns_done(struct gslb_config *config); /* frees what the section holds */
/* The first restart-only key of the section that differs, or NULL. */
const char *config_dns_restart_only_difference(const struct gslb_config *a, const struct gslb_config *b);
