/* Names from text: what is accepted comes back the same from its own text. */
#include "lib/mem.h"
#include "tests/fuzz/fuzz_target.h"
#include "zones/name.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check(const char *text, const struct name *origin)
{
	struct name name, back, wildcard;
	char out[NAME_TEXT_MAX];

	if (name_from_text(text, origin, &name))
		return;
	assert(name.length == name_length(name.octets));
	assert(name_labels(name.octets) <= NAME_MAX_LABELS);
	name_to_text(name.octets, out);
	assert(strlen(out) < sizeof out);
	assert(!name_from_text(out, NULL, &back));
	assert(name_equal(name.octets, back.octets));
	assert(name_compare(name.octets, back.octets) == 0);
	assert(name_hash(name.octets, name.length) == name_hash(back.octets, back.length));
	if (name_wildcard_of(name.octets, &wildcard))
		assert(name_is_below(wildcard.octets, name.octets) && name_is_wildcard(wildcard.octets));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct name origin;

	name_from_text("origin.example", NULL, &origin);
	check(text, NULL);
	check(text, &origin);
	free(text);
	return 0;
}
