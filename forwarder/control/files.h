/*
 * What forwarderd reads from files: node.yaml and, where no gslbd is asked for the fleet, the fleet documents
 * that it names. Any one thread.
 */
#pragma once
#include "fleet/fleet.h"
#include "forwarder/control/config.h"

struct files {
	struct forwarder_config *config; /* NULL: node.yaml cannot be read */
	struct fleet *fleet;		 /* NULL: something is wrong, or gslbd has it */
	struct err_list errors;
};

/* Everything that is wrong is in ret->errors; what is read is good where none of them is an error. */
void files_read(const char *config_path, struct files *ret);
void files_done(struct files *files); /* what was not taken out of it */
