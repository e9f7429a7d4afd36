/*
 * One direction of a message on its way from one socket to the other: octets that were made here (heads,
 * frames of chunks) in a buffer of their own, and the received ones, which are sent from where they were
 * received. Nothing more is read before all of it is sent, which is the whole of back-pressure. A worker's
 * thread.
 */
#pragma once
#include "forwarder/io/buffers.h"
#include "forwarder/io/link.h"

#define FLOW_COPY_MAX 4096 /* octets that are copied behind a head instead of sent from their place */

struct flow {
	struct buffer *made; /* what was made, `start` to `end`; NULL: nothing yet */
	uint32_t split;	     /* what stands before this offset goes ahead of the data, the rest behind it */
	uint32_t data_length;
	const char *data;   /* received octets that go out now */
	uint64_t sent;	    /* octets of all kinds */
	bool is_whole;	    /* nothing comes behind what is here */
	bool is_replayable; /* all that was sent still stands in `made`, from 0 on */
};

/* Room for `size` octets at the end of what was made; NULL: there is none. flow_made() takes them. */
char *flow_room(struct flow *flow, size_t size);
/* So many octets were written there, ahead of the data that flow_pass() will name. */
void flow_made(struct flow *flow, size_t length);
/* The same, but they go behind the data. */
void flow_made_behind(struct flow *flow, size_t length);
/* Data to send behind what was made. `keeps`: a copy of it must stay for a replay while there is room. */
void flow_pass(struct flow *flow, const char *data, size_t length, bool keeps);
/* The same, and there is room for `behind` octets behind it afterwards, which there was before. */
void flow_pass_framed(struct flow *flow, const char *data, size_t length, size_t behind, bool keeps);
/* Moves what was made into a larger buffer (NULL: there is none, false); the old one is given back. */
bool flow_grow(struct flow *flow, struct buffer *larger, struct buffers *buffers);
/* All was sent: what stays for a replay may go, for room. */
void flow_forget(struct flow *flow);
static inline bool flow_is_empty(const struct flow *flow)
{
	return flow->data_length == 0 && (!flow->made || flow->made->start == flow->made->end);
}
/* LINK_DONE: all of it was sent. */
enum link_result flow_send(struct flow *flow, struct link *link);
/* Once more from the start, on another connection; only where is_replayable. */
void flow_rewind(struct flow *flow);
