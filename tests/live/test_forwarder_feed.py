"""forwarderd with the fleet of gslbd: what an operator changes there is served here, whichever of the two goes away."""

import os
import time

import forwarders
import stack
from forwarders import Origin, request


class Feed(forwarders.ForwarderTest):
    def setUp(self):
        super().setUp()
        self.origin = self.use(Origin())
        self.second = self.use(Origin())
        self.second.body = b"second\n"
        document = forwarders.fleet([self.origin, self.second])
        self.gslbd = self.use(stack.Stack(document, zones={})).start()
        self.forwarder = self.make({}, {"control": {"api": f"unix:{self.gslbd.socket}"}})

    def status_of(self, host, forwarder=None):
        answer = self.ask(forwarder or self.forwarder, host=host)
        return answer.status

    def put_tenant(self, name, **more):
        body = {"zone": "app.example.net", "service": "shop", **more}
        status, reply = self.gslbd.api("PUT", f"/v1/tenants/{name}", body)
        self.assertIn(status, (200, 201), reply)

    def feed(self):
        return self.forwarder.api("GET", "/v1/status")[1]["feed"]

    def restart_forwarder(self):
        self.forwarder.terminate()
        self.forwarder.start()

    def test_a_tenant_that_is_added_is_served_at_once(self):
        self.assertEqual(self.status_of("acme.app.example.net"), 200)
        self.assertEqual(self.status_of("new.app.example.net"), 404)
        client = self.forwarder.client()  # keep-alive: looked up anew for each request
        times = []
        for i in range(20):
            self.put_tenant(f"new-{i}")
            began = time.monotonic()
            while client.send(request(host=f"new-{i}.app.example.net")).read().status != 200:
                self.assertLess(time.monotonic() - began, 5)
                time.sleep(0.001)
            times.append(time.monotonic() - began)
        times.sort()
        # The gate is 100 ms; one of twenty may meet a busy machine.
        self.assertLess(times[-2], 0.1, times)
        self.put_tenant("new-3", state="suspended")
        stack.until(lambda: self.status_of("new-3.app.example.net") == 403, 5, "the suspension")
        self.gslbd.api("DELETE", "/v1/tenants/new-3")
        stack.until(lambda: self.status_of("new-3.app.example.net") == 404, 5, "the removal")
        client.close()

    def test_limits_and_routes_that_change(self):
        self.put_tenant("small", limits={"rate": "1/m"})
        stack.until(lambda: self.status_of("small.app.example.net") == 200, 5, "the tenant")
        self.assertEqual(self.status_of("small.app.example.net"), 429)
        # Its words stay when something else of it changes.
        self.put_tenant("small", limits={"rate": "1/m"}, tags=["seen"], hosts=["tiny"])
        stack.until(lambda: self.status_of("tiny.app.example.net") != 404, 5, "the other name")
        self.assertEqual(self.status_of("tiny.app.example.net"), 429)
        self.gslbd.fleet["services"]["shop"]["routes"] = [{"path": "/only", "origins": "web"}]
        self.gslbd.write()
        self.assertEqual(self.gslbd.api("POST", "/v1/reload")[0], 200)
        stack.until(lambda: self.status_of("acme.app.example.net") == 404, 5, "the route")
        self.assertEqual(self.ask(self.forwarder, path="/only/x").status, 200)

    def test_nothing_ends_with_gslbd(self):
        self.put_tenant("early")
        stack.until(lambda: self.status_of("early.app.example.net") == 200, 5, "the tenant")
        self.gslbd.kill()
        stack.until(lambda: self.feed()["state"] == "lost", 10, "the loss")
        self.assertEqual(self.status_of("early.app.example.net"), 200)
        self.assertEqual(self.forwarder.api("GET", "/readyz")[0], 200)
        # Not with this one either: it knows the fleet from before.
        self.restart_forwarder()
        self.assertEqual(self.feed()["state"], "lost")
        self.assertEqual(self.status_of("early.app.example.net"), 200)
        self.forwarder.kill()
        self.forwarder.start()
        self.assertEqual(self.status_of("early.app.example.net"), 200)
        self.gslbd.start()
        self.put_tenant("late")
        stack.until(lambda: self.status_of("late.app.example.net") == 200, 15, "the tenant that came later")
        self.assertEqual(self.feed()["state"], "open")
        self.assertEqual(self.status_of("early.app.example.net"), 200)

    def test_origins_by_name_follow_their_name(self):
        # 127.0.0.1 and .2 at the same port, which is what differs behind one name.
        there = self.use(Origin(address="127.0.0.2", port=self.origin.port))
        there.body = b"there\n"
        zone = "$TTL 1\n@ IN SOA ns1 hostmaster 1 7200 900 1209600 60\n  IN NS ns1\nns1 IN A 192.0.2.53\nback IN A %s\n"
        document = self.gslbd.fleet
        document["zones"]["app.example.net"]["text"] = zone % "127.0.0.1"
        document["services"]["shop"]["origins"]["web"] = {"eu": [f"back.app.example.net:{self.origin.port}"]}
        self.gslbd.write()
        self.assertEqual(self.gslbd.api("POST", "/v1/reload")[0], 200)
        forwarder = self.make({}, {"node": {"name": "fwd-2", "region": "eu", "state_dir": "state",
                                            "resolvers": [f"127.0.0.1@{self.gslbd.port}"]},
                                   "control": {"api": f"unix:{self.gslbd.socket}"}})
        stack.until(lambda: self.ask(forwarder).body == b"hello\n", 10, "the first address")
        document["zones"]["app.example.net"]["text"] = zone % "127.0.0.2"
        self.gslbd.write()
        self.assertEqual(self.gslbd.api("POST", "/v1/reload")[0], 200)
        stack.until(lambda: self.ask(forwarder).body == b"there\n", 10, "the other address")
        items = {one["address"]: one for one in forwarder.api("GET", "/v1/origins")[1]["items"]}
        self.assertTrue(items[f"127.0.0.1:{self.origin.port}"]["leaving"])
        self.assertEqual(items[f"127.0.0.2:{self.origin.port}"]["written"],
                         f"back.app.example.net:{self.origin.port}")

    def test_an_origin_that_is_drained(self):
        where = self.origin.where()
        url = f"/v1/controls/origins/shop/web/{where}"
        seen = {self.ask(self.forwarder).body for _ in range(10)}
        self.assertEqual(seen, {b"hello\n", b"second\n"})
        status, reply = self.gslbd.api("PUT", url, {"share": 0, "reason": "new kernel"})
        self.assertEqual(status, 201, reply)
        stack.until(lambda: {one["address"]: one["drained"] for one in
                             self.forwarder.api("GET", "/v1/origins")[1]["items"]}[where], 5, "the drain")
        self.assertEqual({self.ask(self.forwarder).body for _ in range(10)}, {b"second\n"})
        # It holds over a restart of both.
        self.gslbd.kill()
        self.restart_forwarder()
        self.assertEqual({self.ask(self.forwarder).body for _ in range(10)}, {b"second\n"})
        self.gslbd.start()
        self.assertEqual(self.gslbd.api("DELETE", url)[0], 200)
        stack.until(lambda: len({self.ask(self.forwarder).body for _ in range(10)}) == 2, 15, "the restoration")

    def test_the_way_of_a_request(self):
        status, reply = self.forwarder.api("POST", "/v1/route", {"url": "http://acme.app.example.net/x?y=1"})
        self.assertEqual(status, 200, reply)
        self.assertEqual((reply["tenant"], reply["service"], reply["forwarded"]), ("acme", "shop", True))
        self.assertIn(reply["pool"]["choice"], (self.origin.where(), self.second.where()))
        state = self.forwarder.api("GET", "/v1/tenants/acme/state")[1]
        self.assertEqual(state["in_flight"], 0)
        before = state["counts"]["requests"]
        self.ask(self.forwarder)
        stack.until(lambda: self.forwarder.api("GET", "/v1/tenants/acme/state")[1]["counts"]["requests"] == before + 1,
                    5, "the count")

    def test_the_file_is_its_owners(self):
        path = self.forwarder.directory / "state" / "forwarderd-fleet.jsonl"
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)


if __name__ == "__main__":
    stack.main()
