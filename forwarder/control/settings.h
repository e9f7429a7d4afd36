/* What of node.yaml workers go by. Control thread. */
#pragma once
#include "forwarder/control/config.h"
#include "forwarder/plan/world.h"

/* Points into the configuration, which outlives every world that has the settings. https_port: of the first
 * https listener as bound; 0: none. */
void settings_of(const struct forwarder_config *config, uint16_t https_port, struct world_settings *ret);
