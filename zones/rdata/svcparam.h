/*
 * Parameters of SVCB and HTTPS records (RFC 9460): presentation form → wire form, and what the wire form may
 * hold. Keys are IANA's; others are keyNNNNN. Pure; it allocates. Control path.
 */
#pragma once
#include "zones/rdata/rdata_fields.h"
#include "zones/zone_lex.h"

/* The words as parameters, in the order of their keys. False with a reason when they are none, or do not go
 * together (RFC 9460 §2.4.3). *ret_octets is the caller's to free. */
bool svcparam_read(const struct zone_word *words, size_t count, uint8_t **ret_octets, size_t *ret_length,
		   char reason[static RDATA_REASON_MAX]);
/* The same rules for what is in wire form already. */
bool svcparam_check(const uint8_t *octets, size_t length, char reason[static RDATA_REASON_MAX]);
