/* What objects demand of each other: references, residency, one owner for a name, static records. */
#include "fleet_fixture.h"

#define BASE                                                                                                \
	"regions: {eu: {at: [1, 2]}, us: {at: [3, 4]}}\n"                                                   \
	"services: {shop: {vips: {eu: [192.0.2.7]}}}\n"                                                     \
	"zones:\n"                                                                                          \
	"  z.example: {text: \"@ IN SOA n h 1 2 3 4 5\\n@ NS n\\nn A 192.0.2.1\\nsub NS ns.sub\\nns.sub A " \
	"192.0.2.2\\nd DNAME x.test.\\n6 AAAA ::1\\nc CNAME n\\nh HTTPS 1 . alpn=h2\\ns SVCB 1 .\\nm MX 1 " \
	"n\\n*.w TXT a\\n*.v A 192.0.2.3\\n\"}\n"

static const struct broken broken[] = {
	{BASE "tenants:\n"
	      "  t: {zone: z.exampel, service: shp, regions: [ue, eu]}\n",
	 "f:6:13: unknown zone 'z.exampel.'; did you mean 'z.example.'?\n"
	 "f:6:33: unknown service 'shp'; did you mean 'shop'?\n"
	 "f:6:48: unknown region 'ue'; there is eu, us\n"},
	{BASE "tiers: {gold: {}, silver: {}}\n"
	      "tenants:\n"
	      "  t: {zone: z.example, service: shop, tier: glod, regions: [eu]}\n"
	      "  u: {zone: z.example, service: shop, regions: [us], tier: x}\n",
	 "f:7:45: unknown tier 'glod'; did you mean 'gold'?\n"
	 "f:8:49: none of the tenant's regions has a VIP of service 'shop'; it has some in eu\n"
	 "f:8:60: unknown tier 'x'; there is gold, silver\n"},
	{BASE "tenants:\n"
	      "  t: {zone: z.example, service: shop, regions: [us]}\n",
	 "f:6:49: none of the tenant's regions has a VIP of service 'shop'; it has some in eu\n"},
	{BASE "tenants:\n"
	      "  t: {zone: z.example, service: shop, regions: []}\n",
	 "f:6:3: none of the tenant's regions has a VIP of service 'shop'; it has some in eu\n"},
	{BASE "tenants:\n"
	      "  t: {zone: z.example, service: shop, hosts: [a.other.]}\n",
	 "f:6:47: host 'a.other.' lies outside its zone 'z.example.'; a customer's own name goes under "
	 "'domains'\n"},
	{BASE "tenants:\n"
	      "  t: {zone: z.example, service: shop, hosts: [a.sub, sub, ns.sub, a.b.d, d]}\n",
	 "f:6:47: host 'a.sub.z.example.' lies below the zone cut at 'sub.z.example.'\n"
	 "f:6:54: host 'sub.z.example.' is a zone cut: it has NS records\n"
	 "f:6:59: host 'ns.sub.z.example.' lies below the zone cut at 'sub.z.example.'\n"
	 "f:6:67: host 'a.b.d.z.example.' lies below the DNAME at 'd.z.example.'\n"
	 "f:6:74: host 'd.z.example.' has static records of type DNAME in its zone; a tenant's name owns A, "
	 "AAAA, HTTPS and SVCB and admits no CNAME or DNAME\n"},
	{BASE "tenants:\n"
	      "  a: {zone: z.example, service: shop}\n"
	      "  b: {zone: z.example, service: shop, hosts: [x, a]}\n",
	 "f:7:50: host 'a.z.example.' already belongs to tenant 'a'\n"},
	{BASE "tenants:\n"
	      "  a: {zone: z.example, service: shop, domains: [www.c.test]}\n"
	      "  b: {zone: z.example, service: shop, domains: [WWW.C.test.]}\n",
	 "f:7:49: domain 'www.c.test.' already belongs to tenant 'a'\n"},
	{BASE "tenants:\n"
	      "  n: {zone: z.example, service: shop}\n",
	 "f:6:3: host 'n.z.example.' has static records of type A in its zone; a tenant's name owns A, AAAA, "
	 "HTTPS and SVCB and admits no CNAME or DNAME\n"},
	{BASE "tenants:\n"
	      "  t: {zone: z.example, service: shop, hosts: ['6', c, h, s, '*.v']}\n",
	 "f:6:47: host '6.z.example.' has static records of type AAAA in its zone; a tenant's name owns A, "
	 "AAAA, HTTPS and SVCB and admits no CNAME or DNAME\n"
	 "f:6:52: host 'c.z.example.' has static records of type CNAME in its zone; a tenant's name owns A, "
	 "AAAA, HTTPS and SVCB and admits no CNAME or DNAME\n"
	 "f:6:55: host 'h.z.example.' has static records of type HTTPS in its zone; a tenant's name owns A, "
	 "AAAA, HTTPS and SVCB and admits no CNAME or DNAME\n"
	 "f:6:58: host 's.z.example.' has static records of type SVCB in its zone; a tenant's name owns A, "
	 "AAAA, HTTPS and SVCB and admits no CNAME or DNAME\n"
	 "f:6:61: host '*.v.z.example.' has static records of type A in its zone; a tenant's name owns A, "
	 "AAAA, HTTPS and SVCB and admits no CNAME or DNAME\n"},
	{BASE "tenants:\n"
	      "  t: {zone: z.example, service: shop, domains: [n.z.example, x.sub.z.example]}\n",
	 "f:6:49: domain 'n.z.example.' has static records of type A in its zone; a tenant's name owns A, "
	 "AAAA, HTTPS and SVCB and admits no CNAME or DNAME\n"
	 "f:6:62: domain 'x.sub.z.example.' lies below the zone cut at 'sub.z.example.'\n"},
	{BASE "  y.z.example: {text: \"@ SOA n h 1 2 3 4 5\\n@ NS n.z.example.\\n\"}\n"
	      "tenants:\n"
	      "  t: {zone: z.example, service: shop, hosts: [a.y, y]}\n",
	 "f:7:47: host 'a.y.z.example.' lies outside its zone 'z.example.': zone 'y.z.example.' is served "
	 "too and holds it\n"
	 "f:7:52: host 'y.z.example.' lies outside its zone 'z.example.': zone 'y.z.example.' is served too "
	 "and holds it\n"},
	{"regions: {eu: {at: [1, 2]}}\n"
	 "maps:\n"
	 "  m: {EU: [eu, ue], default: [[eu], [us, xx]]}\n",
	 "f:3:16: unknown region 'ue'; there is eu\n"
	 "f:3:38: unknown region 'us'; there is eu\n"
	 "f:3:42: unknown region 'xx'; there is eu\n"},
	{"regions: {eu: {at: [1, 2]}}\n"
	 "checks:\n"
	 "  web: {type: http}\n"
	 "services:\n"
	 "  s: {check: wbe, steering: {order: map, map: m, regions: [eu, ue]}, vips: {eu: [192.0.2.1, "
	 "{address: 192.0.2.2, check: nope}], ue: [192.0.2.1]}}\n",
	 "f:5:14: unknown check 'wbe'; did you mean 'web'?\n"
	 "f:5:47: unknown map 'm'; there are no maps\n"
	 "f:5:64: unknown region 'ue'; there is eu\n"
	 "f:5:121: unknown check 'nope'; there is web\n"
	 "f:5:129: unknown region 'ue'; there is eu\n"},
	/* What can be read of a broken object is checked, too; a list that holds errors waits for its mend.
	 */
	{BASE
	 "maps: {m: {EU: [eu, ue], AF: [ue, U!], default: 5}}\n"
	 "checks: {web: {type: tcp}}\n"
	 "tenants:\n"
	 "  t: {zone: z.exampel, service: shpo, tier: x, regions: [us], hosts: [n.z.example.], stat: on}\n"
	 "  u: {zone: z.example, service: shpo, regions: [EU, ue], domains: [n.z.example]}\n"
	 "  v: {service: shpo, hosts: [a]}\n"
	 "  w: {zone: z.example, service: 5.5, hosts: [n], state: off}\n",
	 "f:5:21: unknown region 'ue'; there is eu, us\n"
	 "f:5:35: 'U!' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"
	 "f:5:49: must be a list of regions, a list of tiers [[a, b], [c]], or nearest, not a value\n"
	 "f:6:15: missing key 'port'; type tcp has no default\n"
	 "f:8:13: unknown zone 'z.exampel.'; did you mean 'z.example.'?\n"
	 "f:8:33: unknown service 'shpo'; did you mean 'shop'?\n"
	 "f:8:45: unknown tier 'x'; there are no tiers\n"
	 "f:8:86: unknown key 'stat'; did you mean 'state'?\n"
	 "f:9:33: unknown service 'shpo'; did you mean 'shop'?\n"
	 "f:9:49: 'EU' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"
	 "f:9:68: domain 'n.z.example.' has static records of type A in its zone; a tenant's name owns A, "
	 "AAAA, HTTPS and SVCB and admits no CNAME or DNAME\n"
	 "f:10:6: missing key 'zone'\n"
	 "f:10:16: unknown service 'shpo'; did you mean 'shop'?\n"
	 "f:11:33: '5.5' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"
	 "f:11:46: host 'n.z.example.' has static records of type A in its zone; a tenant's name owns A, "
	 "AAAA, HTTPS and SVCB and admits no CNAME or DNAME\n"
	 "f:11:57: unknown state 'off'; one of active, suspended\n"},
	{"regions: {eu: {at: [1, 2]}}\n"
	 "maps: {m: {EU: [nearest, eu, ue], default: [nearest, us, eu]}}\n",
	 "f:2:30: unknown region 'ue'; there is eu\n"
	 "f:2:54: unknown region 'us'; there is eu\n"},
	{"regions: {eu: {at: [1, 2]}}\n"
	 "services:\n"
	 "  s: {steering: {bias: {ue: -5}}}\n",
	 "f:3:25: unknown region 'ue'; there is eu\n"},
	{"checks:\n"
	 "  web: {type: htp}\n"
	 "services:\n"
	 "  s: {check: web}\n",
	 "f:2:15: unknown type 'htp'; one of tcp, http, tls, https, dns, grpc-health\n"},
};

