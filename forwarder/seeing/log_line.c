/* From a record to its line. The writer's thread. */
#include "forwarder/seeing/log_line.h"
#include "forwarder/plan/reason.h"
#include <assert.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000

/* Grows to the right. LOG_LINE_MAX holds every text escaped octet by octet. */
struct line {
	char *at;
};
static_assert(LOG_RECORD_TEXT_ROOM * 6 + 2048 < LOG_LINE_MAX, "a line fits");

static void put(struct line *line, const char *octets, size_t length)
{
	memcpy(line->at, octets, length);
	line->at += length;
}
#define PUT(line, literal) put(line, literal, sizeof(literal) - 1)

static void put_number(struct line *line, uint64_t number)
{
	char digits[20];
	unsigned at = sizeof digits;

	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	put(line, digits + at, sizeof digits - at);
}

/* What is no ASCII came from outside and need not be UTF-8. */
static void put_octet(struct line *line, unsigned char octet)
{
	static const char digits[] = "0123456789abcdef";

	if (octet >= 0x20 && octet < 0x7f && octet != '"' && octet != '\\') {
		*line->at++ = (char)octet;
	} else if (octet == '"' || octet == '\\') {
		*line->at++ = '\\';
		*line->at++ = (char)octet;
	} else if (octet >= 0x80) {
		*line->at++ = '?';
	} else {
		PUT(line, "\\u00");
		*line->at++ = digits[octet >> 4];
		*line->at++ = digits[octet & 15];
	}
}

#define EACH(octet) (0x0101010101010101 * (uint64_t)(octet))
/* Whether each of eight octets stands for itself. May deny it once too often: then one is looked at after the
 * other. */
static bool are_plain(uint64_t octets)
{
	uint64_t quotes = octets ^ EACH('"'), slashes = octets ^ EACH('\\'), deletes = octets ^ EACH(0x7f);

	return ((octets | (octets - EACH(0x20)) | (quotes - EACH(1)) | (slashes - EACH(1)) |
		 (deletes - EACH(1))) &
		EACH(0x80)) == 0;
}

/* Most octets stand for themselves. */
static void put_text(struct line *line, const char *text, size_t length)
{
	size_t i = 0;

	*line->at++ = '"';
	for (; length - i >= 8; i += 8) {
		uint64_t octets;
		memcpy(&octets, text + i, 8);
		if (are_plain(octets)) {
			put(line, text + i, 8);
			continue;
		}
		for (unsigned k = 0; k < 8; k++)
			put_octet(line, (unsigned char)text[i + k]);
	}
	for (; i < length; i++)
		put_octet(line, (unsigned char)text[i]);
	*line->at++ = '"';
}

static void put_text_or_null(struct line *line, const char *text, size_t length)
{
	if (length)
		put_text(line, text, length);
	else
		PUT(line, "null");
}

static void put_time(struct line *line, struct log_line_clock *clock, int64_t unix_ns)
{
	time_t second = unix_ns / NS_PER_S;
	unsigned ms = (unsigned)(unix_ns % NS_PER_S / 1000000);
	struct tm tm;

	if (second != clock->second) {
		gmtime_r(&second, &tm);
		strftime(clock->text, sizeof clock->text, "%Y-%m-%dT%H:%M:%S", &tm);
		clock->second = second;
	}
	PUT(line, "{\"time\":\"");
	put(line, clock->text, sizeof clock->text - 1);
	char fraction[] = {
		'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z', '"'};
	put(line, fraction, sizeof fraction);
}

static void put_client(struct line *line, const struct ip *client, bool anonymizes)
{
	char text[IP_TEXT_MAX];
	struct ip shown = anonymizes ? ip_cut(client, client->family == 4 ? 24 : 56) : *client;

	if (client->family) {
		ip_format(&shown, text);
		put_text(line, text, strlen(text));
	} else {
		PUT(line, "null");
	}
}

static void put_numbers(struct line *line, const struct log_record *record)
{
	PUT(line, ",\"attempts\":");
	put_number(line, record->attempts);
	if (record->is_reused)
		PUT(line, ",\"reused\":true,\"us_queue\":");
	else
		PUT(line, ",\"reused\":false,\"us_queue\":");
	put_number(line, record->us_queue);
	PUT(line, ",\"us_connect\":");
	put_number(line, record->us_connect);
	PUT(line, ",\"us_head\":");
	put_number(line, record->us_head);
	PUT(line, ",\"us_total\":");
	put_number(line, record->us_total);
}

