/*
 * The state directory: made where it is missing, owned by one process at a time, and put onto the disk when
 * names in it changed. Control thread, or the one thread of gslbctl.
 */
#pragma once
#include "lib/err.h"

/* A descriptor that holds the directory until it is closed; -1 with an entry in errors. */
int state_dir_lock(const char *state_dir, struct err_list *errors);
/* The store's file in it; free() it. */
char *state_dir_store(const char *state_dir);
/* What root puts into a directory belongs to the owner of the directory. */
void state_dir_give_to_owner(const char *state_dir, int fd);
/* Renames a file of the directory, durably; false, with errno. */
bool state_dir_rename(const char *state_dir, const char *from, const char *to);
