/*
 * MMDB files → places: both schemas, several files, IPv4 inside IPv6 trees, and files that are cut
 * or damaged. tests/geo/make_mmdb.py writes the files when the test starts.
 */
#include "gslb/compile/geo_load.h"
#include "lib/mem.h"
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define DAMAGED_COPIES 4000

/* libmaxminddb 1.7 loses a list when a file's description is damaged. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libmaxminddb.so";
}

static char folder[] = "/tmp/gslb-test-geo-XXXXXX";
extern char **environ;

static int run(const char *const *command)
{
	pid_t pid;
	int status;
	if (posix_spawnp(&pid, command[0], NULL, NULL, (char *const *)command, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

static int make_files(void **state)
{
	const char *source = getenv("GSLB_SOURCE"); /* top of the tree, set by meson */
	if (!source || !mkdtemp(folder))
		return -1;
	char *script = xasprintf("%s/tests/geo/make_mmdb.py", source);
	int status = run((const char *const[]){"python3", script, folder, NULL});
	free(script);
	return status;
}

static int remove_files(void **state)
{
	return run((const char *const[]){"rm", "-r", folder, NULL});
}

static const char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static struct places *load(const char *first, const char *second, const char *third)
{
	const char *paths[3] = {path_of(first)};
	size_t count = 1;
	if (second)
		paths[count++] = path_of(second);
	if (third)
		paths[count++] = path_of(third);
	struct err_list errors = {.count = 0};
	struct places *places = geo_load(paths, count, &errors);
	err_print(&errors, stderr);
	assert_int_equal(errors.count, 0);
	assert_non_null(places);
	return places;
}

static const struct place *find(const struct places *places, const char *text)
{
	struct ip ip;
	assert_true(ip_parse(text, &ip));
	return places_find(places, &ip);
}

static void nested_city(void **state)
{
	struct places *places = load("nested-city.mmdb", NULL, NULL);
	const struct place *place = find(places, "81.2.69.1");
	assert_true(place->has_at && place->latitude == 51.5142 && place->longitude == -0.0931);
	assert_string_equal(place->country, "GB");
	assert_string_equal(place->continent, "EU");
	assert_string_equal(place->subdivision, "ENG");
	assert_int_equal(place->source, 0);
	assert_true(find(places, "81.2.69.192")->latitude == 51.75);
	assert_true(find(places, "81.2.69.207")->latitude == 51.75);
	assert_true(find(places, "81.2.69.208")->latitude == 51.5142);
	assert_false(place_is_located(find(places, "81.2.68.255")));
	assert_false(place_is_located(find(places, "81.2.70.0")));
	assert_string_equal(find(places, "89.160.20.113")->subdivision, "E");
	place = find(places, "2.125.160.217"); /* no coordinates in the record */
	assert_false(place->has_at);
	assert_string_equal(place->country, "GB");
	place = find(places, "203.0.113.9");
	assert_string_equal(place->country, "");
	assert_string_equal(place->continent, "AF");
	assert_string_equal(find(places, "2001:218::1")->country, "JP");
	assert_string_equal(find(places, "2a02:ffc0::")->country, "GI");
	assert_string_equal(find(places, "2a02:ffc0:1:2:3:4:5:6")->country, "ES");
	assert_string_equal(find(places, "2a02:ffc0:1:2:3:4:5:7")->country, "GI");
	assert_string_equal(find(places, "2a02:ffc7:ffff:ffff:ffff:ffff:ffff:ffff")->country, "GI");
	assert_false(place_is_located(find(places, "2a02:ffc8::")));
	/* The copies of the IPv4 tree in IPv6 are left out. */
	assert_false(place_is_located(find(places, "2002:5102:4501::1")));
	assert_false(place_is_located(find(places, "2001:0:5102:4501::1")));
	assert_false(place_is_located(find(places, "::81.2.69.1")));
	assert_int_equal(places->file_count, 1);
	assert_int_equal(places->files[0].built_unix_s, 1700000001);
	assert_true(places->files[0].prefixes >= 9 && places->files[0].prefixes < 200);
	assert_string_equal(places->files[0].path, path_of("nested-city.mmdb"));
	places_unref(places);
}

