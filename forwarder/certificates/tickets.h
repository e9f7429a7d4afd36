/* The file `tickets`: lines of 64 hexadecimal digits, the first of which encrypts. Control thread. */
#pragma once
#include "forwarder/plan/ticket_secrets.h"
#include "lib/err.h"

/* `path` NULL: one that is random. NULL: `errors` says what is wrong. To be freed by tickets_free(). */
struct ticket_secrets *tickets_read(const char *path, struct err_list *errors);
void tickets_free(struct ticket_secrets *secrets); /* NULL is fine */
