/*
 * The index against a model that does everything the slow way: lists of names, searched from one end to
 * the other. Thousands of random zones, tenants and edits over a small alphabet, all names compared.
 */
#include "lib/rng.h"
#include "tests/unit/zone_fixture.h"

#define ZONES_MAX 6
#define OWNERS_MAX 24
#define TENANTS_MAX 12
#define QUESTIONS 120
#define ROUNDS 150
#define EDITS 12

struct owner {
	struct name name;
	bool has_ns, has_dname;
};

struct model_zone {
	struct name apex;
	struct zone *zone;
	size_t count;
	struct owner owners[OWNERS_MAX]; /* the apex first, no empty non-terminals */
};

struct tenant {
	struct name name;
	uint32_t policy;
};

struct model {
	struct rng rng;
	size_t zone_count, tenant_count;
	struct model_zone zones[ZONES_MAX];
	struct tenant tenants[TENANTS_MAX];
};

static unsigned below(struct model *model, unsigned bound)
{
	return (unsigned)(rng_next(&model->rng) % bound);
}

static struct name random_name(struct model *model, const struct name *under, unsigned labels_max)
{
	static const char letters[] = "abc*";
	struct name name = *under;

	for (unsigned labels = below(model, labels_max + 1); labels; labels--) {
		memmove(name.octets + 2, name.octets, name.length);
		name.octets[0] = 1;
		name.octets[1] = (uint8_t)letters[below(model, 4)];
		name.length += 2;
	}
	return name;
}

static bool is_at_or_below(const struct name *name, const struct name *top)
{
	return name_equal(name->octets, top->octets) || name_is_below(name->octets, top->octets);
}

static struct name parent_of(const struct name *name)
{
	struct name parent = {.length = (uint8_t)(name->length - name->octets[0] - 1)};

	memcpy(parent.octets, name->octets + name->octets[0] + 1, parent.length);
	return parent;
}

/* The deepest zone at or above the name. */
static struct model_zone *zone_above(struct model *model, const struct name *name)
{
	struct model_zone *best = NULL;

	for (size_t i = 0; i < model->zone_count; i++) {
		struct model_zone *zone = &model->zones[i];
		if (is_at_or_below(name, &zone->apex) && (!best || zone->apex.length > best->apex.length))
			best = zone;
	}
	return best;
}

/* ---- random zones ---- */

static void make_zone(struct model *model, struct model_zone *zone)
{
	char text[8192], owner[NAME_TEXT_MAX];
	size_t at = (size_t)snprintf(text, sizeof text, "$TTL 60\n@ SOA ns h 1 2 3 4 5\n");

	zone->count = 1;
	zone->owners[0] = (struct owner){.name = zone->apex};
	for (unsigned records = 1 + below(model, OWNERS_MAX - 1); records; records--) {
		struct name name = random_name(model, &zone->apex, 4);
		static const char *const data[] = {"A 192.0.2.1", "TXT x", "NS ns.x.", "DNAME elsewhere.",
						   "A 192.0.2.2"};
		unsigned type = below(model, 12);
		type = type > 4 ? 0 : type;
		struct owner *to = NULL;
		for (size_t i = 0; i < zone->count; i++) {
			if (name_equal(zone->owners[i].name.octets, name.octets))
				to = &zone->owners[i];
		}
		if (!to) {
			to = &zone->owners[zone->count++];
			*to = (struct owner){.name = name};
		}
		if (type == 3 && to->has_dname)
			continue;
		to->has_ns = to->has_ns || type == 2;
		to->has_dname = to->has_dname || type == 3;
		name_to_text(name.octets, owner);
		at += (size_t)snprintf(text + at, sizeof text - at, "%s %s\n", owner, data[type]);
	}
	char apex[NAME_TEXT_MAX];
	name_to_text(zone->apex.octets, apex);
	zone->zone = zone_of(apex, text);
}

/* ---- the slow look-up ---- */

struct expected {
	enum find_kind kind;
	struct name node;
	const struct zone *zone;
	uint32_t policy;
};

static bool is_child_apex(struct model *model, const struct model_zone *zone, const struct name *name)
{
	struct model_zone *above = zone_above(model, name);

	return above != zone && name_equal(above->apex.octets, name->octets);
}

/* Whether the zone has the name, an empty non-terminal too; also_static: a name that belongs to a
 * served child, as the parent's text has it. */
