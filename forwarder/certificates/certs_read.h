/*
 * What the files of one certificate hold: PEM of leaf, intermediates and key, made into what a worker takes,
 * with everything that can be wrong said once. No decoder of OpenSSL 3.0 is asked: ten thousand pairs are
 * read in a second. Any thread, one at a time for one `links`.
 */
#pragma once
#include "forwarder/plan/certnames.h"
#include "lib/map.h"

#define CERTS_READ_RSA_SLOW 3072 /* bits; a signature of more keeps a worker busy for milliseconds */

struct certs_text {
	const char *octets;
	size_t length;
};

struct certs_read {
	struct certnames_entry *entry; /* NULL: see problem */
	char **names;
	size_t name_count;
	char *problem;	/* why there is no entry */
	char *warnings; /* one a line; NULL: none */
};

/* `key`: NULL octets: it stands beside the certificates. `staple`: NULL octets: none. `links`: by
 * fingerprint, shared: to be emptied by certs_read_links_done(). */
void certs_read(const struct certs_text *certificates, const struct certs_text *key,
		const struct certs_text *staple, struct map *links, struct certs_read *ret);
void certs_read_done(struct certs_read *read);
void certs_read_links_done(struct map *links);
