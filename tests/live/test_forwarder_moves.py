"""Changes under load: tenants move between pools, origins leave and come, and no request fails."""

import threading
import time

import forwarders
import stack
from forwarders import Origin, fleet, request


class Crowd:
    """Clients that ask all the time: some on kept connections, some on a new one each time."""

    def __init__(self, forwarder, kept=4, new=2, host="acme.app.example.net", body=None):
        self.forwarder, self.host, self.body = forwarder, host, body
        self.done, self.failed = 0, []
        self.bodies = set()
        self.lock = threading.Lock()
        self.ends = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(keeps,))
                        for keeps in [True] * kept + [False] * new]
        for thread in self.threads:
            thread.start()

    def run(self, keeps):
        client = None
        while not self.ends.is_set():
            try:
                client = client or self.forwarder.client()
                answer = client.send(request(host=self.host, method="POST" if self.body else "GET",
                                             body=self.body)).read()
                problem = None if answer.status == 200 else f"{answer.status} {answer.reason}"
            except OSError as why:
                answer, problem = None, repr(why)
            with self.lock:
                self.done += 1
                if problem:
                    self.failed.append(problem)
                else:
                    self.bodies.add(answer.body)
            if client and (not keeps or problem or answer.is_closed):
                client.close()
                client = None
        if client:
            client.close()

    def seen(self):
        """What was answered since the last look."""
        with self.lock:
            bodies, self.bodies = self.bodies, set()
        return bodies

    def stop(self):
        self.ends.set()
        for thread in self.threads:
            thread.join()


class Moves(forwarders.ForwarderTest):
    def origin(self, label):
        origin = self.use(Origin())
        origin.body = label
        return origin

    def settle(self, crowd, wanted):
        """Until all that is answered are these."""
        crowd.seen()
        stack.until(lambda: crowd.seen() == wanted, 5, f"answers of {wanted} alone")

    def test_a_tenant_moves_between_the_shared_and_its_own_pool(self):
        shared, own = self.origin(b"shared"), self.origin(b"own")
        document = fleet([shared])
        document["services"]["acme-own"] = {"vips": {"eu": ["192.0.2.10"]}, "routes": [{"origins": "web"}],
                                            "origins": {"web": {"eu": [own.where()]}}}
        forwarder = self.make(document)
        crowd = self.use(Crowd(forwarder, body=b"once"))
        neighbour = self.use(Crowd(forwarder, kept=1, new=0, host="blue.app.example.net"))
        self.settle(crowd, {b"shared"})
        for service, label in (("acme-own", b"own"), ("shop", b"shared")) * 5:
            forwarder.fleet["tenants"]["acme"]["service"] = service
            self.assertEqual(forwarder.reload()[0], 200)
            self.settle(crowd, {label})
        self.assertEqual(neighbour.seen(), {b"shared"})
        for one in (crowd, neighbour):
            one.stop()
            self.assertEqual(one.failed, [])
            self.assertGreater(one.done, 100)

    def test_a_hundred_reloads_break_nothing(self):
        one, other = self.origin(b"one"), self.origin(b"other")
        forwarder = self.make(fleet([one]))
        crowd = self.use(Crowd(forwarder))
        for i in range(100):
            web = forwarder.fleet["services"]["shop"]["origins"]["web"]
            web["eu"] = [[one.where()], [other.where()], [one.where(), other.where()]][i % 3]
            forwarder.fleet["tenants"][f"t{i}"] = {"zone": "app.example.net", "service": "shop"}
            self.assertEqual(forwarder.reload()[0], 200)
        self.settle(crowd, {b"one"})
        crowd.stop()
        self.assertEqual(crowd.failed, [])

    def test_a_broken_file_changes_nothing(self):
        forwarder = self.make(fleet([self.origin(b"one")]))
        crowd = self.use(Crowd(forwarder, kept=1, new=1))
        good = dict(forwarder.fleet["services"]["shop"])
        forwarder.fleet["services"]["shop"]["routes"] = [{"origins": "nowhere"}]
        status, problem = forwarder.reload()
        self.assertEqual(status, 422)
        self.assertIn("nowhere", str(problem))
        self.settle(crowd, {b"one"})
        forwarder.fleet["services"]["shop"] = good
        self.assertEqual(forwarder.reload()[0], 200)
        crowd.stop()
        self.assertEqual(crowd.failed, [])

    def test_sigterm_under_load_fails_no_request(self):
        self.drain = "5s"
        slow = self.use(Origin())
        slow.delay = 0.05
        forwarder = self.make(fleet([slow]), node={"forwarder": {"leave": "300ms"}})
        crowd = self.use(Crowd(forwarder, kept=8, new=0))
        stack.until(lambda: crowd.done > 50, 5, "load")
        before = time.monotonic()
        forwarder.process.terminate()
        code = forwarder.process.wait(10)
        took = time.monotonic() - before
        crowd.stop()
        self.assertEqual(code, 0)
        self.assertLess(took, 5.5)
        # Whoever was connected was answered, and told to go; only then is nobody there any more.
        self.assertEqual([why for why in crowd.failed if "ConnectionRefused" not in why], [])


if __name__ == "__main__":
    stack.main()
