/* Memory for arrays of counters. Any thread. */
#include "lib/counter.h"
#include <stdlib.h>
#include <sys/mman.h>

static size_t array_bytes(size_t count)
{
	if (count > SIZE_MAX / sizeof(counter))
		abort();
	return (count > 0 ? count : 1) * sizeof(counter);
}

counter *counter_array_new(size_t count)
{
	void *memory = mmap(NULL, array_bytes(count), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

void counter_array_free(counter *array, size_t count)
{
	if (array != NULL)
		munmap(array, array_bytes(count));
}
