/* Broken routes, origins, limits, maintenance and keys: each with every error that is told about it, at its
 * exact place. */
#include "fleet_fixture.h"

#define EU "regions: {eu: {at: [1, 2]}}\n"

static const struct broken routes[] = {
	{"services: {s: {routes: {path: /}, origins: [web]}}\n",
	 "f:1:24: must be a list of routes, not a mapping\n"
	 "f:1:44: must be a mapping of pools, not a list\n"},
	{"services:\n"
	 "  s:\n"
	 "    origins: {web: {}, wbe: {}}\n"
	 "    routes:\n"
	 "      - {}\n"
	 "      - {origin: web}\n"
	 "      - {origins: Web}\n"
	 "      - {origins: webb}\n"
	 "      - {path: /a, exact: /b, origins: web}\n",
	 "f:5:9: missing key 'origins'\n"
	 "f:6:9: missing key 'origins'\n"
	 "f:6:10: unknown key 'origin'; did you mean 'origins'?\n"
	 "f:7:19: 'Web' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"
	 "f:8:19: unknown origins 'webb'; did you mean 'web'?\n"
	 "f:9:9: warning: no request reaches this route: an earlier one takes all\n"
	 "f:9:20: 'exact' and 'path' exclude each other\n"},
	{"services: {s: {routes: [{origins: web}]}}\n",
	 "f:1:35: unknown origins 'web'; the service has no origins\n"},
	{"services:\n"
	 "  s:\n"
	 "    origins: {web: {}}\n"
	 "    routes:\n"
	 "      - {origins: web, path: api}\n"
	 "      - {origins: web, path: /api/}\n"
	 "      - {origins: web, path: /a?b}\n"
	 "      - {origins: web, path: /a/../b}\n"
	 "      - {origins: web, path: /%4}\n"
	 "      - {origins: web, exact: /%41}\n"
	 "      - {origins: web, exact: /\u00fc}\n"
	 "      - {origins: web, exact: ''}\n"
	 "      - {origins: web, path: /., rewrite: {prefix: x, host: a/b}}\n",
	 "f:5:30: 'api' must begin with '/'\n"
	 "f:6:30: '/api/' must not end with '/': without it, it stands for all below it too\n"
	 "f:7:30: '/a?b' must be a path as requests have it, without query and with anything but ASCII "
	 "escaped\n"
	 "f:8:30: '/a/../b' must not have dot segments: requests are matched without them\n"
	 "f:9:30: '/%4' must have two hex digits behind each '%'\n"
	 "f:10:31: '/%41' must not escape letters, digits and -._~: requests are matched with them "
	 "unescaped\n"
	 "f:11:31: '/ü' must be a path as requests have it, without query and with anything but ASCII "
	 "escaped\n"
	 "f:12:31: '' must begin with '/'\n"
	 "f:13:30: '/.' must not have dot segments: requests are matched without them\n"
	 "f:13:52: 'x' must begin with '/'\n"
	 "f:13:61: 'a/b' must be a host, as shop.example or shop.example:8080\n"},
	{"services:\n"
	 "  s:\n"
	 "    origins: {web: {}}\n"
	 "    routes:\n"
	 "      - {origins: web, method: get}\n"
	 "      - {origins: web, method: []}\n"
	 "      - {origins: web, method: [GET, GET, 'G ET', Post, AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA]}\n"
	 "      - {origins: web, method: {GET: true}}\n"
	 "      - {origins: web, header: {'a b': c, x: \"c\\u0001\", y: ' c', Z: 1, z: 2}}\n"
	 "      - {origins: web, cookie: {a: 'b;c', '': x}}\n"
	 "      - {origins: web, query: {'a=b': c, d: 'e&f'}}\n"
	 "      - {origins: web, header: [x], cookie: x, query: [x]}\n",
	 "f:5:32: 'get' must be in capital letters: 'GET'\n"
	 "f:6:32: lists no method; leave it out for all\n"
	 "f:7:38: 'GET' is listed twice\n"
	 "f:7:43: 'G ET' must be a method: a token of RFC 9110 of at most 255 octets\n"
	 "f:7:51: 'Post' must be in capital letters: 'POST'\n"
	 "f:7:57: has 33 octets; a method has at most 32\n"
	 "f:8:32: must be a method, as GET, or a list of them, not a mapping\n"
	 "f:9:33: 'a b' must be the name of a header: a token of RFC 9110\n"
	 "f:9:46: must be the value of a header, without control characters or white space at its ends, of "
	 "at most 4096 octets\n"
	 "f:9:60: must be the value of a header, without control characters or white space at its ends, of "
	 "at most 4096 octets\n"
	 "f:9:72: header 'z' is given twice\n"
	 "f:10:36: must be the value of a cookie (RFC 6265, cookie-octets), of at most 4096 octets\n"
	 "f:10:43: '' must be the name of a cookie: a token of RFC 9110\n"
	 "f:11:32: 'a=b' must be the name of a parameter as it stands in the query, without & = # ?\n"
	 "f:11:45: must be the value of a parameter as it stands in the query, without & #, of at most 4096 "
	 "octets\n"
	 "f:12:32: must be a mapping of names to values, not a list\n"
	 "f:12:45: must be a mapping of names to values, not a value\n"
	 "f:12:55: must be a mapping of names to values, not a list\n"},
	{"services:\n"
	 "  s:\n"
	 "    origins: {web: {}}\n"
	 "    routes:\n"
	 "      - {origins: web, timeout: 9ms, queue: 31s, body: 1, retry: connect, upgrade: h2c}\n"
	 "      - {origins: web, timeout: 2h, retry: [connect, conect, 500, connect], upgrade: ['a b']}\n"
	 "      - {origins: web, rewrite: {add: {Host: a, x-tenant-id: b, Gslb-x: c}, remove: [Connection, "
	 "via]}}\n"
	 "      - {origins: web, limit: {burst: 0, by: user}, keys: on}\n"
	 "      - {origins: web, limit: {rate: 10, by: {headers: x}}}\n"
	 "      - {origins: web, limit: {rate: 10/s, by: key}}\n",
	 "f:5:33: '9ms' must be a duration (500ms, 2s, 5m, 12h, 30d) from 10ms to 1h\n"
	 "f:5:45: '31s' must be a duration (500ms, 2s, 5m, 12h, 30d) from 0s to 30s\n"
	 "f:5:56: '1' must be a size (64KiB, 4MiB, 50MB) from 0B to 1024GiB\n"
	 "f:5:66: must be a list of connect, timeout, 502, 503, 504, not a value\n"
	 "f:5:84: must be a list, each a protocol, as websocket, not a value\n"
	 "f:6:33: '2h' must be a duration (500ms, 2s, 5m, 12h, 30d) from 10ms to 1h\n"
	 "f:6:54: unknown reason to retry 'conect'; one of connect, timeout, 502, 503, 504\n"
	 "f:6:62: unknown reason to retry '500'; one of connect, timeout, 502, 503, 504\n"
	 "f:6:67: 'connect' is listed twice\n"
	 "f:6:87: 'a b' must be a protocol, as websocket: a token of RFC 9110 of at most 255 octets\n"
	 "f:7:40: 'Host' must not be Host; use rewrite.host\n"
	 "f:7:49: 'x-tenant-id' must not be a field that the forwarder sets itself\n"
	 "f:7:65: 'Gslb-x' must not be a field that the forwarder sets itself\n"
	 "f:7:86: 'Connection' must not be a field that frames the message\n"
	 "f:7:98: 'via' must not be a field that the forwarder sets itself\n"
	 "f:8:31: missing key 'rate'\n"
	 "f:8:39: '0' must be a plain whole number from 1 to 10000000\n"
	 "f:8:46: unknown by 'user'; one of client, tenant, key, header\n"
	 "f:8:59: unknown keys 'on'; one of off, optional, required\n"
	 "f:9:38: '10' must be a rate (500/s, 600/m, 50/h, 20/d) from 0/s to 10000000/s\n"
	 "f:9:46: missing key 'header'\n"
	 "f:9:47: unknown key 'headers'; did you mean 'header'?\n"
	 "f:10:48: 'key' needs keys: required, or keys: optional, of the same route\n"},
};

