/* node.yaml of forwarderd, put together from its sections. Control thread. */
#include "forwarder/control/config.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LISTEN_MAX 256
#define PREFIXES_MAX 1024
#define DAY_MS 86400000u

/* ---- values that stand in rows: one reader for all of a type, which knows its row by the key ---- */

struct number_row {
	const char *key;
	size_t offset; /* of a uint32_t, or of a uint64_t where `is_wide` */
	uint64_t min, max;
	bool is_wide;
};

static const struct number_row *row_of(const struct number_row *rows, const char *key)
{
	while (strcmp(rows->key, key) != 0) {
		rows++;
		assert(rows->key); /* each key with such a reader has its row */
	}
	return rows;
}

static void set(void *target, const struct number_row *row, uint64_t value)
{
	char *field = (char *)target + row->offset;

	assert(value >= row->min && value <= row->max && (row->is_wide || value <= UINT32_MAX));
	if (row->is_wide)
		memcpy(field, &value, sizeof value);
	else
		memcpy(field, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
}

#define FIELD(name) offsetof(struct forwarder_config, name)

static void read_count(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct number_row rows[] = {
		{"connections", FIELD(connections), 64, 4000000},
		{"per_client", FIELD(per_client), 0, 4000000},
		{"fields", FIELD(fields_max), 16, 500},
		{"nodes", FIELD(nodes), 1, 1000},
		{"capacity", FIELD(capacity), 1, 1000000000},
		{"keep", FIELD(access_log.keep), 0, 1000},
		{NULL},
	};
	const struct number_row *row = row_of(rows, value->key);
	uint64_t count;

	if (doc_read_uint(reader, value, row->min, row->max, &count))
		set(target, row, count);
}

static void read_size(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct number_row rows[] = {
		{"certificate_cache", FIELD(certificate_cache_bytes), 1 << 20, (uint64_t)4 << 30, true},
		{"buffers", FIELD(buffers_bytes), 1 << 20, (uint64_t)64 << 30, true},
		{"head", FIELD(head_bytes), 4 << 10, 64 << 10},
		{"line", FIELD(line_bytes), 1 << 10, 64 << 10},
		{"rotate", FIELD(access_log.rotate_bytes), 1 << 20, (uint64_t)1 << 40, true},
		{NULL},
	};
	const struct number_row *row = row_of(rows, value->key);
	uint64_t bytes;

	if (doc_read_bytes(reader, value, row->min, row->max, &bytes))
		set(target, row, bytes);
}

static void read_duration(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct number_row rows[] = {
		{"head", FIELD(head_ms), 100, DAY_MS},
		{"body", FIELD(body_ms), 100, DAY_MS},
		{"idle", FIELD(idle_ms), 100, DAY_MS},
		{"write", FIELD(write_ms), 100, DAY_MS},
		{"handshake", FIELD(handshake_ms), 100, DAY_MS},
		{"tunnel", FIELD(tunnel_ms), 1000, 30 * (uint64_t)DAY_MS},
		{"drain", FIELD(drain_ms), 0, DAY_MS / 24},
		{"leave", FIELD(leave_ms), 0, DAY_MS / 288},
		{"keep", FIELD(usage_keep_ms), DAY_MS / 24, 365 * (uint64_t)DAY_MS, true},
		{NULL},
	};
	const struct number_row *row = row_of(rows, value->key);
	uint64_t ms;

	if (doc_read_duration_ms(reader, value, row->min, row->max, &ms))
		set(target, row, ms);
}

static void read_flag(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct {
		const char *key;
		size_t offset;
	} rows[] = {
		{"pin_cpus", FIELD(pins_cpus)},
		{"errors", FIELD(access_log.logs_errors)},
		{"query", FIELD(access_log.logs_query)},
		{"anonymize", FIELD(access_log.anonymizes)},
	};
	size_t i = 0;
	bool flag;

	while (strcmp(rows[i].key, value->key) != 0) {
		i++;
		assert(i < sizeof rows / sizeof rows[0]);
	}
	if (doc_read_bool(reader, value, &flag))
		memcpy((char *)target + rows[i].offset, &flag, sizeof flag);
}

/* A path against the file. */
static void read_file(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct number_row rows[] = {
		{"certificates", FIELD(certificates)},
		{"tickets", FIELD(tickets)},
		{"dir", FIELD(usage_dir)},
		{NULL},
	};
	const struct number_row *row = row_of(rows, value->key);
	const char *path;

	if (!config_read_path(reader, value, &path))
		return;
	char *beside = file_beside(((struct forwarder_config *)target)->node.path, path);
	memcpy((char *)target + row->offset, &(char *){beside}, sizeof(char *));
}

/* ---- where it listens ---- */

static bool is_listed(const struct forwarder_listen *listen, size_t count,
		      const struct listen_address *address)
{
	char text[64], other[64];

	listen_format((const struct sockaddr *)&address->sockaddr, true, text);
	for (size_t i = 0; i < count; i++) {
		listen_format((const struct sockaddr *)&listen[i].address.sockaddr, true, other);
		if (strcmp(text, other) == 0 && strcmp(strrchr(text, '@'), "@0") != 0)
			return true;
	}
	return false;
}

static void read_listen_address(const struct doc_reader *reader, const struct doc_node *node,
				struct forwarder_config *config, struct forwarder_listen **listen,
				size_t *count)
{
	struct listen_address address;
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_text(reader, node, "an address such as 192.0.2.1:80", &text))
		return;
	text_quote(text, quoted);
	if (!listen_parse_http(text, &address)) {
		doc_err(reader->errors, reader->doc, node,
			"%s must be an address and a port, as 192.0.2.1:80 or \"[::]:80\"", quoted);
		return;
	}
	if (is_listed(config->http, config->http_count, &address) ||
	    is_listed(config->https, config->https_count, &address)) {
		doc_err(reader->errors, reader->doc, node, "%s is listed twice", quoted);
		return;
	}
	(*listen)[(*count)++] = (struct forwarder_listen){.written = xstrdup(text), .address = address};
}

