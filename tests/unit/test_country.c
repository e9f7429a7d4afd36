/* The table of countries: what is in it, where they are, and what other codes mean. */
#include "lib/country.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka.h needs the three above. */
#include <cmocka.h>

static void countries_are_all_there(void **state)
{
	unsigned known = 0, continents[COUNTRY_CONTINENTS] = {0};
	const struct country *country;
	const char *last = "";

	for (size_t at = 0; (country = country_next(&at)) != NULL; last = country->code) {
		unsigned found = 0;
		known++;
		assert_true(strcmp(last, country->code) < 0);
		assert_ptr_equal(country_find(country->code), country);
		assert_true(fabs(country->latitude) <= 90 && fabs(country->longitude) <= 180);
		while (found < COUNTRY_CONTINENTS &&
		       strcmp(country_continents[found], country->continent) != 0)
			found++;
		assert_true(found < COUNTRY_CONTINENTS);
		continents[found]++;
	}
	assert_int_equal(known, 249 + 1); /* ISO 3166-1 and XK */
	for (unsigned i = 0; i < COUNTRY_CONTINENTS; i++)
		assert_true(continents[i] >= 5);
	assert_null(country_find("ZZ"));
	assert_null(country_find("UK"));
	assert_null(country_find("de"));
}

static void countries_lie_where_they_are(void **state)
{
	static const struct {
		const char *code, *continent;
		double latitude, longitude;
	} capitals[] = {
		{"DE", "EU", 52.5, 13.4},   {"FR", "EU", 48.9, 2.4},   {"GB", "EU", 51.5, -0.1},
		{"JP", "AS", 35.7, 139.7},  {"IN", "AS", 28.6, 77.2},  {"SG", "AS", 1.35, 103.8},
		{"ZA", "AF", -25.7, 28.2},  {"EG", "AF", 30.0, 31.2},  {"AR", "SA", -34.6, -58.4},
		{"NZ", "OC", -41.3, 174.8}, {"MX", "NA", 19.4, -99.1}, {"XK", "EU", 42.7, 21.2},
	};

	for (size_t i = 0; i < sizeof capitals / sizeof capitals[0]; i++) {
		const struct country *country = country_find(capitals[i].code);
		assert_non_null(country);
		assert_true(fabs(country->latitude - capitals[i].latitude) < 11);
		assert_true(fabs(country->longitude - capitals[i].longitude) < 8);
		assert_string_equal(country->continent, capitals[i].continent);
	}
}

static void other_codes_mean_countries_that_there_are(void **state)
{
	assert_string_equal(country_meant("UK"), "GB");
	assert_string_equal(country_meant("EL"), "GR");
	assert_null(country_meant("GB"));
	assert_null(country_meant("ZZ"));
	for (char a = 'A'; a <= 'Z'; a++) {
		for (char b = 'A'; b <= 'Z'; b++) {
			const char *meant = country_meant((char[]){a, b, '\0'});
			if (!meant)
				continue;
			assert_null(country_find((char[]){a, b, '\0'}));
			assert_non_null(country_find(meant));
		}
	}
}

static void continents_are_seven(void **state)
{
	assert_true(country_is_continent("EU"));
	assert_false(country_is_continent("eu"));
	assert_false(country_is_continent("DE"));
	assert_false(country_is_continent(""));
	assert_null(country_continents[COUNTRY_CONTINENTS]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(countries_are_all_there),
		cmocka_unit_test(countries_lie_where_they_are),
		cmocka_unit_test(other_codes_mean_countries_that_there_are),
		cmocka_unit_test(continents_are_seven),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
