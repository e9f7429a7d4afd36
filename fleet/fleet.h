/*
 * The fleet: regions, locations, checks, maps, services, zones and tenants as the operator wrote
 * them, checked. Base objects come from files and are read-only through the API; store objects come
 * from the API. One control thread owns a fleet. Ids are text; everything compiled from a fleet
 * (plan, index) copies what it needs.
 */
#pragma once
#include "checker/probe_spec.h"
#include "fleet/forwarding.h"
#include "fleet/words.h"
#include "lib/doc.h"
#include "lib/map.h"
#include "lib/net.h"
#include "lib/text.h"
#include "zones/zone.h"

#define FLEET_REGIONS_MAX 64
#define FLEET_VIPS_PER_REGION_MAX 64 /* of one service; addresses of a name too */
#define FLEET_CHECKS_MAX 1024
#define FLEET_MAPS_MAX 1024
#define FLEET_SERVICES_MAX 10000
#define FLEET_ZONES_MAX 100000
#define FLEET_TIERS_MAX 1000
#define FLEET_TENANTS_MAX 10000000

enum fleet_kind {
	FLEET_REGION,
	FLEET_LOCATION,
	FLEET_CHECK,
	FLEET_MAP,
	FLEET_SERVICE,
	FLEET_ZONE,
	FLEET_TIER,
	FLEET_TENANT,
	FLEET_KINDS
};
extern const char *const fleet_kind_key[FLEET_KINDS];  /* "regions", "locations", … */
extern const char *const fleet_kind_name[FLEET_KINDS]; /* "region", "location", … */

enum fleet_source { FLEET_BASE, FLEET_STORE };

/* Where a base object stands. */
struct fleet_where {
	const char *file; /* the fleet's */
	uint32_t line, column;
};

/* Head of every object. `id` is the key: an id, a zone name (absolute presentation form, lower case,
 * final dot), or a prefix in canonical text. */
struct fleet_object {
	char *id;
	union {
		uint64_t version;	   /* FLEET_STORE: the fleet_version that wrote it */
		struct fleet_where *where; /* FLEET_BASE; NULL while it is read */
	};
	uint32_t number; /* stable while the object exists, small, reused; counters and plan use it */
	enum fleet_kind kind : 8;
	enum fleet_source source : 8;
	bool is_staged; /* part of the change that is being applied */
};

struct fleet_region {
	struct fleet_object object; /* .number < FLEET_REGIONS_MAX: the region's bit */
	double latitude, longitude;
	char country[3];   /* "" absent */
	uint32_t capacity; /* 0 absent */
	size_t tag_count;
	char **tags;
};

struct fleet_location {
	struct fleet_object object;
	struct prefix prefix;
	bool has_at, has_country, has_subdivision, has_continent, has_asn;
	double latitude, longitude;
	char country[3], continent[3], subdivision[12];
	uint32_t asn;
};

struct fleet_check {
	struct fleet_object object;
	struct probe_spec spec; /* but for the name, which is a VIP's */
	uint32_t rise, fall, clear;
	char *expect_text; /* as written: "200-399,418" */
};

/* An ordered list of tiers of region ids; `nearest`; or a list that begins with it: the nearest of these. */
struct fleet_tiers {
	bool is_nearest;       /* of all candidates where `count` is 0 */
	bool has_nested_tiers; /* written [[a, b], [c]] */
	size_t count;
	struct fleet_tier_item {
		char *region;
		bool starts_tier;
	} * items;
};

struct fleet_map {
	struct fleet_object object;
	size_t rule_count;
	struct fleet_map_rule {
		enum map_rule_kind kind;
		char *key;	       /* as written */
		uint32_t line, column; /* of the key, in a base object; else 0 */
		struct prefix prefix;
		uint32_t asn;
		char country[3], continent[3], subdivision[12];
		struct fleet_tiers tiers;
	} * rules;
};

struct fleet_vip {
	struct ip ip;	/* family 0: a name, as written */
	char *name;	/* absolute, lower case, final dot; NULL: an address as written */
	uint8_t shares; /* addresses of the name that share the weight; 0 or 1: all of it */
	uint32_t weight;
	char *check; /* own check; NULL: the service's */
};

struct fleet_service {
	struct fleet_object object;
	char *check;		   /* NULL: VIPs are always up */
	uint32_t ttl_min, ttl_max; /* seconds */
	enum order_kind order;
	char *map; /* with ORDER_MAP */
	bool has_regions;
	size_t region_count; /* steering.regions, or the key order of vips */
	char **regions;
	uint32_t tolerance_km;
	size_t bias_count;
	struct fleet_bias {
		char *region;
		int8_t percent; /* -99..99 */
	} * bias;
	enum split split;
	uint8_t prefix4, prefix6;
	uint8_t answers;
	uint32_t min_healthy_hundredths;
	enum last_resort last_resort;
	size_t resort_count; /* with LAST_RESORT_ADDRESSES */
	struct ip *resort;
	bool has_https;
	size_t https_alpn_count;
	char **https_alpn;
	uint16_t https_port;
	size_t vip_region_count;
	struct fleet_vips {
		char *region;
		size_t written_count;
		struct fleet_vip *written; /* addresses and names */
		size_t count;
		struct fleet_vip *vips; /* addresses alone: what is answered and probed now */
		bool has_names;
		struct fleet_vip *resolved; /* own memory of `vips`, once names were looked up */
		size_t left_out;	    /* addresses of names for which `vips` has no room */
	} * vips;
	/* The forwarder's. */
	size_t route_count, pool_count;
	struct fleet_route *routes; /* the first that matches is taken */
	struct fleet_pool *pools;   /* `origins`, in the order of the document */
};

