/* Life and sameness of one object. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* An object in an arena of its own stands behind the pointer to that arena. */
#define ARENA_HEAD 16

void *fleet_object_new(size_t size, enum fleet_kind kind, const char *id)
{
	assert(kind < FLEET_KINDS && kind != FLEET_ZONE && kind != FLEET_LOCATION && kind != FLEET_TENANT);
	struct arena *arena = arena_new();
	char *block = arena_alloc(arena, ARENA_HEAD + size);
	struct fleet_object *object = (struct fleet_object *)(block + ARENA_HEAD);

	memcpy(block, &arena, sizeof arena);
	object->kind = kind;
	object->id = arena_strndup(arena, id, strlen(id));
	return object;
}

struct arena *fleet_object_arena(const struct fleet_object *object)
{
	struct arena *arena;

	assert(object->kind != FLEET_ZONE && object->kind != FLEET_LOCATION && object->kind != FLEET_TENANT);
	memcpy(&arena, (const char *)object - ARENA_HEAD, sizeof arena);
	return arena;
}

uint64_t fleet_object_version(const struct fleet_object *object)
{
	return object->source == FLEET_STORE ? object->version : 0;
}

static void forget_resolved(struct fleet_service *service)
{
	for (size_t r = 0; r < service->vip_region_count; r++)
		free(service->vips[r].resolved);
}

void fleet_object_free(struct fleet_object *object)
{
	if (!object)
		return;
	if (object->kind == FLEET_TENANT) {
		fleet_tenant_free((struct fleet_tenant *)object);
		return;
	}
	if (object->source == FLEET_BASE)
		free(object->where);
	switch (object->kind) {
	case FLEET_ZONE:
		zone_unref(((struct fleet_zone *)object)->zone);
		free(object);
		return;
	case FLEET_LOCATION:
		free(object);
		return;
	case FLEET_SERVICE:
		forget_resolved((struct fleet_service *)object);
		break;
	default:
		break;
	}
	arena_free(fleet_object_arena(object));
}

static bool is_same_tenant(const struct fleet_tenant *a, const struct fleet_tenant *b)
{
	struct fleet_tenant_name x = {0}, y = {0};

	if (!fleet_profile_equal(a->profile, b->profile) || a->host_count != b->host_count ||
	    a->domain_count != b->domain_count)
		return false;
	while (fleet_tenant_next_name(a, &x) && fleet_tenant_next_name(b, &y))
		if (!name_equal(x.name, y.name))
			return false;
	return true;
}

/* The JSON form leaves defaults out and keeps the order of keys, which counts (vips). */
static bool is_same_json(const struct fleet_object *a, const struct fleet_object *b)
{
	json_t *x = fleet_object_to_json(a), *y = fleet_object_to_json(b);
	char *x_text = json_dumps(x, JSON_COMPACT), *y_text = json_dumps(y, JSON_COMPACT);
	bool is_same = x_text != NULL && y_text && strcmp(x_text, y_text) == 0;

	free(x_text);
	free(y_text);
	json_decref(x);
	json_decref(y);
	return is_same;
}

bool fleet_object_equal(const struct fleet_object *a, const struct fleet_object *b)
{
	if (a->kind != b->kind || strcmp(a->id, b->id) != 0)
		return false;
	if (a->kind == FLEET_TENANT)
		return is_same_tenant((const struct fleet_tenant *)a, (const struct fleet_tenant *)b);
	return is_same_json(a, b);
}
