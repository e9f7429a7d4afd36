/* One order of rules, by which they are sorted and searched. Any thread. */
#include "gslb/decide/map_rules.h"
#include <stdlib.h>

static int compare_rules(const void *left, const void *right)
{
	const struct map_rule *a = left, *b = right;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	int difference = 0;
	switch (a->kind) {
	case MAP_PREFIX:
		difference = ip_compare(&a->prefix.ip, &b->prefix.ip);
		return difference ? difference : (int)a->prefix.length - (int)b->prefix.length;
	case MAP_ASN:
		return a->asn < b->asn ? -1 : a->asn > b->asn;
	case MAP_SUBDIVISION:
		difference = strcmp(a->country, b->country);
		return difference ? difference : strcmp(a->subdivision, b->subdivision);
	case MAP_COUNTRY:
		return strcmp(a->country, b->country);
	case MAP_CONTINENT:
		return strcmp(a->continent, b->continent);
	case MAP_DEFAULT:
		break;
	}
	return 0;
}

void map_rules_sort(struct map_rule *rules, size_t count)
{
	qsort(rules, count, sizeof(*rules), compare_rules);
}

static const struct map_rule *find(const struct order_spec *spec, const struct map_rule *wanted)
{
	if (spec->rule_count == 0)
		return NULL;
	return bsearch(wanted, spec->rules, spec->rule_count, sizeof(*wanted), compare_rules);
}

const struct map_rule *map_rules_by_asn(const struct order_spec *spec, uint32_t asn)
{
	if (asn == 0)
		return NULL;
	return find(spec, &(struct map_rule){.kind = MAP_ASN, .asn = asn});
}

const struct map_rule *map_rules_by_place(const struct order_spec *spec, const struct place *place)
{
	const struct map_rule *rule = NULL;
	struct map_rule wanted = {.kind = MAP_SUBDIVISION};
	memcpy(wanted.country, place->country, sizeof(wanted.country));
	memcpy(wanted.subdivision, place->subdivision, sizeof(wanted.subdivision));
	if (place->country[0] && place->subdivision[0])
		rule = find(spec, &wanted);
	wanted.kind = MAP_COUNTRY;
	if (!rule && place->country[0])
		rule = find(spec, &wanted);
	wanted.kind = MAP_CONTINENT;
	const char *continent = place_continent(place);
	memcpy(wanted.continent, continent, strnlen(continent, sizeof(wanted.continent) - 1));
	if (!rule && wanted.continent[0])
		rule = find(spec, &wanted);
	wanted.kind = MAP_DEFAULT;
	return rule ? rule : find(spec, &wanted);
}
