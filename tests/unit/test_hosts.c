/*
 * The table of hosts: what is whose, what edits share with their base, and a million random edits and
 * look-ups against a model that does everything the slow way. Time and memory among a million are reported.
 */
#include "forwarder/plan/hosts.h"
#include "lib/clock.h"
#include "lib/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put(struct hosts_edit *edit, const char *name, uint32_t policy, const char *tenant)
{
	hosts_edit_put(edit, name, strlen(name),
		       &(struct hosts_entry){policy, policy + 1000, tenant, (uint8_t)strlen(tenant)});
}

/* The id of who has the name, "" of nobody. */
static const char *owner(const struct hosts *hosts, const char *name)
{
	static char id[64];
	struct hosts_entry entry;

	if (!hosts_find(hosts, name, strlen(name), &entry))
		return "";
	assert_int_equal(entry.state, entry.policy + 1000);
	snprintf(id, sizeof id, "%.*s", (int)entry.tenant_length, entry.tenant);
	return id;
}

static void test_names_and_wildcards(void **state)
{
	struct hosts_edit *edit = hosts_edit_new(NULL);
	put(edit, "acme.shop.example", 1, "acme");
	put(edit, "www.acme.example", 1, "acme");
	put(edit, "ac.shop.example", 2, "acm");
	put(edit, "*.wild.example", 3, "wild");
	put(edit, "x.wild.example", 4, "other");
	put(edit, "*.x.wild.example", 5, "below");
	put(edit, "y.wild.example", 6, "y");
	put(edit, "localhost", 7, "localhost");
	struct hosts *hosts = hosts_edit_done(edit);
	assert_int_equal(hosts_count(hosts), 8);
	assert_string_equal(owner(hosts, "acme.shop.example"), "acme");
	assert_string_equal(owner(hosts, "www.acme.example"), "acme");
	assert_string_equal(owner(hosts, "ac.shop.example"), "acm");
	assert_string_equal(owner(hosts, "localhost"), "localhost");
	/* RFC 4592: the closest encloser decides */
	assert_string_equal(owner(hosts, "a.wild.example"), "wild");
	assert_string_equal(owner(hosts, "b.a.wild.example"), "wild");
	assert_string_equal(owner(hosts, "*.wild.example"), "wild");
	assert_string_equal(owner(hosts, "x.wild.example"), "other");
	assert_string_equal(owner(hosts, "a.x.wild.example"), "below");
	assert_string_equal(owner(hosts, "y.wild.example"), "y");
	assert_string_equal(owner(hosts, "a.y.wild.example"), "");
	assert_string_equal(owner(hosts, "b.a.y.wild.example"), "");
	assert_string_equal(owner(hosts, "wild.example"), "");
	/* what nobody has */
	assert_string_equal(owner(hosts, ""), "");
	assert_string_equal(owner(hosts, "."), "");
	assert_string_equal(owner(hosts, "example"), "");
	assert_string_equal(owner(hosts, "acme.shop.example.org"), "");
	assert_string_equal(owner(hosts, "xacme.shop.example"), "");
	assert_string_equal(owner(hosts, "a.localhost"), "");
	hosts_unref(hosts);
}

static void test_names_of_the_greatest_length(void **state)
{
	char deep[254], label[254];
	for (unsigned i = 0; i < 253; i++)
		deep[i] = i % 2 ? '.' : 'a';
	deep[253] = 0;
	memset(label, 'b', 63);
	for (unsigned i = 63; i < 253; i++)
		label[i] = i % 64 == 63 ? '.' : 'c';
	label[253] = 0;
	struct hosts_edit *edit = hosts_edit_new(NULL);
	put(edit, "*.a.a", 1, "star");
	put(edit, label, 2, "0123456789012345678901234567890123456789012345678901234567890123");
	struct hosts *hosts = hosts_edit_done(edit);
	assert_string_equal(owner(hosts, deep), "star"); /* 127 labels, two probes */
	assert_string_equal(owner(hosts, label),
			    "012345678901234567890123456789012345678901234567890123456789012");
	char longer[300];
	memset(longer, 'a', sizeof longer);
	assert_false(hosts_find(hosts, longer, sizeof longer, &(struct hosts_entry){0}));
	edit = hosts_edit_new(hosts);
	put(edit, deep, 3, "deep");
	struct hosts *next = hosts_edit_done(edit);
	assert_string_equal(owner(next, deep), "deep");
	deep[0] = 'b';
	assert_string_equal(owner(next, deep), "star");
	hosts_unref(hosts);
	hosts_unref(next);
}

