/* What the files of fleet/ share. Control thread. */
#pragma once
#include "fleet/fleet.h"
#include "fleet/names.h"
#include "lib/arena.h"
#include "lib/doc_read.h"
#include "lib/slab.h"
#include <stdarg.h>

#define FLEET_TAGS_MAX 64		 /* of one object */
#define FLEET_ALPN_MAX 16		 /* protocols of one service */
#define FLEET_RESORT_MAX 32		 /* addresses of last_resort, per family */
#define FLEET_HEADERS_MAX 64		 /* of one check */
#define FLEET_EXPECT_MAX 64		 /* ranges of one check */
#define FLEET_NAMES_PER_TENANT_MAX 10000 /* hosts, and domains */
#define FLEET_TEXT_MAX 4096		 /* octets of a check's path, host, header */
#define FLEET_BODY_MAX 65536		 /* octets of a check's body */
#define FLEET_TOKEN_MAX 255		 /* octets of a header's name, and the like */
#define FLEET_TOKENS_MAX 64		 /* in one list or mapping of a route */
#define FLEET_BURST_MAX 10000000u
#define FLEET_BODY_BYTES_MAX ((uint64_t)1 << 40) /* that a limit of request bodies may name */

/* ---- collections: objects of one kind by number and by id ---- */

struct fleet_collection {
	struct fleet_object **objects; /* by number; NULL: the number is free */
	size_t end, capacity;	       /* numbers below `end` were in use some time */
	size_t count;
	size_t first_free; /* no number below it is free */
	uint32_t *slots;   /* hash of the id → number + 1; 0: empty; open addressing */
	size_t slot_count; /* a power of two, or 0 */
	struct fleet_window {
		struct fleet_object **objects; /* all with ids from `after` to that of the last, sorted */
		size_t count, capacity;
		char *after;	/* NULL: from the start */
		bool is_end;	/* none follows the last */
		bool is_filled; /* a page was asked for */
	} window;
};

void fleet_collection_done(struct fleet_collection *collection); /* the objects are the caller's */
struct fleet_object *fleet_collection_get(const struct fleet_collection *collection, const char *id);
/* Gives the object the smallest free number. */
void fleet_collection_add(struct fleet_collection *collection, struct fleet_object *object);
/* In the place and with the number of the one with its id. */
void fleet_collection_replace(struct fleet_collection *collection, struct fleet_object *object);
void fleet_collection_remove(struct fleet_collection *collection, const struct fleet_object *object);
/* One that was removed, with the number that it had. */
void fleet_collection_restore(struct fleet_collection *collection, struct fleet_object *object);
/* As fleet_page(). */
size_t fleet_collection_page(struct fleet_collection *collection, const char *after, size_t limit,
			     struct fleet_object **ret);

/* ---- profiles of tenants: equal ones are one ---- */

struct fleet_profile_pool;

struct fleet_profile_pool *fleet_profile_pool_new(void);
void fleet_profile_pool_free(
	struct fleet_profile_pool *pool); /* NULL is fine; when no profile is left in it */
/* A copy with one reference, in no pool. Texts and names may be NULL in a tenant that is broken. */
struct fleet_profile *fleet_profile_new(const struct fleet_profile *from);
/* Takes over the reference and gives back one to the equal profile of the pool, into which it moves where
 * there is none. */
struct fleet_profile *fleet_profile_share(struct fleet_profile_pool *pool, struct fleet_profile *profile);
void fleet_profile_unref(struct fleet_profile *profile);
bool fleet_profile_equal(const struct fleet_profile *a, const struct fleet_profile *b);
/* Whether `is_so` holds for all in the pool. */
bool fleet_profile_all(const struct fleet_profile_pool *pool,
		       bool (*is_so)(void *user, struct fleet_profile *profile), void *user);
/* Whether this validation has found it good already. */
bool fleet_profile_is_good(const struct fleet_profile *profile, uint64_t validation);
void fleet_profile_set_good(struct fleet_profile *profile, uint64_t validation);

/* ---- tenants ---- */

/* Takes over the profile. `hosts` NULL: the one that the id says; `written`: as many texts. */
struct fleet_tenant *fleet_tenant_new(const char *id, struct fleet_profile *profile, const struct name *hosts,
				      const char *const *written, size_t host_count,
				      const struct name *domains, size_t domain_count);
/* Moves it into the slab: a million tenants between what documents and bodies leave behind would keep all of
 * that in the heap. */
struct fleet_tenant *fleet_tenant_settle(struct fleet_tenant *tenant, struct slab *slab);
void fleet_tenant_free(struct fleet_tenant *tenant);
/* Whether it holds the name because of its id alone: such names stand in no map. */
bool fleet_tenant_is_implied(const struct fleet_tenant *tenant, const uint8_t *name);

