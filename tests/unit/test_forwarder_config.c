/* node.yaml of forwarderd: defaults, every key, a file shared with gslbd, and every error at its place. */
#include "fleet_fixture.h"
#include "forwarder/control/config.h"
#include <sys/stat.h>
#include <unistd.h>

#define NODE "node: {name: n, region: eu, state_dir: s}\nfleet: [a.yaml]\n"

static const struct broken broken[] = {
	{"", "f:1:1: missing key 'node'\n"
	     "f:1:1: missing key 'forwarder'\n"
	     "f:1:1: missing key 'fleet' or 'control': nothing says what is forwarded\n"},
	{"node: {name: n, state_dir: s}\nfleet: [a.yaml]\nforwarder: {http: [\"127.0.0.1:0\"]}\n",
	 "f:1:7: missing key 'region': a forwarder uses the origins of its region\n"},
	{NODE "forwarder: {}\n", "f:3:12: missing key 'http' or 'https'\n"},
	{NODE "forwarder: {https: [\"127.0.0.1:0\"]}\n",
	 "f:3:12: missing key 'certificates', which https needs\n"},
	{NODE "forwarder: {http: [\"127.0.0.1@80\", \"127.0.0.1:80\"], https: [\"127.0.0.1:80\"], "
	      "certificates: c}\n",
	 "f:3:20: '127.0.0.1@80' must be an address and a port, as 192.0.2.1:80 or \"[::]:80\"\n"
	 "f:3:61: '127.0.0.1:80' is listed twice\n"},
	{NODE "forwarder: {http: 127.0.0.1:80, https: [[1]], certificates: ''}\n",
	 "f:3:19: must be a list of addresses, as [\"192.0.2.1:80\"], not a value\n"
	 "f:3:41: must be an address such as 192.0.2.1:80, not a list\n"
	 "f:3:61: must be a path, not empty\n"},
	{NODE "forwarder:\n"
	      "  http: [\"127.0.0.1:0\"]\n"
	      "  workers: 257\n"
	      "  pin_cpus: maybe\n"
	      "  certificate_cache: 1KiB\n"
	      "  default_certificate: a/b\n"
	      "  tls: 1.1\n"
	      "  coalescing: never\n"
	      "  trusted_proxies: [192.0.2.1/8]\n"
	      "  proxy_protocol: all\n"
	      "  connections: 63\n"
	      "  per_client: -1\n"
	      "  buffers: 64\n"
	      "  drain: 2h\n"
	      "  leave: 6m\n"
	      "  nodes: 0\n"
	      "  capacity: 0\n",
	 "f:5:12: must be a plain whole number from 1 to 256, or auto\n"
	 "f:6:13: 'maybe' must be true or false\n"
	 "f:7:22: '1KiB' must be a size (64KiB, 4MiB, 50MB) from 1MiB to 4GiB\n"
	 "f:8:24: must be the name of a certificate as it stands in `certificates`, without its ending\n"
	 "f:9:8: unknown version '1.1'; one of 1.2, 1.3\n"
	 "f:10:15: unknown coalescing 'never'; one of tenant, certificate\n"
	 "f:11:21: '192.0.2.1/8' must be a prefix such as 192.0.2.0/24\n"
	 "f:12:19: must be a list of prefixes like 192.0.2.0/24, not a value\n"
	 "f:13:16: '63' must be a plain whole number from 64 to 4000000\n"
	 "f:14:15: '-1' must be a plain whole number from 0 to 4000000\n"
	 "f:15:12: '64' must be a size (64KiB, 4MiB, 50MB) from 1MiB to 64GiB\n"
	 "f:16:10: '2h' must be a duration (500ms, 2s, 5m, 12h, 30d) from 0s to 1h\n"
	 "f:17:10: '6m' must be a duration (500ms, 2s, 5m, 12h, 30d) from 0s to 5m\n"
	 "f:18:10: '0' must be a plain whole number from 1 to 1000\n"
	 "f:19:13: '0' must be a plain whole number from 1 to 1000000000\n"},
	{NODE "forwarder:\n"
	      "  http: [\"127.0.0.1:0\"]\n"
	      "  limits: {head: 3KiB, line: 128KiB, fields: 15, streams: 100}\n"
	      "  timeouts: {head: 1, tunnels: 1h, handshake: 99ms}\n"
	      "  access_log: {sample: 101%, keep: -1, path: []}\n"
	      "  usage: {keep: 1m}\n"
	      "  peer: {listen: \"127.0.0.1:0\"}\n"
	      "  acme: d\n"
	      "  certficates: c\n",
	 "f:5:18: '3KiB' must be a size (64KiB, 4MiB, 50MB) from 4KiB to 64KiB\n"
	 "f:5:30: '128KiB' must be a size (64KiB, 4MiB, 50MB) from 1KiB to 64KiB\n"
	 "f:5:46: '15' must be a plain whole number from 16 to 500\n"
	 "f:5:50: 'streams' is not supported by this build\n"
	 "f:6:20: '1' must be a duration (500ms, 2s, 5m, 12h, 30d) from 100ms to 1d\n"
	 "f:6:23: unknown key 'tunnels'; did you mean 'tunnel'?\n"
	 "f:6:47: '99ms' must be a duration (500ms, 2s, 5m, 12h, 30d) from 100ms to 1d\n"
	 "f:7:24: '101%' must be a percentage from 0% to 100%\n"
	 "f:7:36: '-1' must be a plain whole number from 0 to 1000\n"
	 "f:7:46: must be a path, not a list\n"
	 "f:8:17: '1m' must be a duration (500ms, 2s, 5m, 12h, 30d) from 1h to 365d\n"
	 "f:9:3: 'peer' is not supported by this build\n"
	 "f:10:3: 'acme' is not supported by this build\n"
	 "f:11:3: unknown key 'certficates'; did you mean 'certificates'?\n"},
	{NODE "forwarder: {http: [\"127.0.0.1:0\"], limits: {head: 4KiB}}\n",
	 "f:3:51: a line of 8192 octets is longer than a head, which has at most 4096\n"},
	{NODE "forwarder: {http: [\"127.0.0.1:0\"]}\ncontrol: {api: /run/gslb.sock}\n",
	 "f:4:16: '/run/gslb.sock' must be gslbd's socket, as \"unix:/run/gslb/gslb.sock\"\n"},
	{NODE "forwarder: {http: [\"127.0.0.1:0\"]}\ncontrol: {}\ndns: none\n",
	 "f:4:10: missing key 'api'\n"
	 "f:5:6: must be a mapping, not a value\n"},
	{NODE "forwarder: {http: [\"127.0.0.1:0\"], admin: {http: \"192.0.2.1:80\", sockt: x}}\n",
	 "f:3:50: '192.0.2.1:80' must be a loopback address: it is plain HTTP without authentication\n"
	 "f:3:66: unknown key 'sockt'; did you mean 'socket'?\n"},
};

