/* Countries and continents by their codes: the one table of them. Constant; any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct country {
	char code[3]; /* ISO 3166-1 alpha-2 */
	char continent[3];
	double latitude, longitude; /* its rough middle, in degrees */
};

#define COUNTRY_CONTINENTS 7
extern const char *const country_continents[COUNTRY_CONTINENTS + 1]; /* "AF" …; ends with NULL */

/* Two capital letters; NULL: no country has this code. */
const struct country *country_find(const char code[static 2]);
/* for (size_t at = 0; (country = country_next(&at));) in the order of codes */
const struct country *country_next(size_t *at);
/* The code of the country that is meant by a code that no country has: "GB" for "UK". NULL: none is known. */
const char *country_meant(const char code[static 2]);
bool country_is_continent(const char *text);
