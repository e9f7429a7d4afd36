/* node.yaml by tables of keys. Any one thread (the load helper reads it too). */
#include "gslb/control/config.h"
#include "lib/doc_read.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define WORKERS_MAX 256
#define EDNS_SIZE_DEFAULT 1232
#define START_WAIT_MS_DEFAULT 10000
#define START_WAIT_MS_MAX 300000
#define TCP_LIMIT_MAX 1000000
#define TCP_IDLE_MS_MAX 3600000
#define PROBE_CONCURRENCY_DEFAULT 512
#define PROBE_CONCURRENCY_MAX 10000

struct draft {
	struct node_config *config;
	const char *state_dir, *admin_socket;		/* as written; resolved at the end */
	const struct doc_node *admin_socket_node;
	bool has_nsid;
};

/* ---- values ---- */

static struct node_config *config_of(void *target)
{
	return ((struct draft *)target)->config;
}

static bool read_id(const struct doc_reader *reader, const struct doc_node *value, char **ret)
{
	const char *id;
	if (!doc_read_id(reader, value, &id))
		return false;
	*ret = xstrdup(id);
	return true;
}

static bool read_uint32(const struct doc_reader *reader, const struct doc_node *value, uint64_t min, uint64_t max,
			uint32_t *ret)
{
	uint64_t number;
	if (!doc_read_uint(reader, value, min, max, &number))
		return false;
	*ret = (uint32_t)number;
	return true;
}

/* Relative to the folder of `base_file`. */
static char *resolve_against_file(const char *base_file, const char *path)
{
	const char *slash = strrchr(base_file, '/');
	if (path[0] == '/' || !slash)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - base_file), base_file, path);
}

static bool read_nonempty(const struct doc_reader *reader, const struct doc_node *value, const char *what,
			  const char **ret)
{
	const char *text;
	if (!doc_read_text(reader, value, what, &text))
		return false;
	if (!*text) {
		doc_err(reader->errors, reader->doc, value, "must be %s", what);
		return false;
	}
	*ret = text;
	return true;
}

static void read_paths(const struct doc_reader *reader, const struct doc_node *value, struct node_config *config,
		       char ***items, size_t *count)
{
	if (!doc_read_is_sequence(reader, value, "a list of paths"))
		return;
	*items = xcalloc(value->count + 1, sizeof **items);
	for (const struct doc_node *item = value->first; item; item = item->next) {
		const char *path;
		if (read_nonempty(reader, item, "a path", &path))
			(*items)[(*count)++] = resolve_against_file(config->path, path);
	}
}

/* ---- node ---- */

static void read_name(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_id(reader, value, &config_of(target)->name);
}

static void read_region(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_id(reader, value, &config_of(target)->region);
}

static void read_state_dir(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	if (read_nonempty(reader, value, "a path", &draft->state_dir))
		draft->config->state_dir = resolve_against_file(draft->config->path, draft->state_dir);
}

static void read_node(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {
		{"name", read_name, true},
		{"region", read_region, false},
		{"state_dir", read_state_dir, true},
		{"resolvers", NULL, false},
		{0},
	};
	doc_read_mapping(reader, value, keys, target);
}

static void read_bus(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char *const words[] = {"embedded", NULL};
	unsigned word;
	if (value->kind == DOC_MAPPING)
		doc_read_unsupported(reader, value, "a bus other than 'embedded'");
	else
		doc_read_word(reader, value, "bus", words, NULL, &word);
}

static void read_fleet(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = config_of(target);
	read_paths(reader, value, config, &config->fleet, &config->fleet_count);
}

static void read_geo(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = config_of(target);
	read_paths(reader, value, config, &config->geo, &config->geo_count);
}

/* ---- dns ---- */

static bool is_listed(const struct node_config *config, const struct listen_address *address)
{
	for (size_t i = 0; i < config->listen_count; i++)
		if (config->listen[i].length == address->length &&
		    memcmp(&config->listen[i].sockaddr, &address->sockaddr, address->length) == 0)
			return true;
	return false;
}

static void read_listen_item(const struct doc_reader *reader, const struct doc_node *item,
			     struct node_config *config)
{
	struct listen_address address = {0};
	const char *text;
	if (!doc_read_text(reader, item, "an address like 127.0.0.1@5300", &text))
		return;
	if (!listen_parse_dns(text, &address)) {
		doc_err(reader->errors, reader->doc, item,
			"'%s' is no address to listen on; write ADDRESS@PORT, as 127.0.0.1@5300 or \"::1@5300\"",
			text);
		return;
	}
	bool chooses_port = strcmp(text + strlen(text) - 2, "@0") == 0;
	if (!chooses_port && is_listed(config, &address)) {
		doc_err(reader->errors, reader->doc, item, "'%s' is listed twice", text);
		return;
	}
	config->listen_written[config->listen_count] = xstrdup(text);
	config->listen[config->listen_count++] = address;
}

