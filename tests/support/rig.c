/* A control path for tests: see rig.h. */
#include "tests/support/rig.h"
#include "gslb/compile/world_builder.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 20000
#define ENTRIES_MAX 32

static void require(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "rig: %s\n", what);
	abort();
}

/* ---- clocks ---- */

static _Atomic int64_t advanced_ms, stepped_ms;

static int64_t read_clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + advanced_ms * 1000000;
}

uint64_t clock_mono_ns(void)
{
	return (uint64_t)read_clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000;
}

int64_t clock_unix_ms(void)
{
	return read_clock_ns(CLOCK_REALTIME) / 1000000 + stepped_ms;
}

void rig_step_wall_clock(int64_t ms)
{
	stepped_ms += ms;
}

void rig_advance_clocks(int64_t ms)
{
	advanced_ms += ms;
}

/* ---- health ---- */

static struct health_entry entries[ENTRIES_MAX];
static size_t entry_count;
static bool is_complete = true;

struct health_book *health_book_new(struct event_base *base, struct store *store, struct notify *notify,
				    const struct health_hooks *hooks)
{
	return (struct health_book *)entries; /* never looked into */
}

void health_book_configure(struct health_book *book, unsigned concurrency) {}

void health_book_free(struct health_book *book) {}

void health_book_sync(struct health_book *book, const struct fleet *fleet) {}

void health_book_save(struct health_book *book) {}

const struct health_entry *health_book_find(const struct health_book *book, const struct fleet_vip *vip,
					    const char *check)
{
	for (size_t i = 0; i < entry_count; i++)
		if (ip_equal(&entries[i].ip, &vip->ip) && strcmp(entries[i].check, check) == 0)
			return &entries[i];
	return NULL;
}

const struct health_entry *health_book_next(const struct health_book *book, size_t *at)
{
	return *at < entry_count ? &entries[(*at)++] : NULL;
}

bool health_book_is_complete(const struct health_book *book)
{
	return is_complete;
}

bool health_book_is_frozen(const struct health_book *book)
{
	return false;
}

void rig_set_health(struct rig *rig, const char *address, const char *check, enum vip_state state,
		    unsigned pending)
{
	static const enum verdict_state verdicts[VIP_STATES] = {
		[VIP_DOWN] = VERDICT_DOWN, [VIP_UP] = VERDICT_UP, [VIP_UNKNOWN] = VERDICT_UNKNOWN};
	struct fleet_vip vip = {0};
	require(ip_parse(address, &vip.ip), "no address");
	struct health_entry *entry = (struct health_entry *)health_book_find(NULL, &vip, check);
	if (!entry) {
		require(entry_count < ENTRIES_MAX, "too many targets");
		entry = &entries[entry_count++];
		*entry = (struct health_entry){.ip = vip.ip, .check = xstrdup(check), .score = SCORE_FULL};
	}
	if (health_book_vip_state(entry->verdict.state) != state)
		entry->changed_ms = clock_mono_ms();
	entry->verdict = (struct verdict){.state = verdicts[state]};
	*(state == VIP_UP ? &entry->verdict.failures : &entry->verdict.successes) = pending;
	entry->is_probed = entry->has_round = state != VIP_UNKNOWN;
	if (rig && rig->server && server_builder(rig->server))
		world_builder_state_changed(server_builder(rig->server), &vip.ip);
}

void rig_forget_health(void)
{
	for (size_t i = 0; i < entry_count; i++)
		free(entries[i].check);
	entry_count = 0;
	is_complete = true;
}

void rig_set_health_complete(bool complete)
{
	is_complete = complete;
}

/* ---- hooks ---- */

static bool start_serving(void *user, struct err_list *errors)
{
	struct rig *rig = user;
	rig->times_started++;
	if (rig->refuses_start)
		err_add(errors, NULL, 0, 0, "the address is in use");
	return !rig->refuses_start;
}

static const struct sockaddr_storage *listeners(void *user, size_t *ret_count)
{
	*ret_count = 0;
	return NULL;
}

static struct stats *const *no_stats(void *user, size_t *ret_count)
{
	*ret_count = 0;
	return NULL;
}

