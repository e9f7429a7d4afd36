/* See svcparam.h. Control path. */
#include "zones/rdata/svcparam.h"
#include "lib/base64.h"
#include "lib/bytes.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/text.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 4 /* key, length */
#define KEY_TEXT_MAX 24

enum value {
	VALUE_ANY, /* octets, as they are written */
	VALUE_NONE,
	VALUE_KEYS,
	VALUE_NAMES, /* texts with their length in front */
	VALUE_PATH,  /* the same, of which there may be none */
	VALUE_PORT,
	VALUE_IPV4,
	VALUE_IPV6,
	VALUE_BASE64,
	VALUE_TEMPLATE,
	VALUE_NUMBERS,
};

enum {
	KEY_MANDATORY = 0,
	KEY_ALPN = 1,
	KEY_NO_DEFAULT_ALPN = 2,
};

static const struct key {
	const char *name;
	enum value value;
} keys[] = {
	/* the number of a key is its place */
	{"mandatory", VALUE_KEYS},
	{"alpn", VALUE_NAMES},
	{"no-default-alpn", VALUE_NONE},
	{"port", VALUE_PORT},
	{"ipv4hint", VALUE_IPV4},
	{"ech", VALUE_BASE64},
	{"ipv6hint", VALUE_IPV6},
	{"dohpath", VALUE_TEMPLATE},		 /* RFC 9461 §5 */
	{"ohttp", VALUE_NONE},			 /* RFC 9540 §4 */
	{"tls-supported-groups", VALUE_NUMBERS}, /* TLS named groups, RFC 8446 §4.2.7 */
	{"docpath", VALUE_PATH},		 /* RFC 9953 */
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static enum value value_of(uint16_t key)
{
	return key < KEYS ? keys[key].value : VALUE_ANY;
}

static void key_to_text(uint16_t key, char out[static KEY_TEXT_MAX])
{
	if (key < KEYS)
		snprintf(out, KEY_TEXT_MAX, "%s", keys[key].name);
	else
		snprintf(out, KEY_TEXT_MAX, "key%u", key);
}

/* `length` characters of decimal number, at most 65535. */
static bool number_from_text(const char *text, size_t length, uint16_t *ret)
{
	uint32_t number = 0;

	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (uint32_t)(text[i] - '0');
		if (number > UINT16_MAX)
			return false;
	}
	*ret = (uint16_t)number;
	return length > 0;
}

static bool is_number_form(const char *text, size_t length) /* keyNNNNN */
{
	return length > 3 && memcmp(text, "key", 3) == 0;
}

static bool key_from_text(const char *text, size_t length, uint16_t *ret)
{
	for (size_t i = 0; i < KEYS; i++) {
		if (strlen(keys[i].name) == length && memcmp(keys[i].name, text, length) == 0) {
			*ret = (uint16_t)i;
			return true;
		}
	}
	/* without leading zeros (RFC 9460 §2.1) */
	return is_number_form(text, length) && (text[3] != '0' || length == 4) &&
	       number_from_text(text + 3, length - 3, ret);
}

/* ---- wire form ---- */

/* Texts with their length in front fill `octets`. */
static bool are_texts(const uint8_t *octets, size_t length)
{
	size_t at = 0;

	while (at < length && octets[at] != 0)
		at += octets[at] + 1u;
	return at == length;
}

static bool are_in_order(const uint8_t *octets, size_t length)
{
	for (size_t at = 2; at < length; at += 2) {
		if (bytes_get16(octets + at - 2) >= bytes_get16(octets + at))
			return false;
	}
	return true;
}

static bool are_different(const uint8_t *octets, size_t length)
{
	for (size_t at = 2; at < length; at += 2) {
		for (size_t before = 0; before < at; before += 2) {
			if (memcmp(octets + before, octets + at, 2) == 0)
				return false;
		}
	}
	return true;
}

/* An expression of a URI template that has the variable "dns": {?dns}, {?x,dns} (RFC 6570 §2.2, §2.3). */
static bool has_dns_variable(const char *at, const char *end)
{
	for (; at < end; at++) {
		if (*at != '{')
			continue;
		const char *close = memchr(at, '}', (size_t)(end - at));
		if (!close)
			return false;
		at++;
		if (at < close && memchr("+#./;?&", *at, 7))
			at++;
		while (at < close) {
			size_t length = 0;
			while (at + length < close && at[length] != ',')
				length++;
			size_t name = 0;
			while (name < length && at[name] != ':' && at[name] != '*')
				name++;
			if (name == 3 && memcmp(at, "dns", 3) == 0)
				return true;
			at += length + (at + length < close);
		}
		at = close;
	}
	return false;
}

