/*
 * Names → addresses. Each name has a timer of its own, which follows the TTL of its last answer;
 * c-ares asks, on the event base of the control thread.
 */
#include "health/resolve_names.h"
#include "lib/log.h"
#include "lib/map.h"
#include "lib/mem.h"
#include "store/store.h"
#include <ares.h>
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESSES_MAX FLEET_VIPS_PER_REGION_MAX /* of one name and family */
#define QUERY_TIMEOUT_MS 2000
#define QUERY_TRIES 2

struct addresses {
	size_t count;
	struct ip ip[ADDRESSES_MAX];
};

struct lookup { /* one name */
	struct resolve_names *names;
	char *name;
	struct event *timer; /* the next look-up */
	struct question {    /* A and AAAA apart: one that fails must not take the other's addresses */
		struct lookup *lookup;
		unsigned family; /* 4 or 6 */
		int status;
		int ttl_s;
		size_t answered; /* addresses in the answer; `seen` has no room for more than its own */
		struct addresses seen;
	} question[2];
	unsigned pending; /* questions under way */
	struct addresses known[2];
	size_t joined_count;
	struct ip joined[2 * ADDRESSES_MAX]; /* both families of known */
	bool is_known, is_wanted, is_failing;
	bool is_cut;	 /* some of its addresses have no room, and that was told */
	bool is_leaving; /* freed by its last answer */
};

struct watch {
	ares_socket_t socket;
	struct event *event;
};

struct resolve_names {
	struct event_base *base;
	struct store *store;
	char *resolvers; /* NULL: those of the system */
	struct resolve_names_hooks hooks;
	struct map *lookups; /* name → struct lookup */
	ares_channel channel;
	bool has_channel;
	struct event *timeout;
	struct watch *watches;
	size_t watch_count, watch_capacity;
};

/* ---- c-ares on the event base ---- */

static void arm_timeout(struct resolve_names *names)
{
	struct timeval left;
	if (ares_timeout(names->channel, NULL, &left))
		evtimer_add(names->timeout, &left);
	else
		evtimer_del(names->timeout);
}

static void on_socket(evutil_socket_t fd, short events, void *user)
{
	struct resolve_names *names = user;
	ares_process_fd(names->channel, events & EV_READ ? fd : ARES_SOCKET_BAD,
			events & EV_WRITE ? fd : ARES_SOCKET_BAD);
	arm_timeout(names);
}

