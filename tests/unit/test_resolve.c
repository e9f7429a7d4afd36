/* resolve(): what answers consist of, section by section; the wire form is the golden tests' matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gslb/decide/resolve.h"
#include "tests/support/fixture.h"
#include <stdlib.h>
#include <string.h>

static const char world_text[] = "region eu 50.1 8.7\n"
				 "region us 38.9 -77.4\n"
				 "place 81.2.69.0/24 51.5 -0.1\n"
				 "place 216.160.83.0/24 47.2 -122.3\n"
				 "service shop order=nearest ttl_min=5 ttl_max=60\n"
				 "vip shop eu 192.0.2.11\n"
				 "vip shop us 198.51.100.12\n"
				 "vip shop eu 2001:db8::11\n"
				 "service dead order=listed ttl_min=5 ttl_max=60\n"
				 "vip dead eu 192.0.2.99 state=down\n"
				 "service dark order=listed ttl_min=5 ttl_max=60 last_resort=nodata\n"
				 "vip dark eu 192.0.2.98 state=down\n"
				 "vip dark us 2001:db8::98 state=down\n"
				 "zone app.test\n"
				 "@ 300 IN SOA ns1 hostmaster 7 3600 600 86400 120\n"
				 "@ 300 IN NS ns1\n"
				 "@ 300 IN NS ns.elsewhere.test.\n"
				 "@ 300 IN MX 10 mail\n"
				 "ns1 300 IN A 192.0.2.1\n"
				 "mail 300 IN A 192.0.2.2\n"
				 "mail 300 IN AAAA 2001:db8::2\n"
				 "acme 300 IN TXT \"static beside the tenant\"\n"
				 "alias 60 IN CNAME acme\n"
				 "out 60 IN CNAME www.example.org.\n"
				 "loop1 60 IN CNAME loop2\n"
				 "loop2 60 IN CNAME loop1\n"
				 "gone 60 IN CNAME nothing\n"
				 "tree 60 IN DNAME leaf\n"
				 "turn1 60 IN DNAME turn2\n"
				 "turn2 60 IN DNAME turn1\n"
				 "down 60 IN DNAME Deep.Down\n"
				 "home 60 IN DNAME far\n"
				 "back.far 60 IN CNAME Home\n"
				 "own 60 IN SVCB 0 Own\n"
				 "self 60 IN SVCB 1 Self\n"
				 "*.wild 60 IN A 192.0.2.4\n"
				 "towild 60 IN MX 10 m.wild\n"
				 "t 60 IN DNAME a-target-label-that-is-long-enough-to-run-over-the-limit\n"
				 "a.leaf 60 IN TXT \"found\"\n"
				 "sub 60 IN NS ns.sub\n"
				 "ns.sub 60 IN A 192.0.2.3\n"
				 "end\n"
				 "tenant acme.app.test shop\n"
				 "tenant eu-only.app.test shop regions=eu\n"
				 "tenant stopped.app.test shop suspended=1\n"
				 "tenant dead.app.test dead\n"
				 "tenant dark.app.test dark\n"
				 "tenant dark-eu.app.test dark regions=eu\n";

static struct world *world;
static struct answer answer;
static struct name asked, as_written;

static void ask(const char *name, uint16_t type, const char *client_address)
{
	struct client client = {.source_bits = 32};
	assert_null(name_from_text(name, NULL, &asked));
	as_written = asked; /* in capitals, for names have no case (RFC 4343) */
	for (size_t i = 0; i < asked.length; i++)
		if (asked.octets[i] >= 'a' && asked.octets[i] <= 'z')
			as_written.octets[i] -= 'a' - 'A';
	assert_true(ip_parse(client_address, &client.address));
	client.resolver = client.address;
	struct question question = {.name = asked.octets,
				    .as_asked = as_written.octets,
				    .length = asked.length,
				    .type = type,
				    .hash = name_hash(asked.octets, asked.length)};
	memset(&answer, 0xa5, sizeof answer); /* nothing may rely on a clean slate */
	const struct node *node = index_get(world->index, question.name, question.length, question.hash);
	resolve(world, &question, (struct found){.node = node}, &client, &(struct rng){{1, 1}}, &answer);
}

static void assert_sections(unsigned answers, unsigned authority, unsigned additional)
{
	assert_int_equal(answer.answer_count, answers);
	assert_int_equal(answer.authority_count, authority);
	assert_int_equal(answer.additional_count, additional);
}

static void assert_addresses(uint16_t type, const char *expected)
{
	char text[IP_TEXT_MAX];
	struct ip addresses[ANSWERS_MAX];
	assert_int_equal(resolve_addresses(&answer, type, addresses), 1);
	ip_format(&addresses[0], text);
	assert_string_equal(text, expected);
}

