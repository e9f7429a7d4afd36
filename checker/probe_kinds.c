/* The table of the kinds of probes: a new kind is its file and a row here. Constant; any thread. */
#include "checker/probe_kinds.h"
#include <assert.h>
#include <string.h>

extern const struct probe_kind probe_tcp, probe_http, probe_tls, probe_http_tls, probe_dns, probe_grpc;

/* New rows come last, so that the others keep their numbers. */
static const struct probe_kind *const kinds[] = {
	&probe_tcp, &probe_http, &probe_tls, &probe_http_tls, &probe_dns, &probe_grpc,
};
#define KINDS (sizeof kinds / sizeof kinds[0])

const struct probe_kind *probe_kinds_get(unsigned number)
{
	return number < KINDS ? kinds[number] : NULL;
}

const struct probe_kind *probe_kinds_find(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

unsigned probe_kinds_number(const struct probe_kind *kind)
{
	unsigned number = 0;
	while (number < KINDS && kinds[number] != kind)
		number++;
	assert(number < KINDS);
	return number;
}
