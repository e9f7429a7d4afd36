/* node.yaml → settings (reference/configuration.md, "node.yaml"). Control thread. */
#include "gslb/control/config.h"
#include "lib/doc_read.h"
#include "lib/gcra.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include "lib/text.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define WORKERS_MAX 256
#define LISTEN_MAX 256
#define RESOLVERS_MAX 16
#define FILES_MAX 4096 /* fleet and geo files each */

struct draft {
	struct node_config *config;
	const char *socket;
	const struct doc_node *socket_node; /* NULL: not given */
	const char *nsid;		    /* NULL: the node's name */
	double rrl_rate;		    /* responses a second for a prefix, all workers together */
};

/* ---- paths ---- */

static char *resolve(const char *directory_of, const char *path)
{
	const char *slash = strrchr(directory_of, '/');

	if (path[0] == '/' || slash == NULL)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - directory_of), directory_of, path);
}

static bool read_path(const struct doc_reader *reader, const struct doc_node *value, const char **ret)
{
	if (!doc_read_text(reader, value, "a path", ret))
		return false;
	if ((*ret)[0] != '\0')
		return true;
	doc_err(reader->errors, reader->doc, value, "must be a path, not empty");
	return false;
}

static void read_paths(const struct doc_reader *reader, const struct doc_node *value, const char *file,
		       char ***ret, size_t *ret_count)
{
	const char *path;

	if (!doc_read_is_sequence(reader, value, "a list of paths"))
		return;
	if (value->count > FILES_MAX) {
		doc_err(reader->errors, reader->doc, value, "lists %u files; at most %d", value->count,
			FILES_MAX);
		return;
	}
	*ret = xcalloc(value->count + 1, sizeof(**ret));
	for (const struct doc_node *item = value->first; item != NULL; item = item->next)
		if (read_path(reader, item, &path))
			(*ret)[(*ret_count)++] = resolve(file, path);
}

static void read_fleet(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;

	read_paths(reader, value, config->path, &config->fleet, &config->fleet_count);
}

static void read_geo(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;

	read_paths(reader, value, config->path, &config->geo, &config->geo_count);
}

/* ---- node, bus ---- */

static void read_name(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *id;

	if (doc_read_id(reader, value, &id))
		((struct draft *)target)->config->name = xstrdup(id);
}

static void read_region(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *id;

	if (doc_read_id(reader, value, &id))
		((struct draft *)target)->config->region = xstrdup(id);
}

static void read_state_dir(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;
	const char *path;

	if (read_path(reader, value, &path))
		config->state_dir = resolve(config->path, path);
}

/* Kept as c-ares takes them: "127.0.0.1:53,[::1]:53". */
static void read_resolvers(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;
	struct listen_address address;
	char quoted[TEXT_QUOTE_MAX], written[64];
	const char *text;

	if (!doc_read_is_sequence(reader, value, "a list of addresses, as [\"127.0.0.1@53\"]"))
		return;
	if (value->count < 1 || value->count > RESOLVERS_MAX) {
		doc_err(reader->errors, reader->doc, value, "lists %u resolvers; 1 to %d are needed",
			value->count, RESOLVERS_MAX);
		return;
	}
	for (const struct doc_node *item = value->first; item != NULL; item = item->next) {
		if (!doc_read_text(reader, item, "an address such as 127.0.0.1@53", &text))
			continue;
		text_quote(text, quoted);
		if (!listen_parse_dns(text, &address) || strcmp(strrchr(text, '@'), "@0") == 0) {
			doc_err(reader->errors, reader->doc, item,
				"%s must be an address and a port, as 127.0.0.1@53 or \"::1@53\"", quoted);
			continue;
		}
		listen_format((const struct sockaddr *)&address.sockaddr, false, written);
		char *longer = xasprintf("%s%s%s", config->resolvers ? config->resolvers : "",
					 config->resolvers ? "," : "", written);
		free(config->resolvers);
		config->resolvers = longer;
	}
}

static const struct doc_key node_keys[] = {
	{"name", read_name, true},
	{"region", read_region},
	{"state_dir", read_state_dir, true},
	{"resolvers", read_resolvers},
	{NULL},
};

