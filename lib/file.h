/* What several readers of files ask. Any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define FILE_CHANGED "the file was changed while it was read; reload again when it is written"

/* Was the regular file written to between two fstat()s? One that is replaced by rename() is not: its reader
 * keeps the old one. */
static inline bool file_was_written(const struct stat *before, const struct stat *after)
{
	return S_ISREG(before->st_mode) &&
	       (before->st_size != after->st_size || before->st_mtim.tv_sec != after->st_mtim.tv_sec ||
		before->st_mtim.tv_nsec != after->st_mtim.tv_nsec);
}

/* All that is left to read, but no more than a little over `most` octets: a caller with a limit sees that it
 * was passed. To be freed. NULL with a reason: not readable, or changed meanwhile (FILE_CHANGED). */
char *file_read(int fd, size_t most, size_t *ret_length, const char **ret_reason);
/* `path` as written in the file `directory_of`: relative to that file's folder unless absolute. free() it. */
char *file_beside(const char *directory_of, const char *path);
