/* Who looks on at the queries (api_tail.c); control.c ends it with the process. */
#pragma once

struct tail;

void tail_free(struct tail *tail); /* NULL is fine */
