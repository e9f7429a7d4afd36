"""explain tells what dig gets: the same records and the same scope, for many clients and states."""

import json
import random

import stack


class Explain(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        world = stack.World(per_region=3, steering={"tolerance": "100km", "answers": 1})
        del world.fleet["services"]["shop"]["check"]
        world.fleet["services"]["spread"] = {"ttl": "5s", "steering": {"order": "none", "answers": 2},
                                             "vips": world.vips}
        world.fleet["services"]["ordered"] = {"ttl": "5s", "steering": {"order": "listed", "regions": ["ap", "eu"]},
                                              "vips": world.vips}
        world.fleet["maps"] = {"world": {"EU": ["us"], "country:SG": ["eu"], "10.2.7.0/24": ["ap"],
                                         "default": ["us", "eu"]}}
        world.fleet["services"]["mapped"] = {"ttl": "5s", "steering": {"order": "map", "map": "world"},
                                             "vips": world.vips}
        # One address family here and there: IPv6 of us and IPv4 of ap are elsewhere.
        world.fleet["services"]["dual"] = {
            "ttl": "5s", "steering": {"order": "nearest"},
            "vips": {"eu": [*world.vips["eu"][:2], "2001:db8:1::1"], "us": world.vips["us"][:1],
                     "ap": ["2001:db8:3::1", "2001:db8:3::2"]}}
        for service in ("spread", "ordered", "mapped", "dual"):
            world.fleet["tenants"][service] = {"zone": stack.ZONE, "service": service}
        cls.stack = world.start()
        cls.world = world

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    def explain(self, name, client, *more):
        return json.loads(self.stack.ctl("explain", f"{name}.{stack.ZONE}", "A", "--client", client, "-o", "json",
                                         *more).stdout)

    def compare(self, count):
        rng = random.Random(7)
        for _ in range(count):
            name = rng.choice(("acme", "resident", "spread", "ordered", "mapped", "dual", "dual", "static", "nobody"))
            kind = rng.choice(("A", "AAAA")) if name == "dual" else "A"
            bits = rng.choice((16, 20, 24, 32))
            address = [10, rng.choice((1, 2, 3, 9)), rng.randrange(256), rng.randrange(256)]
            number = int.from_bytes(bytes(address), "big") >> (32 - bits) << (32 - bits)
            client = ".".join(str(octet) for octet in number.to_bytes(4, "big")) + f"/{bits}"
            # The file's own resolver is 127.0.0.1 for both.
            told = self.stack.api("POST", "/v1/explain", {"name": f"{name}.{stack.ZONE}", "type": kind,
                                                          "client": client, "via": "127.0.0.1"})[1]
            asked = self.stack.ask(name, kind, client=client)
            self.assertEqual([record["data"] for record in told["answer"]["records"]], asked.addresses, (name, client))
            self.assertEqual(told["answer"]["rcode"], asked.rcode)
            self.assertEqual(told["client"]["scope"], asked.scope, (name, client))
            if name == "dual":
                self.assertNotEqual(asked.addresses, [], (kind, client))
                self.assertEqual(told["step"] == "family", bool(told["family"]), told)

    def test_explain_is_what_dig_gets(self):
        self.compare(300)
        self.stack.ctl("region", "drain", "eu", "--share", "40")
        self.stack.ctl("vip", "drain", "us", self.world.vips["us"][1])
        self.compare(300)
        self.stack.ctl("region", "restore", "eu")
        self.stack.ctl("vip", "restore", "us", self.world.vips["us"][1])

    def test_a_family_that_chose_by_itself(self):
        told = self.stack.ctl("explain", f"dual.{stack.ZONE}", "AAAA", "--client", "10.2.7.0/24").stdout
        self.assertIn("step     this address family by itself", told)
        self.assertIn("family   ipv6 from eu: us, chosen for both families, has none of it\n", told)
        self.assertRegex(told, r"us +1? .*no VIP of this address family|us +0 .*no VIP of this address family")
        vips = ",".join(f"{vip}=down" for vip in self.world.vips["us"][:1])
        told = self.stack.ctl("explain", f"dual.{stack.ZONE}", "--client", "10.3.7.0/24", "--what-if", vips).stdout
        self.assertIn("family   ipv4 from eu: ap, chosen for both families, has none of it\n", told)
        vips = ",".join(f"{vip}=down" for vip in self.world.vips["eu"][:2])
        told = self.stack.ctl("explain", f"dual.{stack.ZONE}", "--client", "10.1.7.0/24", "--what-if", vips).stdout
        # A third of eu is too little for both families: they go on to us, and IPv6 comes back.
        self.assertIn("step     the first tier that is healthy enough", told)
        told = self.stack.ctl("explain", f"dual.{stack.ZONE}", "AAAA", "--client", "10.1.7.0/24", "--what-if", vips).stdout
        self.assertIn("family   ipv6 from eu: us, chosen for both families, has none of it that may be used\n", told)

    def test_every_region_stands_once_with_a_reason(self):
        told = self.explain("resident", "10.2.7.0/24")
        self.assertEqual({region["region"]: region["reason"] for region in told["regions"]},
                         {"eu": "chosen", "us": "residency", "ap": "residency"})
        self.assertEqual((told["kind"], told["tenant"], told["client"]["source"]), ("tenant", "resident", "argument"))

    def test_what_if(self):
        self.assertIn(self.explain("acme", "10.1.7.0/24")["answer"]["records"][0]["data"], self.world.vips["eu"])
        supposed = self.explain("acme", "10.1.7.0/24", "--what-if", "eu=down")
        self.assertIn(supposed["answer"]["records"][0]["data"], self.world.vips["us"])
        both = self.explain("acme", "10.1.7.0/24", "--what-if", "eu=force-down,us=0%")
        self.assertIn(both["answer"]["records"][0]["data"], self.world.vips["ap"])
        reasons = {region["region"]: region["reason"] for region in both["regions"]}
        self.assertEqual((reasons["eu"], reasons["us"], reasons["ap"]), ("down", "drained", "chosen"))
        # It was only supposed.
        self.assertIn(self.stack.answer("acme", "10.1.7.0/24")[0], self.world.vips["eu"])

    def test_what_if_is_what_happens(self):
        for words, undo in ((("region", "drain", "eu", "--share", "30"), ("region", "restore", "eu")),
                            (("region", "force-down", "us"), ("region", "restore", "us"))):
            suppose = f"{words[2]}={'30%' if words[1] == 'drain' else 'force-down'}"
            clients = [f"10.{i % 3 + 1}.{i}.0/24" for i in range(30)]
            supposed = [self.explain("acme", client, "--what-if", suppose)["answer"]["records"][0]["data"]
                        for client in clients]
            self.stack.ctl(*words)
            self.assertEqual(supposed, [self.stack.answer("acme", client)[0] for client in clients])
            self.stack.ctl(*undo)

    def test_story_for_people(self):
        out = self.stack.ctl("explain", f"acme.{stack.ZONE}", "--client", "10.1.7.0/24").stdout
        for word in ("10.1.7.0/24", "acme", "shop", "chosen", "eu", "scope", "answer", self.world.vips["eu"][0]):
            self.assertIn(word, out)


if __name__ == "__main__":
    stack.main()
