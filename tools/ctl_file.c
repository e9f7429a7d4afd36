/* Reads files that verbs are given. One thread. */
#include "lib/mem.h"
#include "tools/ctl.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *ctl_file_read(const char *path, size_t most, const char *advice, size_t *ret_length)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (!in) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return NULL;
	}
	char *text = NULL;
	size_t length = 0, capacity = 0, got = 0;
	do {
		length += got;
		xgrow((void **)&text, &capacity, length + 65536, 1);
		got = fread(text + length, 1, capacity - length, in);
	} while (got > 0 && length <= most);
	assert(length <= capacity);
	bool is_bad = ferror(in) != 0;
	int reason = errno;
	if (in != stdin)
		fclose(in);
	if (is_bad)
		fprintf(stderr, "%s: %s\n", path, strerror(reason));
	else if (length > most)
		fprintf(stderr, "%s: larger than %zu MiB; %s\n", path, most >> 20, advice);
	if (is_bad || length > most) {
		free(text);
		return NULL;
	}
	*ret_length = length;
	return text;
}
