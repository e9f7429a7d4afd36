/*
 * What is told of parts that are good, but can hardly be meant together: rules of maps that the geography can
 * never fulfil, geography of one family; with what fleet_warn() tells. Any one thread.
 */
#pragma once
#include "gslb/compile/load.h"

/* The parts come from a load_run without errors. */
void load_warn(const struct load_parts *parts, struct err_list *errors);