static const struct broken pools[] = {
	{"services: {s: {origins: {Web: {}, api: [10.0.0.1:80]}}}\n",
	 "f:1:26: must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"
	 "f:1:40: must be a mapping of settings, and of regions to lists of origins, not a list\n"},
	{EU "services:\n"
	    "  s:\n"
	    "    origins:\n"
	    "      web:\n"
	    "        conect: 2s\n"
	    "        eu: 10.0.0.1:80\n"
	    "        Eu: [10.0.0.1:80]\n"
	    "        eur: [10.0.0.1:80]\n"
	    "      api: {eu: []}\n",
	 "f:6:9: unknown key 'conect'; did you mean 'connect'?\n"
	 "f:7:9: unknown key 'eu'; a region holds a list of origins, as [10.1.0.5:8080]\n"
	 "f:8:9: must be the id of a region\n"
	 "f:9:9: unknown region 'eur'; did you mean 'eu'?\n"
	 "f:10:17: holds 0 origins; a region needs 1 to 64\n"},
	{EU "services:\n"
	    "  s:\n"
	    "    origins:\n"
	    "      web:\n"
	    "        eu:\n"
	    "          - 10.0.0.1\n"
	    "          - app.example\n"
	    "          - 10.0.0.300:80\n"
	    "          - 10.0.0.1:0\n"
	    "          - 10.0.0.1:65536\n"
	    "          - \"2001:db8::1:80\"\n"
	    "          - b\u00fccher.example:80\n"
	    "          - [10.0.0.1:80]\n"
	    "          - {weight: 1}\n"
	    "          - {address: 10.0.0.1:80, weight: 1001}\n"
	    "          - http://app.example:80\n",
	 "f:7:13: '10.0.0.1' needs a port: it must be an address or a host name, and a port, as "
	 "10.1.0.5:8080, \"[2001:db8::5]:8080\" or app.example:8080\n"
	 "f:8:13: 'app.example' needs a port: it must be an address or a host name, and a port, as "
	 "10.1.0.5:8080, \"[2001:db8::5]:8080\" or app.example:8080\n"
	 "f:9:13: '10.0.0.300:80' must be an address or a host name, and a port, as 10.1.0.5:8080, "
	 "\"[2001:db8::5]:8080\" or app.example:8080\n"
	 "f:10:13: '10.0.0.1:0' must be an address or a host name, and a port, as 10.1.0.5:8080, "
	 "\"[2001:db8::5]:8080\" or app.example:8080\n"
	 "f:11:13: '10.0.0.1:65536' must be an address or a host name, and a port, as 10.1.0.5:8080, "
	 "\"[2001:db8::5]:8080\" or app.example:8080\n"
	 "f:12:13: '2001:db8::1:80' needs a port: it must be an address or a host name, and a port, as "
	 "10.1.0.5:8080, \"[2001:db8::5]:8080\" or app.example:8080\n"
	 "f:13:13: 'bücher.example:80' must be a host name and a port: it has letters beyond ASCII; "
	 "resolvers ask for 'xn--bcher-kva.example:80'\n"
	 "f:14:13: must be an address or a host name, and a port, as 10.1.0.5:8080, \"[2001:db8::5]:8080\" "
	 "or app.example:8080, not a list\n"
	 "f:15:13: missing key 'address'\n"
	 "f:16:44: '1001' must be a plain whole number from 0 to 1000\n"
	 "f:17:13: 'http://app.example:80' must be an address or a host name, and a port, as 10.1.0.5:8080, "
	 "\"[2001:db8::5]:8080\" or app.example:8080\n"},
	{EU "services: {s: {origins: {web: {eu: [10.0.0.1:80, {address: 10.0.0.1:80}, A.example:1, "
	    "a.example.:1]}}}}\n",
	 "f:2:50: origin 10.0.0.1:80 stands in region 'eu' twice\n"
	 "f:2:87: origin a.example:1 stands in region 'eu' twice\n"},
	{EU "services:\n"
	    "  s:\n"
	    "    origins:\n"
	    "      web: {balance: roundrobin, protocol: h2, check: none, eu: [10.0.0.1:80]}\n"
	    "      api: {protocol: http2, check: 'no check'}\n",
	 "f:5:22: unknown balance 'roundrobin'; one of round-robin, weighted, least-requests, ewma, hash, "
	 "random\n"
	 "f:5:44: protocol 'h2' is not supported by this build\n"
	 "f:5:55: unknown check 'none'; there are no checks\n"
	 "f:6:23: unknown protocol 'http2'; one of http1\n"
	 "f:6:37: 'no check' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"},
	{"services:\n"
	 "  s:\n"
	 "    origins:\n"
	 "      a: {hash: client}\n"
	 "      b: {balance: hash, hash: cookie}\n"
	 "      c: {balance: hash, hash: 'header a b'}\n"
	 "      d: {balance: hash, hash: 'client x', sticky: {cookie: c}}\n"
	 "      e: {sticky: {ttl: 1500ms}}\n"
	 "      f: {sticky: {cookie: 'a;b', ttl: 1ms}}\n",
	 "f:4:11: 'hash' is for balance: hash\n"
	 "f:5:32: 'cookie' must be client, 'cookie NAME' or 'header NAME'\n"
	 "f:6:32: 'header a b' must be client, 'cookie NAME' or 'header NAME'\n"
	 "f:7:32: 'client x' must be client, 'cookie NAME' or 'header NAME'\n"
	 "f:7:44: 'sticky' is not for balance: hash, which keeps clients at their origin itself\n"
	 "f:8:19: missing key 'cookie'\n"
	 "f:8:25: must be whole seconds\n"
	 "f:9:28: 'a;b' must be the name of a cookie: a token of RFC 9110 of at most 255 octets\n"
	 "f:9:40: '1ms' must be a duration (500ms, 2s, 5m, 12h, 30d) from 1s to 365d\n"},
	{"services:\n"
	 "  s:\n"
	 "    origins:\n"
	 "      a: {concurrency: 0, connect: 1ms, idle: 2h, slow_start: 2h, max_ejected: 101%, panic: 1,\n"
	 "          proxy_protocol: v2}\n"
	 "      b: {tls: {sni: 10.0.0.1, verify: fully, ca: '', certificate: a}}\n"
	 "      c: {tls: {key: a, servername: x}}\n"
	 "      d: {tls: true}\n",
	 "f:4:24: '0' must be a plain whole number from 1 to 1000000\n"
	 "f:4:36: '1ms' must be a duration (500ms, 2s, 5m, 12h, 30d) from 10ms to 5m\n"
	 "f:4:47: '2h' must be a duration (500ms, 2s, 5m, 12h, 30d) from 100ms to 1h\n"
	 "f:4:63: '2h' must be a duration (500ms, 2s, 5m, 12h, 30d) from 0s to 1h\n"
	 "f:4:80: '101%' must be a percentage from 0% to 100%\n"
	 "f:4:93: '1' must be a percentage from 0% to 100%\n"
	 "f:5:27: 'v2' must be true or false\n"
	 "f:6:22: '10.0.0.1' must be a host name\n"
	 "f:6:40: unknown verify 'fully'; one of none, chain, full\n"
	 "f:6:51: must be a path, not empty\n"
	 "f:6:55: 'certificate' needs 'key'\n"
	 "f:7:17: 'key' needs 'certificate'\n"
	 "f:7:25: unknown key 'servername'; one of sni, verify, ca, certificate, key\n"
	 "f:8:16: must be a mapping, not a value\n"},
	{"regions: {hash: {at: [1, 2]}, eu: {at: [1, 2], peers: [\"192.0.2.1:443\"]}}\n",
	 "f:1:48: 'peers' is not supported by this build\n"},
	{"regions: {hash: {at: [1, 2]}}\nservices: {s: {origins: {web: {balance: random}}}}\n",
	 "f:1:11: region 'hash' is called as a setting of origins, and service 's' has origins\n"
	 "f:2:26: warning: service 's': no route leads to origins 'web'\n"},
};

