/* What a trusted proxy said is read from the left; the rightmost address that is no trusted proxy's stays.
 * Pure; a worker's thread. */
#include "forwarder/http1/identity.h"
#include "lib/inline.h"
#include <string.h>

#define TRACEPARENT_BYTES 55 /* 00-TRACE-SPAN-FLAGS */

void identity_unmap(struct ip *ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	if (ip->family != 6 || memcmp(ip->bytes, mapped, sizeof mapped) != 0)
		return;
	struct ip four = {.family = 4};
	memcpy(four.bytes, ip->bytes + sizeof mapped, 4);
	*ip = four;
}

static bool is_trusted(const struct ip *ip, const struct prefix *trusted, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_contains(&trusted[i], ip))
			return true;
	return false;
}

/* An address as proxies write it: alone, [IPv6], either with a port, in quotation marks (RFC 7239 §6). */
static bool read_node(const char *text, size_t length, struct ip *ret)
{
	char copy[IP_TEXT_MAX];
	if (length >= 2 && text[0] == '"' && text[length - 1] == '"') {
		text++;
		length -= 2;
	}
	const char *colon = memchr(text, ':', length);
	if (length > 0 && text[0] == '[') {
		const char *end = memchr(text, ']', length);
		if (!end)
			return false;
		length = end - ++text;
	} else if (colon && !memchr(colon + 1, ':', text + length - colon - 1)) {
		length = colon - text; /* IPv4 and a port */
	}
	if (length >= sizeof copy)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (!ip_parse(copy, ret))
		return false;
	identity_unmap(ret);
	return true;
}

/* The node of `for=…` in one element of Forwarded. */
static void find_for(const char **text, size_t *length)
{
	const char *at = *text, *end = at + *length;
	while (at < end) {
		const char *semicolon = memchr(at, ';', end - at), *last = semicolon ? semicolon : end;
		while (at < last && (*at == ' ' || *at == '\t'))
			at++;
		if (last - at > 4 && http_head_equals(at, 3, "for", 3) && at[3] == '=') {
			*text = at + 4;
			*length = last - *text;
			return;
		}
		at = last + 1;
	}
	*length = 0;
}

/* One hop further to us: it is the client unless it is a trusted proxy and somebody is known behind it. */
static void take_hop(const char *text, size_t length, const struct prefix *trusted, size_t count,
		     struct ip *client)
{
	struct ip hop;
	if (!read_node(text, length, &hop))
		client->family = 0; /* somebody whom nobody knows */
	else if (client->family == 0 || !is_trusted(&hop, trusted, count))
		*client = hop;
}

static bool is_for(const struct http_head_field *field, const char *octets)
{
	return field->field == HTTP_FIELD_X_FORWARDED &&
	       http_head_equals(octets + field->name, field->name_length, "x-forwarded-for", 15);
}

/* Family 0: nothing was said. */
static struct ip read_client(const struct http_head *head, const char *octets, const struct prefix *trusted,
			     size_t count, bool is_x)
{
	struct ip client = {0};
	for (uint32_t i = 0; i < head->count; i++) {
		const struct http_head_field *field = &head->fields[i];
		if (is_x ? !is_for(field, octets) : field->field != HTTP_FIELD_FORWARDED)
			continue;
		const char *element;
		size_t length, at = 0;
		while (http_head_element(octets + field->value, field->value_length, &at, &element,
					 &length)) {
			if (!is_x)
				find_for(&element, &length);
			take_hop(element, length, trusted, count, &client);
		}
	}
	return client;
}

/* The value of the one field of this kind; NULL: there is none, or there are several. */
static const struct http_head_field *single(const struct http_head *head, enum http_field kind)
{
	uint32_t at = 0;
	const struct http_head_field *field = http_head_next(head, kind, &at);
	return field && !http_head_next(head, kind, &at) ? field : NULL;
}

static bool is_hex(const char *text, size_t length) /* lower case, not all zero */
{
	bool is_zero = true;
	for (size_t i = 0; i < length; i++) {
		if ((text[i] < '0' || text[i] > '9') && (text[i] < 'a' || text[i] > 'f'))
			return false;
		is_zero &= text[i] == '0';
	}
	return !is_zero;
}

static bool is_octet(const char *text)
{
	return (text[0] == '0' && text[1] == '0') || is_hex(text, 2);
}

/* version "-" trace-id "-" parent-id "-" flags, as W3C Trace Context has it; a later version may add to it.
 */
static void read_trace(const char *text, size_t length, struct identity *ret)
{
	if (length < TRACEPARENT_BYTES || text[2] != '-' || text[35] != '-' || text[52] != '-' ||
	    !is_octet(text) || !is_octet(text + 53) || !is_hex(text + 3, 32) || !is_hex(text + 36, 16) ||
	    memcmp(text, "ff", 2) == 0)
		return;
	if (length > TRACEPARENT_BYTES && (memcmp(text, "00", 2) == 0 || text[TRACEPARENT_BYTES] != '-'))
		return;
	char low = text[54];
	ret->trace = text + 3;
	ret->is_sampled = (low <= '9' ? low - '0' : low - 'a' + 10) & 1;
}

static OUT_OF_LINE void read_trusted(const struct http_head *head, const char *octets,
				     const struct prefix *trusted, size_t count, struct identity *ret)
{
	struct ip client = read_client(head, octets, trusted, count, true);
	if (client.family == 0)
		client = read_client(head, octets, trusted, count, false);
	if (client.family != 0)
		ret->client = client;
	const struct http_head_field *id = single(head, HTTP_FIELD_X_REQUEST_ID);
	if (id && id->value_length <= IDENTITY_ID_MAX &&
	    http_head_is_token(octets + id->value, id->value_length)) {
		ret->id = octets + id->value;
		ret->id_length = id->value_length;
	}
	const struct http_head_field *trace = single(head, HTTP_FIELD_TRACEPARENT);
	if (trace)
		read_trace(octets + trace->value, trace->value_length, ret);
}

void identity_read(const struct http_head *head, const char *octets, const struct ip *peer,
		   const struct prefix *trusted, size_t trusted_count, struct identity *ret)
{
	*ret = (struct identity){.client = *peer, .is_sampled = true};
	ret->is_trusted = is_trusted(peer, trusted, trusted_count);
	if (ret->is_trusted)
		read_trusted(head, octets, trusted, trusted_count, ret);
}
