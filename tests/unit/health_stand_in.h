/* A book of health that holds what the test wrote into it. */
#pragma once
#include "health/health_book.h"
#include <string.h>

static struct health_entry entries[8];
static size_t entry_count;
static bool is_frozen;

const struct health_entry *health_book_find(const struct health_book *book, const struct fleet_vip *vip,
					    const char *check)
{
	for (size_t i = 0; i < entry_count; i++)
		if (ip_equal(&entries[i].ip, &vip->ip) && strcmp(entries[i].check, check) == 0)
			return &entries[i];
	return NULL;
}

const struct health_entry *health_book_next(const struct health_book *book, size_t *at)
{
	return *at < entry_count ? &entries[(*at)++] : NULL;
}

bool health_book_is_frozen(const struct health_book *book)
{
	return is_frozen;
}

static inline struct health_entry *add_entry(const char *address, const char *check, enum verdict_state state)
{
	struct health_entry *entry = &entries[entry_count++];
	*entry = (struct health_entry){.check = (char *)check, .score = SCORE_FULL};
	entry->verdict.state = state;
	ip_parse(address, &entry->ip);
	return entry;
}
