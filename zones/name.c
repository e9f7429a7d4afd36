/*
 * Domain names in wire and presentation form. Any thread; the data path calls it, so there is no
 * allocation and nothing of libc but mem*.
 */
#include "zones/name.h"
#include "lib/hash.h"

#define LABEL_MAX_OCTETS 63

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One octet of a label, escapes undone (RFC 1035 §5.1). Moves *at behind it. */
static const char *read_octet(const char **at, uint8_t *ret)
{
	const char *p = *at;

	if (*p != '\\') {
		uint8_t c = (uint8_t)*p;
		if (c <= ' ' || c >= 0x7f)
			return "blank, control or non-ASCII character (write it as \\DDD)";
		*ret = c;
		*at = p + 1;
		return NULL;
	}
	p++;
	if (!*p)
		return "'\\' at the end";
	if (!is_digit(*p)) {
		*ret = (uint8_t)*p;
		*at = p + 1;
		return NULL;
	}
	if (!is_digit(p[1]) || !is_digit(p[2]))
		return "'\\' and a digit need three digits";
	unsigned value = (unsigned)(p[0] - '0') * 100 + (unsigned)(p[1] - '0') * 10 + (unsigned)(p[2] - '0');
	if (value > 255)
		return "\\DDD above 255";
	*ret = (uint8_t)value;
	*at = p + 3;
	return NULL;
}

const char *name_from_text(const char *text, const struct name *origin, struct name *ret)
{
	struct name out;
	size_t length = 0;

	if (!*text)
		return "empty name";
	if (origin && text[0] == '@' && !text[1]) {
		*ret = *origin;
		return NULL;
	}
	if (text[0] == '.' && !text[1]) {
		ret->length = 1;
		ret->octets[0] = 0;
		return NULL;
	}
	bool is_absolute = false;
	for (const char *p = text; *p && !is_absolute;) {
		size_t head = length++, label = 0;
		while (*p && *p != '.') {
			uint8_t octet;
			const char *reason = read_octet(&p, &octet);
			if (reason)
				return reason;
			if (++label > LABEL_MAX_OCTETS)
				return "label longer than 63 octets";
			/* the root label needs the last octet */
			if (length + 1 >= NAME_MAX_OCTETS)
				return "name longer than 255 octets";
			out.octets[length++] = lower(octet);
		}
		if (label == 0)
			return "empty label";
		out.octets[head] = (uint8_t)label;
		if (*p == '.' && !*++p)
			is_absolute = true;
	}
	const uint8_t root = 0;
	const uint8_t *tail = is_absolute || !origin ? &root : origin->octets;
	size_t tail_length = is_absolute || !origin ? 1 : origin->length;
	if (length + tail_length > NAME_MAX_OCTETS)
		return "name longer than 255 octets";
	memcpy(out.octets + length, tail, tail_length);
	out.length = (uint8_t)(length + tail_length);
	ret->length = out.length;
	memcpy(ret->octets, out.octets, out.length);
	return NULL;
}

void name_to_text(const uint8_t *octets, char out[static NAME_TEXT_MAX])
{
	char *to = out;

	if (!*octets)
		*to++ = '.';
	for (size_t label = *octets++; label; label = *octets++) {
		for (; label; label--) {
			uint8_t c = *octets++;
			if (c <= ' ' || c >= 0x7f) {
				*to++ = '\\';
				*to++ = (char)('0' + c / 100);
				*to++ = (char)('0' + c / 10 % 10);
				*to++ = (char)('0' + c % 10);
				continue;
			}
			if (memchr(".\\\"();@$", c, 8))
				*to++ = '\\';
			*to++ = (char)c;
		}
		*to++ = '.';
	}
	*to = '\0';
}

size_t name_length(const uint8_t *octets)
{
	const uint8_t *p = octets;

	while (*p)
		p += *p + 1;
	return (size_t)(p - octets) + 1;
}

unsigned name_labels(const uint8_t *octets)
{
	unsigned labels = 0;

	for (; *octets; octets += *octets + 1)
		labels++;
	return labels;
}

bool name_equal(const uint8_t *a, const uint8_t *b)
{
	for (;;) {
		if (*a != *b || memcmp(a + 1, b + 1, *a) != 0)
			return false;
		if (!*a)
			return true;
		a += *a + 1;
		b += *b + 1;
	}
}

bool name_is_below(const uint8_t *child, const uint8_t *parent)
{
	unsigned of_child = name_labels(child), of_parent = name_labels(parent);

	if (of_child <= of_parent)
		return false;
	for (; of_child > of_parent; of_child--)
		child += *child + 1;
	return name_equal(child, parent);
}

bool name_is_wildcard(const uint8_t *octets)
{
	return octets[0] == 1 && octets[1] == '*';
}