static void read_listen(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = config_of(target);
	if (!doc_read_is_sequence(reader, value, "a list of addresses like 127.0.0.1@5300"))
		return;
	if (value->count == 0)
		doc_err(reader->errors, reader->doc, value, "must name at least one address");
	config->listen = xcalloc(value->count + 1, sizeof *config->listen);
	config->listen_written = xcalloc(value->count + 1, sizeof *config->listen_written);
	for (const struct doc_node *item = value->first; item; item = item->next)
		read_listen_item(reader, item, config);
}

static unsigned usable_cores(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return 1;
	int count = CPU_COUNT(&set);
	return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (unsigned)count;
}

static void read_workers(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = config_of(target);
	uint32_t workers;
	if (value->kind == DOC_SCALAR && strcmp(value->text, "auto") == 0) {
		config->workers_auto = true;
		config->workers = usable_cores();
	} else if (read_uint32(reader, value, 1, WORKERS_MAX, &workers)) {
		config->workers = workers;
	}
}

static void read_edns_size(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint32_t size;
	if (read_uint32(reader, value, 512, 4096, &size))
		config_of(target)->settings.edns_size = (uint16_t)size;
}

static void set_nsid(struct node_config *config, const char *text)
{
	config->settings.nsid_length = (uint8_t)strlen(text);
	memcpy(config->settings.nsid, text, config->settings.nsid_length);
}

static void read_nsid(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	const char *text;
	if (!doc_read_text(reader, value, "a text", &text))
		return;
	draft->has_nsid = true;
	if (strlen(text) > sizeof draft->config->settings.nsid)
		doc_err(reader->errors, reader->doc, value, "must not be longer than 255 octets");
	else
		set_nsid(draft->config, text);
}

static void read_ecs(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	if (value->kind == DOC_MAPPING)
		doc_read_unsupported(reader, value, "a list of whose client subnet is believed");
	else
		doc_read_bool(reader, value, &config_of(target)->settings.ecs);
}

static void read_connections(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_uint32(reader, value, 1, TCP_LIMIT_MAX, &config_of(target)->settings.tcp_connections);
}

static void read_per_client(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_uint32(reader, value, 1, TCP_LIMIT_MAX, &config_of(target)->settings.tcp_per_client);
}

static void read_queries(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_uint32(reader, value, 0, UINT32_MAX, &config_of(target)->settings.tcp_queries);
}

static void read_idle(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t ms;
	if (doc_read_duration_ms(reader, value, 1, TCP_IDLE_MS_MAX, &ms))
		config_of(target)->settings.tcp_idle_ms = (uint32_t)ms;
}

static void read_tcp(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {
		{"connections", read_connections, false},
		{"per_client", read_per_client, false},
		{"idle", read_idle, false},
		{"queries", read_queries, false},
		{0},
	};
	doc_read_mapping(reader, value, keys, target);
}

static void read_start_wait(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t ms;
	if (doc_read_duration_ms(reader, value, 0, START_WAIT_MS_MAX, &ms))
		config_of(target)->start_wait_ms = (uint32_t)ms;
}

static void read_dns(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {
		{"listen", read_listen, true},
		{"workers", read_workers, false},
		{"edns_size", read_edns_size, false},
		{"nsid", read_nsid, false},
		{"ecs", read_ecs, false},
		{"tcp", read_tcp, false},
		{"start_wait", read_start_wait, false},
		{"cookies", NULL, false},
		{"rrl", NULL, false},
		{"tls", NULL, false},
		{0},
	};
	doc_read_mapping(reader, value, keys, target);
}

/* ---- admin, probes ---- */

static void read_socket(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct draft *draft = target;
	if (read_nonempty(reader, value, "a path", &draft->admin_socket))
		draft->admin_socket_node = value;
}

static void read_http(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = config_of(target);
	const char *text;
	if (!doc_read_text(reader, value, "an address like 127.0.0.1:8053", &text))
		return;
	struct listen_address address = {0};
	if (!listen_parse_http(text, &address)) {
		doc_err(reader->errors, reader->doc, value,
			"'%s' is no address to listen on; write ADDRESS:PORT, as 127.0.0.1:8053 or \"[::1]:8053\"",
			text);
	} else if (!listen_is_loopback(&address)) {
		doc_err(reader->errors, reader->doc, value,
			"'%s' is not a loopback address; admin.http has neither encryption nor passwords", text);
	} else {
		config->admin_http = address;
		config->admin_http_written = xstrdup(text);
		config->has_admin_http = true;
	}
}

