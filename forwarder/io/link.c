/* The two calls of a socket and its flags. A worker's thread. */
#include "forwarder/io/link.h"
#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECES_MAX 4

uint64_t link_event_data(const struct link *link)
{
	assert(link->number < (uint32_t)1 << 30);
	return (uint64_t)link->generation << 32 | (uint64_t)link->kind << 30 | link->number;
}

bool link_watch(struct link *link, int epoll_fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.u64 = link_event_data(link)};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, link->socket.fd, &event) == 0;
}

void link_notice(struct link *link, uint32_t events)
{
	struct tls_socket *socket = &link->socket;

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		socket->can_read = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		socket->is_ended = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		socket->can_write = true;
	if (events & (EPOLLHUP | EPOLLERR))
		link->is_broken = true;
}

static enum link_result of_tls(enum tls_result result)
{
	switch (result) {
	case TLS_OK:
		return LINK_DONE;
	case TLS_WANTS_READ:
	case TLS_WANTS_WRITE:
		return LINK_AGAIN;
	case TLS_CLOSED:
		return LINK_ENDED;
	case TLS_CUT:
		return LINK_CUT;
	case TLS_FAILED:
		break;
	}
	return LINK_FAILED;
}

enum link_result link_receive(struct link *link, void *octets, size_t size, size_t *ret)
{
	assert(size != 0);
	if (link->tls)
		return of_tls(tls_read(link->tls, &link->socket, octets, size, ret));
	ssize_t got = recv(link->socket.fd, octets, size, 0);
	if (got > 0) {
		/* A short read has emptied the socket; what comes then is an event. Behind a FIN there is
		 * none. */
		link->socket.can_read = (size_t)got == size || link->socket.is_ended;
		*ret = (size_t)got;
		return LINK_DONE;
	}
	link->socket.can_read = got < 0 && errno == EINTR;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return LINK_AGAIN;
	return got == 0 ? LINK_ENDED : LINK_FAILED;
}

static enum link_result send_plain(struct tls_socket *socket, const struct iovec *pieces, unsigned count,
				   size_t *ret)
{
	size_t length = 0;
	ssize_t sent;

	for (unsigned i = 0; i < count; i++)
		length += pieces[i].iov_len;
	if (count == 1) {
		sent = send(socket->fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL);
	} else {
		struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = count};
		sent = sendmsg(socket->fd, &message, MSG_NOSIGNAL);
	}
	if (sent >= 0) {
		socket->can_write = (size_t)sent == length;
		*ret = (size_t)sent;
		return LINK_DONE;
	}
	socket->can_write = errno == EINTR;
	return errno == EAGAIN || errno == EINTR ? LINK_AGAIN : LINK_FAILED;
}

enum link_result link_send(struct link *link, const struct iovec *pieces, unsigned count, size_t *ret)
{
	assert(count >= 1 && count <= PIECES_MAX);
	if (!link->tls)
		return send_plain(&link->socket, pieces, count, ret);
	enum link_result result = of_tls(tls_write(link->tls, &link->socket, pieces, count, ret));
	/* What the socket refused is held there, and the caller's octets are taken all the same. */
	return result == LINK_AGAIN && *ret != 0 ? LINK_DONE : result;
}

bool link_has_unsent(const struct link *link)
{
	return link->tls && tls_has_unsent(link->tls);
}

enum link_result link_flush(struct link *link)
{
	size_t taken;

	if (!link_has_unsent(link))
		return LINK_DONE;
	if (!link->socket.can_write)
		return LINK_AGAIN;
	enum tls_result result = tls_write(link->tls, &link->socket, NULL, 0, &taken);
	return of_tls(result);
}

void link_finish(struct link *link)
{
	if (link->tls)
		tls_close(link->tls, &link->socket);
	shutdown(link->socket.fd, SHUT_WR);
}

void link_close_tls(struct link *link)
{
	tls_free(link->tls);
	link->tls = NULL;
}

void link_close(struct link *link, bool aborts)
{
	link_close_tls(link);
	if (aborts) {
		struct linger linger = {.l_onoff = 1};
		setsockopt(link->socket.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	}
	close(link->socket.fd); /* takes it out of epoll, too */
	link->socket = (struct tls_socket){.fd = -1};
	link->is_broken = false;
	link->generation++;
}

bool link_has_input(const struct link *link)
{
	return link->tls ? tls_has_more(link->tls, &link->socket) : link->socket.can_read;
}
