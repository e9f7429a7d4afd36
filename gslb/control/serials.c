/* Zones keep their serial in the fleet; the SOA that is answered follows. Control thread. */
#include "gslb/control/serials.h"
#include <sys/stat.h>

/* ---- after a change ---- */

static void renew(const struct fleet *fleet, const char *zone_id, int64_t now_unix_s)
{
	struct fleet_zone *zone = (struct fleet_zone *)fleet_get(fleet, FLEET_ZONE, zone_id);
	if (!zone || !zone->serial_is_change || now_unix_s <= zone->zone->serial)
		return;
	zone->changed_unix_s = now_unix_s;
	zone_renew_serial(zone->zone, (uint32_t)now_unix_s);
}

/* A new object with the serial of its text: the one that it replaces says how far the serials got. */
static void renew_of_zone(const struct fleet *fleet, const struct fleet_touched *touched, int64_t now_unix_s)
{
	const struct fleet_zone *before = (const struct fleet_zone *)touched->before;
	if (before && before->serial_is_change && before->changed_unix_s > now_unix_s)
		now_unix_s = before->changed_unix_s;
	renew(fleet, touched->after->id, now_unix_s);
}

static void renew_of_tenant(const struct fleet *fleet, const struct fleet_object *object, int64_t now_unix_s)
{
	char text[NAME_TEXT_MAX];
	if (!object)
		return;
	name_to_text(((const struct fleet_tenant *)object)->profile->zone, text);
	renew(fleet, text, now_unix_s);
}

void serials_renew(const struct fleet *fleet, const struct fleet_result *result, int64_t now_unix_s)
{
	for (size_t i = 0; i < result->touched_count; i++) {
		const struct fleet_touched *touched = &result->touched[i];
		if (touched->kind == FLEET_ZONE && touched->after)
			renew_of_zone(fleet, touched, now_unix_s);
		if (touched->kind != FLEET_TENANT)
			continue;
		renew_of_tenant(fleet, touched->before, now_unix_s);
		renew_of_tenant(fleet, touched->after, now_unix_s);
	}
}

/* ---- after a start and a reload ---- */

static int64_t changed_unix_s(const struct fleet *fleet, const char *id)
{
	const struct fleet_zone *zone = (const struct fleet_zone *)fleet_get(fleet, FLEET_ZONE, id);
	return zone && zone->serial_is_change ? zone->changed_unix_s : 0;
}

void serials_restore(const struct fleet *fleet, const struct fleet *served, const struct node_config *config,
		     int64_t store_unix_s)
{
	int64_t files_unix_s = 0;
	for (size_t i = 0; i < config->fleet_count; i++) {
		struct stat st;
		if (stat(config->fleet[i], &st) == 0 && st.st_mtim.tv_sec > files_unix_s)
			files_unix_s = st.st_mtim.tv_sec;
	}
	size_t at = 0;
	for (struct fleet_object *object; (object = fleet_next(fleet, FLEET_ZONE, &at));) {
		struct fleet_zone *zone = (struct fleet_zone *)object;
		if (!zone->serial_is_change)
			continue;
		/* A zone that is served knows what the store brought it; else the store's last change of all
		 * is as near as can be told. */
		zone->changed_unix_s = changed_unix_s(served, object->id);
		if (zone->changed_unix_s == 0)
			zone->changed_unix_s = store_unix_s;
		if (files_unix_s > zone->changed_unix_s)
			zone->changed_unix_s = files_unix_s;
		if (zone->zone->modified_unix_s > zone->changed_unix_s)
			zone->changed_unix_s = zone->zone->modified_unix_s;
		if (zone->changed_unix_s > zone->zone->serial)
			zone_set_serial(zone->zone, (uint32_t)zone->changed_unix_s);
	}
}
