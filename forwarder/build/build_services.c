/* Services: their routes as the data path matches them. Control thread. */
#include "forwarder/build/build_internal.h"
#include <assert.h>
#include <string.h>

static_assert((int)ROUTE_RETRY_CONNECT == FLEET_RETRY_CONNECT && (int)ROUTE_RETRY_504 == FLEET_RETRY_504 &&
		      (int)ROUTE_RETRY_TIMEOUT == FLEET_RETRY_TIMEOUT &&
		      (int)ROUTE_RETRY_502 == FLEET_RETRY_502 && (int)ROUTE_RETRY_503 == FLEET_RETRY_503,
	      "bits are copied");
static_assert((int)ROUTE_BY_CLIENT == FLEET_BY_CLIENT && (int)ROUTE_BY_TENANT == FLEET_BY_TENANT &&
		      (int)ROUTE_BY_KEY == FLEET_BY_KEY && (int)ROUTE_BY_HEADER == FLEET_BY_HEADER,
	      "values are copied");
static_assert((int)ROUTE_KEYS_OFF == FLEET_KEYS_OFF && (int)ROUTE_KEYS_OPTIONAL == FLEET_KEYS_OPTIONAL &&
		      (int)ROUTE_KEYS_REQUIRED == FLEET_KEYS_REQUIRED,
	      "values are copied");

/* ---- routes ---- */

static struct route_text copy_text(struct arena *arena, const char *text)
{
	if (!text)
		return (struct route_text){NULL, 0};
	size_t length = strlen(text);
	return (struct route_text){arena_strndup(arena, text, length), (uint32_t)length};
}

static struct route_text *copy_texts(struct arena *arena, char *const *texts, size_t count)
{
	struct route_text *copies = arena_alloc(arena, (count ? count : 1) * sizeof *copies);

	for (size_t i = 0; i < count; i++)
		copies[i] = copy_text(arena, texts[i]);
	return copies;
}

static struct route_pair *copy_pairs(struct arena *arena, const struct fleet_pair *pairs, size_t count)
{
	struct route_pair *copies = arena_alloc(arena, (count ? count : 1) * sizeof *copies);

	for (size_t i = 0; i < count; i++)
		copies[i] = (struct route_pair){copy_text(arena, pairs[i].name),
						copy_text(arena, pairs[i].value)};
	return copies;
}

static struct route route_of(const struct build_service *service, const struct fleet_route *from,
			     uint32_t number)
{
	struct arena *arena = service->arena;

	assert(from->pool_at < service->pool_count);
	return (struct route){
		.number = number,
		.path = copy_text(arena, from->path),
		.exact = copy_text(arena, from->exact),
		.method_count = (uint16_t)from->method_count,
		.header_count = (uint16_t)from->header_count,
		.cookie_count = (uint16_t)from->cookie_count,
		.query_count = (uint16_t)from->query_count,
		.methods = copy_texts(arena, from->methods, from->method_count),
		.headers = copy_pairs(arena, from->headers, from->header_count),
		.cookies = copy_pairs(arena, from->cookies, from->cookie_count),
		.queries = copy_pairs(arena, from->queries, from->query_count),
		.pool = service->pools[from->pool_at].state->number,
		.timeout_ms = from->timeout_ms,
		.queue_ms = from->queue_ms,
		.rewrite_prefix = copy_text(arena, from->rewrite_prefix),
		.rewrite_host = copy_text(arena, from->rewrite_host),
		.add_count = (uint16_t)from->add_count,
		.remove_count = (uint16_t)from->remove_count,
		.upgrade_count = (uint16_t)from->upgrade_count,
		.add = copy_pairs(arena, from->add, from->add_count),
		.remove = copy_texts(arena, from->remove, from->remove_count),
		.upgrade = copy_texts(arena, from->upgrade, from->upgrade_count),
		.retry = from->retry,
		.body_bytes = from->body_bytes,
		.limit = build_rate(&from->limit, from->limit_burst),
		.limit_by = (enum route_limit_by)from->limit_by,
		.limit_header = copy_text(arena, from->limit_header),
		.keys = (enum route_keys)from->keys,
	};
}

static struct build_service *service_new(struct build *build, const struct fleet_service *from)
{
	struct arena *arena = arena_new();
	struct build_service *service = arena_alloc(arena, sizeof *service);

	assert(from->route_count <= ROUTES_MAX);
	service->arena = arena;
	service->from = from;
	build_pools_make(build, service);
	struct route *routes = arena_alloc(arena, (from->route_count + 1) * sizeof *routes);
	for (size_t i = 0; i < from->route_count; i++)
		routes[i] = route_of(service, &from->routes[i], (uint32_t)i);
	service->service =
		(struct route_service){.id = arena_strndup(arena, from->object.id, strlen(from->object.id)),
				       .number = from->object.number,
				       .route_count = (uint32_t)from->route_count,
				       .routes = routes};
	return service;
}

/* ---- the services of a build ---- */

static void service_give(struct build *build, void *part)
{
	struct build_service *service = part;

	build_pools_give(build, service);
	arena_free(service->arena);
}

static struct build_service *service_at(const struct build *build, uint32_t number)
{
	return number < build->services.count ? build->services.items[number] : NULL;
}

/* Takes its pools out of the numbers, where another has not taken them already. */
static void forget_pools(struct build *build, const struct build_service *service)
{
	for (size_t i = 0; i < service->pool_count; i++) {
		uint32_t number = service->pools[i].state->number;
		if (build->pools.items[number] == &service->pools[i]) {
			build_array_set(&build->pools, number, NULL);
			build->pool_count--;
		}
	}
}

void build_services_put(struct build *build, const struct fleet_service *from)
{
	struct build_service *old = service_at(build, from->object.number);
	struct build_service *service = service_new(build, from);

	if (old)
		forget_pools(build, old);
	else
		build->service_count++;
	for (size_t i = 0; i < service->pool_count; i++)
		build_array_set(&build->pools, service->pools[i].state->number, &service->pools[i]);
	build->pool_count += service->pool_count;
	build_array_set(&build->services, from->object.number, service);
	if (old)
		build_retire(build, service_give, old);
}

void build_services_remove(struct build *build, uint32_t number)
{
	struct build_service *old = service_at(build, number);

	assert(old && build->service_count > 0);
	forget_pools(build, old);
	build_array_set(&build->services, number, NULL);
	build->service_count--;
	build_retire(build, service_give, old);
}

static bool has_check(const struct build_service *service, const char *check)
{
	for (size_t i = 0; i < service->from->pool_count; i++)
		if (service->from->pools[i].check && strcmp(service->from->pools[i].check, check) == 0)
			return true;
	return false;
}

void build_services_again(struct build *build, const char *check)
{
	for (size_t i = 0; i < build->services.count; i++) {
		const struct build_service *service = build->services.items[i];
		if (service && (check ? has_check(service, check) : service->has_names))
			build_services_put(build, service->from);
	}
}

void build_services_done(struct build *build)
{
	for (size_t i = 0; i < build->services.count; i++)
		if (build->services.items[i])
			service_give(build, build->services.items[i]);
}
