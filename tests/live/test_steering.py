"""Steering as an operator sees it: bias, HTTPS records that follow health, last resorts, whose subnet counts."""

import re
import time

import stack


class Bias(stack.StackTest):
    def test_a_bias_moves_clients_and_not_the_map(self):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        # Frankfurt is 0 km from its client, Singapore some 10,000: only the client in between moves.
        world.fleet["locations"]["10.4.0.0/16"] = {"at": [25.2, 55.3]}  # 4,840 km to eu, 5,850 km to ap
        server = self.use(world.start())
        vip = {region: addresses[0] for region, addresses in world.vips.items()}
        self.assertEqual(server.answer("acme", "10.4.7.0/24"), [vip["eu"]])
        world.fleet["services"]["shop"]["steering"] = {"bias": {"ap": 30}}
        server.write()
        server.ctl("reload")
        self.assertEqual(server.answer("acme", "10.4.7.0/24"), [vip["ap"]])
        self.assertEqual(server.answer("acme", stack.CLIENTS["eu"]), [vip["eu"]])
        told = server.api("POST", "/v1/explain", {"name": f"acme.{stack.ZONE}", "type": "A", "client": "10.4.7.0/24"})[1]
        regions = {region["region"]: region for region in told["regions"]}
        self.assertAlmostEqual(regions["ap"]["distance_km"], 5850, delta=30)
        self.assertEqual((regions["ap"]["tier"], regions["eu"]["tier"]), (0, 1))

    def test_a_negative_bias_sends_clients_away(self):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        world.fleet["locations"]["10.4.0.0/16"] = {"at": [25.2, 55.3]}  # 4,840 km to eu, 5,850 km to ap
        server = self.use(world.start())
        vip = {region: addresses[0] for region, addresses in world.vips.items()}
        for bias, region in ((0, "eu"), (-10, "eu"), (-20, "ap"), (-99, "ap")):
            world.fleet["services"]["shop"]["steering"] = {"bias": {"eu": bias}}
            server.write()
            server.ctl("reload")
            self.assertEqual(server.answer("acme", "10.4.7.0/24"), [vip[region]], f"bias of eu: {bias}")


class Https(stack.StackTest):
    def test_hints_follow_health(self):
        world = stack.World()
        world.fleet["services"]["shop"]["https"] = {"alpn": ["h2"], "port": world.port}
        server = self.use(world.start())
        client = f"+subnet={stack.CLIENTS['eu']}"
        name = f"acme.{stack.ZONE}"

        def record():
            reply = server.kdig(name, "HTTPS", client)
            found = re.search(r"^acme\S+\s+\d+\s+IN\s+(?:HTTPS|TYPE65)\s+(.*)$", reply, re.M)
            return found and found[1]

        eu, us = world.vips["eu"][0], world.vips["us"][0]
        self.assertEqual(record(), f"1 . alpn=h2 port={world.port} ipv4hint={eu}")
        told = server.api("POST", "/v1/explain", {"name": name, "type": "HTTPS", "client": "10.1.7.0/24"})[1]
        self.assertEqual(told["answer"]["records"][0]["data"], f"1 . alpn=h2 port={world.port} ipv4hint={eu}")
        server.origins[eu].kill()
        stack.until(lambda: server.answer("acme", stack.CLIENTS["eu"]) == [us], what="the failover")
        self.assertEqual(record(), f"1 . alpn=h2 port={world.port} ipv4hint={us}")
        self.assertIn("https", server.ctl("export", "--source", "all").stdout)