static void put_whose(struct line *line, const struct log_record *record,
		      const struct log_line_settings *settings, const char **text)
{
	const uint16_t *length = record->length;

	PUT(line, ",\"id\":");
	put_text_or_null(line, text[LOG_RECORD_ID], length[LOG_RECORD_ID]);
	PUT(line, ",\"tenant\":");
	put_text_or_null(line, text[LOG_RECORD_TENANT], length[LOG_RECORD_TENANT]);
	PUT(line, ",\"service\":");
	put_text_or_null(line, text[LOG_RECORD_SERVICE], length[LOG_RECORD_SERVICE]);
	PUT(line, ",\"route\":");
	if (record->route == LOG_RECORD_NO_ROUTE)
		PUT(line, "null");
	else
		put_number(line, record->route);
	PUT(line, ",\"region\":");
	put_text(line, settings->region, strlen(settings->region));
}

static void put_request(struct line *line, const struct log_record *record,
			const struct log_line_settings *settings, const char **text)
{
	const uint16_t *length = record->length;
	const char *reason = reason_word(record->reason);

	PUT(line, ",\"method\":");
	put_text_or_null(line, text[LOG_RECORD_METHOD], length[LOG_RECORD_METHOD]);
	PUT(line, ",\"host\":");
	put_text_or_null(line, text[LOG_RECORD_HOST], length[LOG_RECORD_HOST]);
	PUT(line, ",\"path\":");
	put_text_or_null(line, text[LOG_RECORD_PATH], length[LOG_RECORD_PATH]);
	PUT(line, ",\"status\":");
	put_number(line, record->status);
	PUT(line, ",\"reason\":");
	put_text_or_null(line, reason, strlen(reason));
	PUT(line, ",\"client\":");
	put_client(line, &record->client, settings->anonymizes);
	PUT(line, ",\"tls\":");
	put_text_or_null(line, text[LOG_RECORD_TLS], length[LOG_RECORD_TLS]);
	PUT(line, ",\"sni\":");
	put_text_or_null(line, text[LOG_RECORD_SNI], length[LOG_RECORD_SNI]);
	PUT(line, ",\"alpn\":");
	put_text_or_null(line, text[LOG_RECORD_ALPN], length[LOG_RECORD_ALPN]);
	if (record->minor)
		PUT(line, ",\"protocol\":\"HTTP/1.1\"");
	else
		PUT(line, ",\"protocol\":\"HTTP/1.0\"");
}

size_t log_line_write(const struct log_record *record, const struct log_line_settings *settings,
		      struct log_line_clock *clock, char out[static LOG_LINE_MAX])
{
	struct line line = {out};
	const char *text[LOG_RECORD_TEXTS], *at = (const char *)(record + 1);
	const uint16_t *length = record->length;

	for (unsigned i = 0; i < LOG_RECORD_TEXTS; at += length[i++])
		text[i] = at;
	put_time(&line, clock, (int64_t)record->end_ns + clock->offset_ns);
	put_whose(&line, record, settings, text);
	put_request(&line, record, settings, text);
	PUT(&line, ",\"bytes_in\":");
	put_number(&line, record->bytes_in);
	PUT(&line, ",\"bytes_out\":");
	put_number(&line, record->bytes_out);
	PUT(&line, ",\"origin\":");
	put_text_or_null(&line, text[LOG_RECORD_ORIGIN], length[LOG_RECORD_ORIGIN]);
	put_numbers(&line, record);
	PUT(&line, ",\"trace\":");
	put_text_or_null(&line, text[LOG_RECORD_TRACE], length[LOG_RECORD_TRACE]);
	PUT(&line, ",\"tail\":null,\"key\":"); /* no other region's */
	put_text_or_null(&line, text[LOG_RECORD_KEY], length[LOG_RECORD_KEY]);
	PUT(&line, "}\n");
	assert((size_t)(line.at - out) <= LOG_LINE_MAX);
	return (size_t)(line.at - out);
}

size_t log_line_dropped(uint64_t count, int64_t unix_ns, struct log_line_clock *clock,
			char out[static LOG_LINE_MAX])
{
	struct line line = {out};

	assert(count > 0);
	put_time(&line, clock, unix_ns);
	PUT(&line, ",\"dropped\":");
	put_number(&line, count);
	PUT(&line, "}\n");
	return (size_t)(line.at - out);
}
