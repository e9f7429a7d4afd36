"""When the DNS sockets open, what readyz says meanwhile, and how the daemon ends."""

import os
import socket
import subprocess
import time

import stack


def is_open(port):
    """Both transports as a resolver finds them. The sockets have an address of their own: else the kernel may choose
    this very port for one, which then meets itself."""
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.2", 0))
        if tcp.connect_ex(("127.0.0.1", port)) == 0:
            return True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.2)
        udp.bind(("127.0.0.2", 0))
        udp.connect(("127.0.0.1", port))
        try:
            udp.send(stack.dns.query("acme.app.example.net."))
            udp.recv(512)
            return True
        except (ConnectionRefusedError, socket.timeout):
            return False


class Start(stack.StackTest):
    def prepare(self, start_wait="10s", mode="hang", check=True, **times):
        world = stack.World(**{"interval": "2s", "timeout": "2s", **times})
        if not check:
            del world.fleet["services"]["shop"]["check"]
        self.dns_port, self.http_port = stack.free_port(), stack.free_port()
        made = self.use(stack.Stack(world.fleet, node={
            "dns": {"listen": [f"127.0.0.1@{self.dns_port}"], "start_wait": start_wait},
            "admin": {"http": f"127.0.0.1:{self.http_port}"}}))
        self.world = world
        for region, addresses in world.vips.items():
            for address in addresses:
                origin = made.origins[address] = stack.Origin(address, world.port, region)
                origin.set(mode)
        return made

    def readyz(self):
        try:
            return stack.Stack.page_at("127.0.0.1", self.http_port, "/readyz")
        except OSError:
            return None

    def test_closed_until_health_is_known(self):
        made = self.prepare()
        made.spawn()
        status, text = stack.until(self.readyz, 5, "the admin listener")
        self.assertEqual(status, 503)
        self.assertIn('"ready":false', text.replace(" ", ""))
        self.assertIn("health", text)
        self.assertFalse(is_open(self.dns_port))
        # Two regions answer, the third still hangs: the round is not finished.
        for region in ("us", "ap"):
            made.origins[self.world.vips[region][0]].set("ok")
        self.assertFalse(is_open(self.dns_port))
        before = time.monotonic()
        stack.until(lambda: is_open(self.dns_port), 8, "the DNS port")
        self.assertLess(time.monotonic() - before, 5)
        self.assertEqual(self.readyz()[0], 200)
        self.assertEqual(stack.Stack.page_at("127.0.0.1", self.http_port, "/healthz")[0], 200)
        made.find_listener()
        self.assertNotEqual(made.answer("acme", "10.1.7.0/24"), self.world.vips["eu"])

    def test_start_wait_bounds_the_wait(self):
        made = self.prepare(start_wait="1s", interval="30s", timeout="30s")
        before = time.monotonic()
        made.spawn()
        stack.until(lambda: is_open(self.dns_port), 5, "the DNS port")
        took = time.monotonic() - before
        self.assertGreaterEqual(took, 0.95)
        self.assertLess(took, 3)
        made.find_listener()
        # Unknown counts as up.
        self.assertEqual(made.answer("acme", "10.1.7.0/24"), self.world.vips["eu"])

    def test_without_checks_at_once(self):
        made = self.prepare(check=False)
        before = time.monotonic()
        made.spawn()
        stack.until(lambda: is_open(self.dns_port), 5, "the DNS port")
        self.assertLess(time.monotonic() - before, 1)

    def test_checks_that_nobody_runs(self):
        """Told in the log, by check and by status: what is down is answered like what is up."""
        world = stack.World()
        made = self.use(stack.Stack(world.fleet, node={"probes": None}))
        made.start()
        self.assertIn("warning: node.yaml: no 'probes': nobody runs the checks of 1 service",
                      made.log().replace(f"{made.directory}/", ""))
        done = made.ctl("check", str(made.directory / "node.yaml"))
        self.assertIn("node.yaml: warning: no 'probes': nobody runs the checks of 1 service", done.stderr)
        self.assertRegex(made.ctl("status").stdout, r"(?m)^health +nobody probes \(no 'probes' in node.yaml\), 3 unknown$")
        self.assertIsNone(made.api("GET", "/v1/status")[1]["vantage"])

    def test_stored_state_opens_at_once(self):
        made = self.prepare(mode="ok", interval="500ms", timeout="500ms")
        made.origins[self.world.vips["eu"][0]].set("500")
        made.start()
        self.assertEqual(made.answer("acme", "10.1.7.0/24") == self.world.vips["eu"], False)
        code, _ = made.terminate()
        self.assertEqual(code, 0)
        for origin in made.origins.values():
            origin.set("hang")
        before = time.monotonic()
        made.spawn()
        stack.until(lambda: is_open(self.dns_port), 5, "the DNS port")
        self.assertLess(time.monotonic() - before, 1)
        made.find_listener()
        self.assertNotEqual(made.answer("acme", "10.1.7.0/24"), self.world.vips["eu"])

    def test_sigterm_ends_at_once(self):
        made = self.prepare(check=False).start()
        code, took = made.terminate()
        self.assertEqual(code, 0)
        self.assertLess(took, 1)
        self.assertFalse(os.path.exists(made.socket))

    def test_two_daemons_never_share_a_state(self):
        made = self.prepare(check=False).start()
        other = subprocess.run([str(stack.GSLBD), "-c", str(made.directory / "node.yaml")], capture_output=True,
                               text=True, timeout=10)
        self.assertEqual(other.returncode, 1)
        self.assertEqual(made.answer("acme", "10.1.7.0/24"), self.world.vips["eu"])

    def daemon(self, *words):
        return subprocess.run([str(stack.GSLBD), *words], capture_output=True, text=True, timeout=10)

    def test_bad_zone_ends_within_two_seconds(self):
        made = self.prepare(check=False)
        made.zones[stack.ZONE] += "broken IN A x\n"
        made.write()
        before = time.monotonic()
        done = self.daemon("-c", str(made.directory / "node.yaml"))
        self.assertEqual(done.returncode, 1)
        self.assertLess(time.monotonic() - before, 2)
        self.assertIn(f"{stack.ZONE}.zone:", done.stderr)

    def test_check(self):
        made = self.prepare(check=False)
        good = self.daemon("-c", str(made.directory / "node.yaml"), "--check")
        self.assertEqual((good.returncode, good.stdout), (0, ""))
        made.fleet["services"]["shop"]["stering"] = {}
        made.fleet["regions"] = {**made.fleet["regions"], "xx": {"country": "DE"}}
        made.write()
        bad = self.daemon("-c", str(made.directory / "node.yaml"), "--check")
        self.assertEqual((bad.returncode, bad.stdout), (1, ""))
        self.assertIn("steering", bad.stderr)
        self.assertIn("at", bad.stderr)
        self.assertGreaterEqual(len(bad.stderr.strip().splitlines()), 2)

    def test_usage(self):
        self.assertEqual(self.daemon().returncode, 2)
        self.assertEqual(self.daemon("--nonsense").returncode, 2)
        version = self.daemon("--version")
        self.assertEqual(version.returncode, 0)
        self.assertRegex(version.stdout, r"^gslbd \d")


if __name__ == "__main__":
    stack.main()
