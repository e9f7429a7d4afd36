/* See tickets.h. Control thread. */
#include "forwarder/certificates/tickets.h"
#include "lib/file.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX ((size_t)64 << 10)

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly 64 digits. */
static bool read_secret(const char *line, size_t length, uint8_t ret[static TICKET_SECRET_OCTETS])
{
	if (length != 2 * TICKET_SECRET_OCTETS)
		return false;
	for (size_t i = 0; i < TICKET_SECRET_OCTETS; i++) {
		int high = digit_of(line[2 * i]), low = digit_of(line[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static void read_lines(const char *path, const char *text, struct ticket_secrets *secrets,
		       struct err_list *errors)
{
	uint32_t number = 0;
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n"), used = length;
		const char *next = line + length + (line[length] == '\n');
		number++;
		while (used > 0 && strchr(" \t\r", line[used - 1]))
			used--;
		if (used == 0 || line[0] == '#') {
			line = next;
			continue;
		}
		if (secrets->count == TICKET_SECRETS_MAX) {
			err_add(errors, path, number, 0, "more than %d secrets", TICKET_SECRETS_MAX);
			return;
		}
		if (!read_secret(line, used, secrets->secret[secrets->count])) {
			err_add(errors, path, number, 0, "must be 64 hexadecimal digits");
			return;
		}
		secrets->count++;
		line = next;
	}
	if (secrets->count == 0)
		err_add(errors, path, 0, 0, "there is no secret: a line of 64 hexadecimal digits");
}

static void read_path(const char *path, struct ticket_secrets *secrets, struct err_list *errors)
{
	const char *reason = NULL;
	struct stat status = {0};
	size_t length;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 || fstat(fd, &status) != 0 ? NULL : file_read(fd, FILE_MAX, &length, &reason);
	if (!text) {
		err_add(errors, path, 0, 0, "%s", reason ? reason : strerror(errno));
	} else {
		if (status.st_mode & S_IRWXO)
			err_warn(errors, path, 0, 0, "the secrets of tickets can be read by everybody");
		char *terminated = xstrndup(text, length);
		read_lines(path, terminated, secrets, errors);
		explicit_bzero(terminated, strlen(terminated));
		explicit_bzero(text, length);
		free(terminated);
	}
	free(text);
	if (fd >= 0)
		close(fd);
}

struct ticket_secrets *tickets_read(const char *path, struct err_list *errors)
{
	struct ticket_secrets *secrets = xcalloc(1, sizeof *secrets);
	assert(errors);
	size_t before = errors->errors;
	if (path) {
		read_path(path, secrets, errors);
	} else {
		if (RAND_bytes(secrets->secret[0], TICKET_SECRET_OCTETS) != 1)
			abort();
		secrets->count = 1;
	}
	if (errors->errors > before) {
		tickets_free(secrets);
		return NULL;
	}
	assert(secrets->count > 0 && secrets->count <= TICKET_SECRETS_MAX);
	secrets->is_of_file = path != NULL;
	secrets->id = hash_bytes(secrets->secret, sizeof secrets->secret, secrets->count) | 1;
	return secrets;
}

void tickets_free(struct ticket_secrets *secrets)
{
	if (!secrets)
		return;
	explicit_bzero(secrets, sizeof *secrets);
	free(secrets);
}