static void test_references_and_names_are_checked(void **state)
{
	assert_all_broken(broken, sizeof broken / sizeof broken[0]);
}

static void test_counts_have_limits(void **state)
{
	struct fleet *fleet = fleet_new();
	char text[65 * 32] = "regions:\n";

	for (int i = 0; i < 65; i++)
		snprintf(text + strlen(text), 32, "  r%d: {at: [1, 2]}\n", i);
	assert_refused(fleet, FLEET_BASE, text, "f:66:3: 65 regions; at most 64\n");
	*strstr(text, "  r64") = '\0';
	assert_int_equal(apply_good(fleet, FLEET_BASE, text).added, 64);
	fleet_free(fleet);
}

/* Static types that tenants do not own, the apex, wildcards and names below them. */
static void test_what_may_stand_together(void **state)
{
	static const char text[] = BASE
		"tenants:\n"
		"  t: {zone: Z.EXAMPLE., service: shop, hosts: [m, '@', '*.w', x.w, a.v, deep.er.name]}\n"
		"  u: {zone: z.example, service: shop, hosts: [], domains: [a.test, '*.b.test', d.z.test, "
		"o.z.example]}\n";
	struct fleet *fleet = fleet_new();
	struct name name;

	apply_good(fleet, FLEET_BASE, text);
	assert_null(name_from_text("O.Z.Example", NULL, &name));
	assert_string_equal(fleet_tenant_of(fleet, name.octets)->object.id, "u");
	assert_null(name_from_text("z.example", NULL, &name));
	assert_string_equal(fleet_tenant_of(fleet, name.octets)->object.id, "t");
	assert_null(name_from_text("b.test", NULL, &name));
	assert_null(fleet_tenant_of(fleet, name.octets));
	fleet_free(fleet);
}

