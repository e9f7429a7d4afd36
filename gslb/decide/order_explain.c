/* Which rule of a map decided for a client: evaluates the rules as they stand. Control thread. */
#include "gslb/decide/map_rules.h"
#include "gslb/decide/order_table.h"
#include "lib/net.h"

static const struct map_rule *longest_prefix(const struct order_spec *spec, const struct ip *client)
{
	const struct map_rule *found = NULL;
	for (size_t i = 0; i < spec->rule_count && spec->rules[i].kind == MAP_PREFIX; i++) {
		const struct map_rule *rule = &spec->rules[i];
		if (prefix_contains(&rule->prefix, client) &&
		    (!found || rule->prefix.length >= found->prefix.length))
			found = rule;
	}
	return found;
}

const struct map_rule *order_explain_rule(const struct order *order, const struct places *places,
					  const struct ip *client, const struct ip *resolver)
{
	const struct order_spec *spec = &order->spec;
	if (spec->kind != ORDER_MAP)
		return NULL;
	const struct place *place = places_find(places, client);
	const struct map_rule *rule = longest_prefix(spec, client);
	if (!rule)
		rule = map_rules_by_asn(spec, place->asn);
	if (rule)
		return rule;
	if (!place_is_located(place) && resolver)
		place = places_find(places, resolver);
	return map_rules_by_place(spec, place);
}
