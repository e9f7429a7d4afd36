/*
 * MMDB files → places. Each file is copied into memory of our own before libmaxminddb maps it, so
 * that a file which is cut while we read is an error and not a SIGBUS; its tree is walked once and
 * each record decoded once. Runs on any one thread of the control path.
 */
#include "gslb/compile/geo_load.h"
#include "gslb/decide/place/intern.h"
#include "gslb/decide/place/place_build.h"
#include "lib/file.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define GEO_FILES_MAX 1024
#define GEO_FILE_BYTES_MAX ((off_t)4 << 30)
#define GEO_PLACES_MAX ((size_t)1 << 24)
/* A tree whose nodes are reached more often than this is damaged: honest ones reach each node once,
 * but for the copies of the IPv4 tree that we skip. */
#define VISITS_PER_NODE 8
#define NOT_YET UINT32_MAX

/* ---- reading ---- */

/* A descriptor of a sealed copy, or -1 with an entry in errors. */
static int copy_file(const char *path, struct err_list *errors)
{
	int copy = -1, file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status, after;
	const char *problem = NULL;
	if (file < 0 || fstat(file, &status) < 0) {
		problem = strerror(errno);
	} else if (!S_ISREG(status.st_mode)) {
		problem = "not a regular file";
	} else if (status.st_size == 0) {
		problem = "the file is empty";
	} else if (status.st_size > GEO_FILE_BYTES_MAX) {
		problem = "the file is larger than 4 GiB";
	} else {
		copy = memfd_create("geo", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		ssize_t sent = copy < 0 ? -1 : 1;
		while (sent > 0 || (sent < 0 && copy >= 0 && errno == EINTR))
			sent = sendfile(copy, file, NULL, (size_t)1 << 30);
		if (sent < 0 || fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
			problem = strerror(errno);
		else if (fstat(file, &after) == 0 && file_was_written(&status, &after))
			problem = FILE_CHANGED;
	}
	if (file >= 0)
		close(file);
	if (!problem)
		return copy;
	err_add(errors, path, 0, 0, "%s", problem);
	if (copy >= 0)
		close(copy);
	return -1;
}

static bool open_database(const char *path, MMDB_s *database, struct err_list *errors)
{
	int copy = copy_file(path, errors);
	if (copy < 0)
		return false;
	char name[32];
	snprintf(name, sizeof name, "/proc/self/fd/%d", copy);
	int status = MMDB_open(name, MMDB_MODE_MMAP, database);
	close(copy);
	if (status != MMDB_SUCCESS) {
		err_add(errors, path, 0, 0, "not a MaxMind DB, or damaged: %s", MMDB_strerror(status));
		return false;
	}
	if (database->metadata.ip_version == 4 || database->metadata.ip_version == 6)
		return true;
	err_add(errors, path, 0, 0, "damaged: IP version %u", database->metadata.ip_version);
	MMDB_close(database);
	return false;
}

/* ---- records ---- */

/* Millions of prefixes have a record, hundreds of thousands of records are different. */
struct record {
	uint32_t offset; /* in the data section */
	uint32_t place;	 /* NOT_YET: the slot is free */
};

struct walk {
	MMDB_s database;
	struct place_build *build;
	struct record *records; /* those met, by open addressing at half load */
	size_t record_count, record_slots;
	size_t prefixes; /* data records met */
	uint64_t visits;
	unsigned bits; /* of the tree's addresses */
	uint16_t source;
	bool is_flat; /* the schema that the last understood record had */
	bool knows_something;
	char problem[128]; /* "" none */
};

/* False: absent. A record that cannot be decoded fails the file. */
static bool get(struct walk *walk, uint32_t offset, const char *const *path, MMDB_entry_data_s *ret)
{
	MMDB_entry_s entry = {.mmdb = &walk->database, .offset = offset};
	MMDB_entry_data_s data = {.has_data = false};
	int status = MMDB_aget_value(&entry, &data, path);
	if (status != MMDB_SUCCESS && status != MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR &&
	    status != MMDB_INVALID_LOOKUP_PATH_ERROR)
		snprintf(walk->problem, sizeof walk->problem, "damaged record at offset %u: %s", offset,
			 MMDB_strerror(status));
	if (status != MMDB_SUCCESS || !data.has_data)
		return false;
	*ret = data;
	return true;
}
#define GET(walk, offset, ret, ...) get(walk, offset, (const char *const[]){__VA_ARGS__, NULL}, ret)

static bool to_degrees(const MMDB_entry_data_s *data, double most, double *ret)
{
	double value;
	if (data->type == MMDB_DATA_TYPE_DOUBLE)
		value = data->double_value;
	else if (data->type == MMDB_DATA_TYPE_FLOAT)
		value = (double)data->float_value;
	else
		return false;
	if (!(value >= -most && value <= most))
		return false;
	*ret = value;
	return true;
}

static void set_at(struct walk *walk, uint32_t offset, bool has_both, const MMDB_entry_data_s *latitude,
		   const MMDB_entry_data_s *longitude, struct place *place)
{
	if (!has_both)
		return;
	place->has_at =
		to_degrees(latitude, 90, &place->latitude) && to_degrees(longitude, 180, &place->longitude);
	if (!place->has_at)
		snprintf(walk->problem, sizeof walk->problem,
			 "damaged record at offset %u: coordinates are out of range", offset);
}

/* Two letters, in capitals; else nothing. */
static void set_code(const MMDB_entry_data_s *data, char ret[static 3])
{
	if (data->type != MMDB_DATA_TYPE_UTF8_STRING || data->data_size != 2)
		return;
	unsigned char first = (unsigned char)data->utf8_string[0],
		      second = (unsigned char)data->utf8_string[1];
	if (!isalpha(first) || !isalpha(second))
		return;
	ret[0] = (char)toupper(first);
	ret[1] = (char)toupper(second);
	ret[2] = '\0';
}

/* Cut between two characters of UTF-8. */
static void set_subdivision(const MMDB_entry_data_s *data, struct place *place)
{
	if (data->type != MMDB_DATA_TYPE_UTF8_STRING)
		return;
	size_t length = data->data_size, most = sizeof place->subdivision - 1;
	if (length > most)
		for (length = most; length > 0 && (data->utf8_string[length] & 0xc0) == 0x80; length--)
			;
	memcpy(place->subdivision, data->utf8_string, length);
	place->subdivision[length] = '\0';
}

/* "AS64500" as IPinfo's files have it, or the digits alone; else nothing. */
static uint32_t asn_of_text(const char *text, size_t length)
{
	uint64_t asn = 0;
	if (length > 2 && (text[0] == 'A' || text[0] == 'a') && (text[1] == 'S' || text[1] == 's')) {
		text += 2;
		length -= 2;
	}
	if (length == 0 || length > 10)
		return 0;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		asn = asn * 10 + (uint64_t)(text[i] - '0');
	}
	return asn <= UINT32_MAX ? (uint32_t)asn : 0;
}

static void set_asn(const MMDB_entry_data_s *data, struct place *place)
{
	if (data->type == MMDB_DATA_TYPE_UINT32)
		place->asn = data->uint32;
	else if (data->type == MMDB_DATA_TYPE_UINT16)
		place->asn = data->uint16;
	else if (data->type == MMDB_DATA_TYPE_UINT64 && data->uint64 <= UINT32_MAX)
		place->asn = (uint32_t)data->uint64;
	else if (data->type == MMDB_DATA_TYPE_UTF8_STRING)
		place->asn = asn_of_text(data->utf8_string, data->data_size);
}

static void read_nested(struct walk *walk, uint32_t offset, struct place *place)
{
	MMDB_entry_data_s data, longitude;
	if (GET(walk, offset, &data, "country", "iso_code"))
		set_code(&data, place->country);
	if (GET(walk, offset, &data, "continent", "code"))
		set_code(&data, place->continent);
	if (GET(walk, offset, &data, "subdivisions", "0", "iso_code"))
		set_subdivision(&data, place);
	if (GET(walk, offset, &data, "traits", "autonomous_system_number"))
		set_asn(&data, place);
	bool has_both = GET(walk, offset, &data, "location", "latitude") &&
			GET(walk, offset, &longitude, "location", "longitude");
	set_at(walk, offset, has_both, &data, &longitude, place);
}

static void read_flat(struct walk *walk, uint32_t offset, struct place *place)
{
	MMDB_entry_data_s data, longitude;
	if (GET(walk, offset, &data, "country_code"))
		set_code(&data, place->country);
	if (GET(walk, offset, &data, "continent_code"))
		set_code(&data, place->continent);
	if (GET(walk, offset, &data, "state1"))
		set_subdivision(&data, place);
	if (GET(walk, offset, &data, "autonomous_system_number") || GET(walk, offset, &data, "asn"))
		set_asn(&data, place);
	bool has_both = GET(walk, offset, &data, "latitude") && GET(walk, offset, &longitude, "longitude");
	set_at(walk, offset, has_both, &data, &longitude, place);
}

/* Files keep to one schema, so the last one that gave something is tried first. */
static uint32_t read_record(struct walk *walk, uint32_t offset)
{
	struct place place = {.asn = 0};
	for (int attempt = 0; attempt < 2; attempt++) {
		if (walk->is_flat)
			read_flat(walk, offset, &place);
		else
			read_nested(walk, offset, &place);
		if (place_is_located(&place) || place.asn != 0) {
			walk->knows_something = true;
			place.source = walk->source;
			return place_build_place(walk->build, &place);
		}
		walk->is_flat = !walk->is_flat;
	}
	return PLACE_NONE;
}

static struct record *find_record(const struct walk *walk, uint32_t offset)
{
	assert(walk->record_count < walk->record_slots); /* else the search would not end */
	size_t at = hash_mix(offset, 0) & (walk->record_slots - 1);
	while (walk->records[at].place != NOT_YET && walk->records[at].offset != offset)
		at = (at + 1) & (walk->record_slots - 1);
	return &walk->records[at];
}

static void grow_records(struct walk *walk)
{
	struct record *old = walk->records;
	size_t old_slots = walk->record_slots;
	walk->record_slots = old_slots ? old_slots * 2 : 4096;
	walk->records = xmalloc(walk->record_slots * sizeof *walk->records);
	memset(walk->records, 0xff, walk->record_slots * sizeof *walk->records); /* NOT_YET */
	for (size_t i = 0; i < old_slots; i++)
		if (old[i].place != NOT_YET)
			*find_record(walk, old[i].offset) = old[i];
	free(old);
}

static uint32_t place_of_record(struct walk *walk, uint32_t offset)
{
	/* A record that points into the gap between tree and data has wrapped around. */
	if (offset >= walk->database.data_section_size) {
		snprintf(walk->problem, sizeof walk->problem, "damaged search tree: no data at %u", offset);
		return PLACE_NONE;
	}
	if (walk->record_count * 2 >= walk->record_slots)
		grow_records(walk);
	struct record *record = find_record(walk, offset);
	if (record->place != NOT_YET)
		return record->place;
	*record = (struct record){offset, read_record(walk, offset)};
	walk->record_count++;
	if (place_build_count(walk->build) > GEO_PLACES_MAX && !walk->problem[0])
		snprintf(walk->problem, sizeof walk->problem, "more than %zu different places",
			 GEO_PLACES_MAX);
	return record->place;
}

/* ---- the tree ---- */

/* IPv6 trees keep IPv4 below ::/96. */
static void put_block(struct walk *walk, address_key first, unsigned depth, uint32_t place)
{
	if (walk->bits == 32) {
		place_build_range(walk->build, 4, first, place);
	} else if (depth >= 96 && first >> 32 == 0) {
		place_build_range(walk->build, 4, first << 96, place);
	} else {
		place_build_range(walk->build, 6, first, place);
		if (first == 0)
			place_build_range(walk->build, 4, 0, place);
	}
}

static bool walk_node(struct walk *walk, uint32_t number, address_key first, unsigned depth)
{
	const MMDB_s *database = &walk->database;
	/* Some databases hang the IPv4 tree below 2002::/16, 2001::/32 and ::ffff:0:0/96 as well. */
	if (walk->bits == 128 && number == database->ipv4_start_node.node_value &&
	    database->ipv4_start_node.netmask == 96 && !(depth == 96 && first == 0)) {
		put_block(walk, first, depth, PLACE_NONE);
		return true;
	}
	MMDB_search_node_s node;
	if (depth >= walk->bits ||
	    ++walk->visits > VISITS_PER_NODE * (uint64_t)database->metadata.node_count ||
	    MMDB_read_node(database, number, &node) != MMDB_SUCCESS) {
		snprintf(walk->problem, sizeof walk->problem, "damaged search tree at node %u", number);
		return false;
	}
	for (unsigned side = 0; side < 2 && !walk->problem[0]; side++) {
		uint8_t type = side ? node.right_record_type : node.left_record_type;
		uint64_t record = side ? node.right_record : node.left_record;
		address_key at = first | (address_key)side << (127 - depth);
		switch (type) {
		case MMDB_RECORD_TYPE_SEARCH_NODE:
			walk_node(walk, (uint32_t)record, at, depth + 1);
			break;
		case MMDB_RECORD_TYPE_EMPTY:
			put_block(walk, at, depth + 1, PLACE_NONE);
			break;
		case MMDB_RECORD_TYPE_DATA:
			walk->prefixes++;
			put_block(walk, at, depth + 1,
				  place_of_record(
					  walk,
					  (side ? node.right_record_entry : node.left_record_entry).offset));
			break;
		default:
			snprintf(walk->problem, sizeof walk->problem, "damaged search tree at node %u",
				 number);
		}
	}
	return !walk->problem[0];
}

static struct places *load_file(const char *path, uint16_t source, struct err_list *errors)
{
	struct walk walk = {.source = source};
	if (!open_database(path, &walk.database, errors))
		return NULL;
	walk.bits = walk.database.metadata.ip_version == 4 ? 32 : 128;
	walk.build = place_build_new();
	if (walk_node(&walk, 0, 0, 0) && !walk.knows_something)
		snprintf(walk.problem, sizeof walk.problem, "no city, country or ASN records in it");
	struct places *places = NULL;
	if (walk.problem[0]) {
		err_add(errors, path, 0, 0, "%s", walk.problem);
		place_build_free(walk.build);
	} else {
		place_build_file(walk.build, path, (int64_t)walk.database.metadata.build_epoch,
				 walk.prefixes);
		places = place_build_finish(walk.build);
	}
	free(walk.records);
	MMDB_close(&walk.database);
	return places;
}

/* ---- several files ---- */

static struct place merge_places(const struct place *first, const struct place *second)
{
	struct place merged = *first;
	if (!place_is_located(first) && place_is_located(second))
		merged.source = second->source;
	else if (!place_is_located(first) && first->asn == 0)
		merged.source = second->source;
	if (!first->has_at) {
		merged.has_at = second->has_at;
		merged.latitude = second->latitude;
		merged.longitude = second->longitude;
	}
	if (!first->country[0])
		memcpy(merged.country, second->country, sizeof merged.country);
	if (!first->continent[0])
		memcpy(merged.continent, second->continent, sizeof merged.continent);
	if (!first->subdivision[0])
		memcpy(merged.subdivision, second->subdivision, sizeof merged.subdivision);
	if (first->asn == 0)
		merged.asn = second->asn;
	return merged;
}

struct merge {
	const struct places *sides[2];
	struct place_build *build;
	uint32_t *alone[2];   /* of each place of a side where the other knows nothing: in the result */
	struct intern pairs;  /* of uint32_t[2]: a place of each */
	uint32_t *pair_place; /* of each pair, in the result */
	size_t pair_capacity;
};

static uint32_t alone_place(struct merge *merge, unsigned side, uint32_t number)
{
	uint32_t *known = &merge->alone[side][number];
	if (*known == NOT_YET)
		*known = place_build_place(merge->build, &merge->sides[side]->places[number]);
	return *known;
}

static uint32_t merged_place(struct merge *merge, uint32_t first, uint32_t second)
{
	assert(first < merge->sides[0]->place_count && second < merge->sides[1]->place_count);
	if (second == PLACE_NONE)
		return alone_place(merge, 0, first);
	if (first == PLACE_NONE)
		return alone_place(merge, 1, second);
	uint32_t pair[2] = {first, second};
	size_t known = merge->pairs.count;
	uint32_t number = intern_put(&merge->pairs, pair);
	if (merge->pairs.count > known) {
		struct place place =
			merge_places(&merge->sides[0]->places[first], &merge->sides[1]->places[second]);
		xgrow((void **)&merge->pair_place, &merge->pair_capacity, merge->pairs.count,
		      sizeof *merge->pair_place);
		merge->pair_place[number] = place_build_place(merge->build, &place);
	}
	return merge->pair_place[number];
}

static void merge_family(struct merge *merge, unsigned family)
{
	struct place_cursor at[2];
	address_key start = 0;
	for (unsigned i = 0; i < 2; i++)
		place_cursor_init(&at[i], places_ranges(merge->sides[i], family));
	for (;;) {
		place_build_range(merge->build, family, start, merged_place(merge, at[0].place, at[1].place));
		if (!at[0].has_next && !at[1].has_next)
			return;
		bool is_first = at[0].has_next && (!at[1].has_next || at[0].next_start < at[1].next_start);
		start = is_first ? at[0].next_start : at[1].next_start;
		for (unsigned i = 0; i < 2; i++)
			if (at[i].has_next && at[i].next_start == start)
				place_cursor_next(&at[i]);
	}
}

/* Takes over both. */
static struct places *merge_files(struct places *first, struct places *second)
{
	struct merge merge = {.sides = {first, second}, .build = place_build_new()};
	intern_init(&merge.pairs, sizeof(uint32_t[2]));
	for (unsigned side = 0; side < 2; side++) {
		size_t octets = merge.sides[side]->place_count * sizeof *merge.alone[side];
		merge.alone[side] = xmalloc(octets);
		memset(merge.alone[side], 0xff, octets); /* NOT_YET */
	}
	merge_family(&merge, 4);
	merge_family(&merge, 6);
	for (unsigned side = 0; side < 2; side++) {
		for (size_t i = 0; i < merge.sides[side]->file_count; i++) {
			const struct place_file *file = &merge.sides[side]->files[i];
			place_build_file(merge.build, file->path, file->built_unix_s, file->prefixes);
		}
		free(merge.alone[side]);
	}
	intern_done(&merge.pairs);
	free(merge.pair_place);
	places_unref(first);
	places_unref(second);
	return place_build_finish(merge.build);
}

struct places *geo_load(const char *const *paths, size_t count, struct err_list *errors)
{
	struct places *places = NULL;
	size_t failed = 0;
	if (count > GEO_FILES_MAX) {
		err_add(errors, NULL, 0, 0, "more than %d geo files", GEO_FILES_MAX);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		struct places *file = load_file(paths[i], (uint16_t)i, errors);
		failed += !file;
		places = places && file ? merge_files(places, file) : file ? file : places;
	}
	if (failed > 0) {
		places_unref(places);
		return NULL;
	}
	return places ? places : places_new_empty();
}
