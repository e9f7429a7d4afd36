/*
 * The table of verbs: one row each, in the order of gslbctl --help, those of a group together. The file of
 * tools/verbs that defines verb_NAME says what the verb takes and does; help, completion and the manual page
 * follow from that. One thread.
 */
#include "tools/ctl_verbs.h"
#include "tools/ctl.h"

#define VERBS(VERB)             \
	VERB(status)            \
	VERB(regions)           \
	VERB(vips)              \
	VERB(explain)           \
	VERB(tail)              \
	VERB(top)               \
	VERB(forwarders)        \
	VERB(load)              \
	VERB(audit)             \
	VERB(region_drain)      \
	VERB(region_force_down) \
	VERB(region_restore)    \
	VERB(vip_drain)         \
	VERB(vip_restore)       \
	VERB(origin_drain)      \
	VERB(origin_restore)    \
	VERB(flip)              \
	VERB(tenants)           \
	VERB(tenant_show)       \
	VERB(tenant_add)        \
	VERB(tenant_set)        \
	VERB(tenant_remove)     \
	VERB(tenant_import)     \
	VERB(apply)             \
	VERB(export)            \
	VERB(check)             \
	VERB(schema)            \
	VERB(origins)           \
	VERB(route)             \
	VERB(certificates)      \
	VERB(usage)             \
	VERB(zone_check)        \
	VERB(backup)            \
	VERB(restore)           \
	VERB(completion)        \
	VERB(reload)

#define DECLARE(name) extern const struct ctl_verb verb_##name;
VERBS(DECLARE)

#define ADDRESS(name) &verb_##name,
static const struct ctl_verb *const verbs[] = {VERBS(ADDRESS)};

const struct ctl_verb *const *ctl_verbs(size_t *ret_count)
{
	*ret_count = sizeof verbs / sizeof *verbs;
	return verbs;
}
