/*
 * The tls check: a handshake, and a certificate that is as the check wants it. https goes through the
 * same door. Runs on the checker's thread.
 */
#include "checker/probe_tls.h"
#include <assert.h>
#include <string.h>

/* A host may carry a port, and a name the final dot that no certificate has (RFC 6066 §3). Addresses are no
 * names: false. */
static bool name_of_host(const char *host, char name[static PROBE_TLS_NAME_MAX])
{
	struct ip ip;
	size_t length = strcspn(host, ":");
	if (host[0] == '[' || ip_parse(host, &ip))
		return false;
	if (length > 0 && host[length - 1] == '.')
		length--;
	if (length == 0 || length >= PROBE_TLS_NAME_MAX)
		return false;
	memcpy(name, host, length);
	name[length] = '\0';
	return !ip_parse(name, &ip);
}

struct tls_question probe_tls_question(const struct ip *address, const struct probe_spec *spec,
				       char name[static PROBE_TLS_NAME_MAX])
{
	const char *host = spec->sni ? spec->sni : spec->host ? spec->host : spec->name;
	return (struct tls_question){
		.name = host && name_of_host(host, name) ? name : NULL,
		.address = *address,
		.alpn = spec->kind->alpn,
		.verify = spec->verify,
		.expires_within_ms = spec->expires_within_ms,
	};
}

static void on_handshake(evutil_socket_t fd, short events, void *user)
{
	struct probe *probe = user;
	enum stream_status status = stream_handshake(probe->stream);
	if (status == STREAM_WANTS_READ || status == STREAM_WANTS_WRITE) {
		probe_wait_stream(probe, status, on_handshake);
		return;
	}
	if (status != STREAM_GOOD) {
		probe_fail_stream(probe, "handshake failed: ");
		return;
	}
	const char *wrong = stream_judge_certificate(probe->stream);
	if (wrong)
		probe_fail(probe, "%s", wrong);
	else
		probe->kind->ask(probe);
}

void probe_tls_secure(struct probe *probe)
{
	char name[PROBE_TLS_NAME_MAX];
	assert(probe->kept && probe->kept->tls);
	struct tls_question question = probe_tls_question(&probe->address, probe->spec, name);
	probe->stream = stream_tls(probe->fd, probe->kept->tls, &question, probe->kept->session);
	on_handshake(probe->fd, EV_WRITE, probe);
}

const struct probe_kind probe_tls = {
	.name = "tls",
	.default_port = 443,
	.keys = PROBE_KEYS_TLS,
	.secure = probe_tls_secure,
	.ask = probe_succeed,
};
