/* explain and what-if: the server's own decision, told as JSON (Explanation in openapi.json). */
#pragma once
#include "gslb/control/server.h"
#include "gslb/decide/vip_input.h"

struct explain_request {
	struct name name;
	uint16_t type;
	bool has_client;
	struct prefix client;
	bool has_via;
	struct ip via;
	size_t what_if_count;
	const struct what_if *what_if;
};

json_t *explain(struct server *server, const struct explain_request *request); /* new reference */
