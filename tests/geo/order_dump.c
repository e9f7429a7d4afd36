/*
 * Prints for client addresses where the compiled order puts the regions, for comparison with
 * oracle.py, which shares no code with us: order_dump SPEC.json [DB.mmdb …] < clients. A line of
 * input is `address` or `address resolver`; a line of output `address tiers depth`, tiers as
 * `eu,us|ap` or `-`. With --stats: time and memory of loading and compiling.
 */
#include "gslb/compile/geo_load.h"
#include "gslb/decide/order.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char *region_ids[REGIONS_MAX];
static unsigned region_count;

static void fail(const char *what)
{
	fprintf(stderr, "order_dump: %s\n", what);
	exit(2);
}

static uint8_t region_number(const char *id)
{
	for (unsigned i = 0; i < region_count; i++)
		if (strcmp(region_ids[i], id) == 0)
			return (uint8_t)i;
	fail(id);
	return 0;
}

static void read_tiers(const json_t *value, struct map_rule *rule)
{
	if (json_is_string(value)) {
		rule->is_nearest = true;
		return;
	}
	size_t i, j;
	json_t *item, *inner;
	json_array_foreach (value, i, item) {
		if (json_is_string(item) && strcmp(json_string_value(item), "nearest") == 0) {
			rule->is_nearest = true;
			continue;
		}
		if (json_is_string(item)) {
			rule->tiers.item[rule->tiers.count++] =
				region_number(json_string_value(item)) | TIER_START;
			continue;
		}
		json_array_foreach (item, j, inner)
			rule->tiers.item[rule->tiers.count++] =
				region_number(json_string_value(inner)) | (j == 0 ? TIER_START : 0);
	}
}

static void read_rule(const char *key, const json_t *value, struct map_rule *rule)
{
	read_tiers(value, rule);
	if (strcmp(key, "default") == 0) {
		rule->kind = MAP_DEFAULT;
	} else if (strncmp(key, "as:", 3) == 0) {
		rule->kind = MAP_ASN;
		rule->asn = (uint32_t)strtoul(key + 3, NULL, 10);
	} else if (strncmp(key, "country:", 8) == 0) {
		rule->kind = MAP_COUNTRY;
		memcpy(rule->country, key + 8, 2);
	} else if (strncmp(key, "subdivision:", 12) == 0) {
		rule->kind = MAP_SUBDIVISION;
		memcpy(rule->country, key + 12, 2);
		memcpy(rule->subdivision, key + 15, strnlen(key + 15, sizeof rule->subdivision - 1));
	} else if (strlen(key) == 2) {
		rule->kind = MAP_CONTINENT;
		memcpy(rule->continent, key, 2);
	} else if (prefix_parse(key, &rule->prefix)) {
		rule->kind = MAP_PREFIX;
	} else {
		fail(key);
	}
}

static void read_spec(const json_t *json, struct order_spec *spec)
{
	const char *key;
	json_t *value;
	json_object_foreach (json_object_get(json, "regions"), key, value) {
		const json_t *at = json_object_get(value, "at");
		spec->latitude[region_count] = json_number_value(json_array_get(at, 0));
		spec->longitude[region_count] = json_number_value(json_array_get(at, 1));
		region_ids[region_count++] = key;
	}
	size_t i;
	json_array_foreach (json_object_get(json, "candidates"), i, value)
		spec->listed[spec->listed_count++] = region_number(json_string_value(value));
	json_object_foreach (json_object_get(json, "bias"), key, value)
		spec->bias[region_number(key)] = (int8_t)json_integer_value(value);
	spec->tolerance_km = (uint32_t)json_integer_value(json_object_get(json, "tolerance"));
	const char *order = json_string_value(json_object_get(json, "order"));
	unsigned kind = 0;
	while (kind < ORDER_KINDS && strcmp(fleet_order_word[kind], order) != 0)
		kind++;
	spec->kind = (enum order_kind)kind;
	json_t *map = json_object_get(json, "map");
	struct map_rule *rules = xcalloc(json_object_size(map) + 1, sizeof *rules);
	json_object_foreach (map, key, value)
		read_rule(key, value, &rules[spec->rule_count++]);
	spec->rules = rules;
}

static void print_result(const char *address, const struct order_result *result)
{
	printf("%s ", address);
	for (unsigned i = 0; i < result->tiers->count; i++) {
		uint8_t item = result->tiers->item[i];
		if (i > 0)
			putchar(item & TIER_START ? '|' : ',');
		fputs(region_ids[item & (TIER_START - 1)], stdout);
	}
	printf("%s %u\n", result->tiers->count ? "" : "-", result->depth);
}

static void answer_clients(const struct order *order)
{
	char line[256];
	while (fgets(line, sizeof line, stdin)) {
		char *save, *client_text = strtok_r(line, " \n", &save);
		char *resolver_text = client_text ? strtok_r(NULL, " \n", &save) : NULL;
		struct ip client, resolver;
		if (!client_text || !ip_parse(client_text, &client) ||
		    (resolver_text && !ip_parse(resolver_text, &resolver)))
			fail("a line is no address");
		struct order_result result = order_find(order, &client, resolver_text ? &resolver : NULL);
		print_result(client_text, &result);
	}
}

static double cpu_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
	bool wants_stats = argc > 1 && strcmp(argv[1], "--stats") == 0;
	argv += wants_stats;
	argc -= wants_stats;
	if (argc < 2)
		fail("usage: order_dump [--stats] SPEC.json [DB.mmdb …] < clients");
	json_t *json = json_load_file(argv[1], 0, NULL);
	if (!json)
		fail("the spec is no JSON");
	struct order_spec spec = {.kind = ORDER_NONE};
	read_spec(json, &spec);
	struct err_list errors = {.count = 0};
	struct places *places = geo_load((const char *const *)argv + 2, (size_t)argc - 2, &errors);
	err_print(&errors, stderr);
	err_done(&errors);
	if (!places)
		return 1;
	double loaded = cpu_seconds();
	struct order *order = order_compile(&spec, places);
	double compiled = cpu_seconds();
	if (wants_stats) {
		struct rusage usage;
		getrusage(RUSAGE_SELF, &usage);
		printf("load %.2f s, compile %.2f s, peak %ld MiB, places %zu (%zu MiB), ranges %zu + %zu, "
		       "order %zu KiB\n",
		       loaded, compiled - loaded, usage.ru_maxrss / 1024, places->place_count,
		       places_bytes(places) >> 20, places->v4.count, places->v6.count,
		       order_bytes(order) >> 10);
	}
	answer_clients(order);
	order_unref(order);
	places_unref(places);
	free((struct map_rule *)spec.rules);
	json_decref(json);
	return 0;
}
