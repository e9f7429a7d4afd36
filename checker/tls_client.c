/*
 * TLS of probes. A probe wants to tell what is wrong with a certificate, so the handshake always runs to
 * its end and the certificate is judged afterwards, before a byte of the check is sent. Checker's thread.
 */
#include "checker/tls_client.h"
#include "lib/mem.h"
#include <assert.h>
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_client {
	SSL_CTX *context;
};

static int on_certificate(X509_STORE_CTX *store, void *user)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls_link *link = SSL_get_app_data(ssl);
	if (link->verify == PROBE_VERIFY_NONE)
		return 1;
	int result = X509_verify_cert(store);
	ERR_clear_error(); /* the verdict is in the store; what is left would be taken for the stream's */
	return result;
}

/* TLS 1.3 offers sessions after the handshake, so they come by callback alone. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_link *link = SSL_get_app_data(ssl);
	SSL_SESSION_free(link->session);
	link->session = session;
	return 1; /* taken */
}

struct tls_client *tls_client_new(void)
{
	struct tls_client *client = xcalloc(1, sizeof *client);
	client->context = SSL_CTX_new(TLS_client_method());
	if (!client->context)
		abort();
	SSL_CTX_set_verify(client->context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_cert_verify_callback(client->context, on_certificate, NULL);
	SSL_CTX_set_session_cache_mode(client->context,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(client->context, on_session);
	SSL_CTX_set_mode(client->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
						  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY |
						  SSL_MODE_RELEASE_BUFFERS);
	/* Many servers end without a close_notify; HTTP's own framing tells whether anything is missing. */
	SSL_CTX_set_options(client->context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_default_verify_paths(client->context); /* without any, every chain is refused */
	ERR_clear_error();
	return client;
}

void tls_client_free(struct tls_client *client)
{
	if (!client)
		return;
	SSL_CTX_free(client->context);
	free(client);
}

static void ask_for_name(SSL *ssl, const struct tls_question *question)
{
	assert(question->name || question->address.family == 4 || question->address.family == 6);
	X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	bool is_asked;
	if (question->name)
		is_asked = X509_VERIFY_PARAM_set1_host(wanted, question->name, 0);
	else
		is_asked = X509_VERIFY_PARAM_set1_ip(wanted, question->address.bytes,
						     question->address.family == 4 ? 4 : 16);
	if (!is_asked)
		abort();
}

SSL *tls_client_connect(struct tls_client *client, int fd, const struct tls_question *question,
			SSL_SESSION *session, struct tls_link *link)
{
	SSL *ssl = SSL_new(client->context);
	if (!ssl || !SSL_set_fd(ssl, fd))
		abort();
	*link = (struct tls_link){question->verify, question->expires_within_ms, NULL};
	SSL_set_app_data(ssl, link);
	SSL_set_connect_state(ssl);
	if (question->name)
		SSL_set_tlsext_host_name(ssl, question->name);
	if (question->verify == PROBE_VERIFY_FULL)
		ask_for_name(ssl, question);
	if (question->alpn) {
		uint8_t list[32];
		assert(strlen(question->alpn) < sizeof list);
		list[0] = (uint8_t)strlen(question->alpn);
		memcpy(list + 1, question->alpn, list[0]);
		SSL_set_alpn_protos(ssl, list, list[0] + 1u);
	}
	if (session)
		SSL_set_session(ssl, session);
	ERR_clear_error();
	return ssl;
}

/* ---- judging ---- */

/* A certificate is a stranger's: its names show as printable ASCII. */
static void copy_name(const ASN1_STRING *name, char *out, size_t size)
{
	const uint8_t *bytes = ASN1_STRING_get0_data(name);
	size_t length = (size_t)ASN1_STRING_length(name);
	if (length > size - 1)
		length = size - 1;
	for (size_t i = 0; i < length; i++)
		out[i] = isascii(bytes[i]) && isgraph(bytes[i]) ? (char)bytes[i] : '?';
	out[length] = '\0';
}

static void copy_address(const ASN1_OCTET_STRING *octets, char *out, size_t size)
{
	struct ip ip = {.family = ASN1_STRING_length(octets) == 4 ? 4 : 6};
	char text[IP_TEXT_MAX];
	if (ASN1_STRING_length(octets) != 4 && ASN1_STRING_length(octets) != 16)
		return;
	memcpy(ip.bytes, ASN1_STRING_get0_data(octets), (size_t)ASN1_STRING_length(octets));
	ip_format(&ip, text);
	snprintf(out, size, "%s", text);
}

/* The first name that the certificate is for. */
static void name_of(X509 *certificate, char *out, size_t size)
{
	snprintf(out, size, "another name");
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_DNS)
			copy_name(name->d.dNSName, out, size);
		else if (name->type == GEN_IPADD)
			copy_address(name->d.iPAddress, out, size);
		else
			continue;
		GENERAL_NAMES_free(names);
		return;
	}
	GENERAL_NAMES_free(names);
	X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at >= 0)
		copy_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), out, size);
}

