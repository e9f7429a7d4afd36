/* MMDB files → places. The one user of libmaxminddb. Runs on any one thread; reads whole files. */
#pragma once
#include "gslb/decide/place/place.h"
#include "lib/err.h"

/* Kinds (city, country, ASN) are told from content: the nested GeoIP2 schema and the flat one
 * (latitude, longitude, country_code, state1, autonomous_system_number or asn, …). Several files merge:
 * for each field of a record the first file of the list that knows it wins. NULL with entries in
 * `errors` ("PATH: message") when a file is missing, truncated or of no known kind. */
struct places *geo_load(const char *const *paths, size_t count, struct err_list *errors);
