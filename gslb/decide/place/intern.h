/*
 * Numbers for values: equal bytes get equal numbers, counted from 0. Values have one fixed size and
 * no undefined padding. Not thread-safe; used while tables are built.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct intern {
	size_t size;	   /* of a value */
	size_t count;	   /* numbers given */
	size_t capacity;   /* of items */
	size_t slot_count; /* power of two */
	uint8_t *items;	   /* count × size bytes */
	struct intern_slot {
		uint32_t hash;	 /* its low half: most misses end here, and growing needs no value */
		uint32_t number; /* + 1; 0 = free */
	} * slots;
};

void intern_init(struct intern *intern, size_t size);
void intern_done(struct intern *intern);
uint32_t intern_put(struct intern *intern, const void *value); /* a new value raises `count` */
