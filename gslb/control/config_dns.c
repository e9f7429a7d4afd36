/* The section `dns` of node.yaml. Control thread. */
#include "gslb/control/config_dns.h"
#include "lib/gcra.h"
#include "lib/mem.h"
#include "lib/rng.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LISTEN_MAX 256
#define SOCKET_BUFFER_MIN (4 << 10)
#define SOCKET_BUFFER_MAX (512 << 20) /* the kernel doubles it and counts in int */

/* Port 0 asks the kernel for one, so equal text is then no clash. */
static bool is_listed(const struct gslb_config *config, const struct listen_address *address)
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
				struct gslb_config *config)
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
	struct gslb_config *config = target;

	if (!doc_read_is_sequence(reader, value, "a list of addresses, as [\"127.0.0.1@5300\"]"))
		return;
	if (value->count < 1 || value->count > LISTEN_MAX) {
		doc_err(reader->errors, reader->doc, value, "lists %u addresses; 1 to %d are needed",
			value->count, LISTEN_MAX);
		return;
	}
	config->listen = xcalloc(value->count, sizeof *config->listen);
	config->listen_written = xcalloc(value->count, sizeof *config->listen_written);
	for (const struct doc_node *item = value->first; item; item = item->next)
		read_listen_address(reader, item, config);
}

static void read_workers(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct gslb_config *config = target;

	config_read_workers(reader, value, &config->workers_auto, &config->workers);
}

static void read_pin_cpus(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_bool(reader, value, &((struct gslb_config *)target)->pins_cpus);
}

static void read_freebind(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_bool(reader, value, &((struct gslb_config *)target)->has_freebind);
}

static void read_socket_buffer(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t bytes;

	if (doc_read_bytes(reader, value, SOCKET_BUFFER_MIN, SOCKET_BUFFER_MAX, &bytes))
		((struct gslb_config *)target)->socket_buffer_bytes = (unsigned)bytes;
}

static void read_edns_size(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t size;

	if (doc_read_uint(reader, value, 512, 4096, &size))
		((struct gslb_config *)target)->settings.edns_size = (uint16_t)size;
}

static void read_nsid(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct gslb_config *config = target;
	struct serve_settings *settings = &config->settings;

	if (!doc_read_is_scalar(reader, value, "text"))
		return;
	if (value->length > sizeof settings->nsid) {
		doc_err(reader->errors, reader->doc, value, "must not be longer than %zu octets",
			sizeof settings->nsid);
		return;
	}
	config->has_nsid = true;
	settings->nsid_length = (uint8_t)value->length;
	memcpy(settings->nsid, value->text, value->length);
}

static void read_ecs_from(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char what[] = "a prefix like 192.0.2.0/24";
	struct serve_settings *settings = &((struct gslb_config *)target)->settings;
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_is_sequence(reader, value, "a list of prefixes like 192.0.2.0/24"))
		return;
	if (value->count < 1 || value->count > ECS_FROM_MAX) {
		doc_err(reader->errors, reader->doc, value,
			"lists %u prefixes; 1 to %d are needed, or ecs: false", value->count, ECS_FROM_MAX);
		return;
	}
	for (const struct doc_node *item = value->first; item; item = item->next) {
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
		doc_read_bool(reader, value, &((struct gslb_config *)target)->settings.ecs);
}

static void read_tcp_connections(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t count;

	if (doc_read_uint(reader, value, 1, 1000000, &count))
		((struct gslb_config *)target)->settings.tcp_connections = (uint32_t)count;
}

static void read_tcp_per_client(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t count;

	if (doc_read_uint(reader, value, 1, 1000000, &count))
		((struct gslb_config *)target)->settings.tcp_per_client = (uint32_t)count;
}

static void read_tcp_idle(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t ms;

	if (doc_read_duration_ms(reader, value, 1, 86400000, &ms))
		((struct gslb_config *)target)->settings.tcp_idle_ms = (uint32_t)ms;
}

