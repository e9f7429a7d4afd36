/* What a server holds, for the files of gslb/control alone. */
#pragma once
#include "gslb/control/loading.h"
#include "gslb/control/server.h"

struct server {
	struct event_base *base;
	const struct server_hooks *hooks;
	struct gslb_config *config;
	char *config_path;
	struct fleet *fleet;
	struct store *store;
	struct controls *controls;     /* controls.h */
	struct journal *journal;       /* journal.h */
	struct loads *loads;	       /* loads.h */
	struct health_book *health;    /* health_book.h */
	struct resolve_names *names;   /* resolve_names.h */
	struct notify *notify;	       /* notify.h */
	struct world_builder *builder; /* world_builder.h */
	struct loading *loading;
	struct loading_hooks loading_hooks;
	struct reload_request *reload;	     /* those who asked for the one that is on; NULL: none is */
	struct reload_request *reload_queue; /* those who asked for the one after it */
	struct publish *world;		     /* main.c owns it; workers read it */
	uint64_t fleet_version;
	uint64_t started_mono_ms;
	bool is_ready;		/* DNS answers */
	bool is_waiting_health; /* the sockets are not open yet because of health */
	bool is_loaded;		/* the first world is published */
	size_t invalid_objects; /* of the store, set aside at the start */
	char *geo_signature;	/* of the geo files that are in use */
	struct event *start_timer, *expiry_timer;
	bool has_failed; /* the start could not be finished; errors were logged */
};