static const struct broken terms[] = {
	{"tiers:\n"
	 "  gold: {rate: 5, burst: 0, concurrency: -1, bandwidth: 1MB, body: 1, websockets: all,\n"
	 "         connections: 1, client_rate: 1/y, queue: 31s, priority: medium, headers: off, rates: "
	 "1/s}\n",
	 "f:2:16: '5' must be a rate (500/s, 600/m, 50/h, 20/d) from 0/s to 10000000/s\n"
	 "f:2:26: '0' must be a plain whole number from 1 to 10000000\n"
	 "f:2:42: '-1' must be a plain whole number from 0 to 10000000\n"
	 "f:2:57: '1MB' must be a bandwidth (500KiB/s, 10MB/s) from 1KiB/s to 1024GiB/s\n"
	 "f:2:68: '1' must be a size (64KiB, 4MiB, 50MB) from 0B to 1024GiB\n"
	 "f:2:83: 'all' must be a plain whole number from 0 to 10000000\n"
	 "f:3:23: '1' must be a rate (500/s, 600/m, 50/h, 20/d) from 0/s to 10000000/s\n"
	 "f:3:39: '1/y' must be a rate (500/s, 600/m, 50/h, 20/d) from 0/s to 10000000/s\n"
	 "f:3:51: '31s' must be a duration (500ms, 2s, 5m, 12h, 30d) from 0s to 30s\n"
	 "f:3:66: unknown priority 'medium'; one of low, normal, high\n"
	 "f:3:83: unknown headers 'off'; one of limited, always, never\n"
	 "f:3:88: unknown key 'rates'; did you mean 'rate'?\n"},
	{"tiers: {gold: {bandwidth: {up: 1MB/m, down: 1B/s, both: 1MB/s}}, tin: {bandwidth: [1MB/s]}}\n",
	 "f:1:32: '1MB/m' must be a bandwidth (500KiB/s, 10MB/s) from 1KiB/s to 1024GiB/s\n"
	 "f:1:45: '1B/s' must be a bandwidth (500KiB/s, 10MB/s) from 1KiB/s to 1024GiB/s\n"
	 "f:1:51: unknown key 'both'; one of up, down\n"
	 "f:1:83: must be a bandwidth (500KiB/s, 10MB/s) from 1KiB/s to 1024GiB/s, not a list\n"},
	{"services: {s: {}}\n"
	 "zones: {z.example: {text: \"@ SOA n h 1 2 3 4 5\\n@ NS n.test.\"}}\n"
	 "tenants:\n"
	 "  a: {zone: z.example, service: s, limits: {dns_queries: 1/s, rates: 1/s, rate: 1/s}}\n"
	 "  b: {zone: z.example, service: s, limits: 5/s, https: true, maintenance: 503, keys: [x]}\n"
	 "  c: {zone: z.example, service: s, maintenance: {status: 200, body: [], until: tomorrow}}\n"
	 "  d: {zone: z.example, service: s, keys: {X: {}, y: {}, z: {sha256: secret, rate: 1}}}\n"
	 "  e: {zone: z.example, service: s, keys: {y: {sha256: "
	 "00000000000000000000000000000000000000000000000000000000000000ab}, z: {sha256: "
	 "00000000000000000000000000000000000000000000000000000000000000AB}}}\n",
	 "f:4:45: 'dns_queries' is a budget of tiers; a tenant has its tier's\n"
	 "f:4:63: unknown key 'rates'; did you mean 'rate'?\n"
	 "f:5:44: must be a mapping, not a value\n"
	 "f:5:56: unknown https 'true'; one of both, redirect\n"
	 "f:5:75: must be true, false or {status: 503, body: text}\n"
	 "f:5:86: must be a mapping of ids to {sha256, rate}, not a list\n"
	 "f:6:58: '200' must be a plain whole number from 400 to 599\n"
	 "f:6:69: must be text, not a list\n"
	 "f:6:73: unknown key 'until'; one of status, body\n"
	 "f:7:43: must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"
	 "f:7:53: missing key 'sha256'\n"
	 "f:7:69: must be the SHA-256 of the key, in 64 hex digits\n"
	 "f:7:83: '1' must be a rate (500/s, 600/m, 50/h, 20/d) from 0/s to 10000000/s\n"
	 "f:8:134: key 'z' is the same as key 'y'\n"},
};

static void test_broken_routes(void **state)
{
	assert_all_broken(routes, sizeof routes / sizeof routes[0]);
}

static void test_broken_pools(void **state)
{
	assert_all_broken(pools, sizeof pools / sizeof pools[0]);
}

static void test_broken_terms(void **state)
{
	assert_all_broken(terms, sizeof terms / sizeof terms[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken_routes),
		cmocka_unit_test(test_broken_pools),
		cmocka_unit_test(test_broken_terms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
