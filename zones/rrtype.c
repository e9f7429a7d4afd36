/* RDATA in presentation form, by ldns. Control path: it allocates. */
#include "zones/rrtype.h"
#include "lib/mem.h"
#include "zones/rdata/rdata_check.h"
#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

/* The generic form of RFC 3597 §5, cut where `out` ends. */
static void write_generic(const uint8_t *rdata, size_t length, char *out, size_t size)
{
	int at = snprintf(out, size, "\\# %zu%s", length, length ? " " : "");

	for (size_t i = 0; i < length && (size_t)at + 2 < size; i++)
		at += snprintf(out + at, size - (size_t)at, "%02X", rdata[i]);
}

/* The text behind the four fields (owner, TTL, class, type) that ldns writes first. */
static const char *behind_head(const char *text)
{
	for (int tabs = 0; text && tabs < 4; tabs++) {
		text = strchr(text, '\t');
		text = text ? text + 1 : NULL;
	}
	return text;
}

bool rrtype_rdata_to_text(uint16_t type, const uint8_t *rdata, size_t length, char *out, size_t size)
{
	char reason[RDATA_REASON_MAX];

	if (length > UINT16_MAX || !rdata_check(type, rdata, length, reason)) {
		write_generic(rdata, length, out, size);
		return false;
	}
	/* root owner, type, class IN, TTL 0, RDLENGTH */
	uint8_t head[11] = {0, (uint8_t)(type >> 8),   (uint8_t)type,  0, RR_CLASS_IN, 0, 0, 0,
			    0, (uint8_t)(length >> 8), (uint8_t)length};
	uint8_t *wire = xmalloc(sizeof head + length);
	memcpy(wire, head, sizeof head);
	if (length)
		memcpy(wire + sizeof head, rdata, length);

	ldns_rr *rr = NULL;
	size_t at = 0;
	ldns_status status = ldns_wire2rr(&rr, wire, sizeof head + length, &at, LDNS_SECTION_ANSWER);
	char *text = status == LDNS_STATUS_OK ? ldns_rr2str(rr) : NULL;
	const char *data = behind_head(text);
	bool is_good = data && *data;

	if (is_good) {
		size_t end = strcspn(data, "\n");
		while (end && data[end - 1] == ' ')
			end--;
		snprintf(out, size, "%.*s", (int)end, data);
	} else {
		write_generic(rdata, length, out, size);
	}
	free(text);
	ldns_rr_free(rr);
	free(wire);
	return is_good;
}
