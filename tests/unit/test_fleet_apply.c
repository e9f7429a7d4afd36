/* Changes: all or nothing, counts, what they touch, numbers, base objects, pages, and the way back. */
#include "fleet_fixture.h"
#include <time.h>

#define ZONE "\"@ SOA n h 1 2 3 4 5\\n@ NS n.test.\\n\""

static const char base[] = "regions: {eu: {at: [1, 2]}, us: {at: [3, 4]}}\n"
			   "services: {shop: {vips: {eu: [192.0.2.7]}}}\n"
			   "zones: {z.example: {text: " ZONE "}}\n"
			   "tenants:\n"
			   "  acme: {zone: z.example, service: shop}\n";

static struct fleet *new_fleet(void)
{
	struct fleet *fleet = fleet_new();

	apply_good(fleet, FLEET_BASE, base);
	return fleet;
}

static const struct fleet_tenant *owner(const struct fleet *fleet, const char *text)
{
	struct name name;

	assert_null(name_from_text(text, NULL, &name));
	return fleet_tenant_of(fleet, name.octets);
}

static bool put_json(struct fleet *fleet, const char *id, const char *json, bool dry_run,
		     struct fleet_result *ret, struct err_list *errors)
{
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	struct doc *doc = doc_from_json(json, strlen(json), errors);

	assert_non_null(doc);
	fleet_change_put(change, FLEET_TENANT, id, doc, doc->root, 7, errors);
	doc_free(doc);
	bool is_good = fleet_apply(fleet, change, 9, dry_run, ret, errors);
	fleet_change_free(change);
	return is_good;
}

static void test_put_adds_changes_and_leaves_alone(void **state)
{
	struct fleet *fleet = new_fleet();
	struct fleet_result result;
	struct err_list errors = {0};

	assert_true(put_json(fleet, "t", "{\"zone\":\"z.example\",\"service\":\"shop\"}", false, &result,
			     &errors));
	assert_int_equal(result.added, 1);
	assert_false(result.structure_changed);
	assert_int_equal(result.touched_count, 1);
	assert_null(result.touched[0].before);
	assert_string_equal(result.touched[0].after->id, "t");
	assert_int_equal(result.touched[0].after->version, 7);
	fleet_result_done(&result);
	assert_string_equal(owner(fleet, "t.z.example")->object.id, "t");

	/* What GET gives may come back; hosts may name the default. */
	assert_true(put_json(fleet, "t",
			     "{\"id\":\"t\",\"source\":\"store\",\"version\":\"7\",\"zone\":\"z.example.\","
			     "\"service\":\"shop\",\"hosts\":[\"t\"],\"state\":\"active\"}",
			     false, &result, &errors));
	assert_int_equal(result.unchanged, 1);
	assert_int_equal(result.touched_count, 0);
	fleet_result_done(&result);

	const struct fleet_object *before = fleet_get(fleet, FLEET_TENANT, "t");
	uint32_t number = before->number;
	assert_true(put_json(fleet, "t", "{\"zone\":\"z.example\",\"service\":\"shop\",\"hosts\":[\"u\"]}",
			     false, &result, &errors));
	assert_int_equal(result.changed, 1);
	assert_ptr_equal(result.touched[0].before, before);
	assert_int_equal(result.touched[0].after->number, number);
	fleet_result_done(&result);
	assert_null(owner(fleet, "t.z.example"));
	assert_string_equal(owner(fleet, "u.z.example")->object.id, "t");
	assert_int_equal(errors.count, 0);
	fleet_free(fleet);
}

