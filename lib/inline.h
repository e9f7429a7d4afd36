/*
 * What the compiler is told about the data path. It inlines along the usual way of a query as long as the
 * whole stays small, so what is seldom needed says so.
 */
#pragma once

#define OUT_OF_LINE __attribute__((noinline))
