/* What is to be sent next, in at most three pieces. A worker's thread. */
#include "forwarder/io/flow.h"
#include <assert.h>
#include <string.h>

char *flow_room(struct flow *flow, size_t size)
{
	return flow->made && buffer_room(flow->made) >= size ? flow->made->octets + flow->made->end : NULL;
}

void flow_made(struct flow *flow, size_t length)
{
	assert(flow->data_length == 0 && flow->split == flow->made->end && length <= buffer_room(flow->made));
	flow->made->end += (uint32_t)length;
	flow->split = flow->made->end;
}

void flow_made_behind(struct flow *flow, size_t length)
{
	assert(length <= buffer_room(flow->made));
	flow->made->end += (uint32_t)length;
	if (flow->data_length == 0)
		flow->split = flow->made->end;
}

void flow_pass_framed(struct flow *flow, const char *data, size_t length, size_t behind, bool keeps)
{
	assert(flow->data_length == 0);
	if ((keeps || length <= FLOW_COPY_MAX) && flow->made && buffer_room(flow->made) >= length + behind &&
	    flow->split == flow->made->end) {
		memcpy(flow->made->octets + flow->made->end, data, length);
		flow_made(flow, length);
		return;
	}
	flow->is_replayable = false;
	flow->data = data;
	flow->data_length = (uint32_t)length;
}

void flow_pass(struct flow *flow, const char *data, size_t length, bool keeps)
{
	flow_pass_framed(flow, data, length, 0, keeps);
}

bool flow_grow(struct flow *flow, struct buffer *larger, struct buffers *buffers)
{
	if (!larger)
		return false;
	memcpy(larger->octets, flow->made->octets, flow->made->end);
	larger->start = flow->made->start;
	larger->end = flow->made->end;
	buffers_give(buffers, flow->made);
	flow->made = larger;
	return true;
}

void flow_forget(struct flow *flow)
{
	assert(flow_is_empty(flow));
	flow->is_replayable = false;
	if (flow->made)
		flow->made->start = flow->made->end = flow->split = 0;
}

static unsigned gather(const struct flow *flow, struct iovec pieces[static 3])
{
	const struct buffer *made = flow->made;
	unsigned count = 0;

	if (made && made->start < flow->split)
		pieces[count++] =
			(struct iovec){(char *)made->octets + made->start, flow->split - made->start};
	if (flow->data_length)
		pieces[count++] = (struct iovec){(char *)flow->data, flow->data_length};
	if (made && flow->split < made->end) {
		uint32_t from = made->start > flow->split ? made->start : flow->split;
		pieces[count++] = (struct iovec){(char *)made->octets + from, made->end - from};
	}
	return count;
}

static void forget(struct flow *flow, size_t sent)
{
	struct buffer *made = flow->made;

	flow->sent += sent;
	if (made && made->start < flow->split) {
		uint32_t ahead = flow->split - made->start;
		uint32_t part = sent < ahead ? (uint32_t)sent : ahead;
		made->start += part;
		sent -= part;
	}
	uint32_t part = sent < flow->data_length ? (uint32_t)sent : flow->data_length;
	flow->data += part;
	flow->data_length -= part;
	sent -= part;
	if (made)
		made->start += (uint32_t)sent;
}

enum link_result flow_send(struct flow *flow, struct link *link)
{
	while (!flow_is_empty(flow)) {
		struct iovec pieces[3];
		unsigned count = gather(flow, pieces);
		size_t sent;
		if (!link->socket.can_write)
			return LINK_AGAIN;
		enum link_result result = link_send(link, pieces, count, &sent);
		if (result != LINK_DONE)
			return result;
		forget(flow, sent);
	}
	if (flow->made && !flow->is_replayable)
		flow->made->start = flow->made->end = flow->split = 0;
	return link_flush(link);
}

void flow_rewind(struct flow *flow)
{
	assert(flow->is_replayable && flow->data_length == 0);
	flow->made->start = 0;
	flow->sent = 0;
}