static char directory[] = "/tmp/gslb-forwarder-config-XXXXXX";

static struct forwarder_config *load(const char *text, struct err_list *errors)
{
	FILE *out = fopen("f", "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	return forwarder_config_load("f", errors);
}

static struct forwarder_config *load_good(const char *text)
{
	struct err_list errors = {0};
	struct forwarder_config *config = load(text, &errors);
	char *told = print_errors(&errors);

	assert_string_equal(told, "");
	free(told);
	assert_non_null(config);
	return config;
}

static void test_every_error_is_told_at_its_place(void **state)
{
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		struct err_list errors = {0};
		forwarder_config_free(load(broken[i].text, &errors));
		assert_true(err_has_errors(&errors));
		char *told = print_errors(&errors);
		assert_string_equal(told, broken[i].errors);
		free(told);
	}
}

static void test_missing_file(void **state)
{
	struct err_list errors = {0};

	assert_null(forwarder_config_load("none.yaml", &errors));
	char *told = print_errors(&errors);
	assert_string_equal(told, "none.yaml: cannot open: No such file or directory\n");
	free(told);
}

static void test_defaults(void **state)
{
	struct forwarder_config *config = load_good(NODE "forwarder: {http: [\"127.0.0.1:8080\"]}\n");

	assert_string_equal(config->node.region, "eu");
	assert_string_equal(config->node.admin_socket, "s/forwarderd.sock");
	assert_int_equal(config->http_count, 1);
	assert_string_equal(config->http[0].written, "127.0.0.1:8080");
	assert_int_equal(config->https_count, 0);
	assert_int_equal(config->workers, 1);
	assert_false(config->workers_auto || config->pins_cpus || config->requires_tls13 ||
		     config->coalesces_by_certificate);
	assert_true(!config->certificates && !config->default_certificate && !config->tickets &&
		    !config->control_api);
	assert_int_equal(config->certificate_cache_bytes, 16 << 20);
	assert_int_equal(config->trusted_count + config->proxy_count, 0);
	assert_int_equal(config->connections, 65536);
	assert_int_equal(config->per_client, 512);
	assert_int_equal(config->buffers_bytes, 64 << 20);
	assert_int_equal(config->head_bytes, 16384);
	assert_int_equal(config->line_bytes, 8192);
	assert_int_equal(config->fields_max, 100);
	assert_int_equal(config->head_ms, 10000);
	assert_int_equal(config->body_ms, 30000);
	assert_int_equal(config->idle_ms, 60000);
	assert_int_equal(config->write_ms, 30000);
	assert_int_equal(config->handshake_ms, 10000);
	assert_int_equal(config->tunnel_ms, 3600000);
	assert_int_equal(config->drain_ms, 30000);
	assert_int_equal(config->leave_ms, 5000);
	assert_int_equal(config->nodes, 1);
	assert_int_equal(config->capacity, 0);
	assert_false(config->access_log.is_on);
	assert_int_equal(config->access_log.sample_hundredths, 10000);
	assert_true(config->access_log.logs_errors);
	assert_false(config->access_log.logs_query || config->access_log.anonymizes);
	assert_int_equal(config->access_log.rotate_bytes, 1 << 30);
	assert_int_equal(config->access_log.keep, 5);
	assert_string_equal(config->usage_dir, "s/usage");
	assert_int_equal(config->usage_keep_ms, (uint64_t)35 * 86400000);
	forwarder_config_free(config);
}