static void read_node(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_mapping(reader, value, node_keys, target);
}

static void read_bus(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	if (value->kind != DOC_SCALAR || strcmp(value->text, "embedded") != 0)
		doc_read_unsupported(reader, value, "a bus other than embedded");
}

/* ---- dns ---- */

/* Port 0 asks the kernel for one, so equal text is then no clash. */
static bool is_listed(const struct node_config *config, const struct listen_address *address)
{
	char text[64], other[64];

	listen_format((const struct sockaddr *)&address->sockaddr, true, text);
	for (size_t i = 0; i < config->listen_count; i++) {
		listen_format((const struct sockaddr *)&config->listen[i].sockaddr, true, other);
		if (strcmp(text, other) == 0 && strcmp(strrchr(text, '@'), "@0") != 0)
			return true;
	}
	return false;
}

static void read_listen_address(const struct doc_reader *reader, const struct doc_node *node,
				struct node_config *config)
{
	struct listen_address *address = &config->listen[config->listen_count];
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_text(reader, node, "an address such as 127.0.0.1@5300", &text))
		return;
	text_quote(text, quoted);
	if (!listen_parse_dns(text, address)) {
		doc_err(reader->errors, reader->doc, node,
			"%s must be an address and a port, as 127.0.0.1@5300 or \"::1@5300\"", quoted);
		return;
	}
	if (is_listed(config, address)) {
		doc_err(reader->errors, reader->doc, node, "%s is listed twice", quoted);
		return;
	}
	config->listen_written[config->listen_count++] = xstrdup(text);
}

static void read_listen(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;

	if (!doc_read_is_sequence(reader, value, "a list of addresses, as [\"127.0.0.1@5300\"]"))
		return;
	if (value->count < 1 || value->count > LISTEN_MAX) {
		doc_err(reader->errors, reader->doc, value, "lists %u addresses; 1 to %d are needed",
			value->count, LISTEN_MAX);
		return;
	}
	config->listen = xcalloc(value->count, sizeof(*config->listen));
	config->listen_written = xcalloc(value->count, sizeof(*config->listen_written));
	for (const struct doc_node *item = value->first; item != NULL; item = item->next)
		read_listen_address(reader, item, config);
}

static unsigned usable_cores(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (unsigned)count;
}

static void read_workers(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;
	uint64_t workers;

	if (value->kind == DOC_SCALAR && strcmp(value->text, "auto") == 0) {
		config->workers_auto = true;
		config->workers = usable_cores();
	} else if (value->kind != DOC_SCALAR || value->is_quoted || !text_to_uint(value->text, &workers) ||
		   workers < 1 || workers > WORKERS_MAX) {
		doc_err(reader->errors, reader->doc, value,
			"must be a plain whole number from 1 to %d, or auto", WORKERS_MAX);
	} else {
		config->workers = (unsigned)workers;
	}
}

static void read_edns_size(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t size;

	if (doc_read_uint(reader, value, 512, 4096, &size))
		((struct draft *)target)->config->settings.edns_size = (uint16_t)size;
}

static void read_nsid(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	struct serve_settings *settings = &draft->config->settings;

	if (!doc_read_is_scalar(reader, value, "text"))
		return;
	if (value->length > sizeof(settings->nsid)) {
		doc_err(reader->errors, reader->doc, value, "must not be longer than %zu octets",
			sizeof(settings->nsid));
		return;
	}
	draft->nsid = value->text;
	settings->nsid_length = (uint8_t)value->length;
	memcpy(settings->nsid, value->text, value->length);
}

static void read_ecs_from(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char what[] = "a prefix like 192.0.2.0/24";
	struct serve_settings *settings = &((struct draft *)target)->config->settings;
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_is_sequence(reader, value, "a list of prefixes like 192.0.2.0/24"))
		return;
	if (value->count < 1 || value->count > ECS_FROM_MAX) {
		doc_err(reader->errors, reader->doc, value,
			"lists %u prefixes; 1 to %d are needed, or ecs: false", value->count, ECS_FROM_MAX);
		return;
	}
	for (const struct doc_node *item = value->first; item != NULL; item = item->next) {
		if (!doc_read_text(reader, item, what, &text))
			continue;
		text_quote(text, quoted);
		if (prefix_parse(text, &settings->ecs_from[settings->ecs_from_count]))
			settings->ecs_from_count++;
		else
			doc_err(reader->errors, reader->doc, item, "%s must be %s", quoted, what);
	}
}