static void read_admin(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {
		{"socket", read_socket, false},
		{"http", read_http, false},
		{"https", NULL, false},
		{0},
	};
	doc_read_mapping(reader, value, keys, target);
}

static void read_vantage(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_id(reader, value, &config_of(target)->vantage);
}

static void read_exec(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	bool is_on = false;
	if (doc_read_bool(reader, value, &is_on) && is_on)
		doc_read_unsupported(reader, value, "exec: true");
}

static void read_concurrency(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint32_t concurrency;
	if (read_uint32(reader, value, 1, PROBE_CONCURRENCY_MAX, &concurrency))
		config_of(target)->probe_concurrency = concurrency;
}

static void read_probes(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {
		{"vantage", read_vantage, true},
		{"exec", read_exec, false},
		{"concurrency", read_concurrency, false},
		{0},
	};
	config_of(target)->has_probes = true;
	doc_read_mapping(reader, value, keys, target);
}

/* ---- the whole ---- */

static void read_root(const struct doc_reader *reader, struct draft *draft)
{
	static const struct doc_key keys[] = {
		{"node", read_node, true},
		{"bus", read_bus, false},
		{"fleet", read_fleet, false},
		{"geo", read_geo, false},
		{"dns", read_dns, true},
		{"admin", read_admin, false},
		{"probes", read_probes, false},
		{"control", NULL, false},
		{"forwarder", NULL, false},
		{0},
	};
	doc_read_mapping(reader, reader->doc->root, keys, draft);
}

/* Relative to the state directory, and short enough for the kernel (unix(7)). */
static void resolve_socket(const struct doc_reader *reader, struct draft *draft)
{
	struct node_config *config = draft->config;
	const char *written = draft->admin_socket ? draft->admin_socket : "gslb.sock";
	if (!config->state_dir)
		return;
	config->admin_socket = written[0] == '/' ? xstrdup(written)
						 : xasprintf("%s/%s", config->state_dir, written);
	size_t most = sizeof ((struct sockaddr_un *)NULL)->sun_path - 1;
	if (strlen(config->admin_socket) > most)
		doc_err(reader->errors, reader->doc,
			draft->admin_socket_node ? draft->admin_socket_node : reader->doc->root,
			"the path of admin.socket, '%s', is longer than the %zu octets a Unix socket can have",
			config->admin_socket, most);
}

struct node_config *config_load(const char *path, struct err_list *errors)
{
	struct doc *doc = doc_from_file(path, errors);
	if (!doc)
		return NULL;
	struct node_config *config = xcalloc(1, sizeof *config);
	struct draft draft = {.config = config};
	struct doc_reader reader = {.doc = doc, .errors = errors};
	config->path = xstrdup(path);
	config->workers = 1;
	config->start_wait_ms = START_WAIT_MS_DEFAULT;
	config->probe_concurrency = PROBE_CONCURRENCY_DEFAULT;
	config->settings = (struct serve_settings){
		.edns_size = EDNS_SIZE_DEFAULT, .ecs = true, .tcp_connections = 4096, .tcp_per_client = 256,
		.tcp_idle_ms = 10000,
	};
	read_root(&reader, &draft);
	if (!draft.has_nsid && config->name)
		set_nsid(config, config->name);
	resolve_socket(&reader, &draft);
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
	if (!config)
		return;
	free_texts(config->fleet, config->fleet_count);
	free_texts(config->geo, config->geo_count);
	free_texts(config->listen_written, config->listen_count);
	free(config->listen);
	free(config->path);
	free(config->name);
	free(config->region);
	free(config->state_dir);
	free(config->admin_socket);
	free(config->admin_http_written);
	free(config->vantage);
	free(config);
}

static bool text_differs(const char *a, const char *b)
{
	return (a == NULL) != (b == NULL) || (a && strcmp(a, b) != 0);
}

const char *config_restart_only_difference(const struct node_config *a, const struct node_config *b)
{
	if (text_differs(a->name, b->name))
		return "node.name";
	if (text_differs(a->region, b->region))
		return "node.region";
	if (text_differs(a->state_dir, b->state_dir))
		return "node.state_dir";
	bool listen_differs = a->listen_count != b->listen_count;
	for (size_t i = 0; !listen_differs && i < a->listen_count; i++)
		listen_differs = text_differs(a->listen_written[i], b->listen_written[i]);
	if (listen_differs)
		return "dns.listen";
	if (a->workers_auto != b->workers_auto || (!a->workers_auto && a->workers != b->workers))
		return "dns.workers";
	/* admin: the sockets on which operators are connected stay as they were opened */
	if (text_differs(a->admin_socket, b->admin_socket))
		return "admin.socket";
	return text_differs(a->admin_http_written, b->admin_http_written) ? "admin.http" : NULL;
}