static void test_removal_of_what_others_need_is_refused(void **state)
{
	static const char text[] = BASE "tiers: {gold: {}}\n"
					"tenants:\n"
					"  t: {zone: z.example, service: shop, tier: gold, regions: [eu]}\n";
	static const struct {
		enum fleet_kind kind;
		const char *id, *error;
	} needed[] = {
		{FLEET_SERVICE, "shop", "tenant 't': unknown service 'shop'; there are no services\n"},
		{FLEET_ZONE, "z.example", "tenant 't': unknown zone 'z.example.'; there are no zones\n"},
		{FLEET_TIER, "gold", "tenant 't': unknown tier 'gold'; there are no tiers\n"},
		{FLEET_REGION, "eu",
		 "service 'shop': unknown region 'eu'; there is us\n"
		 "tenant 't': unknown region 'eu'; there is us\n"},
	};
	struct fleet *fleet = fleet_new();

	apply_good(fleet, FLEET_STORE, text);
	for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
		struct fleet_change *change = fleet_change_new(FLEET_STORE);
		struct fleet_result result;
		struct err_list errors = {0};
		fleet_change_remove(change, needed[i].kind, needed[i].id);
		assert_false(fleet_apply(fleet, change, 2, false, &result, &errors));
		assert_int_equal(result.refusal, FLEET_REFUSED_INVALID);
		char *told = print_errors(&errors);
		assert_string_equal(told, needed[i].error);
		free(told);
		assert_non_null(fleet_get(fleet, needed[i].kind, needed[i].id));
		fleet_change_free(change);
	}
	fleet_free(fleet);
}

