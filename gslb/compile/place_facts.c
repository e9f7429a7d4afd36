/* See the header. */
#include "gslb/compile/place_facts.h"
#include "gslb/decide/place/intern.h"
#include "lib/country.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS 26

struct subdivision {
	char country[3], code[12]; /* as in struct place, zero behind the text */
};
static_assert(sizeof(((struct subdivision *)0)->code) == sizeof(((struct place *)0)->subdivision),
	      "a subdivision has room for that of a place");

struct place_facts {
	bool countries[LETTERS * LETTERS];
	bool continents[COUNTRY_CONTINENTS];
	size_t asn_count, subdivision_count;
	uint32_t *asns;			  /* sorted */
	struct subdivision *subdivisions; /* sorted */
};

static bool is_letter(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* Where its flag stands; -1: not two capital letters, which no rule can name. */
static int country_number(const char country[static 3])
{
	if (!is_letter(country[0]) || !is_letter(country[1]))
		return -1;
	return (country[0] - 'A') * LETTERS + country[1] - 'A';
}

static int continent_number(const char *continent)
{
	for (int i = 0; i < COUNTRY_CONTINENTS; i++)
		if (strcmp(country_continents[i], continent) == 0)
			return i;
	return -1;
}

static int compare_asns(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static int compare_subdivisions(const void *a, const void *b)
{
	const struct subdivision *x = a, *y = b;
	int difference = strcmp(x->country, y->country);
	return difference ? difference : strcmp(x->code, y->code);
}

static struct subdivision subdivision_of(const char *country, const char *code)
{
	struct subdivision subdivision = {.country = ""};
	memcpy(subdivision.country, country, strnlen(country, sizeof subdivision.country - 1));
	memcpy(subdivision.code, code, strnlen(code, sizeof subdivision.code - 1));
	return subdivision;
}

static void note_place(struct place_facts *facts, const struct place *place, struct intern *asns,
		       struct intern *subdivisions)
{
	int country = country_number(place->country), continent = continent_number(place_continent(place));
	if (country >= 0)
		facts->countries[country] = true;
	if (continent >= 0)
		facts->continents[continent] = true;
	if (place->asn != 0)
		intern_put(asns, &place->asn);
	if (place->country[0] && place->subdivision[0]) {
		struct subdivision subdivision = subdivision_of(place->country, place->subdivision);
		intern_put(subdivisions, &subdivision);
	}
}

/* The numbers of the values are of no further use. */
static void *take_sorted(struct intern *intern, int (*compare)(const void *a, const void *b),
			 size_t *ret_count)
{
	void *items = xmemdup(intern->items, intern->count * intern->size);
	*ret_count = intern->count;
	qsort(items, intern->count, intern->size, compare);
	intern_done(intern);
	return items;
}

struct place_facts *place_facts_new(const struct places *places)
{
	struct place_facts *facts = xcalloc(1, sizeof *facts);
	struct intern asns, subdivisions;
	intern_init(&asns, sizeof(uint32_t));
	intern_init(&subdivisions, sizeof(struct subdivision));
	for (size_t i = 1; i < places->place_count; i++) /* behind PLACE_NONE */
		note_place(facts, &places->places[i], &asns, &subdivisions);
	facts->asns = take_sorted(&asns, compare_asns, &facts->asn_count);
	facts->subdivisions = take_sorted(&subdivisions, compare_subdivisions, &facts->subdivision_count);
	return facts;
}

void place_facts_free(struct place_facts *facts)
{
	if (!facts)
		return;
	free(facts->asns);
	free(facts->subdivisions);
	free(facts);
}

bool place_facts_have_country(const struct place_facts *facts, const char country[static 3])
{
	int number = country_number(country);
	return number >= 0 && facts->countries[number];
}

bool place_facts_have_continent(const struct place_facts *facts, const char continent[static 3])
{
	int number = continent_number(continent);
	return number >= 0 && facts->continents[number];
}

bool place_facts_have_subdivision(const struct place_facts *facts, const char country[static 3],
				  const char *subdivision)
{
	struct subdivision wanted = subdivision_of(country, subdivision);
	return bsearch(&wanted, facts->subdivisions, facts->subdivision_count, sizeof wanted,
		       compare_subdivisions) != NULL;
}

bool place_facts_have_asn(const struct place_facts *facts, uint32_t asn)
{
	return bsearch(&asn, facts->asns, facts->asn_count, sizeof asn, compare_asns) != NULL;
}

bool place_facts_have_any(const struct place_facts *facts, enum map_rule_kind kind)
{
	switch (kind) {
	case MAP_ASN:
		return facts->asn_count > 0;
	case MAP_SUBDIVISION:
		return facts->subdivision_count > 0;
	case MAP_COUNTRY:
		return memchr(facts->countries, true, sizeof facts->countries) != NULL;
	case MAP_CONTINENT:
		return memchr(facts->continents, true, sizeof facts->continents) != NULL;
	case MAP_PREFIX:
	case MAP_DEFAULT:
		return true;
	}
	assert(!"no such kind of rule");
	return true;
}

const char *place_facts_near_subdivision(const struct place_facts *facts, const char country[static 3],
					 const char *subdivision, const char **ret_example)
{
	const char **codes = xcalloc(facts->subdivision_count + 1, sizeof *codes);
	size_t count = 0;
	for (size_t i = 0; i < facts->subdivision_count; i++)
		if (strcmp(facts->subdivisions[i].country, country) == 0)
			codes[count++] = facts->subdivisions[i].code;
	const char *nearest = text_nearest(subdivision, codes, count);
	*ret_example = codes[0];
	free(codes);
	return nearest;
}
