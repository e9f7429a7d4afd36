/*
 * See the header. Each continent is stood for by one client; the table of places that the orders are
 * compiled over holds these clients alone, so that a check of a large geography stays quick. One thread.
 */
#include "gslb/compile/check_table.h"
#include "gslb/compile/order_cache.h"
#include "gslb/compile/plan_build.h"
#include "gslb/compile/steering.h"
#include "gslb/decide/place/place_build.h"
#include "gslb/decide/words.h"
#include "lib/country.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RADIANS (M_PI / 180)

#define CONTINENTS COUNTRY_CONTINENTS
#define CLIENTS (CONTINENTS + 1) /* the last one has no location */

/* RFC 1112 §4: reserved, no client has it. */
#define STAND_IN_ADDRESS ((address_key)0xf0000001 << 96)

struct stand_in {
	unsigned family;
	address_key key;
	struct place place;
	const char *from; /* file, "locations", "centroid", or NULL */
};

struct direction {
	double x, y, z;
};

static struct direction direction_of(double latitude, double longitude)
{
	double ring = cos(latitude * RADIANS);
	return (struct direction){ring * cos(longitude * RADIANS), ring * sin(longitude * RADIANS),
				  sin(latitude * RADIANS)};
}

static void add_direction(struct direction *sum, const struct direction *one, double weight)
{
	sum->x += one->x * weight;
	sum->y += one->y * weight;
	sum->z += one->z * weight;
}

static int continent_number(const char *continent)
{
	for (size_t i = 0; i < CONTINENTS; i++)
		if (strcmp(country_continents[i], continent) == 0)
			return (int)i;
	return -1;
}

/* ---- who stands for a continent ---- */

/* The middle of the continent's countries, for one where no address is known. */
static void place_at_centroid(size_t continent, struct stand_in *ret)
{
	struct direction sum = {0, 0, 0};
	const struct country *country;
	for (size_t at = 0; (country = country_next(&at));) {
		if (strcmp(country->continent, country_continents[continent]) != 0)
			continue;
		struct direction one = direction_of(country->latitude, country->longitude);
		add_direction(&sum, &one, 1);
	}
	*ret = (struct stand_in){
		.family = 4, .key = STAND_IN_ADDRESS + ((address_key)continent << 96), .from = "centroid"};
	ret->place.has_at = true;
	ret->place.latitude = atan2(sum.z, hypot(sum.x, sum.y)) / RADIANS;
	ret->place.longitude = atan2(sum.y, sum.x) / RADIANS;
	memcpy(ret->place.continent, country_continents[continent], 3);
}

struct weighed_place {
	double addresses; /* how many are there */
	address_key first;
	int continent; /* -1: none, or without coordinates */
	struct direction direction;
};

static void weigh_places(const struct places *places, unsigned family, struct weighed_place *weighed)
{
	for (size_t i = 0; i < places->place_count; i++) {
		double latitude, longitude;
		weighed[i] = (struct weighed_place){.continent = -1};
		if (!place_coordinates(&places->places[i], &latitude, &longitude))
			continue;
		weighed[i].continent = continent_number(place_continent(&places->places[i]));
		weighed[i].direction = direction_of(latitude, longitude);
	}
	struct place_cursor range;
	place_cursor_init(&range, places_ranges(places, family));
	do {
		assert(range.place < places->place_count);
		struct weighed_place *place = &weighed[range.place];
		address_key next = range.has_next ? range.next_start : 0;
		if (place->addresses == 0)
			place->first = range.start;
		place->addresses += (double)(next - range.start); /* the last range wraps to the whole rest */
	} while (place_cursor_next(&range));
}

static const char *source_of(const struct places *places, const struct place *place)
{
	if (place->source == PLACE_FROM_LOCATIONS)
		return "locations";
	return place->source < places->file_count ? places->files[place->source].path : "geo";
}

/* Of the places where addresses of a continent are, the one nearest to the middle of these addresses. */
static void find_stand_ins(const struct places *places, unsigned family, struct stand_in *clients)
{
	struct weighed_place *weighed = xcalloc(places->place_count, sizeof *weighed);
	struct direction middle[CONTINENTS] = {{0, 0, 0}};
	double best[CONTINENTS];
	bool is_wanted[CONTINENTS];
	weigh_places(places, family, weighed);
	for (size_t i = 0; i < places->place_count; i++)
		if (weighed[i].continent >= 0)
			add_direction(&middle[weighed[i].continent], &weighed[i].direction,
				      weighed[i].addresses);
	for (size_t i = 0; i < CONTINENTS; i++) {
		best[i] = -INFINITY;
		is_wanted[i] = !clients[i].from;
	}
	for (size_t i = 0; i < places->place_count; i++) {
		int continent = weighed[i].continent;
		if (continent < 0 || weighed[i].addresses == 0 || !is_wanted[continent])
			continue;
		const struct direction *a = &weighed[i].direction, *b = &middle[continent];
		double nearness = a->x * b->x + a->y * b->y + a->z * b->z;
		if (nearness <= best[continent])
			continue;
		best[continent] = nearness;
		clients[continent] = (struct stand_in){.family = family,
						       .key = weighed[i].first,
						       .place = places->places[i],
						       .from = source_of(places, &places->places[i])};
	}
	free(weighed);
}

