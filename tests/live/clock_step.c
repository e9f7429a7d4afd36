/*
 * Preloaded into gslbd by test_clock.py: the wall clock runs ahead by as many milliseconds as the file
 * GSLB_CLOCK_STEP holds (a binary int64, read anew at each call). The monotonic clock stays as it is.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *step;

__attribute__((constructor)) static void map_step(void)
{
	int fd = open(getenv("GSLB_CLOCK_STEP"), O_RDONLY | O_CLOEXEC);
	void *memory = mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || memory == MAP_FAILED)
		abort();
	close(fd);
	step = memory;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int code = (int)syscall(SYS_clock_gettime, clock, ret);
	if (code == 0 && clock == CLOCK_REALTIME)
		ret->tv_sec += *step / 1000;
	return code;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	*ret = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
