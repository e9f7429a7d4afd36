/*
 * Internationalized domain names (RFC 5890): what DNS serves and resolvers ask for is the A-label
 * ("xn--bcher-kva"), not the UTF-8 that people write ("bücher"). Pure; it allocates. Control path.
 */
#pragma once
#include <stdbool.h>

#define IDN_TEXT_MAX 1024 /* presentation form with escapes and the final NUL */

bool idn_is_ascii(const char *name);
/* The name with an A-label for each label that has more than ASCII; wildcards, underscores and escapes
 * (RFC 1035 §5.1) of the others stay. Returns NULL, or a static reason why there is no A-label. */
const char *idn_to_ascii(const char *name, char ret[static IDN_TEXT_MAX]);

/* What to say of a name that has more than ASCII. */
struct idn_hint {
	char reason[IDN_TEXT_MAX + 80]; /* "it has letters beyond ASCII; resolvers ask for 'xn--bcher-kva'" */
	char meant[IDN_TEXT_MAX];	/* the A-labels; "" where there are none */
};
/* False: the name is all ASCII, and the hint is untouched. */
bool idn_hint(const char *name, struct idn_hint *ret);