static void read_listen(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct forwarder_config *config = target;
	bool is_https = strcmp(value->key, "https") == 0;
	struct forwarder_listen **listen = is_https ? &config->https : &config->http;

	if (!doc_read_is_sequence(reader, value, "a list of addresses, as [\"192.0.2.1:80\"]"))
		return;
	if (value->count > LISTEN_MAX) {
		doc_err(reader->errors, reader->doc, value, "lists %u addresses; at most %d", value->count,
			LISTEN_MAX);
		return;
	}
	assert(!*listen); /* no key stands twice */
	*listen = xcalloc(value->count + 1, sizeof **listen);
	for (const struct doc_node *item = value->first; item; item = item->next)
		read_listen_address(reader, item, config, listen,
				    is_https ? &config->https_count : &config->http_count);
}

static void read_prefixes(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char what[] = "a prefix such as 192.0.2.0/24";
	struct forwarder_config *config = target;
	bool is_proxy = strcmp(value->key, "proxy_protocol") == 0;
	struct prefix **prefixes = is_proxy ? &config->proxy_protocol : &config->trusted_proxies;
	size_t *count = is_proxy ? &config->proxy_count : &config->trusted_count;
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_is_sequence(reader, value, "a list of prefixes like 192.0.2.0/24"))
		return;
	if (value->count > PREFIXES_MAX) {
		doc_err(reader->errors, reader->doc, value, "lists %u prefixes; at most %d", value->count,
			PREFIXES_MAX);
		return;
	}
	assert(!*prefixes);
	*prefixes = xcalloc(value->count + 1, sizeof **prefixes);
	for (const struct doc_node *item = value->first; item; item = item->next) {
		if (!doc_read_text(reader, item, what, &text))
			continue;
		text_quote(text, quoted);
		if (prefix_parse(text, &(*prefixes)[*count]))
			++*count;
		else
			doc_err(reader->errors, reader->doc, item, "%s must be %s", quoted, what);
	}
}

static void read_workers(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct forwarder_config *config = target;

	config_read_workers(reader, value, &config->workers_auto, &config->workers);
}

/* ---- TLS ---- */

static void read_default_certificate(const struct doc_reader *reader, const struct doc_node *value,
				     void *target)
{
	const char *text;

	if (!doc_read_text(reader, value, "the name of a certificate", &text))
		return;
	if (text[0] == '\0' || strchr(text, '/'))
		doc_err(reader->errors, reader->doc, value,
			"must be the name of a certificate as it stands in `certificates`, without its "
			"ending");
	else
		((struct forwarder_config *)target)->default_certificate = xstrdup(text);
}

static void read_tls(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char *const versions[] = {"1.2", "1.3", NULL};
	unsigned word;

	if (doc_read_word(reader, value, "version", versions, NULL, &word))
		((struct forwarder_config *)target)->requires_tls13 = word == 1;
}

static void read_coalescing(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char *const words[] = {"tenant", "certificate", NULL};
	unsigned word;

	if (doc_read_word(reader, value, "coalescing", words, NULL, &word))
		((struct forwarder_config *)target)->coalesces_by_certificate = word == 1;
}

/* ---- limits, timeouts, usage, access log ---- */

