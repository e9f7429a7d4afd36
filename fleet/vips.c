/*
 * VIPs by host name: a region's list as written becomes the list of addresses that is answered and
 * probed. Control thread.
 */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool has_address(const struct fleet_vip *vips, size_t count, const struct ip *ip)
{
	for (size_t i = 0; i < count; i++)
		if (ip_equal(&vips[i].ip, ip))
			return true;
	return false;
}

static bool is_same(const struct fleet_vips *vips, const struct fleet_vip *now, size_t count)
{
	if (vips->count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!ip_equal(&vips->vips[i].ip, &now[i].ip) || vips->vips[i].shares != now[i].shares)
			return false;
	return true;
}

/* Addresses as written come first, so that a name never takes the place of one. */
static size_t expand(const struct fleet_vips *vips, fleet_addresses_fn *addresses, void *user,
		     struct fleet_vip *out, size_t *ret_left_out)
{
	size_t count = 0, left_out = 0;
	for (size_t i = 0; i < vips->written_count; i++)
		if (!vips->written[i].name)
			out[count++] = vips->written[i];
	for (size_t i = 0; i < vips->written_count; i++) {
		const struct fleet_vip *from = &vips->written[i];
		const struct ip *ips = NULL;
		size_t known = from->name ? addresses(user, from->name, &ips) : 0, first = count;
		for (size_t a = 0; a < known; a++) {
			if (has_address(out, count, &ips[a]))
				continue; /* another VIP has it: one address is one VIP */
			if (count == FLEET_VIPS_PER_REGION_MAX) {
				left_out++;
				continue;
			}
			out[count] = *from;
			out[count++].ip = ips[a];
		}
		for (size_t a = first; a < count; a++)
			out[a].shares = (uint8_t)(count - first);
	}
	*ret_left_out = left_out;
	return count;
}

bool fleet_vips_resolve(struct fleet_vips *vips, fleet_addresses_fn *addresses, void *user)
{
	if (!vips->has_names)
		return false;
	struct fleet_vip *now = xcalloc(FLEET_VIPS_PER_REGION_MAX, sizeof *now);
	size_t count = expand(vips, addresses, user, now, &vips->left_out);
	assert(count <= FLEET_VIPS_PER_REGION_MAX);
	if (is_same(vips, now, count)) {
		free(now);
		return false;
	}
	free(vips->resolved);
	vips->resolved = vips->vips = now;
	vips->count = count;
	return true;
}
