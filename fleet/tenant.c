/*
 * Tenants in memory: behind the fixed part stand the id, the names in wire form (hosts, then domains)
 * and the hosts as written, each directly behind the other. The host that the id says is not stored.
 * Control thread.
 */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static char *put(char *at, const void *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

static char *put_names(char *at, const struct name *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		at = put(at, names[i].octets, names[i].length);
	return at;
}

static size_t names_size(const struct name *names, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += names[i].length;
	return size;
}

struct fleet_tenant *fleet_tenant_new(const char *id, struct fleet_profile *profile, const struct name *hosts,
				      const char *const *written, size_t host_count,
				      const struct name *domains, size_t domain_count)
{
	size_t stored = hosts ? host_count : 0;
	size_t size = offsetof(struct fleet_tenant, rest) + strlen(id) + 1 + names_size(hosts, stored) +
		      names_size(domains, domain_count);

	for (size_t i = 0; i < stored; i++)
		size += strlen(written[i]) + 1;
	if (size < sizeof(struct fleet_tenant))
		size = sizeof(struct fleet_tenant);
	assert(profile && host_count <= UINT16_MAX && domain_count <= UINT16_MAX);
	struct fleet_tenant *tenant = xmalloc(size);
	memset(tenant, 0, sizeof *tenant);
	tenant->object.kind = FLEET_TENANT;
	tenant->object.id = tenant->rest;
	tenant->profile = profile;
	tenant->host_count = (uint16_t)host_count;
	tenant->domain_count = (uint16_t)domain_count;
	tenant->has_hosts = hosts != NULL;
	char *at = put(tenant->rest, id, strlen(id) + 1);
	at = put_names(at, hosts, stored);
	at = put_names(at, domains, domain_count);
	for (size_t i = 0; i < stored; i++)
		at = put(at, written[i], strlen(written[i]) + 1);
	assert(at <= (char *)tenant + size);
	return tenant;
}

void fleet_tenant_free(struct fleet_tenant *tenant)
{
	fleet_profile_unref(tenant->profile);
	if (tenant->is_settled) {
		slab_release(tenant);
		return;
	}
	if (tenant->object.source == FLEET_BASE)
		free(tenant->object.where);
	free(tenant);
}

/* ---- names ---- */

static const uint8_t *stored_names(const struct fleet_tenant *tenant)
{
	return (const uint8_t *)tenant->rest + strlen(tenant->rest) + 1;
}

/* <id>.<zone>; the reader refuses a tenant whose name would be too long. */
static const uint8_t *own_name(const struct fleet_tenant *tenant, struct name *out)
{
	size_t id_length = strlen(tenant->object.id), zone_length = name_length(tenant->profile->zone);

	assert(1 + id_length + zone_length <= NAME_MAX_OCTETS);
	out->length = (uint8_t)(1 + id_length + zone_length);
	out->octets[0] = (uint8_t)id_length;
	memcpy(out->octets + 1, tenant->object.id, id_length);
	memcpy(out->octets + 1 + id_length, tenant->profile->zone, zone_length);
	return out->octets;
}

bool fleet_tenant_next_name(const struct fleet_tenant *tenant, struct fleet_tenant_name *at)
{
	assert(at->passed <= (size_t)tenant->host_count + tenant->domain_count);
	if (at->passed == (size_t)tenant->host_count + tenant->domain_count)
		return false;
	at->is_domain = at->passed >= tenant->host_count;
	at->index = at->passed - (at->is_domain ? tenant->host_count : 0);
	at->passed++;
	if (!at->is_domain && !tenant->has_hosts) {
		at->name = own_name(tenant, &at->own);
		return true;
	}
	at->name = at->next ? at->next : stored_names(tenant);
	at->next = at->name + name_length(at->name);
	return true;
}

const char *fleet_tenant_hosts_written(const struct fleet_tenant *tenant)
{
	const uint8_t *at = stored_names(tenant);
	size_t stored = (tenant->has_hosts ? tenant->host_count : 0u) + (size_t)tenant->domain_count;

	for (size_t i = 0; i < stored; i++)
		at += name_length(at);
	return (const char *)at;
}

static size_t size_of(const struct fleet_tenant *tenant)
{
	const char *end = tenant->rest + strlen(tenant->rest) + 1;

	if (tenant->has_hosts || tenant->domain_count > 0)
		end = fleet_tenant_hosts_written(tenant);
	for (size_t i = 0; tenant->has_hosts && i < tenant->host_count; i++)
		end += strlen(end) + 1;
	return (size_t)(end - (const char *)tenant);
}

/* Behind a base object follows where it stands. */
struct fleet_tenant *fleet_tenant_settle(struct fleet_tenant *tenant, struct slab *slab)
{
	bool is_base = tenant->object.source == FLEET_BASE;
	size_t size = size_of(tenant), where_at = (size + 7) & ~(size_t)7;
	size_t whole = is_base ? where_at + sizeof(struct fleet_where) : size;

	assert(!tenant->is_settled);
	if (whole > SLAB_SIZE_MAX)
		return tenant;
	struct fleet_tenant *settled = slab_alloc(slab, whole);
	memcpy(settled, tenant, size);
	settled->object.id = settled->rest;
	settled->is_settled = true;
	if (is_base) {
		settled->object.where = (struct fleet_where *)(void *)((char *)settled + where_at);
		*settled->object.where = *tenant->object.where;
		free(tenant->object.where);
	}
	free(tenant);
	return settled;
}

bool fleet_tenant_is_implied(const struct fleet_tenant *tenant, const uint8_t *name)
{
	size_t length = strlen(tenant->object.id);

	return !tenant->has_hosts && tenant->host_count == 1 && name[0] == length &&
	       memcmp(name + 1, tenant->object.id, length) == 0 &&
	       name_equal(name + 1 + length, tenant->profile->zone);
}
