/* node.yaml: defaults, every key, paths, and broken files with every error at its exact place. */
#include "fleet_fixture.h"
#include "gslb/control/gslb_config.h"
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct broken broken[] = {
	{"", "f:1:1: missing key 'node'\n"
	     "f:1:1: missing key 'dns'\n"},
	{"nodes: {}\n", "f:1:1: unknown key 'nodes'; did you mean 'node'?\n"
			"f:1:1: missing key 'node'\n"
			"f:1:1: missing key 'dns'\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "bus: {urls: [a]}\n",
	 "f:3:6: a bus other than embedded is not supported by this build\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "bus: nats\n",
	 "f:3:6: a bus other than embedded is not supported by this build\n"},
	{"node: {name: N_1, state_dir: ''}\n"
	 "dns: {}\n",
	 "f:1:14: 'N_1' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"
	 "f:1:30: must be a path, not empty\n"
	 "f:2:6: missing key 'listen'\n"},
	{"node: {name: n, state_dir: s, resolvers: []}\n"
	 "dns: {listen: []}\n",
	 "f:1:42: lists 0 resolvers; 1 to 16 are needed\n"
	 "f:2:15: lists 0 addresses; 1 to 256 are needed\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [127.0.0.1, \"::1@x\", 127.0.0.1@53, 127.0.0.1@53]}\n",
	 "f:2:16: '127.0.0.1' must be an address and a port, as 127.0.0.1@5300 or \"::1@5300\"\n"
	 "f:2:27: '::1@x' must be an address and a port, as 127.0.0.1@5300 or \"::1@5300\"\n"
	 "f:2:50: '127.0.0.1@53' is listed twice\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], workers: 0}\n",
	 "f:2:41: must be a plain whole number from 1 to 256, or auto\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], workers: many}\n",
	 "f:2:41: must be a plain whole number from 1 to 256, or auto\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], workers: 257}\n",
	 "f:2:41: must be a plain whole number from 1 to 256, or auto\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], pin_cpus: 1, socket_buffer: 4095B}\n",
	 "f:2:42: '1' must be true or false\n"
	 "f:2:60: '4095B' must be a size (64KiB, 4MiB, 50MB) from 4KiB to 512MiB\n"},
	{"node: {name: n, state_dir: s, resolvers: [127.0.0.1, 127.0.0.1@0, \"::1@53\"]}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n",
	 "f:1:43: '127.0.0.1' must be an address and a port, as 127.0.0.1@53 or \"::1@53\"\n"
	 "f:1:54: '127.0.0.1@0' must be an address and a port, as 127.0.0.1@53 or \"::1@53\"\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], edns_size: 511}\n",
	 "f:2:43: '511' must be a plain whole number from 512 to 4096\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], edns_size: 4097}\n",
	 "f:2:43: '4097' must be a plain whole number from 512 to 4096\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], ecs: {from: []}}\n",
	 "f:2:44: lists 0 prefixes; 1 to 256 are needed, or ecs: false\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], ecs: {from: [192.0.2.1, 10.0.0.1/8, 10.0.0.0/8], to: 1}}\n",
	 "f:2:56: '10.0.0.1/8' must be a prefix like 192.0.2.0/24\n"
	 "f:2:81: unknown key 'to'; one of from\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], ecs: {}}\n",
	 "f:2:37: missing key 'from'\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], ecs: yes}\n",
	 "f:2:37: 'yes' must be true or false\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], nsid: "
	 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}\n",
	 "f:2:38: must not be longer than 255 octets\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], cookies: false, rrl: {}, tls: {}}\n",
	 "f:2:53: missing key 'rate'\n"
	 "f:2:57: 'tls' is not supported by this build\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], cookies: {secrets: [0123, "
	 "\"00112233445566778899aabbccddeefg\"]}}\n",
	 "f:2:52: must be a secret of 32 hex digits\n"
	 "f:2:58: must be a secret of 32 hex digits\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], cookies: {secrets: []}}\n",
	 "f:2:51: must hold 1 to 8 secrets\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], rrl: {rate: 5, slip: 11, exempt: [10.0.0.1/8]}}\n",
	 "f:2:44: '5' must be a rate (500/s, 600/m, 50/h, 20/d) from 0/s to 10000000/s\n"
	 "f:2:53: '11' must be a plain whole number from 0 to 10\n"
	 "f:2:66: '10.0.0.1/8' must be a prefix like 192.0.2.0/24\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], tcp: {connections: 0, per_client: 0, idle: 0s, queries: -1, idel: "
	 "1}}\n",
	 "f:2:51: '0' must be a plain whole number from 1 to 1000000\n"
	 "f:2:66: '0' must be a plain whole number from 1 to 1000000\n"
	 "f:2:75: '0s' must be a duration (500ms, 2s, 5m, 12h, 30d) from 1ms to 1d\n"
	 "f:2:88: '-1' must be a plain whole number from 0 to 4294967295\n"
	 "f:2:92: unknown key 'idel'; did you mean 'idle'?\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], start_wait: 6m}\n",
	 "f:2:44: '6m' must be a duration (500ms, 2s, 5m, 12h, 30d) from 0s to 5m\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"], nisd: x}\n",
	 "f:2:32: unknown key 'nisd'; did you mean 'nsid'?\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "admin: {http: 192.0.2.1:80, https: {}}\n",
	 "f:3:15: '192.0.2.1:80' must be a loopback address: it is plain HTTP without authentication\n"
	 "f:3:29: 'https' is not supported by this build\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "admin: {http: \"127.0.0.1@80\"}\n",
	 "f:3:15: '127.0.0.1@80' must be an address and a port, as 127.0.0.1:8053 or \"[::1]:8053\"\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "admin: {socket: ''}\n",
	 "f:3:17: must be a path, not empty\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "admin: {socket: "
	 "/tmp/"
	 "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
	 "sssssssssssssssssssss}\n",
	 "f:3:17: the admin socket "
	 "'/tmp/"
	 "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
	 "sssssssssssssssssssss' would have a path of 125 octets; at most 107 are possible\n"},
	{"node: {name: n, state_dir: "
	 "/dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
	 "dddddddddddddddddddddd}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n",
	 "f:1:28: the admin socket "
	 "'/"
	 "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
	 "ddddddddddddddddddddd/gslb.sock' would have a path of 131 octets; at most 107 are possible\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "notify: {}\n",
	 "f:3:9: needs one of 'exec' and 'post'\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "notify: {exec: [/bin/true], post: \"http://127.0.0.1/\"}\n",
	 "f:3:9: needs one of 'exec' and 'post'\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "notify: {exec: /bin/true}\n",
	 "f:3:16: must be a command, as [/usr/local/bin/hook, --fast], not a value\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "notify: {exec: []}\n",
	 "f:3:16: lists 0 words; 1 to 64 are needed\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "notify: {exec: [/nonexistent/hook]}\n",
	 "f:3:17: cannot be run: No such file or directory\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "notify: {post: \"https://127.0.0.1/x\"}\n",
	 "f:3:16: must be a plain URL with an address, as http://127.0.0.1:9000/hook\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "notify: {post: \"http://localhost:9000/x\"}\n",
	 "f:3:16: must be a plain URL with an address, as http://127.0.0.1:9000/hook\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "notify: {post: \"http://u@127.0.0.1/\"}\n",
	 "f:3:16: must be a plain URL with an address, as http://127.0.0.1:9000/hook\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "notify: {pots: x}\n",
	 "f:3:10: unknown key 'pots'; did you mean 'post'?\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "probes: {}\n",
	 "f:3:9: missing key 'vantage'\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "probes: {vantage: v, exec: true}\n",
	 "f:3:28: exec: true is not supported by this build\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "probes: {vantage: V, concurrency: 10001}\n",
	 "f:3:19: 'V' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"
	 "f:3:35: '10001' must be a plain whole number from 1 to 10000\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "control: unix:/run/gslb.sock\n"
	 "forwarder: [80]\n",
	 "f:3:10: must be a mapping, not a value\n"
	 "f:4:12: must be a mapping, not a list\n"},
	{"node: {name: n, state_dir: s}\n"
	 "dns: {listen: [\"127.0.0.1@0\"]}\n"
	 "fleet: a.yaml\n"
	 "geo: [1, [x]]\n",
	 "f:3:8: must be a list of paths, not a value\n"
	 "f:4:10: must be a path, not a list\n"},
};

static char directory[] = "/tmp/gslb-config-XXXXXX";

static struct gslb_config *load(const char *text, struct err_list *errors)
{
	FILE *out = fopen("f", "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	return gslb_config_load("f", errors);
}

static struct gslb_config *load_good(const char *text)
{
	struct err_list errors = {0};
	struct gslb_config *config = load(text, &errors);
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
		gslb_config_free(load(broken[i].text, &errors));
		assert_true(err_has_errors(&errors));
		char *told = print_errors(&errors);
		assert_string_equal(told, broken[i].errors);
		free(told);
	}
}

static void test_missing_file(void **state)
{
	struct err_list errors = {0};

	assert_null(gslb_config_load("none.yaml", &errors));
	char *told = print_errors(&errors);
	assert_string_equal(told, "none.yaml: cannot open: No such file or directory\n");
	free(told);
}

static void test_defaults(void **state)
{
	struct gslb_config *config =
		load_good("node: {name: n1, state_dir: state}\ndns: {listen: [\"::1@5300\"]}\n");

	assert_string_equal(config->node.name, "n1");
	assert_null(config->node.region);
	assert_string_equal(config->node.state_dir, "state");
	assert_string_equal(config->node.admin_socket, "state/gslb.sock");
	assert_int_equal(config->node.fleet_count + config->node.geo_count, 0);
	assert_int_equal(config->listen_count, 1);
	assert_int_equal(config->listen[0].sockaddr.ss_family, AF_INET6);
	assert_false(config->workers_auto || config->node.has_admin_http || config->node.has_probes);
	assert_int_equal(config->workers, 1);
	assert_false(config->has_freebind);
	assert_false(config->pins_cpus);
	assert_int_equal(config->socket_buffer_bytes, 4 << 20);
	assert_int_equal(config->start_wait_ms, 10000);
	assert_int_equal(config->settings.edns_size, 1232);
	assert_true(config->settings.ecs);
	assert_int_equal(config->settings.nsid_length, 2);
	assert_memory_equal(config->settings.nsid, "n1", 2);
	assert_int_equal(config->settings.tcp_connections, 4096);
	assert_int_equal(config->settings.tcp_per_client, 256);
	assert_int_equal(config->settings.tcp_idle_ms, 10000);
	assert_int_equal(config->settings.tcp_queries, 0);
	gslb_config_free(config);
}

/* `auto` is what this process may use, which a container or taskset makes less than the machine has. */
static void test_auto_is_the_usable_cores(void **state)
{
	cpu_set_t before, one;
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	CPU_ZERO(&one);
	for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
		if (CPU_ISSET(cpu, &before))
			CPU_SET(cpu, &one);
	static const char text[] =
		"node: {name: n1, state_dir: state}\ndns: {listen: [\"::1@5300\"], workers: auto}\n";
	struct gslb_config *config = load_good(text);
	assert_int_equal(config->workers, CPU_COUNT(&before));
	gslb_config_free(config);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	config = load_good(text);
	assert_int_equal(config->workers, 1);
	gslb_config_free(config);
	assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static const char everything[] =
	"node: {name: dns-1, region: eu, state_dir: /s, resolvers: [192.0.2.53@53]}\n"
	"bus: embedded\n"
	"fleet: [a.yaml, /b.yaml]\n"
	"geo: [c.mmdb]\n"
	"dns:\n"
	"  listen: [127.0.0.1@0, 127.0.0.1@0, \"::1@53\"]\n"
	"  freebind: true\n"
	"  workers: auto\n"
	"  pin_cpus: true\n"
	"  socket_buffer: 64KiB\n"
	"  edns_size: 4096\n"
	"  nsid: ''\n"
	"  ecs: false\n"
	"  tcp: {connections: 1, per_client: 2, idle: 300ms, queries: 4}\n"
	"  start_wait: 0s\n"
	"admin: {socket: run/x.sock, http: \"[::1]:0\"}\n"
	"probes: {vantage: fra, exec: false, concurrency: 10000}\n"
	"control: {api: \"unix:/run/gslb.sock\"}\n"
	"forwarder: {nothing of it: is read here}\n";

static void test_every_key(void **state)
{
	struct gslb_config *config = load_good(everything);

	assert_string_equal(config->node.region, "eu");
	assert_string_equal(config->node.fleet[0], "a.yaml");
	assert_string_equal(config->node.fleet[1], "/b.yaml");
	assert_string_equal(config->node.geo[0], "c.mmdb");
	assert_int_equal(config->listen_count, 3);
	assert_string_equal(config->listen_written[2], "::1@53");
	assert_true(config->has_freebind);
	assert_true(config->workers_auto);
	assert_in_range(config->workers, 1, 256);
	assert_true(config->pins_cpus);
	assert_int_equal(config->socket_buffer_bytes, 64 << 10);
	assert_int_equal(config->settings.edns_size, 4096);
	assert_int_equal(config->settings.nsid_length, 0);
	assert_false(config->settings.ecs);
	assert_int_equal(config->settings.tcp_connections, 1);
	assert_int_equal(config->settings.tcp_per_client, 2);
	assert_int_equal(config->settings.tcp_idle_ms, 300);
	assert_int_equal(config->settings.tcp_queries, 4);
	assert_int_equal(config->start_wait_ms, 0);
	assert_string_equal(config->node.admin_socket, "/s/run/x.sock");
	assert_true(config->node.has_admin_http);
	assert_string_equal(config->node.admin_http_written, "[::1]:0");
	assert_true(config->node.has_probes);
	assert_string_equal(config->node.vantage, "fra");
	assert_int_equal(config->node.probe_concurrency, 10000);
	gslb_config_free(config);
}

static void test_paths_are_relative_to_the_file(void **state)
{
	struct err_list errors = {0};

	assert_int_equal(mkdir("sub", 0700), 0);
	struct gslb_config *config = load_good(everything);
	gslb_config_free(config);
	assert_int_equal(rename("f", "sub/n.yaml"), 0);
	config = gslb_config_load("sub/n.yaml", &errors);
	assert_non_null(config);
	assert_string_equal(config->node.fleet[0], "sub/a.yaml");
	assert_string_equal(config->node.fleet[1], "/b.yaml");
	assert_string_equal(config->node.geo[0], "sub/c.mmdb");
	gslb_config_free(config);
	unlink("sub/n.yaml");
	rmdir("sub");
}

static void test_restart_only_keys(void **state)
{
	static const struct {
		const char *from, *to, *key;
	} edits[] = {
		{"dns-1", "dns-2", "node"},
		{"region: eu, ", "", "node"},
		{"/s", "/t", "node"},
		{"192.0.2.53@53", "192.0.2.53@54", "node"},
		{"::1@53", "::1@54", "dns.listen"},
		{"127.0.0.1@0, ", "", "dns.listen"},
		{"freebind: true", "freebind: false", "dns.freebind"},
		{"auto", "2", "dns.workers"},
		{"pin_cpus: true", "pin_cpus: false", "dns.pin_cpus"},
		{"64KiB", "65KiB", "dns.socket_buffer"},
		{"4096", "512", NULL},
		{"x.sock", "y.sock", NULL},
		{"vantage: fra", "vantage: ams", NULL},
	};
	struct gslb_config *config = load_good(everything);

	for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
		const char *at = strstr(everything, edits[i].from);
		char *text = xasprintf("%.*s%s%s", (int)(at - everything), everything, edits[i].to,
				       at + strlen(edits[i].from));
		struct gslb_config *other = load_good(text);
		const char *key = gslb_config_restart_only_difference(config, other);
		if (!edits[i].key)
			assert_null(key);
		else
			assert_string_equal(key, edits[i].key);
		gslb_config_free(other);
		free(text);
	}
	gslb_config_free(config);
}

static int enter(void **state)
{
	return !mkdtemp(directory) || chdir(directory) != 0;
}

static int leave(void **state)
{
	unlink("f");
	return chdir("/") != 0 || rmdir(directory) != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_error_is_told_at_its_place),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_auto_is_the_usable_cores),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_paths_are_relative_to_the_file),
		cmocka_unit_test(test_restart_only_keys),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