static void read_ecs(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {{"from", read_ecs_from, true}, {NULL}};

	if (value->kind == DOC_MAPPING)
		doc_read_mapping(reader, value, keys, target);
	else
		doc_read_bool(reader, value, &((struct draft *)target)->config->settings.ecs);
}

static void read_tcp_connections(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t count;

	if (doc_read_uint(reader, value, 1, 1000000, &count))
		((struct draft *)target)->config->settings.tcp_connections = (uint32_t)count;
}

static void read_tcp_per_client(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t count;

	if (doc_read_uint(reader, value, 1, 1000000, &count))
		((struct draft *)target)->config->settings.tcp_per_client = (uint32_t)count;
}

static void read_tcp_idle(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t ms;

	if (doc_read_duration_ms(reader, value, 1, 86400000, &ms))
		((struct draft *)target)->config->settings.tcp_idle_ms = (uint32_t)ms;
}

static void read_tcp_queries(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t count;

	if (doc_read_uint(reader, value, 0, UINT32_MAX, &count))
		((struct draft *)target)->config->settings.tcp_queries = (uint32_t)count;
}

static const struct doc_key tcp_keys[] = {
	{"connections", read_tcp_connections},
	{"per_client", read_tcp_per_client},
	{"idle", read_tcp_idle},
	{"queries", read_tcp_queries},
	{NULL},
};

static void read_tcp(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_mapping(reader, value, tcp_keys, target);
}

static void read_start_wait(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t ms;

	if (doc_read_duration_ms(reader, value, 0, 300000, &ms))
		((struct draft *)target)->config->start_wait_ms = (uint32_t)ms;
}

