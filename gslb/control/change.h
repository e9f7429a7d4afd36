/* Accepted changes: checked, durable, published, in this order. Control thread. See server.h. */
#pragma once
#include "gslb/control/server.h"

/* Drops the controls that are due, tells the audit, publishes, arms the timer for the next. */
void change_expire_controls(struct server *server);
void change_arm_expiry(struct server *server);
void change_audit_reload(struct server *server, const char *author, const char *via);
