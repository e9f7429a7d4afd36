"""gslbd and a forwarderd of one region together: DNS follows what becomes of the region's origins, and of its forwarder."""

import time

import forwarders
import stack


class Region(stack.StackTest):
    """Four origins in eu behind a forwarder; us is somebody else's business."""

    def setUp(self):
        self.origins = [forwarders.Origin() for _ in range(4)]
        for origin in self.origins:
            self.addCleanup(origin.stop)
        fleet = {
            "regions": {**stack.REGIONS, "eu": {**stack.REGIONS["eu"], "capacity": 5000}},
            "locations": stack.LOCATIONS,
            "checks": {"origin": {"type": "http", "interval": "200ms", "timeout": "150ms", "rise": 1, "fall": 2}},
            "services": {"shop": {
                "ttl": "1s..20s",
                "vips": {"eu": ["192.0.2.11"], "us": ["192.0.2.12"]},
                "routes": [{"origins": "web"}],
                "origins": {"web": {"check": "origin", "eu": [origin.where() for origin in self.origins]}},
            }},
            "tenants": {"acme": {"zone": stack.ZONE, "service": "shop"}},
        }
        self.stack = self.use(stack.Stack(fleet).start())
        self.forwarder = forwarders.Forwarder(None, {"control": {"api": "unix:" + self.stack.socket}})
        del self.forwarder.node["fleet"]
        self.forwarder.write()
        self.addCleanup(self.forwarder.stop)
        self.forwarder.start()
        stack.until(lambda: self.load() and self.load()["scale"] == 1, 5, "the first report")

    def answer(self):
        return self.stack.answer("acme", stack.CLIENTS["eu"])

    def load(self):
        regions = self.stack.api("GET", "/v1/load")[1]["regions"]
        return regions[0] if regions else None

    def get(self):
        client = self.forwarder.client()
        try:
            return client.send(forwarders.request()).read().status
        finally:
            client.close()

    def test_origins(self):
        self.assertEqual(self.answer(), ["192.0.2.11"])
        self.assertEqual((self.load()["max"], self.load()["target"]), (4096, 3276))  # what the origins bear
        # One of four.
        self.origins[0].stop()
        stack.until(lambda: self.load()["scale"] == 0.75, 3, "three of four")
        self.assertEqual(self.answer(), ["192.0.2.11"])
        self.assertEqual(self.get(), 200)
        # All of them: DNS leaves within a second.
        before = time.monotonic()
        for origin in self.origins[1:]:
            origin.stop()
        stack.until(lambda: self.answer() == ["192.0.2.12"], 3, "DNS leaving")
        self.assertLess(time.monotonic() - before, 1)
        stack.until(lambda: self.load()["scale"] == 0, 2, "no origin")
        node = self.stack.api("GET", "/v1/load")[1]["forwarders"][0]
        self.assertEqual((node["node"], node["state"]), ("fwd-1", "up"))
        self.assertEqual((node["services"][0]["origins"]["usable"], node["services"][0]["origins"]["total"]), (0, 4))
        # And comes back.
        for origin in self.origins:
            origin.start()
        stack.until(lambda: self.load()["scale"] == 1, 5, "all origins")
        stack.until(lambda: self.answer() == ["192.0.2.11"], 1, "DNS coming back")

    def test_an_origin_is_drained(self):
        where = self.origins[0].where()
        self.stack.ctl("origin", "drain", "shop", "web", where, "--for", "1h", "--reason", "new disk")
        stack.until(lambda: self.load()["scale"] == 0.75, 3, "one origin less")
        before = len(self.origins[0].requests)
        for _ in range(12):
            self.assertEqual(self.get(), 200)
        asked = [request for request in self.origins[0].requests[before:] if "acme" in request[0]]
        self.assertEqual(asked, [])
        line = self.stack.api("GET", "/v1/audit")[1]["items"][-1]
        self.assertEqual((line["verb"], line["object"], line["reason"]),
                         ("origin drain", f"origin shop web {where}", "new disk"))
        # It outlives the node, and ends by hand or by itself.
        self.stack.kill()
        self.stack.start()
        stack.until(lambda: self.load() and self.load()["scale"] == 0.75, 5, "the same after a start")
        told = self.stack.ctl("load").stdout
        self.assertRegex(told, r"eu +shop +75% +\d+ +3276 +4096 +0% +1 +0 +fresh")
        self.stack.ctl("origin", "restore", "shop", "web", where)
        stack.until(lambda: self.load()["scale"] == 1, 3, "all origins")
        self.stack.ctl("origin", "drain", "shop", "web", where, "--for", "300ms")
        stack.until(lambda: self.load()["scale"] == 0.75, 3, "one origin less")
        stack.until(lambda: self.load()["scale"] == 1, 3, "its end")
        for words, part in ((("shop", "web", "10.0.0.1:1"), "have no 10.0.0.1:1"), (("shop", "w", where), "has no origins 'w'"),
                            (("shp", "web", where), "did you mean 'shop'?")):
            self.assertIn(part, self.stack.ctl("origin", "drain", *words, code=1).stderr)

    def test_requests_are_told(self):
        for origin in self.origins:
            origin.delay = 0.3
        clients = [self.forwarder.client() for _ in range(20)]
        for client in clients:
            client.send(forwarders.request())
        stack.until(lambda: self.load()["current"] == 20, 3, "what is in flight")
        for client in clients:
            self.assertEqual(client.read().status, 200)
            client.close()
        stack.until(lambda: self.load()["current"] == 0, 3, "nothing in flight")

        def shop():
            return self.stack.api("GET", "/v1/load")[1]["forwarders"][0]["services"][0]
        stack.until(lambda: shop()["p50_us"] >= 300000, 3, "their times")

    def test_the_forwarder_is_killed(self):
        for origin in self.origins[1:]:
            origin.stop()
        stack.until(lambda: self.load()["scale"] == 0.25, 3, "one of four")
        self.forwarder.kill()
        told = "forwarder fwd-1 in eu has not reported its load for 10 s"
        stack.until(lambda: told in self.stack.log(), 14, "the alarm")
        self.assertEqual((self.load()["scale"], self.load()["forwarders"]), (0.25, 0))
        # The next one counts on where this one ended.
        self.forwarder.start()
        stack.until(lambda: self.load()["forwarders"] == 1, 5, "its reports")
        stack.until(lambda: self.load()["scale"] == 0.25, 3, "what it says")

    def test_the_forwarder_drains(self):
        self.assertEqual(self.answer(), ["192.0.2.11"])
        self.forwarder.process.terminate()
        stack.until(lambda: self.answer() == ["192.0.2.12"], 1, "DNS leaving before it ends")
        self.assertIsNone(self.forwarder.process.poll())
        self.forwarder.kill()

    def test_gslbd_is_away(self):
        self.stack.kill()
        stack.until(lambda: "does not take reports of load" in self.forwarder.log(), 5, "the log")
        self.assertEqual(self.get(), 200)
        self.stack.start()
        stack.until(lambda: self.load() and self.load()["forwarders"] == 1, 5, "reports")
        stack.until(lambda: "takes reports of load again" in self.forwarder.log(), 3, "the log")


if __name__ == "__main__":
    stack.main()
