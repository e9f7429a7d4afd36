/* See the header. */
#include "gslb/decide/regret.h"
#include "gslb/decide/order_table.h"

/* Kilometres up to which a client counts to each bucket but the last. */
static const uint16_t bucket_km[SHED_BUCKETS - 1] = {50,   100,	 200,  300,  450,  650,	 900, 1200,
						     1600, 2100, 2800, 3700, 5000, 6700, 9000};

static double distance_km(const struct order_spec *spec, unsigned region, double latitude, double longitude)
{
	return order_biased_km(
		place_distance_km(latitude, longitude, spec->latitude[region], spec->longitude[region]),
		spec->bias[region]);
}

unsigned regret_bucket(const struct order *order, const struct places *places, const struct ip *client,
		       const struct ip *resolver, unsigned region, region_set others)
{
	const struct order_spec *spec = &order->spec;
	double latitude, longitude, nearest = 1e9;
	if (!place_coordinates(places_find(places, client), &latitude, &longitude) &&
	    !(resolver && place_coordinates(places_find(places, resolver), &latitude, &longitude)))
		return 0;
	for (region_set left = others; left; left &= left - 1) {
		double away = distance_km(spec, (unsigned)__builtin_ctzll(left), latitude, longitude);
		nearest = away < nearest ? away : nearest;
	}
	double farther = nearest - distance_km(spec, region, latitude, longitude);
	unsigned bucket = 0;
	while (bucket < SHED_BUCKETS - 1 && farther > bucket_km[bucket])
		bucket++;
	return bucket;
}
