/* Tenants: their names in the table of hosts, and their slots. Control thread. */
#include "forwarder/build/build_internal.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool is_host_letter(uint8_t octet)
{
	return (octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') || octet == '-' ||
	       octet == '_' || octet == '*';
}

/* The name as Host has it; 0: no client can ask for it. */
static size_t host_text(const uint8_t *wire, char out[static HOSTS_NAME_MAX + 1])
{
	size_t length = 0;

	for (; *wire; wire += *wire + 1) {
		if (length > 0)
			out[length++] = '.';
		for (unsigned i = 1; i <= *wire; i++) {
			if (!is_host_letter(wire[i]) || length > HOSTS_NAME_MAX - 1)
				return 0;
			out[length++] = (char)wire[i];
		}
	}
	assert(length <= HOSTS_NAME_MAX);
	return length;
}

static struct hosts_edit *edit_of(struct build *build)
{
	if (!build->edit) {
		size_t known = fleet_count(build->fleet, FLEET_TENANT);
		size_t before = build->previous ? build->previous->tenants : 0;
		build->edit = hosts_edit_new(build->hosts);
		if (!build->hosts)
			hosts_edit_expect(build->edit, known > before ? known : before);
	}
	return build->edit;
}

/* That of the build before, else a new one. */
static uint32_t take_slot(struct build *build, const char *id)
{
	const struct build *previous = build->previous;
	const struct fleet_object *old = previous ? fleet_get(previous->fleet, FLEET_TENANT, id) : NULL;

	if (old && old->number < previous->slot_capacity && previous->slots[old->number] != BUILD_NO_SLOT) {
		slots_share(build->shared.slots, previous->slots[old->number]);
		return previous->slots[old->number];
	}
	return slots_take(build->shared.slots, clock_mono_ms());
}

static uint32_t *slot_of(struct build *build, uint32_t number)
{
	if (number >= build->slot_capacity) {
		size_t from = build->slot_capacity;
		xgrow((void **)&build->slots, &build->slot_capacity, number + 1u, sizeof *build->slots);
		for (size_t i = from; i < build->slot_capacity; i++)
			build->slots[i] = BUILD_NO_SLOT;
	}
	return &build->slots[number];
}

void build_hosts_remove(struct build *build, const struct fleet_tenant *tenant, bool keeps_slot)
{
	uint32_t *slot = slot_of(build, tenant->object.number);
	char text[HOSTS_NAME_MAX + 1];

	assert(*slot != BUILD_NO_SLOT && build->tenants > 0);
	for (struct fleet_tenant_name at = {0}; fleet_tenant_next_name(tenant, &at);) {
		size_t length = host_text(at.name, text);
		if (length > 0)
			hosts_edit_remove(edit_of(build), text, length);
	}
	if (keeps_slot)
		return;
	slots_give(build->shared.slots, *slot, clock_mono_ms());
	*slot = BUILD_NO_SLOT;
	build->tenants--;
}

void build_hosts_put(struct build *build, const struct fleet_tenant *tenant)
{
	uint32_t *slot = slot_of(build, tenant->object.number);
	char text[HOSTS_NAME_MAX + 1];

	if (*slot == BUILD_NO_SLOT) {
		*slot = take_slot(build, tenant->object.id);
		build->tenants++;
	}
	const struct hosts_entry entry = {.policy = tenant->profile->number,
					  .state = *slot,
					  .tenant = tenant->object.id,
					  .tenant_length = (uint8_t)strlen(tenant->object.id)};
	for (struct fleet_tenant_name at = {0}; fleet_tenant_next_name(tenant, &at);) {
		size_t length = host_text(at.name, text);
		if (length > 0)
			hosts_edit_put(edit_of(build), text, length, &entry);
	}
}

void build_hosts_done(struct build *build)
{
	uint64_t now_ms = clock_mono_ms();

	for (size_t i = 0; i < build->slot_capacity; i++)
		if (build->slots[i] != BUILD_NO_SLOT)
			slots_give(build->shared.slots, build->slots[i], now_ms);
	if (build->edit)
		hosts_edit_cancel(build->edit);
	hosts_unref(build->hosts);
	free(build->slots);
}
