/*
 * Who has which slot of world->states: a tenant keeps its slot as long as any build knows it, and one that
 * was left is given to another when nobody can count in it any more. Control thread.
 */
#pragma once
#include "forwarder/plan/tenant_state.h"
#include <stddef.h>

#define SLOTS_MAX 12000000u /* tenants, and slots that were left a while ago */
#define SLOTS_GRACE_MS 60000

struct slots;

struct slots *slots_new(void);
void slots_free(struct slots *slots); /* when no worker runs any more; NULL is fine */
struct tenant_state *slots_states(const struct slots *slots);
/* A zeroed one with one reference. now_ms: monotonic, here and below. */
uint32_t slots_take(struct slots *slots, uint64_t now_ms);
void slots_share(struct slots *slots, uint32_t slot); /* one reference more */
void slots_give(struct slots *slots, uint32_t slot, uint64_t now_ms);
size_t slots_used(const struct slots *slots); /* with a reference */