static void on_timeout(evutil_socket_t fd, short events, void *user)
{
	struct resolve_names *names = user;
	ares_process_fd(names->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timeout(names);
}

static void on_socket_state(void *user, ares_socket_t socket, int readable, int writable)
{
	struct resolve_names *names = user;
	size_t at = 0;
	while (at < names->watch_count && names->watches[at].socket != socket)
		at++;
	if (at < names->watch_count) {
		event_free(names->watches[at].event);
		names->watches[at] = names->watches[--names->watch_count];
	}
	if (!readable && !writable)
		return;
	short events = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	xgrow((void **)&names->watches, &names->watch_capacity, names->watch_count + 1,
	      sizeof *names->watches);
	struct event *event = event_new(names->base, socket, events, on_socket, names);
	names->watches[names->watch_count++] = (struct watch){.socket = socket, .event = event};
	event_add(event, NULL);
}

/* When the first name is wanted, so that a fleet without names needs no resolver. */
static bool open_channel(struct resolve_names *names)
{
	if (names->has_channel)
		return true;
	static char lookups[] = "b"; /* DNS alone: a hosts file knows nothing of TTLs */
	struct ares_options options = {.timeout = QUERY_TIMEOUT_MS,
				       .tries = QUERY_TRIES,
				       .lookups = lookups,
				       .sock_state_cb = on_socket_state,
				       .sock_state_cb_data = names};
	int status = ares_init_options(&names->channel, &options,
				       ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
					       ARES_OPT_SOCK_STATE_CB);
	if (status == ARES_SUCCESS && names->resolvers) {
		status = ares_set_servers_ports_csv(names->channel, names->resolvers);
		if (status != ARES_SUCCESS)
			ares_destroy(names->channel);
	}
	names->has_channel = status == ARES_SUCCESS;
	if (!names->has_channel)
		log_warning("names cannot be looked up: %s", ares_strerror(status));
	return names->has_channel;
}

/* ---- what is known ---- */

static void join(struct lookup *lookup)
{
	lookup->joined_count = 0;
	for (unsigned row = 0; row < 2; row++)
		for (size_t i = 0; i < lookup->known[row].count; i++)
			lookup->joined[lookup->joined_count++] = lookup->known[row].ip[i];
	assert(lookup->joined_count <= sizeof lookup->joined / sizeof *lookup->joined);
}

static size_t addresses_of(void *user, const char *name, const struct ip **ret)
{
	const struct lookup *lookup = map_get(user, name);
	if (!lookup)
		return 0;
	*ret = lookup->joined;
	return lookup->joined_count;
}

size_t resolve_names_addresses(void *names, const char *name, const struct ip **ret)
{
	return addresses_of(((struct resolve_names *)names)->lookups, name, ret);
}

static void log_lines(struct err_list *warnings)
{
	for (size_t i = 0; i < warnings->count; i++) {
		char *line = err_line(warnings, i);
		log_warning("%s", line);
		free(line);
	}
	err_done(warnings);
}

bool resolve_names_fill(const struct resolve_names *names, const struct fleet *fleet)
{
	struct err_list warnings = {0};
	bool is_changed = false;
	struct fleet_service *service;
	for (size_t at = 0; (service = (void *)fleet_next(fleet, FLEET_SERVICE, &at));) {
		for (size_t r = 0; r < service->vip_region_count; r++) {
			struct fleet_vips *vips = &service->vips[r];
			if (!fleet_vips_resolve(vips, addresses_of, names->lookups))
				continue;
			is_changed = true;
			if (vips->left_out > 0)
				err_warn_topic(
					&warnings, "addresses left out", NULL, 0, 0,
					"service %s: region %s has room for %zu VIPs; %zu addresses of "
					"its names are left out",
					service->object.id, vips->region, vips->count, vips->left_out);
		}
	}
	log_lines(&warnings);
	return is_changed;
}

/* "192.0.2.1 2001:db8::1" */
static void save(const struct lookup *lookup)
{
	char text[2 * ADDRESSES_MAX * IP_TEXT_MAX] = "", address[IP_TEXT_MAX];
	size_t used = 0;
	for (size_t i = 0; i < lookup->joined_count; i++) {
		ip_format(&lookup->joined[i], address);
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? " " : "", address);
	}
	assert(used < sizeof text);
	log_info("name %s has the addresses %s", lookup->name, text);
	if (lookup->names->store && !store_save_resolved(lookup->names->store, lookup->name, text))
		log_warning("the addresses of name %s could not be written to the store", lookup->name);
}

static void restore(struct lookup *lookup)
{
	char *text = lookup->names->store ? store_resolved(lookup->names->store, lookup->name) : NULL;
	char *rest = NULL;
	for (char *word = text ? strtok_r(text, " ", &rest) : NULL; word; word = strtok_r(NULL, " ", &rest)) {
		struct ip ip;
		if (!ip_parse(word, &ip))
			continue;
		struct addresses *known = &lookup->known[ip.family == 6];
		if (known->count < ADDRESSES_MAX)
			known->ip[known->count++] = ip;
		lookup->is_known = true;
	}
	free(text);
	join(lookup);
}

/* ---- looking up ---- */

static void free_lookup(struct lookup *lookup)
{
	assert(lookup->pending == 0); /* or its answer would come to freed memory */
	event_free(lookup->timer);
	free(lookup->name);
	free(lookup);
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(((const struct ip *)a)->bytes, ((const struct ip *)b)->bytes, 16);
}

/* Resolvers turn the order around; what counts is the set, and of one that is too large those that come
 * first by value, so that it stays the same. */
static void take_addresses(struct question *question, const struct ares_addrinfo *info)
{
	struct addresses *seen = &question->seen;
	struct ip *all = NULL;
	size_t capacity = 0;
	question->ttl_s = NAME_TTL_MAX_S;
	question->answered = 0;
	for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
		struct ip ip = ip_from_sockaddr(node->ai_addr);
		if (ip.family != question->family)
			continue;
		xgrow((void **)&all, &capacity, question->answered + 1, sizeof *all);
		all[question->answered++] = ip;
		if (node->ai_ttl < question->ttl_s)
			question->ttl_s = node->ai_ttl;
	}
	for (const struct ares_addrinfo_cname *alias = info->cnames; alias; alias = alias->next)
		if (alias->ttl < question->ttl_s)
			question->ttl_s = alias->ttl;
	if (question->ttl_s < NAME_TTL_MIN_S)
		question->ttl_s = NAME_TTL_MIN_S;
	if (question->answered > 0)
		qsort(all, question->answered, sizeof *all, compare_addresses);
	seen->count = question->answered < ADDRESSES_MAX ? question->answered : ADDRESSES_MAX;
	if (seen->count > 0)
		memcpy(seen->ip, all, seen->count * sizeof *all);
	free(all);
}