static uint64_t no_kernel_drops(void *user, size_t listener, unsigned transport)
{
	return 0;
}

static bool rebind(void *user, const struct node_config *config, struct err_list *errors)
{
	const struct rig *rig = user;
	if (rig->refuses_rebind)
		err_add(errors, config->path, 0, 0, "admin.socket: another one answers there");
	return !rig->refuses_rebind;
}

/* ---- life ---- */

void rig_init(struct rig *rig)
{
	*rig = (struct rig){.hooks = {rig, start_serving, listeners, no_stats, no_kernel_drops, rebind}};
	snprintf(rig->directory, sizeof rig->directory, "/tmp/gslb-rig-XXXXXX");
	require(mkdtemp(rig->directory) != NULL, "no directory");
	rig->base = event_base_new();
	rig_forget_health();
	advanced_ms = 0;
}

void rig_stop(struct rig *rig)
{
	server_free(rig->server);
	rig->server = NULL;
	world_free(publish_swap(&rig->world, NULL));
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	return remove(path);
}

void rig_done(struct rig *rig)
{
	rig_stop(rig);
	event_base_free(rig->base);
	nftw(rig->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(rig->reload_errors);
	rig_forget_health();
}

char *rig_path(const struct rig *rig, const char *name)
{
	return xasprintf("%s/%s", rig->directory, name);
}

void rig_write(const struct rig *rig, const char *name, const char *text)
{
	static int64_t writes;
	char *path = rig_path(rig, name);
	FILE *out = fopen(path, "w");
	require(out && fputs(text, out) >= 0 && fclose(out) == 0, "cannot write");
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1700000000 + ++writes}};
	require(utimensat(AT_FDCWD, path, times, 0) == 0, "cannot set the time");
	free(path);
}

static bool is_settled(struct rig *rig)
{
	return server_is_loaded(rig->server) || server_has_failed(rig->server);
}

bool rig_start(struct rig *rig, struct err_list *errors)
{
	char *path = rig_path(rig, "node.yaml");
	rig->server = server_new(rig->base, path, &rig->hooks, &rig->world, errors);
	free(path);
	if (!rig->server)
		return false;
	rig_await(rig, is_settled);
	return !server_has_failed(rig->server);
}

void rig_must_start(struct rig *rig, const char *fleet)
{
	struct err_list errors = {0};
	rig_write(rig, "node.yaml",
		  "node: {name: n1, state_dir: .}\n"
		  "fleet: [fleet.yaml]\n"
		  "dns: {listen: [\"127.0.0.1@0\"]}\n");
	rig_write(rig, "fleet.yaml", fleet);
	bool is_good = rig_start(rig, &errors);
	err_print(&errors, stderr);
	require(is_good, "the start has failed");
	err_done(&errors);
}

void rig_await(struct rig *rig, bool (*is_true)(struct rig *rig))
{
	struct timespec from, now;
	clock_gettime(CLOCK_MONOTONIC, &from);
	while (!is_true(rig)) {
		struct timeval most = {0, 50000};
		event_base_loopexit(rig->base, &most);
		event_base_loop(rig->base, EVLOOP_ONCE);
		clock_gettime(CLOCK_MONOTONIC, &now);
		require((now.tv_sec - from.tv_sec) * 1000 < WAIT_MS, "waited for too long");
	}
}