/* What a value of each kind is, for messages. */
static const char *const wanted[] = {
	[VALUE_ANY] = "octets",
	[VALUE_NONE] = "no value",
	[VALUE_KEYS] = "other keys, each once",
	[VALUE_NAMES] = "names of 1 to 255 octets",
	[VALUE_PATH] = "names of 1 to 255 octets, or none",
	[VALUE_PORT] = "a number from 0 to 65535",
	[VALUE_IPV4] = "IPv4 addresses",
	[VALUE_IPV6] = "IPv6 addresses",
	[VALUE_BASE64] = "base64",
	[VALUE_TEMPLATE] = "a URI template that begins with / and has the variable dns",
	[VALUE_NUMBERS] = "numbers from 0 to 65535, each once",
};

static bool is_value(enum value value, const uint8_t *octets, size_t length)
{
	const char *text = (const char *)octets;

	switch (value) {
	case VALUE_ANY:
	case VALUE_BASE64:
		return true;
	case VALUE_NONE:
		return length == 0;
	case VALUE_KEYS:
		return length > 0 && length % 2 == 0 && are_in_order(octets, length) &&
		       bytes_get16(octets) != KEY_MANDATORY;
	case VALUE_NAMES:
		return length > 0 && are_texts(octets, length);
	case VALUE_PATH:
		return are_texts(octets, length);
	case VALUE_PORT:
		return length == 2;
	case VALUE_IPV4:
		return length > 0 && length % 4 == 0;
	case VALUE_IPV6:
		return length > 0 && length % 16 == 0;
	case VALUE_TEMPLATE:
		return length > 0 && *text == '/' && has_dns_variable(text, text + length);
	case VALUE_NUMBERS:
		return length > 0 && length % 2 == 0 && are_different(octets, length);
	}
	assert(false);
	return false;
}

static bool fail_value(uint16_t key, char reason[static RDATA_REASON_MAX])
{
	char name[KEY_TEXT_MAX];

	key_to_text(key, name);
	snprintf(reason, RDATA_REASON_MAX, "%s needs %s", name, wanted[value_of(key)]);
	return false;
}

struct param {
	uint16_t key, length;
	const uint8_t *value;
};

/* Moves *at behind it. */
static bool next_param(const uint8_t **at, const uint8_t *end, struct param *ret)
{
	if (end - *at < HEAD || end - *at - HEAD < bytes_get16(*at + 2))
		return false;
	*ret = (struct param){bytes_get16(*at), bytes_get16(*at + 2), *at + HEAD};
	*at += HEAD + ret->length;
	return true;
}

static bool has_key(const uint8_t *octets, size_t length, uint16_t key)
{
	const uint8_t *at = octets;
	struct param param;

	while (next_param(&at, octets + length, &param)) {
		if (param.key == key)
			return true;
	}
	return false;
}

/* RFC 9460 §7.1.1 and §8. */
static bool check_together(const uint8_t *octets, size_t length, const struct param *param,
			   char reason[static RDATA_REASON_MAX])
{
	if (param->key == KEY_NO_DEFAULT_ALPN && !has_key(octets, length, KEY_ALPN)) {
		snprintf(reason, RDATA_REASON_MAX, "no-default-alpn needs alpn");
		return false;
	}
	for (size_t i = 0; param->key == KEY_MANDATORY && i < param->length; i += 2) {
		uint16_t key = bytes_get16(param->value + i);
		char name[KEY_TEXT_MAX];
		key_to_text(key, name);
		if (has_key(octets, length, key))
			continue;
		snprintf(reason, RDATA_REASON_MAX, "mandatory names %s, which is not there", name);
		return false;
	}
	return true;
}

