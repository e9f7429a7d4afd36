/*
 * The health book: one entry for each address and check that the fleet uses, shared by its services.
 * Results of the in-process checker go in, verdicts come out; what was learnt is written behind to the
 * store, so that a restart knows it. Control thread.
 */
#include "health/health_book.h"
#include "checker/checker.h"
#include "checker/probe_kinds.h"
#include "health/notify.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include "store/store.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX (IP_TEXT_MAX + 64 + NAME_TEXT_MAX)
#define FRESH_MS ((int64_t)24 * 3600 * 1000) /* a stored state this old still counts as a round */
#define SAVE_CHANGES_MS 100 /* a transition is in the store after this; those of a moment go together */
#define SAVE_SEEN_MS 10000

struct target_user { /* the fleet's; good until the next sync, which follows every change of it */
	const struct fleet_service *service;
	const char *region;
};

struct target {			   /* an entry and what only this file needs of it */
	struct health_entry entry; /* first: callers hold this */
	struct health_book *book;
	uint64_t digest;   /* of what the check asks */
	uint64_t schedule; /* of the rest that the checker was given */
	struct verdict_limits limits;
	struct checker_target *probe;
	char *name; /* the VIP's, where it has one */
	int64_t seen_unix_ms;
	bool has_finished;	  /* a round, since this process started */
	bool is_inconclusive;	  /* the last round could not be run */
	bool is_changed, is_seen; /* since the last save */
	bool is_wanted;
	struct target_user *users;
	size_t user_count, user_capacity;
};

struct health_book {
	struct event_base *base;
	struct store *store;
	struct notify *notify;
	struct health_hooks hooks;
	struct map *targets; /* "ADDRESS CHECK [NAME]" → struct target */
	struct map *stored; /* store's name of a target → struct store_health_row, as it was at the start */
	struct checker *checker; /* NULL: nobody probes */
	unsigned concurrency;
	size_t waiting;	     /* probed targets without a round */
	size_t inconclusive; /* targets whose last round could not be run */
	struct event *save_changes, *save_seen;
};

/* The name is a part of it, for servers answer by the name that they are asked for. */
static void make_key(const struct ip *ip, const char *name, const char *check, char out[static KEY_MAX])
{
	char address[IP_TEXT_MAX];
	ip_format(ip, address);
	snprintf(out, KEY_MAX, "%s %s%s%s", address, check, name ? " " : "", name ? name : "");
}

/* ---- what a check asks ---- */

static uint64_t digest_text(const char *text, uint64_t seed)
{
	return text ? hash_bytes(text, strlen(text) + 1, seed) : hash_mix(seed, 1);
}

static uint64_t digest_number(uint64_t number, uint64_t seed)
{
	return hash_mix(seed, number + 2);
}

/* Only what decides the meaning of "up": with another interval, timeout, rise or fall the old verdict
 * is as good as it was. Part of the store's format: an other digest forgets the stored state. */
static uint64_t digest_question(const struct fleet_check *check, const char *name)
{
	const struct probe_spec *spec = &check->spec;
	unsigned keys = spec->kind->keys;
	uint64_t digest = digest_number(probe_kinds_number(spec->kind), name ? digest_text(name, 0) : 0);
	digest = digest_number(spec->port, digest);
	if (keys & PROBE_KEYS_TLS & ~PROBE_KEY_HOST) {
		digest = digest_text(spec->sni, digest);
		digest = digest_number(spec->verify, digest);
		digest = digest_number(spec->expires_within_ms, digest);
	}
	if (!(keys & PROBE_KEYS_HTTP & ~PROBE_KEY_HOST))
		return keys & PROBE_KEY_HOST ? digest_text(spec->host, digest) : digest;
	digest = digest_text(spec->method, digest);
	digest = digest_text(spec->path, digest);
	digest = digest_text(spec->host, digest);
	digest = digest_text(spec->body, digest);
	digest = digest_number(spec->header_count, digest);
	for (size_t i = 0; i < spec->header_count; i++) {
		digest = digest_text(spec->headers[i].name, digest);
		digest = digest_text(spec->headers[i].value, digest);
	}
	digest = digest_number(spec->expect_count, digest);
	for (size_t i = 0; i < spec->expect_count; i++)
		digest = digest_number((uint64_t)spec->expect[i].from << 16 | spec->expect[i].to, digest);
	return digest;
}

