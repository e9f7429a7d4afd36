/*
 * Terms of tenants: zone, service, tier, regions, tags and state. A million tenants have a few hundred
 * different ones, so each exists once, and what depends on them alone is checked once. Control thread.
 */
#include "fleet/fleet_internal.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 16

struct fleet_terms_life {
	struct fleet_terms_pool *pool; /* NULL: in none yet */
	struct fleet_terms *next;      /* in the same bucket */
	size_t references;
	uint64_t hash, good_in;
	size_t length; /* of bytes[]: what makes them equal */
	char *bytes;
};

struct fleet_terms_pool {
	struct fleet_terms **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
};

struct fleet_terms_pool *fleet_terms_pool_new(void)
{
	struct fleet_terms_pool *pool = xcalloc(1, sizeof *pool);

	pool->bucket_count = BUCKETS_MIN;
	pool->buckets = xcalloc(pool->bucket_count, sizeof(struct fleet_terms *));
	return pool;
}

void fleet_terms_pool_free(struct fleet_terms_pool *pool)
{
	if (!pool)
		return;
	assert(pool->count == 0);
	free(pool->buckets);
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

struct fleet_terms *fleet_terms_new(const struct fleet_terms *from)
{
	size_t zone_length = from->zone ? name_length(from->zone) : 0;
	size_t length = zone_length + text_size(from->service) + text_size(from->tier) +
			texts_size(from->regions, from->region_count) +
			texts_size(from->tags, from->tag_count);
	size_t list_count = (size_t)from->region_count + from->tag_count;
	struct fleet_terms *terms =
		xcalloc(1, sizeof *terms + sizeof *terms->life + list_count * sizeof(char *) + length);
	struct fleet_terms_life *life = (struct fleet_terms_life *)(terms + 1);
	char **lists = (char **)(life + 1);
	char *at = (char *)(lists + list_count);

	*terms = *from;
	terms->life = life;
	life->references = 1;
	life->bytes = at;
	life->length = length;
	terms->zone = put(&at, from->zone, zone_length);
	terms->service = put(&at, from->service, text_size(from->service));
	terms->tier = put(&at, from->tier, text_size(from->tier));
	terms->regions = put_texts(&lists, &at, from->regions, from->region_count);
	terms->tags = put_texts(&lists, &at, from->tags, from->tag_count);
	assert(at == life->bytes + length && lists == (char **)(life + 1) + list_count);
	life->hash = hash_bytes(life->bytes, length, terms->is_suspended);
	return terms;
}

bool fleet_terms_equal(const struct fleet_terms *a, const struct fleet_terms *b)
{
	return a == b ||
	       (a->life->hash == b->life->hash && a->life->length == b->life->length &&
		a->has_regions == b->has_regions && a->is_suspended == b->is_suspended &&
		a->region_count == b->region_count && a->tag_count == b->tag_count &&
		(!a->tier) == (!b->tier) && memcmp(a->life->bytes, b->life->bytes, a->life->length) == 0);
}

bool fleet_terms_are_good(const struct fleet_terms *terms, uint64_t validation)
{
	return terms->life->good_in == validation;
}

void fleet_terms_set_good(struct fleet_terms *terms, uint64_t validation)
{
	terms->life->good_in = validation;
}

/* ---- in pools ---- */

bool fleet_terms_all(const struct fleet_terms_pool *pool,
		     bool (*is_so)(void *user, struct fleet_terms *terms), void *user)
{
	for (size_t i = 0; i < pool->bucket_count; i++)
		for (struct fleet_terms *terms = pool->buckets[i]; terms; terms = terms->life->next)
			if (!is_so(user, terms))
				return false;
	return true;
}

static struct fleet_terms **bucket_of(const struct fleet_terms_pool *pool, const struct fleet_terms *terms)
{
	return &pool->buckets[terms->life->hash & (pool->bucket_count - 1)];
}

static void link_in(struct fleet_terms_pool *pool, struct fleet_terms *terms)
{
	struct fleet_terms **bucket = bucket_of(pool, terms);

	terms->life->next = *bucket;
	*bucket = terms;
}

static void leave_pool(struct fleet_terms *terms)
{
	struct fleet_terms **at;

	if (!terms->life->pool)
		return;
	for (at = bucket_of(terms->life->pool, terms); *at != terms;)
		at = &(*at)->life->next;
	*at = terms->life->next;
	assert(terms->life->pool->count > 0);
	terms->life->pool->count--;
	terms->life->pool = NULL;
}

static void grow(struct fleet_terms_pool *pool)
{
	struct fleet_terms **old = pool->buckets;
	size_t old_count = pool->bucket_count;

	pool->bucket_count *= 2;
	pool->buckets = xcalloc(pool->bucket_count, sizeof(struct fleet_terms *));
	for (size_t i = 0; i < old_count; i++)
		for (struct fleet_terms *terms = old[i], *next; terms; terms = next) {
			next = terms->life->next;
			link_in(pool, terms);
		}
	free(old);
}

struct fleet_terms *fleet_terms_share(struct fleet_terms_pool *pool, struct fleet_terms *terms)
{
	if (terms->life->pool == pool)
		return terms;
	for (struct fleet_terms *at = *bucket_of(pool, terms); at; at = at->life->next)
		if (fleet_terms_equal(at, terms)) {
			at->life->references++;
			fleet_terms_unref(terms);
			return at;
		}
	leave_pool(terms);
	if (pool->count >= pool->bucket_count)
		grow(pool);
	terms->life->pool = pool;
	pool->count++;
	link_in(pool, terms);
	return terms;
}

void fleet_terms_unref(struct fleet_terms *terms)
{
	assert(terms->life->references > 0);
	if (--terms->life->references > 0)
		return;
	leave_pool(terms);
	free(terms);
}
