/* Handshakes as clients see them: which certificate a name gets, whose sessions are resumed. */
#include "forwarder/tls/tls_keys.h"
#include "lib/hash.h"
#include "tests/support/tls_rig.h"
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct certificate ca, site, wild, both_ec, both_rsa, fallback;

static int make_certificates(void **state)
{
	ca = certificate_make("P-256", "the authority", NULL, true, 90);
	site = certificate_make("P-256", "site.example,www.site.example", &ca, false, 90);
	wild = certificate_make("P-384", "*.wild.example", &ca, false, 90);
	both_ec = certificate_make("P-256", "both.example", &ca, false, 90);
	both_rsa = certificate_make("RSA-2048", "both.example", &ca, false, 90);
	fallback = certificate_make("P-256", "fallback.example", &ca, false, 90);
	return 0;
}

static int free_certificates(void **state)
{
	struct certificate *all[] = {&ca, &site, &wild, &both_ec, &both_rsa, &fallback};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		certificate_free(all[i]);
	return 0;
}

static void add(struct certnames *names, const struct certificate *certificate, const char *name,
		bool is_default)
{
	struct certnames_entry *entry = certificate_entry(certificate, &ca);
	certnames_add(names, entry, &name, 1);
	if (is_default)
		certnames_set_default(names, entry);
	certnames_entry_unref(entry);
}

static const struct certnames *table(bool has_default)
{
	struct certnames *names = certnames_new(7);
	add(names, &site, "site.example", false);
	add(names, &site, "www.site.example", false);
	add(names, &wild, "*.wild.example", false);
	add(names, &both_ec, "both.example", false);
	add(names, &both_rsa, "both.example", false);
	if (has_default)
		add(names, &fallback, "fallback.example", true);
	return names;
}

/* The certificate that a client with this SNI sees; NULL: an alert, of which the reason is in *ret_reason. */
static const struct certificate *shown(struct tls_rig *rig, const char *name, int *ret_reason)
{
	const struct certificate *all[] = {&site, &wild, &both_ec, &both_rsa, &fallback}, *found = NULL;
	struct tls_pair pair;
	tls_pair_open(&pair, rig, name, SOCK_STREAM);
	if (tls_pair_shake(&pair)) {
		X509 *seen = SSL_get0_peer_certificate(pair.ssl);
		for (size_t i = 0; i < sizeof all / sizeof *all; i++)
			if (X509_cmp(all[i]->x509, seen) == 0)
				found = all[i];
		assert_non_null(found);
		assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(pair.ssl)), 2);
	} else {
		assert_int_equal(pair.last, TLS_FAILED);
		*ret_reason = tls_pair_reason();
	}
	tls_pair_close(&pair);
	return found;
}

static void test_a_name_has_its_certificate(void **state)
{
	struct tls_rig rig;
	int reason = 0;
	tls_rig_init(&rig, table(true), false);
	assert_ptr_equal(shown(&rig, "site.example", &reason), &site);
	assert_ptr_equal(shown(&rig, "WWW.Site.Example", &reason), &site);
	assert_string_equal(rig.name, "www.site.example");
	assert_ptr_equal(shown(&rig, "a.wild.example", &reason), &wild);
	assert_ptr_equal(shown(&rig, NULL, &reason), &fallback);
	assert_string_equal(rig.name, "");
	const struct tls_counters *counters = tls_context_counters(rig.context);
	assert_int_equal(counter_read(&counters->full), 4);
	assert_int_equal(counter_read(&counters->cache_misses), 3);
	assert_int_equal(counter_read(&counters->cache_hits), 1);
	tls_rig_done(&rig);
}

static void test_a_name_without_a_certificate_gets_none(void **state)
{
	struct tls_rig rig;
	int reason = 0;
	tls_rig_init(&rig, table(true), false);
	static const char *const strange[] = {"other.example",	 "a.b.wild.example", "wild.example",
					      "a..wild.example", "10.0.0.1",	     "-",
					      "a b.example"};
	for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
		assert_null(shown(&rig, strange[i], &reason));
		assert_int_equal(reason, SSL_R_TLSV1_UNRECOGNIZED_NAME);
	}
	assert_int_equal(counter_read(&tls_context_counters(rig.context)->unrecognized), 7);
	assert_int_equal(counter_read(&tls_context_counters(rig.context)->full), 0);
	tls_rig_done(&rig);
}

