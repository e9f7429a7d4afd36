"""What forwarders report, over the API: DNS follows their origins, and silence changes nothing."""

import json
import time

import stack


class Forwarder:
    """The reports of one forwarder, by hand."""

    def __init__(self, daemon, node, region):
        self.daemon, self.node, self.region, self.seq, self.epoch = daemon, node, region, 0, 1
        self.state = "up"

    def report(self, usable=4, total=4, current=100, most=1000, target=None, service="shop", **more):
        self.seq += 1
        origins = {"usable": usable, "total": total, "weight": usable / total, "panic": usable == 0}
        counts = dict.fromkeys(("errors", "limited", "queued", "p50_us", "p99_us", "tail_in", "tail_out"), 0)
        shop = {"service": service, "current": current, "target": most * 8 // 10 if target is None else target,
                "max": most, "origins": origins, "requests": 100 * self.seq, **counts}
        body = {"v": 1, "node": self.node, "region": self.region, "epoch": self.epoch, "seq": self.seq,
                "state": self.state, "part": 1, "parts": 1, "services": [shop], **more}
        return self.daemon.api("POST", "/v1/load", body)


class Load(stack.StackTest):
    def setUp(self):
        world = stack.World()
        self.vips = world.vips
        self.stack = self.use(world.start())
        stack.until(lambda: self.answer() == self.vips["eu"] and self.ask().ttl >= 4, 20, "a quiet start")

    def ask(self):
        return self.stack.ask("acme", client=stack.CLIENTS["eu"])

    def answer(self):
        return self.ask().addresses

    def region(self, region="eu"):
        items = self.stack.api("GET", f"/v1/load?region={region}")[1]["regions"]
        return items[0] if items else None

    def test_origins_go_and_come_back(self):
        eu = Forwarder(self.stack, "fwd-eu-1", "eu")
        status, reply = eu.report()
        self.assertEqual((status, reply["accepted"]), (200, True))
        self.assertEqual(self.answer(), self.vips["eu"])
        self.assertEqual(self.region()["scale"], 1)
        self.assertGreaterEqual(self.ask().ttl, 4)  # that it reports now is no change
        # All of them: DNS leaves at once.
        before = time.monotonic()
        eu.report(usable=0)
        stack.until(lambda: self.answer() != self.vips["eu"], 1, "DNS leaving")
        self.assertLess(time.monotonic() - before, 0.2)
        self.assertEqual(self.ask().ttl, 1)
        self.assertEqual(self.answer(), self.vips["us"])
        eu.report(usable=3)
        stack.until(lambda: self.answer() == self.vips["eu"], 1, "DNS coming back")
        load = self.explained("eu")["load"]
        self.assertEqual((load["scale"], load["current"], load["max"], load["forwarders"]), (0.75, 100, 1000, 1))
        self.assertIsNone(self.explained("us")["load"])
        self.assertEqual(self.explained("eu")["healthy"], 0.75)
        self.assertEqual(self.explained("eu")["vips"][0]["score"], 0.75)
        # What if the origins were whole, or the region gone?
        self.assertEqual(self.explained("eu", "--what-if", "eu=up")["healthy"], 1)
        self.assertEqual(self.explained("us", "--what-if", "eu=down")["reason"], "chosen")

    def explained(self, region, *words):
        told = self.stack.ctl("explain", f"acme.{stack.ZONE}", "--client", stack.CLIENTS["eu"], *words, "-o", "json")
        return next(one for one in json.loads(told.stdout)["regions"] if one["region"] == region)

    def test_the_share_follows(self):
        """In one tier the region with three of four origins gets three clients of seven."""
        service = {**self.stack.fleet["services"]["shop"], "steering": {"order": "none"}}
        service["vips"] = {"eu": self.vips["eu"], "us": self.vips["us"]}
        self.stack.fleet["services"]["shop"] = service
        self.stack.write()
        self.stack.ctl("reload")
        Forwarder(self.stack, "fwd-eu-1", "eu").report(usable=3)

        def share():
            answers = [self.stack.answer("acme", client) for client in (f"10.{i // 200}.{i % 200}.0/24" for i in range(1000))]
            return sum(answer == self.vips["eu"] for answer in answers) / len(answers)

        stack.until(lambda: self.explained("eu")["vips"][0]["score"] == 0.75, 2, "the score")
        self.assertAlmostEqual(share(), 3 / 7, delta=0.05)

    def test_a_part_of_the_region(self):
        one, two = Forwarder(self.stack, "fwd-eu-1", "eu"), Forwarder(self.stack, "fwd-eu-2", "eu")
        one.report(usable=0, most=1000)
        two.report(usable=4, most=3000)
        stack.until(lambda: self.region()["scale"] == 0.75, 2, "the sum")
        self.assertEqual(self.answer(), self.vips["eu"])
        two.state = "draining"
        two.report(usable=4, most=3000)
        stack.until(lambda: self.answer() == self.vips["us"], 2, "the region without a forwarder")
        self.assertEqual((self.region()["draining"], self.region()["max"]), (1, 1000))
        seen = self.stack.api("GET", "/v1/load")[1]["forwarders"]
        self.assertEqual([(node["node"], node["state"], len(node["services"])) for node in seen],
                         [("fwd-eu-1", "up", 1), ("fwd-eu-2", "draining", 1)])

    def test_silence_holds(self):
        eu = Forwarder(self.stack, "fwd-eu-1", "eu")
        eu.report(usable=0)
        stack.until(lambda: self.answer() == self.vips["us"], 2, "DNS leaving")
        told = "has not reported its load for 10 s"
        stack.until(lambda: told in self.stack.log(), 14, "the log")
        self.assertEqual(self.answer(), self.vips["us"])
        self.assertEqual((self.region()["scale"], self.region()["forwarders"]), (0, 0))
        self.assertGreater(self.region()["age_ms"], 5000)
        page = self.stack.page("/metrics")[1]
        age = next(line for line in page.splitlines() if line.startswith("gslb_health_load_report_age_seconds{"))
        self.assertGreater(float(age.split()[-1]), 9)
        self.assertIn('gslb_health_load_scale{service="shop",region="eu"} 0\n', page)
        eu.report()
        stack.until(lambda: self.answer() == self.vips["eu"], 2, "DNS coming back")
        self.assertIn("reports its load again", self.stack.log())

    def test_a_region_above_its_target_sheds(self):
        eu, us = Forwarder(self.stack, "fwd-eu-1", "eu"), Forwarder(self.stack, "fwd-us-1", "us")
        clients = [f"10.1.{i}.0/24" for i in range(250)]

        def answers():
            return [self.stack.answer("acme", client) for client in clients]

        def report(current):
            eu.report(current=current)
            us.report(current=100)
            return self.region()["shed"]

        self.assertEqual(report(700), 0)
        self.assertEqual(answers(), [self.vips["eu"]] * 250)
        # It is at its max: each 2 seconds one client of twenty more.
        stack.until(lambda: report(1000) >= 0.1, 20, "shedding")
        shed = [client for client, answer in zip(clients, answers()) if answer != self.vips["eu"]]
        self.assertTrue(10 <= len(shed) <= 60, len(shed))
        told = json.loads(self.stack.ctl("explain", f"acme.{stack.ZONE}", "--client", shed[0], "-o", "json").stdout)
        reasons = {region["region"]: region["reason"] for region in told["regions"]}
        self.assertEqual((told["step"], reasons["eu"]), ("shed", "shed"))
        self.assertIn("chosen", reasons.values())
        self.assertIn('step="shed"', self.stack.page("/metrics")[1])
        # A tenant that may be nowhere else stays.
        self.assertEqual({tuple(self.stack.answer("resident", client)) for client in shed}, {tuple(self.vips["eu"])})
        # What if it were gone: that is another matter.
        told = json.loads(self.stack.ctl("explain", f"acme.{stack.ZONE}", "--client", shed[0], "--what-if", "eu=down",
                                         "-o", "json").stdout)
        self.assertEqual(told["step"], "tier")
        # And they come back.
        stack.until(lambda: report(10) == 0, 30, "the end of it")
        stack.until(lambda: answers() == [self.vips["eu"]] * 250, 3, "all clients at home")

    def test_what_is_refused(self):
        eu = Forwarder(self.stack, "fwd-eu-1", "eu")
        self.assertTrue(eu.report()[1]["accepted"])
        eu.seq -= 1
        self.assertEqual(eu.report(usable=0)[1]["accepted"], False)
        self.assertEqual(self.region()["scale"], 1)
        status, reply = Forwarder(self.stack, "fwd-eu-1", "ue").report()
        self.assertEqual((status, reply["errors"][0]["pointer"]), (422, "/region"))
        status, reply = eu.report(state="asleep", parts=0)
        self.assertEqual((status, len(reply["errors"])), (422, 2))
        self.assertEqual(self.stack.api("POST", "/v1/load", b"{")[0], 400)
        # Of a service that is not here: it may come later.
        self.assertEqual(eu.report(service="later")[0], 200)
        feed = json.loads(self.stack.api("GET", "/v1/changes")[1].splitlines()[-1])["version"]
        self.assertEqual(eu.report()[1]["controls_seq"], feed)


if __name__ == "__main__":
    stack.main()