static void assert_vip(const char *expected)
{
	assert_addresses(RR_A, expected);
}

static void test_tenant_goes_to_its_nearest_region(void **state)
{
	ask("acme.app.test", RR_A, "81.2.69.7");
	assert_sections(1, 0, 0);
	assert_vip("192.0.2.11");
	assert_int_equal(answer.items[0].ttl, 60);
	assert_true(answer.is_authoritative && answer.uses_client);
	assert_int_not_equal(answer.scope, 0);
	assert_int_equal(answer.tenant, 0);
	ask("acme.app.test", RR_A, "216.160.83.7");
	assert_vip("198.51.100.12");
	ask("acme.app.test", RR_AAAA, "216.160.83.7"); /* us has no IPv6 */
	assert_addresses(RR_AAAA, "2001:db8::11");
	assert_true(answer.uses_client);
	assert_int_equal(answer.items[0].ttl, 60);
}

static void test_residency_has_no_scope(void **state)
{
	ask("eu-only.app.test", RR_A, "216.160.83.7");
	assert_vip("192.0.2.11");
	assert_int_equal(answer.scope, 0); /* one candidate everywhere */
}

static void test_static_types_beside_a_tenant(void **state)
{
	ask("acme.app.test", RR_TXT, "81.2.69.7");
	assert_sections(1, 0, 0);
	assert_false(answer.uses_client);
	ask("acme.app.test", RR_MX, "81.2.69.7");
	assert_sections(0, 1, 0);
	ask("acme.app.test", RR_HTTPS, "81.2.69.7");
	assert_sections(0, 1, 0);
	assert_int_equal(answer.rcode, RCODE_NOERROR);
}

static void test_suspended_and_last_resort_say_so(void **state)
{
	ask("stopped.app.test", RR_A, "81.2.69.7");
	assert_sections(0, 1, 0);
	assert_int_equal(answer.ede, EDE_OTHER);
	assert_string_equal(answer.ede_text, "tenant suspended");
	ask("dead.app.test", RR_A, "81.2.69.7");
	assert_vip("192.0.2.99");
	assert_int_equal(answer.choice.step, STEP_LAST_RESORT);
	assert_int_equal(answer.items[0].ttl, 5);
	assert_int_equal(answer.ede, EDE_OTHER);
}

static void test_negative_answers(void **state)
{
	ask("nothing.app.test", RR_A, "81.2.69.7");
	assert_int_equal(answer.rcode, RCODE_NXDOMAIN);
	assert_sections(0, 1, 0);
	assert_int_equal(answer.items[0].ttl, 120); /* min(300, 120) */
	ask("leaf.app.test", RR_A, "81.2.69.7");    /* empty non-terminal */
	assert_int_equal(answer.rcode, RCODE_NOERROR);
	assert_sections(0, 1, 0);
	ask("www.example.org", RR_A, "81.2.69.7");
	assert_int_equal(answer.rcode, RCODE_REFUSED);
	assert_int_equal(answer.ede, EDE_NOT_AUTHORITATIVE);
	assert_false(answer.is_authoritative);
	assert_null(answer.zone);
}

/* An outage may end any moment: its NODATA is kept for MIN, that of the configuration for MAX. */
static void test_an_outage_is_not_kept(void **state)
{
	ask("dark.app.test", RR_A, "81.2.69.7");
	assert_sections(0, 1, 0);
	assert_int_equal(answer.items[0].ttl, 5);
	ask("dark.app.test", RR_AAAA, "81.2.69.7");
	assert_int_equal(answer.items[0].ttl, 5);
	ask("dark-eu.app.test", RR_A, "81.2.69.7");
	assert_int_equal(answer.items[0].ttl, 5);
	ask("dark-eu.app.test", RR_AAAA, "81.2.69.7"); /* no region of the tenant has IPv6 */
	assert_int_equal(answer.items[0].ttl, 60);
	ask("dark.app.test", RR_HTTPS, "81.2.69.7"); /* the service declares none */
	assert_int_equal(answer.items[0].ttl, 60);
	ask("stopped.app.test", RR_A, "81.2.69.7");
	assert_int_equal(answer.items[0].ttl, 60);
}

