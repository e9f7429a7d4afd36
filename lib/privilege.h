/*
 * Giving up what is needed for binding low ports only. Of the calling thread, and of those that it
 * makes later: Linux keeps capabilities by thread.
 */
#pragma once
#include <stdbool.h>

/* Drops all capabilities, for good; root keeps what root has. False with errno. */
bool privilege_drop(void);
