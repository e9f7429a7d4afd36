/* Broken fleet documents: each with every error that is told about it, at its exact place. */
#include "fleet_fixture.h"

static const struct broken broken[] = {
	{"wrong: 1\n",
	 "f:1:1: unknown key 'wrong'; one of regions, locations, checks, maps, services, zones, tiers, "
	 "tenants\n"},
	{"region: {}\n", "f:1:1: unknown key 'region'; did you mean 'regions'?\n"},
	{"tiers: {}\n"
	 "rules: {}\n",
	 "f:2:1: 'rules' is not supported by this build\n"},
	{"tiers:\n"
	 "  gold: {dns_queries: 500, dns_nxdomain: -1/s, dns_querys: 1/s}\n",
	 "f:2:23: '500' must be a rate (500/s, 600/m, 50/h, 20/d) from 0/s to 10000000/s\n"
	 "f:2:42: '-1/s' must be a rate (500/s, 600/m, 50/h, 20/d) from 0/s to 10000000/s\n"
	 "f:2:48: unknown key 'dns_querys'; did you mean 'dns_queries'?\n"},
	{"tiers:\n"
	 "  gold: {dns_queries: 10000001/s, dns_nxdomain: [1/s]}\n"
	 "  GOLD: {}\n",
	 "f:2:23: '10000001/s' must be a rate (500/s, 600/m, 50/h, 20/d) from 0/s to 10000000/s\n"
	 "f:2:49: must be a rate (500/s, 600/m, 50/h, 20/d) from 0/s to 10000000/s, not a list\n"
	 "f:3:3: 'GOLD' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"},
	{"regions: [eu]\n", "f:1:10: must be a mapping of ids, not a list\n"},
	{"regions: 5\n", "f:1:10: must be a mapping of ids, not a value\n"},
	{"- a\n", "f:1:1: must be a mapping, not a list\n"},
	{"regions: {EU: {at: [1, 2]}}\n",
	 "f:1:11: 'EU' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"},
	{"regions: {-a: {at: [1, 2]}}\n",
	 "f:1:11: '-a' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"},
	{"regions:\n"
	 "  eu:\n",
	 "f:2:6: missing key 'at'\n"},
	{"regions:\n"
	 "  eu: {}\n",
	 "f:2:7: missing key 'at'\n"},
	{"regions:\n"
	 "  eu: {at: 5}\n",
	 "f:2:12: must be [latitude, longitude], as [50.11, 8.68], not a value\n"},
	{"regions:\n"
	 "  eu: {at: [1]}\n",
	 "f:2:12: must be [latitude, longitude], as [50.11, 8.68]\n"},
	{"regions:\n"
	 "  eu: {at: [91, 181]}\n",
	 "f:2:13: '91' must be a plain decimal number from -90 to 90\n"
	 "f:2:17: '181' must be a plain decimal number from -180 to 180\n"},
	{"regions:\n"
	 "  eu: {at: [1e1, '2']}\n",
	 "f:2:13: '1e1' must be a plain decimal number from -90 to 90\n"
	 "f:2:18: '2' must be a plain decimal number from -180 to 180, without quotes\n"},
	{"regions:\n"
	 "  eu: {at: [1, 2], country: De}\n",
	 "f:2:29: must be a country's two capital letters (ISO 3166-1)\n"},
	{"regions:\n"
	 "  eu: {at: [1, 2], capacity: 0}\n",
	 "f:2:30: '0' must be a plain whole number from 1 to 4294967295\n"},
	{"regions:\n"
	 "  eu: {at: [1, 2], capacity: 1.5, cuontry: DE}\n",
	 "f:2:30: '1.5' must be a plain whole number from 1 to 4294967295\n"
	 "f:2:35: unknown key 'cuontry'; did you mean 'country'?\n"},
	{"regions:\n"
	 "  eu: {at: [1, 2], tags: [a, B, a]}\n",
	 "f:2:30: 'B' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"
	 "f:2:33: tag 'a' is listed twice\n"},
	{"locations:\n"
	 "  10.0.0.1/16: {}\n",
	 "f:2:3: '10.0.0.1/16' is not a prefix (192.0.2.0/24, 2001:db8::/32; no bits beyond its length)\n"},
	{"locations:\n"
	 "  10.0.0.0/33: {}\n",
	 "f:2:3: '10.0.0.0/33' is not a prefix (192.0.2.0/24, 2001:db8::/32; no bits beyond its length)\n"},
	{"locations: {10.0.0.0/8: {continent: XX}}\n",
	 "f:1:37: unknown continent 'XX'; one of AF, AN, AS, EU, NA, OC, SA\n"},
	{"locations: {10.0.0.0/8: {subdivision: DE-HE, asn: 4294967296}}\n",
	 "f:1:39: must be a subdivision's one to three capital letters and digits (ISO 3166-2 without the "
	 "country)\n"
	 "f:1:51: '4294967296' must be a plain whole number from 0 to 4294967295\n"},
	{"locations:\n"
	 "  \"2001:db8::/32\": {}\n"
	 "  \"2001:DB8::/32\": {}\n",
	 "f:3:3: location '2001:db8::/32' is defined twice; first at f:2:3\n"},
	{"checks:\n"
	 "  a: {}\n",
	 "f:2:6: missing key 'type'\n"},
	{"checks:\n"
	 "  a: {type: htp}\n",
	 "f:2:13: unknown type 'htp'; one of tcp, http, tls, https, dns, grpc-health\n"},
	{"checks:\n"
	 "  d: {type: http2}\n"
	 "  e: {type: exec}\n",
	 "f:2:13: type 'http2' is not supported by this build\n"
	 "f:3:13: type 'exec' is not supported by this build\n"},
	{"checks:\n"
	 "  a: {type: grpc-health, timeout: 100ms}\n",
	 "f:2:6: missing key 'port'; type grpc-health has no default\n"},
	{"checks:\n"
	 "  a: {type: tls, sni: 192.0.2.1, verify: yes, expires_within: 366d}\n",
	 "f:2:23: must be a host name, not an address or a pattern\n"
	 "f:2:42: unknown verify 'yes'; one of none, chain, full\n"
	 "f:2:63: '366d' must be a duration (500ms, 2s, 5m, 12h, 30d) from 1s to 365d\n"},
	{"checks:\n"
	 "  a: {type: https, sni: '*.example.net', expires_within: 14}\n",
	 "f:2:25: must be a host name, not an address or a pattern\n"
	 "f:2:58: '14' must be a duration (500ms, 2s, 5m, 12h, 30d) from 1s to 365d\n"},
	{"checks:\n"
	 "  a: {type: tls, path: /, expect: 200}\n",
	 "f:2:18: 'path' is for checks of type http and https\n"
	 "f:2:27: 'expect' is for checks of type http and https\n"},
	{"checks:\n"
	 "  a: {type: dns, host: a..b, verify: full}\n",
	 "f:2:24: must be the name to ask for: empty label\n"
	 "f:2:30: 'verify' is for checks of type tls and https\n"},
	{"checks:\n"
	 "  a: {type: tcp, port: 1, host: a}\n",
	 "f:2:27: 'host' is for checks of type http, tls, https, dns and grpc-health\n"},
	{"checks:\n"
	 "  a: {type: tcp}\n",
	 "f:2:6: missing key 'port'; type tcp has no default\n"},
	{"checks:\n"
	 "  a: {type: tcp, port: 0}\n",
	 "f:2:24: '0' must be a plain whole number from 1 to 65535\n"},
	{"checks:\n"
	 "  a: {type: http, port: '80'}\n",
	 "f:2:25: '80' must be a plain whole number from 1 to 65535, without quotes\n"},
	{"checks:\n"
	 "  a: {type: http, port: 65536}\n",
	 "f:2:25: '65536' must be a plain whole number from 1 to 65535\n"},
	{"checks:\n"
	 "  a: {type: tcp, port: 1, path: /}\n",
	 "f:2:27: 'path' is for checks of type http and https\n"},
	{"checks:\n"
	 "  a: {type: http, interval: 99ms}\n",
	 "f:2:29: '99ms' must be a duration (500ms, 2s, 5m, 12h, 30d) from 100ms to 1h\n"},
	{"checks:\n"
	 "  a: {type: http, interval: 2h}\n",
	 "f:2:29: '2h' must be a duration (500ms, 2s, 5m, 12h, 30d) from 100ms to 1h\n"},
	{"checks:\n"
	 "  a: {type: http, interval: 5}\n",
	 "f:2:29: '5' must be a duration (500ms, 2s, 5m, 12h, 30d) from 100ms to 1h\n"},
	{"checks:\n"
	 "  a: {type: http, interval: 1s, timeout: 2s}\n",
	 "f:2:42: must not be longer than the interval of 1s\n"},
	{"checks:\n"
	 "  a: {type: http, timeout: 9ms}\n",
	 "f:2:28: '9ms' must be a duration (500ms, 2s, 5m, 12h, 30d) from 10ms to 1h\n"},
	{"checks:\n"
	 "  a: {type: http, rise: 0, fall: 101, clear: x}\n",
	 "f:2:25: '0' must be a plain whole number from 1 to 100\n"
	 "f:2:34: '101' must be a plain whole number from 1 to 100\n"
	 "f:2:46: 'x' must be a plain whole number from 1 to 100\n"},
	{"checks:\n"
	 "  a: {type: http, method: POST}\n",
	 "f:2:27: unknown method 'POST'; one of GET, HEAD\n"},
	{"checks:\n"
	 "  a: {type: http, path: healthz}\n",
	 "f:2:25: must be a path that begins with '/' and has no spaces or control characters\n"},
	{"checks:\n"
	 "  a: {type: http, path: \"/a b\"}\n",
	 "f:2:25: must be a path that begins with '/' and has no spaces or control characters\n"},
	{"checks:\n"
	 "  a: {type: http, host: \"a\\r\\nb\"}\n",
	 "f:2:25: must be a host name without spaces or control characters\n"},
	{"checks:\n"
	 "  a: {type: http, headers: {\"a b\": c, Host: d, x: \"1\\n2\", y: 1, Y: 2}}\n",
	 "f:2:29: must be a header name (RFC 9110 token)\n"
	 "f:2:39: must not be Host; use the key 'host'\n"
	 "f:2:51: must not hold control characters\n"
	 "f:2:65: header 'Y' is given twice\n"},
	{"checks:\n"
	 "  a: {type: http, expect: 2xx}\n",
	 "f:2:27: must be status codes from 100 to 599, as 200-399 or 200,301-302; at most 64 ranges\n"},
	{"checks:\n"
	 "  a: {type: http, expect: 300-200}\n",
	 "f:2:27: must be status codes from 100 to 599, as 200-399 or 200,301-302; at most 64 ranges\n"},
	{"checks:\n"
	 "  a: {type: http, expect: '200,'}\n",
	 "f:2:27: must be status codes from 100 to 599, as 200-399 or 200,301-302; at most 64 ranges\n"},
	{"checks:\n"
	 "  a: {type: http, body: ''}\n",
	 "f:2:25: must not be empty\n"},
	{"checks:\n"
	 "  a: {type: http, sni: x, verify: full, expires_within: 1d}\n",
	 "f:2:19: 'sni' is for checks of type tls and https\n"
	 "f:2:27: 'verify' is for checks of type tls and https\n"
	 "f:2:41: 'expires_within' is for checks of type tls and https\n"},
	{"checks:\n"
	 "  a: {type: http, quorum: majority, quorum_down: any, min_vantages: 1, failback: auto, damp: "
	 "false}\n",
	 "f:2:19: 'quorum' is not supported by this build\n"
	 "f:2:37: 'quorum_down' is not supported by this build\n"
	 "f:2:55: 'min_vantages' is not supported by this build\n"
	 "f:2:72: 'failback' is not supported by this build\n"
	 "f:2:88: 'damp' is not supported by this build\n"},
	{"maps:\n"
	 "  m: {}\n",
	 "f:2:6: missing key 'default'\n"},
	{"maps:\n"
	 "  m: {default: eu}\n",
	 "f:2:16: must be a list of regions, a list of tiers [[a, b], [c]], or nearest, not a value\n"},
	{"maps:\n"
	 "  m: {default: [nearest], EU: [nearest, [eu]], AF: [nearest, eu, U!, eu]}\n",
	 "f:2:16: names no region behind nearest; nearest alone, without a list, is of all regions\n"
	 "f:2:41: must be a region: the order of [nearest, a, b] is that of the distances\n"
	 "f:2:66: 'U!' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"
	 "f:2:70: region 'eu' is listed twice\n"},
	{"maps:\n"
	 "  m: {default: nearest, XX: []}\n",
	 "f:2:25: unknown map key 'XX'; a key is a prefix, as:N, subdivision:US-CA, country:BR, a continent "
	 "(AF, AN, AS, EU, NA, OC, SA) or default\n"},
	{"maps:\n"
	 "  m: {default: [], \"contry:DE\": []}\n",
	 "f:2:20: unknown map key 'contry:DE'; did you mean 'country'?\n"},
	{"maps:\n"
	 "  m: {default: [], \"country:de\": []}\n",
	 "f:2:20: unknown map key 'country:de'; did you mean 'country:DE'?\n"},
	{"maps:\n"
	 "  m: {default: [], DE: [], eu: [], \"country:oc\": [], US-CA: [], AS64500: [], \"as:oc\": []}\n",
	 "f:2:20: unknown map key 'DE'; did you mean 'country:DE'?\n"
	 "f:2:28: unknown map key 'eu'; did you mean 'EU'?\n"
	 "f:2:36: unknown map key 'country:oc'; did you mean 'OC'?\n"
	 "f:2:54: unknown map key 'US-CA'; did you mean 'subdivision:US-CA'?\n"
	 "f:2:65: unknown map key 'AS64500'; did you mean 'as:64500'?\n"
	 "f:2:78: unknown map key 'as:oc'; a key is a prefix, as:N, subdivision:US-CA, country:BR, a "
	 "continent (AF, AN, AS, EU, NA, OC, SA) or default\n"},
	{"maps:\n"
	 "  m: {default: [], \"as:x\": [], \"as:4294967296\": []}\n",
	 "f:2:20: unknown map key 'as:x'; a key is a prefix, as:N, subdivision:US-CA, country:BR, a "
	 "continent (AF, AN, AS, EU, NA, OC, SA) or default\n"
	 "f:2:32: unknown map key 'as:4294967296'; a key is a prefix, as:N, subdivision:US-CA, country:BR, a "
	 "continent (AF, AN, AS, EU, NA, OC, SA) or default\n"},
	{"maps:\n"
	 "  m: {default: [], \"subdivision:CA\": []}\n",
	 "f:2:20: unknown map key 'subdivision:CA'; a key is a prefix, as:N, subdivision:US-CA, country:BR, "
	 "a continent (AF, AN, AS, EU, NA, OC, SA) or default\n"},
	{"maps:\n"
	 "  m: {default: [], 10.0.0.1/8: []}\n",
	 "f:2:20: '10.0.0.1/8' is not a prefix (192.0.2.0/24, 2001:db8::/32; no bits beyond its length)\n"},
	{"maps:\n"
	 "  m: {default: [], \"2001:db8::/32\": [], \"2001:DB8::/32\": []}\n",
	 "f:2:41: prefix 2001:db8::/32 stands in this map twice\n"},
	{"regions: {a: {at: [1, 2]}, b: {at: [1, 2]}}\n"
	 "maps:\n"
	 "  m: {default: [a, [b]]}\n",
	 "f:3:17: must be a tier [a, b]: either all members of the list are tiers or none\n"},
	{"regions: {a: {at: [1, 2]}}\n"
	 "maps:\n"
	 "  m: {default: [[a], []]}\n",
	 "f:3:22: must not be an empty tier\n"},
	{"regions: {a: {at: [1, 2]}}\n"
	 "maps:\n"
	 "  m: {default: [a, a]}\n",
	 "f:3:20: region 'a' is listed twice\n"},
	{"services:\n"
	 "  s: {ttl: 0s}\n",
	 "f:2:12: must be a TTL, or MIN..MAX as 5s..60s, in whole seconds from 1s to 1d\n"},
	{"services:\n"
	 "  s: {ttl: 5s..2s}\n",
	 "f:2:12: must be MIN..MAX; the first is the greater here\n"},
	{"services:\n"
	 "  s: {ttl: 1500ms}\n",
	 "f:2:12: must be a TTL, or MIN..MAX as 5s..60s, in whole seconds from 1s to 1d\n"},
	{"services:\n"
	 "  s: {ttl: 5s..25h}\n",
	 "f:2:12: must be a TTL, or MIN..MAX as 5s..60s, in whole seconds from 1s to 1d\n"},
	{"services:\n"
	 "  s: {steering: {order: latency}}\n",
	 "f:2:25: order 'latency' is not supported by this build\n"},
	{"services:\n"
	 "  s: {steering: {order: nearst}}\n",
	 "f:2:25: unknown order 'nearst'; one of nearest, listed, map, none\n"},
	{"services:\n"
	 "  s: {steering: {order: map}}\n",
	 "f:2:17: missing key 'map', which order: map needs\n"},
	{"services:\n"
	 "  s: {steering: {map: world}}\n",
	 "f:2:18: 'map' is for order: map\n"},
	{"services:\n"
	 "  s: {steering: {tolerance: 20001km}}\n",
	 "f:2:29: must be a distance from 0km to 20000km, as 300km\n"},
	{"services:\n"
	 "  s: {steering: {tolerance: 5}}\n",
	 "f:2:29: must be a distance from 0km to 20000km, as 300km\n"},
	{"services:\n"
	 "  s: {steering: {bias: {eu: 100, us: -100, ap: 1.5, sa: \"5\", EU: 5, au: --5}}}\n",
	 "f:2:29: must be a plain whole number from -99 to 99\n"
	 "f:2:38: must be a plain whole number from -99 to 99\n"
	 "f:2:48: must be a plain whole number from -99 to 99\n"
	 "f:2:57: must be a plain whole number from -99 to 99\n"
	 "f:2:62: must be the id of a region\n"
	 "f:2:73: must be a plain whole number from -99 to 99\n"},
	{"services:\n"
	 "  s: {steering: {bias: 5}}\n",
	 "f:2:24: must be a mapping of regions to numbers, as {eu: 20, us: -10}, not a value\n"},
	{"services:\n"
	 "  s: {steering: {split: rand}}\n",
	 "f:2:25: unknown split 'rand'; one of sticky, random\n"},
	{"services:\n"
	 "  s: {steering: {prefix: [7, 129]}}\n",
	 "f:2:27: '7' must be a plain whole number from 8 to 32\n"
	 "f:2:30: '129' must be a plain whole number from 16 to 128\n"},
	{"services:\n"
	 "  s: {steering: {prefix: 24}}\n",
	 "f:2:26: must be [bits of IPv4, bits of IPv6], as [24, 56], not a value\n"},
	{"services:\n"
	 "  s: {steering: {answers: 33, min_healthy: 101%}}\n",
	 "f:2:27: '33' must be a plain whole number from 1 to 32\n"
	 "f:2:44: '101%' must be a percentage from 0% to 100%\n"},
	{"services:\n"
	 "  s: {steering: {min_healthy: 0.5}}\n",
	 "f:2:31: '0.5' must be a percentage from 0% to 100%\n"},
	{"services:\n"
	 "  s: {steering: {last_resort: []}}\n",
	 "f:2:31: holds no address; last_resort: nodata says that there is none\n"},
	{"services:\n"
	 "  s: {steering: {last_resort: [192.0.2.1, sorry.example, 192.0.2.1, \"2001:db8::1\", "
	 "\"2001:DB8::1\"]}}\n",
	 "f:2:43: 'sorry.example' must be an IPv4 or IPv6 address, without port, prefix length or scope\n"
	 "f:2:58: address '192.0.2.1' is listed twice\n"
	 "f:2:84: address '2001:DB8::1' is listed twice\n"},
	{"services:\n"
	 "  s: {steering: {last_resort: lats}}\n",
	 "f:2:31: unknown last_resort 'lats'; one of all, first, nodata, last-good\n"},
	{"services:\n"
	 "  s: {https: {alpn: [], port: 0}}\n"
	 "  t: {https: {alpn: [h2, h2, 'a b', ''], prot: 1}}\n"
	 "  u: {https: true}\n",
	 "f:2:21: lists 0 protocols; 1 to 16 are needed\n"
	 "f:2:31: '0' must be a plain whole number from 1 to 65535\n"
	 "f:3:26: 'h2' is listed twice\n"
	 "f:3:30: 'a b' must be a protocol, as h2 or http/1.1\n"
	 "f:3:37: '' must be a protocol, as h2 or http/1.1\n"
	 "f:3:42: unknown key 'prot'; did you mean 'port'?\n"
	 "f:4:14: must be a mapping, not a value\n"},
	{"services:\n"
	 "  s: {https: {alpn: [h2]}, passthrough: web, tcp: {}}\n",
	 "f:2:28: 'passthrough' is not supported by this build\n"
	 "f:2:46: 'tcp' is not supported by this build\n"},
	{"services:\n"
	 "  s: {vips: {eu: []}}\n",
	 "f:2:18: holds 0 VIPs; a region needs 1 to 64\n"},
	{"services:\n"
	 "  s: {vips: {eu: 192.0.2.1}}\n",
	 "f:2:18: must be a list of VIPs, not a value\n"},
	{"services:\n"
	 "  s: {vips: {eu: [192.0.2.300]}}\n",
	 "f:2:19: '192.0.2.300' must be an IPv4 or IPv6 address, without port, prefix length or scope\n"},
	{"services:\n"
	 "  s: {vips: {eu: [{address: lb.example.net}, {name: 192.0.2.1}, {name: a..b}, {name: a, address: "
	 "192.0.2.1}]}}\n",
	 "f:2:29: 'lb.example.net' is a host name; write it as name: lb.example.net\n"
	 "f:2:53: '192.0.2.1' must be a host name\n"
	 "f:2:72: 'a..b' must be a host name\n"
	 "f:2:80: a VIP has an address or a name, not both\n"},
	{"regions: {eu: {at: [1, 2]}}\n"
	 "services:\n"
	 "  s: {vips: {eu: [lb.example.net, {name: LB.example.NET.}]}}\n",
	 "f:3:35: name lb.example.net. stands in region 'eu' twice\n"},
	{"services:\n"
	 "  s: {vips: {eu: [{weight: 1000001}]}}\n",
	 "f:2:19: missing key 'address'\n"
	 "f:2:28: '1000001' must be a plain whole number from 0 to 1000000\n"},
	{"services:\n"
	 "  s: {vips: {eu: [\"2001:db8::1\", {address: \"2001:DB8:0::1\"}]}}\n",
	 "f:2:34: address 2001:db8::1 stands in region 'eu' twice\n"},
	{"services:\n"
	 "  s: {vips: {E.U: [192.0.2.1]}}\n",
	 "f:2:14: must be the id of a region\n"},
	{"zones:\n"
	 "  z.example: {}\n",
	 "f:2:14: missing key 'file' or 'text'\n"},
	{"zones:\n"
	 "  z.example: {file: a, text: b}\n",
	 "f:2:24: 'text' and 'file' exclude each other\n"},
	{"zones:\n"
	 "  z.example: {file: a, dnssec: on, serial: date}\n",
	 "f:2:32: dnssec other than off is not supported by this build\n"
	 "f:2:44: unknown serial 'date'; one of file, change\n"},
	{"zones:\n"
	 "  a..b: {text: x}\n",
	 "f:2:3: 'a..b' is not the name of a zone: empty label\n"},
	{"zones:\n"
	 "  z.example: {file: ''}\n",
	 "f:2:21: must be a path, not empty\n"},
	{"zones:\n"
	 "  z.example:\n"
	 "    text: |\n"
	 "      @ SOA a b 1 2 3 4 5\n"
	 "      @ NS n\n"
	 "      w A 192.0.2.300\n",
	 "f:6: A record: address '192.0.2.300': invalid IPv4 address\n"},
	{"tenants:\n"
	 "  t: {}\n",
	 "f:2:6: missing key 'zone'\n"
	 "f:2:6: missing key 'service'\n"},
	{"tenants:\n"
	 "  t: {zone: a..b, service: S!}\n",
	 "f:2:13: must be the name of a zone: empty label\n"
	 "f:2:28: 'S!' must be an id (1 to 63 of a-z, 0-9 and inner hyphens)\n"},
	{"tenants:\n"
	 "  t: {zone: z, service: s, tier: [gold]}\n",
	 "f:2:34: must be an id (1 to 63 of a-z, 0-9 and inner hyphens), not a list\n"},
	{"tenants:\n"
	 "  t: {zone: z, service: s, state: paused, tgas: []}\n",
	 "f:2:35: unknown state 'paused'; one of active, suspended\n"
	 "f:2:43: unknown key 'tgas'; did you mean 'tags'?\n"},
	{"tenants:\n"
	 "  t: {zone: z, service: s, regions: eu, hosts: x, domains: {}}\n",
	 "f:2:37: must be a list of region ids, not a value\n"
	 "f:2:48: must be a list of names, not a value\n"
	 "f:2:60: must be a list of names, not a mapping\n"},
	{"tenants:\n"
	 "  t: {zone: z, service: s, hosts: [a*, x.*.y, a, A.z]}\n",
	 "f:2:36: must be a host name: '*' stands only as the whole left label\n"
	 "f:2:40: must be a host name: '*' stands only as the whole left label\n"},
	{"tenants:\n"
	 "  t: {zone: z, service: s, domains: [a.test, t.z]}\n",
	 "f:2:46: the name 't.z.' is listed twice\n"},
};