/* ---- the fleet ---- */

#define WILDCARD_LABEL 2 /* octets of "*." in wire form */

struct fleet {
	struct fleet_collection *kinds; /* FLEET_KINDS */
	struct names *zones;		/* apex → struct fleet_zone */
	struct names *tenants;		/* written host, or domain → struct fleet_tenant */
	struct names *wildcards;	/* what stands behind "*." in one of those → struct fleet_tenant */
	struct fleet_profile_pool *profile;
	struct slab *slab;    /* of tenants */
	uint64_t validations; /* so far */
	char **files;	      /* names that the objects point to */
	size_t file_count, file_capacity;
	bool has_open_result; /* applied, but neither done nor reverted */
};

/* As fleet_wildcard_above(), for a name of the zone whose apex has so many octets. */
struct fleet_tenant *fleet_closest_wildcard(const struct fleet *fleet, const uint8_t *name,
					    size_t apex_length, const uint8_t **ret_top);
/* A tenant other than this one that holds the name, or NULL. */
const struct fleet_tenant *fleet_other_owner(const struct fleet *fleet, const struct fleet_tenant *tenant,
					     const uint8_t *name);
void fleet_object_free(struct fleet_object *object); /* NULL is fine */
bool fleet_object_equal(const struct fleet_object *a, const struct fleet_object *b);

/* ---- a change ---- */

struct fleet_place {
	uint32_t line, column; /* 0: unknown */
};

/* One object of a change. Documents may be gone by the time of apply, so places are kept. */
struct fleet_stage {
	enum { STAGE_PUT, STAGE_REMOVE, STAGE_BROKEN } action;
	enum fleet_kind kind;
	char *id;
	struct fleet_object *object; /* STAGE_PUT; STAGE_BROKEN: what could be read, or NULL */
	const char *file;	     /* NULL: a JSON body */
	char *pointer;		     /* of the object in a JSON body, else NULL */
	struct fleet_place place;    /* of the key */
	size_t place_count;
	struct fleet_place *places; /* of its references, in the order of fleet_each_reference */
};

struct fleet_change {
	enum fleet_source source;
	struct fleet_stage *stages;
	size_t count, capacity;
	struct map *by_id[FLEET_KINDS]; /* id → index + 1 */
	struct fleet_profile_pool *profile;
	bool is_named[FLEET_KINDS]; /* a document has a section of this kind */
	bool is_pruning, is_incomplete, allows_paths;
	bool is_refused; /* something in it could not be read */
	char **files;
	size_t file_count, file_capacity;
};

void fleet_change_clear(struct fleet_change *change);
const struct fleet_stage *fleet_change_find(const struct fleet_change *change, enum fleet_kind kind,
					    const char *id);

/* ---- references ---- */

enum fleet_reference_role { REFERENCE_OBJECT, REFERENCE_HOST, REFERENCE_DOMAIN, REFERENCE_FILE };

struct fleet_reference {
	enum fleet_reference_role role;
	enum fleet_kind kind; /* of REFERENCE_OBJECT */
	const char *id;	      /* of REFERENCE_OBJECT; a zone's in presentation form */
	const uint8_t *name;  /* of a host or domain */
	const char *path;     /* RFC 6901 pointer below the object, "" = the object itself */
	bool is_key;	      /* it is the key there that refers */
};
typedef void fleet_reference_fn(void *user, const struct fleet_reference *reference);
/* Everything in an object that must fit to other objects, in a fixed order. A tenant's are those of its
 * profile and then its names. */
void fleet_each_reference(const struct fleet_object *object, fleet_reference_fn *fn, void *user);
void fleet_each_term(const struct fleet_profile *profile, fleet_reference_fn *fn, void *user);
void fleet_each_name(const struct fleet_tenant *tenant, fleet_reference_fn *fn, void *user);
/* Writes `text` escaped for a pointer (RFC 6901 §3), cut at the size. */
void fleet_pointer_escape(const char *text, char *out, size_t size);

/* ---- reading ---- */

/* One object. With errors it is NULL, or holds what could be read, so that references in it are checked in
 * the same pass. `id` is in canonical form. */
typedef struct fleet_object *fleet_read_fn(const struct doc_reader *reader, const struct doc_node *node,
					   const char *id);
fleet_read_fn fleet_read_region, fleet_read_location, fleet_read_check, fleet_read_map, fleet_read_service,
	fleet_read_zone, fleet_read_tier, fleet_read_tenant;

/* An object of `size` bytes with its id, in its own arena. Not for zones, locations and tenants: they
 * are one block. */