static void test_dry_run_and_revert_leave_no_trace(void **state)
{
	struct fleet *fleet = new_fleet();
	struct fleet_result result;
	struct err_list errors = {0};

	apply_good(fleet, FLEET_STORE,
		   "regions: {a: {at: [0, 0]}, b: {at: [0, 0]}}\ntenants:\n"
		   "  one: {zone: z.example, service: shop}\n"
		   "  two: {zone: z.example, service: shop}\n");
	char *before = fleet_export_yaml(fleet, true);
	for (int dry_run = 0; dry_run < 2; dry_run++) {
		struct fleet_change *change = fleet_change_new(FLEET_STORE);
		add_yaml(change, "f",
			 "regions: {c: {at: [0, 0]}}\n"
			 "tenants:\n"
			 "  two: {zone: z.example, service: shop, hosts: [one, two]}\n"
			 "  six: {zone: z.example, service: shop}\n",
			 &errors);
		fleet_change_prune(change);
		assert_true(fleet_apply(fleet, change, 2, dry_run, &result, &errors));
		assert_int_equal(result.added, 2);
		assert_int_equal(result.changed, 1);
		assert_int_equal(result.removed, 3);
		assert_true(result.structure_changed);
		if (!dry_run) {
			assert_null(fleet_get(fleet, FLEET_TENANT, "one"));
			assert_int_equal(fleet_count(fleet, FLEET_TENANT), 3);
			assert_string_equal(owner(fleet, "one.z.example")->object.id, "two");
			fleet_revert(fleet, &result);
		}
		assert_string_equal(owner(fleet, "one.z.example")->object.id, "one");
		assert_null(owner(fleet, "six.z.example"));
		assert_int_equal(fleet_get(fleet, FLEET_REGION, "b")->number, 3);
		char *after = fleet_export_yaml(fleet, true);
		assert_string_equal(after, before);
		free(after);
		fleet_change_free(change);
		fleet_result_done(&result);
	}
	free(before);
	assert_int_equal(errors.count, 0);
	fleet_free(fleet);
}

static void test_base_objects_are_read_only(void **state)
{
	struct fleet *fleet = new_fleet();
	struct fleet_result result;
	struct err_list errors = {0};

	assert_false(put_json(fleet, "acme",
			      "{\"zone\":\"z.example\",\"service\":\"shop\",\"regions\":[\"eu\"]}", false,
			      &result, &errors));
	assert_int_equal(result.refusal, FLEET_REFUSED_BASE_OBJECT);
	char *told = print_errors(&errors);
	assert_string_equal(told, "tenant 'acme' is a base object (f:5); change it there\n");
	free(told);
	assert_true(put_json(fleet, "acme", "{\"zone\":\"Z.example\",\"service\":\"shop\"}", false, &result,
			     &errors));
	assert_int_equal(result.unchanged, 1);
	fleet_result_done(&result);

	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	fleet_change_remove(change, FLEET_REGION, "eu");
	assert_false(fleet_apply(fleet, change, 2, false, &result, &errors));
	assert_int_equal(result.refusal, FLEET_REFUSED_BASE_OBJECT);
	err_done(&errors);
	fleet_change_remove(change, FLEET_TENANT, "nobody");
	assert_false(fleet_apply(fleet, change, 2, false, &result, &errors));
	assert_int_equal(result.refusal, FLEET_REFUSED_NOT_FOUND);
	told = print_errors(&errors);
	assert_string_equal(told, "there is no tenant 'nobody'\n");
	free(told);
	fleet_change_free(change);
	/* Base objects stay when what the store holds is pruned. */
	change = fleet_change_new(FLEET_STORE);
	add_yaml(change, "f", "tenants: {}\n", &errors);
	fleet_change_prune(change);
	assert_true(fleet_apply(fleet, change, 2, false, &result, &errors));
	assert_int_equal(result.removed, 0);
	fleet_result_done(&result);
	fleet_change_free(change);
	fleet_free(fleet);
}

