/* Accepted changes: checked, durable, published, in this order. Control thread. See control.h. */
#pragma once
#include "gslb/control/control.h"

/* Drops the controls that are due, tells the audit, publishes, arms the timer for the next. */
void change_expire_controls(struct control *control);
void change_arm_expiry(struct control *control);
void change_audit_reload(struct control *control, const char *author, const char *via);
/* Zones with `serial: change`: the time of the last change that the files and the store know. */
void change_restore_serials(struct control *control, struct fleet *fleet);