/* What is referred to is said to stand in another file: test_fleet_validate.c is about that. */
static void test_every_error_is_told_at_its_place(void **state)
{
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		struct fleet_change *change = fleet_change_new(FLEET_BASE);
		struct fleet *fleet = fleet_new();
		struct fleet_result result;
		struct err_list errors = {0};

		fleet_change_set_incomplete(change);
		add_yaml(change, "f", broken[i].text, &errors);
		assert_false(fleet_apply(fleet, change, 1, false, &result, &errors));
		char *told = print_errors(&errors);
		assert_string_equal(told, broken[i].errors);
		free(told);
		for (int kind = 0; kind < FLEET_KINDS; kind++)
			assert_int_equal(fleet_count(fleet, (enum fleet_kind)kind), 0);
		fleet_change_free(change);
		fleet_free(fleet);
	}
}

static const struct broken beyond_ascii[] = {
	{"zones: {b\u00fccher.test: {text: x}}\n", "f:1:9: 'b\u00fccher.test' is not the name of a zone: it "
						   "has letters beyond ASCII; resolvers ask for "
						   "'xn--bcher-kva.test'\n"},
	{"services: {s: {}}\n"
	 "tenants:\n"
	 "  t: {zone: b\u00fccher.test, service: s}\n",
	 "f:3:13: must be the name of a zone: it has letters beyond ASCII; resolvers ask for "
	 "'xn--bcher-kva.test'\n"},
	{"zones: {z.test: {text: \"@ 60 SOA ns h 1 2 3 4 5\\n@ 60 NS ns.x.\\n\"}}\n"
	 "services: {s: {}}\n"
	 "tenants:\n"
	 "  t: {zone: z.test, service: s, hosts: [b\u00fccher, \"*.B\u00dcCHER\"], domains: "
	 "[www.stra\u00dfe.example]}\n",
	 "f:4:41: must be a host name: it has letters beyond ASCII; resolvers ask for 'xn--bcher-kva'\n"
	 "f:4:49: must be a host name: it has letters beyond ASCII; resolvers ask for '*.xn--bcher-kva'\n"
	 "f:4:72: must be a domain name: it has letters beyond ASCII; resolvers ask for "
	 "'www.xn--strae-oqa.example'\n"},
	{"regions: {eu: {at: [1, 2]}}\n"
	 "services:\n"
	 "  s: {vips: {eu: [lb.b\u00fccher.test, {name: b\u00fccher.test}]}}\n",
	 "f:3:19: 'lb.b\u00fccher.test' must be a host name: it has letters beyond ASCII; resolvers ask for "
	 "'lb.xn--bcher-kva.test'\n"
	 "f:3:42: 'b\u00fccher.test' must be a host name: it has letters beyond ASCII; resolvers ask for "
	 "'xn--bcher-kva.test'\n"},
};