static void read_limits(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {
		{"head", read_size}, {"line", read_size}, {"fields", read_count}, {"streams", NULL}, {NULL}};
	const struct forwarder_config *config = target;

	if (doc_read_mapping(reader, value, keys, target) && config->line_bytes > config->head_bytes) {
		const struct doc_node *line = doc_get(value, "line");
		doc_err(reader->errors, reader->doc, line ? line : doc_get(value, "head"),
			"a line of %u octets is longer than a head, which has at most %u", config->line_bytes,
			config->head_bytes);
	}
}

static void read_timeouts(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {
		{"head", read_duration},
		{"body", read_duration},
		{"idle", read_duration},
		{"write", read_duration},
		{"handshake", read_duration},
		{"tunnel", read_duration},
		{NULL},
	};

	doc_read_mapping(reader, value, keys, target);
}

static void read_usage(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {{"dir", read_file}, {"keep", read_duration}, {NULL}};

	doc_read_mapping(reader, value, keys, target);
}

/* Two words and paths: a file that is called as a word is written ./off. */
static void read_log_path(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct forwarder_config *config = target;
	const char *path;

	if (!config_read_path(reader, value, &path))
		return;
	config->access_log.is_on = strcmp(path, "off") != 0;
	if (config->access_log.is_on && strcmp(path, "stderr") != 0)
		config->access_log.path = file_beside(config->node.path, path);
}

static void read_sample(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_percent(reader, value, &((struct forwarder_config *)target)->access_log.sample_hundredths);
}

static void read_access_log(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {
		{"path", read_log_path},  {"sample", read_sample},
		{"errors", read_flag},	  {"query", read_flag},
		{"anonymize", read_flag}, {"rotate", read_size},
		{"keep", read_count},	  {NULL},
	};

	if (value->kind == DOC_SCALAR)
		read_log_path(reader, value, target);
	else
		doc_read_mapping(reader, value, keys, target);
}

/* ---- the sections ---- */

static void read_own_admin(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct forwarder_config *)target)->has_own_admin = true;
	doc_read_is_mapping(reader, value, "a mapping"); /* its keys: finish() */
}

static const struct doc_key forwarder_keys[] = {
	{"http", read_listen},
	{"https", read_listen},
	{"workers", read_workers},
	{"pin_cpus", read_flag},
	{"certificates", read_file},
	{"certificate_cache", read_size},
	{"default_certificate", read_default_certificate},
	{"tickets", read_file},
	{"tls", read_tls},
	{"coalescing", read_coalescing},
	{"acme", NULL},
	{"trusted_proxies", read_prefixes},
	{"proxy_protocol", read_prefixes},
	{"connections", read_count},
	{"per_client", read_count},
	{"buffers", read_size},
	{"limits", read_limits},
	{"timeouts", read_timeouts},
	{"drain", read_duration},
	{"leave", read_duration},
	{"nodes", read_count},
	{"capacity", read_count},
	{"access_log", read_access_log},
	{"usage", read_usage},
	{"admin", read_own_admin},
	{"peer", NULL},
	{NULL},
};

static void read_forwarder(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_mapping(reader, value, forwarder_keys, target);
}

static void read_api(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char scheme[] = "unix:";
	struct forwarder_config *config = target;
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_text(reader, value, "gslbd's socket, as \"unix:/run/gslb/gslb.sock\"", &text))
		return;
	text_quote(text, quoted);
	if (strncmp(text, scheme, strlen(scheme)) != 0 || text[strlen(scheme)] == '\0')
		doc_err(reader->errors, reader->doc, value,
			"%s must be gslbd's socket, as \"unix:/run/gslb/gslb.sock\"", quoted);
	else
		config->control_api = file_beside(config->node.path, text + strlen(scheme));
}

static void read_control(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {{"api", read_api, true}, {NULL}};

	doc_read_mapping(reader, value, keys, target);
}

static void read_gslbd(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	((struct forwarder_config *)target)->is_shared = true;
	config_read_foreign(reader, value, target);
}

/* ---- what depends on several keys ---- */

/* `admin` is gslbd's where the file is gslbd's too: two daemons cannot have one socket. */
static void settle_admin(const struct doc_reader *reader, struct forwarder_config *config)
{
	struct node_config *node = &config->node;
	const struct doc_node *own = doc_get(doc_get(reader->doc->root, "forwarder"), "admin");

	if (!config->has_own_admin && !config->is_shared)
		return;
	free(node->admin_socket);
	free(node->admin_http_written);
	node->admin_socket = node->admin_http_written = NULL;
	node->has_admin_http = false;
	if (own && own->kind == DOC_MAPPING)
		config_read_admin(reader, own, config);
	config_place_socket(reader, "forwarderd.sock", doc_get(own, "socket"), node);
}

