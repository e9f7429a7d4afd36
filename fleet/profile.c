/*
 * Profiles of tenants: zone, service, tier, regions, tags, state and what the forwarder has of them. A
 * million tenants have a few hundred different ones, so each exists once, and what depends on them alone is
 * checked once. Control thread.
 */
#include "fleet/fleet_internal.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 16

struct fleet_profile_life {
	struct fleet_profile_pool *pool; /* NULL: in none yet */
	struct fleet_profile *next;	 /* in the same bucket */
	size_t references;
	uint64_t hash, good_in;
	size_t length; /* of bytes[]: what makes them equal */
	char *bytes;
};

struct fleet_profile_pool {
	struct fleet_profile **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	uint64_t serials;    /* so far */
	uint32_t number_end; /* every number is below it */
	uint32_t *free_numbers;
	size_t free_count, free_capacity;
};

struct fleet_profile_pool *fleet_profile_pool_new(void)
{
	struct fleet_profile_pool *pool = xcalloc(1, sizeof *pool);

	pool->bucket_count = BUCKETS_MIN;
	pool->buckets = xcalloc(pool->bucket_count, sizeof(struct fleet_profile *));
	return pool;
}

void fleet_profile_pool_free(struct fleet_profile_pool *pool)
{
	if (!pool)
		return;
	assert(pool->count == 0);
	free(pool->buckets);
	free(pool->free_numbers);
	free(pool);
}

/* ---- one ---- */

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static size_t texts_size(char *const *texts, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += text_size(texts[i]);
	return size;
}

static void *put(char **at, const void *bytes, size_t length)
{
	char *copy = *at;

	if (length == 0)
		return NULL;
	memcpy(copy, bytes, length);
	*at += length;
	return copy;
}

static char **put_texts(char ***lists, char **at, char *const *texts, size_t count)
{
	char **list = *lists;

	*lists += count;
	for (size_t i = 0; i < count; i++)
		list[i] = put(at, texts[i], text_size(texts[i]));
	return list;
}

/* What stands in no octets. */
static uint64_t scalars_of(const struct fleet_profile *profile)
{
	return (uint64_t)profile->region_count << 48 | (uint64_t)profile->tag_count << 32 |
	       (uint64_t)profile->maintenance_status << 16 | (uint64_t)profile->has_regions << 6 |
	       (uint64_t)(profile->tier != NULL) << 5 | (uint64_t)(profile->limits != NULL) << 4 |
	       (uint64_t)(profile->maintenance_body != NULL) << 3 |
	       (uint64_t)profile->is_in_maintenance << 2 | (uint64_t)profile->redirects_to_https << 1 |
	       (uint64_t)profile->is_suspended;
}

struct fleet_profile *fleet_profile_new(const struct fleet_profile *from)
{
	size_t zone_length = from->zone ? name_length(from->zone) : 0;
	size_t limits_size = from->limits ? sizeof *from->limits : 0;
	size_t keys_size = from->key_count * sizeof *from->keys;
	size_t length = limits_size + keys_size + zone_length + text_size(from->service) +
			text_size(from->tier) + text_size(from->maintenance_body) +
			texts_size(from->regions, from->region_count) +
			texts_size(from->tags, from->tag_count);
	size_t list_count = (size_t)from->region_count + from->tag_count;
	struct fleet_profile *profile =
		xcalloc(1, sizeof *profile + sizeof *profile->life + list_count * sizeof(char *) + length);
	struct fleet_profile_life *life = (struct fleet_profile_life *)(profile + 1);
	char **lists = (char **)(life + 1);
	char *at = (char *)(lists + list_count);

