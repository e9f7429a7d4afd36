/*
 * What a set of places can tell of clients at all: the countries, continents, subdivisions and AS numbers
 * in it. A rule for any other never matches. Built on the helper thread that loads; constant then.
 */
#pragma once
#include "fleet/words.h"
#include "gslb/decide/place/place.h"

struct place_facts;

struct place_facts *place_facts_new(const struct places *places);
void place_facts_free(struct place_facts *facts); /* NULL is fine */

/* Whether any address has one. */
bool place_facts_have_country(const struct place_facts *facts, const char country[static 3]);
bool place_facts_have_continent(const struct place_facts *facts, const char continent[static 3]);
bool place_facts_have_subdivision(const struct place_facts *facts, const char country[static 3],
				  const char *subdivision);
bool place_facts_have_asn(const struct place_facts *facts, uint32_t asn);
/* text_nearest() among the country's subdivisions as the places write them; *ret_example: one of them, NULL
 * where it has none. */
const char *place_facts_near_subdivision(const struct place_facts *facts, const char country[static 3],
					 const char *subdivision, const char **ret_example);

/* Whether any address has what rules of this kind go by. */
bool place_facts_have_any(const struct place_facts *facts, enum map_rule_kind kind);
