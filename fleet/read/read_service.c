/* Documents → services. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/idn.h"
#include "lib/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TTL_SECONDS_MAX 86400
#define TOLERANCE_KM_MAX 20000
#define BIAS_MAX 99

static struct arena *arena_of(const struct fleet_service *service)
{
	return fleet_object_arena(&service->object);
}

static void read_reference(const struct doc_reader *reader, const struct doc_node *value, struct arena *arena,
			   char **ret)
{
	const char *id;

	if (doc_read_id(reader, value, &id))
		*ret = arena_strndup(arena, id, strlen(id));
}

static void read_check(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_service *service = target;

	read_reference(reader, value, arena_of(service), &service->check);
}

/* ---- ttl ---- */

static bool parse_ttl(const char *text, uint32_t *ret_seconds)
{
	uint64_t ms;

	if (!text_to_duration_ms(text, &ms) || ms % 1000 != 0 || ms < 1000 ||
	    ms > (uint64_t)TTL_SECONDS_MAX * 1000)
		return false;
	*ret_seconds = (uint32_t)(ms / 1000);
	return true;
}

static void read_ttl(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char what[] = "a TTL, or MIN..MAX as 5s..60s, in whole seconds from 1s to 1d";
	struct fleet_service *service = target;
	char first[32];
	const char *text;
	uint32_t min, max;

	if (!doc_read_text(reader, value, what, &text))
		return;
	const char *dots = strstr(text, "..");
	size_t length = dots ? (size_t)(dots - text) : strlen(text);
	snprintf(first, sizeof first, "%.*s", (int)(length < sizeof first ? length : sizeof first - 1), text);
	if (!parse_ttl(first, &min) || !parse_ttl(dots ? dots + 2 : text, &max)) {
		doc_err(reader->errors, reader->doc, value, "must be %s", what);
		return;
	}
	if (min > max) {
		doc_err(reader->errors, reader->doc, value,
			"must be MIN..MAX; the first is the greater here");
		return;
	}
	assert(min > 0 && max <= TTL_SECONDS_MAX);
	service->ttl_min = min;
	service->ttl_max = max;
}

/* ---- steering ---- */

static void read_order(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char *const later[] = {"latency", NULL};
	unsigned word;

	if (!doc_read_word(reader, value, "order", fleet_order_word, later, &word))
		return;
	assert(word < ORDER_KINDS);
	((struct fleet_service *)target)->order = (enum order_kind)word;
}

static void read_map(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_service *service = target;

	read_reference(reader, value, arena_of(service), &service->map);
}

static void read_regions(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_service *service = target;

	service->has_regions = fleet_read_ids(reader, value, "region", FLEET_REGIONS_MAX, arena_of(service),
					      &service->regions, &service->region_count);
}

static void read_tolerance(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *text;
	uint32_t km;

	if (!doc_read_text(reader, value, "a distance", &text))
		return;
	if (!text_to_distance_km(text, &km) || km > TOLERANCE_KM_MAX)
		doc_err(reader->errors, reader->doc, value, "must be a distance from 0km to %dkm, as 300km",
			TOLERANCE_KM_MAX);
	else
		((struct fleet_service *)target)->tolerance_km = km;
}

/* The key is a region's id; validation finds out whether there is such a region. */
static void read_region_bias(const struct doc_reader *reader, const struct doc_node *node,
			     struct fleet_service *service)
{
	bool is_negative = node->kind == DOC_SCALAR && node->text[0] == '-';
	uint64_t size;

	if (!text_is_id(node->key)) {
		doc_err_key(reader->errors, reader->doc, node, "must be the id of a region");
		return;
	}
	if (node->kind != DOC_SCALAR || node->is_quoted || !text_to_uint(node->text + is_negative, &size) ||
	    size > BIAS_MAX) {
		doc_err(reader->errors, reader->doc, node, "must be a plain whole number from -%d to %d",
			BIAS_MAX, BIAS_MAX);
		return;
	}
	assert(service->bias_count < FLEET_REGIONS_MAX);
	struct fleet_bias *bias = &service->bias[service->bias_count++];
	bias->region = arena_strndup(arena_of(service), node->key, strlen(node->key));
	bias->percent = (int8_t)(is_negative ? -(int)size : (int)size);
}

