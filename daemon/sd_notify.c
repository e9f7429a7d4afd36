/* Telling systemd how a daemon is. Any thread. */
#include "daemon/sd_notify.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool sd_notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = path ? strlen(path) : 0;

	/* A path, or '@' and the name of an abstract socket, which is no NUL-terminated text. */
	if (length < 2 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
		return false;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	size_t size = offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '/');
	size_t octets = strlen(state);
	bool is_sent = sendto(fd, state, octets, MSG_NOSIGNAL, (const struct sockaddr *)&address,
			      (socklen_t)size) == (ssize_t)octets;
	close(fd);
	return is_sent;
}
