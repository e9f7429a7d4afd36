/* Objects → JSON with the keys of the YAML form, defaults left out, members in a fixed order. Control
 * thread. */
#include "checker/probe_kind.h"
#include "fleet/fleet_internal.h"
#include "fleet/write/forwarding_json.h"
#include "lib/json_text.h"
#include "lib/text.h"
#include <assert.h>
#include <string.h>

static void set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_text(text));
}

/* Whole numbers without a fraction, as they were mostly written. */
static json_t *number(double value)
{
	return value == (double)(json_int_t)value ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *texts(char *const *items, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_text(items[i]));
	return array;
}

static json_t *addresses(const struct ip *items, size_t count)
{
	json_t *array = json_array();
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < count; i++) {
		ip_format(&items[i], text);
		json_array_append_new(array, json_text(text));
	}
	return array;
}

static void set_at(json_t *json, double latitude, double longitude)
{
	json_t *at = json_array();

	json_array_append_new(at, number(latitude));
	json_array_append_new(at, number(longitude));
	json_object_set_new(json, "at", at);
}

static void set_duration(json_t *json, const char *key, uint32_t ms)
{
	char text[24];

	text_from_duration_ms(ms, text);
	set_text(json, key, text);
}

static void region_to_json(const struct fleet_region *region, json_t *json)
{
	set_at(json, region->latitude, region->longitude);
	if (region->country[0] != '\0')
		set_text(json, "country", region->country);
	if (region->capacity > 0)
		json_object_set_new(json, "capacity", json_integer(region->capacity));
	if (region->tag_count > 0)
		json_object_set_new(json, "tags", texts(region->tags, region->tag_count));
}

static void location_to_json(const struct fleet_location *location, json_t *json)
{
	if (location->has_at)
		set_at(json, location->latitude, location->longitude);
	if (location->has_country)
		set_text(json, "country", location->country);
	if (location->has_subdivision)
		set_text(json, "subdivision", location->subdivision);
	if (location->has_continent)
		set_text(json, "continent", location->continent);
	if (location->has_asn)
		json_object_set_new(json, "asn", json_integer(location->asn));
}

static void http_to_json(const struct fleet_check *check, json_t *json)
{
	if (strcmp(check->spec.method, "GET") != 0)
		set_text(json, "method", check->spec.method);
	if (strcmp(check->spec.path, "/") != 0)
		set_text(json, "path", check->spec.path);
	if (check->spec.header_count > 0) {
		json_t *headers = json_object();
		for (size_t i = 0; i < check->spec.header_count; i++)
			set_text(headers, check->spec.headers[i].name, check->spec.headers[i].value);
		json_object_set_new(json, "headers", headers);
	}
	if (strcmp(check->expect_text, "200-399") != 0)
		set_text(json, "expect", check->expect_text);
	if (check->spec.body)
		set_text(json, "body", check->spec.body);
}

static void tls_to_json(const struct fleet_check *check, json_t *json)
{
	if (check->spec.sni)
		set_text(json, "sni", check->spec.sni);
	if (check->spec.verify != PROBE_VERIFY_NONE)
		set_text(json, "verify", fleet_verify_word[check->spec.verify]);
	if (check->spec.expires_within_ms > 0)
		set_duration(json, "expires_within", check->spec.expires_within_ms);
}

static void check_to_json(const struct fleet_check *check, json_t *json)
{
	uint32_t timeout_default = check->spec.interval_ms < 1000 ? check->spec.interval_ms : 1000;

	set_text(json, "type", check->spec.kind->name);
	if (check->spec.port != check->spec.kind->default_port)
		json_object_set_new(json, "port", json_integer(check->spec.port));
	if (check->spec.interval_ms != 5000)
		set_duration(json, "interval", check->spec.interval_ms);
	if (check->spec.timeout_ms != timeout_default)
		set_duration(json, "timeout", check->spec.timeout_ms);
	if (check->rise != 2)
		json_object_set_new(json, "rise", json_integer(check->rise));
	if (check->fall != 2)
		json_object_set_new(json, "fall", json_integer(check->fall));
	if (check->clear != check->rise)
		json_object_set_new(json, "clear", json_integer(check->clear));
	if (check->spec.host)
		set_text(json, "host", check->spec.host);
	if (check->spec.kind->keys & PROBE_KEY_METHOD)
		http_to_json(check, json);
	if (check->spec.kind->keys & PROBE_KEY_SNI)
		tls_to_json(check, json);
}

