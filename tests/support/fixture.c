/* Small worlds for tests: see fixture.h. */
#include "tests/support/fixture.h"
#include "gslb/decide/https.h"
#include "gslb/decide/place/place_build.h"
#include "lib/gcra.h"
#include "lib/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICES_MAX 16
#define TENANTS_MAX 32
#define ZONES_MAX 16
#define PLACES_MAX 32
#define WORDS_MAX 16

struct fixture_service {
	char id[32];
	uint8_t https[HTTPS_TEMPLATE_MAX];
	struct ip resort[8];
	struct order_spec spec;
	struct plan_service_input input;
	struct plan_region_input regions[REGIONS_MAX];
	struct plan_vip_input vips[REGIONS_MAX][VIPS_PER_REGION_MAX];
	struct plan_shed shed[REGIONS_MAX];
};

struct fixture_tenant {
	struct name name;
	size_t service;
	region_set regions; /* 0: all */
	bool is_suspended;
	struct plan_budget budget;
};

struct fixture {
	size_t region_count, service_count, tenant_count, zone_count, place_count;
	char region[REGIONS_MAX][32];
	double latitude[REGIONS_MAX], longitude[REGIONS_MAX];
	struct fixture_service services[SERVICES_MAX];
	struct fixture_tenant tenants[TENANTS_MAX];
	struct zone *zones[ZONES_MAX];
	struct location places[PLACES_MAX];
	struct serve_settings settings;
	size_t word_count;
	char *words[WORDS_MAX]; /* of the current line */
	char line[512];
};

static void require(bool is_true, const struct fixture *fixture)
{
	if (is_true)
		return;
	fprintf(stderr, "fixture: cannot use the line: %s\n", fixture->line);
	abort();
}

static const char *value_of(const struct fixture *fixture, const char *key, const char *without)
{
	size_t length = strlen(key);
	for (size_t i = 0; i < fixture->word_count; i++)
		if (strncmp(fixture->words[i], key, length) == 0 && fixture->words[i][length] == '=')
			return fixture->words[i] + length + 1;
	return without;
}

static unsigned number_of(const struct fixture *fixture, const char *key, unsigned without)
{
	const char *text = value_of(fixture, key, NULL);
	return text ? (unsigned)strtoul(text, NULL, 10) : without;
}

static unsigned choice_of(const struct fixture *fixture, const char *key, const char *without,
			  const char *const *words)
{
	const char *text = value_of(fixture, key, without);
	unsigned choice = 0;
	while (words[choice] && strcmp(words[choice], text) != 0)
		choice++;
	require(words[choice] != NULL, fixture);
	return choice;
}

static uint8_t region_number(const struct fixture *fixture, const char *id, size_t length)
{
	size_t i = 0;
	while (i < fixture->region_count &&
	       (strncmp(fixture->region[i], id, length) != 0 || fixture->region[i][length] != 0))
		i++;
	require(i < fixture->region_count, fixture);
	return (uint8_t)i;
}

static size_t service_position(const struct fixture *fixture, const char *id)
{
	size_t i = 0;
	while (i < fixture->service_count && strcmp(fixture->services[i].id, id) != 0)
		i++;
	require(i < fixture->service_count, fixture);
	return i;
}

static struct name wire_name(const struct fixture *fixture, const char *text)
{
	struct name name;
	require(!name_from_text(text, NULL, &name), fixture);
	return name;
}

/* ---- the lines ---- */

static void read_set(struct fixture *fixture)
{
	struct serve_settings *settings = &fixture->settings;
	settings->edns_size = (uint16_t)number_of(fixture, "edns_size", settings->edns_size);
	settings->ecs = choice_of(fixture, "ecs", "true", (const char *const[]){"true", "false", NULL}) == 0;
	const char *nsid = value_of(fixture, "nsid", "");
	settings->nsid_length = (uint8_t)strlen(nsid);
	memcpy(settings->nsid, nsid, strlen(nsid));
	settings->tcp_connections = number_of(fixture, "tcp_connections", settings->tcp_connections);
	settings->tcp_per_client = number_of(fixture, "tcp_per_client", settings->tcp_per_client);
	settings->tcp_queries = number_of(fixture, "tcp_queries", settings->tcp_queries);
	settings->tcp_idle_ms = number_of(fixture, "tcp_idle_ms", settings->tcp_idle_ms);
}