void *fleet_object_new(size_t size, enum fleet_kind kind, const char *id);
struct arena *fleet_object_arena(const struct fleet_object *object);
/* The members `routes` and `origins` of a service, which is the target; then what depends on both, for the
 * service's own node. */
doc_read_fn fleet_read_routes, fleet_read_pools;
void fleet_read_forwarding_done(const struct doc_reader *reader, const struct doc_node *node,
				struct fleet_service *service, bool is_good);
/* The settings of a pool, which are no ids of regions there; NULL behind the last. */
const char *fleet_pool_setting(size_t at);
void fleet_read_own_limits(const struct doc_reader *reader, const struct doc_node *value,
			   struct fleet_limits *ret);
/* Where these keys of a tenant stand; NULL: absent. */
struct fleet_terms_nodes {
	const struct doc_node *limits, *https, *maintenance, *keys;
};
/* Into `profile`; what it points to lives as long as arena and document. */
void fleet_read_terms(const struct doc_reader *reader, const struct fleet_terms_nodes *nodes,
		      struct arena *arena, struct fleet_profile *profile);

/* Texts of HTTP. What goes into a request line or head must not be able to end it. */
bool fleet_is_graphic(const char *text);
bool fleet_is_field_value(const char *text);
bool fleet_is_token(const char *text); /* RFC 9110 §5.6.2 */
/* `what` completes "must be …"; lowered: names of fields, whose case does not matter. */
bool fleet_read_token(const struct doc_reader *reader, const struct doc_node *node, const char *what,
		      bool is_lowered, struct arena *arena, char **ret);
void fleet_read_tokens(const struct doc_reader *reader, const struct doc_node *node, const char *what,
		       bool is_lowered, struct arena *arena, char ***ret, size_t *ret_count);
enum fleet_pair_kind { FLEET_PAIR_HEADER, FLEET_PAIR_COOKIE, FLEET_PAIR_QUERY };
void fleet_read_pairs(const struct doc_reader *reader, const struct doc_node *node, enum fleet_pair_kind kind,
		      struct arena *arena, struct fleet_pair **ret, size_t *ret_count);
/* Into a rate that is all zero. */
void fleet_read_rate(const struct doc_reader *reader, const struct doc_node *value, struct fleet_rate *rate);
bool fleet_read_count(const struct doc_reader *reader, const struct doc_node *value, uint32_t min,
		      uint32_t max, uint32_t *ret);
bool fleet_read_ms(const struct doc_reader *reader, const struct doc_node *value, uint32_t min, uint32_t max,
		   uint32_t *ret);

bool fleet_read_at(const struct doc_reader *reader, const struct doc_node *node, double *ret_latitude,
		   double *ret_longitude);
enum fleet_read_part { FLEET_READ_AT_VALUE, FLEET_READ_AT_KEY };
/* name_from_text() of a text that stands at the value or the key of `node`; false, with an error that begins
 * with `what`: it is no name. */
bool fleet_read_name(const struct doc_reader *reader, const struct doc_node *node, enum fleet_read_part part,
		     const char *what, const char *text, const struct name *origin, struct name *ret);
bool fleet_read_country(const struct doc_reader *reader, const struct doc_node *node, char ret[static 3]);
bool fleet_is_country(const char *text); /* two capital letters */
/* Warns of letters that are the code of no country of ISO 3166-1: no client is ever there. */
void fleet_warn_of_country(const struct doc_reader *reader, const struct doc_node *node,
			   enum fleet_read_part part, const char country[static 3]);
bool fleet_is_subdivision(const char *text); /* one to three of A-Z, 0-9 */
/* A list of ids, each once, at most `max`; `what` is one of them ("region"). *ret in the arena. */
bool fleet_read_ids(const struct doc_reader *reader, const struct doc_node *node, const char *what,
		    size_t max, struct arena *arena, char ***ret, size_t *ret_count);

/* ---- checking ---- */

struct fleet_validation {
	struct fleet *fleet;
	const struct fleet_change *change;
	struct err_list *errors;
	const struct fleet_object *object; /* being checked */
	const struct fleet_stage *stage;   /* it comes with the change; NULL: it was there before */
	size_t place;			   /* of the reference that is being checked */
	size_t nearest_left;		   /* look-ups of near words that may still be made */
	size_t standing_left;		   /* errors about objects that were there before */
	uint64_t serial;		   /* of the validation: a profile is checked once in each */
};

/* Checks one object against the fleet as it would be. */
void fleet_validate(struct fleet_validation *validation, const struct fleet_object *object,
		    const struct fleet_stage *stage);
/* Whether no tenant's profile is wrong. A wrong one is reported by its tenants. */
bool fleet_validate_profiles(const struct fleet_validation *validation);