static void test_chains(void **state)
{
	ask("alias.app.test", RR_A, "81.2.69.7");
	assert_sections(2, 0, 0);
	assert_vip("192.0.2.11");
	assert_true(answer.uses_client);
	ask("out.app.test", RR_A, "81.2.69.7");
	assert_sections(1, 0, 0);
	assert_int_equal(answer.rcode, RCODE_NOERROR);
	ask("gone.app.test", RR_A, "81.2.69.7");
	assert_sections(1, 1, 0);
	assert_int_equal(answer.rcode, RCODE_NXDOMAIN);
	ask("alias.app.test", RR_CNAME, "81.2.69.7");
	assert_sections(1, 0, 0);
	ask("loop1.app.test", RR_A, "81.2.69.7");
	assert_sections(2, 0, 0); /* each link once */
	ask("a.tree.app.test", RR_TXT, "81.2.69.7");
	assert_sections(3, 0, 0);
	assert_int_equal(answer.items[0].type, RR_DNAME);
	assert_int_equal(answer.items[1].kind, ITEM_CNAME);
	assert_int_equal(answer.items[2].type, RR_TXT);
}

static void test_dname_too_long_is_yxdomain(void **state)
{
	char name[300] = "";
	for (unsigned i = 0; i < 100; i++)
		strcat(name, "a.");
	strcat(name, "t.app.test");
	ask(name, RR_A, "81.2.69.7");
	assert_int_equal(answer.rcode, RCODE_YXDOMAIN);
	assert_sections(1, 0, 0); /* the DNAME itself, RFC 6672 §2.2 */
}

/* RFC 2181 §5: a set stands once in a section, however often the chain comes by. */
static void test_dname_chains_end(void **state)
{
	ask("a.turn1.app.test", RR_A, "192.0.2.200");
	assert_sections(4, 0, 0);
	assert_int_equal(answer.items[0].type, RR_DNAME);
	assert_int_equal(answer.items[2].type, RR_DNAME);
	assert_ptr_not_equal(answer.items[0].set, answer.items[2].set);
	ask("a.down.app.test", RR_A, "192.0.2.200"); /* each step would only make it longer */
	assert_sections(2, 0, 0);
	ask("a.tree.app.test", RR_CNAME, "192.0.2.200"); /* the CNAME itself was asked for */
	assert_sections(2, 0, 0);
	assert_int_equal(answer.items[1].kind, ITEM_CNAME);
	ask("back.home.app.test", RR_DNAME, "192.0.2.200"); /* it leads back to the DNAME's own owner */
	assert_sections(3, 0, 0);
	assert_int_equal(answer.items[0].type, RR_DNAME);
	assert_int_equal(answer.items[1].kind, ITEM_CNAME);
	assert_int_equal(answer.items[2].type, RR_CNAME);
	ask("back.home.app.test", RR_ANY, "192.0.2.200");
	assert_sections(3, 0, 0);
	ask("home.app.test", RR_DNAME, "192.0.2.200");
	assert_sections(1, 0, 0);
}

static void test_a_set_is_not_additional_to_itself(void **state)
{
	ask("own.app.test", RR_SVCB, "192.0.2.200");
	assert_sections(1, 0, 0);
	ask("self.app.test", RR_SVCB, "192.0.2.200");
	assert_sections(1, 0, 0);
}

static void test_additional_by_wildcard(void **state)
{
	ask("towild.app.test", RR_MX, "192.0.2.200");
	assert_sections(1, 0, 1);
	assert_int_equal(answer.items[1].type, RR_A);
	assert_true(name_equal(answer.items[1].owner, (const uint8_t *)"\1m\4wild\3app\4test"));
}

static void test_referral_and_additional(void **state)
{
	ask("x.sub.app.test", RR_A, "81.2.69.7");
	assert_false(answer.is_authoritative);
	assert_sections(0, 1, 1);
	assert_int_equal(answer.items[0].type, RR_NS);
	ask("app.test", RR_MX, "81.2.69.7");
	assert_sections(1, 0, 2);
	ask("app.test", RR_NS, "81.2.69.7"); /* the name server elsewhere has no address here */
	assert_sections(1, 0, 1);
	ask("sub.app.test", RR_DS, "81.2.69.7"); /* the parent's question: RFC 4035 §3.1.4.1 */
	assert_true(answer.is_authoritative);
	assert_sections(0, 1, 0);
	assert_int_equal(answer.items[0].type, RR_SOA);
}

static int load(void **state)
{
	world = fixture_world(world_text);
	return 0;
}

static int unload(void **state)
{
	world_free(world);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tenant_goes_to_its_nearest_region),
		cmocka_unit_test(test_residency_has_no_scope),
		cmocka_unit_test(test_static_types_beside_a_tenant),
		cmocka_unit_test(test_suspended_and_last_resort_say_so),
		cmocka_unit_test(test_negative_answers),
		cmocka_unit_test(test_an_outage_is_not_kept),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_dname_too_long_is_yxdomain),
		cmocka_unit_test(test_dname_chains_end),
		cmocka_unit_test(test_a_set_is_not_additional_to_itself),
		cmocka_unit_test(test_additional_by_wildcard),
		cmocka_unit_test(test_referral_and_additional),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
