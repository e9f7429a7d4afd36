/*
 * A look through the directory of certificates: what is there, and of what has changed since the last look
 * the contents. Runs on a helper while the control thread waits; what it was given is only read.
 */
#pragma once
#include "forwarder/certificates/certs_read.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CERTS_SCAN_FILE_MAX ((size_t)1 << 20) /* octets */

/* Which file, and which state of it. All zeroes: there is none. */
struct certs_stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	int64_t modified_ns, changed_ns;
};

enum certs_file { CERTS_CERTIFICATE, CERTS_KEY, CERTS_STAPLE, CERTS_FILES };

struct certs_found {
	char *name; /* NAME */
	char *file; /* in the directory: "NAME.crt", "NAME.pem" or "NAME" */
	bool is_folder;
	bool is_unchanged; /* since the last look; nothing was read */
	bool again;	   /* written while it was read: look again */
	struct certs_stamp stamps[CERTS_FILES];
	struct certs_read read;
};

struct certs_scan {
	const char *directory;
	/* What the last look had of a file; NULL: nothing. */
	const struct certs_stamp *(*stamps)(const void *user, const char *file);
	const void *user;
	struct map *links;
	/* what comes out */
	char *problem; /* the directory cannot be read; nothing was found */
	struct certs_found *items;
	size_t count, capacity;
};

void certs_scan(struct certs_scan *scan);
void certs_scan_done(struct certs_scan *scan);
