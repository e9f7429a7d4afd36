/*
 * Builds a set of places from ranges that come in the order of their addresses: equal places share
 * a number, equal neighbours become one range. Not thread-safe.
 */
#pragma once
#include "gslb/decide/place/place.h"

struct place_build;

struct place_build *place_build_new(void);
void place_build_free(struct place_build *build);				  /* NULL is fine */
uint32_t place_build_place(struct place_build *build, const struct place *place); /* its number */
size_t place_build_count(const struct place_build *build); /* different places so far */
/* The range begins at `start` and reaches to the next one's start; starts ascend in each family. */
void place_build_range(struct place_build *build, unsigned family, address_key start, uint32_t place);
void place_build_file(struct place_build *build, const char *path, int64_t built_unix_s, size_t prefixes);
struct places *place_build_finish(struct place_build *build); /* frees the builder */
struct places *places_new_empty(void);			      /* nothing known about any address */
