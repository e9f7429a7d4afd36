/*
 * Plays NAME.sim (README.md) under a fake clock: verdict → vip_input → plan_service_compile →
 * choose_region, the server's own functions. Exits 1 when an expectation fails, naming its line; 2 when the
 * file is not understood.
 */
#include "checker/verdict.h"
#include "gslb/decide/place/place_build.h"
#include "gslb/decide/vip_input.h"
#include "gslb/decide/words.h"
#include "health/health_book.h"
#include "lib/hash.h"
#include "lib/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 32
#define REGIONS_HERE 8
#define VIPS_HERE 16
#define START_MS 1000000 /* of the fake clock: a machine that is up for a while */
#define CLIENTS 2000

struct sim_vip {
	struct ip ip;
	unsigned region;
	uint32_t weight;
	bool is_checked, is_drained;
	char probes[512];
	struct verdict verdict;
	uint64_t changed_ms, drain_changed_ms;
	bool is_long_ago, was_up;
};

struct sim_region {
	char id[64];
	int share;
	uint64_t changed_ms, expires_ms; /* 0: until restored */
	struct vip_load load;
};

struct sim {
	const char *file;
	unsigned line, expectations, failures;
	uint64_t now_ms, next_round_ms;
	size_t rounds;
	uint32_t interval_ms;
	struct verdict_limits limits;
	struct plan_service_input service;
	enum order_kind order;
	unsigned region_count, vip_count;
	struct sim_region regions[REGIONS_HERE];
	struct sim_vip vips[VIPS_HERE];
	region_set allowed;
};

static _Noreturn void refuse(const struct sim *sim, const char *what)
{
	fprintf(stderr, "%s:%u: not understood: %s\n", sim->file, sim->line, what);
	exit(2);
}

static void fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct sim *sim, const char *format, ...)
{
	va_list arguments;
	fprintf(stderr, "%s:%u: at %gs: ", sim->file, sim->line, (sim->now_ms - START_MS) / 1000.0);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	sim->failures++;
}

/* ---- words ---- */

static uint64_t duration(const struct sim *sim, const char *word)
{
	uint64_t ms;
	if (!word || !text_to_duration_ms(word, &ms))
		refuse(sim, word ? word : "a duration is missing");
	return ms;
}

static uint32_t number(const struct sim *sim, const char *word)
{
	uint64_t value;
	if (!word || !text_to_uint(word, &value) || value > 1000000)
		refuse(sim, word ? word : "a number is missing");
	return (uint32_t)value;
}