/* 32 hex digits → 16 octets. */
static bool parse_secret(const char *text, uint8_t ret[static 16])
{
	if (strlen(text) != 32 || strspn(text, "0123456789abcdefABCDEF") != 32)
		return false;
	for (unsigned i = 0; i < 16; i++) {
		char pair[3] = {text[2 * i], text[2 * i + 1], 0};
		ret[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return true;
}

static void read_secrets(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	struct serve_settings *settings = &draft->config->settings;

	if (!doc_read_is_sequence(reader, value, "a list of secrets, each 32 hex digits"))
		return;
	if (value->count == 0 || value->count > COOKIE_SECRETS_MAX) {
		doc_err(reader->errors, reader->doc, value, "must hold 1 to %d secrets", COOKIE_SECRETS_MAX);
		return;
	}
	draft->config->has_random_cookie_secret = false;
	settings->cookie_secret_count = 0;
	for (const struct doc_node *item = value->first; item != NULL; item = item->next) {
		const char *text;
		if (!doc_read_text(reader, item, "a secret of 32 hex digits", &text))
			continue;
		/* the value itself stays out of messages and logs */
		if (!parse_secret(text, settings->cookie_secrets[settings->cookie_secret_count]))
			doc_err(reader->errors, reader->doc, item, "must be a secret of 32 hex digits");
		else
			settings->cookie_secret_count++;
	}
}

static void read_cookies(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {{"secrets", read_secrets, true}, {NULL}};
	struct node_config *config = ((struct draft *)target)->config;
	bool is_on;

	if (value->kind == DOC_MAPPING) {
		doc_read_mapping(reader, value, keys, target);
	} else if (doc_read_bool(reader, value, &is_on)) {
		if (is_on) /* what absent means; said aloud it may look like more than it is */
			doc_err(reader->errors, reader->doc, value,
				"must be false or {secrets: [32 hex digits, …]}; leave it out for one random "
				"secret");
		config->has_random_cookie_secret = false;
		config->settings.cookie_secret_count = 0;
	}
}

static void read_rrl_rate(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;

	if (doc_read_rate(reader, value, &draft->rrl_rate))
		draft->config->settings.rrl_is_on = true;
}

static void read_rrl_slip(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t slip;

	if (doc_read_uint(reader, value, 0, 10, &slip))
		((struct draft *)target)->config->settings.rrl_slip = (uint8_t)slip;
}

static void read_rrl_exempt(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct serve_settings *settings = &((struct draft *)target)->config->settings;

	if (!doc_read_is_sequence(reader, value, "a list of prefixes like 192.0.2.0/24"))
		return;
	if (value->count > RRL_EXEMPT_MAX) {
		doc_err(reader->errors, reader->doc, value, "must hold at most %d prefixes", RRL_EXEMPT_MAX);
		return;
	}
	for (const struct doc_node *item = value->first; item != NULL; item = item->next) {
		const char *text;
		if (!doc_read_text(reader, item, "a prefix like 192.0.2.0/24", &text))
			continue;
		if (!prefix_parse(text, &settings->rrl_exempt[settings->rrl_exempt_count]))
			doc_err(reader->errors, reader->doc, item, "'%s' must be a prefix like 192.0.2.0/24",
				text);
		else
			settings->rrl_exempt_count++;
	}
}

static void read_rrl(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {
		{"rate", read_rrl_rate, true}, {"slip", read_rrl_slip}, {"exempt", read_rrl_exempt}, {NULL}};

	((struct draft *)target)->config->settings.rrl_slip = 2;
	doc_read_mapping(reader, value, keys, target);
}

static const struct doc_key dns_keys[] = {
	{"listen", read_listen, true},
	{"workers", read_workers},
	{"edns_size", read_edns_size},
	{"nsid", read_nsid},
	{"ecs", read_ecs},
	{"tcp", read_tcp},
	{"start_wait", read_start_wait},
	{"cookies", read_cookies},
	{"rrl", read_rrl},
	{"tls", NULL},
	{NULL},
};

static void read_dns(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_mapping(reader, value, dns_keys, target);
}

/* ---- admin, probes ---- */

static void read_socket(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;

	if (read_path(reader, value, &draft->socket))
		draft->socket_node = value;
}

static void read_http(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_text(reader, value, "an address such as 127.0.0.1:8053", &text))
		return;
	text_quote(text, quoted);
	if (!listen_parse_http(text, &config->admin_http)) {
		doc_err(reader->errors, reader->doc, value,
			"%s must be an address and a port, as 127.0.0.1:8053 or \"[::1]:8053\"", quoted);
		return;
	}
	if (!listen_is_loopback(&config->admin_http)) {
		doc_err(reader->errors, reader->doc, value,
			"%s must be a loopback address: it is plain HTTP without authentication", quoted);
		return;
	}
	config->has_admin_http = true;
	config->admin_http_written = xstrdup(text);
}

static const struct doc_key admin_keys[] = {
	{"socket", read_socket}, {"http", read_http}, {"https", NULL}, {NULL}};

static void read_admin(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_mapping(reader, value, admin_keys, target);
}

static void read_vantage(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *id;

	if (doc_read_id(reader, value, &id))
		((struct draft *)target)->config->vantage = xstrdup(id);
}

static void read_exec(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	bool is_allowed;

	if (doc_read_bool(reader, value, &is_allowed) && is_allowed)
		doc_read_unsupported(reader, value, "exec: true");
}

static void read_concurrency(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t count;

	if (doc_read_uint(reader, value, 1, 10000, &count))
		((struct draft *)target)->config->probe_concurrency = (unsigned)count;
}

static const struct doc_key probe_keys[] = {
	{"vantage", read_vantage, true}, {"exec", read_exec}, {"concurrency", read_concurrency}, {NULL}};

static void read_probes(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct draft *)target)->config->has_probes = true;
	doc_read_mapping(reader, value, probe_keys, target);
}

static void read_notify(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = ((struct draft *)target)->config;

	notify_settings_read(reader, value, config->path, &config->notify);
}

/* ---- the file ---- */

