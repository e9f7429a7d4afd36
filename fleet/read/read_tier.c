/* Documents → tiers, and the limits that a tenant has of its own. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/text.h"
#include <assert.h>
#include <string.h>

#define QUEUE_MS_MAX 30000u
#define COUNT_MAX 10000000u
#define BANDWIDTH_MIN ((uint64_t)1 << 10) /* slower, and a body never ends */
#define BANDWIDTH_MAX ((uint64_t)1 << 40)

struct limits_draft {
	struct fleet_limits *limits;
	struct fleet_tier *tier; /* NULL: they are a tenant's own */
};

/* ---- budgets of DNS ---- */

static void read_dns_queries(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_rate(reader, value, &((struct limits_draft *)target)->tier->dns_queries);
}

static void read_dns_nxdomain(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_rate(reader, value, &((struct limits_draft *)target)->tier->dns_nxdomain);
}

static void refuse_dns(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_err_key(reader->errors, reader->doc, value, "'%s' is a budget of tiers; a tenant has its tier's",
		    value->key);
}

/* ---- limits of the forwarder ---- */

static struct fleet_limits *give(void *target, enum fleet_limit_key key)
{
	struct fleet_limits *limits = ((struct limits_draft *)target)->limits;

	assert(!(limits->given & key)); /* no key stands twice */
	limits->given |= key;
	return limits;
}

static void read_rate(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_rate(reader, value, &give(target, FLEET_LIMIT_RATE)->rate);
}

static void read_burst(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_count(reader, value, 1, FLEET_BURST_MAX, &give(target, FLEET_LIMIT_BURST)->burst);
}

static void read_concurrency(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_count(reader, value, 0, COUNT_MAX, &give(target, FLEET_LIMIT_CONCURRENCY)->concurrency);
}

static bool read_bytes_a_second(const struct doc_reader *reader, const struct doc_node *value, uint64_t *ret)
{
	static const char what[] = "a bandwidth (500KiB/s, 10MB/s) from 1KiB/s to 1024GiB/s";
	char quoted[TEXT_QUOTE_MAX], size[32];
	const char *text;
	uint64_t bytes;

	if (!doc_read_text(reader, value, what, &text))
		return false;
	const char *slash = strchr(text, '/');
	snprintf(size, sizeof size, "%.*s", (int)(slash ? slash - text : 0), text);
	if (slash && strcmp(slash, "/s") == 0 && (size_t)(slash - text) < sizeof size &&
	    text_to_bytes(size, &bytes) && bytes >= BANDWIDTH_MIN && bytes <= BANDWIDTH_MAX) {
		*ret = bytes;
		return true;
	}
	text_quote(text, quoted);
	doc_err(reader->errors, reader->doc, value, "%s must be %s", quoted, what);
	return false;
}

static void read_up(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_bytes_a_second(reader, value, &((struct limits_draft *)target)->limits->up_bytes_s);
}

static void read_down(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	read_bytes_a_second(reader, value, &((struct limits_draft *)target)->limits->down_bytes_s);
}

static void read_bandwidth(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {{"up", read_up}, {"down", read_down}, {NULL}};
	struct fleet_limits *limits = give(target, FLEET_LIMIT_BANDWIDTH);

	if (value->kind == DOC_MAPPING)
		doc_read_mapping(reader, value, keys, target);
	else if (read_bytes_a_second(reader, value, &limits->up_bytes_s))
		limits->down_bytes_s = limits->up_bytes_s;
}

static void read_body(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_bytes(reader, value, 0, FLEET_BODY_BYTES_MAX, &give(target, FLEET_LIMIT_BODY)->body_bytes);
}

static void read_websockets(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_count(reader, value, 0, COUNT_MAX, &give(target, FLEET_LIMIT_WEBSOCKETS)->websockets);
}

static void read_connections(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_rate(reader, value, &give(target, FLEET_LIMIT_CONNECTIONS)->connections);
}

static void read_client_rate(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_rate(reader, value, &give(target, FLEET_LIMIT_CLIENT_RATE)->client_rate);
}

static void read_queue(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	fleet_read_ms(reader, value, 0, QUEUE_MS_MAX, &give(target, FLEET_LIMIT_QUEUE)->queue_ms);
}

static void read_priority(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	unsigned word;

	if (doc_read_word(reader, value, "priority", fleet_priority_word, NULL, &word))
		give(target, FLEET_LIMIT_PRIORITY)->priority = (uint16_t)word;
}

static void read_headers(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	unsigned word;

	if (doc_read_word(reader, value, "headers", fleet_headers_word, NULL, &word))
		give(target, FLEET_LIMIT_HEADERS)->headers = (uint16_t)word;
}

#define LIMIT_KEYS                                                                                           \
	{"rate", read_rate}, {"burst", read_burst}, {"concurrency", read_concurrency},                       \
		{"bandwidth", read_bandwidth}, {"body", read_body}, {"websockets", read_websockets},         \
		{"connections", read_connections}, {"client_rate", read_client_rate}, {"queue", read_queue}, \
		{"priority", read_priority},                                                                 \
	{                                                                                                    \
		"headers", read_headers                                                                      \
	}

static const struct doc_key tier_keys[] = {
	{"dns_queries", read_dns_queries}, {"dns_nxdomain", read_dns_nxdomain}, LIMIT_KEYS, {NULL}};
static const struct doc_key own_keys[] = {
	LIMIT_KEYS, {"dns_queries", refuse_dns}, {"dns_nxdomain", refuse_dns}, {NULL}};

void fleet_read_own_limits(const struct doc_reader *reader, const struct doc_node *value,
			   struct fleet_limits *ret)
{
	struct limits_draft draft = {.limits = ret};

	fleet_limits_init(ret);
	doc_read_mapping(reader, value, own_keys, &draft);
}

/* In a tier, which lies over nothing, a default that is spelled out says as much as none. In a tenant it
 * takes the place of its tier's. */
static void forget_defaults(struct fleet_limits *limits)
{
	struct fleet_limits none;

	fleet_limits_init(&none);
	assert(none.given == 0);
	if (limits->body_bytes == none.body_bytes)
		limits->given &= ~(uint32_t)FLEET_LIMIT_BODY;
	if (limits->queue_ms == none.queue_ms)
		limits->given &= ~(uint32_t)FLEET_LIMIT_QUEUE;
	if (limits->priority == none.priority)
		limits->given &= ~(uint32_t)FLEET_LIMIT_PRIORITY;
	if (limits->headers == none.headers)
		limits->given &= ~(uint32_t)FLEET_LIMIT_HEADERS;
}

struct fleet_object *fleet_read_tier(const struct doc_reader *reader, const struct doc_node *node,
				     const char *id)
{
	struct fleet_tier *tier = fleet_object_new(sizeof *tier, FLEET_TIER, id);
	struct limits_draft draft = {.limits = &tier->limits, .tier = tier};

	fleet_limits_init(&tier->limits);
	if (doc_read_mapping(reader, node, tier_keys, &draft)) {
		forget_defaults(&tier->limits);
		return &tier->object;
	}
	fleet_object_free(&tier->object);
	return NULL;
}