static bool has_name(struct model *model, const struct model_zone *zone, const struct name *name,
		     bool also_static)
{
	if (zone_above(model, name) != zone && !also_static)
		return false;
	for (size_t i = 0; i < zone->count; i++) {
		if (is_at_or_below(&zone->owners[i].name, name))
			return true;
	}
	for (size_t i = 0; !also_static && i < model->tenant_count; i++) {
		if (is_at_or_below(&model->tenants[i].name, name) &&
		    zone_above(model, &model->tenants[i].name) == zone)
			return true;
	}
	return false;
}

static const struct owner *owner_at(const struct model_zone *zone, const struct name *name)
{
	for (size_t i = 0; i < zone->count; i++) {
		if (name_equal(zone->owners[i].name.octets, name->octets))
			return &zone->owners[i];
	}
	return NULL;
}

static struct expected expected_in(struct model *model, const struct model_zone *zone,
				   const struct name *name, bool is_ds)
{
	struct expected expected = {.zone = zone->zone, .policy = INDEX_NONE};
	struct name above[NAME_MAX_LABELS + 1];
	size_t count = 0;

	for (struct name at = *name;; at = parent_of(&at)) {
		above[count++] = at;
		if (name_equal(at.octets, zone->apex.octets))
			break;
	}
	for (size_t i = count; i-- > 0;) { /* from the apex down to the name itself */
		const struct owner *owner = owner_at(zone, &above[i]);
		bool is_self = i == 0, is_apex = i == count - 1;
		if (!owner)
			continue;
		expected.node = owner->name;
		if (owner->has_ns && !is_apex && !(is_self && is_ds)) {
			expected.kind = FIND_CUT;
			return expected;
		}
		if (owner->has_dname && !is_self) {
			expected.kind = FIND_DNAME;
			return expected;
		}
	}
	bool is_foreign = is_ds && is_child_apex(model, zone, name);
	if (has_name(model, zone, name, is_foreign)) {
		expected.kind = FIND_EXACT;
		expected.node = *name;
		for (size_t i = 0; !is_foreign && i < model->tenant_count; i++) {
			if (name_equal(model->tenants[i].name.octets, name->octets))
				expected.policy = model->tenants[i].policy;
		}
		return expected;
	}
	size_t encloser = 1;
	while (!has_name(model, zone, &above[encloser], false))
		encloser++;
	expected.kind = FIND_MISSING;
	expected.node = above[encloser];
	struct name wildcard;
	if (name_wildcard_of(above[encloser].octets, &wildcard) && has_name(model, zone, &wildcard, false)) {
		expected.kind = FIND_WILDCARD;
		expected.node = wildcard;
	}
	for (size_t i = 0; i < model->tenant_count; i++) {
		if (name_equal(model->tenants[i].name.octets, expected.node.octets))
			expected.policy = model->tenants[i].policy;
	}
	return expected;
}

static struct expected expected_find(struct model *model, const struct name *name, bool is_ds)
{
	struct model_zone *zone = zone_above(model, name);

	if (!zone)
		return (struct expected){.kind = FIND_NONE, .policy = INDEX_NONE};
	if (is_ds && name->length > 1 && name_equal(zone->apex.octets, name->octets)) {
		struct name parent = parent_of(name);
		struct model_zone *above = zone_above(model, &parent);
		struct expected expected = expected_in(model, above ? above : zone, name, is_ds);
		/* a parent that does not know the child must not deny all that is in it */
		return expected.kind == FIND_MISSING ? expected_in(model, zone, name, false) : expected;
	}
	return expected_in(model, zone, name, is_ds);
}

/* ---- comparison ---- */

static void compare(struct model *model, const struct index *index, const struct name *name, bool is_ds)
{
	struct expected expected = expected_find(model, name, is_ds);
	uint64_t hash = name_hash(name->octets, name->length);
	struct find found = is_ds ? index_find_ds(index, name->octets, name->length, hash)
				  : index_find(index, name->octets, name->length, hash);
	char asked[NAME_TEXT_MAX], got[NAME_TEXT_MAX] = "none", wanted[NAME_TEXT_MAX] = "none";

	name_to_text(name->octets, asked);
	if (found.node)
		name_to_text(found.node->name, got);
	if (expected.kind != FIND_NONE)
		name_to_text(expected.node.octets, wanted);
	bool is_tenant = expected.kind == FIND_EXACT || expected.kind == FIND_WILDCARD;
	const struct zone *zone = found.node ? found.node->zone : NULL;
	if (found.kind != expected.kind || strcmp(got, wanted) != 0 || zone != expected.zone ||
	    (is_tenant && found.node->policy != expected.policy))
		fail_msg("%s%s: kind %d at %s, expected %d at %s", asked, is_ds ? " DS" : "", found.kind, got,
			 expected.kind, wanted);
}

