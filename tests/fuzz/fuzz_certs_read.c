/*
 * Files that operators and their programs leave in the directory of certificates: any octets give an entry or
 * one problem in words, and what gives an entry is what a worker can make a certificate and key of. A line of
 * `=key` or
 * `=staple` alone begins the next file.
 */
#include "forwarder/certificates/certs_read.h"
#include "forwarder/tls/tls_certs.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

/* Cuts at the mark, which is left out. */
static struct certs_text cut(struct certs_text *rest, const char *mark)
{
	size_t length = strlen(mark);
	const char *at = memmem(rest->octets, rest->length, mark, length);
	struct certs_text tail = {0};
	if (!at)
		return tail;
	tail.octets = at + length;
	tail.length = rest->length - (size_t)(tail.octets - rest->octets);
	rest->length = (size_t)(at - rest->octets);
	return tail;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static counter hits, misses;
	struct certs_text certificates = {(const char *)data, size};
	struct certs_text key = cut(&certificates, "=key\n"), staple = {0};
	staple = cut(key.octets ? &key : &certificates, "=staple\n");
	struct map *links = map_new();
	struct certs_read read;
	certs_read(&certificates, &key, &staple, links, &read);
	check((read.entry != NULL) != (read.problem != NULL));
	check(!read.entry || read.name_count > 0);
	for (size_t i = 0; i < read.name_count; i++)
		check(strlen(read.names[i]) > 0 && strlen(read.names[i]) < 254 &&
		      !strpbrk(read.names[i], " \n/\"\\"));
	if (read.entry && read.entry->chain_count == 0) {
		struct tls_certs *certs = tls_certs_new(1 << 20, &hits, &misses);
		check(tls_certs_get(certs, read.entry) != NULL);
		tls_certs_free(certs);
	}
	certs_read_done(&read);
	certs_read_links_done(links);
	return 0;
}
