/* Record sets of one name. Any thread; the data path calls it. */
#include "zones/zone.h"

const struct rrset *rrset_find(const struct rrset *sets, uint16_t type)
{
	while (sets && sets->type != type)
		sets = sets->next;
	return sets;
}
