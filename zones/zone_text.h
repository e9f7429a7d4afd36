/* Master-file text → records, RFC 1035 §5 with $TTL (RFC 2308 §4) and $INCLUDE. Control path. */
#pragma once
#include "lib/arena.h"
#include "lib/err.h"
#include "zones/name.h"

#define ZONE_INCLUDE_DEPTH_MAX 16
#define ZONE_ERRORS_MAX 100 /* reading stops there */

struct zone_record {
	const char *file; /* lives in the arena */
	uint32_t line;	  /* on which the record begins */
	uint32_t ttl;
	uint16_t type;
	const struct name *owner; /* lower case */
	const uint8_t *rdata;	  /* valid for its type, names not compressed */
	size_t length;
};

struct zone_text {
	const struct name *name; /* the first origin */
	const char *path, *text; /* exactly one is not NULL */
	const char *label;	 /* of the text, in messages */
	struct arena *arena;
	struct err_list *errors;
	void (*record)(void *context, const struct zone_record *record);
	void *context;
	/* filled: */
	uint64_t content_hash;
	int64_t modified_unix_s;
	bool was_read_whole; /* down to the end, all files */
	bool has_soa;	     /* even one that was refused */
};

void zone_text_read(struct zone_text *text);
