/* The two clocks. Nothing below control/ and the batch loop of serve/ reads them. Any thread. */
#pragma once
#include <stdint.h>

uint64_t clock_mono_ms(void); /* CLOCK_MONOTONIC */
uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
int64_t clock_unix_ms(void);  /* CLOCK_REALTIME */