static const char everything[] =
	"node: {name: fwd-1, region: eu, state_dir: /s}\n"
	"control: {api: \"unix:run/gslb.sock\"}\n"
	"admin: {socket: f.sock, http: \"127.0.0.1:9101\"}\n"
	"forwarder:\n"
	"  http: [\"127.0.0.1:0\", \"127.0.0.1:0\", \"[::]:80\"]\n"
	"  https: [\"[::1]:443\"]\n"
	"  workers: auto\n"
	"  pin_cpus: true\n"
	"  certificates: certs\n"
	"  certificate_cache: 1MiB\n"
	"  default_certificate: shop.example\n"
	"  tickets: t\n"
	"  tls: 1.3\n"
	"  coalescing: certificate\n"
	"  trusted_proxies: [192.0.2.0/24, \"2001:db8::/32\"]\n"
	"  proxy_protocol: [10.0.0.1]\n"
	"  connections: 4000000\n"
	"  per_client: 0\n"
	"  buffers: 1MiB\n"
	"  limits: {head: 64KiB, line: 64KiB, fields: 500}\n"
	"  timeouts: {head: 1s, body: 2s, idle: 3s, write: 4s, handshake: 5s, tunnel: 30d}\n"
	"  drain: 0s\n"
	"  leave: 5m\n"
	"  nodes: 3\n"
	"  capacity: 4000\n"
	"  access_log: {path: log/a.json, sample: 0.5%, errors: false, query: true, anonymize: true, rotate: "
	"1MiB, keep: 0}\n"
	"  usage: {dir: u, keep: 365d}\n";

static void test_every_key(void **state)
{
	struct forwarder_config *config = load_good(everything);

	assert_string_equal(config->control_api, "run/gslb.sock");
	assert_string_equal(config->node.admin_socket, "/s/f.sock");
	assert_string_equal(config->node.admin_http_written, "127.0.0.1:9101");
	assert_int_equal(config->http_count, 3);
	assert_string_equal(config->http[2].written, "[::]:80");
	assert_int_equal(config->https[0].address.sockaddr.ss_family, AF_INET6);
	assert_true(config->workers_auto && config->pins_cpus && config->requires_tls13 &&
		    config->coalesces_by_certificate);
	assert_string_equal(config->certificates, "certs");
	assert_int_equal(config->certificate_cache_bytes, 1 << 20);
	assert_string_equal(config->default_certificate, "shop.example");
	assert_string_equal(config->tickets, "t");
	assert_int_equal(config->trusted_count, 2);
	assert_int_equal(config->trusted_proxies[1].length, 32);
	assert_int_equal(config->proxy_count, 1);
	assert_int_equal(config->proxy_protocol[0].length, 32);
	assert_int_equal(config->connections, 4000000);
	assert_int_equal(config->per_client, 0);
	assert_int_equal(config->buffers_bytes, 1 << 20);
	assert_int_equal(config->head_bytes, 65536);
	assert_int_equal(config->line_bytes, 65536);
	assert_int_equal(config->fields_max, 500);
	assert_int_equal(config->head_ms, 1000);
	assert_int_equal(config->body_ms, 2000);
	assert_int_equal(config->idle_ms, 3000);
	assert_int_equal(config->write_ms, 4000);
	assert_int_equal(config->handshake_ms, 5000);
	assert_int_equal(config->tunnel_ms, 2592000000);
	assert_int_equal(config->drain_ms, 0);
	assert_int_equal(config->leave_ms, 300000);
	assert_int_equal(config->nodes, 3);
	assert_int_equal(config->capacity, 4000);
	assert_true(config->access_log.is_on && config->access_log.logs_query &&
		    config->access_log.anonymizes);
	assert_false(config->access_log.logs_errors);
	assert_string_equal(config->access_log.path, "log/a.json");
	assert_int_equal(config->access_log.sample_hundredths, 50);
	assert_int_equal(config->access_log.rotate_bytes, 1 << 20);
	assert_int_equal(config->access_log.keep, 0);
	assert_string_equal(config->usage_dir, "u");
	assert_int_equal(config->usage_keep_ms, (uint64_t)365 * 86400000);
	forwarder_config_free(config);
}

