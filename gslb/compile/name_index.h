/* Zones and tenants of the fleet → name index. Control thread. */
#pragma once
#include "fleet/fleet.h"
#include "zones/index.h"

void name_index_add_zones(struct index_edit *edit, const struct fleet *fleet);
/* Hosts, and the custom domains that a served zone holds. */
void name_index_add_tenant(struct index_edit *edit, const struct fleet *fleet,
			   const struct fleet_tenant *tenant, uint32_t policy);
void name_index_remove_tenant(struct index_edit *edit, const struct fleet_tenant *tenant);
