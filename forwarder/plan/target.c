/* One table-driven pass for hosts, one for paths; paths that need no change are not copied. Pure; any thread.
 */
#include "forwarder/plan/target.h"
#include "lib/bytes.h"
#include "lib/http/http_head.h"
#include "lib/inline.h"
#include <assert.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LABEL_BYTES_MAX 63
#define NAME_BYTES_MAX 253
#define PORT_DIGITS_MAX 5
#define ADDRESS_BYTES_MAX 45 /* of IPv6, with an IPv4 end */

static_assert(NAME_BYTES_MAX < TARGET_HOST_MAX, "a name and its final dot fit");

/* What a host name may hold, in lower case; 0: nothing that any DNS name of a tenant has. */
static const uint8_t host_octets[256] = {
	['-'] = '-', ['.'] = '.', ['_'] = '_', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3',
	['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a',
	['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h',
	['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o',
	['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v',
	['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c',
	['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j',
	['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q',
	['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x',
	['y'] = 'y', ['z'] = 'z',
};

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- host ---- */

/* What follows the name: nothing, ':' alone, or ':' and a number up to 65535 (RFC 3986 §3.2.3). */
static bool read_port(const char *text, size_t length, uint16_t *ret)
{
	uint32_t port = 0;
	*ret = 0;
	if (length == 0)
		return true;
	if (text[0] != ':' || length > PORT_DIGITS_MAX + 1)
		return false;
	for (size_t i = 1; i < length; i++) {
		if (!is_digit(text[i]))
			return false;
		port = port * 10 + (text[i] - '0');
	}
	*ret = port;
	return port <= UINT16_MAX;
}

/* [IPv6]; no tenant is found by it, so its octets are looked at and not its structure. */
static bool read_address(const char *text, size_t length, char *out, struct target_host *ret)
{
	const char *end = memchr(text, ']', length);
	size_t inside = end ? (size_t)(end - text) - 1 : 0;
	unsigned colons = 0;
	if (inside < 2 || inside > ADDRESS_BYTES_MAX)
		return false;
	for (size_t i = 1; i <= inside; i++) {
		char c = text[i];
		if (c != ':' && c != '.' && hex_digit(c) < 0)
			return false;
		colons += c == ':';
	}
	for (size_t i = 0; i < inside + 2; i++) /* the brackets too; 0x20 changes neither */
		out[i] = text[i] >= 'A' && text[i] <= 'F' ? text[i] | 0x20 : text[i];
	ret->length = inside + 2;
	ret->is_address = true;
	return colons >= 2 && read_port(end + 1, length - ret->length, &ret->port);
}

#ifdef __SSE2__
#define SHORT_BYTES 48 /* nearly all hosts, with their port */

static IN_LINE __m128i is_of(__m128i chunk, char octet)
{
	return _mm_cmpeq_epi8(chunk, _mm_set1_epi8(octet));
}

static IN_LINE __m128i is_between(__m128i chunk, char first, char last)
{
	__m128i distance = _mm_sub_epi8(chunk, _mm_set1_epi8(first));
	return _mm_cmpeq_epi8(_mm_min_epu8(distance, _mm_set1_epi8(last - first)), distance);
}

/* Makes 16 octets lower. Returns which are none of a name; *dots: which are dots. */
static IN_LINE uint64_t lower_chunk(char *at, uint64_t *dots)
{
	__m128i chunk = _mm_loadu_si128((const __m128i *)at);
	__m128i letter = is_between(_mm_or_si128(chunk, _mm_set1_epi8(0x20)), 'a', 'z'),
		dot = is_of(chunk, '.');
	__m128i other = _mm_or_si128(is_of(chunk, '-'), is_of(chunk, '_'));
	__m128i good =
		_mm_or_si128(_mm_or_si128(letter, is_between(chunk, '0', '9')), _mm_or_si128(dot, other));
	_mm_storeu_si128((__m128i *)at, _mm_or_si128(chunk, _mm_and_si128(letter, _mm_set1_epi8(0x20))));
	*dots = (unsigned)_mm_movemask_epi8(dot);
	return (unsigned)_mm_movemask_epi8(good) ^ 0xffff;
}

/* As read_name(), of at most SHORT_BYTES: no label can be too long, and the dots are the bits of a word. */
static IN_LINE size_t read_short(const char *text, size_t length, char out[static TARGET_HOST_MAX],
				 size_t *ret_used)
{
	uint64_t dots = 0, others = 0, some;
	memcpy(out, text, length);
	_mm_storeu_si128((__m128i *)(out + length), _mm_setzero_si128()); /* NUL is none of a name's */
	for (size_t at = 0; others == 0; at += 16) {
		others = lower_chunk(out + at, &some) << at;
		dots |= some << at;
	}
	size_t used = __builtin_ctzll(others);
	dots &= ((uint64_t)1 << used) - 1;
	if (used == 0 || (dots & (dots << 1 | 1)))
		return 0;
	*ret_used = used;
	return dots >> (used - 1) ? used - 1 : used;
}
#endif

/* The name at the front, in lower case, without a final dot; 0: it is none. *ret_used: with the dot. */
static size_t read_name(const char *text, size_t length, char out[static TARGET_HOST_MAX], size_t *ret_used)
{
	size_t at = 0, label = 0, most = length < NAME_BYTES_MAX + 1 ? length : NAME_BYTES_MAX + 1;
	for (; at < most; at++) {
		uint8_t c = host_octets[(uint8_t)text[at]];
		if (!c)
			break;
		if (c == '.') {
			if (at == label || at - label > LABEL_BYTES_MAX)
				return 0;
			label = at + 1;
		}
		out[at] = c;
	}
	if (at == 0 || at - label > LABEL_BYTES_MAX)
		return 0;
	size_t name = label == at ? at - 1 : at;
	*ret_used = at;
	return name > NAME_BYTES_MAX ? 0 : name;
}

bool target_host(const char *text, size_t length, char out[static TARGET_HOST_MAX], struct target_host *ret)
{
	size_t used = 0, name;
	*ret = (struct target_host){0};
	if (length > 0 && text[0] == '[')
		return read_address(text, length, out, ret);
#ifdef __SSE2__
	if (length <= SHORT_BYTES)
		name = read_short(text, length, out, &used);
	else
#endif
		name = read_name(text, length, out, &used);
	if (name == 0)
		return false;
	ret->length = name;
	return read_port(text + used, length - used, &ret->port);
}

/* ---- path ---- */

enum { BAD, PLAIN, LOOK }; /* LOOK: '.', '%' and '?' may mean something */

/* clang-format off */
static const uint8_t path_octets[256] = {
	['!'] = PLAIN, ['"'] = PLAIN, ['$'] = PLAIN, ['%'] = LOOK, ['&' ... '-'] = PLAIN, ['.'] = LOOK,
	['/' ... '>'] = PLAIN, ['?'] = LOOK, ['@' ... '['] = PLAIN, [']' ... '~'] = PLAIN,
};
/* clang-format on */

static bool is_unreserved(uint8_t c) /* RFC 3986 §2.3: the host's octets and '~' */
{
	return host_octets[c] != 0 || c == '~';
}

/* False: no escape, or NUL. */
static bool read_escape(const char *text, size_t left, uint8_t *ret)
{
	if (left < 3)
		return false;
	int high = hex_digit(text[1]), low = hex_digit(text[2]);
	if (high < 0 || low < 0)
		return false;
	*ret = high << 4 | low;
	return *ret != 0;
}

#ifdef __SSE2__
/* Which of 16 octets are not PLAIN. */
static IN_LINE unsigned find_special(const char *at)
{
	__m128i chunk = _mm_loadu_si128((const __m128i *)at);
	__m128i looked = _mm_or_si128(is_of(chunk, '%'), _mm_or_si128(is_of(chunk, '.'), is_of(chunk, '?')));
	__m128i bad = _mm_or_si128(is_of(chunk, '#'), _mm_or_si128(is_of(chunk, '\\'), is_of(chunk, 0x7f)));
	__m128i visible = _mm_cmpgt_epi8(chunk, _mm_set1_epi8(' ')); /* above 7F they are negative */
	return (unsigned)_mm_movemask_epi8(_mm_andnot_si128(_mm_or_si128(looked, bad), visible)) ^ 0xffff;
}
#endif

/* How many octets from the front on are PLAIN, as far as is quickly said. */
static IN_LINE size_t plain_length(const char *text, size_t length)
{
	size_t at = 0;
#ifdef __SSE2__
	for (; length - at >= 16; at += 16) {
		unsigned bits = find_special(text + at);
		if (bits)
			return at + __builtin_ctz(bits);
	}
	unsigned bits;
	if (length >= 16 && at < length) { /* the last 16, of which some were looked at */
		bits = find_special(text + length - 16) >> (16 - (length - at));
		return bits ? at + __builtin_ctz(bits) : length;
	}
	if (length >= 8 && length < 16) {
		uint8_t copy[16];
		_mm_storeu_si128((__m128i *)copy, _mm_set1_epi8('a'));
		bytes_copy(copy, (const uint8_t *)text, length);
		bits = find_special((const char *)copy);
		return bits ? (size_t)__builtin_ctz(bits) : length;
	}
#endif
	return at;
}

/* Of the path alone: where it ends, and whether it may need a change. False: an octet that no target has. */
static bool look(const char *text, size_t length, size_t *ret_length, bool *ret_changes)
{
	bool changes = false;
	size_t at = plain_length(text, length);
	for (; at < length; at++) {
		uint8_t class = path_octets[(uint8_t)text[at]];
		if (class == PLAIN)
			continue;
		if (class == BAD)
			return false;
		if (text[at] == '?')
			break;
		changes |= text[at] == '%' || text[at - 1] == '/'; /* text[0] is '/' */
	}
	*ret_length = at;
	*ret_changes = changes;
	return true;
}

/* `text` begins with its '?', or is empty. */
static bool is_query(const char *text, size_t length)
{
	uint8_t octet;
	for (size_t at = length > 0; at < length; at++) {
		at += plain_length(text + at, length - at);
		if (at == length)
			break;
		if (path_octets[(uint8_t)text[at]] == BAD)
			return false;
		if (text[at] == '%' && !read_escape(text + at, length - at, &octet))
			return false;
	}
	return true;
}

/* Takes the last segment of out[0..length), which ends with '/', away; 0: there is none. */
static size_t drop_segment(const char *out, size_t length)
{
	assert(length > 0 && out[0] == '/' && out[length - 1] == '/');
	if (length == 1)
		return 0;
	length--;
	while (out[length - 1] != '/')
		length--;
	return length;
}

/* A segment has come to its end. Where it is "." or "..", *length moves back behind a '/'; 0: above the root.
 */
static bool is_dots(const char *out, size_t *length)
{
	size_t segment = *length;
	while (out[segment - 1] != '/')
		segment--;
	size_t octets = *length - segment;
	if (octets == 0 || octets > 2 || out[segment] != '.' || out[*length - 1] != '.')
		return false;
	*length = octets == 1 ? segment : drop_segment(out, segment);
	return true;
}

/* Never longer than what it is made from. 0: malformed, or above the root. */
static size_t rewrite(const char *text, size_t length, char *out)
{
	size_t to = 0;
	for (size_t at = 0; at < length; at++) {
		uint8_t octet = text[at];
		if (octet == '/' && to > 0 && is_dots(out, &to)) {
			if (to == 0)
				return 0;
			continue; /* out ends with the '/' */
		}
		if (octet == '%') {
			if (!read_escape(text + at, length - at, &octet))
				return 0;
			if (!is_unreserved(octet)) {
				memcpy(out + to, text + at, 3);
				to += 3;
				at += 2;
				continue;
			}
			at += 2;
		}
		out[to++] = octet;
	}
	is_dots(out, &to);
	return to;
}

bool target_path(const char *text, size_t length, char *out, struct target_path *ret)
{
	size_t path;
	bool changes;
	if (length == 0 || text[0] != '/' || !look(text, length, &path, &changes) ||
	    !is_query(text + path, length - path))
		return false;
	*ret = (struct target_path){.text = text, .length = length, .path_length = path};
	if (!changes)
		return true;
	size_t rewritten = rewrite(text, path, out);
	if (rewritten == 0)
		return false;
	assert(rewritten <= path);
	memcpy(out + rewritten, text + path, length - path);
	*ret = (struct target_path){
		.text = out, .length = rewritten + (length - path), .path_length = rewritten};
	return true;
}

/* ---- the whole ---- */

void target_read(const char *text, size_t length, struct target *ret)
{
	*ret = (struct target){.form = TARGET_OTHER};
	if (length > 0 && text[0] == '/') {
		*ret = (struct target){.form = TARGET_ORIGIN, .path = text, .path_length = length};
		return;
	}
	if (length == 1 && text[0] == '*') {
		ret->form = TARGET_ASTERISK;
		return;
	}
	size_t scheme = length > 7 && http_head_equals(text, 4, "http", 4) ? 4 : 0;
	if (scheme && (text[4] | 0x20) == 's')
		scheme = 5;
	if (!scheme || length < scheme + 3 || memcmp(text + scheme, "://", 3) != 0)
		return;
	const char *authority = text + scheme + 3, *end = text + length, *path = authority;
	while (path < end && *path != '/' && *path != '?')
		path++;
	*ret = (struct target){
		.form = TARGET_ABSOLUTE,
		.is_https = scheme == 5,
		.authority = authority,
		.authority_length = path - authority,
		.path = path,
		.path_length = end - path,
	};
}