static void test_an_edit_leaves_its_base(void **state)
{
	struct hosts_edit *edit = hosts_edit_new(NULL);
	put(edit, "a.example", 1, "a");
	put(edit, "*.example", 2, "star");
	struct hosts *first = hosts_edit_done(edit);
	edit = hosts_edit_new(first);
	put(edit, "a.example", 3, "new");
	put(edit, "b.example", 4, "b");
	assert_true(hosts_edit_remove(edit, "*.example", 9));
	assert_false(hosts_edit_remove(edit, "*.example", 9));
	assert_false(hosts_edit_remove(edit, "c.example", 9));
	struct hosts *second = hosts_edit_done(edit);
	assert_string_equal(owner(first, "a.example"), "a");
	assert_string_equal(owner(first, "b.example"), "star");
	assert_string_equal(owner(second, "a.example"), "new");
	assert_string_equal(owner(second, "b.example"), "b");
	assert_string_equal(owner(second, "c.example"), "");
	edit = hosts_edit_new(second);
	put(edit, "d.example", 5, "d");
	hosts_edit_cancel(edit);
	assert_string_equal(owner(second, "d.example"), "");
	assert_int_equal(hosts_count(second), 2);
	hosts_unref(hosts_ref(first));
	hosts_unref(first);
	assert_string_equal(owner(second, "b.example"), "b");
	hosts_unref(second);
	hosts_unref(NULL);
}

/* ---- against a model: an array by the number of the name, searched by the rule itself ---- */

struct model {
	char names[1024][16];
	size_t count;
	uint32_t policies[1024]; /* 0: nobody's */
};

static void model_names(struct model *model)
{
	static const char letters[] = "abcd";
	for (unsigned labels = 1; labels <= 4; labels++)
		for (unsigned number = 0; number < 1u << 2 * labels; number++) {
			char name[16] = "";
			for (unsigned at = 0; at < labels; at++)
				snprintf(name + 2 * at, 3, "%c.", letters[number >> 2 * at & 3]);
			name[2 * labels - 1] = 0;
			strcpy(model->names[model->count++], name);
			if (name[0] == 'a' && labels > 1) {
				name[0] = '*';
				strcpy(model->names[model->count++], name);
			}
		}
	assert_true(model->count < 1024);
}

static uint32_t model_exact(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->count; i++)
		if (strcmp(model->names[i], name) == 0)
			return model->policies[i];
	return 0;
}

static uint32_t model_find(const struct model *model, const char *name)
{
	uint32_t policy = model_exact(model, name);
	for (const char *dot = name; !policy && (dot = strchr(dot, '.')); dot++) {
		char star[20];
		snprintf(star, sizeof star, "*%s", dot);
		policy = model_exact(model, star);
		if (!policy && model_exact(model, dot + 1))
			return 0;
	}
	return policy;
}

