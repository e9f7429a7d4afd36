/* node.yaml (docs/configuration.md, "node.yaml"): the sections that every daemon has. Control thread. */
#include "daemon/config.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define RESOLVERS_MAX 16
#define FILES_MAX 4096 /* fleet and geo files each */

/* ---- paths ---- */

bool config_read_path(const struct doc_reader *reader, const struct doc_node *value, const char **ret)
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
	*ret = xcalloc(value->count + 1, sizeof **ret);
	for (const struct doc_node *item = value->first; item; item = item->next)
		if (config_read_path(reader, item, &path))
			(*ret)[(*ret_count)++] = file_beside(file, path);
}

static void read_fleet(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = target;

	read_paths(reader, value, config->path, &config->fleet, &config->fleet_count);
}

static void read_geo(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = target;

	read_paths(reader, value, config->path, &config->geo, &config->geo_count);
}

/* ---- node, bus ---- */

static void read_name(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *id;

	if (doc_read_id(reader, value, &id))
		((struct node_config *)target)->name = xstrdup(id);
}

static void read_region(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *id;

	if (doc_read_id(reader, value, &id))
		((struct node_config *)target)->region = xstrdup(id);
}

static void read_state_dir(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = target;
	const char *path;

	if (config_read_path(reader, value, &path))
		config->state_dir = file_beside(config->path, path);
}

/* Kept as c-ares takes them: "127.0.0.1:53,[::1]:53". */
static void read_resolvers(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = target;
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
	for (const struct doc_node *item = value->first; item; item = item->next) {
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

/* ---- admin, probes ---- */

static void read_socket(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = target;
	const char *path;

	if (config_read_path(reader, value, &path)) {
		free(config->admin_socket);
		config->admin_socket = xstrdup(path);
	}
}

static void read_http(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct node_config *config = target;
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

void config_read_admin(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_mapping(reader, value, admin_keys, target);
}

static void read_vantage(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *id;

	if (doc_read_id(reader, value, &id))
		((struct node_config *)target)->vantage = xstrdup(id);
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
		((struct node_config *)target)->probe_concurrency = (unsigned)count;
}

static const struct doc_key probe_keys[] = {
	{"vantage", read_vantage, true}, {"exec", read_exec}, {"concurrency", read_concurrency}, {NULL}};

static void read_probes(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct node_config *)target)->has_probes = true;
	doc_read_mapping(reader, value, probe_keys, target);
}

/* ---- for the daemons' own sections ---- */

static unsigned usable_cores(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

	return count < 1 ? 1 : count > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : (unsigned)count;
}

void config_read_workers(const struct doc_reader *reader, const struct doc_node *value, bool *ret_is_auto,
			 unsigned *ret_count)
{
	uint64_t workers;

	if (value->kind == DOC_SCALAR && strcmp(value->text, "auto") == 0) {
		*ret_is_auto = true;
		*ret_count = usable_cores();
	} else if (value->kind != DOC_SCALAR || value->is_quoted || !text_to_uint(value->text, &workers) ||
		   workers < 1 || workers > CONFIG_WORKERS_MAX) {
		doc_err(reader->errors, reader->doc, value,
			"must be a plain whole number from 1 to %d, or auto", CONFIG_WORKERS_MAX);
	} else {
		*ret_count = (unsigned)workers;
	}
}

void config_read_foreign(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_is_mapping(reader, value, "a mapping");
}

/* ---- the file ---- */

static const struct doc_key common_keys[] = {
	{"node", read_node, true},    {"bus", read_bus},       {"fleet", read_fleet}, {"geo", read_geo},
	{"admin", config_read_admin}, {"probes", read_probes},
};
#define COMMON_KEYS (sizeof common_keys / sizeof common_keys[0])

/* The kernel's limit on the path of a Unix socket, its final NUL included (unix(7)). */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

void config_place_socket(const struct doc_reader *reader, const char *otherwise, const struct doc_node *node,
			 struct node_config *config)
{
	char *written = config->admin_socket ? config->admin_socket : xstrdup(otherwise);

	config->admin_socket = NULL;
	if (config->state_dir && written[0] != '/')
		config->admin_socket = xasprintf("%s/%s", config->state_dir, written);
	else if (config->state_dir)
		config->admin_socket = xstrdup(written);
	free(written);
	if (!config->admin_socket || strlen(config->admin_socket) <= SOCKET_PATH_MAX)
		return;
	doc_err(reader->errors, reader->doc,
		node ? node : doc_get(doc_get(reader->doc->root, "node"), "state_dir"),
		"the admin socket '%s' would have a path of %zu octets; at most %zu are possible",
		config->admin_socket, strlen(config->admin_socket), SOCKET_PATH_MAX);
}

bool config_read(struct node_config *config, const char *path, const struct config_sections *sections,
		 struct err_list *errors)
{
	struct doc *doc = doc_from_file(path, errors);

	if (!doc)
		return false;
	struct doc_key keys[COMMON_KEYS + CONFIG_SECTIONS_MAX + 1];
	size_t count = 0;
	memcpy(keys, common_keys, sizeof common_keys);
	for (; sections->keys[count].name; count++) {
		assert(count < CONFIG_SECTIONS_MAX);
		keys[COMMON_KEYS + count] = sections->keys[count];
	}
	keys[COMMON_KEYS + count] = (struct doc_key){NULL};
	struct doc_reader reader = {.doc = doc, .errors = errors};
	config->path = xstrdup(path);
	config->probe_concurrency = 512;
	doc_read_mapping(&reader, doc->root, keys, config);
	config_place_socket(&reader, sections->socket ? sections->socket : "gslb.sock",
			    doc_get(doc_get(doc->root, "admin"), "socket"), config);
	if (sections->finish)
		sections->finish(&reader, config);
	doc_free(doc);
	return true;
}

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

void config_done(struct node_config *config)
{
	free_texts(config->fleet, config->fleet_count);
	free_texts(config->geo, config->geo_count);
	free(config->path);
	free(config->name);
	free(config->region);
	free(config->state_dir);
	free(config->resolvers);
	free(config->admin_socket);
	free(config->admin_http_written);
	free(config->vantage);
	memset(config, 0, sizeof *config);
}

bool config_is_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* `bus` has one value in this build. */
const char *config_restart_only_difference(const struct node_config *a, const struct node_config *b)
{
	bool is_same = config_is_same_text(a->name, b->name) && config_is_same_text(a->region, b->region) &&
		       config_is_same_text(a->state_dir, b->state_dir) &&
		       config_is_same_text(a->resolvers, b->resolvers);
	return is_same ? NULL : "node";
}
