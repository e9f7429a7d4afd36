/* Whether RDATA in wire form has what its type wants. Pure. Control path. */
#pragma once
#include "zones/rdata/rdata_fields.h"

/* Names not compressed. False with the reason; types without a known layout allow anything. */
bool rdata_check(uint16_t type, const uint8_t *rdata, size_t length, char reason[static RDATA_REASON_MAX]);