bool svcparam_check(const uint8_t *octets, size_t length, char reason[static RDATA_REASON_MAX])
{
	const uint8_t *at = octets, *end = octets + length;
	struct param param;
	int32_t before = -1;

	while (next_param(&at, end, &param)) {
		char name[KEY_TEXT_MAX];
		key_to_text(param.key, name);
		if (param.key <= before) {
			snprintf(reason, RDATA_REASON_MAX, "%s %s", name,
				 param.key == before ? "twice" : "behind a higher key");
			return false;
		}
		before = param.key;
		if (!is_value(value_of(param.key), param.value, param.length))
			return fail_value(param.key, reason);
		if (!check_together(octets, length, &param, reason))
			return false;
	}
	if (at != end)
		snprintf(reason, RDATA_REASON_MAX, "parameters that end within a parameter");
	return at == end;
}

/* ---- presentation form ---- */

struct buffer {
	uint8_t *octets;
	size_t length, capacity;
};

static void put(struct buffer *buffer, const void *octets, size_t length)
{
	if (length == 0)
		return;
	if (buffer->length + length > buffer->capacity)
		xgrow((void **)&buffer->octets, &buffer->capacity, buffer->length + length, 1);
	memcpy(buffer->octets + buffer->length, octets, length);
	buffer->length += length;
}

static void put_number(struct buffer *to, uint16_t number)
{
	uint8_t octets[2];

	bytes_put16(octets, number);
	put(to, octets, sizeof octets);
}

/* A word's octets, \X and \DDD undone (RFC 1035 §5.1); the splitter has seen to it that they are whole. */
static void put_plain(struct buffer *to, const char *text, const char *end)
{
	while (text < end) {
		char c = *text++;
		if (c == '\\') {
			assert(text < end);
			c = *text++;
			if (c >= '0' && c <= '9') {
				assert(end - text >= 2);
				c = (char)((c - '0') * 100 + (text[0] - '0') * 10 + (text[1] - '0'));
				text += 2;
			}
		}
		put(to, &c, 1);
	}
}

/* The next item of a list with commas, in which \, and \\ are no separators (RFC 9460 appendix A.1). False at
 * the end; an empty list has one empty item. */
static bool next_item(const char **at, const char *end, struct buffer *ret)
{
	ret->length = 0;
	if (*at > end)
		return false;
	for (; *at < end && **at != ','; ++*at) {
		if (**at == '\\' && *at + 1 < end)
			++*at;
		put(ret, *at, 1);
	}
	++*at;
	return true;
}

/* One item in wire form. */
static bool put_item(enum value value, const struct buffer *item, struct buffer *to)
{
	const char *text = (const char *)item->octets;
	char copy[IP_TEXT_MAX];
	struct ip ip;
	uint16_t number;

	switch (value) {
	case VALUE_KEYS:
		if (!key_from_text(text, item->length, &number))
			return false;
		put_number(to, number);
		return true;
	case VALUE_NUMBERS:
		if (!number_from_text(text, item->length, &number))
			return false;
		put_number(to, number);
		return true;
	case VALUE_NAMES:
	case VALUE_PATH:
		if (item->length == 0 || item->length > UINT8_MAX)
			return false;
		put(to, &(uint8_t){(uint8_t)item->length}, 1);
		put(to, item->octets, item->length);
		return true;
	case VALUE_IPV4:
	case VALUE_IPV6:
		if (item->length >= sizeof copy)
			return false;
		snprintf(copy, sizeof copy, "%.*s", (int)item->length, text);
		if (!ip_parse(copy, &ip) || ip.family != (value == VALUE_IPV4 ? 4 : 6))
			return false;
		put(to, ip.bytes, ip_bits(&ip) / 8);
		return true;
	default:
		assert(false);
		return false;
	}
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, 2);
}

/* A value as it was written → wire form. False: it is none. */
static bool convert(enum value value, const struct buffer *plain, struct buffer *to)
{
	const char *text = (const char *)plain->octets, *end = text + plain->length;
	struct buffer item = {.octets = NULL};
	bool is_good = true;
	size_t before = to->length, length;
	uint16_t port;

	switch (value) {
	case VALUE_ANY:
	case VALUE_NONE:
	case VALUE_TEMPLATE:
		put(to, plain->octets, plain->length);
		return true;
	case VALUE_PORT:
		is_good = number_from_text(text, plain->length, &port);
		if (is_good)
			put_number(to, port);
		return is_good;
	case VALUE_BASE64:
		xgrow((void **)&to->octets, &to->capacity, to->length + BASE64_OCTETS_MAX(plain->length) + 1,
		      1);
		is_good = base64_decode(text, plain->length, to->octets + to->length, &length);
		to->length += is_good ? length : 0;
		return is_good;
	default:
		while (is_good && plain->length > 0 && next_item(&text, end, &item))
			is_good = put_item(value, &item, to);
		free(item.octets);
	}
	if (value == VALUE_KEYS && to->length > before) /* written in any order (RFC 9460 §8) */
		qsort(to->octets + before, (to->length - before) / 2, 2, compare_keys);
	return is_good;
}

