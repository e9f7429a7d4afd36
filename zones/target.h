/* Names in RDATA that were meant as addresses. Control path. */
#pragma once
#include "zones/zone.h"

/* Whether the record of this type points to a name that is the text of an address, by itself or relative to
 * the apex: "MX 10 192.0.2.1" in example.net is a name, 192.0.2.1.example.net. *ret: the name. `set`: what
 * rrset_set_layout() knows of the type. */
bool target_is_address(const struct rrset *set, const uint8_t *rdata, const struct name *apex,
		       const uint8_t **ret);