/* Told once, until the name has no more than fit. */
static void tell_cut(struct lookup *lookup)
{
	size_t most = 0;
	for (unsigned row = 0; row < 2; row++)
		if (lookup->question[row].answered > most)
			most = lookup->question[row].answered;
	if (most > ADDRESSES_MAX && !lookup->is_cut)
		log_warning("name %s has %zu addresses of one family; the first %d by value are used",
			    lookup->name, most, ADDRESSES_MAX);
	lookup->is_cut = most > ADDRESSES_MAX;
}

static bool is_same(const struct addresses *a, const struct addresses *b)
{
	return a->count == b->count && memcmp(a->ip, b->ip, a->count * sizeof *a->ip) == 0;
}

/* Takes over what was answered; false: the addresses stay what they were. */
static bool take_answers(struct lookup *lookup)
{
	const struct question *question = lookup->question;
	bool is_changed = false;
	if (question[0].seen.count + question[1].seen.count == 0)
		return false; /* a name without any address empties nothing */
	for (unsigned row = 0; row < 2; row++) {
		bool is_answered =
			question[row].status == ARES_SUCCESS || question[row].status == ARES_ENODATA;
		if (!is_answered || is_same(&question[row].seen, &lookup->known[row]))
			continue;
		lookup->known[row] = question[row].seen;
		is_changed = true;
	}
	join(lookup);
	return is_changed;
}

static void finish(struct lookup *lookup)
{
	struct resolve_names *names = lookup->names;
	assert(lookup->pending == 0 && !lookup->is_leaving);
	int wait_s = NAME_TTL_MAX_S, failure = ARES_SUCCESS, nothing = 0;
	for (unsigned row = 0; row < 2; row++) {
		const struct question *question = &lookup->question[row];
		if (question->status == ARES_SUCCESS && question->ttl_s < wait_s)
			wait_s = question->ttl_s;
		else if (question->status == ARES_ENODATA)
			nothing++;
		else if (question->status != ARES_SUCCESS)
			failure = question->status;
	}
	if (nothing == 2)
		failure = ARES_ENODATA;
	if (failure != ARES_SUCCESS && wait_s > NAME_RETRY_S)
		wait_s = NAME_RETRY_S;
	if (failure != ARES_SUCCESS && !lookup->is_failing)
		log_warning("name %s: %s; its last addresses stay", lookup->name, ares_strerror(failure));
	lookup->is_failing = failure != ARES_SUCCESS;
	evtimer_add(lookup->timer, &(const struct timeval){.tv_sec = wait_s});
	tell_cut(lookup);
	bool was_known = lookup->is_known;
	lookup->is_known = true;
	if (take_answers(lookup)) {
		save(lookup);
		names->hooks.addresses_changed(names->hooks.user);
	}
	if (!was_known)
		names->hooks.progressed(names->hooks.user);
}

static void on_answer(void *user, int status, int timeouts, struct ares_addrinfo *info)
{
	struct question *question = user;
	struct lookup *lookup = question->lookup;
	question->status = status;
	question->seen.count = question->answered = 0;
	if (status == ARES_SUCCESS && info)
		take_addresses(question, info);
	if (info)
		ares_freeaddrinfo(info);
	assert(lookup->pending > 0);
	if (--lookup->pending > 0)
		return;
	if (lookup->is_leaving)
		free_lookup(lookup);
	else if (status != ARES_EDESTRUCTION)
		finish(lookup);
}

