/* VIPs by host name: what a region's list becomes with the addresses that its names have. */
#include "fleet_fixture.h"

struct known {
	const char *name;
	struct ip ips[80];
	size_t count;
};

static size_t addresses(void *user, const char *name, const struct ip **ret)
{
	struct known *known = user;
	for (; known->name; known++) {
		if (strcmp(known->name, name) != 0)
			continue;
		*ret = known->ips;
		return known->count;
	}
	return 0;
}

static struct fleet *fleet;
static struct fleet_vips *vips;

static int set_up(void **state)
{
	fleet = fleet_new();
	apply_good(fleet, FLEET_BASE,
		   "regions: {eu: {at: [1, 2]}, us: {at: [1, 2]}}\n"
		   "checks: {web: {type: tcp, port: 80}}\n"
		   "services: {s: {vips: {eu: [{name: LB.example, weight: 6, check: web}, 192.0.2.1, "
		   "b.example],\n"
		   "                      us: [192.0.2.9]}}}\n");
	vips = ((struct fleet_service *)fleet_get(fleet, FLEET_SERVICE, "s"))->vips;
	return 0;
}

static int tear_down(void **state)
{
	fleet_free(fleet);
	return 0;
}

static void expect(size_t at, const char *address, uint32_t weight, unsigned shares, const char *name)
{
	char text[IP_TEXT_MAX];
	assert_true(at < vips->count);
	ip_format(&vips->vips[at].ip, text);
	assert_string_equal(text, address);
	assert_int_equal(vips->vips[at].weight, weight);
	assert_int_equal(vips->vips[at].shares, shares);
	if (name)
		assert_string_equal(vips->vips[at].name, name);
	else
		assert_null(vips->vips[at].name);
}

static struct ip ip(const char *text)
{
	struct ip parsed;
	assert_true(ip_parse(text, &parsed));
	return parsed;
}

static void addresses_alone_count_until_a_name_is_known(void **state)
{
	struct known nothing[] = {{NULL}};
	assert_int_equal(vips->count, 1);
	assert_false(fleet_vips_resolve(vips, addresses, nothing));
	expect(0, "192.0.2.1", 1, 0, NULL);
	assert_false(fleet_vips_resolve(&vips[1], addresses, nothing)); /* no names at all */
}

static void each_address_is_a_vip_with_its_share(void **state)
{
	struct known known[] = {{"lb.example.", {ip("192.0.2.2"), ip("192.0.2.3"), ip("2001:db8::1")}, 3},
				{"b.example.", {ip("192.0.2.3"), ip("192.0.2.1"), ip("192.0.2.4")}, 3},
				{NULL}};
	assert_true(fleet_vips_resolve(vips, addresses, known));
	assert_int_equal(vips->count, 5);
	expect(0, "192.0.2.1", 1, 0, NULL);
	expect(1, "192.0.2.2", 6, 3, "lb.example.");
	expect(2, "192.0.2.3", 6, 3, "lb.example.");
	expect(3, "2001:db8::1", 6, 3, "lb.example.");
	expect(4, "192.0.2.4", 1, 1, "b.example."); /* the other two are VIPs of others already */
	assert_string_equal(vips->vips[1].check, "web");
	assert_false(fleet_vips_resolve(vips, addresses, known));
	known[0].count = 1;
	assert_true(fleet_vips_resolve(vips, addresses, known));
	expect(1, "192.0.2.2", 6, 1, "lb.example.");
	expect(2, "192.0.2.3", 1, 2, "b.example.");
}

static void a_region_never_holds_more_than_64(void **state)
{
	struct known known[] = {{"lb.example.", {{0}}, 80}, {NULL}};
	for (unsigned i = 0; i < 80; i++)
		known[0].ips[i] = (struct ip){4, {198, 51, 100, (uint8_t)i}};
	assert_true(fleet_vips_resolve(vips, addresses, known));
	assert_int_equal(vips->count, 64);
	assert_int_equal(vips->vips[63].shares, 63);
	assert_int_equal(vips->left_out, 80 - 63);
	known[0].count = 63;
	assert_false(fleet_vips_resolve(vips, addresses, known));
	assert_int_equal(vips->left_out, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(addresses_alone_count_until_a_name_is_known, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(each_address_is_a_vip_with_its_share, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_region_never_holds_more_than_64, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