class Families(stack.StackTest):
    """IPv4 and IPv6 of one name: where a region has lost one of them."""

    def start(self, **steering):
        world = stack.World(interval="200ms", timeout="150ms", steering={"order": "listed", **steering})
        self.eu, self.us = world.vips["eu"][0], world.vips["us"][0]
        service = world.fleet["services"]["shop"]
        service["vips"] = {"eu": [self.eu, "::1"], "us": [self.us]}
        service["ttl"] = "1s..4s"
        service["https"] = {"alpn": ["h2"]}
        world.vips = {"eu": [self.eu, "::1"], "us": [self.us]}
        return self.use(world.start())

    def fallbacks(self, server):
        return {step: int(count) for step, count in
                re.findall(r'gslb_dns_fallback_total{service="shop",step="([\w-]+)"} (\d+)', server.page("/metrics")[1])}

    def test_one_family_fails_over(self):
        server = self.start()
        self.assertEqual(server.answer("acme", stack.CLIENTS["eu"]), [self.eu])
        self.assertEqual(self.fallbacks(server)["family"], 0)
        server.origins[self.eu].kill()
        stack.until(lambda: server.answer("acme", stack.CLIENTS["eu"]) == [self.us], what="the failover of IPv4")
        self.assertLessEqual(server.ask("acme").ttl, 2)
        self.assertEqual(server.answer("acme", stack.CLIENTS["eu"], "AAAA"), ["::1"])
        self.assertEqual(server.answer("resident", stack.CLIENTS["eu"]), [self.eu])  # its last resort, inside eu
        self.assertIn(f"ipv4hint={self.us} ipv6hint=::1", server.kdig(f"acme.{stack.ZONE}", "HTTPS"))
        counted = self.fallbacks(server)
        self.assertGreaterEqual(counted["family"], 3)
        self.assertEqual(counted["last-resort"], 1)
        told = server.ctl("explain", f"acme.{stack.ZONE}").stdout
        self.assertIn("family   ipv4 from us: eu, chosen for both families, has none of it that may be used", told)
        tail = server.ctl("explain", f"acme.{stack.ZONE}", "AAAA").stdout
        self.assertNotIn("family ", tail)
        server.origins[self.eu].start()
        stack.until(lambda: server.answer("acme", stack.CLIENTS["eu"]) == [self.eu], what="the way back")

    def test_a_family_has_its_own_last_resort(self):
        server = self.start(last_resort="nodata")
        server.origins[self.eu].kill()
        server.origins[self.us].kill()
        stack.until(lambda: server.answer("acme", stack.CLIENTS["eu"]) == [], what="the loss of IPv4")
        reply = server.ask("acme")
        self.assertEqual([record[2] for record in reply.authority], [1])  # nobody keeps it
        self.assertEqual(server.answer("acme", stack.CLIENTS["eu"], "AAAA"), ["::1"])
        self.assertGreaterEqual(self.fallbacks(server)["none"], 1)

    def test_a_drained_vip_sends_its_family_away(self):
        server = self.start()
        server.ctl("vip", "drain", "eu", self.eu)
        self.assertEqual(server.answer("acme", stack.CLIENTS["eu"]), [self.us])
        self.assertEqual(server.answer("acme", stack.CLIENTS["eu"], "AAAA"), ["::1"])
        server.ctl("region", "drain", "us")
        self.assertEqual(server.answer("acme", stack.CLIENTS["eu"]), [self.eu])  # panic: before nothing
        server.ctl("region", "force-down", "us")
        server.ctl("region", "restore", "us")
        server.ctl("vip", "restore", "eu", self.eu)
        self.assertEqual(server.answer("acme", stack.CLIENTS["eu"]), [self.eu])


