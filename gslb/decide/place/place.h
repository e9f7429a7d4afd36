/*
 * Where addresses are: the geography that was read from MMDB files and `locations:`, as sorted
 * ranges. Built on a helper thread, immutable afterwards, any thread may read. Explain reads it; the
 * data path reads only the tables compiled from it (order.h).
 */
#pragma once
#include "gslb/decide/place/place_ranges.h"
#include "lib/net.h"
#include <stdbool.h>
#include <stddef.h>

struct place {
	double latitude, longitude; /* degrees; valid with has_at. Doubles: ties must be exact */
	uint32_t asn;		    /* 0 unknown */
	uint16_t source;	    /* number of the geo file, or PLACE_FROM_LOCATIONS */
	char subdivision[12]; /* ISO 3166-2 part after the dash ("CA"), or the database's name cut; "" */
	char country[3];      /* ISO 3166-1 alpha-2 upper case, "" unknown */
	char continent[3];    /* AF AN AS EU NA OC SA, "" unknown */
	bool has_at;	      /* false and a country: see place_coordinates */
};
#define PLACE_NONE 0 /* places[0]: nothing known */
#define PLACE_FROM_LOCATIONS UINT16_MAX

/* The whole address space of each family as consecutive ranges; adjacent ones have different places. */
struct places {
	_Atomic unsigned references; /* the load helper and the control thread share them */
	size_t place_count;
	struct place *places;
	struct place_ranges v4, v6;
	size_t file_count;
	struct place_file {
		char *path;
		int64_t built_unix_s; /* of the database's metadata; 0 for none */
		size_t prefixes;      /* data records read */
	} * files;
};

struct places *places_ref(struct places *places);
void places_unref(struct places *places); /* NULL is fine */
size_t places_bytes(const struct places *places);

/* Of family 4 or 6. */
const struct place_ranges *places_ranges(const struct places *places, unsigned family);
const struct place *places_find(const struct places *places, const struct ip *ip);
/* Anything that `nearest` and place rules can use: coordinates, country, continent or subdivision. */
bool place_is_located(const struct place *place);
/* Coordinates of the place, or the middle of its country (lib/country.h); false: neither. */
bool place_coordinates(const struct place *place, double *ret_latitude, double *ret_longitude);
const char *place_continent(const struct place *place); /* of the record, else of its country, or "" */
/* Great-circle distance in km (haversine, radius 6371.0088 km). */
double place_distance_km(double lat1, double lon1, double lat2, double lon2);

/* One layer of prefixes over another: the builder used by the geo loader and `locations:`. */
struct location { /* a correction: only the fields with their flag set replace the record's */
	struct prefix prefix;
	bool has_at, has_country, has_subdivision, has_continent, has_asn;
	struct place place;
};
/* A new set of places with the corrections applied, the longest prefix winning field by field from
 * the shortest to the longest; `base` stays as it is. */
struct places *places_overlay(const struct places *base, const struct location *locations, size_t count);
