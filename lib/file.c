/* A whole file into memory, unless it is written meanwhile. Any thread. */
#include "lib/file.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *file_read(int fd, size_t most, size_t *ret_length, const char **ret_reason)
{
	struct stat before, after;
	char *text = NULL;
	size_t length = 0, capacity = 0;

	if (fstat(fd, &before) != 0) {
		*ret_reason = strerror(errno);
		return NULL;
	}
	/* The size is a hint only: pipes have none and files grow. One more, so that the end shows without
	 * growing. */
	size_t hint = before.st_size > 0 && (uint64_t)before.st_size <= most ? (size_t)before.st_size : 0;
	xgrow((void **)&text, &capacity, hint + 1, 1);
	while (length <= most) {
		xgrow((void **)&text, &capacity, length + 1, 1);
		assert(length < capacity);
		ssize_t got = read(fd, text + length, capacity - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			*ret_reason = strerror(errno);
			free(text);
			return NULL;
		}
		if (got == 0)
			break;
		length += (size_t)got;
	}
	if (fstat(fd, &after) == 0 && file_was_written(&before, &after)) {
		*ret_reason = FILE_CHANGED;
		free(text);
		return NULL;
	}
	*ret_length = length;
	return text;
}

char *file_beside(const char *directory_of, const char *path)
{
	const char *slash = strrchr(directory_of, '/');

	if (path[0] == '/' || !slash)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - directory_of), directory_of, path);
}