/* Eight octets at a time: bit 7 of each says whether it is a letter from 'A' to 'Z', bit 5 is set then. */
static uint64_t lower_word(uint64_t word)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint64_t low_bits = word & (0x7f * each);
	uint64_t from_a = low_bits + (0x80 - 'A') * each;
	uint64_t beyond_z = low_bits + (0x7f - 'Z') * each;
	uint64_t is_upper = (from_a ^ beyond_z) & ~word & (0x80 * each);
	return word | is_upper >> 2;
}

static uint64_t lower_at(const uint8_t *from, uint8_t *to)
{
	uint64_t word = lower_word(hash_load64(from));
	hash_store64(to, word);
	return word;
}

void name_lower(uint8_t *octets, size_t length)
{
	/* length octets are below 64 and thus never letters */
	if (length < sizeof(uint64_t)) {
		for (size_t i = 0; i < length; i++)
			octets[i] = lower(octets[i]);
		return;
	}
	for (size_t at = 0; at + sizeof(uint64_t) <= length; at += sizeof(uint64_t))
		lower_at(octets + at, octets + at);
	size_t last = length - sizeof(uint64_t); /* the rest, and some of it again */
	lower_at(octets + last, octets + last);
}

/* Sixteen octets at a time, for names that have as many. */
typedef uint8_t octets16 __attribute__((vector_size(16)));

static inline void lower_16_at(const uint8_t *from, uint8_t *to)
{
	octets16 octets;
	memcpy(&octets, from, sizeof octets);
	octets16 is_upper = (octets16)(octets - 'A' <= 'Z' - 'A');
	octets |= is_upper & 0x20;
	memcpy(to, &octets, sizeof octets);
}

/* The last octets of a name, some of which were hashed before: `word` holds the last eight. */
static inline uint64_t finish_with(uint64_t hash, uint64_t word, size_t length)
{
	unsigned rest = length % sizeof word;
	return hash_finish(hash, rest != 0 ? word >> (64 - 8 * rest) : 0);
}

static uint64_t lower_hash_short(const uint8_t *from, size_t length, uint8_t *to)
{
	if (length < sizeof(uint64_t)) {
		for (size_t i = 0; i < length; i++)
			to[i] = lower(from[i]);
		return name_hash(to, length);
	}
	uint64_t hash = hash_mix(hash_start(length, 0), lower_at(from, to));
	size_t last = length - sizeof(uint64_t);
	return finish_with(hash, lower_at(from + last, to + last), length);
}

uint64_t name_lower_hash(const uint8_t *from, size_t length, uint8_t *to)
{
	if (length < sizeof(octets16))
		return lower_hash_short(from, length, to);
	uint64_t hash = hash_start(length, 0);
	size_t at = 0;
	do {
		lower_16_at(from + at, to + at);
		hash = hash_mix(hash_mix(hash, hash_load64(to + at)), hash_load64(to + at + 8));
		at += sizeof(octets16);
	} while (at + sizeof(octets16) <= length);
	size_t last = length - sizeof(octets16); /* the rest, and some of it again */
	lower_16_at(from + last, to + last);
	if (length - at >= sizeof(uint64_t))
		hash = hash_mix(hash, hash_load64(to + at));
	return finish_with(hash, hash_load64(to + length - 8), length);
}

bool name_wildcard_of(const uint8_t *parent, struct name *ret)
{
	size_t length = name_length(parent);

	if (length + 2 > NAME_MAX_OCTETS)
		return false;
	ret->octets[0] = 1;
	ret->octets[1] = '*';
	memcpy(ret->octets + 2, parent, length);
	ret->length = (uint8_t)(length + 2);
	return true;
}

/* Where each label begins; returns their number. */
static unsigned label_starts(const uint8_t *octets, const uint8_t *starts[static NAME_MAX_LABELS])
{
	unsigned labels = 0;

	for (; *octets; octets += *octets + 1)
		starts[labels++] = octets;
	return labels;
}

int name_compare(const uint8_t *a, const uint8_t *b)
{
	const uint8_t *of_a[NAME_MAX_LABELS], *of_b[NAME_MAX_LABELS];
	unsigned left_a = label_starts(a, of_a), left_b = label_starts(b, of_b);

	/* from the root downwards; a label that is a prefix of the other comes first */
	while (left_a && left_b) {
		const uint8_t *x = of_a[--left_a], *y = of_b[--left_b];
		int order = memcmp(x + 1, y + 1, *x < *y ? *x : *y);
		if (!order)
			order = *x - *y;
		if (order)
			return order;
	}
	return (int)left_a - (int)left_b;
}

uint64_t name_hash(const uint8_t *octets, size_t length)
{
	return hash_bytes(octets, length, 0);
}
