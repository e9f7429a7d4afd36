/* Memory for arrays of counters. Any thread. */
#include "lib/counter.h"
#include "lib/mem.h"
#include <stdlib.h>

static size_t array_bytes(size_t count)
{
	if (count > SIZE_MAX / sizeof(counter))
		abort();
	return count * sizeof(counter);
}

counter *counter_array_new(size_t count)
{
	return xmap(array_bytes(count));
}

void counter_array_free(counter *array, size_t count)
{
	xunmap(array, array_bytes(count));
}
