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