static void check_listeners(const struct doc_reader *reader, const struct forwarder_config *config)
{
	const struct doc_node *section = doc_get(reader->doc->root, "forwarder");
	const struct doc_node *https = doc_get(section, "https");

	if (!section || section->kind != DOC_MAPPING)
		return; /* reported already */
	if (!doc_get(section, "http") && !https)
		doc_err(reader->errors, reader->doc, section, "missing key 'http' or 'https'");
	if (https && https->count > 0 && !doc_get(section, "certificates"))
		doc_err(reader->errors, reader->doc, section,
			"missing key 'certificates', which https needs");
}

static void finish(const struct doc_reader *reader, struct node_config *node)
{
	struct forwarder_config *config = (struct forwarder_config *)node;
	const struct doc_node *root = reader->doc->root, *node_section = doc_get(root, "node");

	settle_admin(reader, config);
	check_listeners(reader, config);
	if (node_section && node_section->kind == DOC_MAPPING && !doc_get(node_section, "region"))
		doc_err(reader->errors, reader->doc, node_section,
			"missing key 'region': a forwarder uses the origins of its region");
	if (root->kind == DOC_MAPPING && !doc_get(root, "fleet") && !doc_get(root, "control"))
		doc_err(reader->errors, reader->doc, root,
			"missing key 'fleet' or 'control': nothing says what is forwarded");
	if (!config->usage_dir && node->state_dir)
		config->usage_dir = xasprintf("%s/usage", node->state_dir);
}

struct forwarder_config *forwarder_config_load(const char *path, struct err_list *errors)
{
	static const struct doc_key top_keys[] = {{"forwarder", read_forwarder, true},
						  {"control", read_control},
						  {"dns", read_gslbd},
						  {"notify", config_read_foreign},
						  {NULL}};
	static const struct config_sections sections = {top_keys, finish, "forwarderd.sock"};
	struct forwarder_config *config = xcalloc(1, sizeof *config);

	*config = (struct forwarder_config){
		.workers = 1,
		.certificate_cache_bytes = 16 << 20,
		.connections = 65536,
		.per_client = 512,
		.buffers_bytes = 64 << 20,
		.head_bytes = 16 << 10,
		.line_bytes = 8 << 10,
		.fields_max = 100,
		.head_ms = 10000,
		.body_ms = 30000,
		.idle_ms = 60000,
		.write_ms = 30000,
		.handshake_ms = 10000,
		.tunnel_ms = 3600000,
		.drain_ms = 30000,
		.leave_ms = 5000,
		.nodes = 1,
		.access_log = {.sample_hundredths = 10000,
			       .logs_errors = true,
			       .rotate_bytes = 1 << 30,
			       .keep = 5},
		.usage_keep_ms = 35 * (uint64_t)DAY_MS,
	};
	if (config_read(&config->node, path, &sections, errors))
		return config;
	forwarder_config_free(config);
	return NULL;
}

/* ---- life ---- */

static void free_listen(struct forwarder_listen *listen, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(listen[i].written);
	free(listen);
}

void forwarder_config_free(struct forwarder_config *config)
{
	if (!config)
		return;
	config_done(&config->node);
	free_listen(config->http, config->http_count);
	free_listen(config->https, config->https_count);
	free(config->certificates);
	free(config->default_certificate);
	free(config->tickets);
	free(config->trusted_proxies);
	free(config->proxy_protocol);
	free(config->access_log.path);
	free(config->usage_dir);
	free(config->control_api);
	free(config);
}

static bool is_same_listen(const struct forwarder_listen *a, size_t a_count, const struct forwarder_listen *b,
			   size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (strcmp(a[i].written, b[i].written) != 0)
			return false;
	return true;
}

const char *forwarder_config_restart_only_difference(const struct forwarder_config *a,
						     const struct forwarder_config *b)
{
	const char *key = config_restart_only_difference(&a->node, &b->node);

	assert(a->workers >= 1 && b->workers >= 1);
	if (key)
		return key;
	if (!config_is_same_text(a->control_api, b->control_api))
		return "control";
	if (!is_same_listen(a->http, a->http_count, b->http, b->http_count))
		return "forwarder.http";
	if (!is_same_listen(a->https, a->https_count, b->https, b->https_count))
		return "forwarder.https";
	if (a->workers_auto != b->workers_auto || (!a->workers_auto && a->workers != b->workers))
		return "forwarder.workers";
	if (a->pins_cpus != b->pins_cpus)
		return "forwarder.pin_cpus";
	if (a->connections != b->connections)
		return "forwarder.connections";
	return NULL;
}