struct written { /* a parameter, and where its value stands */
	uint16_t key;
	size_t at, length;
};

static int compare_written(const void *left, const void *right)
{
	const struct written *a = left, *b = right;

	return (int)a->key - (int)b->key;
}

static bool read_key(const char *text, size_t length, uint16_t *ret, char reason[static RDATA_REASON_MAX])
{
	const char *names[KEYS];
	char word[TEXT_QUOTE_MAX], known[48] = "";

	if (key_from_text(text, length, ret))
		return true;
	for (size_t i = 0; i < KEYS; i++)
		names[i] = keys[i].name;
	char *copy = xstrndup(text, length);
	text_quote(copy, word);
	const char *nearest = text_nearest(copy, names, KEYS);
	if (nearest)
		snprintf(known, sizeof known, "; did you mean '%s'?", nearest);
	free(copy);
	snprintf(reason, RDATA_REASON_MAX, "unknown parameter %s%s", word, known);
	return false;
}

/* The parameter that begins with word `*number`, which moves behind it. */
static bool read_param(const struct zone_word *words, size_t count, size_t *number, struct buffer *values,
		       struct written *ret, char reason[static RDATA_REASON_MAX])
{
	const char *name = words[*number].text, *equals = strchr(name, '=');
	size_t name_length = equals ? (size_t)(equals - name) : strlen(name);
	struct buffer plain = {.octets = NULL};
	uint16_t key;

	if (!read_key(name, name_length, &key, reason))
		return false;
	const char *text = equals ? equals + 1 : "", *end = text + strlen(text);
	++*number;
	if (equals && text == end && *number < count && words[*number].is_joined) {
		assert(*words[*number].text == '"'); /* an unquoted word would have gone on */
		text = words[*number].text + 1;	     /* without its quotes */
		end = text + strlen(text) - 1;
		++*number;
	}
	put_plain(&plain, text, end);
	/* a key that is written as its number has its value in wire form (RFC 9460 §2.1) */
	enum value value = is_number_form(name, name_length) ? VALUE_ANY : value_of(key);
	size_t at = values->length;
	bool is_good = convert(value, &plain, values);
	free(plain.octets);
	if (!is_good)
		return fail_value(key, reason);
	*ret = (struct written){key, at, values->length - at};
	return true;
}

/* In the order of their keys; of each the head, then the value. */
static void put_params(struct written *params, size_t count, const struct buffer *values, struct buffer *to)
{
	qsort(params, count, sizeof *params, compare_written);
	for (size_t i = 0; i < count; i++) {
		assert(params[i].at + params[i].length <= values->length && params[i].length <= UINT16_MAX);
		put_number(to, params[i].key);
		put_number(to, (uint16_t)params[i].length);
		put(to, values->octets + params[i].at, params[i].length);
	}
}

bool svcparam_read(const struct zone_word *words, size_t count, uint8_t **ret_octets, size_t *ret_length,
		   char reason[static RDATA_REASON_MAX])
{
	struct buffer values = {.octets = NULL}, wire = {.octets = NULL};
	struct written *params = xcalloc(count + 1, sizeof *params);
	size_t found = 0;
	bool is_good = true;

	for (size_t at = 0; is_good && at < count;)
		is_good = read_param(words, count, &at, &values, &params[found++], reason);
	if (is_good && values.length > UINT16_MAX) {
		snprintf(reason, RDATA_REASON_MAX, "parameters of more than %u octets", UINT16_MAX);
		is_good = false;
	}
	if (is_good) {
		put_params(params, found, &values, &wire);
		is_good = svcparam_check(wire.octets, wire.length, reason);
	}
	free(params);
	free(values.octets);
	if (!is_good) {
		free(wire.octets);
		return false;
	}
	*ret_octets = wire.octets;
	*ret_length = wire.length;
	return true;
}