static void test_json_errors_carry_pointers(void **state)
{
	static const struct {
		const char *json, *errors;
	} bodies[] = {
		{"{\"zone\":\"z.example\",\"service\":\"shpo\"}",
		 "/service: unknown service 'shpo'; did you mean 'shop'?\n"},
		{"{\"zone\":\"z.example\",\"service\":\"shop\",\"regions\":[\"eu\",\"eux\"]}",
		 "/regions/1: unknown region 'eux'; did you mean 'eu'?\n"},
		{"{\"zone\":\"z.example\",\"service\":\"shop\",\"hosts\":[\"x\",\"acme\"]}",
		 "/hosts/1: host 'acme.z.example.' already belongs to tenant 'acme'\n"},
		{"{\"zone\":\"z.example\",\"service\":\"shop\",\"id\":\"u\"}",
		 "/id: must be 't', as in the path\n"},
		{"{\"zone\":\"z.example\",\"service\":\"shop\",\"tier\":\"gold\"}",
		 "/tier: unknown tier 'gold'; there are no tiers\n"},
		{"{\"zone\":\"z.example\",\"service\":[]}",
		 "/service: must be an id (1 to 63 of a-z, 0-9 and inner hyphens), not a list\n"},
	};
	struct fleet *fleet = new_fleet();

	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		struct fleet_result result;
		struct err_list errors = {0};
		assert_false(put_json(fleet, "t", bodies[i].json, false, &result, &errors));
		assert_int_equal(result.refusal, FLEET_REFUSED_INVALID);
		char *told = print_errors(&errors);
		assert_string_equal(told, bodies[i].errors);
		free(told);
	}
	fleet_free(fleet);
}

static void test_pointers_into_a_whole_document(void **state)
{
	static const char json[] =
		"{\"maps\":{\"m\":{\"default\":[[\"eu\"],[\"us\",\"xx\"]],\"192.0.2.0/24\":[\"yy\"]}},"
		"\"services\":{\"s\":{\"vips\":{\"eu\":[\"192.0.2.1\",{\"address\":\"192.0.2.2\",\"check\":"
		"\"none\"}]}}},"
		"\"zones\":{\"q.test\":{\"text\":\"@ SOA n h 1 2 3 4 5\\n@ NS n.test.\\nw A x\\n\"},"
		"\"r.test\":{\"file\":\"/etc/passwd\"}}}";
	struct fleet *fleet = new_fleet();
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	struct fleet_result result;
	struct err_list errors = {0};
	struct doc *doc = doc_from_json(json, strlen(json), &errors);

	fleet_change_add_document(change, doc, &errors);
	doc_free(doc);
	assert_false(fleet_apply(fleet, change, 2, false, &result, &errors));
	char *told = print_errors(&errors);
	assert_non_null(strstr(told, "/maps/m/default/1/1: unknown region 'xx'"));
	assert_non_null(strstr(told, "/maps/m/192.0.2.0~124/0: unknown region 'yy'"));
	assert_non_null(strstr(told, "/services/s/vips/eu/1/check: unknown check 'none'"));
	assert_non_null(strstr(told, "/zones/q.test/text: "));
	assert_non_null(strstr(
		told, "/zones/r.test/file: 'file' is only for the node's own fleet files; use 'text'\n"));
	free(told);
	fleet_change_free(change);
	fleet_free(fleet);
}

static void test_one_id_in_two_documents(void **state)
{
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	struct fleet *fleet = fleet_new();
	struct fleet_result result;
	struct err_list errors = {0};

	add_yaml(change, "a", "regions: {eu: {at: [1, 2]}}\nzones: {Z.test: {text: " ZONE "}}\n", &errors);
	add_yaml(change, "b", "zones: {z.TEST.: {text: " ZONE "}}\nregions: {eu: {at: [1, 2]}}\n", &errors);
	assert_false(fleet_apply(fleet, change, 1, false, &result, &errors));
	char *told = print_errors(&errors);
	assert_string_equal(told, "b:1:9: zone 'z.test.' is defined twice; first at a:2:9\n"
				  "b:2:11: region 'eu' is defined twice; first at a:1:11\n");
	free(told);
	fleet_change_free(change);
	fleet_free(fleet);
}

