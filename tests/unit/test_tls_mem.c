/* OpenSSL's memory: pieces that do not overlap, whoever gives them back, and that go back to the system. */
#include "forwarder/tls/tls_mem.h"
#include "lib/rng.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define MEASURES false /* the sanitizer's own memory grows with what is touched */
#else
#define MEASURES true
#endif

static size_t resident_kib(void)
{
	size_t size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	assert_int_equal(fscanf(file, "%zu %zu", &size, &resident), 2);
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

#define PIECES 4000

struct piece {
	uint8_t *at;
	size_t size;
	uint8_t mark;
};

static size_t any_size(struct rng *rng)
{
	static const size_t most[] = {64, 1024, 1100, 8192, 9000, 18 << 10, 70000};
	return 1 + rng_next(rng) % most[rng_next(rng) % (sizeof most / sizeof *most)];
}

static void check_and_free(struct piece *piece)
{
	for (size_t i = 0; i < piece->size; i++)
		assert_int_equal(piece->at[i], piece->mark);
	OPENSSL_free(piece->at);
	*piece = (struct piece){0};
}

static void churn(uint64_t seed)
{
	static _Thread_local struct piece pieces[PIECES];
	struct rng rng;
	rng_seed(&rng, seed);
	for (int round = 0; round < 30000; round++) {
		struct piece *piece = &pieces[rng_next(&rng) % PIECES];
		size_t size = any_size(&rng);
		if (piece->at && rng_next(&rng) % 4 == 0) { /* grows or shrinks, and keeps what it holds */
			size_t kept = size < piece->size ? size : piece->size;
			piece->at = OPENSSL_realloc(piece->at, size);
			piece->size = kept;
			check_and_free(piece);
			continue;
		}
		if (piece->at)
			check_and_free(piece);
		*piece = (struct piece){OPENSSL_malloc(size), size, (uint8_t)rng_next(&rng)};
		assert_int_equal((uintptr_t)piece->at % (size % 16 == 0 ? 16 : 8), 0);
		memset(piece->at, piece->mark, size);
	}
	for (int i = 0; i < PIECES; i++)
		if (pieces[i].at)
			check_and_free(&pieces[i]);
}

static void *run_churn(void *user)
{
	tls_mem_thread_start();
	churn((uintptr_t)user);
	tls_mem_thread_end();
	return NULL;
}

static void test_pieces_are_whole(void **state)
{
	pthread_t threads[3];
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_churn, (void *)(i + 1)), 0);
	churn(9); /* without slabs */
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

static void *shared[20000];
static pthread_barrier_t barrier;

static void *make_shared(void *user)
{
	tls_mem_thread_start();
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < 20000; i++) {
			shared[i] = OPENSSL_malloc(96);
			memset(shared[i], (int)i, 96);
		}
		pthread_barrier_wait(&barrier); /* the other frees them */
		pthread_barrier_wait(&barrier);
	}
	tls_mem_thread_end();
	return NULL;
}

static void *free_shared(void *user)
{
	tls_mem_thread_start();
	for (int round = 0; round < 5; round++) {
		pthread_barrier_wait(&barrier);
		for (size_t i = 0; i < 20000; i++)
			OPENSSL_free(shared[i]);
		pthread_barrier_wait(&barrier);
	}
	tls_mem_thread_end();
	return NULL;
}

static void test_what_another_thread_frees_comes_back(void **state)
{
	pthread_t a, b;
	pthread_barrier_init(&barrier, NULL, 2);
	size_t before = resident_kib();
	pthread_create(&a, NULL, make_shared, NULL);
	pthread_create(&b, NULL, free_shared, NULL);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	/* five rounds of 1.9 MB: the first one's memory served them all */
	assert_true(!MEASURES || resident_kib() < before + 4000);
	pthread_barrier_destroy(&barrier);
}

static void test_what_is_free_goes_back_to_the_system(void **state)
{
	static void *pieces[8000];
	tls_mem_thread_start();
	size_t before = resident_kib();
	for (size_t i = 0; i < 8000; i++)
		memset(pieces[i] = OPENSSL_malloc(7608), 1, 7608);
	assert_true(!MEASURES || resident_kib() > before + 55000);
	assert_true(!MEASURES ||
		    resident_kib() < before + 62000); /* 7,608 octets of each: no head, hardly a gap */
	for (size_t i = 0; i < 8000; i++)
		OPENSSL_free(pieces[i]);
	assert_true(!MEASURES || resident_kib() < before + 3000);
	tls_mem_thread_end();
}

int main(void)
{
	tls_mem_install();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_are_whole),
		cmocka_unit_test(test_what_another_thread_frees_comes_back),
		cmocka_unit_test(test_what_is_free_goes_back_to_the_system),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
