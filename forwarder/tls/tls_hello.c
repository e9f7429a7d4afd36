/* SNI: a list of names of which one type is known and one entry allowed. Pure; any thread. */
#include "forwarder/tls/tls_hello.h"

static size_t read_length(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* Letters, digits, hyphen and underscore; 0: nothing else is in a host's name. */
static char fold(uint8_t octet)
{
	if (octet >= 'A' && octet <= 'Z')
		return (char)(octet | 0x20);
	if ((octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') || octet == '-' || octet == '_')
		return (char)octet;
	return 0;
}

bool tls_hello_name(const uint8_t *extension, size_t length, char ret[static TLS_HELLO_NAME_MAX],
		    size_t *ret_length)
{
	enum { HOST_NAME = 0, HEAD = 5 };
	if (length < HEAD || read_length(extension) != length - 2 || extension[2] != HOST_NAME ||
	    read_length(extension + 3) != length - HEAD)
		return false;
	const uint8_t *name = extension + HEAD;
	size_t end = length - HEAD, label = 0;
	if (end > 0 && name[end - 1] == '.')
		end--;
	if (end == 0 || end > TLS_HELLO_NAME_MAX)
		return false;
	for (size_t i = 0; i < end; i++) {
		bool is_dot = name[i] == '.';
		ret[i] = is_dot ? '.' : fold(name[i]);
		if (ret[i] == 0 || (is_dot && label == 0))
			return false;
		label = is_dot ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	if (label == 0)
		return false;
	*ret_length = end;
	return true;
}
