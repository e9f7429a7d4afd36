/*
 * What other threads tell a worker: a bounded queue of small messages and an eventfd that wakes it. Any
 * thread posts; the worker takes.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MAILBOX_SLOTS 4096 /* a power of two */

enum mail_kind {
	MAIL_NONE,
	MAIL_CONNECTION, /* a: descriptor that another worker accepted; b: it is of an https listener */
	MAIL_GRANTED,	 /* a: cookie of a request that waited for an origin or for concurrency */
	MAIL_DRAIN,	 /* a: until when, CLOCK_MONOTONIC in ms */
	MAIL_STOP,
};

struct mail {
	enum mail_kind kind;
	uint32_t b;
	uint64_t a;
};

struct mailbox {
	int fd; /* eventfd; in the worker's epoll, edge-triggered, never read */
	_Atomic uint32_t head;
	uint32_t tail;
	struct mail_slot {
		_Atomic uint32_t turn;
		struct mail mail;
	} slots[MAILBOX_SLOTS];
};

bool mailbox_init(struct mailbox *mailbox); /* false, with errno: no descriptor is left */
void mailbox_done(struct mailbox *mailbox);
/* False: it is full, nothing was posted. */
bool mailbox_post(struct mailbox *mailbox, const struct mail *mail);
/* The worker. False: it is empty. */
bool mailbox_take(struct mailbox *mailbox, struct mail *ret);
