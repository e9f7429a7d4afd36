/* Opening the sockets that clients connect to. Control thread. */
#include "forwarder/io/listeners.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define USER_TIMEOUT_MS 30000

static void set_options(int fd, int family)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{SOL_SOCKET, SO_REUSEADDR, 1},
		{SOL_SOCKET, SO_REUSEPORT, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
	};

	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));
}

int listeners_open(const struct listener_address *listener, struct sockaddr_storage *ret,
		   struct err_list *errors)
{
	const struct sockaddr *address = (const struct sockaddr *)&listener->address.sockaddr;
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof *ret;

	if (fd < 0) {
		err_add(errors, NULL, 0, 0, "cannot listen on %s: %s", listener->written, strerror(errno));
		return -1;
	}
	set_options(fd, address->sa_family);
	if (bind(fd, address, listener->address.length) == 0 && listen(fd, LISTENERS_BACKLOG) == 0 &&
	    getsockname(fd, (struct sockaddr *)ret, &length) == 0)
		return fd;
	err_add(errors, NULL, 0, 0, "cannot listen on %s: %s", listener->written, strerror(errno));
	close(fd);
	return -1;
}
