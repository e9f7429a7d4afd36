/* What in an object refers to other objects or claims a name, and where it stands. Control thread. */
#include "fleet/fleet_internal.h"
#include <assert.h>
#include <string.h>

#define PATH_MAX_OCTETS 2304 /* a map's key of a prefix or a region's id, escaped, and indexes */

struct walk {
	fleet_reference_fn *fn;
	void *user;
};

void fleet_pointer_escape(const char *text, char *out, size_t size)
{
	size_t at = 0;

	for (; *text != '\0' && at + 2 < size; text++) {
		if (*text == '~' || *text == '/') {
			out[at++] = '~';
			out[at++] = *text == '~' ? '0' : '1';
		} else {
			out[at++] = *text;
		}
	}
	assert(at < size);
	out[at] = '\0';
}

static void visit(const struct walk *walk, enum fleet_kind kind, const char *id, const char *path)
{
	walk->fn(walk->user,
		 &(struct fleet_reference){.role = REFERENCE_OBJECT, .kind = kind, .id = id, .path = path});
}

static void visit_list(const struct walk *walk, char *const *regions, size_t count, const char *path)
{
	char item[64];

	for (size_t i = 0; i < count; i++) {
		snprintf(item, sizeof item, "%s/%zu", path, i);
		visit(walk, FLEET_REGION, regions[i], item);
	}
}

/* A key that is the id of a region. */
static void visit_key(const struct walk *walk, const char *region, const char *path)
{
	walk->fn(walk->user, &(struct fleet_reference){.role = REFERENCE_OBJECT,
						       .kind = FLEET_REGION,
						       .id = region,
						       .path = path,
						       .is_key = true});
}

static void walk_map(const struct fleet_map *map, const struct walk *walk)
{
	char path[PATH_MAX_OCTETS], key[PATH_MAX_OCTETS - 64];

	for (size_t r = 0; r < map->rule_count; r++) {
		const struct fleet_tiers *tiers = &map->rules[r].tiers;
		size_t tier = 0, place = 0;

		fleet_pointer_escape(map->rules[r].key, key, sizeof key);
		for (size_t i = 0; i < tiers->count; i++, place++) {
			if (tiers->items[i].starts_tier && i > 0) {
				tier++;
				place = 0;
			}
			if (tiers->has_nested_tiers)
				snprintf(path, sizeof path, "/%s/%zu/%zu", key, tier, place);
			else /* behind `nearest`, where that begins the list */
				snprintf(path, sizeof path, "/%s/%zu", key, i + tiers->is_nearest);
			visit(walk, FLEET_REGION, tiers->items[i].region, path);
		}
	}
}

static void visit_file(const struct walk *walk, const char *written, const char *pool, const char *key)
{
	char path[96];

	if (!written)
		return;
	snprintf(path, sizeof path, "/origins/%s/tls/%s", pool, key);
	walk->fn(walk->user, &(struct fleet_reference){.role = REFERENCE_FILE, .path = path});
}

static void walk_pool(const struct fleet_pool *pool, const struct walk *walk)
{
	char path[160];

	if (pool->check) {
		snprintf(path, sizeof path, "/origins/%s/check", pool->id);
		visit(walk, FLEET_CHECK, pool->check, path);
	}
	if (pool->tls) {
		visit_file(walk, pool->tls->ca_written, pool->id, "ca");
		visit_file(walk, pool->tls->certificate_written, pool->id, "certificate");
		visit_file(walk, pool->tls->key_written, pool->id, "key");
	}
	for (size_t r = 0; r < pool->region_count; r++) {
		snprintf(path, sizeof path, "/origins/%s/%s", pool->id, pool->regions[r].region);
		visit_key(walk, pool->regions[r].region, path);
	}
}

static void walk_service(const struct fleet_service *service, const struct walk *walk)
{
	char path[160];

	if (service->check)
		visit(walk, FLEET_CHECK, service->check, "/check");
	if (service->map)
		visit(walk, FLEET_MAP, service->map, "/steering/map");
	if (service->has_regions)
		visit_list(walk, service->regions, service->region_count, "/steering/regions");
	for (size_t i = 0; i < service->bias_count; i++) {
		snprintf(path, sizeof path, "/steering/bias/%s", service->bias[i].region);
		visit_key(walk, service->bias[i].region, path);
	}
	for (size_t r = 0; r < service->vip_region_count; r++) {
		const struct fleet_vips *vips = &service->vips[r];

		snprintf(path, sizeof path, "/vips/%s", vips->region);
		visit_key(walk, vips->region, path);
		for (size_t i = 0; i < vips->written_count; i++) {
			if (!vips->written[i].check)
				continue;
			snprintf(path, sizeof path, "/vips/%s/%zu/check", vips->region, i);
			visit(walk, FLEET_CHECK, vips->written[i].check, path);
		}
	}
	for (size_t i = 0; i < service->pool_count; i++)
		walk_pool(&service->pools[i], walk);
}

void fleet_each_term(const struct fleet_profile *profile, fleet_reference_fn *fn, void *user)
{
	const struct walk walk = {.fn = fn, .user = user};
	char zone[NAME_TEXT_MAX];

	/* Zone and service are missing in a tenant that is broken. */
	if (profile->zone) {
		name_to_text(profile->zone, zone);
		visit(&walk, FLEET_ZONE, zone, "/zone");
	}
	if (profile->service)
		visit(&walk, FLEET_SERVICE, profile->service, "/service");
	visit_list(&walk, profile->regions, profile->region_count, "/regions");
	if (profile->tier)
		visit(&walk, FLEET_TIER, profile->tier, "/tier");
}

void fleet_each_name(const struct fleet_tenant *tenant, fleet_reference_fn *fn, void *user)
{
	char path[64];

	for (struct fleet_tenant_name at = {0}; fleet_tenant_next_name(tenant, &at);) {
		bool is_implied = !at.is_domain && !tenant->has_hosts;
		path[0] = '\0';
		if (!is_implied)
			snprintf(path, sizeof path, "/%s/%zu", at.is_domain ? "domains" : "hosts", at.index);
		fn(user, &(struct fleet_reference){.role = at.is_domain ? REFERENCE_DOMAIN : REFERENCE_HOST,
						   .name = at.name,
						   .path = path,
						   .is_key = is_implied});
	}
}

void fleet_each_reference(const struct fleet_object *object, fleet_reference_fn *fn, void *user)
{
	struct walk walk = {.fn = fn, .user = user};

	if (object->kind == FLEET_ZONE && ((const struct fleet_zone *)object)->path_written != NULL)
		fn(user, &(struct fleet_reference){.role = REFERENCE_FILE, .path = "/file"});
	else if (object->kind == FLEET_MAP)
		walk_map((const struct fleet_map *)object, &walk);
	else if (object->kind == FLEET_SERVICE)
		walk_service((const struct fleet_service *)object, &walk);
	if (object->kind != FLEET_TENANT)
		return;
	fleet_each_term(((const struct fleet_tenant *)object)->profile, fn, user);
	fleet_each_name((const struct fleet_tenant *)object, fn, user);
}