static uint64_t digest_schedule(const struct fleet_check *check)
{
	return (uint64_t)check->spec.interval_ms << 32 | check->spec.timeout_ms;
}

/* ---- store ---- */

static void stored_name(const struct target *target,
			char out[static sizeof((struct store_health_row *)0)->target])
{
	char address[IP_TEXT_MAX];
	ip_format(&target->entry.ip, address);
	size_t room = sizeof((struct store_health_row *)0)->target;
	int length = snprintf(out, room, "%s %s %016llx", address, target->entry.check,
			      (unsigned long long)target->digest);
	assert(length > 0 && (size_t)length < room); /* the digest is at the end */
	(void)length;
}

static void remember_row(void *user, const struct store_health_row *row)
{
	struct health_book *book = user;
	if (row->state == STORE_HEALTH_UNKNOWN || clock_unix_ms() - row->seen_unix_ms > FRESH_MS)
		return;
	free(map_put(book->stored, row->target, xmemdup(row, sizeof *row)));
}

static void forget_stored(struct health_book *book)
{
	void *row;
	for (size_t at = 0; (row = map_next(book->stored, &at, NULL));)
		free(row);
	map_free(book->stored);
	book->stored = map_new();
}

static enum store_health stored_state(const struct health_entry *entry)
{
	switch (entry->verdict.state) {
	case VERDICT_UP:
		return STORE_HEALTH_UP;
	case VERDICT_DOWN:
		return entry->was_up ? STORE_HEALTH_DOWN : STORE_HEALTH_NEVER_UP;
	case VERDICT_UNKNOWN:
		break;
	}
	return STORE_HEALTH_UNKNOWN;
}

static void restore(struct target *target)
{
	char name[sizeof((struct store_health_row *)0)->target];
	stored_name(target, name);
	/* Taken out: a target that leaves the fleet and comes back later is not what it was at the start. */
	struct store_health_row *row = map_remove(target->book->stored, name);
	int64_t now_unix_ms = clock_unix_ms();
	if (!row)
		return;
	struct health_entry *entry = &target->entry;
	bool is_up = row->state == STORE_HEALTH_UP;
	assert(row->state != STORE_HEALTH_UNKNOWN); /* see remember_row */
	entry->verdict.state = is_up ? VERDICT_UP : VERDICT_DOWN;
	entry->score = is_up ? SCORE_FULL : 0;
	entry->changed_unix_ms = row->changed_unix_ms;
	entry->was_up = row->state == STORE_HEALTH_DOWN;
	/* The last transition on this boot's clock, so that the TTL goes on growing where it was; one
	 * that the clock cannot tell is long ago. */
	uint64_t now_ms = clock_mono_ms();
	int64_t age_ms = now_unix_ms - row->changed_unix_ms;
	if (age_ms < 0)
		age_ms = 0; /* the wall clock was set back meanwhile */
	entry->is_long_ago = (uint64_t)age_ms >= now_ms;
	entry->changed_ms = entry->is_long_ago ? 0 : now_ms - (uint64_t)age_ms;
	entry->has_round = true;
	target->seen_unix_ms = row->seen_unix_ms;
	snprintf(entry->reason, sizeof entry->reason, "%s", is_up ? "" : "down before the restart");
	free(row);
}

static void save(struct health_book *book, bool only_changes)
{
	struct store_health_row *rows = xcalloc(map_count(book->targets) + 1, sizeof *rows);
	size_t count = 0;
	struct target *target;
	for (size_t at = 0; (target = map_next(book->targets, &at, NULL));) {
		if (!(target->is_changed || (target->is_seen && !only_changes)))
			continue;
		assert(count < map_count(book->targets));
		struct store_health_row *row = &rows[count++];
		stored_name(target, row->target);
		row->state = stored_state(&target->entry);
		row->changed_unix_ms = target->entry.changed_unix_ms;
		row->seen_unix_ms = target->seen_unix_ms;
	}
	bool is_saved = count == 0 || store_save_health(book->store, rows, count);
	for (size_t at = 0; is_saved && (target = map_next(book->targets, &at, NULL));) {
		target->is_seen = target->is_seen && only_changes && !target->is_changed;
		target->is_changed = false;
	}
	if (!is_saved)
		log_warning("the state of health could not be written to the store; it is tried again");
	free(rows);
}

