"""Budgets of tenants: a flood on one costs another no answer, and nobody meets silence."""

import contextlib
import select
import socket
import threading
import time

import dns
import stack

BUDGET = 50
FLOOD = 10 * BUDGET
SECONDS = 4


class Flood:
    """Questions at an even rate from a socket of their own; what comes back is counted."""

    def __init__(self, address, names):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.connect(address)
        self.names = names
        self.sent = self.whole = self.truncated = 0
        self.asked_at, self.slowest = {}, 0.0

    def send(self):
        message = dns.query(next(self.names), ident=self.sent & 0xffff)
        self.asked_at[self.sent & 0xffff] = time.monotonic()
        self.sent += 1
        self.socket.send(message)

    def receive(self):
        while True:
            try:
                reply = dns.Reply(self.socket.recv(4096))
            except BlockingIOError:
                return
            self.slowest = max(self.slowest, time.monotonic() - self.asked_at.pop(reply.ident))
            if reply.is_truncated:
                assert not reply.answer and not reply.authority, "TC and records"
                self.truncated += 1
            else:
                self.whole += 1

    def finish(self):
        while self.asked_at and select.select([self.socket], [], [], 1)[0]:
            self.receive()
        self.socket.close()


def forever(name):
    while True:
        yield f"{name}.{stack.ZONE}."


def random_names(below):
    count = 0
    while True:
        count += 1
        yield f"x{count}.{below}.{stack.ZONE}."


class Budgets(stack.StackTest):
    def setUp(self):
        world = stack.World()
        world.fleet["tiers"] = {"small": {"dns_queries": f"{BUDGET}/s", "dns_nxdomain": "10/s"}, "free": {}}
        world.fleet["tenants"]["acme"]["tier"] = "small"
        world.fleet["tenants"]["other"] = {"zone": stack.ZONE, "service": "shop", "tier": "small"}
        self.stack = self.use(world.start())
        self.address = (self.stack.address, self.stack.port)

    def limited(self):
        for line in self.stack.page("/metrics")[1].splitlines():
            if line.startswith('gslb_dns_limited_total{reason="tenant"}'):
                return int(line.split()[-1])
        return None

    def flood(self, names):
        """The flood, and beside it the neighbour asked at a fifth of its own budget."""
        flood, other = Flood(self.address, names), Flood(self.address, forever("other"))
        start = time.monotonic()
        while (passed := time.monotonic() - start) < SECONDS:
            while flood.sent < passed * FLOOD:
                flood.send()
            while other.sent < passed * BUDGET / 5:
                other.send()
            time.sleep(0.001)
            flood.receive()
            other.receive()
        flood.finish()
        other.finish()
        return flood, other

    def check(self, flood, other, rate):
        print(f"flood: {flood.sent} asked, {flood.whole} whole, {flood.truncated} truncated; "
              f"other: {other.sent} asked, {other.whole} whole, slowest {other.slowest * 1000:.1f} ms")
        self.assertEqual((other.whole, other.truncated), (other.sent, 0))
        self.assertEqual(flood.whole + flood.truncated, flood.sent, "silence")
        # A second's worth may come at once; the schedule of a busy machine is not exact.
        self.assertTrue(rate * SECONDS <= flood.whole <= rate * (SECONDS + 2), flood.whole)
        self.assertEqual(self.limited(), flood.truncated)

    @contextlib.contextmanager
    def spent(self, tenant):
        """The tenant's budget stays used up, however slow this machine is, until the end of the block."""
        done, used_up = threading.Event(), threading.Event()

        def spend():
            while not done.is_set():
                if self.stack.ask(tenant).is_truncated:
                    used_up.set()

        thread = threading.Thread(target=spend)
        thread.start()
        try:
            self.assertTrue(used_up.wait(10), "the budget was never used up")
            yield
        finally:
            done.set()
            thread.join()

    def test_a_flood_on_one_tenant(self):
        flood, other = self.flood(forever("acme"))
        self.check(flood, other, BUDGET)
        with self.spent("acme"):
            text = self.stack.dig(f"acme.{stack.ZONE}", "A")  # a resolver comes back by TCP
        self.assertIn("retrying in TCP mode", text)
        self.assertIn("ANSWER: 1", text)

    def test_random_names_below_one_tenant(self):
        flood, other = self.flood(random_names("acme"))
        self.check(flood, other, 10)
        self.assertFalse(self.stack.ask("acme").is_truncated)  # they have a budget of their own

    def test_the_tier_of_a_tenant_by_the_cli(self):
        def is_limited():
            return any(self.stack.ask("late").is_truncated for _ in range(2 * BUDGET))

        self.stack.ctl("tenant", "add", "late", "--zone", stack.ZONE, "--service", "shop", "--tier", "small")
        self.assertIn("small", self.stack.ctl("tenants").stdout)
        self.assertTrue(is_limited())
        self.stack.ctl("tenant", "set", "late", "--tier", "free")
        self.assertFalse(is_limited())
        self.stack.ctl("tenant", "set", "late", "--tier", "small")
        self.stack.ctl("tenant", "set", "late", "--tier", "")
        self.assertFalse(is_limited())
        self.assertNotIn("tier", self.stack.ctl("tenant", "show", "late").stdout)
        bad = self.stack.ctl("tenant", "set", "late", "--tier", "smal", code=1)
        self.assertIn("did you mean 'small'", bad.stderr)
        self.stack.ctl("apply", "-f", "-", text_in="tiers: {tight: {dns_queries: 0/s}}")
        self.stack.ctl("tenant", "set", "late", "--tier", "tight")
        self.assertTrue(self.stack.ask("late").is_truncated)
        # A tier that changes counts at once, for all of its tenants; a second's debts are still to be paid.
        self.stack.ctl("apply", "-f", "-", text_in="tiers: {tight: {dns_queries: 1000/s}}")
        stack.until(lambda: not self.stack.ask("late").is_truncated, 3, "the wider budget")
        self.assertIn("tight", self.stack.ctl("export").stdout)
        self.stack.ctl("apply", "-f", "-", text_in="tiers: {tight: {dns_nxdomain: 1/s, dns_queries: 0/s}}")
        self.stack.kill()
        self.stack.start()
        self.assertTrue(self.stack.ask("late").is_truncated, "the store forgot the tier")
        self.stack.ctl("apply", "-f", "-", "--prune", code=1, text_in="tiers: {}")
        self.stack.ctl("tenant", "set", "late", "--tier", "")
        self.assertIn("1 removed", self.stack.ctl("apply", "-f", "-", "--prune", text_in="tiers: {}").stdout)


if __name__ == "__main__":
    stack.main()
