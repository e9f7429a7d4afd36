/* The name in a ClientHello's extension server_name (RFC 6066 §3). Pure; any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_HELLO_NAME_MAX 253

/* `extension`: its octets, without type and length. The name in lower case, without a final dot, as
 * hosts_find and certnames_find take it. False: it is malformed, or no host name. */
bool tls_hello_name(const uint8_t *extension, size_t length, char ret[static TLS_HELLO_NAME_MAX],
		    size_t *ret_length);