/* The host that an id says stands in no map; it is taken and given all the same. */
static void test_the_host_of_an_id_is_owned(void **state)
{
	struct fleet *fleet = new_fleet();
	struct fleet_result result;
	char *errors;

	apply_good(fleet, FLEET_STORE, "tenants: {one: {zone: z.example, service: shop}}\n");
	assert_string_equal(owner(fleet, "one.z.example")->object.id, "one");
	assert_null(owner(fleet, "one.other.example"));
	errors = apply_yaml(fleet, FLEET_STORE,
			    "tenants: {two: {zone: z.example, service: shop, hosts: [one]}}\n", &result);
	assert_non_null(strstr(errors, "host 'one.z.example.' already belongs to tenant 'one'"));
	free(errors);
	/* It moves in one change. */
	apply_good(fleet, FLEET_STORE,
		   "tenants: {one: {zone: z.example, service: shop, hosts: [a]},"
		   " two: {zone: z.example, service: shop, hosts: [one]}}\n");
	assert_string_equal(owner(fleet, "one.z.example")->object.id, "two");
	errors =
		apply_yaml(fleet, FLEET_STORE, "tenants: {one: {zone: z.example, service: shop}}\n", &result);
	assert_non_null(strstr(errors, "host 'one.z.example.' already belongs to tenant 'two'"));
	free(errors);
	assert_string_equal(owner(fleet, "a.z.example")->object.id, "one");
	fleet_free(fleet);
}

/* What stands under the id of an object that could not be read is no reason for more errors. */
static void test_a_broken_object_is_told_once(void **state)
{
	struct fleet *fleet = new_fleet();
	struct fleet_result result;
	struct err_list errors = {0};

	apply_good(fleet, FLEET_STORE,
		   "services: {own: {vips: {eu: [192.0.2.9]}}}\n"
		   "tenants: {one: {zone: z.example, service: own}}\n");
	assert_false(put_json(fleet, "one", "{\"zone\":\"z.example\",\"service\":\"own\",\"x\":1}", false,
			      &result, &errors));
	char *told = print_errors(&errors);
	assert_non_null(strstr(told, "/x: unknown key 'x'"));
	assert_null(strstr(told, "already belongs"));
	free(told);
	/* A service that is to be in another region, and a host that is to move. */
	told = apply_yaml(fleet, FLEET_STORE,
			  "services: {own: {ttl: x, vips: {us: [192.0.2.9]}}}\n"
			  "tenants: {one: {zone: z.example, service: own, hosts: [a], x: 1},\n"
			  "  two: {zone: z.example, service: own, hosts: [one], regions: [us]}, three: "
			  "{zone: z.example, "
			  "service: owe}}\n",
			  &result);
	assert_non_null(strstr(told, "must be a TTL"));
	assert_null(strstr(told, "none of the tenant's regions"));
	assert_null(strstr(told, "already belongs"));
	assert_non_null(strstr(told, "unknown service 'owe'; did you mean 'own'?"));
	free(told);
	assert_string_equal(owner(fleet, "one.z.example")->object.id, "one");
	fleet_free(fleet);
}

static void test_numbers_are_small_and_reused(void **state)
{
	struct fleet *fleet = fleet_new();
	char text[64 * 32] = "regions:\n";

	for (int i = 0; i < 64; i++)
		snprintf(text + strlen(text), 32, "  r%d: {at: [1, 2]}\n", i);
	apply_good(fleet, FLEET_STORE, text);
	for (int i = 0; i < 64; i++) {
		char id[8];
		snprintf(id, sizeof id, "r%d", i);
		assert_int_equal(fleet_get(fleet, FLEET_REGION, id)->number, i);
	}
	/* All go and others come, in one change: the numbers stay below the limit. */
	for (char *at = text; (at = strstr(at, "  r")) != NULL; at += 3)
		at[2] = 's';
	struct fleet_change *change = fleet_change_new(FLEET_STORE);
	struct fleet_result result;
	struct err_list errors = {0};
	add_yaml(change, "f", text, &errors);
	fleet_change_prune(change);
	assert_true(fleet_apply(fleet, change, 2, false, &result, &errors));
	fleet_result_done(&result);
	fleet_change_remove(change, FLEET_REGION, "s7");
	fleet_change_remove(change, FLEET_REGION, "s5");
	assert_true(fleet_apply(fleet, change, 3, false, &result, &errors));
	fleet_result_done(&result);
	fleet_change_free(change);
	apply_good(fleet, FLEET_STORE, "regions: {x: {at: [1, 2]}, y: {at: [1, 2]}}\n");
	assert_int_equal(fleet_get(fleet, FLEET_REGION, "x")->number, 5);
	assert_int_equal(fleet_get(fleet, FLEET_REGION, "y")->number, 7);
	fleet_free(fleet);
}

