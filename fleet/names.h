/* Hash map from lower-case wire name to pointer. The keys are borrowed: they live inside what they
 * point to. Control thread. */
#pragma once
#include "zones/name.h"

struct names;

struct names *names_new(void);
void names_free(struct names *names); /* NULL is fine */
size_t names_count(const struct names *names);
void *names_get(const struct names *names, const uint8_t *name); /* NULL: absent */
/* The value of the name itself or of the closest name above it, or NULL. */
void *names_enclosing(const struct names *names, const uint8_t *name);
/* Sets the value. `name` becomes the key, so that its memory stays as long as the entry. */
void names_put(struct names *names, const uint8_t *name, void *value);
void names_remove(struct names *names, const uint8_t *name); /* absent is fine */