void health_book_save(struct health_book *book)
{
	save(book, false);
}

static void on_save_changes(evutil_socket_t fd, short events, void *user)
{
	save(user, true);
}

static void on_save_seen(evutil_socket_t fd, short events, void *user)
{
	save(user, false);
}

/* ---- results ---- */

static void count_latency(struct health_entry *entry, uint32_t latency_us)
{
	size_t last = sizeof entry->latency_bucket / sizeof entry->latency_bucket[0] - 1, bucket = 0;
	while (bucket < last && latency_us > 125u << bucket)
		bucket++;
	entry->latency_bucket[bucket]++;
	entry->latency_sum_us += latency_us;
	entry->latency_count++;
	entry->latency_us = latency_us;
}

static const char *state_word(enum verdict_state state)
{
	return fleet_vip_state_word[health_book_vip_state(state)];
}

/* That a VIP is up when it is first looked at is no news. */
static void tell_users(const struct target *target, enum verdict_state before, const char *reason)
{
	const struct health_entry *entry = &target->entry;
	char address[IP_TEXT_MAX];
	if (before == VERDICT_UNKNOWN && entry->verdict.state == VERDICT_UP)
		return;
	ip_format(&entry->ip, address);
	for (size_t i = 0; i < target->user_count; i++) {
		const struct target_user *user = &target->users[i];
		struct notice notice = {.unix_ms = entry->changed_unix_ms,
					.service = user->service->object.id,
					.region = user->region,
					.vip = address,
					.check = entry->check,
					.from = state_word(before),
					.to = state_word(entry->verdict.state),
					.reason = reason};
		notify_send(target->book->notify, &notice);
	}
}

static void note_transition(struct target *target, enum verdict_state before, const char *reason)
{
	struct health_entry *entry = &target->entry;
	bool is_up = entry->verdict.state == VERDICT_UP;
	assert(entry->verdict.state != before && entry->verdict.state != VERDICT_UNKNOWN);
	entry->score = is_up ? SCORE_FULL : 0;
	entry->changed_ms = clock_mono_ms();
	entry->changed_unix_ms = clock_unix_ms();
	entry->is_long_ago = false;
	entry->was_up = before == VERDICT_UP;
	entry->transitions++;
	target->is_changed = true;
	struct event *timer = target->book->save_changes;
	if (!evtimer_pending(timer, NULL))
		event_add(timer, &(const struct timeval){.tv_usec = SAVE_CHANGES_MS * 1000});
	char address[IP_TEXT_MAX];
	ip_format(&entry->ip, address);
	tell_users(target, before, reason);
	log_info("vip %s check %s: %s → %s%s%s", address, entry->check, state_word(before),
		 state_word(entry->verdict.state), *reason ? ": " : "", reason);
}

/* A round that could not be run says nothing of the target: everything is held as it was. */
static void note_inconclusive(struct target *target, const struct probe_result *result)
{
	struct health_book *book = target->book;
	if (book->inconclusive == 0)
		log_warning("probes cannot be run here: %s; states are held until they can", result->reason);
	book->inconclusive += !target->is_inconclusive;
	target->is_inconclusive = true;
}

static void forget_inconclusive(struct target *target)
{
	assert(target->book->inconclusive >= target->is_inconclusive);
	target->book->inconclusive -= target->is_inconclusive;
	target->is_inconclusive = false;
}

