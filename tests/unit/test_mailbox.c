/* Letters of many threads to one. */
#include "forwarder/io/mailbox.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define WRITERS 4
#define LETTERS 20000

static void a_full_mailbox_says_so(void **state)
{
	struct mailbox *box = calloc(1, sizeof *box);
	struct mail mail = {.kind = MAIL_GRANTED};
	assert_true(mailbox_init(box));
	assert_false(mailbox_take(box, &mail));
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
		assert_true(mailbox_post(box, &(struct mail){.kind = MAIL_GRANTED, .a = i}));
	assert_false(mailbox_post(box, &(struct mail){.kind = MAIL_STOP}));
	assert_true(mailbox_take(box, &mail));
	assert_int_equal(mail.a, 0);
	assert_true(mailbox_post(box, &(struct mail){.kind = MAIL_STOP}));
	struct pollfd wakes = {.fd = box->fd, .events = POLLIN};
	assert_int_equal(poll(&wakes, 1, 0), 1);
	mailbox_done(box);
	free(box);
}

struct writer {
	struct mailbox *box;
	uint64_t number;
};

static void *write_letters(void *argument)
{
	struct writer *writer = argument;
	for (uint64_t i = 0; i < LETTERS; i++)
		while (!mailbox_post(writer->box,
				     &(struct mail){.kind = MAIL_GRANTED, .a = writer->number << 32 | i}))
			sched_yield();
	return NULL;
}

static void nothing_is_lost_or_overtaken(void **state)
{
	struct mailbox *box = calloc(1, sizeof *box);
	pthread_t threads[WRITERS];
	struct writer writers[WRITERS];
	uint64_t next[WRITERS] = {0};
	assert_true(mailbox_init(box));
	for (uint64_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){box, i};
		assert_int_equal(pthread_create(&threads[i], NULL, write_letters, &writers[i]), 0);
	}
	for (unsigned got = 0; got < WRITERS * LETTERS;) {
		struct mail mail;
		if (!mailbox_take(box, &mail)) {
			struct pollfd wakes = {.fd = box->fd, .events = POLLIN};
			poll(&wakes, 1, 1000);
			continue;
		}
		assert_int_equal(mail.a & UINT32_MAX, next[mail.a >> 32]++);
		got++;
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	mailbox_done(box);
	free(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_mailbox_says_so),
		cmocka_unit_test(nothing_is_lost_or_overtaken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
