/*
 * The publish pointer: registration of readers, their quiescent states, and the writer's wait.
 * Reader threads call the reader functions, the control thread publish_swap.
 */
#include "lib/publish.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

/* Registration is rare and never on the path of a request, so a plain lock guards the table. */
static pthread_mutex_t readers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct publish_reader *readers[PUBLISH_READERS_MAX];

void publish_reader_init(struct publish_reader *reader)
{
	int slot = 0;

	atomic_init(&reader->mark, 0);
	pthread_mutex_lock(&readers_lock);
	while (slot < PUBLISH_READERS_MAX && readers[slot])
		slot++;
	if (slot == PUBLISH_READERS_MAX)
		abort();
	readers[slot] = reader;
	reader->slot = slot;
	pthread_mutex_unlock(&readers_lock);
	urcu_qsbr_register_thread();
	urcu_qsbr_thread_offline();
}

void publish_reader_done(struct publish_reader *reader)
{
	urcu_qsbr_unregister_thread();
	pthread_mutex_lock(&readers_lock);
	assert(reader->slot >= 0 && reader->slot < PUBLISH_READERS_MAX);
	assert(readers[reader->slot] == reader);
	readers[reader->slot] = NULL;
	pthread_mutex_unlock(&readers_lock);
	reader->slot = -1;
}

void publish_reader_online(struct publish_reader *reader)
{
	urcu_qsbr_thread_online(); /* a full barrier: the pointer is loaded after it */
}

void publish_reader_offline(struct publish_reader *reader)
{
	/* Only this thread writes its mark, so load and store need not be one operation. */
	uint64_t mark = atomic_load_explicit(&reader->mark, memory_order_relaxed);

	atomic_store_explicit(&reader->mark, mark + 1, memory_order_release);
	urcu_qsbr_thread_offline();
}

void *publish_swap(struct publish *publish, void *object)
{
	void *previous = atomic_exchange_explicit(&publish->current, object, memory_order_acq_rel);

	/* Takes the calling thread offline meanwhile, should it be a registered reader itself. */
	urcu_qsbr_synchronize_rcu();
	/* Every reader that held `previous` has stored its mark before the grace period ended, or
	 * has left under the lock: what it read happens before what our caller does with it now. */
	pthread_mutex_lock(&readers_lock);
	for (int slot = 0; slot < PUBLISH_READERS_MAX; slot++)
		if (readers[slot])
			(void)atomic_load_explicit(&readers[slot]->mark, memory_order_acquire);
	pthread_mutex_unlock(&readers_lock);
	return previous;
}
