/*
 * Internationalized domain names, by libidn2: case, width and normal form first (UTS #46), then punycode
 * (RFC 3492). Any thread of the control path.
 */
#include "lib/idn.h"
#include "lib/mem.h"
#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool idn_is_ascii(const char *name)
{
	for (; *name; name++) {
		if ((unsigned char)*name >= 0x80)
			return false;
	}
	return true;
}

static const char *reason_of(int result)
{
	switch (result) {
	case IDN2_MALLOC:
		abort();
	case IDN2_ENCODING_ERROR:
		return "not UTF-8";
	case IDN2_TOO_BIG_LABEL:
	case IDN2_PUNYCODE_BIG_OUTPUT:
		return "label longer than 63 octets";
	case IDN2_TOO_BIG_DOMAIN:
		return "name longer than 255 octets";
	default:
		return "no internationalized name (RFC 5892)";
	}
}

/* Octets of the first label, without its dot. */
static size_t label_length(const char *text)
{
	const char *p = text;

	for (; *p && *p != '.'; p++) {
		if (*p == '\\' && p[1])
			p++;
	}
	return (size_t)(p - text);
}

/* `label` is replaced by its A-label where it has more than ASCII; the caller frees either. */
static const char *convert(char **label)
{
	uint8_t *converted;

	if (idn_is_ascii(*label))
		return NULL;
	if (strchr(*label, '\\'))
		return "escapes and other letters than ASCII's in one label";
	int result =
		idn2_lookup_u8((const uint8_t *)*label, &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (result != IDN2_OK)
		return reason_of(result);
	free(*label);
	*label = xstrdup((const char *)converted);
	idn2_free(converted);
	return NULL;
}

const char *idn_to_ascii(const char *name, char ret[static IDN_TEXT_MAX])
{
	char out[IDN_TEXT_MAX];
	size_t used = 0;
	const char *reason = NULL;

	while (*name && !reason) {
		size_t length = label_length(name);
		char *label = xstrndup(name, length);
		reason = convert(&label);
		size_t converted = strlen(label);
		bool has_dot = name[length] == '.';
		if (!reason && used + converted + has_dot >= sizeof out)
			reason = "name longer than 255 octets";
		if (!reason) {
			memcpy(out + used, label, converted);
			used += converted;
			if (has_dot)
				out[used++] = '.';
		}
		free(label);
		name += length + has_dot;
	}
	if (reason)
		return reason;
	memcpy(ret, out, used);
	ret[used] = '\0';
	return NULL;
}

bool idn_hint(const char *name, struct idn_hint *ret)
{
	if (idn_is_ascii(name))
		return false;
	const char *reason = idn_to_ascii(name, ret->meant);
	if (reason)
		ret->meant[0] = '\0';
	if (reason)
		snprintf(ret->reason, sizeof ret->reason,
			 "it has letters beyond ASCII, and no form in ASCII: %s", reason);
	else
		snprintf(ret->reason, sizeof ret->reason,
			 "it has letters beyond ASCII; resolvers ask for '%s'", ret->meant);
	return true;
}