static void read_bias(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_service *service = target;

	if (!doc_read_is_mapping(reader, value, "a mapping of regions to numbers, as {eu: 20, us: -10}"))
		return;
	if (value->count > FLEET_REGIONS_MAX) {
		doc_err(reader->errors, reader->doc, value, "names %u regions; at most %d", value->count,
			FLEET_REGIONS_MAX);
		return;
	}
	service->bias = arena_alloc(arena_of(service), (value->count + 1) * sizeof *service->bias);
	for (const struct doc_node *node = value->first; node; node = node->next)
		read_region_bias(reader, node, service);
}

static void read_split(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	unsigned word;

	if (doc_read_word(reader, value, "split", fleet_split_word, NULL, &word))
		((struct fleet_service *)target)->split = (enum split)word;
}

static void read_prefix(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char what[] = "[bits of IPv4, bits of IPv6], as [24, 56]";
	struct fleet_service *service = target;
	uint64_t bits;

	if (!doc_read_is_sequence(reader, value, what))
		return;
	if (value->count != 2) {
		doc_err(reader->errors, reader->doc, value, "must be %s", what);
		return;
	}
	if (doc_read_uint(reader, value->first, 8, 32, &bits))
		service->prefix4 = (uint8_t)bits;
	if (doc_read_uint(reader, value->first->next, 16, 128, &bits))
		service->prefix6 = (uint8_t)bits;
}

static void read_answers(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t answers;

	if (doc_read_uint(reader, value, 1, 32, &answers))
		((struct fleet_service *)target)->answers = (uint8_t)answers;
}

static void read_min_healthy(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	doc_read_percent(reader, value, &((struct fleet_service *)target)->min_healthy_hundredths);
}

static void add_resort(const struct doc_reader *reader, const struct doc_node *node,
		       struct fleet_service *service, unsigned counts[static 2])
{
	char quoted[TEXT_QUOTE_MAX];
	const char *text;
	struct ip ip;

	if (!doc_read_text(reader, node, "an IPv4 or IPv6 address", &text))
		return;
	text_quote(text, quoted);
	if (!ip_parse(text, &ip)) {
		doc_err(reader->errors, reader->doc, node,
			"%s must be an IPv4 or IPv6 address, without port, prefix length or scope", quoted);
		return;
	}
	for (size_t i = 0; i < service->resort_count; i++) {
		if (ip_equal(&service->resort[i], &ip)) {
			doc_err(reader->errors, reader->doc, node, "address %s is listed twice", quoted);
			return;
		}
	}
	if (++counts[ip.family == 6] > FLEET_RESORT_MAX)
		doc_err(reader->errors, reader->doc, node,
			"is one too many: at most %d addresses of a family", FLEET_RESORT_MAX);
	else
		service->resort[service->resort_count++] = ip;
	assert(service->resort_count <= 2 * FLEET_RESORT_MAX);
}

static void read_resort(const struct doc_reader *reader, const struct doc_node *value,
			struct fleet_service *service)
{
	unsigned counts[2] = {0, 0};

	service->last_resort = LAST_RESORT_ADDRESSES;
	if (value->count == 0) {
		doc_err(reader->errors, reader->doc, value,
			"holds no address; last_resort: nodata says that there is none");
		return;
	}
	if (value->count > 2 * FLEET_RESORT_MAX) {
		doc_err(reader->errors, reader->doc, value, "lists %u addresses; at most %d of a family",
			value->count, FLEET_RESORT_MAX);
		return;
	}
	service->resort = arena_alloc(arena_of(service), value->count * sizeof *service->resort);
	for (const struct doc_node *item = value->first; item; item = item->next)
		add_resort(reader, item, service, counts);
}

static void read_last_resort(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_service *service = target;
	unsigned word;

	if (value->kind == DOC_SEQUENCE)
		read_resort(reader, value, service);
	else if (doc_read_word(reader, value, "last_resort", fleet_last_resort_word, NULL, &word))
		service->last_resort = (enum last_resort)word;
}

