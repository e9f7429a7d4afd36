"""The operator's hand: drain, shares, force-down, restore, expiry, flip; also across a restart."""

import time

import stack

CLIENTS_OF_EU = [f"10.1.{i}.0/24" for i in range(256)]


class Controls(stack.StackTest):
    def setUp(self):
        self.world = stack.World()
        del self.world.fleet["services"]["shop"]["check"]
        self.stack = self.use(self.world.start())
        self.vips = self.world.vips
        self.eu = self.vips["eu"][0]

    def stays(self):
        return {client for client in CLIENTS_OF_EU if self.stack.answer("acme", client) == [self.eu]}

    def control(self, region="eu"):
        items = self.stack.api("GET", "/v1/regions")[1]["items"]
        return next(item for item in items if item["id"] == region)["control"]

    def test_a_change_is_answered_when_it_is_acknowledged(self):
        for verb, expected in (("drain", False), ("restore", True)) * 5:
            before = time.monotonic()
            self.stack.ctl("region", verb, "eu")
            took = time.monotonic() - before
            self.assertEqual(self.stack.answer("acme", "10.1.7.0/24") == [self.eu], expected)
            self.assertLess(took, 1.0)

    def test_share_is_the_part_that_stays_and_the_same_clients_leave_first(self):
        everybody = self.stays()
        self.assertEqual(len(everybody), 256)
        before = everybody
        for share in (80, 50, 20, 0):
            self.stack.ctl("region", "drain", "eu", "--share", str(share))
            now = self.stays()
            self.assertTrue(now <= before, "a client came back while the share fell")
            # Five standard deviations of a binomial with 256 clients.
            self.assertLess(abs(len(now) - 256 * share / 100), 40, f"share {share}: {len(now)} of 256")
            before = now
        self.assertEqual(before, set())
        self.stack.ctl("region", "restore", "eu")
        self.assertEqual(self.stays(), everybody)

    def test_drained_region_serves_in_panic_only(self):
        self.stack.ctl("region", "drain", "eu")
        self.assertNotEqual(self.stack.answer("acme", "10.1.7.0/24"), [self.eu])
        for region in ("us", "ap"):
            self.stack.ctl("region", "force-down", region)
        self.assertEqual(self.stack.answer("acme", "10.1.7.0/24"), [self.eu])
        self.stack.ctl("region", "force-down", "eu")
        reply = self.stack.ask("acme", client="10.1.7.0/24")
        self.assertEqual((reply.rcode, reply.addresses), ("NOERROR", []))
        for region in self.vips:
            self.stack.ctl("region", "restore", region)
        self.assertEqual(self.stack.answer("acme", "10.1.7.0/24"), [self.eu])

    def test_one_service_alone(self):
        self.stack.ctl("apply", "-f", "-", text_in="services: {other: {vips: {eu: [192.0.2.1], us: [192.0.2.2]}}}\n"
                       f"tenants: {{other: {{zone: {stack.ZONE}, service: other}}}}\n")
        self.stack.ctl("region", "drain", "eu", "--service", "other")
        self.assertEqual(self.stack.answer("other", "10.1.7.0/24"), ["192.0.2.2"])
        self.assertEqual(self.stack.answer("acme", "10.1.7.0/24"), [self.eu])
        self.stack.ctl("region", "restore", "eu", "--service", "other")
        self.assertEqual(self.stack.answer("other", "10.1.7.0/24"), ["192.0.2.1"])

    def test_vip_drain_and_restore(self):
        self.stack.ctl("vip", "drain", "eu", self.eu, "--reason", "disk")
        self.assertNotEqual(self.stack.answer("acme", "10.1.7.0/24"), [self.eu])
        self.stack.ctl("vip", "restore", "eu", self.eu)
        self.assertEqual(self.stack.answer("acme", "10.1.7.0/24"), [self.eu])

    def test_flip_is_one_change(self):
        self.stack.ctl("region", "drain", "us")
        epoch = self.stack.api("GET", "/v1/status")[1]["epoch"]
        self.stack.ctl("flip", "eu", "us", "--reason", "power work")
        self.assertEqual(self.stack.api("GET", "/v1/status")[1]["epoch"], epoch + 1)
        self.assertEqual(self.stack.answer("acme", "10.2.7.0/24"), self.vips["us"])
        self.assertNotEqual(self.stack.answer("acme", "10.1.7.0/24"), [self.eu])

    def test_expiry(self):
        before = time.monotonic()
        self.stack.ctl("region", "drain", "eu", "--for", "1s")
        self.assertNotEqual(self.stack.answer("acme", "10.1.7.0/24"), [self.eu])
        stack.until(lambda: self.stack.answer("acme", "10.1.7.0/24") == [self.eu], 3, "the expiry")
        took = time.monotonic() - before
        self.assertGreaterEqual(took, 0.95)
        self.assertLess(took, 1.5)
        self.assertIsNone(self.control())

    def test_expiry_across_a_restart(self):
        before = time.monotonic()
        self.stack.ctl("region", "drain", "eu", "--for", "3s")
        self.stack.ctl("region", "drain", "us", "--share", "0", "--reason", "stays")
        self.stack.kill()
        self.stack.start()
        self.assertEqual(self.stack.answer("acme", "10.1.7.0/24"), self.vips["ap"])
        stack.until(lambda: self.stack.answer("acme", "10.1.7.0/24") == [self.eu], 5, "the expiry")
        self.assertGreaterEqual(time.monotonic() - before, 2.9)
        self.assertEqual(self.control("us")["reason"], "stays")

    def test_expiry_while_the_node_is_down(self):
        self.stack.ctl("region", "drain", "eu", "--for", "200ms")
        self.stack.kill()
        time.sleep(0.25)  # the drain's own time, not a wait for an event
        self.stack.start()
        self.assertEqual(self.stack.answer("acme", "10.1.7.0/24"), [self.eu])

    def test_everything_is_audited(self):
        self.stack.ctl("region", "drain", "eu", "--share", "30", "--reason", "new kernel")
        self.stack.ctl("region", "restore", "eu", "--reason", "done")
        items = self.stack.api("GET", "/v1/audit")[1]["items"]
        self.assertEqual([item["reason"] for item in items][-2:], ["new kernel", "done"])
        self.assertEqual([item["seq"] for item in items], sorted(item["seq"] for item in items))
        self.assertTrue(all(item["author"] for item in items))
        out = self.stack.ctl("audit").stdout
        self.assertIn("new kernel", out)


if __name__ == "__main__":
    stack.main()
