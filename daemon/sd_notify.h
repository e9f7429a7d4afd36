/*
 * Telling systemd how a daemon is (sd_notify(3)): one datagram to the socket that NOTIFY_SOCKET names.
 * Without it, as when the daemon was started by hand, nothing happens. Any thread.
 */
#pragma once
#include <stdbool.h>

/* "READY=1", "STOPPING=1", "STATUS=…"; several with a line end between them. False: it was not sent. */
bool sd_notify_send(const char *state);