static const struct doc_key steering_keys[] = {
	{"order", read_order},
	{"map", read_map},
	{"regions", read_regions},
	{"tolerance", read_tolerance},
	{"bias", read_bias},
	{"split", read_split},
	{"prefix", read_prefix},
	{"answers", read_answers},
	{"min_healthy", read_min_healthy},
	{"last_resort", read_last_resort},
	{NULL},
};

static void read_steering(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_service *service = target;

	doc_read_mapping(reader, value, steering_keys, service);
	const struct doc_node *map = doc_get(value, "map");
	if (service->order == ORDER_MAP && !map)
		doc_err(reader->errors, reader->doc, value, "missing key 'map', which order: map needs");
	if (service->order != ORDER_MAP && map)
		doc_err_key(reader->errors, reader->doc, map, "'map' is for order: map");
}

/* ---- vips ---- */

struct vip_draft {
	struct fleet_vip *vip;
	struct arena *arena;
};

/* Only letters tell a host name from a mistyped address. */
static bool looks_like_name(const char *text)
{
	bool has_letter = false;

	for (; *text != '\0'; text++) {
		if (strchr("0123456789.-_", *text))
			continue;
		if (((unsigned char)*text | 0x20) < 'a' || ((unsigned char)*text | 0x20) > 'z')
			return false;
		has_letter = true;
	}
	return has_letter;
}

/* A name that has letters beyond ASCII is told what resolvers ask for instead. */
static bool report_not_ascii(const struct doc_reader *reader, const struct doc_node *value, const char *text)
{
	char quoted[TEXT_QUOTE_MAX];
	struct idn_hint hint;

	if (!idn_hint(text, &hint))
		return false;
	text_quote(text, quoted);
	struct err *err = doc_err(reader->errors, reader->doc, value, "%s must be a host name: %s", quoted,
				  hint.reason);
	if (hint.meant[0] != '\0')
		err_set_nearest(err, hint.meant);
	return true;
}

static void set_name(const struct doc_reader *reader, const struct doc_node *value, struct vip_draft *draft,
		     const char *text)
{
	char quoted[TEXT_QUOTE_MAX], absolute[NAME_TEXT_MAX];
	struct name name;

	if (report_not_ascii(reader, value, text))
		return;
	text_quote(text, quoted);
	if (!looks_like_name(text) || name_from_text(text, NULL, &name)) {
		doc_err(reader->errors, reader->doc, value, "%s must be a host name", quoted);
		return;
	}
	name_lower(name.octets, name.length);
	name_to_text(name.octets, absolute);
	draft->vip->name = arena_strndup(draft->arena, absolute, strlen(absolute));
}

static void read_address(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct vip_draft *draft = target;
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_text(reader, value, "an address", &text) || ip_parse(text, &draft->vip->ip))
		return;
	text_quote(text, quoted);
	if (looks_like_name(text))
		doc_err(reader->errors, reader->doc, value, "%s is a host name; write it as name: %s", quoted,
			text);
	else
		doc_err(reader->errors, reader->doc, value,
			"%s must be an IPv4 or IPv6 address, without port, prefix length or scope", quoted);
}

static void read_name(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const char *text;

	if (doc_read_text(reader, value, "a host name", &text))
		set_name(reader, value, target, text);
}

static void read_address_or_name(const struct doc_reader *reader, const struct doc_node *value,
				 struct vip_draft *draft)
{
	const char *text;

	if (!doc_read_text(reader, value, "an address", &text) || ip_parse(text, &draft->vip->ip))
		return;
	if (looks_like_name(text)) {
		set_name(reader, value, draft, text);
		return;
	}
	if (report_not_ascii(reader, value, text))
		return;
	char quoted[TEXT_QUOTE_MAX];
	text_quote(text, quoted);
	doc_err(reader->errors, reader->doc, value,
		"%s must be an IPv4 or IPv6 address, without port, prefix length or scope", quoted);
}

static void read_weight(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t weight;

	if (doc_read_uint(reader, value, 0, 1000000, &weight))
		((struct vip_draft *)target)->vip->weight = (uint32_t)weight;
}

