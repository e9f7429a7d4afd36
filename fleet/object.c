/* Life and sameness of one object. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include <stdlib.h>
#include <string.h>

void *fleet_object_new(size_t size, enum fleet_kind kind, const char *id)
{
	struct arena *arena = arena_new();
	struct fleet_object *object = arena_alloc(arena, size);

	object->arena = arena;
	object->kind = kind;
	object->id = arena_strndup(arena, id, strlen(id));
	return object;
}

static void forget_resolved(struct fleet_service *service)
{
	for (size_t r = 0; r < service->vip_region_count; r++)
		free(service->vips[r].resolved);
}

void fleet_object_free(struct fleet_object *object)
{
	if (object == NULL)
		return;
	if (object->kind == FLEET_ZONE)
		zone_unref(((struct fleet_zone *)object)->zone);
	if (object->kind == FLEET_SERVICE)
		forget_resolved((struct fleet_service *)object);
	if (object->arena != NULL)
		arena_free(object->arena);
	else
		free(object);
}

static bool is_same_list(char *const *a, char *const *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

static bool is_same_names(const uint8_t *const *a, const uint8_t *const *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!name_equal(a[i], b[i]))
			return false;
	return true;
}

static bool is_same_tenant(const struct fleet_tenant *a, const struct fleet_tenant *b)
{
	if (!name_equal(a->zone, b->zone) || strcmp(a->service, b->service) != 0 ||
	    a->has_regions != b->has_regions || a->is_suspended != b->is_suspended)
		return false;
	if (a->region_count != b->region_count || a->host_count != b->host_count ||
	    a->domain_count != b->domain_count || a->tag_count != b->tag_count)
		return false;
	if ((a->tier == NULL) != (b->tier == NULL) || (a->tier != NULL && strcmp(a->tier, b->tier) != 0))
		return false;
	return is_same_list(a->regions, b->regions, a->region_count) &&
	       is_same_names(a->hosts, b->hosts, a->host_count) &&
	       is_same_names(a->domains, b->domains, a->domain_count) &&
	       is_same_list(a->tags, b->tags, a->tag_count);
}

/* The JSON form leaves defaults out and keeps the order of keys, which counts (vips). */
static bool is_same_json(const struct fleet_object *a, const struct fleet_object *b)
{
	json_t *x = fleet_object_to_json(a), *y = fleet_object_to_json(b);
	char *x_text = json_dumps(x, JSON_COMPACT), *y_text = json_dumps(y, JSON_COMPACT);
	bool is_same = x_text != NULL && y_text != NULL && strcmp(x_text, y_text) == 0;

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
