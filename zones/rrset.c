/* Record sets of one name. Any thread; the data path calls it. */
#include "zones/rrtype.h"
#include "zones/zone.h"

void rrset_set_layout(struct rrset *set)
{
	uint8_t offset;
	set->name_count = 0;
	rrtype_compressible(set->type, &set->name_prefix, &set->name_count);
	set->additional = rrtype_additional_offset(set->type, &offset) ? offset + 1 : 0;
}

const struct rrset *rrset_find(const struct rrset *sets, uint16_t type)
{
	while (sets && sets->type != type)
		sets = sets->next;
	return sets;
}