static void read_vip_check(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct vip_draft *draft = target;

	read_reference(reader, value, draft->arena, &draft->vip->check);
}

static const struct doc_key vip_keys[] = {{"address", read_address, true},
					  {"name", read_name},
					  {"weight", read_weight},
					  {"check", read_vip_check},
					  {NULL}};
/* Where `name` is given, no address is missing. */
static const struct doc_key named_vip_keys[] = {{"address", read_address},
						{"name", read_name},
						{"weight", read_weight},
						{"check", read_vip_check},
						{NULL}};

static void check_twice(const struct doc_reader *reader, const struct doc_node *node,
			const struct fleet_vips *vips, const struct fleet_vip *vip)
{
	char address[IP_TEXT_MAX];

	for (size_t i = 0; i < vips->written_count; i++) {
		const struct fleet_vip *other = &vips->written[i];
		if (vip->name && other->name && strcmp(vip->name, other->name) == 0)
			doc_err(reader->errors, reader->doc, node, "name %s stands in region '%s' twice",
				vip->name, vips->region);
		if (vip->ip.family == 0 || !ip_equal(&other->ip, &vip->ip))
			continue;
		ip_format(&vip->ip, address);
		doc_err(reader->errors, reader->doc, node, "address %s stands in region '%s' twice", address,
			vips->region);
	}
}

static void read_vip(const struct doc_reader *reader, const struct doc_node *node, struct fleet_vips *vips,
		     struct arena *arena)
{
	struct vip_draft draft = {.vip = &vips->written[vips->written_count], .arena = arena};
	const struct doc_node *name = node->kind == DOC_MAPPING ? doc_get(node, "name") : NULL;

	draft.vip->weight = 1;
	if (node->kind == DOC_SCALAR)
		read_address_or_name(reader, node, &draft);
	else
		doc_read_mapping(reader, node, name ? named_vip_keys : vip_keys, &draft);
	if (name && doc_get(node, "address"))
		doc_err_key(reader->errors, reader->doc, name, "a VIP has an address or a name, not both");
	check_twice(reader, node, vips, draft.vip);
	assert(!draft.vip->name || draft.vip->ip.family == 0 || err_has_errors(reader->errors));
	vips->has_names |= draft.vip->name != NULL;
	vips->written_count++;
}

/* Until the names are looked up only the addresses count. */
static void take_addresses(struct fleet_vips *vips, struct arena *arena)
{
	vips->vips = vips->written;
	vips->count = vips->written_count;
	if (!vips->has_names)
		return;
	vips->vips = arena_alloc(arena, vips->written_count * sizeof *vips->vips);
	vips->count = 0;
	for (size_t i = 0; i < vips->written_count; i++)
		if (!vips->written[i].name)
			vips->vips[vips->count++] = vips->written[i];
}

static void read_region_vips(const struct doc_reader *reader, const struct doc_node *node,
			     struct fleet_service *service)
{
	struct fleet_vips *vips = &service->vips[service->vip_region_count];

	assert(service->vip_region_count < FLEET_REGIONS_MAX);
	if (!text_is_id(node->key)) {
		doc_err_key(reader->errors, reader->doc, node, "must be the id of a region");
		return;
	}
	if (!doc_read_is_sequence(reader, node, "a list of VIPs"))
		return;
	if (node->count < 1 || node->count > FLEET_VIPS_PER_REGION_MAX) {
		doc_err(reader->errors, reader->doc, node, "holds %u VIPs; a region needs 1 to %d",
			node->count, FLEET_VIPS_PER_REGION_MAX);
		return;
	}
	vips->region = arena_strndup(arena_of(service), node->key, strlen(node->key));
	vips->written = arena_alloc(arena_of(service), node->count * sizeof *vips->written);
	for (const struct doc_node *item = node->first; item; item = item->next)
		read_vip(reader, item, vips, arena_of(service));
	take_addresses(vips, arena_of(service));
	assert(vips->count <= vips->written_count && vips->written_count == node->count);
	service->vip_region_count++;
}

