/* Free lists of buffers. A worker's thread. */
#include "forwarder/io/buffers.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

void buffers_init(struct buffers *buffers, size_t limit)
{
	*buffers = (struct buffers){.limit = limit};
}

static void drop_free(struct buffers *buffers, size_t keep)
{
	for (int class = 1; class >= 0; class --)
		while (buffers->free[class] && buffers->kept > keep) {
			struct buffer *buffer = buffers->free[class];
			buffers->free[class] = buffer->next;
			buffers->kept -= buffer->size;
			free(buffer);
		}
}

void buffers_done(struct buffers *buffers)
{
	assert(buffers->used == 0);
	drop_free(buffers, 0);
}

struct buffer *buffers_take(struct buffers *buffers, uint32_t size)
{
	assert(size == BUFFER_SMALL || size == BUFFER_LARGE);
	struct buffer **list = &buffers->free[size == BUFFER_LARGE];
	struct buffer *buffer = *list;

	if (buffers->used + size > buffers->limit)
		return NULL;
	if (buffer) {
		*list = buffer->next;
		buffers->kept -= size;
	} else {
		buffer = xmalloc(sizeof *buffer + size);
		buffer->size = size;
	}
	buffers->used += size;
	buffer->start = buffer->end = 0;
	return buffer;
}

void buffers_give(struct buffers *buffers, struct buffer *buffer)
{
	if (!buffer)
		return;
	assert(buffers->used >= buffer->size);
	struct buffer **list = &buffers->free[buffer->size == BUFFER_LARGE];
	buffers->used -= buffer->size;
	buffers->kept += buffer->size;
	buffer->next = *list;
	*list = buffer;
}

void buffers_trim(struct buffers *buffers, uint64_t now_ms)
{
	if (buffers->kept <= BUFFERS_KEEP) {
		buffers->trim_ms = 0;
	} else if (buffers->trim_ms == 0) {
		buffers->trim_ms = now_ms + BUFFERS_TRIM_MS;
	} else if (now_ms >= buffers->trim_ms) {
		drop_free(buffers, BUFFERS_KEEP);
		buffers->trim_ms = 0;
	}
}

void buffer_compact(struct buffer *buffer)
{
	uint32_t held = buffer_held(buffer);

	if (buffer->start != 0 && held != 0)
		memmove(buffer->octets, buffer->octets + buffer->start, held);
	buffer->start = 0;
	buffer->end = held;
}