static void test_no_name_without_a_default_gets_none(void **state)
{
	struct tls_rig rig;
	int reason = 0;
	tls_rig_init(&rig, table(false), false);
	assert_null(shown(&rig, NULL, &reason));
	assert_int_equal(reason, SSL_R_TLSV1_UNRECOGNIZED_NAME);
	certnames_unref(rig.names);
	rig.names = NULL; /* a world without certificates */
	assert_null(shown(&rig, "site.example", &reason));
	assert_int_equal(reason, SSL_R_TLSV1_UNRECOGNIZED_NAME);
	tls_rig_done(&rig);
}

static void test_a_tenant_at_its_limit_is_told_so(void **state)
{
	struct tls_rig rig;
	int reason = 0;
	tls_rig_init(&rig, table(false), false);
	rig.limits = true;
	assert_null(shown(&rig, "site.example", &reason));
	assert_int_equal(reason, SSL_R_TLSV1_ALERT_INTERNAL_ERROR);
	assert_int_equal(counter_read(&tls_context_counters(rig.context)->limited), 1);
	tls_rig_done(&rig);
}

static void test_the_client_chooses_between_two_kinds(void **state)
{
	struct tls_rig rig;
	int reason = 0;
	tls_rig_init(&rig, table(false), false);
	assert_ptr_equal(shown(&rig, "both.example", &reason), &both_ec);
	SSL_CTX_set1_sigalgs_list(rig.peer, "RSA-PSS+SHA256:RSA+SHA256");
	assert_null(shown(&rig, "site.example", &reason)); /* it has none */
	tls_rig_done(&rig);

	/* one that knows RSA alone: its sigalgs have to cover the chain as well */
	tls_rig_init(&rig, table(false), false);
	SSL_CTX_set1_sigalgs_list(rig.peer, "RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA512");
	assert_ptr_equal(shown(&rig, "both.example", &reason), &both_rsa);
	tls_rig_done(&rig);
}

