/*
 * Runs a fuzz target without a fuzzer: over every file of the folders given, over prefixes of each,
 * and over mutations that are the same on every run. An input that once broke something belongs into
 * the corpus.
 */
#include "lib/mem.h"
#include "lib/rng.h"
#include "tests/fuzz/fuzz_target.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIXES_MAX 256
#define MUTATIONS 400
#define MUTATED_BYTES_MAX 8192 /* larger files are run as they are only */
#define FILE_BYTES_MAX (4 << 20)

/* In memory of exactly this size, so that AddressSanitizer sees a read behind its end. */
static void run(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = xmemdup(bytes, length);

	LLVMFuzzerTestOneInput(copy, length);
	free(copy);
}

static size_t mutate(struct rng *rng, uint8_t *bytes, size_t length)
{
	static const uint8_t nasty[] = {0,   1,	  0x7f, 0x80, 0xc0, 0xff, '"', '\\',
					'{', '[', ':',	'\n', '\t', '&',  '*'};

	for (uint64_t edits = 1 + rng_next(rng) % 4; edits > 0 && length > 0; edits--) {
		uint64_t draw = rng_next(rng);
		size_t at = draw % length, other = (draw >> 20) % length;
		switch (draw >> 60 & 3) {
		case 0:
			bytes[at] ^= (uint8_t)(1 << (draw >> 50 & 7));
			break;
		case 1:
			bytes[at] = nasty[(draw >> 40) % sizeof nasty];
			break;
		case 2: /* one byte less */
			memmove(bytes + at, bytes + at + 1, length - at - 1);
			length--;
			break;
		default: { /* a piece of itself somewhere else */
			size_t piece = (draw >> 50 & 15) + 1, later = at > other ? at : other;
			if (later + piece <= length)
				memmove(bytes + at, bytes + other, piece);
			break;
		}
		}
	}
	return length;
}

static void replay(const char *path)
{
	uint8_t *bytes = xmalloc(FILE_BYTES_MAX), *changed = xmalloc(MUTATED_BYTES_MAX);
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		exit(1);
	}
	size_t length = fread(bytes, 1, FILE_BYTES_MAX, file);
	fclose(file);
	run(bytes, length);
	if (length <= MUTATED_BYTES_MAX) {
		struct rng rng;
		rng_seed(&rng, length);
		for (size_t prefix = 0; prefix < length && prefix < PREFIXES_MAX; prefix++)
			run(bytes, prefix);
		for (int i = 0; i < MUTATIONS; i++) {
			memcpy(changed, bytes, length);
			run(changed, mutate(&rng, changed, length));
		}
	}
	free(changed);
	free(bytes);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int count, char **arguments)
{
	int files = 0;

	for (int i = 1; i < count; i++) {
		struct dirent **entries;
		int found = scandir(arguments[i], &entries, is_visible, alphasort);
		if (found < 0) {
			perror(arguments[i]);
			return 1;
		}
		for (int j = 0; j < found; j++, files++) {
			char *path = xasprintf("%s/%s", arguments[i], entries[j]->d_name);
			replay(path);
			free(path);
			free(entries[j]);
		}
		free(entries);
	}
	printf("%d files\n", files);
	return files == 0; /* an empty corpus tests nothing */
}
