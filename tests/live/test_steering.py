"""Steering as an operator sees it: bias, HTTPS records that follow health, last resorts, whose subnet counts."""

import re

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


if __name__ == "__main__":
    stack.main()