static void read_tcp_queries(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t count;

	if (doc_read_uint(reader, value, 0, UINT32_MAX, &count))
		((struct gslb_config *)target)->settings.tcp_queries = (uint32_t)count;
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
		((struct gslb_config *)target)->start_wait_ms = (uint32_t)ms;
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
	struct gslb_config *config = target;
	struct serve_settings *settings = &config->settings;

	if (!doc_read_is_sequence(reader, value, "a list of secrets, each 32 hex digits"))
		return;
	if (value->count == 0 || value->count > COOKIE_SECRETS_MAX) {
		doc_err(reader->errors, reader->doc, value, "must hold 1 to %d secrets", COOKIE_SECRETS_MAX);
		return;
	}
	config->has_random_cookie_secret = false;
	settings->cookie_secret_count = 0;
	for (const struct doc_node *item = value->first; item; item = item->next) {
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
	struct gslb_config *config = target;
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
	struct gslb_config *config = target;

	if (doc_read_rate(reader, value, &config->rrl_rate))
		config->settings.rrl_is_on = true;
}

static void read_rrl_slip(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t slip;

	if (doc_read_uint(reader, value, 0, 10, &slip))
		((struct gslb_config *)target)->settings.rrl_slip = (uint8_t)slip;
}

static void read_rrl_exempt(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct serve_settings *settings = &((struct gslb_config *)target)->settings;

	if (!doc_read_is_sequence(reader, value, "a list of prefixes like 192.0.2.0/24"))
		return;
	if (value->count > RRL_EXEMPT_MAX) {
		doc_err(reader->errors, reader->doc, value, "must hold at most %d prefixes", RRL_EXEMPT_MAX);
		return;
	}
	for (const struct doc_node *item = value->first; item; item = item->next) {
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

	((struct gslb_config *)target)->settings.rrl_slip = 2;
	doc_read_mapping(reader, value, keys, target);
}

static const struct doc_key dns_keys[] = {
	{"listen", read_listen, true},
	{"freebind", read_freebind},
	{"workers", read_workers},
	{"pin_cpus", read_pin_cpus},
	{"socket_buffer", read_socket_buffer},
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

void config_dns_read(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_mapping(reader, value, dns_keys, target);
}

void config_dns_init(struct gslb_config *config)
{
	struct rng rng;
	config->workers = 1;
	config->socket_buffer_bytes = 4 << 20;
	config->start_wait_ms = 10000;
	config->settings = (struct serve_settings){.edns_size = 1232,
						   .ecs = true,
						   .tcp_connections = 4096,
						   .tcp_per_client = 256,
						   .tcp_idle_ms = 10000,
						   .cookie_secret_count = 1};
	config->has_random_cookie_secret = true;
	static_assert(sizeof config->settings.cookie_secrets[0] == sizeof rng.s, "one seed is one secret");
	rng_seed_from_system(&rng);
	memcpy(config->settings.cookie_secrets[0], rng.s, sizeof rng.s);
}

void config_dns_finish(struct gslb_config *config)
{
	struct serve_settings *settings = &config->settings;
	if (!config->has_nsid && config->node.name) {
		size_t length = strlen(config->node.name);
		assert(length <= sizeof settings->nsid); /* an id: at most 63 */
		settings->nsid_length = (uint8_t)length;
		memcpy(settings->nsid, config->node.name, length);
	}
	settings->rrl_interval_ns = gcra_interval_ns(config->rrl_rate, config->workers);
}

void config_dns_done(struct gslb_config *config)
{
	for (size_t i = 0; i < config->listen_count; i++)
		free(config->listen_written[i]);
	free(config->listen_written);
	free(config->listen);
}

static bool is_same_listen(const struct gslb_config *a, const struct gslb_config *b)
{
	if (a->listen_count != b->listen_count)
		return false;
	for (size_t i = 0; i < a->listen_count; i++)
		if (strcmp(a->listen_written[i], b->listen_written[i]) != 0)
			return false;
	return true;
}

const char *config_dns_restart_only_difference(const struct gslb_config *a, const struct gslb_config *b)
{
	if (!is_same_listen(a, b))
		return "dns.listen";
	if (a->has_freebind != b->has_freebind)
		return "dns.freebind";
	if (a->workers_auto != b->workers_auto || (!a->workers_auto && a->workers != b->workers))
		return "dns.workers";
	if (a->pins_cpus != b->pins_cpus)
		return "dns.pin_cpus";
	if (a->socket_buffer_bytes != b->socket_buffer_bytes)
		return "dns.socket_buffer";
	return NULL;
}