static void test_a_million_edits_and_look_ups(void **state)
{
	static struct model model;
	struct rng rng;
	rng_seed(&rng, 11);
	model_names(&model);
	struct hosts *hosts = hosts_edit_done(hosts_edit_new(NULL));
	unsigned edits = 0, looks = 0;
	while (edits < 900000) {
		struct hosts_edit *edit = hosts_edit_new(hosts);
		/* few hosts and many in turn, so that wildcards reach far and not */
		unsigned share = (unsigned)(rng_next(&rng) % 8), most = 1 + (unsigned)(rng_next(&rng) % 2000);
		for (unsigned i = 0; i < most; i++, edits++) {
			size_t at = rng_next(&rng) % model.count;
			const char *name = model.names[at];
			if (rng_next(&rng) % 8 <= share) {
				assert_int_equal(hosts_edit_remove(edit, name, strlen(name)),
						 model.policies[at] != 0);
				model.policies[at] = 0;
			} else {
				char tenant[16];
				model.policies[at] = 1 + (uint32_t)(rng_next(&rng) % 1000000);
				snprintf(tenant, sizeof tenant, "t%u", model.policies[at]);
				put(edit, name, model.policies[at],
				    model.policies[at] % 3 ? tenant : (char[]){name[0], 0});
			}
		}
		struct hosts *next = hosts_edit_done(edit);
		hosts_unref(hosts);
		hosts = next;
		for (unsigned i = 0; i < 120; i++, looks++) {
			const char *name = model.names[rng_next(&rng) % model.count];
			struct hosts_entry entry = {0};
			uint32_t expected = model_find(&model, name);
			assert_int_equal(hosts_find(hosts, name, strlen(name), &entry), expected != 0);
			assert_int_equal(entry.policy, expected);
		}
	}
	size_t count = 0;
	for (size_t i = 0; i < model.count; i++)
		count += model.policies[i] != 0;
	assert_int_equal(hosts_count(hosts), count);
	assert_true(looks > 90000);
	hosts_unref(hosts);
}

/* ---- among a million ---- */

#define MILLION 1000000u

static size_t write_name(char out[64], unsigned number)
{
	return (size_t)snprintf(out, 64, "tenant-%u.shop.example", number);
}

static void test_among_a_million(void **state)
{
	struct hosts_edit *edit = hosts_edit_new(NULL);
	char name[64];
	hosts_edit_expect(edit, MILLION);
	for (unsigned i = 0; i < MILLION; i++) {
		size_t length = write_name(name, i);
		hosts_edit_put(edit, name, length,
			       &(struct hosts_entry){i % 100, i, name, (uint8_t)strcspn(name, ".")});
	}
	struct hosts *hosts = hosts_edit_done(edit);
	assert_int_equal(hosts_count(hosts), MILLION);
	assert_true(hosts_bytes(hosts) <= 60u << 20);

	struct rng rng;
	rng_seed(&rng, 5);
	enum { LOOKS = 200000 };
	static char names[LOOKS][40];
	static uint32_t numbers[LOOKS];
	for (unsigned i = 0; i < LOOKS; i++) {
		numbers[i] = (uint32_t)(rng_next(&rng) % MILLION);
		char text[64];
		write_name(text, numbers[i]);
		strcpy(names[i], text);
	}
	uint64_t start = clock_mono_ns();
	unsigned wrong = 0;
	for (unsigned i = 0; i < LOOKS; i++) {
		struct hosts_entry entry;
		if (!hosts_find(hosts, names[i], strlen(names[i]), &entry) || entry.state != numbers[i])
			wrong++;
	}
	uint64_t look_ns = (clock_mono_ns() - start) / LOOKS;
	assert_int_equal(wrong, 0);
	start = clock_mono_ns();
	enum { CHANGES = 200 };
	for (unsigned i = 0; i < CHANGES; i++) {
		edit = hosts_edit_new(hosts);
		size_t length = write_name(name, MILLION + i);
		hosts_edit_put(edit, name, length, &(struct hosts_entry){1, 1, "x", 1});
		struct hosts *next = hosts_edit_done(edit);
		hosts_unref(hosts);
		hosts = next;
	}
	uint64_t change_us = (clock_mono_ns() - start) / CHANGES / 1000;
	print_message("a million hosts: %zu MB, %llu ns a look-up, %llu us a change\n",
		      hosts_bytes(hosts) / 1000000, (unsigned long long)look_ns,
		      (unsigned long long)change_us);
	hosts_unref(hosts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_wildcards),
		cmocka_unit_test(test_names_of_the_greatest_length),
		cmocka_unit_test(test_an_edit_leaves_its_base),
		cmocka_unit_test(test_a_million_edits_and_look_ups),
		cmocka_unit_test(test_among_a_million),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
