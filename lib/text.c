/* Words and units of the configuration. Pure; any thread. */
#include "lib/text.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LISTED_MAX 8 /* words that text_known() names */
#define NEAREST_LENGTH_MAX 64
#define DURATION_MS_MAX ((uint64_t)365 * 86400 * 1000)
#define RATE_PER_SECOND_MAX 10e6

static int letter(const char *text, size_t at)
{
	return tolower((unsigned char)text[at]);
}

/* Edit distance with neighbours swapped as one edit (the commonest typing error), case ignored. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t rows[3][NEAREST_LENGTH_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_length; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t best = last[j - 1] + (letter(a, i - 1) != letter(b, j - 1));
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			bool is_swap = i > 1 && j > 1 && letter(a, i - 1) == letter(b, j - 2) &&
				       letter(a, i - 2) == letter(b, j - 1);
			if (is_swap && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		size_t *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b_length];
}

const char *text_nearest(const char *word, const char *const *words, size_t count)
{
	size_t length = strlen(word), best = SIZE_MAX;
	const char *nearest = NULL;

	if (length == 0 || length > NEAREST_LENGTH_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t other = strlen(words[i]), longer = other > length ? other : length;
		if (other > NEAREST_LENGTH_MAX)
			continue;
		size_t distance = edit_distance(word, length, words[i], other);
		if (distance * 3 <= longer && distance < best) {
			best = distance;
			nearest = words[i];
		}
	}
	return nearest;
}

const char *text_known(const char *word, const char *const *words, size_t count,
		       char out[static TEXT_KNOWN_MAX])
{
	const char *nearest = text_nearest(word, words, count);
	size_t used = 0;

	out[0] = '\0';
	if (nearest)
		snprintf(out, TEXT_KNOWN_MAX, "; did you mean '%s'?", nearest);
	for (size_t i = 0; !nearest && count <= LISTED_MAX && i < count && used < TEXT_KNOWN_MAX; i++)
		used += (size_t)snprintf(out + used, TEXT_KNOWN_MAX - used, "%s%s",
					 used > 0 ? ", " : "; there is ", words[i]);
	return nearest;
}

size_t text_utf8_octets(const char *at)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t least; /* of the code points that need so many octets */
	} forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	uint8_t lead = (uint8_t)*at;
	for (size_t more = 0; more < sizeof forms / sizeof *forms; more++) {
		if ((lead & forms[more].mask) != forms[more].lead)
			continue;
		uint32_t point = lead & (uint8_t)~forms[more].mask;
		for (size_t i = 1; i <= more; i++) { /* a NUL ends it, too */
			if (((uint8_t)at[i] & 0xc0) != 0x80)
				return 0;
			point = point << 6 | ((uint8_t)at[i] & 0x3f);
		}
		bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
		return point < forms[more].least || is_surrogate || point > 0x10ffff ? 0 : more + 1;
	}
	return 0;
}

bool text_is_utf8(const char *text)
{
	size_t octets = 1;
	for (; *text && octets > 0; text += octets)
		octets = text_utf8_octets(text);
	return octets > 0;
}

void text_mend_utf8(char *text)
{
	while (*text) {
		size_t octets = text_utf8_octets(text);
		if (octets == 0)
			*text = '?';
		text += octets > 0 ? octets : 1;
	}
}

void text_quote(const char *text, char out[static TEXT_QUOTE_MAX])
{
	size_t length = strlen(text), room = TEXT_QUOTE_MAX - 3;
	bool is_cut = length > room;

	if (is_cut) {
		length = room - 3;
		while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--; /* not inside a UTF-8 character */
	}
	char *at = out;
	*at++ = '\'';
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		*at++ = c < 0x20 || c == 0x7f ? '?' : text[i];
	}
	if (is_cut) {
		memcpy(at, "...", 3);
		at += 3;
	}
	memcpy(at, "'", 2);
	text_mend_utf8(out);
}

