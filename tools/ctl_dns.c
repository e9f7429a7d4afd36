/*
 * DNS messages to one server at a time. c-ares sends, repeats and waits; the reply is read here, as a
 * referral needs all of its sections. One thread.
 */
#include "tools/ctl_dns.h"
#include "lib/mem.h"
#include "zones/rrtype.h"
#include <ares.h>
#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct exchange {
	struct dns_reply *reply;
	const char *why;
	bool is_done;
};

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* Reads the name at `at`, which may be compressed, as lower-case text with a final dot. Returns where it
 * ends, or NULL when it is malformed. */
static const uint8_t *read_name(const uint8_t *at, const uint8_t *wire, int length,
				char out[static NAME_TEXT_MAX])
{
	char *text;
	long used;
	if (ares_expand_name(at, wire, length, &text, &used) != ARES_SUCCESS)
		return NULL;
	size_t written = strlen(text);
	bool fits = written + 2 <= NAME_TEXT_MAX;
	for (size_t i = 0; fits && i < written; i++)
		out[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
	if (fits)
		strcpy(out + written, written && text[written - 1] == '.' ? "" : ".");
	ares_free_string(text);
	return fits ? at + used : NULL;
}

static bool read_data(const uint8_t *data, unsigned size, const uint8_t *wire, int length,
		      struct dns_record *record)
{
	char ignored[NAME_TEXT_MAX];
	switch (record->type) {
	case RR_NS:
	case RR_CNAME:
		return read_name(data, wire, length, record->target) != NULL;
	case RR_A:
	case RR_AAAA:
		record->address.family = record->type == RR_A ? 4 : 6;
		if (size != (record->type == RR_A ? 4u : 16u))
			return false;
		memcpy(record->address.bytes, data, size);
		return true;
	case RR_SOA: {
		const uint8_t *at = read_name(data, wire, length, ignored);
		at = at ? read_name(at, wire, length, ignored) : NULL;
		if (!at || at + 20 != data + size)
			return false;
		record->serial = (uint32_t)get16(at) << 16 | get16(at + 2);
		return true;
	}
	default:
		return false;
	}
}

/* False: the message is malformed. */
static bool read_reply(const uint8_t *wire, int length, struct dns_reply *ret)
{
	char ignored[NAME_TEXT_MAX];
	const uint8_t *at = wire + 12, *end = wire + length;
	if (length < 12)
		return false;
	ret->is_authoritative = wire[2] & 0x04;
	ret->is_truncated = wire[2] & 0x02;
	ret->rcode = wire[3] & 0x0f;
	ret->count = 0;
	for (unsigned i = get16(wire + 4); i > 0; i--) {
		at = read_name(at, wire, length, ignored);
		if (!at || end - at < 4)
			return false;
		at += 4;
	}
	for (unsigned section = DNS_ANSWER; section <= DNS_ADDITIONAL; section++) {
		for (unsigned i = get16(wire + 6 + 2 * section); i > 0; i--) {
			struct dns_record record = {.section = section};
			at = read_name(at, wire, length, record.owner);
			if (!at || end - at < 10 || end - at < 10 + (long)get16(at + 8))
				return false;
			record.type = (uint16_t)get16(at);
			if (ret->count < DNS_RECORDS_MAX &&
			    read_data(at + 10, get16(at + 8), wire, length, &record))
				ret->records[ret->count++] = record;
			at += 10 + get16(at + 8);
			assert(at <= end);
		}
	}
	assert(ret->count <= DNS_RECORDS_MAX);
	return true;
}

static void on_reply(void *user, int status, int timeouts, unsigned char *wire, int length)
{
	struct exchange *exchange = user;
	assert(!exchange->is_done && (!wire || length > 0));
	exchange->is_done = true;
	if (wire)
		exchange->why = read_reply(wire, length, exchange->reply) ? NULL : "malformed reply";
	else if (status == ARES_ETIMEOUT)
		exchange->why = "timeout";
	else if (status == ARES_ECONNREFUSED)
		exchange->why = "connection refused";
	else
		exchange->why = ares_strerror(status);
}

static void wait_for(ares_channel channel, const struct exchange *exchange)
{
	while (!exchange->is_done) {
		ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
		int wanted = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
		struct pollfd polled[ARES_GETSOCK_MAXNUM];
		nfds_t count = 0;
		for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
			short events = (ARES_GETSOCK_READABLE(wanted, i) ? POLLIN : 0) |
				       (ARES_GETSOCK_WRITABLE(wanted, i) ? POLLOUT : 0);
			if (events)
				polled[count++] = (struct pollfd){.fd = sockets[i], .events = events};
		}
		struct timeval most = {1, 0}, due;
		const struct timeval *next = ares_timeout(channel, &most, &due);
		poll(polled, count, (int)(next->tv_sec * 1000 + next->tv_usec / 1000 + 1));
		if (count == 0)
			ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		for (nfds_t i = 0; i < count && !exchange->is_done; i++)
			ares_process_fd(channel,
					polled[i].revents & ~POLLOUT ? polled[i].fd : ARES_SOCKET_BAD,
					polled[i].revents & POLLOUT ? polled[i].fd : ARES_SOCKET_BAD);
	}
}

const char *ctl_dns_ask(const struct dns_server *server, const char *name, uint16_t type,
			struct dns_reply *ret)
{
	assert(!server->address || server->port > 0);
	assert(server->timeout_ms > 0);
	struct ares_options options = {
		.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS |
			 (server->recurses ? 0 : ARES_FLAG_NORECURSE) |
			 (server->is_tcp ? ARES_FLAG_USEVC : 0),
		.timeout = (int)server->timeout_ms,
		.tries = server->is_tcp ? 1 : 2,
		.ednspsz = 1232,
	};
	ares_channel channel;
	struct exchange exchange = {.reply = ret};
	if (ares_init_options(&channel, &options,
			      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ) !=
	    ARES_SUCCESS)
		return "c-ares cannot be set up";
	bool is_set = true;
	if (server->address) {
		char *written = xasprintf(strchr(server->address, ':') ? "[%s]:%u" : "%s:%u", server->address,
					  server->port);
		is_set = ares_set_servers_ports_csv(channel, written) == ARES_SUCCESS;
		free(written);
	}
	if (is_set) {
		ares_query(channel, name, 1 /* IN */, type, on_reply, &exchange);
		wait_for(channel, &exchange);
	} else {
		exchange.why = "not an address";
	}
	assert(exchange.is_done == is_set);
	ares_destroy(channel);
	return exchange.why;
}
