/* Looking for cookies and fields by name. Pure; any thread. */
#include "forwarder/http1/cookies.h"
#include <string.h>
#include <strings.h>

static bool find_in(const char *at, const char *end, const char *name, size_t length, struct route_text *ret)
{
	while (at < end) {
		while (at < end && (*at == ' ' || *at == ';'))
			at++;
		const char *stop = memchr(at, ';', (size_t)(end - at));
		if (!stop)
			stop = end;
		if ((size_t)(stop - at) > length && at[length] == '=' && memcmp(at, name, length) == 0) {
			at += length + 1;
			*ret = (struct route_text){at, (uint32_t)(stop - at)};
			return true;
		}
		at = stop;
	}
	return false;
}

bool cookies_find(const struct http_head *head, const char *octets, const char *name, struct route_text *ret)
{
	const struct http_head_field *field;
	uint32_t at = 0;

	while ((field = http_head_next(head, HTTP_FIELD_COOKIE, &at))) {
		const char *value = octets + field->value;
		if (find_in(value, value + field->value_length, name, strlen(name), ret))
			return true;
	}
	return false;
}

bool cookies_header(const struct http_head *head, const char *octets, const char *name,
		    struct route_text *ret)
{
	size_t length = strlen(name);

	for (uint32_t i = 0; i < head->count; i++) {
		const struct http_head_field *field = &head->fields[i];
		if (field->name_length == length && strncasecmp(octets + field->name, name, length) == 0) {
			*ret = (struct route_text){octets + field->value, field->value_length};
			return true;
		}
	}
	return false;
}