static json_t *tiers_to_json(const struct fleet_tiers *tiers)
{
	if (tiers->is_nearest && tiers->count == 0)
		return json_string("nearest");
	json_t *list = json_array(), *tier = list;
	if (tiers->is_nearest)
		json_array_append_new(list, json_string("nearest"));
	for (size_t i = 0; i < tiers->count; i++) {
		if (tiers->has_nested_tiers && tiers->items[i].starts_tier) {
			tier = json_array();
			json_array_append_new(list, tier);
		}
		json_array_append_new(tier, json_text(tiers->items[i].region));
	}
	return list;
}

static void map_to_json(const struct fleet_map *map, json_t *json)
{
	for (size_t i = 0; i < map->rule_count; i++)
		json_object_set_new(json, map->rules[i].key, tiers_to_json(&map->rules[i].tiers));
}

static json_t *steering_to_json(const struct fleet_service *service)
{
	json_t *json = json_object();
	char text[24];

	assert(service->order < ORDER_KINDS && service->split < SPLITS);
	assert((service->order == ORDER_MAP) == (service->map != NULL));
	if (service->order != ORDER_NEAREST)
		set_text(json, "order", fleet_order_word[service->order]);
	if (service->map)
		set_text(json, "map", service->map);
	if (service->has_regions)
		json_object_set_new(json, "regions", texts(service->regions, service->region_count));
	if (service->tolerance_km > 0) {
		snprintf(text, sizeof text, "%ukm", service->tolerance_km);
		set_text(json, "tolerance", text);
	}
	json_t *bias = json_object();
	for (size_t i = 0; i < service->bias_count; i++)
		if (service->bias[i].percent != 0)
			json_object_set_new(bias, service->bias[i].region,
					    json_integer(service->bias[i].percent));
	if (json_object_size(bias) > 0)
		json_object_set(json, "bias", bias);
	json_decref(bias);
	if (service->split != SPLIT_STICKY)
		set_text(json, "split", fleet_split_word[service->split]);
	if (service->prefix4 != 24 || service->prefix6 != 56) {
		json_t *prefix = json_array();
		json_array_append_new(prefix, json_integer(service->prefix4));
		json_array_append_new(prefix, json_integer(service->prefix6));
		json_object_set_new(json, "prefix", prefix);
	}
	if (service->answers != 1)
		json_object_set_new(json, "answers", json_integer(service->answers));
	if (service->min_healthy_hundredths != 5000) {
		unsigned fraction = service->min_healthy_hundredths % 100;
		snprintf(text, sizeof text, fraction > 0 ? "%u.%02u%%" : "%u%%",
			 service->min_healthy_hundredths / 100, fraction);
		set_text(json, "min_healthy", text);
	}
	if (service->last_resort == LAST_RESORT_ADDRESSES)
		json_object_set_new(json, "last_resort", addresses(service->resort, service->resort_count));
	else if (service->last_resort != LAST_RESORT_ALL)
		set_text(json, "last_resort", fleet_last_resort_word[service->last_resort]);
	return json;
}

static json_t *vip_to_json(const struct fleet_vip *vip)
{
	char address[IP_TEXT_MAX];

	assert((vip->name != NULL) == (vip->ip.family == 0)); /* one of the two */
	if (!vip->name)
		ip_format(&vip->ip, address);
	const char *text = vip->name ? vip->name : address;
	if (vip->weight == 1 && !vip->check)
		return json_text(text);
	json_t *json = json_object();
	set_text(json, vip->name ? "name" : "address", text);
	if (vip->weight != 1)
		json_object_set_new(json, "weight", json_integer(vip->weight));
	if (vip->check)
		set_text(json, "check", vip->check);
	return json;
}

static json_t *https_to_json(const struct fleet_service *service)
{
	json_t *json = json_object();

	if (service->https_alpn_count != 2 || strcmp(service->https_alpn[0], "h2") != 0 ||
	    strcmp(service->https_alpn[1], "http/1.1") != 0)
		json_object_set_new(json, "alpn", texts(service->https_alpn, service->https_alpn_count));
	if (service->https_port != 443)
		json_object_set_new(json, "port", json_integer(service->https_port));
	return json;
}

static json_t *vips_to_json(const struct fleet_service *service)
{
	json_t *vips = json_object();
	for (size_t r = 0; r < service->vip_region_count; r++) {
		json_t *list = json_array();
		for (size_t i = 0; i < service->vips[r].written_count; i++)
			json_array_append_new(list, vip_to_json(&service->vips[r].written[i]));
		json_object_set_new(vips, service->vips[r].region, list);
	}
	return vips;
}