static void on_result(void *user, const struct probe_result *result)
{
	struct target *target = user;
	struct health_book *book = target->book;
	struct health_entry *entry = &target->entry;
	assert(target->probe && entry->is_probed);
	if (result->is_inconclusive) {
		note_inconclusive(target, result);
		return;
	}
	if (target->is_inconclusive && target->book->inconclusive == 1)
		log_info("probes can be run again");
	forget_inconclusive(target);
	count_latency(entry, result->latency_us);
	target->seen_unix_ms = clock_unix_ms();
	target->is_seen = true;
	enum verdict_state before = entry->verdict.state;
	uint32_t pending_before = verdict_pending(&entry->verdict);
	bool is_transition = verdict_update(&entry->verdict, &target->limits, result->is_ok);
	uint32_t pending = verdict_pending(&entry->verdict);
	if (!result->is_ok || (entry->verdict.state == VERDICT_UP && pending == 0))
		snprintf(entry->reason, sizeof entry->reason, "%s", result->reason);
	if (is_transition)
		note_transition(target, before, result->reason);
	bool is_first = !target->has_finished;
	target->has_finished = true;
	if (!entry->has_round) {
		assert(book->waiting > 0);
		entry->has_round = true;
		book->waiting--;
	}
	if (is_transition || pending != pending_before)
		book->hooks.changed(book->hooks.user, &entry->ip);
	if (is_first)
		book->hooks.progressed(book->hooks.user);
}

/* ---- targets ---- */

static void start_probe(struct target *target, const struct fleet_check *check)
{
	assert(!target->probe && target->book->checker);
	struct probe_spec spec = check->spec;
	spec.name = target->name;
	target->probe = checker_add(target->book->checker, &target->entry.ip, &spec, target);
	target->schedule = digest_schedule(check);
	target->entry.is_probed = true;
	target->book->waiting += !target->entry.has_round;
}

static void stop_probe(struct target *target)
{
	if (!target->probe)
		return;
	checker_remove(target->book->checker, target->probe);
	target->probe = NULL;
	target->entry.is_probed = false;
	assert(target->entry.has_round || target->book->waiting > 0);
	target->book->waiting -= !target->entry.has_round;
	forget_inconclusive(target);
}

static struct target *new_target(struct health_book *book, const struct fleet_vip *vip,
				 const struct fleet_check *check)
{
	struct target *target = xcalloc(1, sizeof *target);
	target->book = book;
	target->entry.ip = vip->ip;
	target->name = vip->name ? xstrdup(vip->name) : NULL;
	target->entry.check = xstrdup(check->object.id);
	target->entry.verdict.state = VERDICT_UNKNOWN;
	target->entry.score = SCORE_FULL; /* an unknown VIP counts as up */
	target->digest = digest_question(check, target->name);
	if (book->checker) /* where nobody probes, an old state would stand for ever */
		restore(target);
	return target;
}

static void free_target(struct target *target)
{
	if (!target)
		return;
	stop_probe(target);
	free(target->users);
	free(target->entry.check);
	free(target->name);
	free(target);
}

/* Follows the check: another question is another target, another schedule only another probe. */
static struct target *want_target(struct health_book *book, const struct fleet_vip *vip,
				  const struct fleet_check *check)
{
	char key[KEY_MAX];
	make_key(&vip->ip, vip->name, check->object.id, key);
	struct target *target = map_get(book->targets, key);
	if (target && target->is_wanted)
		return target; /* another service uses it too */
	if (target && target->digest != digest_question(check, target->name)) {
		free_target(map_remove(book->targets, key));
		target = NULL;
	}
	if (!target) {
		target = new_target(book, vip, check);
		map_put(book->targets, key, target);
	}
	target->is_wanted = true;
	target->limits = (struct verdict_limits){check->rise, check->fall, check->clear};
	if (target->probe && target->schedule != digest_schedule(check))
		stop_probe(target);
	if (!target->probe && book->checker)
		start_probe(target, check);
	return target;
}

static void add_user(struct target *target, const struct fleet_service *service, const char *region)
{
	xgrow((void **)&target->users, &target->user_capacity, target->user_count + 1, sizeof *target->users);
	target->users[target->user_count++] = (struct target_user){service, region};
}

static void drop_unwanted(struct health_book *book)
{
	struct target **unwanted = xcalloc(map_count(book->targets) + 1, sizeof *unwanted), *target;
	size_t count = 0;
	for (size_t at = 0; (target = map_next(book->targets, &at, NULL));)
		if (!target->is_wanted)
			unwanted[count++] = target;
	for (size_t i = 0; i < count; i++) {
		char key[KEY_MAX];
		make_key(&unwanted[i]->entry.ip, unwanted[i]->name, unwanted[i]->entry.check, key);
		target = map_remove(book->targets, key);
		assert(target == unwanted[i]);
		free_target(target);
	}
	free(unwanted);
}

