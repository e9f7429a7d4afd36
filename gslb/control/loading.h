/*
 * Loading: from files and store to a fleet with compiled orders, in three stages: the files are read on a
 * helper thread, the store's objects join them in small steps on the loop, and the orders that the store's
 * tenants need are compiled on a helper thread. Probes, API and answers go on meanwhile. Control thread.
 */
#pragma once
#include "gslb/control/node_files.h"
#include "store/store_load.h"

enum loading_stage { LOADING_NOTHING, LOADING_FILES, LOADING_STORE, LOADING_ORDERS };

struct event_base;
struct loading_hooks {
	void *user;
	/* The version of the served fleet: what the store holds belongs to it. */
	uint64_t (*fleet_version)(void *user);
	/* Takes what it moves out of `files`, to whose fleet the store's objects came, and frees the rest;
	 * errors say why it is of no use. `set_aside` of the store's objects did not fit. Loading may start
	 * again in here. */
	void (*finished)(void *user, struct node_files *files, size_t set_aside);
};

struct loading;

/* `hooks` and `store` stay the caller's, for as long as it lives. */
struct loading *loading_new(struct event_base *base, const char *config_path, struct store *store,
			    const struct loading_hooks *hooks);
/* Waits for what runs on a helper thread; `finished` is not called. NULL is fine. */
void loading_free(struct loading *loading);
/* Nothing may be loading. Takes over `previous`. False, with errno: no thread or descriptor is left. */
bool loading_start(struct loading *loading, struct load_previous *previous, enum store_misfit misfit);
enum loading_stage loading_stage(const struct loading *loading);
/* A change of the served fleet was accepted: what is being loaded follows it. */
void loading_follow(struct loading *loading, const struct fleet_result *result);