static void test_old_versions_and_weak_ciphers_are_refused(void **state)
{
	struct tls_rig rig;
	int reason = 0;
	tls_rig_init(&rig, table(false), true);
	SSL_CTX_set_max_proto_version(rig.peer, TLS1_2_VERSION);
	assert_null(shown(&rig, "site.example", &reason));
	assert_int_equal(reason, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
	tls_rig_done(&rig);
	tls_rig_init(&rig, table(false), false);
	SSL_CTX_set_max_proto_version(rig.peer, TLS1_2_VERSION);
	assert_ptr_equal(shown(&rig, "site.example", &reason), &site);
	SSL_CTX_set_cipher_list(rig.peer, "ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256"); /* CBC; no ECDHE */
	assert_null(shown(&rig, "site.example", &reason));
	assert_int_equal(reason, SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE);
	tls_rig_done(&rig);
}

static void test_a_second_hello_counts_once(void **state)
{
	struct tls_rig rig;
	int reason = 0;
	tls_rig_init(&rig, table(false), false);
	SSL_CTX_set1_groups_list(rig.peer,
				 "P-521:P-384"); /* shares one that is not taken: HelloRetryRequest */
	assert_ptr_equal(shown(&rig, "site.example", &reason), &site);
	assert_int_equal(rig.hellos, 2);
	assert_int_equal(rig.hellos_again, 1);
	tls_rig_done(&rig);
}

/* ---- protocols ---- */

static void test_a_common_protocol_is_needed(void **state)
{
	static const struct {
		const char *offered, *chosen; /* NULL: an alert */
	} cases[] = {
		{"", ""},	  {"\x08http/1.1", "http/1.1"}, {"\x02h2\x08http/1.1", "http/1.1"},
		{"\x02h2", NULL}, {"\x08http/1.0\x02h3", NULL},
	};
	struct tls_rig rig;
	tls_rig_init(&rig, table(false), false);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tls_pair pair;
		struct tls_facts facts;
		tls_pair_open(&pair, &rig, "site.example", SOCK_STREAM);
		SSL_set_alpn_protos(pair.ssl, (const unsigned char *)cases[i].offered,
				    (unsigned)strlen(cases[i].offered));
		assert_int_equal(tls_pair_shake(&pair), cases[i].chosen != NULL);
		if (cases[i].chosen) {
			tls_facts(pair.tls, &facts);
			assert_string_equal(facts.alpn, cases[i].chosen);
			assert_string_equal(facts.version, "TLSv1.3");
			assert_string_equal(facts.name, "site.example");
		} else {
			assert_int_equal(tls_pair_reason(), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
			assert_string_equal(tls_failure(pair.tls), "no common protocol");
		}
		tls_pair_close(&pair);
	}
	assert_int_equal(counter_read(&tls_context_counters(rig.context)->no_protocol), 2);
	tls_rig_done(&rig);
}

/* ---- OCSP ---- */

static int on_status(SSL *ssl, void *user)
{
	const unsigned char *response;
	long length = SSL_get_tlsext_status_ocsp_resp(ssl, &response);
	snprintf(user, 16, "%.*s", length > 0 ? (int)length : 0, length > 0 ? (const char *)response : "");
	return 1;
}

static void test_a_staple_is_shown_while_it_is_valid(void **state)
{
	struct tls_rig rig;
	char seen[16] = "";
	struct certnames *names = certnames_new(7);
	struct certnames_entry *plain = certificate_entry(&site, NULL), values = *plain;
	const char *name = "site.example";
	values.staple = (const uint8_t *)"a staple";
	values.staple_length = 8;
	values.staple_until_s = 1700000100;
	struct certnames_entry *entry = certnames_entry_new(&values);
	certnames_add(names, entry, &name, 1);
	certnames_entry_unref(entry);
	certnames_entry_unref(plain);
	tls_rig_init(&rig, names, false);
	SSL_CTX_set_tlsext_status_type(rig.peer, TLSEXT_STATUSTYPE_ocsp);
	SSL_CTX_set_tlsext_status_cb(rig.peer, on_status);
	SSL_CTX_set_tlsext_status_arg(rig.peer, seen);
	for (int i = 0; i < 2; i++) {
		struct tls_pair pair;
		tls_pair_open(&pair, &rig, name, SOCK_STREAM);
		assert_true(tls_pair_shake(&pair));
		assert_string_equal(seen, i == 0 ? "a staple" : "");
		tls_pair_close(&pair);
		tls_context_set_time(rig.context, 1700000100);
	}
	tls_rig_done(&rig);
}

/* ---- sessions ---- */

static void resume(int version)
{
	struct tls_rig rig;
	bool is_resumed;
	tls_rig_init(&rig, table(false), false);
	SSL_CTX_set_max_proto_version(rig.peer, version);
	SSL_SESSION *first = tls_pair_session(&rig, "site.example", NULL, &is_resumed);
	assert_non_null(first);
	assert_false(is_resumed);
	SSL_SESSION *again = tls_pair_session(&rig, "site.example", first, &is_resumed);
	assert_true(is_resumed);
	/* a ticket of 1.3 is used but once, so there is another for the next time */
	assert_true((again != NULL) == (version == TLS1_3_VERSION));
	if (again)
		SSL_SESSION_free(tls_pair_session(&rig, "site.example", again, &is_resumed));
	assert_true(is_resumed);
	SSL_SESSION_free(again);
	/* another worker, another node: only the secret is the same */
	struct tls_rig other;
	tls_rig_init(&other, table(false), false);
	SSL_CTX_set_max_proto_version(other.peer, version);
	SSL_SESSION_free(tls_pair_session(&other, "site.example", first, &is_resumed));
	assert_true(is_resumed);
	/* another secret */
	other.secrets.secret[0][0] ^= 1;
	other.secrets.id++;
	SSL_SESSION_free(tls_pair_session(&other, "site.example", first, &is_resumed));
	assert_false(is_resumed);
	tls_rig_done(&other);
	SSL_SESSION_free(first);
	tls_rig_done(&rig);
}

static void test_a_session_is_resumed_by_all_who_know_the_secret(void **state)
{
	resume(TLS1_3_VERSION);
	resume(TLS1_2_VERSION);
}

static void never_elsewhere(int version)
{
	struct tls_rig rig;
	bool is_resumed;
	tls_rig_init(&rig, table(false), false);
	SSL_CTX_set_max_proto_version(rig.peer, version);
	/* one certificate, two tenants */
	SSL_SESSION *session = tls_pair_session(&rig, "site.example", NULL, &is_resumed);
	SSL_SESSION_free(tls_pair_session(&rig, "www.site.example", session, &is_resumed));
	assert_false(is_resumed);
	/* one tenant, two certificates */
	rig.tenant = 4711;
	SSL_SESSION_free(session);
	session = tls_pair_session(&rig, "site.example", NULL, &is_resumed);
	SSL_SESSION_free(tls_pair_session(&rig, "both.example", session, &is_resumed));
	assert_false(is_resumed);
	/* and where both are the same, it is */
	SSL_SESSION_free(tls_pair_session(&rig, "site.example", session, &is_resumed));
	assert_true(is_resumed);
	SSL_SESSION_free(session);
	tls_rig_done(&rig);
}

static void test_a_session_of_one_never_resumes_under_another(void **state)
{
	never_elsewhere(TLS1_3_VERSION);
	never_elsewhere(TLS1_2_VERSION);
}

static void test_keys_of_tickets_change_by_the_clock(void **state)
{
	static const struct {
		int64_t later_s;
		bool is_resumed;
	} cases[] = {{TLS_KEYS_PERIOD_S, true},
		     {2 * TLS_KEYS_PERIOD_S, true},
		     {3 * TLS_KEYS_PERIOD_S, false},
		     {-TLS_KEYS_PERIOD_S, true},
		     {-2 * TLS_KEYS_PERIOD_S, false}};
	struct tls_rig rig;
	bool is_resumed;
	tls_rig_init(&rig, table(false), false);
	SSL_SESSION *session = tls_pair_session(&rig, "site.example", NULL, &is_resumed);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		tls_context_set_time(rig.context, rig.unix_s + cases[i].later_s);
		SSL_SESSION_free(tls_pair_session(&rig, "site.example", session, &is_resumed));
		assert_int_equal(is_resumed, cases[i].is_resumed);
	}
	SSL_SESSION_free(session);
	/* without a secret there are no tickets */
	rig.secrets.count = 0;
	assert_null(tls_pair_session(&rig, "site.example", NULL, &is_resumed));
	tls_rig_done(&rig);
}

