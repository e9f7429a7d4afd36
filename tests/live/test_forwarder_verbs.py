"""The verbs of gslbctl that look at forwarders: what gslbd heard of them, and what one of them would do."""

import json
import os
import re
import subprocess

import forwarders
import stack

REPORT = {"v": 1, "node": "fwd-1", "region": "eu", "epoch": 1, "seq": 1, "state": "up", "part": 1, "parts": 1,
          "services": [{"service": "shop", "current": 812, "target": 3200, "max": 4000,
                        "origins": {"usable": 3, "total": 4, "weight": 0.75, "panic": False}, "requests": 9120,
                        "errors": 3, "limited": 40, "queued": 0, "p50_us": 2100, "p99_us": 9000, "tail_in": 0,
                        "tail_out": 0}]}


class Verbs(forwarders.ForwarderTest):
    def serve(self):
        origin = self.use(forwarders.Origin())
        routes = [{"path": "/api", "method": ["GET", "POST"], "origins": "web"},
                  {"exact": "/login", "header": {"X-Plan": "gold"}, "origins": "web"}]
        document = forwarders.fleet([origin], service={"routes": routes}, tenants={
            "acme": {"zone": "app.example.net", "service": "shop", "limits": {"rate": "50/s", "concurrency": 7}},
            "shut": {"zone": "app.example.net", "service": "shop", "state": "suspended"}})
        return origin, self.make(document)

    def ctl(self, *words, code=0, environment=None):
        done = subprocess.run([str(stack.GSLBCTL), *words], capture_output=True, text=True, timeout=20,
                              env={**os.environ, **(environment or {})})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def rows(self, text):
        return dict(re.match(r"(.{10}) (.*)", line).groups() for line in text.splitlines() if line)

    def test_route(self):
        origin, forwarder = self.serve()

        def route(*words):
            told = self.ctl("route", *words, "--socket", forwarder.socket)
            return {name.strip(): value for name, value in self.rows(told).items()}

        way = route("http://acme.app.example.net/api/./cart?x=1", "--method", "POST", "--client", "192.0.2.9")
        self.assertEqual((way["tenant"], way["service"], way["route"], way["goes to"]),
                         ("acme", "shop", "number 0, path /api", origin.where()))
        self.assertEqual((way["rate"].split(" (")[0], way["in flight"]), ("50/s, burst 50", "7"))
        way = route("http://acme.app.example.net/login", "--header", "X-Plan: gold")
        self.assertEqual(way["route"], "number 1, exact /login")
        for url, answered in (("http://acme.app.example.net/login", "here, with 404: no-route"),
                              ("http://acme.app.example.net/api", None),
                              ("http://nobody.example/", "here, with 404: no-tenant"),
                              ("http://shut.app.example.net/api", "here, with 403: suspended")):
            self.assertEqual(route(url).get("answered"), answered, url)
        whole = json.loads(self.ctl("route", "http://acme.app.example.net/api", "-o", "json", "--socket", forwarder.socket))
        self.assertTrue(whole["forwarded"])
        self.assertIn("Name: value", self.ctl("route", "http://a/", "--header", "x", code=2))
        self.ctl("route", code=2)

    def test_origins(self):
        origin, forwarder = self.serve()
        told = self.ctl("origins", environment={"GSLB_FORWARDER_SOCKET": forwarder.socket, "GSLB_SOCKET": "/nowhere"})
        self.assertRegex(told.splitlines()[1], rf"^shop +web +{re.escape(origin.where())} +up +0 +0 ")
        one = self.ctl("origins", "--service", "shop", "--socket", forwarder.socket)
        self.assertEqual(one.split(), told.split())
        self.assertEqual(len(self.ctl("origins", "--service", "none", "--socket", forwarder.socket).splitlines()), 1)
        items = json.loads(self.ctl("origins", "-o", "json", "--socket", forwarder.socket))["items"]
        self.assertEqual([item["address"] for item in items], [origin.where()])
        self.assertIn("cannot reach forwarderd at", self.ctl("origins", "--socket", "/nowhere/forwarderd.sock", code=1))