static const struct doc_key config_keys[] = {
	{"node", read_node, true},
	{"bus", read_bus},
	{"fleet", read_fleet},
	{"geo", read_geo},
	{"dns", read_dns, true},
	{"admin", read_admin},
	{"probes", read_probes},
	{"notify", read_notify},
	{"control", NULL},
	{"forwarder", NULL},
	{NULL},
};

/* The kernel's limit on the path of a Unix socket, its final NUL included (unix(7)). */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static void fill_random_secret(uint8_t secret[static 16])
{
	struct rng rng;

	rng_seed_from_system(&rng);
	memcpy(secret, rng.s, sizeof(rng.s));
}

static void finish(const struct doc_reader *reader, struct draft *draft)
{
	struct node_config *config = draft->config;
	struct serve_settings *settings = &config->settings;

	if (draft->nsid == NULL && config->name != NULL) {
		settings->nsid_length = (uint8_t)strlen(config->name); /* an id: at most 63 */
		memcpy(settings->nsid, config->name, settings->nsid_length);
	}
	settings->rrl_interval_ns = gcra_interval_ns(draft->rrl_rate, config->workers);
	if (config->state_dir == NULL)
		return;
	if (draft->socket[0] == '/')
		config->admin_socket = xstrdup(draft->socket);
	else
		config->admin_socket = xasprintf("%s/%s", config->state_dir, draft->socket);
	if (strlen(config->admin_socket) <= SOCKET_PATH_MAX)
		return;
	const struct doc_node *node = draft->socket_node;
	if (node == NULL)
		node = doc_get(doc_get(reader->doc->root, "node"), "state_dir");
	doc_err(reader->errors, reader->doc, node,
		"the admin socket '%s' would have a path of %zu octets; at most %zu are possible",
		config->admin_socket, strlen(config->admin_socket), SOCKET_PATH_MAX);
}

struct node_config *config_load(const char *path, struct err_list *errors)
{
	struct doc *doc = doc_from_file(path, errors);

	if (doc == NULL)
		return NULL;
	struct node_config *config = xcalloc(1, sizeof(*config));
	struct doc_reader reader = {.doc = doc, .errors = errors};
	struct draft draft = {.config = config, .socket = "gslb.sock"};
	config->path = xstrdup(path);
	config->workers = 1;
	config->start_wait_ms = 10000;
	config->probe_concurrency = 512;
	config->settings = (struct serve_settings){.edns_size = 1232,
						   .ecs = true,
						   .tcp_connections = 4096,
						   .tcp_per_client = 256,
						   .tcp_idle_ms = 10000};
	config->has_random_cookie_secret = true;
	config->settings.cookie_secret_count = 1;
	fill_random_secret(config->settings.cookie_secrets[0]);
	doc_read_mapping(&reader, doc->root, config_keys, &draft);
	finish(&reader, &draft);
	doc_free(doc);
	return config;
}

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

void config_free(struct node_config *config)
{
	if (config == NULL)
		return;
	free_texts(config->fleet, config->fleet_count);
	free_texts(config->geo, config->geo_count);
	free_texts(config->listen_written, config->listen_count);
	free(config->listen);
	free(config->path);
	free(config->name);
	free(config->region);
	free(config->state_dir);
	free(config->resolvers);
	free(config->admin_socket);
	free(config->admin_http_written);
	free(config->vantage);
	notify_settings_done(&config->notify);
	free(config);
}

static bool is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_listen(const struct node_config *a, const struct node_config *b)
{
	if (a->listen_count != b->listen_count)
		return false;
	for (size_t i = 0; i < a->listen_count; i++)
		if (strcmp(a->listen_written[i], b->listen_written[i]) != 0)
			return false;
	return true;
}

/* `bus` has one value in this build. */
const char *config_restart_only_difference(const struct node_config *a, const struct node_config *b)
{
	if (!is_same_text(a->name, b->name) || !is_same_text(a->region, b->region) ||
	    !is_same_text(a->state_dir, b->state_dir) || !is_same_text(a->resolvers, b->resolvers))
		return "node";
	if (!is_same_listen(a, b))
		return "dns.listen";
	if (a->workers_auto != b->workers_auto || (!a->workers_auto && a->workers != b->workers))
		return "dns.workers";
	return NULL;
}
