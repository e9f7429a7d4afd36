/* Hash map from text to pointer, keys copied, iteration in order of insertion. Not thread-safe. */
#pragma once
#include <stddef.h>

struct map;

struct map *map_new(void);
void map_free(struct map *map);				      /* values are the caller's */
void *map_get(const struct map *map, const char *key);	      /* NULL: absent */
void *map_put(struct map *map, const char *key, void *value); /* returns the value it replaced */
void *map_remove(struct map *map, const char *key);	      /* returns the value, NULL: absent */
size_t map_count(const struct map *map);
/* for (size_t at = 0; (value = map_next(map, &at, &key));) — no change of the map meanwhile */
void *map_next(const struct map *map, size_t *at, const char **ret_key);