static void test_a_covered_name(void **state)
{
	struct tls_rig rig;
	struct tls_pair pair;
	tls_rig_init(&rig, table(false), false);
	tls_pair_open(&pair, &rig, "site.example", SOCK_STREAM);
	assert_true(tls_pair_shake(&pair));
	assert_true(tls_covers(pair.tls, rig.names, "www.site.example", 16));
	assert_false(tls_covers(pair.tls, rig.names, "both.example", 12));
	assert_false(tls_covers(pair.tls, rig.names, "nobody.example", 14));
	assert_int_equal(tls_tenant_hash(pair.tls), hash_bytes("site.example", 12, 1));
	tls_pair_close(&pair);
	tls_rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_has_its_certificate),
		cmocka_unit_test(test_a_name_without_a_certificate_gets_none),
		cmocka_unit_test(test_no_name_without_a_default_gets_none),
		cmocka_unit_test(test_a_tenant_at_its_limit_is_told_so),
		cmocka_unit_test(test_the_client_chooses_between_two_kinds),
		cmocka_unit_test(test_old_versions_and_weak_ciphers_are_refused),
		cmocka_unit_test(test_a_second_hello_counts_once),
		cmocka_unit_test(test_a_common_protocol_is_needed),
		cmocka_unit_test(test_a_staple_is_shown_while_it_is_valid),
		cmocka_unit_test(test_a_session_is_resumed_by_all_who_know_the_secret),
		cmocka_unit_test(test_a_session_of_one_never_resumes_under_another),
		cmocka_unit_test(test_keys_of_tickets_change_by_the_clock),
		cmocka_unit_test(test_a_covered_name),
	};
	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
