/* JSON of what the forwarder uses, for fleet/write/json.c. Control thread. */
#pragma once
#include "fleet/fleet.h"
#include <jansson.h>

/* Keys that are given, with the values that they have. */
void fleet_limits_to_json(const struct fleet_limits *limits, json_t *json);
/* `limits`, `https`, `maintenance`, `keys`, where there are any. */
void fleet_terms_to_json(const struct fleet_profile *profile, json_t *json);
/* `routes` and `origins`, where there are any. */
void fleet_forwarding_to_json(const struct fleet_service *service, json_t *json);