static void test_names_beyond_ascii_are_told_what_is_meant(void **state)
{
	assert_all_broken(beyond_ascii, sizeof beyond_ascii / sizeof beyond_ascii[0]);
}

struct odd {
	const char *text;
	const char *warnings; /* as err_print writes them; the document is called f */
};

static const struct odd odd[] = {
	{"regions: {eu: {at: [50, 8], country: UK}, us: {at: [40, -77], country: ZZ}}\n",
	 "f:1:38: warning: ISO 3166-1 has no country 'UK'; did you mean 'GB'?\n"
	 "f:1:72: warning: ISO 3166-1 has no country 'ZZ'\n"},
	{"locations: {10.0.0.0/8: {country: EL}, 10.1.0.0/16: {country: EU}}\n",
	 "f:1:35: warning: ISO 3166-1 has no country 'EL'; did you mean 'GR'?\n"
	 "f:1:63: warning: ISO 3166-1 has no country 'EU'; 'EU' is a continent\n"},
	{"maps:\n"
	 "  m: {default: [], \"country:UK\": [], \"subdivision:UK-ENG\": [], \"country:EU\": []}\n",
	 "f:2:20: warning: ISO 3166-1 has no country 'UK'; did you mean 'GB'?\n"
	 "f:2:38: warning: ISO 3166-1 has no country 'UK'; did you mean 'GB'?\n"
	 "f:2:64: warning: ISO 3166-1 has no country 'EU'; 'EU' is a continent\n"},
	{"regions: {eu: {at: [50, 8], country: XK}}\n"
	 "maps: {m: {default: [], \"country:AS\": [], AS: []}}\n",
	 ""},
};

