"""VIPs by host name, with a second gslbd as the resolver: addresses follow the TTL, failures change nothing."""

import os
import shutil
import tempfile

import stack
from probe_servers import Authority, HttpServer, TlsServer

LB = "cloud.example"
ZONE = """\
$TTL 1
@   3600 IN SOA ns1 hostmaster 1 7200 900 1209600 60
    3600 IN NS  ns1
ns1 3600 IN A   127.0.0.1
"""


class Names(stack.StackTest):
    def setUp(self):
        self.port = stack.free_port()
        self.resolver = stack.Stack({}, zones={LB: ZONE}, node={"dns": {"listen": [f"127.0.0.1@{self.port}"]},
                                                                 "probes": None})
        self.use(self.resolver)
        self.world = stack.World(interval="200ms", timeout="150ms", per_region=2,
                                 node={"node": {"name": "live-1", "state_dir": "state",
                                                "resolvers": [f"127.0.0.1@{self.port}"]}})
        self.eu = sorted(self.world.vips["eu"])
        vips = {"eu": [{"name": f"LB.{LB}", "weight": 2}], "us": self.world.vips["us"]}
        self.world.fleet["services"]["shop"] = {"check": "web", "ttl": "1s", "vips": vips,
                                                "steering": {"order": "listed", "answers": 8}}

    def publish(self, *lines):
        self.resolver.zones[LB] = ZONE + "".join(f"{line}\n" for line in lines)
        self.resolver.write()
        if self.resolver.process:
            self.resolver.ctl("reload")

    def vips(self, server):
        return sorted(item["address"] for item in server.api("GET", "/v1/vips")[1]["items"]
                      if item.get("name") == f"lb.{LB}.")

    def answer(self, server):
        return sorted(server.answer("acme", stack.CLIENTS["us"]))

    def start(self, *lines):
        self.publish(*lines)
        self.resolver.start()
        return self.use(self.world.start())

    def test_addresses_follow_the_name(self):
        server = self.start("lb IN CNAME pool", f"pool IN A {self.eu[0]}")
        self.assertEqual(self.answer(server), [self.eu[0]])  # known before the first answer
        self.publish(*(f"lb IN A {address}" for address in self.eu))
        stack.until(lambda: self.answer(server) == self.eu, what="the second address")
        told = server.api("POST", "/v1/explain", {"name": f"acme.{stack.ZONE}", "type": "A", "client": "10.1.7.0/24"})[1]
        region = next(region for region in told["regions"] if region["region"] == "eu")
        self.assertEqual(sorted((vip["address"], vip["weight"]) for vip in region["vips"]),
                         [(address, 1) for address in self.eu])
        server.origins[self.eu[0]].set("close")  # each address is a target of its own
        stack.until(lambda: self.answer(server) == [self.eu[1]], what="the end of the first")
        self.publish(f"lb IN A {self.eu[0]}")
        stack.until(lambda: self.vips(server) == [self.eu[0]], what="the way back")
        self.assertEqual(server.ctl("export", "--source", "all").stdout.count(f"lb.{LB}."), 1)

    def test_a_name_with_too_many_addresses(self):
        """64 are used, the same ones whatever order the resolver has, and the log says how many there are."""
        pool = [f"127.{i // 200 + 2}.{i % 200 + 1}.9" for i in range(200)]
        server = self.start(*(f"lb IN A {address}" for address in reversed(pool)))
        first = sorted(pool, key=lambda address: [int(part) for part in address.split(".")])[:64]
        self.assertEqual(self.vips(server), sorted(first))
        self.assertEqual(server.log().count(f"name lb.{LB}. has 200 addresses of one family; the first 64"), 1)

    def test_a_failure_keeps_the_last_addresses(self):
        server = self.start(*(f"lb IN A {address}" for address in self.eu))
        self.assertEqual(self.vips(server), self.eu)
        self.publish("other IN A 192.0.2.1")  # NXDOMAIN
        stack.until(lambda: f"lb.{LB}.: " in server.log(), what="the warning")
        self.assertEqual(self.vips(server), self.eu)
        self.assertEqual(self.answer(server), self.eu)
        self.resolver.stop_quietly()  # nobody there, and a restart
        server.stop_quietly()
        server.start()
        self.assertEqual(self.answer(server), self.eu)
        self.resolver.start()
        self.publish(f"lb IN A {self.eu[1]}")
        stack.until(lambda: self.vips(server) == [self.eu[1]], seconds=30, what="the new address")

    def test_probes_ask_by_the_name(self):
        directory = tempfile.mkdtemp(prefix="gslb-certificates-")
        self.addCleanup(shutil.rmtree, directory)
        authority = Authority(directory)
        os.environ["SSL_CERT_FILE"] = str(authority.path)
        self.addCleanup(os.environ.pop, "SSL_CERT_FILE")
        address = self.eu[0]
        plain, secure = HttpServer(address), TlsServer(address, authority.certificate(f"lb.{LB}"))
        other = TlsServer(address, authority.certificate("shop.example"))
        for server in (plain, secure, other):
            self.addCleanup(server.close)
        checks = {"named": {"type": "http", "port": plain.port},
                  "explicit": {"type": "http", "port": plain.port, "host": "shop.example"},
                  "judged": {"type": "https", "port": secure.port, "verify": "full"},
                  "handshake": {"type": "tls", "port": secure.port, "verify": "full"},
                  "own-sni": {"type": "https", "port": other.port, "sni": "shop.example", "verify": "full"}}
        fleet = self.world.fleet
        fleet["checks"].update({name: {"interval": "200ms", "timeout": "200ms", "rise": 1, **check}
                                for name, check in checks.items()})
        fleet["services"].update({name: {"check": name, "vips": {"eu": [{"name": f"lb.{LB}"}]}} for name in checks})
        # The same address without a name is another target of the same check.
        fleet["services"]["address"] = {"check": "named", "vips": {"eu": [address]}}
        server = self.start(f"lb IN A {address}")

        def states():
            items = server.api("GET", "/v1/vips")[1]["items"]
            return {item["service"]: item["state"] for item in items if item["service"] in {*checks, "address"}}
        everything = {name: "up" for name in (*checks, "address")}
        stack.until(lambda: states() == everything, what="all being up")
        authority_of_name, authority_of_address = f"lb.{LB}:{plain.port}", f"{address}:{plain.port}"
        self.assertEqual(set(plain.hosts), {authority_of_name, "shop.example", authority_of_address})
        self.assertEqual(set(secure.names), {f"lb.{LB}"})
        self.assertEqual(set(other.names), {"shop.example"})

    def test_a_name_that_was_never_found_leaves_the_region_empty(self):
        server = self.start("other IN A 192.0.2.1")
        self.assertEqual(self.answer(server), sorted(self.world.vips["us"]))
        self.publish(f"lb IN A {self.eu[0]}", "lb IN AAAA ::1")
        stack.until(lambda: self.vips(server) == sorted([self.eu[0], "::1"]), seconds=30, what="the name")


if __name__ == "__main__":
    stack.main()