static unsigned which(const struct sim *sim, const char *word, const char *const *words)
{
	for (unsigned i = 0; word && words[i]; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	refuse(sim, word ? word : "a word is missing");
}

static struct sim_region *region_of(struct sim *sim, const char *word)
{
	for (unsigned i = 0; word && i < sim->region_count; i++)
		if (strcmp(word, sim->regions[i].id) == 0)
			return &sim->regions[i];
	refuse(sim, word ? word : "a region is missing");
}

static struct sim_vip *vip_of(struct sim *sim, const char *word)
{
	struct ip ip;
	if (!word || !ip_parse(word, &ip))
		refuse(sim, word ? word : "an address is missing");
	for (unsigned i = 0; i < sim->vip_count; i++)
		if (ip_equal(&ip, &sim->vips[i].ip))
			return &sim->vips[i];
	refuse(sim, word);
}

/* ---- time ---- */

static void run_round(struct sim *sim)
{
	for (unsigned i = 0; i < sim->vip_count; i++) {
		struct sim_vip *vip = &sim->vips[i];
		size_t length = strlen(vip->probes);
		char seen = length == 0 ? '.' : vip->probes[sim->rounds < length ? sim->rounds : length - 1];
		bool was_up = vip->verdict.state == VERDICT_UP;
		if (seen != '.' && verdict_update(&vip->verdict, &sim->limits, seen == '+')) {
			vip->changed_ms = sim->now_ms;
			vip->is_long_ago = false;
			vip->was_up = was_up;
		}
	}
	sim->rounds++;
	sim->next_round_ms += sim->interval_ms;
}

static void set_share(struct sim *sim, struct sim_region *region, int share, uint64_t for_ms)
{
	region->share = share;
	region->changed_ms = sim->now_ms;
	region->expires_ms = for_ms > 0 ? sim->now_ms + for_ms : 0;
}

static void advance(struct sim *sim, uint64_t to_ms)
{
	if (to_ms < sim->now_ms)
		refuse(sim, "time went back");
	for (;;) {
		uint64_t next_ms = sim->next_round_ms;
		struct sim_region *expiring = NULL;
		for (unsigned i = 0; i < sim->region_count; i++)
			if (sim->regions[i].expires_ms > 0 && sim->regions[i].expires_ms < next_ms) {
				expiring = &sim->regions[i];
				next_ms = expiring->expires_ms;
			}
		if (next_ms > to_ms)
			break;
		sim->now_ms = next_ms;
		if (expiring)
			set_share(sim, expiring, 100, 0);
		else
			run_round(sim);
	}
	sim->now_ms = to_ms;
}

/* ---- what the server would have compiled and answered now ---- */

static struct plan_vip_input input_of(const struct sim *sim, const struct sim_vip *vip)
{
	struct vip_health health = {
		.interval_ms = vip->is_checked ? sim->interval_ms : 0,
		.state = health_book_vip_state(vip->verdict.state),
		.score = vip->verdict.state == VERDICT_UP ? SCORE_FULL : 0,
		.pending = (uint16_t)verdict_pending(&vip->verdict),
		.changed_ms = vip->changed_ms,
		.changed_unix_ms = (int64_t)vip->changed_ms,
		.was_up = vip->was_up,
		.is_long_ago = vip->is_long_ago,
	};
	struct vip_controls controls = {
		.share = vip->is_drained ? 0 : 100,
		.changed_ms = vip->drain_changed_ms,
		.region_changed_ms = sim->regions[vip->region].changed_ms,
	};
	struct plan_vip_input input = {.ip = vip->ip, .weight = vip->weight};
	uint64_t next_ms;
	vip_input_fill(&input, &health, &controls, &sim->regions[vip->region].load, sim->service.ttl_min,
		       sim->service.ttl_max, sim->now_ms, &next_ms);
	return input;
}

static struct plan_service *compile(const struct sim *sim)
{
	struct plan_vip_input vips[REGIONS_HERE][VIPS_HERE];
	struct plan_region_input regions[REGIONS_HERE] = {0};
	struct plan_service_input input = sim->service;
	for (unsigned r = 0; r < sim->region_count; r++)
		regions[r] = (struct plan_region_input){.number = (uint8_t)r,
							.id = sim->regions[r].id,
							.share = (int8_t)sim->regions[r].share,
							.vips = vips[r]};
	for (unsigned i = 0; i < sim->vip_count; i++) {
		struct plan_region_input *region = &regions[sim->vips[i].region];
		vips[sim->vips[i].region][region->vip_count++] = input_of(sim, &sim->vips[i]);
	}
	input.region_count = (uint8_t)sim->region_count;
	input.regions = regions;
	return plan_service_compile(&input);
}

struct answer_now { /* a policy and all that it points to */
	struct plan_service *service;
	struct order *order;
	struct policy policy;
};

static struct answer_now answer_begin(const struct sim *sim)
{
	struct order_spec spec = {.kind = sim->order, .listed_count = (uint8_t)sim->region_count};
	struct answer_now now = {.service = compile(sim)};
	for (unsigned i = 0; i < sim->region_count; i++)
		spec.listed[i] = (uint8_t)i;
	struct places *places = places_new_empty();
	now.order = order_compile(&spec, places);
	places_unref(places);
	now.policy = policy_of(now.service, now.order, sim->allowed);
	return now;
}

static void answer_end(struct answer_now *now)
{
	order_unref(now->order);
	plan_service_unref(now->service);
}

/* `family`: of addresses, 0: what is chosen for both. */
static struct choice choose(const struct answer_now *now, const char *address, unsigned family)
{
	struct client client = {.source_bits = 32};
	struct choice choice, own;
	if (!ip_parse(address, &client.address))
		abort();
	client.resolver = client.address;
	uint64_t name_hash = hash_bytes("shop", 4, 0), random = hash_bytes(address, strlen(address), 7);
	choose_region(&now->policy, &client, name_hash, random, &choice);
	if (family && choose_family(&choice, &client, name_hash, random, family, &own))
		return own;
	return choice;
}

/* ---- expectations ---- */

static void expect_vip(struct sim *sim, char **words)
{
	struct sim_vip *vip = vip_of(sim, words[0]);
	enum vip_state state = which(sim, words[1], fleet_vip_state_word),
		       seen = health_book_vip_state(vip->verdict.state);
	if (!words[2] || strcmp(words[2], "pending") != 0)
		refuse(sim, "expected `pending N`");
	if (seen != state || verdict_pending(&vip->verdict) != number(sim, words[3]))
		fail(sim, "vip %s is %s pending %u", words[0], fleet_vip_state_word[seen],
		     verdict_pending(&vip->verdict));
}

static void expect_spread(struct sim *sim, const struct answer_now *now, char **words)
{
	unsigned clients[REGIONS_HERE] = {0};
	for (unsigned i = 0; i < CLIENTS; i++) {
		char address[IP_TEXT_MAX];
		snprintf(address, sizeof address, "10.%u.%u.1", i / 250, i % 250);
		struct choice choice = choose(now, address, 0);
		if (choice.region)
			clients[choice.region->number]++;
	}
	for (; words[0]; words += 2) {
		struct sim_region *region = region_of(sim, words[0]);
		int wanted = (int)number(sim, words[1]);
		int seen = (int)(clients[region - sim->regions] * 100 / CLIENTS);
		bool is_exact = wanted == 0 || wanted == 100;
		if (abs(seen - wanted) > (is_exact ? 0 : 4))
			fail(sim, "%s gets %d %% of the clients", region->id, seen);
	}
}

static bool is_in_list(const char *list, const char *address)
{
	const char *at = strstr(list, address);
	return at && (at == list || at[-1] == ',') &&
	       (at[strlen(address)] == '\0' || at[strlen(address)] == ',');
}

static void expect_answers(struct sim *sim, const struct choice *choice, unsigned family, const char *list)
{
	const struct plan_vip *vips[ANSWERS_MAX];
	unsigned count = choose_vips(choice, family, 99, vips), wanted = strcmp(list, "none") != 0;
	for (const char *comma = list; (comma = strchr(comma, ',')); comma++)
		wanted++;
	if (count != wanted)
		fail(sim, "%u answers", count);
	for (unsigned i = 0; i < count; i++) {
		char address[IP_TEXT_MAX];
		ip_format(&vips[i]->ip, address);
		if (!is_in_list(list, address))
			fail(sim, "answers hold %s", address);
	}
}

static void expect_choice(struct sim *sim, const struct answer_now *now, char **words)
{
	static const char *const keys[] = {"region", "ttl", "step", "answers", NULL};
	unsigned family = 0;
	if (words[0] && strcmp(words[0], "family") == 0) {
		family = number(sim, words[1]);
		words += 2;
	}
	struct choice choice = choose(now, "203.0.113.7", family);
	const char *region = choice.region ? sim->regions[choice.region->number].id : "none";
	for (; words[0]; words += 2) {
		if (!words[1])
			refuse(sim, words[0]);
		switch (which(sim, words[0], keys)) {
		case 0:
			if (strcmp(words[1], region) != 0)
				fail(sim, "region is %s", region);
			break;
		case 1:
			if (choice.ttl != number(sim, words[1]))
				fail(sim, "ttl is %u", choice.ttl);
			break;
		case 2:
			if (strcmp(words[1], words_step(choice.step)) != 0)
				fail(sim, "step is %s", words_step(choice.step));
			break;
		default:
			expect_answers(sim, &choice, family ? family : 4, words[1]);
		}
	}
}

static void expect(struct sim *sim, char **words)
{
	if (!words[0])
		refuse(sim, "nothing is expected");
	sim->expectations++;
	if (strcmp(words[0], "vip") == 0) {
		expect_vip(sim, words + 1);
		return;
	}
	struct answer_now now = answer_begin(sim);
	if (strcmp(words[0], "spread") == 0)
		expect_spread(sim, &now, words + 1);
	else
		expect_choice(sim, &now, words);
	answer_end(&now);
}

/* ---- statements ---- */

static void at(struct sim *sim, char **words)
{
	static const char *const verbs[] = {"expect",	   "share", "restore", "drain",
					    "restore-vip", "load",  NULL};
	advance(sim, START_MS + duration(sim, words[0]));
	unsigned verb = which(sim, words[1], verbs);
	if (verb == 0) {
		expect(sim, words + 2);
	} else if (verb == 1) {
		struct sim_region *region = region_of(sim, words[2]);
		bool is_down = words[3] && strcmp(words[3], "down") == 0;
		if (words[4] && strcmp(words[4], "for") != 0)
			refuse(sim, words[4]);
		set_share(sim, region, is_down ? SHARE_DOWN : (int)number(sim, words[3]),
			  words[4] ? duration(sim, words[5]) : 0);
	} else if (verb == 2) {
		set_share(sim, region_of(sim, words[2]), 100, 0);
	} else if (verb == 5) {
		struct vip_load *load = &region_of(sim, words[2])->load;
		load->is_reported = true;
		load->scale = (uint16_t)(number(sim, words[3]) * SCORE_FULL / 100);
		load->changed_ms = sim->now_ms;
		load->changed_unix_ms = (int64_t)sim->now_ms;
	} else {
		struct sim_vip *vip = vip_of(sim, words[2]);
		vip->is_drained = verb == 3;
		vip->drain_changed_ms = sim->now_ms;
	}
}

static void add_vip(struct sim *sim, char **words)
{
	struct sim_vip *vip = &sim->vips[sim->vip_count];
	if (!words[0] || !words[1] || sim->vip_count == VIPS_HERE || !ip_parse(words[1], &vip->ip))
		refuse(sim, "vip REGION ADDRESS");
	unsigned r = 0;
	while (r < sim->region_count && strcmp(sim->regions[r].id, words[0]) != 0)
		r++;
	if (r == REGIONS_HERE)
		refuse(sim, "too many regions");
	if (r == sim->region_count) {
		snprintf(sim->regions[r].id, sizeof sim->regions[r].id, "%s", words[0]);
		sim->regions[r].share = 100;
		sim->region_count++;
	}
	vip->region = r;
	vip->weight = 1;
	vip->is_checked = true;
	vip->verdict.state = VERDICT_UNKNOWN;
	for (words += 2; words[0]; words++) {
		if (strcmp(words[0], "unchecked") == 0)
			vip->is_checked = false;
		else if (strcmp(words[0], "weight") == 0)
			vip->weight = number(sim, *++words);
		else
			refuse(sim, words[0]);
	}
	sim->vip_count++;
}

static void set_check(struct sim *sim, char **words)
{
	static const char *const keys[] = {"interval", "rise", "fall", "clear", NULL};
	for (; words[0]; words += 2)
		switch (which(sim, words[0], keys)) {
		case 0:
			sim->interval_ms = (uint32_t)duration(sim, words[1]);
			break;
		case 1:
			sim->limits.rise = number(sim, words[1]);
			break;
		case 2:
			sim->limits.fall = number(sim, words[1]);
			break;
		default:
			sim->limits.clear = number(sim, words[1]);
		}
}

static void set_stored(struct sim *sim, char **words)
{
	struct sim_vip *vip = vip_of(sim, words[0]);
	switch (which(sim, words[1], fleet_vip_state_word)) {
	case VIP_UP:
		vip->verdict.state = VERDICT_UP;
		break;
	case VIP_DOWN:
		vip->verdict.state = VERDICT_DOWN;
		break;
	default:
		refuse(sim, words[1]);
	}
	vip->was_up = true;
	uint64_t age_ms = duration(sim, words[2]);
	vip->is_long_ago = age_ms >= START_MS;
	vip->changed_ms = vip->is_long_ago ? 0 : START_MS - age_ms;
}

static void run_statement(struct sim *sim, char **words)
{
	static const char *const verbs[] = {"check",   "ttl",	"order", "last-resort", "min-healthy",
					    "answers", "split", "vip",	 "probe",	"stored",
					    "allowed", "at",	NULL};
	switch (which(sim, *words++, verbs)) {
	case 0:
		set_check(sim, words);
		break;
	case 1:
		sim->service.ttl_min = (uint32_t)(duration(sim, words[0]) / 1000);
		sim->service.ttl_max = (uint32_t)(duration(sim, words[1]) / 1000);
		break;
	case 2:
		sim->order = which(sim, words[0], fleet_order_word);
		if (sim->order != ORDER_LISTED && sim->order != ORDER_NONE)
			refuse(sim, "there is no geography here");
		break;
	case 3:
		sim->service.last_resort = which(sim, words[0], fleet_last_resort_word);
		break;
	case 4:
		sim->service.min_healthy_hundredths = number(sim, words[0]) * 100;
		break;
	case 5:
		sim->service.answers = (uint8_t)number(sim, words[0]);
		break;
	case 6:
		sim->service.split = which(sim, words[0], fleet_split_word);
		break;
	case 7:
		add_vip(sim, words);
		break;
	case 8:
		if (!words[0] || !words[1] || strspn(words[1], "+-.") != strlen(words[1]))
			refuse(sim, "probe ADDRESS ++--..");
		snprintf(vip_of(sim, words[0])->probes, sizeof sim->vips[0].probes, "%s", words[1]);
		break;
	case 9:
		set_stored(sim, words);
		break;
	case 10:
		for (sim->allowed = 0; words[0]; words++)
			sim->allowed |= (region_set)1 << (region_of(sim, words[0]) - sim->regions);
		break;
	default:
		at(sim, words);
	}
}

int main(int argc, char **argv)
{
	static struct sim sim = {
		.now_ms = START_MS,
		.next_round_ms = START_MS,
		.interval_ms = 2000,
		.limits = {2, 2, 2},
		.service = {.id = "shop",
			    .prefix4 = 24,
			    .prefix6 = 56,
			    .answers = 1,
			    .ttl_min = 5,
			    .ttl_max = 20,
			    .min_healthy_hundredths = 5000},
		.order = ORDER_LISTED,
		.allowed = ~(region_set)0,
	};
	char line[1024];
	sim.file = argc == 2 ? argv[1] : "";
	FILE *in = fopen(sim.file, "r");
	if (!in) {
		fprintf(stderr, "usage: %s FILE.sim\n", argv[0]);
		return 2;
	}
	while (fgets(line, sizeof line, in)) {
		char *words[WORDS_MAX + 4] = {0}, *rest = line;
		sim.line++;
		line[strcspn(line, "#\n")] = '\0';
		for (size_t i = 0; i < WORDS_MAX && (words[i] = strtok_r(rest, " \t", &rest)); i++)
			continue;
		if (words[0])
			run_statement(&sim, words);
	}
	fclose(in);
	printf("%u expectations, %u failed\n", sim.expectations, sim.failures);
	if (sim.expectations == 0)
		refuse(&sim, "nothing is expected");
	return sim.failures > 0;
}