static void compare_all(struct model *model, const struct index *index)
{
	static const struct name root = {.length = 1, .octets = {0}};
	const struct name z = name_of("z");

	for (int i = 0; i < QUESTIONS; i++) {
		struct name name = random_name(model, below(model, 8) ? &z : &root, 6);
		compare(model, index, &name, false);
		compare(model, index, &name, true);
	}
	for (size_t i = 0; i < model->zone_count; i++) {
		compare(model, index, &model->zones[i].apex, false);
		compare(model, index, &model->zones[i].apex, true);
		assert_ptr_equal(index_zone(index, model->zones[i].apex.octets), model->zones[i].zone);
	}
	for (size_t i = 0; i < model->tenant_count; i++)
		compare(model, index, &model->tenants[i].name, false);
}

/* ---- edits ---- */

static void add_zone(struct model *model, struct index_edit *edit)
{
	struct name root = {.length = 1}, z = name_of("z");
	struct name apex = below(model, 10) ? random_name(model, &z, 3) : root;
	struct model_zone *zone = NULL;

	for (size_t i = 0; i < model->zone_count; i++) {
		if (name_equal(model->zones[i].apex.octets, apex.octets))
			zone = &model->zones[i]; /* a new version of it */
	}
	if (!zone && model->zone_count == ZONES_MAX)
		return;
	if (!zone)
		zone = &model->zones[model->zone_count++];
	else
		zone_unref(zone->zone);
	zone->apex = apex;
	make_zone(model, zone);
	index_edit_add_zone(edit, zone->zone);
}

static void change_tenant(struct model *model, struct index_edit *edit)
{
	if (model->tenant_count && (below(model, 2) || model->tenant_count == TENANTS_MAX)) {
		size_t victim = below(model, (unsigned)model->tenant_count);
		index_edit_set_tenant(edit, &model->tenants[victim].name, INDEX_NONE, INDEX_NONE);
		model->tenants[victim] = model->tenants[--model->tenant_count];
		return;
	}
	struct name z = name_of("z"), name = random_name(model, &z, 5);
	if (!zone_above(model, &name))
		return;
	struct tenant *tenant = &model->tenants[model->tenant_count];
	for (size_t i = 0; i < model->tenant_count; i++) {
		if (name_equal(model->tenants[i].name.octets, name.octets))
			tenant = &model->tenants[i];
	}
	if (tenant == &model->tenants[model->tenant_count])
		model->tenant_count++;
	*tenant = (struct tenant){name, below(model, 1000)};
	index_edit_set_tenant(edit, &name, tenant->policy, tenant->policy);
}

static void random_edits_agree_with_the_model(void **state)
{
	struct model *model = calloc(1, sizeof *model);

	rng_seed(&model->rng, 20260101);
	for (int round = 0; round < ROUNDS; round++) {
		struct index *index = NULL;
		model->zone_count = model->tenant_count = 0;
		for (int number = 0; number < EDITS; number++) {
			struct index_edit *edit = index_edit_new(index);
			unsigned zones = number == 0 ? 1 + below(model, 4) : below(model, 4) == 0;
			for (; zones; zones--)
				add_zone(model, edit);
			for (unsigned changes = below(model, 8); changes; changes--)
				change_tenant(model, edit);
			index_unref(index); /* the edit holds what it needs */
			index = index_edit_done(edit);
			compare_all(model, index);
		}
		/* without tenants nothing is left of them */
		struct index_edit *edit = index_edit_new(index);
		for (size_t i = 0; i < model->tenant_count; i++)
			index_edit_set_tenant(edit, &model->tenants[i].name, INDEX_NONE, INDEX_NONE);
		struct index *bare = index_edit_done(edit);
		edit = index_edit_new(NULL);
		index_edit_expect(edit, below(model, 100000)); /* right or wrong */
		for (size_t i = 0; i < model->zone_count; i++)
			index_edit_add_zone(edit, model->zones[i].zone);
		struct index *fresh = index_edit_done(edit);
		assert_int_equal(index_names(bare), index_names(fresh));
		compare_all(model, index); /* which the edits after it left alone */
		model->tenant_count = 0;
		compare_all(model, bare);
		compare_all(model, fresh);
		index_unref(index);
		index_unref(bare);
		index_unref(fresh);
		for (size_t i = 0; i < model->zone_count; i++)
			zone_unref(model->zones[i].zone);
	}
	free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_edits_agree_with_the_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