class LastResort(stack.StackTest):
    def world(self, last_resort):
        world = stack.World(interval="200ms", timeout="150ms", steering={"order": "listed", "last_resort": last_resort})
        world.vip = {region: addresses[0] for region, addresses in world.vips.items()}
        return world

    def test_last_good_survives_a_restart(self):
        world = self.world("last-good")
        server = self.use(world.start())
        for region in ("eu", "ap", "us"):  # us falls last
            server.origins[world.vip[region]].kill()
            stack.until(lambda: any(item["address"] == world.vip[region] and item["state"] == "down"
                                    for item in server.api("GET", "/v1/vips")[1]["items"]), what="the fall")
            if region != "us":
                time.sleep(1.2)  # longer than the window in which VIPs fall together
        def explain():
            return server.api("POST", "/v1/explain",
                              {"name": f"acme.{stack.ZONE}", "type": "A", "client": "10.1.7.0/24"})[1]

        stack.until(lambda: explain()["step"] == "last-resort", what="the last resort")
        told = explain()
        self.assertEqual(server.answer("acme", stack.CLIENTS["eu"]), [world.vip["us"]])
        self.assertEqual(server.answer("resident", stack.CLIENTS["us"]), [world.vip["eu"]])
        self.assertEqual({region["region"]: region["kept"] for region in told["regions"]},
                         {"eu": False, "us": True, "ap": False})
        server.stop_quietly()
        server.start()
        self.assertEqual(server.answer("acme", stack.CLIENTS["eu"]), [world.vip["us"]])
        self.assertEqual(server.answer("resident", stack.CLIENTS["us"]), [world.vip["eu"]])

    def test_addresses_as_written(self):
        world = self.world(["192.0.2.200", "2001:db8::200", "192.0.2.199"])
        server = self.use(world.start())
        for origin in server.origins.values():
            origin.kill()
        stack.until(lambda: server.answer("acme", stack.CLIENTS["eu"]) == ["192.0.2.200", "192.0.2.199"],
                    what="the last resort")
        reply = server.ask("acme", "AAAA", stack.CLIENTS["ap"])
        self.assertEqual((reply.addresses, reply.scope), (["2001:db8::200"], 0))
        self.assertEqual(server.answer("resident", stack.CLIENTS["eu"]), [])
        self.assertIn('gslb_dns_fallback_total{service="shop",step="last-resort"}', server.page("/metrics")[1])


    def test_an_outage_is_kept_no_longer_than_min(self):
        world = self.world("nodata")
        server = self.use(world.start())

        def nodata_ttl(name, kind="A"):
            found = re.search(r"^%s\.\s+(\d+)\s+IN\s+SOA" % re.escape(stack.ZONE), server.dig(f"{name}.{stack.ZONE}", kind), re.M)
            return found and int(found[1])

        self.assertEqual(nodata_ttl("acme", "AAAA"), 20)  # no region has IPv6, and none will have it soon
        server.ctl("region", "force-down", "eu", "--reason", "trial")
        self.assertEqual(nodata_ttl("resident"), 1)
        server.ctl("region", "restore", "eu")
        for origin in server.origins.values():
            origin.kill()
        stack.until(lambda: server.answer("acme", stack.CLIENTS["eu"]) == [], what="the outage")
        self.assertEqual((nodata_ttl("acme"), nodata_ttl("resident"), nodata_ttl("acme", "AAAA")), (1, 1, 20))
        told = server.ctl("explain", f"acme.{stack.ZONE}").stdout
        self.assertIn("ttl      1 s of 1 to 20: no record for now", told)


class ClientSubnet(stack.StackTest):
    def test_only_some_resolvers_are_believed(self):
        world = stack.World(node={"dns": {"listen": ["127.0.0.1@0"], "ecs": {"from": ["192.0.2.0/24"]}}})
        del world.fleet["services"]["shop"]["check"]
        world.fleet["services"]["shop"]["steering"] = {"order": "nearest", "regions": ["us", "eu", "ap"]}
        server = self.use(world.start())
        vip = {region: addresses[0] for region, addresses in world.vips.items()}
        reply = server.ask("acme", client=stack.CLIENTS["eu"])
        self.assertEqual((reply.addresses, reply.scope), ([vip["us"]], None))  # 127.0.0.1 has no place
        self.assertIn('gslb_dns_ecs_queries_total{family="ipv4"} 0', server.page("/metrics")[1])
        server.node["dns"]["ecs"]["from"].append("127.0.0.0/8")
        server.write()
        server.ctl("reload")
        reply = server.ask("acme", client=stack.CLIENTS["eu"])
        self.assertEqual((reply.addresses, reply.scope), ([vip["eu"]], 16))
        self.assertIn('gslb_dns_ecs_queries_total{family="ipv4"} 1', server.page("/metrics")[1])


if __name__ == "__main__":
    stack.main()
