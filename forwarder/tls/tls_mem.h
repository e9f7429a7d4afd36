/*
 * OpenSSL's memory. Workers take small pieces from slabs of their own and buffers of 16 to 18 KiB from a
 * list of their own, without a lock and without a head each; other threads use malloc. What a thread frees
 * that is another's goes back to its owner. Any thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Before any other call into OpenSSL. */
void tls_mem_install(void);
/* A worker, before it makes its tls_context, and after it freed that. Without it the thread uses malloc. */
void tls_mem_thread_start(void);
void tls_mem_thread_end(void);
