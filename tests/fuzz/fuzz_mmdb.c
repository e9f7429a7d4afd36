/* Any octets as a database: refused with a reason, or places that cover both families whole. */
#include "gslb/compile/geo_load.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* libmaxminddb 1.7 loses a list when a file's description is damaged. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libmaxminddb.so";
}

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

static void check_places(const struct places *places)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		struct place_cursor range;
		size_t count = 1;
		place_cursor_init(&range, places_ranges(places, family));
		check(range.start == 0);
		for (; range.has_next; count++) {
			check(range.next_start > range.start && range.place < places->place_count);
			place_cursor_next(&range);
		}
		check(count == places_ranges(places, family)->count);
	}
	for (unsigned i = 0; i < 256; i++) {
		struct ip v4 = {4, {(uint8_t)i, (uint8_t)i}}, v6 = {6, {(uint8_t)i, (uint8_t)(i * 7)}};
		double latitude, longitude;
		const struct place *found[] = {places_find(places, &v4), places_find(places, &v6)};
		for (unsigned family = 0; family < 2; family++)
			check(!place_coordinates(found[family], &latitude, &longitude) ||
			      (latitude >= -90 && latitude <= 90 && longitude >= -180 && longitude <= 180));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
	int file = memfd_create("fuzz", MFD_CLOEXEC);
	check(file >= 0 && write(file, octets, length) == (ssize_t)length);
	char name[32];
	snprintf(name, sizeof name, "/proc/self/fd/%d", file);
	const char *path = name;
	struct err_list errors = {.count = 0};
	struct places *places = geo_load(&path, 1, &errors);
	check((!places) == err_has_errors(&errors));
	if (places)
		check_places(places);
	places_unref(places);
	err_done(&errors);
	close(file);
	return 0;
}