static int by_address(const void *a, const void *b)
{
	const struct stand_in *first = *(struct stand_in *const *)a, *second = *(struct stand_in *const *)b;
	if (first->family != second->family)
		return first->family < second->family ? -1 : 1;
	return first->key < second->key ? -1 : first->key > second->key;
}

/* A table of places in which only these clients are somewhere. */
static struct places *places_of(struct stand_in *clients)
{
	struct stand_in *sorted[CLIENTS];
	for (size_t i = 0; i < CLIENTS; i++)
		sorted[i] = &clients[i];
	qsort(sorted, CLIENTS, sizeof sorted[0], by_address);
	struct place_build *build = place_build_new();
	for (size_t i = 0; i < CLIENTS; i++) {
		const struct stand_in *client = sorted[i];
		address_key next = client->key + (client->family == 4 ? (address_key)1 << 96 : 1);
		bool is_adjacent = i + 1 < CLIENTS && sorted[i + 1]->family == client->family &&
				   sorted[i + 1]->key == next;
		place_build_range(build, client->family, client->key,
				  place_build_place(build, &client->place));
		if (!is_adjacent && next != 0)
			place_build_range(build, client->family, next, PLACE_NONE);
	}
	return place_build_finish(build);
}

static struct ip ip_of(const struct stand_in *client)
{
	struct ip ip = {.family = (uint8_t)client->family};
	uint64_t half[2] = {htobe64((uint64_t)(client->key >> 64)), htobe64((uint64_t)client->key)};
	memcpy(ip.bytes, half, client->family == 4 ? 4 : 16);
	return ip;
}

static json_t *client_json(size_t number, const struct stand_in *client)
{
	double latitude, longitude;
	char address[IP_TEXT_MAX];
	struct ip ip = ip_of(client);
	ip_format(&ip, address);
	bool is_real = client->from && strcmp(client->from, "centroid") != 0;
	bool has_at = place_coordinates(&client->place, &latitude, &longitude);
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "continent",
			 json_text(number < CONTINENTS ? country_continents[number] : NULL), "address",
			 json_text(is_real ? address : NULL), "at",
			 has_at ? json_pack("[f,f]", latitude, longitude) : json_null(), "country",
			 json_text(*client->place.country ? client->place.country : NULL), "from",
			 json_text(client->from));
}

/* ---- what they are answered ---- */

struct service_view {
	const struct fleet_service *service;
	const struct plan_service *plan;
	const struct order *order;
	region_set candidates;
	int down;	     /* region number, -1: none */
	size_t first_client; /* CONTINENTS: nobody has a location */
	const char *const *region_id;
};

static void close_tier(json_t *tiers, json_t **tier)
{
	if (json_array_size(*tier) > 0)
		json_array_append(tiers, *tier);
	json_decref(*tier);
	*tier = json_array();
}

/* The regions that answer, then the tiers that would come after them. */
static json_t *tiers_json(const struct service_view *view, const struct choice *choice)
{
	json_t *tiers = json_array(), *tier = json_array();
	for (region_set left = choice->kept; left; left &= left - 1)
		json_array_append_new(tier, json_text(view->region_id[__builtin_ctzll(left)]));
	close_tier(tiers, &tier);
	const struct tiers *from = choice->order.tiers;
	for (unsigned i = 0; i < from->count; i++) {
		unsigned number = from->item[i] & (REGIONS_MAX - 1);
		if (from->item[i] & TIER_START)
			close_tier(tiers, &tier);
		bool is_told = choice->kept >> number & 1;
		if (!is_told && (int)number != view->down && (view->candidates >> number & 1))
			json_array_append_new(tier, json_text(view->region_id[number]));
	}
	close_tier(tiers, &tier);
	json_decref(tier);
	return tiers;
}