class Heard(stack.StackTest):
    def test_forwarders(self):
        made = self.use(stack.Stack(stack.World().fleet, node={"probes": None})).start()
        self.assertEqual(len(made.ctl("forwarders").stdout.splitlines()), 1)
        self.assertEqual(made.api("POST", "/v1/load", REPORT)[0], 200)
        head, row = made.ctl("forwarders").stdout.splitlines()
        self.assertRegex(row, r"^fwd-1 +eu +up +\d+\S* +shop +812 +3200 +3 of 4 ")
        told = json.loads(made.ctl("forwarders", "-o", "json").stdout)
        self.assertEqual(told["forwarders"][0]["node"], "fwd-1")


class Shared(stack.StackTest):
    def test_one_file_for_both(self):
        """gslbd and forwarderd read the same node.yaml: each its own, with a socket of its own; one follows the other."""
        origin = forwarders.Origin()
        self.addCleanup(origin.stop)
        world = stack.World()
        world.fleet["services"]["shop"].update(routes=[{"origins": "web"}], origins={"web": {"eu": [origin.where()]}})
        made = stack.Stack(world.fleet, node={
            "node": {"name": "both", "region": "eu", "state_dir": "state"}, "probes": None,
            "control": {"api": "unix:state/gslb.sock"}, "forwarder": {"http": ["127.0.0.1:0"], "leave": "0s"}})
        self.use(made).start()
        log = made.directory / "forwarderd.log"
        with open(log, "wb") as out:
            process = subprocess.Popen([forwarders.FORWARDERD, "-c", "node.yaml"], cwd=made.directory, stderr=out)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        stack.until(lambda: " serving" in log.read_text() and "is known" in log.read_text(), 15, "forwarderd serving")
        where = re.search(r"listening on (\S+) \(http\)", log.read_text())[1]

        def ask(host):
            client = forwarders.Client(where)
            try:
                return client.send(forwarders.request(host=host)).read().status
            finally:
                client.close()

        self.assertEqual(ask(f"acme.{stack.ZONE}"), 200)
        self.assertEqual(ask(f"late.{stack.ZONE}"), 404)
        made.ctl("tenant", "add", "late", "--zone", stack.ZONE, "--service", "shop")
        stack.until(lambda: ask(f"late.{stack.ZONE}") == 200, 5, "the new tenant")
        told = subprocess.run([str(stack.GSLBCTL), "origins", "--socket", str(made.state / "forwarderd.sock")],
                              capture_output=True, text=True, timeout=10).stdout
        self.assertIn(origin.where(), told)
        made.ctl("origin", "drain", "shop", "web", origin.where(), "--reason", "deploy")
        stack.until(lambda: ask(f"late.{stack.ZONE}") == 503, 5, "the origin drained")
        self.assertIn(f"origin shop web {origin.where()}", made.ctl("audit").stdout)
        made.stop_quietly()
        made.start()
        made.ctl("origin", "restore", "shop", "web", origin.where())
        stack.until(lambda: ask(f"late.{stack.ZONE}") == 200, 10, "the origin restored")
        made.ctl("origin", "drain", "shop", "web", origin.where(), "--for", "1s")
        stack.until(lambda: ask(f"late.{stack.ZONE}") == 503, 5, "the origin drained")
        stack.until(lambda: ask(f"late.{stack.ZONE}") == 200, 10, "the end of the drain")
        for words, said in ((("none", "web", origin.where()), "no service 'none'"),
                            (("shop", "wbe", origin.where()), "did you mean 'web'"),
                            (("shop", "web", "10.9.9.9:1"), "have no 10.9.9.9:1")):
            self.assertIn(said, made.ctl("origin", "drain", *words, code=1).stderr)


if __name__ == "__main__":
    stack.main()