static void test_odd_values_are_warned_of_at_their_place(void **state)
{
	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		struct fleet *fleet = fleet_new();
		struct fleet_result result;
		char *warnings = apply_yaml(fleet, FLEET_BASE, odd[i].text, &result);
		assert_string_equal(warnings, odd[i].warnings);
		free(warnings);
		fleet_result_done(&result);
		fleet_free(fleet);
	}
}

/* Each different list of a prefix or AS rule costs a table of its own. */
static void test_lists_of_nearest_are_bounded(void **state)
{
	for (unsigned count = FLEET_NEAREST_LISTS_MAX; count <= FLEET_NEAREST_LISTS_MAX + 1; count++) {
		struct fleet *fleet = fleet_new();
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		fputs("regions: {a: {at: [0, 0]}", out);
		for (unsigned i = 0; i < count; i++)
			fprintf(out, ", r%u: {at: [0, %u]}", i, i);
		fputs("}\nmaps:\n  m:\n    default: [nearest, a, r0]\n    \"country:DE\": [nearest, r1, "
		      "r0]\n",
		      out);
		for (unsigned i = 0; i < count; i++) /* each twice: the order of a list does not matter */
			fprintf(out,
				"    \"as:%u\": [nearest, a, r%u]\n    10.%u.0.0/16: [nearest, r%u, a]\n",
				64500 + i, i, i, i);
		fclose(out);
		struct fleet_result result;
		char *errors = apply_yaml(fleet, FLEET_BASE, text, &result);
		assert_string_equal(
			errors,
			count == FLEET_NEAREST_LISTS_MAX
				? ""
				: "f:38:17: is one too many: the prefixes and AS numbers of a map have "
				  "at most 16 different lists [nearest, a, b]\n");
		free(errors);
		free(text);
		fleet_result_done(&result);
		fleet_free(fleet);
	}
}

static void test_many_odd_values_are_one_warning(void **state)
{
	struct fleet *fleet = fleet_new();
	struct fleet_result result;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs("locations:\n", out);
	for (unsigned i = 0; i < 5000; i++)
		fprintf(out, "  10.%u.%u.0/24: {country: UK}\n", i / 256, i % 256);
	fclose(out);
	char *warnings = apply_yaml(fleet, FLEET_BASE, text, &result);
	assert_non_null(strstr(warnings,
			       "f:21:27: warning: ISO 3166-1 has no country 'UK'; did you mean 'GB'? "
			       "(and 4980 more like this)\n"));
	assert_null(strstr(warnings, "f:22:"));
	assert_int_equal(fleet_count(fleet, FLEET_LOCATION), 5000);
	free(warnings);
	free(text);
	fleet_result_done(&result);
	fleet_free(fleet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_error_is_told_at_its_place),
		cmocka_unit_test(test_names_beyond_ascii_are_told_what_is_meant),
		cmocka_unit_test(test_odd_values_are_warned_of_at_their_place),
		cmocka_unit_test(test_lists_of_nearest_are_bounded),
		cmocka_unit_test(test_many_odd_values_are_one_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
