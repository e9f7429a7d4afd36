/*
 * From a fleet to what workers read (forwarder/plan/world.h), step by step: a tenant that changes costs the
 * shards of its names and at most one policy. A build belongs to one fleet and follows it; what it shares
 * with the build before it (slots of tenants, origins, pools) goes on as it was. Worlds point to its parts: a
 * part that was replaced is freed by build_settle(), when no worker can see it any more. Control thread.
 */
#pragma once
#include "fleet/fleet.h"
#include "forwarder/build/origins.h"
#include "forwarder/build/slots.h"
#include "forwarder/plan/world.h"

struct build;

struct build_shared {
	struct origins *origins;
	struct slots *slots;
	const char *region; /* of this node */
	const unsigned
		*nodes; /* forwarders of the region, ≥ 1: each enforces its part of a tenant's limits */
	fleet_addresses_fn *addresses; /* of origins by name, absolute; NULL: none are known */
	void *addresses_user;
};

/* Of a fleet that build_follow() will bring everything of, or that build_step() walks. `previous` (NULL:
 * none): whose tenants keep their slots; it lives until build_settle(). What `shared` points to outlives it.
 */
struct build *build_new(const struct build_shared *shared, const struct fleet *fleet,
			const struct build *previous);
/* When no world has its parts. NULL is fine. */
void build_free(struct build *build);

/* All of a fleet that stands: some `most` tenants; true: there is more. */
bool build_step(struct build *build, size_t most);
/* What an accepted change has touched; before fleet_result_done. */
void build_follow(struct build *build, const struct fleet_result *result);
/* There are more or fewer forwarders now. */
void build_nodes_changed(struct build *build);
/* Names of origins have other addresses. */
void build_addresses_changed(struct build *build);

/* Of origins that are used here, absolute; some of them more than once. The caller frees each, and the list.
 */
size_t build_names(const struct build *build, char ***ret);

/* Something is not in the last world. */
bool build_is_changed(const struct build *build);
/* A world of the parts as they are, to be published: epoch, settings and certificates are the caller's. To be
 * freed by free(). */
struct world *build_world(struct build *build);
/* That world is published, and no worker has one from before it. */
void build_settle(struct build *build);

struct build_counts {
	size_t tenants, hosts, host_bytes, policies, services, pools;
};
void build_count(const struct build *build, struct build_counts *ret);

struct build_tenant {
	uint32_t slot;
	const struct policy *policy; /* lives until the next change */
};
/* False: the build has no such tenant. */
bool build_find_tenant(const struct build *build, const char *id, struct build_tenant *ret);
