/* Where addresses are: the table of countries, ranges, `locations:` laid over, distances. */
#include "gslb/decide/place/place_build.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct ip ip(const char *text)
{
	struct ip parsed;
	assert_true(ip_parse(text, &parsed));
	return parsed;
}

static const struct place *find(const struct places *places, const char *text)
{
	struct ip address = ip(text);
	return places_find(places, &address);
}

static void distances_are_great_circles(void **state)
{
	assert_true(place_distance_km(50.11, 8.68, 50.11, 8.68) == 0);
	/* Frankfurt to Ashburn, and half way around the globe, also where rounding passes 1. */
	assert_true(fabs(place_distance_km(50.11, 8.68, 38.95, -77.45) - 6548) < 10);
	assert_true(fabs(place_distance_km(0, 0, 0, 180) - 6371.0088 * M_PI) < 1e-6);
	assert_true(fabs(place_distance_km(90, 0, -90, 77) - 6371.0088 * M_PI) < 1e-6);
	assert_true(place_distance_km(33.3, 44.4, -33.3, -135.6) > 20000);
	/* The short way across the date line. */
	assert_true(fabs(place_distance_km(0, 179, 0, -179) - 222.39) < 0.01);
}

static void an_empty_set_knows_nothing(void **state)
{
	struct places *places = places_new_empty();
	assert_false(place_is_located(find(places, "192.0.2.1")));
	assert_false(place_is_located(find(places, "2001:db8::1")));
	struct ip none = {.family = 0};
	assert_false(place_is_located(places_find(places, &none)));
	places_unref(places);
	places_unref(NULL);
}

static void located_means_that_a_rule_can_use_it(void **state)
{
	assert_false(place_is_located(&(struct place){.asn = 64500}));
	assert_true(place_is_located(&(struct place){.has_at = true}));
	assert_true(place_is_located(&(struct place){.country = "DE"}));
	assert_true(place_is_located(&(struct place){.continent = "EU"}));
	double latitude, longitude;
	assert_false(place_coordinates(&(struct place){.continent = "EU"}, &latitude, &longitude));
	assert_false(place_coordinates(&(struct place){.country = "ZZ"}, &latitude, &longitude));
	assert_true(place_coordinates(&(struct place){.country = "DE"}, &latitude, &longitude));
	assert_true(latitude > 47 && latitude < 55 && longitude > 5 && longitude < 16);
	assert_string_equal(place_continent(&(struct place){.country = "DE"}), "EU");
	assert_string_equal(place_continent(&(struct place){.country = "DE", .continent = "AS"}), "AS");
}

static struct places *sample(void)
{
	struct place_build *build = place_build_new();
	uint32_t de = place_build_place(build, &(struct place){.has_at = true,
							       .latitude = 50,
							       .longitude = 8,
							       .country = "DE",
							       .continent = "EU",
							       .asn = 1});
	uint32_t us = place_build_place(build, &(struct place){.country = "US", .continent = "NA"});
	struct ip a = ip("192.0.2.0"), b = ip("192.0.2.128"), c = ip("192.0.3.0");
	place_build_range(build, 4, address_key_of(&a), de);
	place_build_range(build, 4, address_key_of(&b), us);
	place_build_range(build, 4, address_key_of(&c), PLACE_NONE);
	struct ip d = ip("2001:db8::"), e = ip("2001:db8::1"), f = ip("2001:db8:0:1::");
	place_build_range(build, 6, address_key_of(&d), de);
	place_build_range(build, 6, address_key_of(&e), us);
	place_build_range(build, 6, address_key_of(&f), PLACE_NONE);
	place_build_file(build, "city.mmdb", 1700000000, 4);
	return place_build_finish(build);
}

static void ranges_end_where_the_next_begins(void **state)
{
	struct places *places = sample();
	assert_false(place_is_located(find(places, "0.0.0.0")));
	assert_false(place_is_located(find(places, "192.0.1.255")));
	assert_string_equal(find(places, "192.0.2.0")->country, "DE");
	assert_string_equal(find(places, "192.0.2.127")->country, "DE");
	assert_string_equal(find(places, "192.0.2.128")->country, "US");
	assert_string_equal(find(places, "192.0.2.255")->country, "US");
	assert_false(place_is_located(find(places, "192.0.3.0")));
	assert_false(place_is_located(find(places, "255.255.255.255")));
	assert_false(place_is_located(find(places, "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff")));
	assert_string_equal(find(places, "2001:db8::")->country, "DE");
	assert_string_equal(find(places, "2001:db8::1")->country, "US");
	assert_string_equal(find(places, "2001:db8::ffff:ffff:ffff:ffff")->country, "US");
	assert_false(place_is_located(find(places, "2001:db8:0:1::")));
	assert_int_equal(places->place_count, 3);
	places_unref(places);
}