void rig_turn_ms(struct rig *rig, unsigned ms)
{
	struct timeval most = {ms / 1000, (suseconds_t)(ms % 1000 * 1000)};
	event_base_loopexit(rig->base, &most);
	event_base_loop(rig->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

/* ---- changes ---- */

static const struct requester requester = {"uid:7 (eve)", "api"};

static void on_reloaded(void *user, const struct err_list *errors)
{
	struct rig *rig = user;
	size_t size;
	free(rig->reload_errors);
	FILE *out = open_memstream(&rig->reload_errors, &size);
	err_print(errors, out);
	fclose(out);
	rig->reloads++;
}

static bool has_reloaded(struct rig *rig)
{
	return rig->reloads > 0;
}

bool rig_reload(struct rig *rig)
{
	uint64_t version = server_fleet_version(rig->server);
	rig->reloads = 0;
	server_reload(rig->server, &requester, on_reloaded, rig);
	rig_await(rig, has_reloaded);
	return server_fleet_version(rig->server) > version;
}

static enum change_outcome change(struct rig *rig, struct fleet_change *change, const char *verb,
				  const char *object, struct err_list *errors)
{
	struct err_list own = {0};
	struct fleet_result result = {0};
	enum change_outcome outcome = change_fleet(rig->server, change, false, &requester, verb, object,
						   &result, errors ? errors : &own);
	fleet_result_done(&result);
	fleet_change_free(change);
	err_print(&own, stderr);
	require(!err_has_errors(&own), "a change was refused");
	err_done(&own);
	return outcome;
}

static struct fleet_change *read_document(const char *yaml, struct err_list *errors)
{
	struct err_list own = {0};
	struct fleet_change *document = fleet_change_new(FLEET_STORE);
	struct doc *doc = doc_from_yaml("apply", yaml, strlen(yaml), &own);
	if (doc)
		fleet_change_add_document(document, doc, errors ? errors : &own);
	doc_free(doc);
	err_print(&own, stderr);
	require(!err_has_errors(&own), "a document is broken");
	err_done(&own);
	return document;
}

enum change_outcome rig_apply(struct rig *rig, const char *yaml, struct err_list *errors)
{
	return change(rig, read_document(yaml, errors), "apply", "fleet", errors);
}

enum change_outcome rig_apply_pruned(struct rig *rig, const char *yaml)
{
	struct fleet_change *document = read_document(yaml, NULL);
	fleet_change_prune(document);
	return change(rig, document, "apply", "fleet", NULL);
}

enum change_outcome rig_remove_tenant(struct rig *rig, const char *id, struct err_list *errors)
{
	struct fleet_change *removal = fleet_change_new(FLEET_STORE);
	char object[80];
	snprintf(object, sizeof object, "tenant %s", id);
	fleet_change_remove(removal, FLEET_TENANT, id);
	return change(rig, removal, "delete", object, errors);
}

enum change_outcome rig_control(struct rig *rig, const char *region, const char *service, const char *address,
				int share, uint64_t for_ms)
{
	struct err_list errors = {0};
	struct control_request request = {region, service, address, share, for_ms, "drill"};
	enum change_outcome outcome =
		change_controls(rig->server, &request, 1, &requester, "control", &errors);
	err_done(&errors);
	return outcome;
}

/* ---- answers ---- */

const struct world *rig_world(const struct rig *rig)
{
	return publish_get(&rig->world);
}

const char *rig_answer(const struct rig *rig, const struct world *world, const char *name, const char *client,
		       uint32_t *ret_ttl)
{
	static char text[2048];
	struct name wire;
	struct client from = {0};
	require(!name_from_text(name, NULL, &wire) && ip_parse(client, &from.address), "bad question");
	from.resolver = from.address;
	from.source_bits = (uint8_t)ip_bits(&from.address);
	struct question question = {.name = wire.octets,
				    .as_asked = wire.octets,
				    .length = wire.length,
				    .type = RR_A,
				    .hash = name_hash(wire.octets, wire.length)};
	struct answer *answer = xmalloc(sizeof *answer);
	const struct node *node = index_get(world->index, question.name, question.length, question.hash);
	resolve(world, &question, (struct found){.node = node}, &from, &(struct rng){{1, 1}}, answer);
	size_t used = (size_t)snprintf(text, sizeof text, "%s", rcode_word(answer->rcode));
	struct ip addresses[ANSWERS_MAX];
	unsigned count = resolve_addresses(answer, RR_A, addresses);
	if (ret_ttl && answer->answer_count != 0)
		*ret_ttl = answer->items[answer->answer_count - 1].ttl;
	for (unsigned i = 0; i + (count != 0) < answer->answer_count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, " static");
	for (unsigned i = 0; i < count; i++) {
		char address[IP_TEXT_MAX];
		ip_format(&addresses[i], address);
		used += (size_t)snprintf(text + used, sizeof text - used, " %s", address);
	}
	free(answer);
	return text;
}