static void flat_cities_of_both_families(void **state)
{
	struct places *places = load("flat-city-v4.mmdb", "flat-city-v6.mmdb", NULL);
	const struct place *place = find(places, "1.0.0.77");
	assert_string_equal(place->country, "AU");
	assert_string_equal(place->subdivision, "Queensland");
	assert_true(place->has_at && place->latitude == (double)-27.4767f);
	assert_string_equal(place_continent(place), "OC");
	assert_string_equal(find(places, "1.0.1.0")->country, "CN");
	assert_false(place_is_located(find(places, "1.0.2.0")));
	assert_string_equal(find(places, "81.2.69.1")->subdivision, "Île-de-Fra");
	assert_string_equal(find(places, "1.0.1.0")->subdivision, "Fujian-福"); /* whole characters */
	assert_string_equal(find(places, "255.255.255.255")->country, "NZ");
	assert_false(place_is_located(find(places, "255.255.255.254")));
	assert_string_equal(find(places, "2a02:26f7::9")->country, "SG");
	assert_int_equal(find(places, "2a02:26f7::9")->source, 1);
	assert_string_equal(find(places, "2002::1")->country, "US"); /* no copy: a record of its own */
	place = find(places, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_string_equal(place->country, "AQ");
	assert_false(place->has_at);
	assert_int_equal(places->file_count, 2);
	places_unref(places);
}

static void the_first_file_that_knows_a_field_wins(void **state)
{
	struct places *places = load("nested-country.mmdb", "nested-city.mmdb", "flat-asn.mmdb");
	const struct place *place = find(places, "81.2.69.1");
	assert_string_equal(place->country, "IE"); /* of the first */
	assert_true(place->latitude == 51.5142);   /* the second alone knows */
	assert_int_equal(place->asn, 20712);	   /* the third alone knows */
	assert_int_equal(place->source, 0);
	assert_int_equal(find(places, "81.2.69.129")->asn, 0);
	assert_string_equal(find(places, "81.2.64.1")->country, "IE");
	assert_string_equal(find(places, "203.0.113.1")->country, "ZA");
	place = find(places, "216.160.83.57");
	assert_string_equal(place->country, "US");
	assert_int_equal(place->source, 1);
	place = find(places, "198.51.100.1");
	assert_int_equal(place->asn, 64500);
	assert_false(place_is_located(place));
	place = find(places, "2001:db8:1::1");
	assert_int_equal(place->asn, 4200000001);
	assert_string_equal(place->country, "BR");
	assert_int_equal(find(places, "2001:db8:2::1")->asn, 0);
	places_unref(places);
	places = load("nested-city.mmdb", "nested-country.mmdb", NULL);
	assert_string_equal(find(places, "81.2.69.1")->country, "GB");
	assert_string_equal(find(places, "81.2.65.1")->country, "IE");
	places_unref(places);
}

static void as_numbers_may_be_text(void **state)
{
	struct places *places = load("text-asn.mmdb", NULL, NULL);
	assert_int_equal(find(places, "8.8.8.8")->asn, 15169);
	assert_string_equal(find(places, "8.8.8.8")->country, "US");
	assert_string_equal(find(places, "8.8.8.8")->continent, "NA");
	assert_int_equal(find(places, "8.8.9.1")->asn, UINT32_MAX);
	assert_int_equal(find(places, "8.8.10.1")->asn, 64500);
	assert_int_equal(find(places, "2001:db8::1")->asn, 64501);
	/* Not a number of an AS: too large, none, with a letter, empty. The rest of the record counts. */
	for (unsigned i = 11; i <= 14; i++) {
		char address[16];
		snprintf(address, sizeof address, "8.8.%u.1", i);
		assert_int_equal(find(places, address)->asn, 0);
		assert_string_equal(find(places, address)->country, "DE");
	}
	places_unref(places);
}

static void records_above_the_ipv4_tree_hold_for_it(void **state)
{
	struct places *places = load("whole-v6.mmdb", NULL, NULL);
	assert_string_equal(find(places, "192.0.2.1")->country, "US");
	assert_string_equal(find(places, "::1")->country, "US");
	assert_string_equal(find(places, "8000::")->country, "DE");
	places_unref(places);
	places = load("flat-country-v4.mmdb", NULL, NULL);
	assert_string_equal(find(places, "0.0.0.0")->country, "US");
	assert_string_equal(find(places, "255.255.255.255")->country, "DE");
	assert_false(place_is_located(find(places, "::1")));
	places_unref(places);
	struct err_list errors = {.count = 0};
	places = geo_load(NULL, 0, &errors);
	assert_false(place_is_located(find(places, "192.0.2.1")));
	places_unref(places);
}

static void expect_error(const char *path, const char *part)
{
	const char *paths[] = {path_of("flat-asn.mmdb"), path};
	struct err_list errors = {.count = 0};
	assert_null(geo_load(paths, 2, &errors));
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.items[0].file, path);
	if (!strstr(errors.items[0].message, part))
		fail_msg("'%s' does not say '%s'", errors.items[0].message, part);
	err_done(&errors);
}