struct fleet_zone {
	struct fleet_object object;
	struct name name;
	char *path; /* absolute or relative to the working directory; NULL: text */
	char *path_written;
	char *text;
	uint32_t text_line; /* of the block in its document */
	bool serial_is_change;
	struct zone *zone; /* loaded; one reference */
	/* Last accepted change of file, text or tenants; kept by the control path, which has the time. */
	int64_t changed_unix_s;
};

/* What its tenants share in kind: each tenant has these budgets for itself. */
struct fleet_tier {
	struct fleet_object object;
	struct fleet_rate dns_queries, dns_nxdomain;
	struct fleet_limits limits; /* the forwarder's */
};

/* What many tenants have in common: everything but id and names. Equal ones are one object. Control
 * thread. */
struct fleet_profile {
	/* Of the profiles of one fleet: `number` is small and used again once nobody has the profile, so what
	 * is compiled for profiles stands in an array by it; `serial` is never used again and tells a profile
	 * from one that had its number before. */
	uint32_t number;
	uint64_t serial;
	const uint8_t *zone; /* lower-case wire form */
	const char *service;
	const char *tier; /* NULL: none */
	bool has_regions;
	bool is_suspended;
	uint16_t region_count, tag_count;
	char **regions, **tags;
	/* The forwarder's. */
	bool redirects_to_https;
	bool is_in_maintenance;
	uint16_t maintenance_status;
	const char *maintenance_body;	   /* NULL: none is written */
	const struct fleet_limits *limits; /* own ones, which lie over the tier's; NULL: none */
	uint16_t key_count;
	const struct fleet_key *keys;	 /* in the order of the document */
	struct fleet_profile_life *life; /* fleet/profile.c's */
};

/* One small block of memory each: there may be millions. */
struct fleet_tenant {
	struct fleet_object object;
	struct fleet_profile *profile;
	uint16_t host_count, domain_count;
	bool has_hosts;	 /* written ones; else its only host is <id>.<zone> */
	bool is_settled; /* it stands in the fleet's own memory */
	char rest[];	 /* for fleet/tenant.c */
};

/* The names of a tenant, hosts before domains:
 * for (struct fleet_tenant_name at = {0}; fleet_tenant_next_name(tenant, &at);) */
struct fleet_tenant_name {
	const uint8_t *name; /* absolute, lower-case wire form; until the next step */
	bool is_domain;
	size_t index;  /* among the hosts or the domains */
	size_t passed; /* the rest is fleet/tenant.c's */
	const uint8_t *next;
	struct name own;
};
bool fleet_tenant_next_name(const struct fleet_tenant *tenant, struct fleet_tenant_name *at);
/* With has_hosts: the hosts as written, relative to the zone, one text behind the other. */
const char *fleet_tenant_hosts_written(const struct fleet_tenant *tenant);

/* The addresses of a name right now; returns how many. */
typedef size_t fleet_addresses_fn(void *user, const char *name, const struct ip **ret);
/* Makes `vips` of addresses and names anew: each address of a name is a VIP with an equal share of the
 * weight, once in a region, at most 64 together. True: something changed. */
bool fleet_vips_resolve(struct fleet_vips *vips, fleet_addresses_fn *addresses, void *user);

struct fleet;

struct fleet *fleet_new(void);
void fleet_free(struct fleet *fleet); /* NULL is fine */
/* NULL: absent. id as in fleet_object.id; zones: any form that name_from_text takes. */
struct fleet_object *fleet_get(const struct fleet *fleet, enum fleet_kind kind, const char *id);
size_t fleet_count(const struct fleet *fleet, enum fleet_kind kind);
/* In order of definition, but for objects that took the place of removed ones. for (size_t at = 0; (object =
 * fleet_next(fleet, kind, &at));) */
struct fleet_object *fleet_next(const struct fleet *fleet, enum fleet_kind kind, size_t *at);
/* text_known() for an id that no object of the kind has; what it returns is the object's. */
const char *fleet_known(const struct fleet *fleet, enum fleet_kind kind, const char *id,
			char out[static TEXT_KNOWN_MAX]);
/* In order of id, from the first id greater than `after` (NULL: from the start): lists with
 * ?limit=&after=. Returns how many were written. */
size_t fleet_page(const struct fleet *fleet, enum fleet_kind kind, const char *after, size_t limit,
		  struct fleet_object **ret);
