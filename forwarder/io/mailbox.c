/* A bounded queue of many writers and one reader: each slot says whose turn it is. */
#include "forwarder/io/mailbox.h"
#include <assert.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool mailbox_init(struct mailbox *mailbox)
{
	mailbox->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	mailbox->tail = 0;
	atomic_init(&mailbox->head, 0);
	for (uint32_t i = 0; i < MAILBOX_SLOTS; i++)
		atomic_init(&mailbox->slots[i].turn, i);
	return mailbox->fd >= 0;
}

void mailbox_done(struct mailbox *mailbox)
{
	if (mailbox->fd >= 0)
		close(mailbox->fd);
	mailbox->fd = -1;
}

bool mailbox_post(struct mailbox *mailbox, const struct mail *mail)
{
	assert(mail->kind != MAIL_NONE);
	uint32_t at = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
	for (;;) {
		struct mail_slot *slot = &mailbox->slots[at % MAILBOX_SLOTS];
		int32_t ahead = (int32_t)(atomic_load_explicit(&slot->turn, memory_order_acquire) - at);
		if (ahead < 0)
			return false; /* its mail of the last round was not taken yet */
		if (ahead > 0) {
			at = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
			continue;
		}
		if (!atomic_compare_exchange_weak_explicit(&mailbox->head, &at, at + 1, memory_order_relaxed,
							   memory_order_relaxed))
			continue;
		slot->mail = *mail;
		atomic_store_explicit(&slot->turn, at + 1, memory_order_release);
		break;
	}
	/* The counter only grows: each write is an edge. It would fill up after 2^64 letters. */
	return write(mailbox->fd, &(uint64_t){1}, sizeof(uint64_t)) == sizeof(uint64_t);
}

bool mailbox_take(struct mailbox *mailbox, struct mail *ret)
{
	struct mail_slot *slot = &mailbox->slots[mailbox->tail % MAILBOX_SLOTS];

	if (atomic_load_explicit(&slot->turn, memory_order_acquire) != mailbox->tail + 1)
		return false;
	*ret = slot->mail;
	atomic_store_explicit(&slot->turn, mailbox->tail + MAILBOX_SLOTS, memory_order_release);
	mailbox->tail++;
	return true;
}