/* A change of a zone or service is checked against the tenants that were there before. */
static void test_standing_tenants_are_checked_again(void **state)
{
	struct fleet *fleet = fleet_new();

	apply_good(fleet, FLEET_STORE,
		   BASE "tenants:\n"
			"  t: {zone: z.example, service: shop, regions: [eu], domains: [w.q.test]}\n");
	assert_refused(
		fleet, FLEET_STORE, "services: {shop: {vips: {us: [192.0.2.7]}}}\n",
		"tenant 't': none of the tenant's regions has a VIP of service 'shop'; it has some in us\n");
	assert_refused(
		fleet, FLEET_STORE,
		"zones: {z.example: {text: \"@ SOA n h 1 2 3 4 5\\n@ NS n\\nn A 192.0.2.1\\nt A "
		"192.0.2.2\\n\"}}\n",
		"tenant 't': host 't.z.example.' has static records of type A in its zone; a tenant's name "
		"owns A, AAAA, HTTPS and SVCB and admits no CNAME or DNAME\n");
	/* A zone that begins to be served holds a custom domain from now on. */
	assert_refused(
		fleet, FLEET_STORE,
		"zones: {q.test: {text: \"@ SOA n h 1 2 3 4 5\\n@ NS n\\nn A 192.0.2.1\\nw CNAME n\\n\"}}\n",
		"tenant 't': domain 'w.q.test.' has static records of type CNAME in its zone; a tenant's "
		"name owns A, AAAA, HTTPS and SVCB and admits no CNAME or DNAME\n");
	fleet_free(fleet);
}

static void test_a_missing_document_excuses_references(void **state)
{
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	struct fleet *fleet = fleet_new();
	struct fleet_result result;
	struct err_list errors = {0};

	fleet_change_set_incomplete(change);
	add_yaml(change, "f", "tenants:\n  t: {zone: z.example, service: shop, tier: x, tag: []}\n", &errors);
	assert_false(fleet_apply(fleet, change, 1, false, &result, &errors));
	char *told = print_errors(&errors);
	assert_string_equal(told, "f:2:48: unknown key 'tag'; did you mean 'tags'?\n");
	free(told);
	fleet_change_free(change);
	fleet_free(fleet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references_and_names_are_checked),
		cmocka_unit_test(test_counts_have_limits),
		cmocka_unit_test(test_what_may_stand_together),
		cmocka_unit_test(test_removal_of_what_others_need_is_refused),
		cmocka_unit_test(test_standing_tenants_are_checked_again),
		cmocka_unit_test(test_a_missing_document_excuses_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