/* NULL: none has this number. */
struct fleet_object *fleet_numbered(const struct fleet *fleet, enum fleet_kind kind, uint32_t number);
uint32_t fleet_number_end(const struct fleet *fleet, enum fleet_kind kind); /* every number is below it */
/* The version of a store object; 0 for a base object. */
uint64_t fleet_object_version(const struct fleet_object *object);
/* The tenant that holds this host or domain (lower-case wire name), or NULL. */
struct fleet_tenant *fleet_tenant_of(const struct fleet *fleet, const uint8_t *name);

/* The tenant whose wildcard is the closest one above the name, in the name's zone; NULL: none has one. Where
 * the name or one above it exists below the wildcard, the wildcard does not answer (RFC 4592 §2.2.1).
 * *ret_top: the end of `name` that is one label longer than what the wildcard stands for: names end there
 * that it would cover. Not the wildcard's own name. */
struct fleet_tenant *fleet_wildcard_above(const struct fleet *fleet, const uint8_t *name,
					  const uint8_t **ret_top);

/* ---- changes: parse → check against the fleet → all or nothing ---- */

struct fleet_change;

struct fleet_change *fleet_change_new(enum fleet_source source);
void fleet_change_free(struct fleet_change *change);
/* Adds every object of a fleet document. Paths in it are relative to its file; from the API
 * (`doc->file` NULL or source FLEET_STORE) `file:` is refused. Collects all errors. */
void fleet_change_add_document(struct fleet_change *change, const struct doc *doc, struct err_list *errors);
/* One object by itself, as PUT /v1/tenants/ID and the store bring it. */
void fleet_change_put(struct fleet_change *change, enum fleet_kind kind, const char *id,
		      const struct doc *doc, const struct doc_node *node, uint64_t version,
		      struct err_list *errors);
void fleet_change_remove(struct fleet_change *change, enum fleet_kind kind, const char *id);
/* Objects of the store may name paths, too: they are a copy of another process' fleet on this machine. */
void fleet_change_allow_paths(struct fleet_change *change);
/* A document of the set could not be read: references that find nothing are not reported, as what
 * they mean may stand there. The change is refused in any case. */
void fleet_change_set_incomplete(struct fleet_change *change);
/* Also remove the store objects, of the kinds that the documents name, that they do not name. */
void fleet_change_prune(struct fleet_change *change);

enum fleet_refusal { FLEET_REFUSED_INVALID, FLEET_REFUSED_BASE_OBJECT, FLEET_REFUSED_NOT_FOUND };

struct fleet_result {
	size_t added, changed, removed, unchanged;
	enum fleet_refusal refusal; /* when refused: the class of the first error */
	/* What really changed; valid until the fleet changes again. before NULL: added; after NULL:
	 * removed. `before` objects stay alive until fleet_result_done. */
	size_t touched_count;
	struct fleet_touched {
		enum fleet_kind kind;
		struct fleet_object *before, *after;
	} * touched;
	bool structure_changed; /* anything but tenants was touched */
	struct fleet *fleet;	/* that the result belongs to; NULL: nothing was applied */
};

/* Checks the change against the whole fleet (references, one owner per host and domain, hosts inside
 * their zone and not under cuts or DNAMEs, no static A, AAAA, HTTPS, SVCB, CNAME or DNAME at a tenant's
 * name), loads zones that it brings, and applies it, or changes nothing and reports everything that
 * is wrong. Empties `change`. With dry_run nothing is applied, only counted. Tenants are checked one
 * by one, so that the cost of changing one does not depend on how many there are. */
bool fleet_apply(struct fleet *fleet, struct fleet_change *change, uint64_t version, bool dry_run,
		 struct fleet_result *ret, struct err_list *errors);
/* Undoes the last apply: for a store that could not be written. Before fleet_result_done. */
void fleet_revert(struct fleet *fleet, struct fleet_result *result);
void fleet_result_done(struct fleet_result *result);

/* ---- what can hardly be meant ---- */

/* Warns, in a fleet that was applied, of steering that names regions where the service has no VIP, and of
 * wildcards that other names hide. */
void fleet_warn(const struct fleet *fleet, struct err_list *errors);
/* The same of what a change has touched, before fleet_result_done. Of a wildcard that it brings above names
 * that exist nothing is said: that would take a walk over all tenants. */
void fleet_warn_of_change(const struct fleet *fleet, const struct fleet_result *result,
			  struct err_list *errors);

/* ---- writing ---- */

/* The object's own keys as in YAML (no id), defaults left out; new reference. */
json_t *fleet_object_to_json(const struct fleet_object *object);
/* For another process on this machine: the paths of certificates become those that this one opens. */
void fleet_json_resolve_paths(const struct fleet_object *object, json_t *json);
/* Fleet document with the store's objects, or all; malloc'ed, ends with a newline. */
char *fleet_export_yaml(const struct fleet *fleet, bool with_base);
/* The same in steps of so many objects, for a fleet that does not change meanwhile. */
struct fleet_export;
struct fleet_export *fleet_export_new(bool with_base);
bool fleet_export_step(struct fleet_export *output, const struct fleet *fleet,
		       size_t most); /* true: there is more */
/* After the last step: the text, malloc'ed, without a NUL. */
char *fleet_export_take(struct fleet_export *output, size_t *ret_length);
void fleet_export_free(struct fleet_export *output); /* NULL is fine */
