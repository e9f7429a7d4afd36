/*
 * Fleet, health and controls → world. Keeps the compiled parts and rebuilds only what a change
 * touched; the only caller of publish_swap.
 */
#pragma once
#include "gslb/control/control.h"

struct world_builder;

/* what_if: NULL, or changes of state that are only supposed. */
struct what_if {
	const char *region;  /* or */
	const char *address; /* canonical text */
	enum { WHAT_IF_STATE, WHAT_IF_SHARE } kind;
	bool is_up;
	int share; /* 0..100, SHARE_DOWN */
};

struct world_builder *world_builder_new(struct control *control);
void world_builder_free(struct world_builder *builder);
/* Publishes a world for a fleet that was loaded anew (start, reload) with these places. Takes over
 * the reference to places. */
void world_builder_load(struct world_builder *builder, struct places *places);
/* Publishes what a fleet change touched. */
void world_builder_fleet_changed(struct world_builder *builder, const struct fleet_result *result);
/* Recompiles the services that use the region, or the VIP, or all (both NULL), and publishes. */
void world_builder_state_changed(struct world_builder *builder, const char *region, const struct ip *vip);
/* A private world in which the what-ifs hold; caller frees it with world_free. */
struct world *world_builder_what_if(struct world_builder *builder, const struct what_if *what_if,
				    size_t count);
/* Number → object, for explain, status and metrics; NULL when gone. */
const struct fleet_tenant *world_builder_tenant(const struct world_builder *builder, uint32_t number);
