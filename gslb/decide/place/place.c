/*
 * Where addresses are: lookups in a set of places, and distances. The set is immutable; the count
 * of references belongs to the control thread.
 */
#include "gslb/decide/place/place.h"
#include "lib/country.h"
#include "lib/mem.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define EARTH_RADIUS_KM 6371.0088 /* mean radius R1 of GRS 80 */

struct places *places_ref(struct places *places)
{
	places->references++;
	return places;
}

void places_unref(struct places *places)
{
	assert(!places || places->references > 0);
	if (!places || --places->references > 0)
		return;
	for (size_t i = 0; i < places->file_count; i++)
		free(places->files[i].path);
	free(places->files);
	free(places->places);
	place_ranges_done(&places->v4);
	place_ranges_done(&places->v6);
	free(places);
}

size_t places_bytes(const struct places *places)
{
	return sizeof(*places) + places->place_count * sizeof(*places->places) +
	       place_ranges_bytes(&places->v4) + place_ranges_bytes(&places->v6);
}

const struct place_ranges *places_ranges(const struct places *places, unsigned family)
{
	return family == 4 ? &places->v4 : &places->v6;
}

const struct place *places_find(const struct places *places, const struct ip *ip)
{
	if (ip->family != 4 && ip->family != 6)
		return &places->places[PLACE_NONE];
	return &places->places[place_ranges_find(places_ranges(places, ip->family), address_key_of(ip))];
}

bool place_is_located(const struct place *place)
{
	return place->has_at || place->country[0] || place->continent[0] || place->subdivision[0];
}

bool place_coordinates(const struct place *place, double *ret_latitude, double *ret_longitude)
{
	const struct country *country = place->has_at ? NULL : country_find(place->country);
	if (!place->has_at && !country)
		return false;
	*ret_latitude = country ? country->latitude : place->latitude;
	*ret_longitude = country ? country->longitude : place->longitude;
	return true;
}

const char *place_continent(const struct place *place)
{
	const struct country *country = place->continent[0] ? NULL : country_find(place->country);
	return country ? country->continent : place->continent;
}

static double radians(double degrees)
{
	return degrees * (M_PI / 180);
}

double place_distance_km(double lat1, double lon1, double lat2, double lon2)
{
	double north = sin(radians(lat2 - lat1) / 2), east = sin(radians(lon2 - lon1) / 2);
	double h = north * north + cos(radians(lat1)) * cos(radians(lat2)) * east * east;
	/* Antipodes may round to just above 1. */
	return 2 * EARTH_RADIUS_KM * asin(sqrt(h < 1 ? h : 1));
}