static void add_row(json_t *rows, const struct service_view *view, size_t number, const struct stand_in *from)
{
	struct policy policy = policy_of(view->plan, view->order, view->candidates);
	struct client client = {.address = ip_of(from)};
	client.source_bits = (uint8_t)ip_bits(&client.address);
	client.resolver = client.address;
	struct choice choice;
	choose_region(&policy, &client, 0, 0, &choice);
	json_array_append_new(
		rows, json_pack("{s:o, s:o, s:o, s:o}", "continent",
				json_text(number < CONTINENTS ? country_continents[number] : NULL), "down",
				json_text(view->down < 0 ? NULL : view->region_id[view->down]), "step",
				json_text(words_step(choice.step)), "tiers", tiers_json(view, &choice)));
}

static json_t *service_json(const struct plan_build *build, struct service_view *view,
			    const struct stand_in *clients)
{
	struct plan_service *plans[REGIONS_MAX + 1] = {NULL};
	uint64_t next_ms;
	plans[REGIONS_MAX] = plan_build_service(build, view->service, &next_ms);
	for (region_set left = view->candidates; left; left &= left - 1) {
		int down = __builtin_ctzll(left);
		struct what_if gone = {
			.region = view->region_id[down], .kind = WHAT_IF_STATE, .is_up = false};
		struct plan_build without = *build;
		without.what_if = &gone;
		without.what_if_count = 1;
		plans[down] = plan_build_service(&without, view->service, &next_ms);
	}
	json_t *rows = json_array();
	for (size_t i = view->first_client; i < CLIENTS; i++) {
		for (int down = -1; down < REGIONS_MAX; down++) {
			view->down = down;
			view->plan = plans[down < 0 ? REGIONS_MAX : down];
			if (view->plan)
				add_row(rows, view, i, &clients[i]);
		}
	}
	for (size_t i = 0; i <= REGIONS_MAX; i++)
		plan_service_unref(plans[i]);
	return json_pack("{s:o, s:o, s:o}", "service", json_text(view->service->object.id), "order",
			 json_text(fleet_order_word[view->service->order]), "rows", rows);
}

/* Nothing is looked up here: a VIP by name counts as one address that is up. */
static size_t one_address(void *user, const char *name, const struct ip **ret)
{
	static const struct ip stand_in = {4, {192, 0, 2, 1}};
	*ret = &stand_in;
	return 1;
}

static void count_names(const struct fleet *fleet)
{
	struct fleet_service *service;
	for (size_t at = 0; (service = (void *)fleet_next(fleet, FLEET_SERVICE, &at));)
		for (size_t r = 0; r < service->vip_region_count; r++)
			fleet_vips_resolve(&service->vips[r], one_address, NULL);
}

/* Without geography the rows of the continents would tell of clients that there are not. */
static bool is_anybody_located(const struct places *places)
{
	for (size_t i = 0; i < places->place_count; i++)
		if (place_is_located(&places->places[i]))
			return true;
	return false;
}

json_t *check_table(struct fleet *fleet, struct places *geo)
{
	struct stand_in clients[CLIENTS] = {0};
	struct places *laid = steering_lay_locations(geo, fleet);
	find_stand_ins(laid, 4, clients);
	find_stand_ins(laid, 6, clients);
	for (size_t i = 0; i < CONTINENTS; i++)
		if (!clients[i].from)
			place_at_centroid(i, &clients[i]);
	clients[CONTINENTS] =
		(struct stand_in){.family = 4, .key = STAND_IN_ADDRESS + ((address_key)CONTINENTS << 96)};
	size_t first_client = is_anybody_located(laid) ? 0 : CONTINENTS;
	struct places *places = places_of(clients);

	/* No controls, and nothing is known: every VIP counts as up. */
	const struct world_source source = {.fleet = fleet};
	const struct plan_build build = {.source = &source};
	struct order_cache *orders = order_cache_new();
	const char *region_id[REGIONS_MAX] = {NULL};
	count_names(fleet);
	size_t at = 0;
	for (struct fleet_object *region; (region = fleet_next(fleet, FLEET_REGION, &at));)
		region_id[region->number] = region->id;
	json_t *services = json_array(), *stand_ins = json_array();
	at = 0;
	for (struct fleet_object *object; (object = fleet_next(fleet, FLEET_SERVICE, &at));) {
		struct service_view view = {.service = (const struct fleet_service *)object,
					    .region_id = region_id,
					    .first_client = first_client};
		view.candidates = steering_candidates(fleet, view.service);
		view.order = order_cache_get(orders, fleet, view.service, view.candidates, places);
		json_array_append_new(services, service_json(&build, &view, clients));
	}
	for (size_t i = first_client; i < CLIENTS; i++)
		json_array_append_new(stand_ins, client_json(i, &clients[i]));
	order_cache_free(orders);
	places_unref(places);
	places_unref(laid);
	return json_pack("{s:o, s:o}", "clients", stand_ins, "services", services);
}