static void write_file(const char *path, const void *octets, size_t length)
{
	unlink(path); /* a file that is cut and written anew would be flushed to the disk at once */
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(file >= 0 && write(file, octets, length) == (ssize_t)length);
	close(file);
}

static void useless_files_are_named_with_the_reason(void **state)
{
	expect_error(path_of("absent.mmdb"), "No such file");
	expect_error(folder, "not a regular file");
	write_file(path_of("empty.mmdb"), "", 0);
	expect_error(path_of("empty.mmdb"), "empty");
	write_file(path_of("text.mmdb"), "regions: {}\n", 12);
	expect_error(path_of("text.mmdb"), "not a MaxMind DB");
	expect_error(path_of("no-kind.mmdb"), "no city, country or ASN");
	expect_error(path_of("not-a-map.mmdb"), "no city, country or ASN");
	expect_error(path_of("far-off.mmdb"), "out of range");
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	expect_error(path_of("fifo"), "not a regular file");
	/* All of them at once. */
	const char *paths[] = {path_of("absent.mmdb"), path_of("flat-asn.mmdb"), path_of("no-kind.mmdb")};
	struct err_list errors = {.count = 0};
	assert_null(geo_load(paths, 3, &errors));
	assert_int_equal(errors.count, 2);
	err_done(&errors);
}

static uint8_t *read_file(const char *name, size_t *ret_length)
{
	FILE *file = fopen(path_of(name), "rb");
	assert_non_null(file);
	static uint8_t octets[65536];
	*ret_length = fread(octets, 1, sizeof octets, file);
	fclose(file);
	return octets;
}

static void every_cut_of_a_file_is_an_error(void **state)
{
	size_t length;
	uint8_t *octets = read_file("nested-country.mmdb", &length);
	const char *path = path_of("cut.mmdb");
	for (size_t cut = 1; cut < length; cut++) {
		/* Without its end, without its beginning. */
		for (unsigned side = 0; side < 2; side++) {
			write_file(path, side ? octets + length - cut : octets, cut);
			struct err_list errors = {.count = 0};
			struct places *places = geo_load(&path, 1, &errors);
			assert_true(side == 1 || !places);
			assert_int_equal(!places, err_has_errors(&errors));
			places_unref(places);
			err_done(&errors);
		}
	}
}

/* A changed bit may go unnoticed, but it ends in places or in an error. */
static void changed_bits_do_no_harm(void **state)
{
	static const char *const names[] = {"nested-city.mmdb", "flat-city-v4.mmdb", "flat-asn.mmdb"};
	const char *path = path_of("bits.mmdb");
	unsigned refused = 0;
	uint32_t random = 1;
	for (unsigned n = 0; n < DAMAGED_COPIES; n++) {
		size_t length;
		uint8_t *octets = read_file(names[n % 3], &length);
		for (unsigned flips = 1 + n % 4; flips > 0; flips--) {
			random = random * 1664525 + 1013904223;
			octets[(random >> 8) % length] ^= (uint8_t)(1u << (random >> 5 & 7));
		}
		write_file(path, octets, length);
		struct err_list errors = {.count = 0};
		struct places *places = geo_load(&path, 1, &errors);
		assert_int_equal(!places, err_has_errors(&errors));
		refused += !places;
		places_unref(places);
		err_done(&errors);
	}
	assert_true(refused > DAMAGED_COPIES / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested_city),
		cmocka_unit_test(flat_cities_of_both_families),
		cmocka_unit_test(the_first_file_that_knows_a_field_wins),
		cmocka_unit_test(as_numbers_may_be_text),
		cmocka_unit_test(records_above_the_ipv4_tree_hold_for_it),
		cmocka_unit_test(useless_files_are_named_with_the_reason),
		cmocka_unit_test(every_cut_of_a_file_is_an_error),
		cmocka_unit_test(changed_bits_do_no_harm),
	};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
