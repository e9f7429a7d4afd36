"""The rude at the operator's doors, the Unix socket and admin.http: slow, silent, huge, garbage, half, many. The
control loop turns on (healthz), the API and DNS answer, and nothing of them stays."""

import http.client
import os
import pathlib
import socket
import threading
import time

import stack

MIB = 1 << 20


class RudeApi(stack.StackTest):
    def setUp(self):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        self.stack = self.use(stack.Stack(world.fleet, node={"probes": None}).start())
        host, port = self.stack.api("GET", "/v1/status")[1]["listeners"]["http"].rsplit(":", 1)
        self.plain = (host, int(port))
        self.held = []
        self.addCleanup(self.let_go)
        self.stack.api("GET", "/v1/status")
        self.descriptors, self.kib = self.held_by()

    def let_go(self):
        for one in self.held:
            one.close()
        self.held.clear()

    def connect(self, is_plain, timeout=10):
        one = socket.socket(socket.AF_INET if is_plain else socket.AF_UNIX)
        one.settimeout(timeout)
        self.held.append(one)
        stack.until(lambda: self.is_connected(one, is_plain), 5, "a place in the queue")
        return one

    def is_connected(self, one, is_plain):
        try:
            one.connect(self.plain if is_plain else self.stack.socket)
        except BlockingIOError:  # a Unix socket whose queue is full
            return False
        return True

    def held_by(self):
        process = pathlib.Path(f"/proc/{self.stack.process.pid}")
        kib = next(int(line.split()[1]) for line in (process / "status").read_text().splitlines()
                   if line.startswith("VmRSS"))
        return len(os.listdir(process / "fd")), 0 if stack.IS_SANITIZED else kib

    def loop_turns(self, bound_s=1.0):
        """healthz, the API and DNS, each at once."""
        for call in (lambda: self.assertEqual(self.stack.page_at(*self.plain, "/healthz")[0], 200),
                     lambda: self.assertEqual(self.stack.api("GET", "/v1/status")[0], 200),
                     lambda: self.assertEqual(self.stack.ask("static").addresses, ["192.0.2.80"])):
            before = time.monotonic()
            call()
            self.assertLess(time.monotonic() - before, bound_s)

    def nothing_stays(self):
        self.let_go()
        stack.until(lambda: self.held_by()[0] <= self.descriptors + 2, 5, "the connections being closed")
        self.loop_turns()

    def test_hundreds_of_idle_connections(self):
        for is_plain in (True, False):
            for _ in range(300):
                self.connect(is_plain)
            self.loop_turns()
        self.nothing_stays()

    def test_slow_and_half_requests(self):
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: 1\r\n\r\n"
        slow = [self.connect(is_plain) for is_plain in (True, False) for _ in range(50)]
        half = b"PUT /v1/tenants/x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        for is_plain in (True, False):
            for _ in range(50):
                self.connect(is_plain).sendall(half)
        for octet in request:
            for one in slow:
                one.sendall(bytes([octet]))
            if octet == 0x0d:
                self.loop_turns()
        for one in slow:
            self.assertIn(b"200", one.recv(100).split(b"\r\n")[0])
        self.nothing_stays()
        self.assertEqual(self.stack.ask("x").rcode, "NXDOMAIN")

    def test_garbage(self):
        for number in range(200):
            one = self.connect(number % 2 == 0)
            try:
                one.sendall((os.urandom(4096), b"\r\n\r\n" * 100, b"GET " + b"/" * 100000, b"\x16\x03\x01" + bytes(500),
                             b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000)[number % 5])
            except ConnectionError:
                pass  # it had heard enough
        self.loop_turns()
        self.nothing_stays()

    def test_bodies_of_70_mib(self):
        def post(replies):
            connection = stack.UnixConnection(self.stack.socket, timeout=30)
            connection.request("POST", "/v1/apply", bytes(70 * MIB), {"Content-Type": "application/yaml"})
            reply = connection.getresponse()
            replies.append((reply.status, reply.read()))
            connection.close()

        replies = []
        threads = [threading.Thread(target=post, args=(replies,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.loop_turns()
            time.sleep(0.02)
        self.assertEqual([status for status, _ in replies], [413] * 3)
        self.assertIn(b"urn:gslb:too-large", replies[0][1])
        # admin.http takes no bodies at all.
        one = self.connect(True)
        try:
            one.sendall(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 73400320\r\n\r\n" + bytes(8 * MIB))
        except OSError:
            pass
        self.loop_turns()
        self.nothing_stays()
        stack.until(lambda: self.held_by()[1] < self.kib + 32 * 1024, 5, "the memory's return")

    def test_a_large_body_that_is_good_or_bad(self):
        """Just below the limit: reading it must not stop the loop for long."""
        line = "  t%07d: {zone: app.example.net, service: nowhere}\n"
        body = "tenants:\n" + "".join(line % number for number in range(100000))
        done = []

        def post():
            connection = stack.UnixConnection(self.stack.socket, timeout=30)
            connection.request("POST", "/v1/apply?dry_run=true", body, {"Content-Type": "application/yaml"})
            reply = connection.getresponse()
            done.append((reply.status, len(reply.read())))
            connection.close()

        thread = threading.Thread(target=post)
        thread.start()
        slowest = 0
        while thread.is_alive():
            before = time.monotonic()
            self.assertEqual(self.stack.page_at(*self.plain, "/healthz")[0], 200)
            slowest = max(slowest, time.monotonic() - before)
            self.assertEqual(self.stack.ask("static").addresses, ["192.0.2.80"])
        print(f"{len(body) / MIB:.1f} MiB of 100,000 refused tenants: {done}, slowest healthz {slowest:.2f} s")
        self.assertEqual(done[0][0], 422)

    def test_many_lists_that_nobody_reads(self):
        """The store's tenants asked for again and again, by clients that never take the reply."""
        tenants = {f"t{number}": {"zone": stack.ZONE, "service": "shop"} for number in range(2000)}
        self.assertEqual(self.stack.api("POST", "/v1/apply", {"tenants": tenants})[0], 200)
        _, before = self.held_by()
        request = b"GET /v1/tenants?limit=10000 HTTP/1.1\r\nHost: x\r\n\r\n"
        for _ in range(20):
            one = self.connect(False)
            one.setblocking(False)
            try:
                while True:
                    one.send(request * 50)
            except OSError:
                pass
        for _ in range(5):
            self.loop_turns()
        _, after = self.held_by()
        print(f"20 clients that never read: {(after - before) / 1024:.0f} MiB")
        self.assertLess(after - before, 100 * 1024)
        self.nothing_stays()


if __name__ == "__main__":
    stack.main()