static void test_access_log_in_a_word(void **state)
{
	struct forwarder_config *config =
		load_good(NODE "forwarder: {http: [\"127.0.0.1:0\"], access_log: stderr}\n");
	assert_true(config->access_log.is_on && !config->access_log.path);
	forwarder_config_free(config);
	config = load_good(NODE "forwarder: {http: [\"127.0.0.1:0\"], access_log: ./off}\n");
	assert_string_equal(config->access_log.path, "./off");
	forwarder_config_free(config);
	config = load_good(NODE "forwarder: {http: [\"127.0.0.1:0\"], access_log: off}\n");
	assert_false(config->access_log.is_on);
	forwarder_config_free(config);
}

/* Two daemons on one file have two sockets. */
static void test_shared_with_gslbd(void **state)
{
	static const char shared[] = NODE "admin: {socket: /run/gslb.sock, http: \"127.0.0.1:8053\"}\n"
					  "dns: {listen: nothing of it is read}\n"
					  "notify: {}\n"
					  "forwarder: {http: [\"127.0.0.1:0\"]%s}\n";
	char text[512];

	snprintf(text, sizeof text, shared, "");
	struct forwarder_config *config = load_good(text);
	assert_string_equal(config->node.admin_socket, "s/forwarderd.sock");
	assert_false(config->node.has_admin_http);
	forwarder_config_free(config);

	snprintf(text, sizeof text, shared, ", admin: {socket: /run/f.sock, http: \"127.0.0.1:9101\"}");
	config = load_good(text);
	assert_string_equal(config->node.admin_socket, "/run/f.sock");
	assert_string_equal(config->node.admin_http_written, "127.0.0.1:9101");
	forwarder_config_free(config);
}

static void test_what_a_reload_cannot_change(void **state)
{
	static const struct {
		const char *to, *key;
	} cases[] = {
		{"forwarder: {http: [\"127.0.0.1:80\"], drain: 1s, nodes: 2, access_log: stderr}\n", NULL},
		{"forwarder: {http: [\"127.0.0.1:81\"]}\n", "forwarder.http"},
		{"forwarder: {http: [\"127.0.0.1:80\"], https: [\"127.0.0.1:443\"], certificates: c}\n",
		 "forwarder.https"},
		{"forwarder: {http: [\"127.0.0.1:80\"], workers: 2}\n", "forwarder.workers"},
		{"forwarder: {http: [\"127.0.0.1:80\"], pin_cpus: true}\n", "forwarder.pin_cpus"},
		{"forwarder: {http: [\"127.0.0.1:80\"], connections: 64}\n", "forwarder.connections"},
		{"forwarder: {http: [\"127.0.0.1:80\"]}\ncontrol: {api: \"unix:/x\"}\n", "control"},
	};
	char text[512];
	struct forwarder_config *from = load_good(NODE "forwarder: {http: [\"127.0.0.1:80\"]}\n");

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(text, sizeof text, "%s%s", NODE, cases[i].to);
		struct forwarder_config *to = load_good(text);
		const char *key = forwarder_config_restart_only_difference(from, to);
		if (cases[i].key)
			assert_string_equal(key, cases[i].key);
		else
			assert_null(key);
		forwarder_config_free(to);
	}
	struct forwarder_config *to = load_good("node: {name: n, region: us, state_dir: s}\nfleet: [a.yaml]\n"
						"forwarder: {http: [\"127.0.0.1:80\"]}\n");
	assert_string_equal(forwarder_config_restart_only_difference(from, to), "node");
	forwarder_config_free(to);
	forwarder_config_free(from);
}

static int setup(void **state)
{
	return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	unlink("f");
	return chdir("/") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_error_is_told_at_its_place),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_access_log_in_a_word),
		cmocka_unit_test(test_shared_with_gslbd),
		cmocka_unit_test(test_what_a_reload_cannot_change),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