static const char *judge_chain(const SSL *ssl, X509 *certificate, char reason[static TLS_REASON_MAX])
{
	long error = SSL_get_verify_result(ssl);
	char name[64];
	switch (error) {
	case X509_V_OK:
		return NULL;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0
			       ? "certificate expired"
			       : "certificate of an issuer expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "certificate is not valid yet";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		name_of(certificate, name, sizeof name);
		snprintf(reason, TLS_REASON_MAX, "certificate is for %s", name);
		return reason;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return "certificate is self-signed";
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* a stranger with a trusted name */
		return "certificate issuer is not trusted";
	default:
		snprintf(reason, TLS_REASON_MAX, "certificate refused: %s",
			 X509_verify_cert_error_string(error));
		return reason;
	}
}

static const char *judge_expiry(const X509 *certificate, uint64_t within_ms,
				char reason[static TLS_REASON_MAX])
{
	int days = 0, seconds = 0;
	if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)))
		return "certificate has no valid end";
	int64_t left_s = (int64_t)days * 86400 + seconds;
	if (left_s < 0)
		return "certificate expired";
	if ((uint64_t)left_s * 1000 >= within_ms)
		return NULL;
	if (left_s >= 86400)
		snprintf(reason, TLS_REASON_MAX, "certificate expires in %lldd", (long long)left_s / 86400);
	else if (left_s >= 3600)
		snprintf(reason, TLS_REASON_MAX, "certificate expires in %lldh", (long long)left_s / 3600);
	else
		snprintf(reason, TLS_REASON_MAX, "certificate expires in %lldm", (long long)left_s / 60);
	return reason;
}

const char *tls_client_judge(SSL *ssl, const struct tls_link *link, char reason[static TLS_REASON_MAX])
{
	if (link->verify == PROBE_VERIFY_NONE && link->expires_within_ms == 0)
		return NULL;
	X509 *certificate = SSL_get0_peer_certificate(ssl);
	if (!certificate)
		return "no certificate";
	const char *wrong = link->verify == PROBE_VERIFY_NONE ? NULL : judge_chain(ssl, certificate, reason);
	if (!wrong && link->expires_within_ms > 0)
		wrong = judge_expiry(certificate, link->expires_within_ms, reason);
	return wrong;
}

/* ---- words ---- */

const char *tls_client_error(char reason[static TLS_REASON_MAX])
{
	unsigned long error = ERR_get_error();
	ERR_clear_error();
	if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_WRONG_VERSION_NUMBER)
		return "the answer is not TLS";
	const char *words = ERR_reason_error_string(error);
	snprintf(reason, TLS_REASON_MAX, "%s", words ? words : "unknown error");
	return reason;
}

void tls_client_session_free(SSL_SESSION *session)
{
	SSL_SESSION_free(session);
}