static void read_vips(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct fleet_service *service = target;

	if (!doc_read_is_mapping(reader, value, "a mapping of regions to lists of VIPs"))
		return;
	if (value->count > FLEET_REGIONS_MAX) {
		doc_err(reader->errors, reader->doc, value, "names %u regions; at most %d", value->count,
			FLEET_REGIONS_MAX);
		return;
	}
	service->vips = arena_alloc(arena_of(service), (value->count + 1) * sizeof *service->vips);
	for (const struct doc_node *node = value->first; node; node = node->next)
		read_region_vips(reader, node, service);
}

/* ---- https ---- */

/* A protocol of RFC 7301 §6: 1 to 255 octets; its names are printable. */
static bool is_protocol(const char *text)
{
	size_t length = strlen(text);

	for (const char *at = text; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	return length >= 1 && length <= 255;
}

static bool is_listed(char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static void read_alpn(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const char what[] = "a protocol, as h2 or http/1.1";
	struct fleet_service *service = target;
	char quoted[TEXT_QUOTE_MAX];
	const char *text;

	if (!doc_read_is_sequence(reader, value, "a list of protocols, as [h2, http/1.1]"))
		return;
	if (value->count < 1 || value->count > FLEET_ALPN_MAX) {
		doc_err(reader->errors, reader->doc, value, "lists %u protocols; 1 to %d are needed",
			value->count, FLEET_ALPN_MAX);
		return;
	}
	service->https_alpn = arena_alloc(arena_of(service), value->count * sizeof *service->https_alpn);
	for (const struct doc_node *item = value->first; item; item = item->next) {
		if (!doc_read_text(reader, item, what, &text))
			continue;
		text_quote(text, quoted);
		if (!is_protocol(text))
			doc_err(reader->errors, reader->doc, item, "%s must be %s", quoted, what);
		else if (is_listed(service->https_alpn, service->https_alpn_count, text))
			doc_err(reader->errors, reader->doc, item, "%s is listed twice", quoted);
		else
			service->https_alpn[service->https_alpn_count++] =
				arena_strndup(arena_of(service), text, strlen(text));
	}
}

static void read_https_port(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	uint64_t port;

	if (doc_read_uint(reader, value, 1, 65535, &port))
		((struct fleet_service *)target)->https_port = (uint16_t)port;
}

static void read_https(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	static const struct doc_key keys[] = {{"alpn", read_alpn}, {"port", read_https_port}, {NULL}};
	static char h2[] = "h2", http1[] = "http/1.1";
	struct fleet_service *service = target;

	service->has_https = true;
	service->https_port = 443;
	doc_read_mapping(reader, value, keys, service);
	if (doc_get(value, "alpn"))
		return;
	service->https_alpn = arena_alloc(arena_of(service), 2 * sizeof *service->https_alpn);
	service->https_alpn[service->https_alpn_count++] = h2;
	service->https_alpn[service->https_alpn_count++] = http1;
}

/* ---- the service ---- */

static const struct doc_key service_keys[] = {
	{"check", read_check},
	{"ttl", read_ttl},
	{"steering", read_steering},
	{"vips", read_vips},
	{"https", read_https},
	{"routes", fleet_read_routes},
	{"origins", fleet_read_pools},
	{"passthrough", NULL},
	{"tcp", NULL},
	{NULL},
};

static void take_regions_from_vips(struct fleet_service *service)
{
	service->region_count = service->vip_region_count;
	service->regions =
		arena_alloc(arena_of(service), (service->region_count + 1) * sizeof *service->regions);
	for (size_t i = 0; i < service->region_count; i++)
		service->regions[i] = service->vips[i].region;
}

struct fleet_object *fleet_read_service(const struct doc_reader *reader, const struct doc_node *node,
					const char *id)
{
	struct fleet_service *service = fleet_object_new(sizeof *service, FLEET_SERVICE, id);

	service->ttl_min = 5;
	service->ttl_max = 60;
	service->prefix4 = 24;
	service->prefix6 = 56;
	service->answers = 1;
	service->min_healthy_hundredths = 5000;
	bool is_good = doc_read_mapping(reader, node, service_keys, service);
	if (is_good && !service->has_regions)
		take_regions_from_vips(service);
	fleet_read_forwarding_done(reader, node, service, is_good);
	return &service->object;
}
