/*
 * What strangers send first. Of an odd first octet the rest is the extension server_name, which gives a name
 * that reads back as itself or none; of an even one it is what comes out of the socket: a handshake that goes
 * on, fails or waits, and leaves nothing behind.
 */
#include "forwarder/tls/tls_hello.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/tls_rig.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

static void read_extension(const uint8_t *data, size_t size)
{
	char name[TLS_HELLO_NAME_MAX], again[TLS_HELLO_NAME_MAX];
	uint8_t extension[5 + TLS_HELLO_NAME_MAX];
	size_t length, same;
	if (!tls_hello_name(data, size, name, &length))
		return;
	check(length > 0 && length <= TLS_HELLO_NAME_MAX && name[0] != '.' && name[length - 1] != '.');
	for (size_t i = 0; i < length; i++)
		check(name[i] > ' ' && name[i] < 127 && !(name[i] >= 'A' && name[i] <= 'Z'));
	uint8_t head[5] = {(uint8_t)((length + 3) >> 8), (uint8_t)(length + 3), 0, (uint8_t)(length >> 8),
			   (uint8_t)length};
	memcpy(extension, head, 5);
	memcpy(extension + 5, name, length);
	check(tls_hello_name(extension, length + 5, again, &same) && same == length);
	check(memcmp(name, again, length) == 0);
}

static struct tls_rig *rig_of(void)
{
	static struct tls_rig rig;
	if (rig.context)
		return &rig;
	struct certificate site = certificate_make("P-256", "site.example", NULL, false, 90);
	struct certnames *names = certnames_new(1);
	struct certnames_entry *entry = certificate_entry(&site, NULL);
	const char *name = "site.example";
	certnames_add(names, entry, &name, 1);
	certnames_set_default(names, entry);
	certnames_entry_unref(entry);
	certificate_free(&site);
	tls_rig_init(&rig, names, false);
	return &rig;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] & 1) {
		read_extension(data + 1, size - 1);
		return 0;
	}
	struct tls_rig *rig = rig_of();
	struct tls_pair pair;
	size_t most = size - 1 < 16000 ? size - 1 : 16000;
	tls_pair_open(&pair, rig, NULL, SOCK_STREAM);
	check(write(pair.client_fd, data + 1, most) == (ssize_t)most);
	tls_pair_events(&pair);
	enum tls_result result = tls_handshake(pair.tls, &pair.socket);
	check(result == TLS_WANTS_READ || result == TLS_FAILED);
	check(result == TLS_FAILED || !pair.socket.can_read);
	shutdown(pair.client_fd, SHUT_WR);
	tls_pair_events(&pair);
	check(tls_handshake(pair.tls, &pair.socket) == TLS_FAILED);
	tls_pair_close(&pair);
	check(!tls_context_oldest(rig->context));
	return 0;
}