	*profile = *from;
	profile->life = life;
	life->references = 1;
	life->bytes = at;
	life->length = length;
	/* First, for they must be aligned as the pointers before them are. */
	profile->limits = put(&at, from->limits, limits_size);
	profile->keys = put(&at, from->keys, keys_size);
	profile->zone = put(&at, from->zone, zone_length);
	profile->service = put(&at, from->service, text_size(from->service));
	profile->tier = put(&at, from->tier, text_size(from->tier));
	profile->maintenance_body = put(&at, from->maintenance_body, text_size(from->maintenance_body));
	profile->regions = put_texts(&lists, &at, from->regions, from->region_count);
	profile->tags = put_texts(&lists, &at, from->tags, from->tag_count);
	assert(at == life->bytes + length && lists == (char **)(life + 1) + list_count);
	life->hash = hash_bytes(life->bytes, length, scalars_of(profile));
	return profile;
}

bool fleet_profile_equal(const struct fleet_profile *a, const struct fleet_profile *b)
{
	return a == b || (a->life->hash == b->life->hash && a->life->length == b->life->length &&
			  scalars_of(a) == scalars_of(b) && a->key_count == b->key_count &&
			  memcmp(a->life->bytes, b->life->bytes, a->life->length) == 0);
}

bool fleet_profile_is_good(const struct fleet_profile *profile, uint64_t validation)
{
	return profile->life->good_in == validation;
}

void fleet_profile_set_good(struct fleet_profile *profile, uint64_t validation)
{
	profile->life->good_in = validation;
}

/* ---- in pools ---- */

bool fleet_profile_all(const struct fleet_profile_pool *pool,
		       bool (*is_so)(void *user, struct fleet_profile *profile), void *user)
{
	for (size_t i = 0; i < pool->bucket_count; i++)
		for (struct fleet_profile *profile = pool->buckets[i]; profile; profile = profile->life->next)
			if (!is_so(user, profile))
				return false;
	return true;
}

static struct fleet_profile **bucket_of(const struct fleet_profile_pool *pool,
					const struct fleet_profile *profile)
{
	return &pool->buckets[profile->life->hash & (pool->bucket_count - 1)];
}

static void link_in(struct fleet_profile_pool *pool, struct fleet_profile *profile)
{
	struct fleet_profile **bucket = bucket_of(pool, profile);

	profile->life->next = *bucket;
	*bucket = profile;
}

static void leave_pool(struct fleet_profile *profile)
{
	struct fleet_profile_pool *pool = profile->life->pool;
	struct fleet_profile **at;

	if (!pool)
		return;
	for (at = bucket_of(pool, profile); *at != profile;)
		at = &(*at)->life->next;
	*at = profile->life->next;
	assert(pool->count > 0 && profile->number < pool->number_end);
	pool->count--;
	xgrow((void **)&pool->free_numbers, &pool->free_capacity, pool->free_count + 1,
	      sizeof *pool->free_numbers);
	pool->free_numbers[pool->free_count++] = profile->number;
	profile->life->pool = NULL;
}

static void grow(struct fleet_profile_pool *pool)
{
	struct fleet_profile **old = pool->buckets;
	size_t old_count = pool->bucket_count;

	pool->bucket_count *= 2;
	pool->buckets = xcalloc(pool->bucket_count, sizeof(struct fleet_profile *));
	for (size_t i = 0; i < old_count; i++)
		for (struct fleet_profile *profile = old[i], *next; profile; profile = next) {
			next = profile->life->next;
			link_in(pool, profile);
		}
	free(old);
}

struct fleet_profile *fleet_profile_share(struct fleet_profile_pool *pool, struct fleet_profile *profile)
{
	if (profile->life->pool == pool)
		return profile;
	for (struct fleet_profile *at = *bucket_of(pool, profile); at; at = at->life->next)
		if (fleet_profile_equal(at, profile)) {
			at->life->references++;
			fleet_profile_unref(profile);
			return at;
		}
	leave_pool(profile);
	if (pool->count >= pool->bucket_count)
		grow(pool);
	profile->life->pool = pool;
	profile->number = pool->free_count > 0 ? pool->free_numbers[--pool->free_count] : pool->number_end++;
	profile->serial = ++pool->serials;
	pool->count++;
	link_in(pool, profile);
	return profile;
}

void fleet_profile_unref(struct fleet_profile *profile)
{
	assert(profile->life->references > 0);
	if (--profile->life->references > 0)
		return;
	leave_pool(profile);
	free(profile);
}
