/*
 * What forwarders report: it goes into the book, and what it changes into the world; each second all regions
 * are looked at, whether they have to shed. Control thread.
 */
#pragma once
#include "gslb/compile/shedding.h"
#include "gslb/control/server.h"
#include "health/load_book.h"

struct loads;

struct loads *loads_new(struct server *server);
void loads_free(struct loads *loads); /* NULL is fine */
enum load_outcome loads_accept(struct loads *loads, const struct load_report *report);
const struct load_book *loads_book(const struct loads *loads);
const struct shedding *loads_shedding(const struct loads *loads);