static void on_due(evutil_socket_t fd, short events, void *user)
{
	struct lookup *lookup = user;
	struct resolve_names *names = lookup->names;
	if (!open_channel(names)) {
		evtimer_add(lookup->timer, &(const struct timeval){.tv_sec = NAME_RETRY_S});
		return;
	}
	assert(lookup->pending == 0 && !lookup->is_leaving);
	lookup->pending = 2; /* an answer may come before the call returns */
	for (unsigned row = 0; row < 2; row++) {
		struct ares_addrinfo_hints hints = {.ai_family = row ? AF_INET6 : AF_INET,
						    .ai_flags = ARES_AI_NOSORT};
		ares_getaddrinfo(names->channel, lookup->name, NULL, &hints, on_answer,
				 &lookup->question[row]);
	}
	arm_timeout(names);
}

/* ---- the names of the fleet ---- */

static void want(struct resolve_names *names, const char *name)
{
	struct lookup *lookup = map_get(names->lookups, name);
	if (!lookup) {
		lookup = xcalloc(1, sizeof *lookup);
		lookup->names = names;
		lookup->name = xstrdup(name);
		lookup->timer = evtimer_new(names->base, on_due, lookup);
		for (unsigned row = 0; row < 2; row++)
			lookup->question[row] = (struct question){.lookup = lookup, .family = row ? 6 : 4};
		restore(lookup);
		map_put(names->lookups, name, lookup);
		evtimer_add(lookup->timer, &(const struct timeval){0});
	}
	lookup->is_wanted = true;
}

static void drop(struct resolve_names *names, struct lookup *lookup)
{
	map_remove(names->lookups, lookup->name);
	evtimer_del(lookup->timer);
	lookup->is_leaving = true;
	if (lookup->pending == 0)
		free_lookup(lookup);
}

static void drop_unwanted(struct resolve_names *names, bool forgets)
{
	struct lookup **unwanted = xcalloc(map_count(names->lookups) + 1, sizeof *unwanted), *lookup;
	size_t count = 0;
	for (size_t at = 0; (lookup = map_next(names->lookups, &at, NULL));)
		if (!lookup->is_wanted)
			unwanted[count++] = lookup;
	for (size_t i = 0; i < count; i++) {
		if (forgets && names->store)
			store_save_resolved(names->store, unwanted[i]->name, NULL);
		drop(names, unwanted[i]);
	}
	free(unwanted);
}

static void want_nothing(struct resolve_names *names)
{
	struct lookup *lookup;
	for (size_t at = 0; (lookup = map_next(names->lookups, &at, NULL));)
		lookup->is_wanted = false;
}

void resolve_names_sync(struct resolve_names *names, const struct fleet *fleet)
{
	const struct fleet_service *service;
	want_nothing(names);
	for (size_t at = 0; (service = (const void *)fleet_next(fleet, FLEET_SERVICE, &at));)
		for (size_t r = 0; r < service->vip_region_count; r++)
			for (size_t i = 0; service->vips[r].has_names && i < service->vips[r].written_count;
			     i++)
				if (service->vips[r].written[i].name)
					want(names, service->vips[r].written[i].name);
	drop_unwanted(names, true);
	resolve_names_fill(names, fleet);
}

void resolve_names_want(struct resolve_names *names, const char *const *wanted, size_t count)
{
	want_nothing(names);
	for (size_t i = 0; i < count; i++)
		want(names, wanted[i]);
	drop_unwanted(names, true);
}

bool resolve_names_are_known(const struct resolve_names *names)
{
	const struct lookup *lookup;
	for (size_t at = 0; (lookup = map_next(names->lookups, &at, NULL));)
		if (!lookup->is_known)
			return false;
	return true;
}

struct resolve_names *resolve_names_new(struct event_base *base, struct store *store, const char *resolvers,
					const struct resolve_names_hooks *hooks)
{
	assert(hooks->addresses_changed && hooks->progressed);
	struct resolve_names *names = xcalloc(1, sizeof *names);
	names->base = base;
	names->store = store;
	names->resolvers = resolvers ? xstrdup(resolvers) : NULL;
	names->hooks = *hooks;
	names->lookups = map_new();
	names->timeout = evtimer_new(base, on_timeout, names);
	return names;
}

void resolve_names_free(struct resolve_names *names)
{
	if (!names)
		return;
	want_nothing(names);
	drop_unwanted(names, false);
	if (names->has_channel)
		ares_destroy(names->channel); /* answers what is under way, and closes the sockets */
	event_free(names->timeout);
	free(names->watches);
	free(names->resolvers);
	map_free(names->lookups);
	free(names);
}