static void want_nothing(struct health_book *book)
{
	struct target *target;
	for (size_t at = 0; (target = map_next(book->targets, &at, NULL));) {
		target->is_wanted = false;
		target->user_count = 0;
	}
}

void health_book_configure(struct health_book *book, unsigned concurrency)
{
	assert((book->concurrency > 0) == !!book->checker);
	if (concurrency == book->concurrency)
		return;
	if (concurrency == 0 || book->concurrency == 0) {
		save(book, false);
		want_nothing(book);
		drop_unwanted(book);
	}
	struct target *target;
	for (size_t at = 0; (target = map_next(book->targets, &at, NULL));)
		stop_probe(target);
	checker_free(book->checker);
	book->checker = NULL;
	book->concurrency = concurrency;
	if (concurrency == 0)
		return;
	struct rng rng;
	rng_seed_from_system(&rng);
	book->checker = checker_new(book->base, concurrency, rng_next(&rng), on_result);
	if (map_count(book->targets) > 0)
		return;
	forget_stored(book);
	if (!store_each_health(book->store, remember_row, book))
		log_warning("the stored state of health could not be read; every target begins unknown");
}

void health_book_sync(struct health_book *book, const struct fleet *fleet)
{
	want_nothing(book);
	const struct fleet_service *service;
	for (size_t at = 0; (service = (const void *)fleet_next(fleet, FLEET_SERVICE, &at));)
		for (size_t r = 0; r < service->vip_region_count; r++)
			for (size_t v = 0; v < service->vips[r].count; v++) {
				const struct fleet_vip *vip = &service->vips[r].vips[v];
				const char *id = vip->check ? vip->check : service->check;
				const struct fleet_object *check =
					id ? fleet_get(fleet, FLEET_CHECK, id) : NULL;
				if (!check)
					continue;
				struct target *target =
					want_target(book, vip, (const struct fleet_check *)check);
				add_user(target, service, service->vips[r].region);
			}
	drop_unwanted(book);
}

/* ---- life and questions ---- */

struct health_book *health_book_new(struct event_base *base, struct store *store, struct notify *notify,
				    const struct health_hooks *hooks)
{
	assert(base && store && hooks->changed && hooks->progressed);
	struct health_book *book = xcalloc(1, sizeof *book);
	book->base = base;
	book->store = store;
	book->notify = notify;
	book->hooks = *hooks;
	book->targets = map_new();
	book->stored = map_new();
	book->save_changes = evtimer_new(base, on_save_changes, book);
	book->save_seen = event_new(base, -1, EV_PERSIST, on_save_seen, book);
	if (!book->save_changes || !book->save_seen)
		abort();
	event_add(book->save_seen, &(const struct timeval){.tv_sec = SAVE_SEEN_MS / 1000});
	return book;
}

void health_book_free(struct health_book *book)
{
	if (!book)
		return;
	save(book, false);
	want_nothing(book);
	drop_unwanted(book);
	assert(book->waiting == 0 && book->inconclusive == 0);
	checker_free(book->checker);
	event_free(book->save_changes);
	event_free(book->save_seen);
	forget_stored(book);
	map_free(book->stored);
	map_free(book->targets);
	free(book);
}

const struct health_entry *health_book_find(const struct health_book *book, const struct fleet_vip *vip,
					    const char *check)
{
	char key[KEY_MAX];
	if (!book)
		return NULL;
	make_key(&vip->ip, vip->name, check, key);
	const struct target *target = map_get(book->targets, key);
	return target ? &target->entry : NULL;
}

const struct health_entry *health_book_next(const struct health_book *book, size_t *at)
{
	const struct target *target = map_next(book->targets, at, NULL);
	return target ? &target->entry : NULL;
}

bool health_book_is_complete(const struct health_book *book)
{
	return book->waiting == 0;
}

bool health_book_is_frozen(const struct health_book *book)
{
	return book->inconclusive > 0;
}