static void service_to_json(const struct fleet_service *service, json_t *json)
{
	char ttl[64], min[24], max[24];

	if (service->check)
		set_text(json, "check", service->check);
	if (service->ttl_min != 5 || service->ttl_max != 60) {
		text_from_duration_ms((uint64_t)service->ttl_min * 1000, min);
		text_from_duration_ms((uint64_t)service->ttl_max * 1000, max);
		if (service->ttl_min == service->ttl_max)
			snprintf(ttl, sizeof ttl, "%s", min);
		else
			snprintf(ttl, sizeof ttl, "%s..%s", min, max);
		set_text(json, "ttl", ttl);
	}
	json_t *steering = steering_to_json(service);
	if (json_object_size(steering) > 0)
		json_object_set_new(json, "steering", steering);
	else
		json_decref(steering);
	if (service->has_https)
		json_object_set_new(json, "https", https_to_json(service));
	assert(service->vip_region_count <= FLEET_REGIONS_MAX);
	if (service->vip_region_count > 0)
		json_object_set_new(json, "vips", vips_to_json(service));
	fleet_forwarding_to_json(service, json);
}

static void zone_to_json(const struct fleet_zone *zone, json_t *json)
{
	if (zone->path_written)
		set_text(json, "file", zone->path_written);
	else
		set_text(json, "text", zone->text);
	if (zone->serial_is_change)
		set_text(json, "serial", "change");
}

static void tier_to_json(const struct fleet_tier *tier, json_t *json)
{
	if (tier->dns_queries.written[0] != '\0')
		set_text(json, "dns_queries", tier->dns_queries.written);
	if (tier->dns_nxdomain.written[0] != '\0')
		set_text(json, "dns_nxdomain", tier->dns_nxdomain.written);
	fleet_limits_to_json(&tier->limits, json);
}

/* The tenant's id alone is what hosts says by itself. */
static bool has_own_hosts(const struct fleet_tenant *tenant)
{
	return tenant->has_hosts && (tenant->host_count != 1 ||
				     strcmp(fleet_tenant_hosts_written(tenant), tenant->object.id) != 0);
}

static json_t *hosts_to_json(const struct fleet_tenant *tenant)
{
	const char *written = fleet_tenant_hosts_written(tenant);
	json_t *hosts = json_array();

	for (size_t i = 0; i < tenant->host_count; i++, written += strlen(written) + 1)
		json_array_append_new(hosts, json_text(written));
	return hosts;
}

static json_t *domains_to_json(const struct fleet_tenant *tenant)
{
	char text[NAME_TEXT_MAX];
	json_t *domains = json_array();

	for (struct fleet_tenant_name at = {0}; fleet_tenant_next_name(tenant, &at);) {
		if (!at.is_domain)
			continue;
		name_to_text(at.name, text);
		json_array_append_new(domains, json_text(text));
	}
	return domains;
}

static void tenant_to_json(const struct fleet_tenant *tenant, json_t *json)
{
	const struct fleet_profile *profile = tenant->profile;
	char zone[NAME_TEXT_MAX];

	assert(profile->zone && profile->service); /* else it had been refused */
	name_to_text(profile->zone, zone);
	set_text(json, "zone", zone);
	set_text(json, "service", profile->service);
	if (profile->tier)
		set_text(json, "tier", profile->tier);
	if (profile->has_regions)
		json_object_set_new(json, "regions", texts(profile->regions, profile->region_count));
	if (has_own_hosts(tenant))
		json_object_set_new(json, "hosts", hosts_to_json(tenant));
	if (tenant->domain_count > 0)
		json_object_set_new(json, "domains", domains_to_json(tenant));
	if (profile->is_suspended)
		set_text(json, "state", "suspended");
	if (profile->tag_count > 0)
		json_object_set_new(json, "tags", texts(profile->tags, profile->tag_count));
	fleet_terms_to_json(profile, json);
}

json_t *fleet_object_to_json(const struct fleet_object *object)
{
	json_t *json = json_object();

	switch (object->kind) {
	case FLEET_REGION:
		region_to_json((const struct fleet_region *)object, json);
		break;
	case FLEET_LOCATION:
		location_to_json((const struct fleet_location *)object, json);
		break;
	case FLEET_CHECK:
		check_to_json((const struct fleet_check *)object, json);
		break;
	case FLEET_MAP:
		map_to_json((const struct fleet_map *)object, json);
		break;
	case FLEET_SERVICE:
		service_to_json((const struct fleet_service *)object, json);
		break;
	case FLEET_ZONE:
		zone_to_json((const struct fleet_zone *)object, json);
		break;
	case FLEET_TIER:
		tier_to_json((const struct fleet_tier *)object, json);
		break;
	case FLEET_TENANT:
		tenant_to_json((const struct fleet_tenant *)object, json);
		break;
	case FLEET_KINDS:
		break;
	}
	return json;
}
