/* Binding the sockets of a daemon's HTTP server. Control thread. */
#include "daemon/http_listen.h"
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

/* A socket file that nobody answers on is left over from a kill; one that somebody answers on is not
 * ours to take. */
static bool clear_way(const char *path, const struct sockaddr_un *address, const char *program,
		      struct err_list *errors)
{
	struct stat status;
	if (lstat(path, &status) < 0) {
		if (errno == ENOENT)
			return true;
		err_add(errors, path, 0, 0, "admin.socket: %s", strerror(errno));
		return false;
	}
	if (!S_ISSOCK(status.st_mode)) {
		err_add(errors, path, 0, 0, "admin.socket: the file exists and is no socket");
		return false;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int code = fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (code == 0 || code == EAGAIN) {
		err_add(errors, path, 0, 0, "another %s answers on %s", program, path);
		return false;
	}
	if (code != ECONNREFUSED || (unlink(path) < 0 && errno != ENOENT)) {
		err_add(errors, path, 0, 0, "admin.socket: the file is in the way: %s",
			strerror(code != ECONNREFUSED ? code : errno));
		return false;
	}
	return true;
}

int http_listen_unix(const char *path, const char *program, struct err_list *errors)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	assert(length > 0 && program);
	if (length >= sizeof address.sun_path) {
		err_add(errors, path, 0, 0, "admin.socket: the path has more than %zu octets",
			sizeof address.sun_path - 1);
		return -1;
	}
	memcpy(address.sun_path, path, length);
	if (!clear_way(path, &address, program, errors))
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody can connect before listen(), so that the mode is set in time. */
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
	    chmod(path, 0660) < 0 || listen(fd, BACKLOG) < 0) {
		err_add(errors, path, 0, 0, "admin.socket: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

int http_listen_tcp(const struct listen_address *address, const char *written, struct err_list *errors)
{
	int on = 1;
	assert(address->length > 0 && written);
	int fd = socket(address->sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(fd, (const struct sockaddr *)&address->sockaddr, address->length) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		err_add(errors, NULL, 0, 0, "admin.http %s: %s", written, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}