static void read_region(struct fixture *fixture)
{
	require(fixture->word_count == 4 && fixture->region_count < REGIONS_MAX, fixture);
	size_t number = fixture->region_count++;
	snprintf(fixture->region[number], sizeof fixture->region[number], "%s", fixture->words[1]);
	fixture->latitude[number] = strtod(fixture->words[2], NULL);
	fixture->longitude[number] = strtod(fixture->words[3], NULL);
}

static void read_place(struct fixture *fixture)
{
	require(fixture->word_count == 4 && fixture->place_count < PLACES_MAX, fixture);
	struct location *place = &fixture->places[fixture->place_count++];
	require(prefix_parse(fixture->words[1], &place->prefix), fixture);
	place->has_at = place->place.has_at = true;
	place->place.latitude = strtof(fixture->words[2], NULL);
	place->place.longitude = strtof(fixture->words[3], NULL);
}

/* https=PROTOCOL,… [port=N] of a service. */
static void read_https(struct fixture *fixture, struct fixture_service *service)
{
	char words[128];
	char *alpn[HTTPS_ALPN_MAX];
	size_t count = 0;
	snprintf(words, sizeof words, "%s", value_of(fixture, "https", ""));
	char *rest = NULL;
	for (char *word = strtok_r(words, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
		alpn[count++] = word;
	if (count == 0)
		return;
	service->input.https = service->https;
	service->input.https_length = (uint16_t)https_template(
		alpn, count, (uint16_t)number_of(fixture, "port", 443), service->https);
}

/* resort=ADDRESS,… of a service with last_resort=addresses. */
static void read_resort(struct fixture *fixture, struct fixture_service *service)
{
	char words[256];
	char *rest = NULL;
	snprintf(words, sizeof words, "%s", value_of(fixture, "resort", ""));
	service->input.resort = service->resort;
	for (char *word = strtok_r(words, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
		require(ip_parse(word, &service->resort[service->input.resort_count++]), fixture);
}

static void read_service(struct fixture *fixture)
{
	require(fixture->word_count >= 2 && fixture->service_count < SERVICES_MAX, fixture);
	struct fixture_service *service = &fixture->services[fixture->service_count];
	snprintf(service->id, sizeof service->id, "%s", fixture->words[1]);
	service->spec.kind = choice_of(fixture, "order", "nearest", fleet_order_word);
	require(service->spec.kind != ORDER_MAP, fixture);
	service->input = (struct plan_service_input){
		.number = (uint32_t)fixture->service_count++,
		.id = service->id,
		.split = choice_of(fixture, "split", "sticky", fleet_split_word),
		.last_resort = LAST_RESORT_ADDRESSES,
		.prefix4 = (uint8_t)number_of(fixture, "prefix4", 24),
		.prefix6 = (uint8_t)number_of(fixture, "prefix6", 56),
		.answers = (uint8_t)number_of(fixture, "answers", 1),
		.ttl_min = number_of(fixture, "ttl_min", 5),
		.ttl_max = number_of(fixture, "ttl_max", 60),
		.min_healthy_hundredths = 5000,
		.regions = service->regions,
	};
	if (strcmp(value_of(fixture, "last_resort", "all"), "addresses") != 0)
		service->input.last_resort = choice_of(fixture, "last_resort", "all", fleet_last_resort_word);
	read_https(fixture, service);
	read_resort(fixture, service);
}

/* The region of a service, made when it is first spoken of. */
static size_t region_slot(struct fixture *fixture, struct fixture_service *service, const char *id)
{
	uint8_t number = region_number(fixture, id, strlen(id));
	size_t slot = 0;
	while (slot < service->input.region_count && service->regions[slot].number != number)
		slot++;
	if (slot == service->input.region_count) {
		service->input.region_count++;
		service->regions[slot] = (struct plan_region_input){.number = number,
								    .id = fixture->region[number],
								    .share = 100,
								    .vips = service->vips[slot]};
		service->spec.listed[service->spec.listed_count++] = number;
	}
	return slot;
}

static void read_vip(struct fixture *fixture)
{
	require(fixture->word_count >= 4, fixture);
	struct fixture_service *service = &fixture->services[service_position(fixture, fixture->words[1])];
	size_t slot = region_slot(fixture, service, fixture->words[2]);
	require(service->regions[slot].vip_count < VIPS_PER_REGION_MAX, fixture);
	struct plan_vip_input *vip = &service->vips[slot][service->regions[slot].vip_count++];
	*vip = (struct plan_vip_input){
		.weight = number_of(fixture, "weight", 1),
		.score = SCORE_FULL,
		.ttl = service->input.ttl_max,
		.is_drained = number_of(fixture, "drained", 0) != 0,
	};
	vip->state = choice_of(fixture, "state", "up", fleet_vip_state_word);
	require(ip_parse(fixture->words[3], &vip->ip), fixture);
}

static void read_share(struct fixture *fixture)
{
	require(fixture->word_count == 4, fixture);
	struct fixture_service *service = &fixture->services[service_position(fixture, fixture->words[1])];
	size_t slot = region_slot(fixture, service, fixture->words[2]);
	bool is_down = strcmp(fixture->words[3], "down") == 0;
	service->regions[slot].share = is_down ? SHARE_DOWN : (int8_t)atoi(fixture->words[3]);
}

static void read_shed(struct fixture *fixture)
{
	require(fixture->word_count >= 3, fixture);
	struct fixture_service *service = &fixture->services[service_position(fixture, fixture->words[1])];
	size_t slot = region_slot(fixture, service, fixture->words[2]);
	struct plan_shed *shed = &service->shed[slot];
	unsigned below = number_of(fixture, "below", 0);
	require(below <= SHED_BUCKETS, fixture);
	*shed = (struct plan_shed){.headroom = number_of(fixture, "headroom", 0), .sheds = below > 0};
	for (unsigned i = 0; i < below; i++)
		shed->threshold[i] = UINT32_MAX;
	service->regions[slot].shed = shed;
}

static uint64_t budget_of(const struct fixture *fixture, const char *key)
{
	const char *per_second = value_of(fixture, key, NULL);
	return per_second ? gcra_interval_ns(atof(per_second), 1) : 0;
}

static void read_tenant(struct fixture *fixture)
{
	require(fixture->word_count >= 3 && fixture->tenant_count < TENANTS_MAX, fixture);
	struct fixture_tenant *tenant = &fixture->tenants[fixture->tenant_count++];
	tenant->name = wire_name(fixture, fixture->words[1]);
	tenant->service = service_position(fixture, fixture->words[2]);
	tenant->is_suspended = number_of(fixture, "suspended", 0) != 0;
	tenant->budget = (struct plan_budget){budget_of(fixture, "queries"), budget_of(fixture, "nxdomain")};
	for (const char *id = value_of(fixture, "regions", ""); *id;) {
		size_t length = strcspn(id, ",");
		tenant->regions |= (region_set)1 << region_number(fixture, id, length);
		id += length + (id[length] == ',');
	}
}

/* Returns where the text goes on. */
static const char *read_zone(struct fixture *fixture, const char *text)
{
	require(fixture->word_count == 2 && fixture->zone_count < ZONES_MAX, fixture);
	const char *end = strstr(text, "\nend\n");
	require(end != NULL, fixture);
	struct name name = wire_name(fixture, fixture->words[1]);
	char *zone = xstrndup(text, (size_t)(end + 1 - text));
	struct err_list errors = {0};
	fixture->zones[fixture->zone_count++] = zone_load(&name, NULL, zone, fixture->words[1], &errors);
	if (err_has_errors(&errors))
		err_print(&errors, stderr);
	require(!err_has_errors(&errors), fixture);
	err_done(&errors);
	free(zone);
	return end + strlen("\nend\n");
}

/* ---- the world ---- */

/* The order among the candidates alone, as the control path compiles it. */
static struct order *allowed_order(const struct order_spec *all, region_set allowed,
				   const struct places *places)
{
	struct order_spec spec = *all;
	spec.listed_count = 0;
	for (unsigned i = 0; i < all->listed_count; i++)
		if (allowed >> all->listed[i] & 1)
			spec.listed[spec.listed_count++] = all->listed[i];
	return order_compile(&spec, places);
}

static struct plan *make_plan(struct fixture *fixture, const struct places *places)
{
	struct plan *plan = plan_new(fixture->service_count, fixture->tenant_count);
	for (size_t i = 0; i < fixture->service_count; i++) {
		struct fixture_service *service = &fixture->services[i];
		memcpy(service->spec.latitude, fixture->latitude, sizeof fixture->latitude);
		memcpy(service->spec.longitude, fixture->longitude, sizeof fixture->longitude);
		service->input.places = places;
		plan_set_service(plan, i, plan_service_compile(&service->input));
	}
	for (size_t i = 0; i < fixture->tenant_count; i++) {
		const struct fixture_tenant *tenant = &fixture->tenants[i];
		region_set allowed = tenant->regions ? tenant->regions : ~(region_set)0;
		struct order *order =
			allowed_order(&fixture->services[tenant->service].spec, allowed, places);
		plan_set_policy(plan, i, tenant->service, order, allowed, tenant->regions != 0,
				tenant->is_suspended);
		plan_set_budget(plan, i, &tenant->budget);
		order_unref(order);
	}
	for (size_t i = 0; i < fixture->region_count; i++)
		snprintf(plan->region_id[i], sizeof plan->region_id[i], "%s", fixture->region[i]);
	return plan;
}

static struct index *make_index(struct fixture *fixture)
{
	struct index_edit *edit = index_edit_new(NULL);
	for (size_t i = 0; i < fixture->zone_count; i++) {
		index_edit_add_zone(edit, fixture->zones[i]);
		zone_unref(fixture->zones[i]);
	}
	for (size_t i = 0; i < fixture->tenant_count; i++)
		index_edit_set_tenant(edit, &fixture->tenants[i].name, (uint32_t)i, (uint32_t)i);
	return index_edit_done(edit);
}

static const char *read_line(struct fixture *fixture, const char *text)
{
	size_t length = strcspn(text, "\n");
	require(length < sizeof fixture->line, fixture);
	char copy[sizeof fixture->line];
	memcpy(copy, text, length);
	copy[length] = 0;
	memcpy(fixture->line, copy, length + 1);
	text += length + (text[length] == '\n');
	fixture->word_count = 0;
	char *rest = NULL;
	for (char *word = strtok_r(copy, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
		require(fixture->word_count < WORDS_MAX, fixture);
		fixture->words[fixture->word_count++] = word;
	}
	if (fixture->word_count == 0 || fixture->words[0][0] == '#')
		return text;
	static const struct {
		const char *word;
		void (*read)(struct fixture *fixture);
	} lines[] = {{"set", read_set},		{"region", read_region}, {"place", read_place},
		     {"service", read_service}, {"vip", read_vip},	 {"share", read_share},
		     {"shed", read_shed},	{"tenant", read_tenant}};
	if (strcmp(fixture->words[0], "zone") == 0)
		return read_zone(fixture, text);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		if (strcmp(fixture->words[0], lines[i].word) == 0) {
			lines[i].read(fixture);
			return text;
		}
	require(false, fixture);
	return NULL;
}

struct world *fixture_world(const char *text)
{
	struct fixture *fixture = xcalloc(1, sizeof *fixture);
	fixture->settings = (struct serve_settings){.edns_size = 1232,
						    .ecs = true,
						    .tcp_connections = 4096,
						    .tcp_per_client = 256,
						    .tcp_idle_ms = 10000};
	while (*text)
		text = read_line(fixture, text);
	struct places *empty = places_new_empty();
	struct places *places = places_overlay(empty, fixture->places, fixture->place_count);
	places_unref(empty);
	struct plan *plan = make_plan(fixture, places);
	struct world *world = world_new(1, 1, make_index(fixture), plan, places, &fixture->settings);
	free(fixture);
	return world;
}