static void test_pages_are_in_order_of_id(void **state)
{
	struct fleet *fleet = new_fleet();
	struct fleet_object *page[4];
	char text[4096] = "tenants:\n";

	for (int i = 9; i >= 0; i--)
		snprintf(text + strlen(text), 64, "  t%d: {zone: z.example, service: shop}\n", i);
	apply_good(fleet, FLEET_STORE, text);
	assert_int_equal(fleet_page(fleet, FLEET_TENANT, NULL, 2, page), 2);
	assert_string_equal(page[0]->id, "acme");
	assert_string_equal(page[1]->id, "t0");
	assert_int_equal(fleet_page(fleet, FLEET_TENANT, "t7", 4, page), 2);
	assert_string_equal(page[0]->id, "t8");
	assert_int_equal(fleet_page(fleet, FLEET_TENANT, "t9", 4, page), 0);
	apply_good(fleet, FLEET_STORE, "tenants: {t10: {zone: z.example, service: shop}}\n");
	assert_int_equal(fleet_page(fleet, FLEET_TENANT, "t1", 1, page), 1);
	assert_string_equal(page[0]->id, "t10");
	fleet_free(fleet);
}

static void test_look_ups_take_any_form(void **state)
{
	struct fleet *fleet = new_fleet();

	apply_good(fleet, FLEET_STORE, "locations: {\"2001:DB8::/32\": {country: DE}}\n");
	assert_non_null(fleet_get(fleet, FLEET_LOCATION, "2001:db8:0::/32"));
	assert_null(fleet_get(fleet, FLEET_LOCATION, "2001:db8::/33"));
	assert_string_equal(fleet_get(fleet, FLEET_ZONE, "Z.Example")->id, "z.example.");
	assert_null(fleet_get(fleet, FLEET_ZONE, "a..b"));
	assert_null(fleet_get(fleet, FLEET_TENANT, "Acme"));
	fleet_free(fleet);
}

/* 20,000 tenants here; the bound is wide, so that only a cost that grows with the count breaks it. */
static void test_one_change_does_not_cost_the_whole(void **state)
{
	struct fleet *fleet = new_fleet();
	struct timespec from, to;
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	fputs("tenants:\n", out);
	for (int i = 0; i < 20000; i++)
		fprintf(out, "  t%d: {zone: z.example, service: shop}\n", i);
	fclose(out);
	assert_int_equal(apply_good(fleet, FLEET_STORE, text).added, 20000);
	free(text);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (int i = 0; i < 1000; i++) {
		struct fleet_result result;
		struct err_list errors = {0};
		char id[16];
		snprintf(id, sizeof id, "n%d", i);
		assert_true(put_json(fleet, id, "{\"zone\":\"z.example\",\"service\":\"shop\"}", false,
				     &result, &errors));
		fleet_result_done(&result);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
	assert_true(seconds < 2);
	fleet_free(fleet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_adds_changes_and_leaves_alone),
		cmocka_unit_test(test_dry_run_and_revert_leave_no_trace),
		cmocka_unit_test(test_base_objects_are_read_only),
		cmocka_unit_test(test_json_errors_carry_pointers),
		cmocka_unit_test(test_pointers_into_a_whole_document),
		cmocka_unit_test(test_one_id_in_two_documents),
		cmocka_unit_test(test_the_host_of_an_id_is_owned),
		cmocka_unit_test(test_a_broken_object_is_told_once),
		cmocka_unit_test(test_numbers_are_small_and_reused),
		cmocka_unit_test(test_pages_are_in_order_of_id),
		cmocka_unit_test(test_look_ups_take_any_form),
		cmocka_unit_test(test_one_change_does_not_cost_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
