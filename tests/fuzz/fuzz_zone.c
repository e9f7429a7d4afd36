/* Zone text: whatever loads can be indexed, found and printed. */
#include "lib/mem.h"
#include "tests/fuzz/fuzz_target.h"
#include "zones/index.h"
#include "zones/rdata/rdata_check.h"
#include "zones/rrtype.h"
#include "zones/zone_lex.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Octets that zone_load's text cannot have reach the splitter this way. */
static void split(const uint8_t *data, size_t size)
{
	struct zone_lex lex;
	struct zone_entry entry;

	zone_lex_init(&lex, (const char *)data, size);
	while (zone_lex_next(&lex, &entry)) {
		assert(entry.count || entry.reason);
		for (size_t i = 0; i < entry.count; i++) {
			for (const char *p = entry.words[i].text; *p; p++)
				assert(*p >= ' ' && *p < 0x7f);
		}
	}
	zone_lex_done(&lex);
}

static void print(const struct rrset *set)
{
	static char text[300000];

	for (const uint8_t *at = set->wire; at < set->wire + set->wire_length;) {
		size_t length = (size_t)at[10] << 8 | at[11];
		assert(rdata_check(set->type, at + 12, length, text));
		rrtype_rdata_to_text(set->type, at + 12, length, text, sizeof text);
		at += 12 + length;
	}
}

static void check(struct zone *zone)
{
	struct index_edit *edit = index_edit_new(NULL);
	size_t names = 0;

	index_edit_add_zone(edit, zone);
	struct index *index = index_edit_done(edit);
	for (const struct zone_node *node = zone->nodes; node; node = node->next, names++) {
		uint64_t hash = name_hash(node->name, node->name_length);
		struct find found = index_find(index, node->name, node->name_length, hash);
		if (node->flags & ZONE_NODE_OCCLUDED)
			assert(found.kind == FIND_CUT || found.kind == FIND_DNAME);
		else
			assert(found.kind == (node->flags & ZONE_NODE_CUT ? FIND_CUT : FIND_EXACT));
		assert(zone_find(zone, node->name, NULL) == node);
		for (const struct rrset *set = node->sets; set; set = set->next)
			print(set);
	}
	assert(names == zone->node_count && names == index_names(index));
	index_unref(index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct err_list errors = {0};
	struct name apex;

	split(data, size);
	name_from_text("app.example.net", NULL, &apex);
	struct zone *zone = zone_load(&apex, NULL, text, "text", &errors);
	assert((!zone) == err_has_errors(&errors));
	if (zone)
		check(zone);
	zone_unref(zone);
	err_done(&errors);
	free(text);
	return 0;
}
