/*
 * Bandwidth of a tenant: every octet is charged after it was read or written, whoever's connection it was,
 * and who finds the tenant in debt pauses that direction. A burst of 100 ms, but of 64 KiB at least, is free,
 * and the first 16 KiB of a message never wait. Lock-free; any worker.
 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#define SHAPE_UNLIMITED UINT64_MAX
#define SHAPE_FREE_BYTES 16384u

/* Charges `bytes` that just passed. `message_bytes`: of this message so far, these included. Returns how long
 * the direction must pause, 0: not at all. `random`: fresh bits for a jitter of up to 5 ms. */
uint64_t shape_charge(_Atomic uint64_t *tat_ns, uint64_t bytes_s, uint64_t bytes, uint64_t message_bytes,
		      uint64_t now_ns, uint64_t random);
/* The pause is over: 0, or how much longer, for others may have been faster. */
uint64_t shape_pause(const _Atomic uint64_t *tat_ns, uint64_t bytes_s, uint64_t now_ns, uint64_t random);