/* Decimal digits without a leading zero; *text moves behind them. */
static bool take_uint(const char **text, uint64_t *ret)
{
	const char *at = *text;
	uint64_t value = 0;

	if (!isdigit((unsigned char)*at))
		return false;
	if (at[0] == '0' && isdigit((unsigned char)at[1]))
		return false;
	for (; isdigit((unsigned char)*at); at++) {
		unsigned digit = (unsigned)(*at - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*text = at;
	*ret = value;
	return true;
}

bool text_to_uint(const char *text, uint64_t *ret)
{
	uint64_t value;

	if (!take_uint(&text, &value) || *text != '\0')
		return false;
	*ret = value;
	return true;
}

struct unit {
	const char *name;
	uint64_t size;
};

/* A number and one of the units, at most `max` altogether. */
static bool take_measure(const char *text, const struct unit *units, size_t count, uint64_t max,
			 uint64_t *ret)
{
	uint64_t value;

	if (!take_uint(&text, &value))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		if (value > max / units[i].size)
			return false;
		*ret = value * units[i].size;
		return true;
	}
	return false;
}

/* In the first unit that it is a multiple of, at the latest that of 1. */
static void write_measure(uint64_t value, const struct unit *unit, char out[static 24])
{
	while (value % unit->size != 0)
		unit++;
	snprintf(out, 24, "%llu%s", (unsigned long long)(value / unit->size), unit->name);
}

static const struct unit duration_units[] = {
	{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

bool text_to_duration_ms(const char *text, uint64_t *ret_ms)
{
	size_t count = sizeof duration_units / sizeof duration_units[0];

	return take_measure(text, duration_units, count, DURATION_MS_MAX, ret_ms);
}

void text_from_duration_ms(uint64_t ms, char out[static 24])
{
	if (ms == 0)
		memcpy(out, "0s", 3);
	else
		write_measure(ms, duration_units, out);
}

/* A size is written in the first that is exact. */
static const struct unit size_units[] = {
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1000000000},
	{"MB", 1000000},  {"kB", 1000},	    {"B", 1}};

bool text_to_bytes(const char *text, uint64_t *ret)
{
	return take_measure(text, size_units, sizeof size_units / sizeof size_units[0], UINT64_MAX, ret);
}

void text_from_bytes(uint64_t bytes, char out[static 24])
{
	if (bytes == 0) /* exact in every unit */
		snprintf(out, 24, "0B");
	else
		write_measure(bytes, size_units, out);
}

bool text_to_percent(const char *text, uint32_t *ret_hundredths)
{
	uint64_t whole;
	uint32_t fraction = 0;

	if (!take_uint(&text, &whole) || whole > 100)
		return false;
	if (*text == '.') {
		text++;
		if (!isdigit((unsigned char)*text))
			return false;
		fraction = (uint32_t)(*text++ - '0') * 10;
		if (isdigit((unsigned char)*text))
			fraction += (uint32_t)(*text++ - '0');
	}
	if (strcmp(text, "%") != 0 || whole * 100 + fraction > 10000)
		return false;
	*ret_hundredths = (uint32_t)whole * 100 + fraction;
	return true;
}

bool text_to_double(const char *text, double *ret)
{
	const char *at = text + (*text == '-');
	size_t digits = strspn(at, "0123456789");

	if (digits == 0 || (digits > 1 && *at == '0'))
		return false;
	at += digits;
	if (*at == '.') {
		digits = strspn(++at, "0123456789");
		if (digits == 0)
			return false;
		at += digits;
	}
	if (*at != '\0')
		return false;
	double value = strtod(text, NULL);
	if (value > 1e300 || value < -1e300)
		return false;
	*ret = value;
	return true;
}

bool text_to_rate(const char *text, double *ret_per_second)
{
	static const struct unit units[] = {{"/s", 1}, {"/m", 60}, {"/h", 3600}, {"/d", 86400}};
	uint64_t value;
	size_t unit = 0;

	if (!take_uint(&text, &value))
		return false;
	while (strcmp(text, units[unit].name) != 0)
		if (++unit == sizeof units / sizeof units[0])
			return false;
	double rate = (double)value / (double)units[unit].size;
	if (rate > RATE_PER_SECOND_MAX)
		return false;
	*ret_per_second = rate;
	return true;
}

bool text_to_distance_km(const char *text, uint32_t *ret_km)
{
	uint64_t value;

	if (!take_uint(&text, &value) || strcmp(text, "km") != 0 || value > UINT32_MAX)
		return false;
	*ret_km = (uint32_t)value;
	return true;
}

bool text_is_id(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return text[length] == '\0' && length >= 1 && length <= 63 && text[0] != '-' &&
	       text[length - 1] != '-';
}

void text_from_unix_ms(int64_t unix_ms, char out[static 32])
{
	int64_t whole = unix_ms / 1000 - (unix_ms % 1000 < 0);
	time_t seconds = (time_t)whole;
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		memcpy(out, "-", 2);
}

/* Exactly `count` digits. */
static bool take_digits(const char **text, int count, int *ret)
{
	int value = 0;

	for (int i = 0; i < count; i++, (*text)++) {
		if (!isdigit((unsigned char)**text))
			return false;
		value = value * 10 + (**text - '0');
	}
	*ret = value;
	return true;
}

static bool take_char(const char **text, char wanted)
{
	if (tolower((unsigned char)**text) != wanted)
		return false;
	(*text)++;
	return true;
}

/* RFC 3339 §5.6 time-secfrac; more than milliseconds are cut off. */
static bool take_fraction(const char **text, int *ret_ms)
{
	int ms = 0, scale = 100;

	if (**text == '.') {
		(*text)++;
		if (!isdigit((unsigned char)**text))
			return false;
		for (; isdigit((unsigned char)**text); (*text)++, scale /= 10)
			ms += (**text - '0') * scale;
	}
	*ret_ms = ms;
	return true;
}

/* RFC 3339 §5.6 time-offset. */
static bool take_offset(const char **text, int *ret_seconds)
{
	int hours, minutes, sign = **text == '-' ? -1 : 1;

	if (take_char(text, 'z')) {
		*ret_seconds = 0;
		return true;
	}
	if (**text != '+' && **text != '-')
		return false;
	(*text)++;
	if (!take_digits(text, 2, &hours) || !take_char(text, ':') || !take_digits(text, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && is_leap);
}

bool text_to_unix_ms(const char *rfc3339, int64_t *ret_unix_ms)
{
	const char *at = rfc3339;
	int year, month, day, hour, minute, second, ms, offset;

	if (!take_digits(&at, 4, &year) || !take_char(&at, '-') || !take_digits(&at, 2, &month) ||
	    !take_char(&at, '-') || !take_digits(&at, 2, &day) || !take_char(&at, 't'))
		return false;
	if (!take_digits(&at, 2, &hour) || !take_char(&at, ':') || !take_digits(&at, 2, &minute) ||
	    !take_char(&at, ':') || !take_digits(&at, 2, &second))
		return false;
	if (!take_fraction(&at, &ms) || !take_offset(&at, &offset) || *at != '\0')
		return false;
	/* Second 60 is a leap second (RFC 3339 §5.7); it counts as the next minute's first. */
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
	    minute > 59 || second > 60)
		return false;
	struct tm tm = {.tm_year = year - 1900,
			.tm_mon = month - 1,
			.tm_mday = day,
			.tm_hour = hour,
			.tm_min = minute,
			.tm_sec = second};
	*ret_unix_ms = ((int64_t)timegm(&tm) - offset) * 1000 + ms;
	return true;
}
