/* Small plans for the tests of decide/: regions eu, us, ap with VIPs written in a line. */
#pragma once
#include "gslb/decide/choose.h"
#include "gslb/decide/place/place_build.h"
#include "lib/hash.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture_region {
	const char *id;
	int share;
	unsigned vip_count;
	struct plan_vip_input vips[8];
};

static inline struct plan_vip_input fixture_vip(const char *address, enum vip_state state)
{
	struct plan_vip_input vip = {.weight = 1, .state = state, .score = SCORE_FULL, .ttl = 60};
	if (!ip_parse(address, &vip.ip))
		abort();
	return vip;
}

/* Regions get the numbers 0, 1, 2, … in their order. `tune` may be NULL. */
static inline struct plan_service *fixture_service(const struct fixture_region *regions, unsigned count,
						   const struct plan_service_input *tune)
{
	struct plan_region_input inputs[REGIONS_MAX];
	struct plan_service_input input = {
		.id = "shop",
		.prefix4 = 24,
		.prefix6 = 56,
		.answers = 1,
		.ttl_min = 5,
		.ttl_max = 60,
		.min_healthy_hundredths = 5000,
	};
	if (tune)
		input = *tune;
	for (unsigned i = 0; i < count; i++)
		inputs[i] = (struct plan_region_input){.number = (uint8_t)i,
						       .id = regions[i].id,
						       .share = (int8_t)regions[i].share,
						       .vip_count = (uint8_t)regions[i].vip_count,
						       .vips = regions[i].vips};
	input.region_count = (uint8_t)count;
	input.regions = inputs;
	return plan_service_compile(&input);
}

/* `order`: regions one a tier (ORDER_LISTED) or all in one (ORDER_NONE). */
static inline struct order *fixture_order(enum order_kind kind, unsigned count)
{
	struct order_spec spec = {.kind = kind, .listed_count = (uint8_t)count};
	for (unsigned i = 0; i < count; i++)
		spec.listed[i] = (uint8_t)i;
	struct places *places = places_new_empty();
	struct order *order = order_compile(&spec, places);
	places_unref(places);
	return order;
}

static inline struct client fixture_client(const char *address)
{
	struct client client = {.source_bits = 32};
	if (!ip_parse(address, &client.address))
		abort();
	client.resolver = client.address;
	client.source_bits = (uint8_t)ip_bits(&client.address);
	return client;
}

static inline struct client fixture_client_number(uint32_t number)
{
	char text[IP_TEXT_MAX];
	uint32_t spread = number * 2654435761u;
	snprintf(text, sizeof text, "%u.%u.%u.7", 1 + (spread >> 24) % 200, spread >> 16 & 255,
		 spread >> 8 & 255);
	return fixture_client(text);
}
