/*
 * Certificates and secrets of tickets, as worlds get them: what is published stays until the next world is.
 * Control thread.
 */
#pragma once
#include "forwarder/certificates/certs.h"
#include "forwarder/control/config.h"
#include "forwarder/plan/world.h"

struct secrets;

/* `changed`: they are ready, or others. What is wrong is logged. */
struct secrets *secrets_new(struct event_base *base, const struct forwarder_config *config,
			    void (*changed)(void *user), void *user);
void secrets_free(struct secrets *secrets); /* when there is no world; NULL is fine */
/* node.yaml was read anew, or the operator says that files have changed. */
void secrets_configure(struct secrets *secrets, const struct forwarder_config *config);
bool secrets_are_ready(const struct secrets *secrets);
/* Puts them into a world that will be published, */
void secrets_fill(struct secrets *secrets, struct world *world);
/* and lets go of those of the world before it, when no worker has it. */
void secrets_settle(struct secrets *secrets);
const struct certs *secrets_certs(const struct secrets *secrets); /* NULL: no directory is configured */
