/*
 * Fleet, health and controls → world. Keeps the compiled parts and rebuilds only what a change
 * touched; the only caller of publish_swap.
 */
#pragma once
#include "gslb/compile/order_work.h"
#include "gslb/compile/world_source.h"
#include "gslb/decide/vip_input.h"
#include "lib/publish.h"

struct control_row;
struct world_builder;

/* Publishes through `published`, which stays the caller's. Nothing is published before the first load. */
struct world_builder *world_builder_new(struct event_base *base, struct publish *published);
void world_builder_free(struct world_builder *builder);
/* Publishes a world for a fleet that was loaded anew (start, reload): from now on worlds are compiled from
 * what `source` points at, until the next load. Takes over the references to geo (as read) and laid (with
 * `locations:` laid over), and the orders compiled over it. */
void world_builder_load(struct world_builder *builder, const struct world_source *source, struct places *geo,
			struct places *laid, struct order_cache *orders);
/* References to what the next load may use again: geography as read, as laid, and the orders. */
void world_builder_share(const struct world_builder *builder, struct places **ret_geo,
			 struct places **ret_laid, struct order_cache **ret_orders);
/* A fleet change that was applied, before it is made durable: true: it can be published without delay.
 * False: it has to be taken back; what it needs is being compiled, and world_builder_await tells when it may
 * be tried again. */
bool world_builder_is_prepared(struct world_builder *builder, const struct fleet_result *result);
void world_builder_await(struct world_builder *builder, order_work_ready_fn *ready, void *user);
/* Publishes what a fleet change touched. */
void world_builder_fleet_changed(struct world_builder *builder, const struct fleet_result *result,
				 uint64_t fleet_version);
/* A target's health changed: its services are recompiled and published 20 ms later, all changes of that
 * time in one world; what else is published meanwhile takes them along. vip NULL: every service. */
void world_builder_state_changed(struct world_builder *builder, const struct ip *vip);
/* What forwarders report of this service changed: the same. */
void world_builder_load_changed(struct world_builder *builder, uint32_t service);
/* Publishes what waits for those 20 ms. */
void world_builder_settle(struct world_builder *builder);
/* Controls changed at this moment: the services that they concern are recompiled and published when it
 * returns. Rows name the objects; the values are read from the source. */
void world_builder_controls_changed(struct world_builder *builder, const struct control_row *rows,
				    size_t count);
/* The service's compiled state now, for the API; NULL: none. */
const struct plan_service *world_builder_service(const struct world_builder *builder, uint32_t number);
const struct places *world_builder_places(const struct world_builder *builder);
/* A private world in which the what-ifs hold; caller frees it with world_free. */
struct world *world_builder_what_if(struct world_builder *builder, const struct what_if *what_if,
				    size_t count);
uint64_t world_builder_epoch(const struct world_builder *builder); /* of what is published; 0: nothing is */
uint64_t world_builder_index_builds(const struct world_builder *builder); /* times that all of it was built */
/* Number → object, for explain, status and metrics; NULL when gone. */
const struct fleet_tenant *world_builder_tenant(const struct world_builder *builder, uint32_t number);