static struct location correction(const char *prefix)
{
	struct location location = {.has_at = false};
	assert_true(prefix_parse(prefix, &location.prefix));
	return location;
}

static void corrections_are_laid_over_field_by_field(void **state)
{
	struct places *base = sample();
	struct location list[5];
	/* On purpose not in the order of their lengths. */
	list[0] = correction("192.0.2.64/26");
	list[0].has_asn = true;
	list[0].place.asn = 64500;
	list[1] = correction("192.0.0.0/16");
	list[1].has_country = list[1].has_subdivision = list[1].has_asn = true;
	strcpy(list[1].place.country, "FR");
	strcpy(list[1].place.subdivision, "IDF");
	list[1].place.asn = 64499;
	list[2] = correction("192.0.2.64/32");
	list[2].has_at = true;
	list[2].place.latitude = -10;
	list[2].place.longitude = 20;
	list[3] = correction("2001:db8::/128");
	list[3].has_continent = true;
	strcpy(list[3].place.continent, "AS");
	list[4] = correction("::/0");
	list[4].has_asn = true;
	list[4].place.asn = 7;
	struct places *places = places_overlay(base, list, 5);

	const struct place *place = find(places, "192.0.2.65");
	assert_string_equal(place->country, "FR");
	assert_string_equal(place->subdivision, "IDF");
	assert_string_equal(place->continent, "EU"); /* of the database */
	assert_int_equal(place->asn, 64500);
	assert_true(place->latitude == 50);
	assert_int_equal(place->source, PLACE_FROM_LOCATIONS);
	place = find(places, "192.0.2.64");
	assert_true(place->has_at && place->latitude == -10 && place->longitude == 20);
	assert_int_equal(place->asn, 64500);
	assert_string_equal(place->country, "FR");
	place = find(places, "192.0.2.63");
	assert_int_equal(place->asn, 64499);
	place = find(places, "192.0.200.1"); /* unknown to the database */
	assert_string_equal(place->country, "FR");
	assert_string_equal(place->continent, "");
	assert_string_equal(place_continent(place), "EU");
	assert_false(place_is_located(find(places, "192.1.0.0")));
	assert_string_equal(find(places, "2001:db8::")->continent, "AS");
	assert_string_equal(find(places, "2001:db8::1")->continent, "NA");
	assert_int_equal(find(places, "ffff::")->asn, 7);
	assert_int_equal(find(places, "::")->asn, 7);
	/* The base is as it was, and so are its files in the new set. */
	assert_string_equal(find(base, "192.0.2.65")->country, "DE");
	assert_int_equal(places->file_count, 1);
	assert_string_equal(places->files[0].path, "city.mmdb");
	places_unref(base);
	places_unref(places);
}

static void corrections_alone_are_geography_too(void **state)
{
	struct places *base = places_new_empty();
	struct location all = correction("0.0.0.0/0");
	all.has_country = true;
	strcpy(all.place.country, "NO");
	struct places *places = places_overlay(base, &all, 1);
	assert_string_equal(find(places, "0.0.0.0")->country, "NO");
	assert_string_equal(find(places, "255.255.255.255")->country, "NO");
	assert_false(place_is_located(find(places, "::1")));
	places_unref(places);
	places = places_overlay(base, NULL, 0);
	assert_false(place_is_located(find(places, "255.255.255.255")));
	places_unref(places);
	places_unref(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distances_are_great_circles),
		cmocka_unit_test(an_empty_set_knows_nothing),
		cmocka_unit_test(located_means_that_a_rule_can_use_it),
		cmocka_unit_test(ranges_end_where_the_next_begins),
		cmocka_unit_test(corrections_are_laid_over_field_by_field),
		cmocka_unit_test(corrections_alone_are_geography_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
