/*
 * Preloaded into gslbd by test_files.py: files whose path holds "slow" are read a little at a time, so that a
 * test can change them meanwhile.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define PIECE 16384
#define PAUSE_US 2000

static size_t slow(int fd, size_t count)
{
	char link[64], path[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length < 0)
		return count;
	path[length] = '\0';
	if (!strstr(path, "slow"))
		return count;
	usleep(PAUSE_US);
	return count < PIECE ? count : PIECE;
}

ssize_t read(int fd, void *buffer, size_t count)
{
	static ssize_t (*real)(int, void *, size_t);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "read");
	return real(fd, buffer, slow(fd, count));
}

ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
	static ssize_t (*real)(int, int, off_t *, size_t);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "sendfile");
	return real(out, in, offset, slow(in, count));
}
