"""Sockets and threads as the kernel sees them: buffers, what it drops, CPUs, several workers over TCP."""

import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import unittest

import dns
import stack

NAME = f"static.{stack.ZONE}."


def metric(made, name, **labels):
    """The sum of the samples with these labels."""
    total = 0
    for line in made.page("/metrics")[1].splitlines():
        match = re.match(rf"{name}{{(.*)}} (\S+)$", line)
        if match and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', match[1])).items():
            total += float(match[2])
    return total


class Sockets(stack.StackTest):
    def start(self, wrapper=(), **settings):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        made = stack.Stack(world.fleet, node={"probes": None, "dns": {"listen": ["127.0.0.1@0"], **settings}})
        made.wrapper = list(wrapper)
        return self.use(made).start()

    def stopped(self, made, work):
        """work() while no thread of gslbd runs."""
        made.process.send_signal(signal.SIGSTOP)
        try:
            stack.until(lambda: pathlib.Path(f"/proc/{made.process.pid}/stat").read_text().split()[2] == "T",
                        5, "the stop")
            work()
        finally:
            made.process.send_signal(signal.SIGCONT)

    def test_every_query_is_answered_or_counted_as_dropped(self):
        made = self.start(socket_buffer="64KiB", workers=2)
        sent, listener = 3000, f"127.0.0.1@{made.port}"
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
        for client in clients:
            self.addCleanup(client.close)
            client.connect((made.address, made.port))
        self.assertEqual(metric(made, "gslb_dns_kernel_dropped_total", listener=listener), 0)

        def flood():
            for number in range(sent):
                clients[number % len(clients)].send(dns.query(NAME))

        def answered():
            return metric(made, "gslb_dns_queries_total", transport="udp", type="A")
        before = answered()
        self.stopped(made, flood)

        def is_accounted_for():
            dropped = metric(made, "gslb_dns_kernel_dropped_total", transport="udp", listener=listener)
            return dropped if answered() - before + dropped == sent else 0
        dropped = stack.until(is_accounted_for, 10, "every query being answered or counted")
        self.assertLess(dropped, sent)
        print(f"{sent} queries to a sleeping server: {dropped:.0f} dropped")
        self.assertEqual(metric(made, "gslb_dns_kernel_dropped_total", transport="tcp"), 0)

    def test_connections_beyond_the_queue_are_counted(self):
        made = self.start()
        held = []

        def crowd():
            for _ in range(1500):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex((made.address, made.port))
                held.append(client)
        self.stopped(made, crowd)
        for client in held:
            client.close()
        stack.until(lambda: metric(made, "gslb_dns_kernel_dropped_total", transport="tcp") > 0, 10, "the counter")
        self.assertEqual(made.answer("static", None), ["192.0.2.80"])

    @unittest.skipUnless(stack.can_unshare("-rn"), "needs a network namespace")
    def test_an_address_that_comes_later(self):
        """dns.freebind, in a network of its own: the address is there only when the server has long been ready."""
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        made = self.use(stack.Stack(world.fleet, node={
            "probes": None, "admin": {"socket": "gslb.sock"}, "dns": {"listen": ["192.0.2.53@5300"]}}))
        made.node["admin"].pop("http", None)
        made.write()
        made.wrapper = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        made.spawn()
        self.assertEqual(made.process.wait(10), 1)
        self.assertIn("cannot listen on 192.0.2.53@5300: Cannot assign requested address; dns.freebind: true",
                      made.log())
        made.node["dns"]["freebind"] = True
        made.write()
        made.spawn()
        stack.until(lambda: "ready: answering" in made.log(), what="gslbd being ready")
        inside = ["nsenter", "-t", str(made.process.pid), "-U", "--preserve-credentials", "-n"]

        def ask(*more):
            return subprocess.run([*inside, "dig", "+short", "+time=1", "+tries=1", "@192.0.2.53", "-p", "5300", *more,
                                   NAME], capture_output=True, text=True, timeout=20).stdout.strip()
        self.assertNotEqual(ask(), "192.0.2.80")
        subprocess.run([*inside, "ip", "address", "add", "192.0.2.53/32", "dev", "lo"], check=True)
        self.assertEqual([ask(), ask("+tcp")], ["192.0.2.80"] * 2)

    def test_less_buffer_than_asked_for_is_said_once(self):
        said = "of dns.socket_buffer 512MiB the kernel grants "
        without = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"] if os.geteuid() == 0 else []
        made = self.start(wrapper=without, socket_buffer="512MiB", workers=2)
        self.assertEqual(made.log().count(said), 1)
        self.assertIn("net.core.rmem_max", made.log())
        self.assertNotIn(said, self.start(socket_buffer="64KiB").log())

    def tasks(self, made, name):
        """The CPUs that each thread of this name may run on."""
        found = []
        for task in sorted(pathlib.Path(f"/proc/{made.process.pid}/task").iterdir(), key=lambda path: int(path.name)):
            if (task / "comm").read_text().strip() == name:
                found.append(os.sched_getaffinity(int(task.name)))
        return found

    def test_pinned_workers(self):
        usable = sorted(os.sched_getaffinity(0))
        workers = len(usable) + 1
        made = self.start(workers=workers, pin_cpus=True)
        self.assertEqual(self.tasks(made, "dns-udp"), [{usable[i % len(usable)]} for i in range(workers)])
        self.assertEqual(self.tasks(made, "dns-tcp"), [set(usable)] * workers)
        self.assertEqual(made.answer("static", None), ["192.0.2.80"])
        free = self.start(workers=2)
        self.assertEqual(self.tasks(free, "dns-udp"), [set(usable)] * 2)

    def test_all_workers_serve_tcp(self):
        made = self.start(workers=3)
        query = dns.query(NAME)
        for _ in range(30):
            with socket.create_connection((made.address, made.port), 5) as client:
                client.sendall(struct.pack("!H", len(query)) + query)
                size = int.from_bytes(client.recv(2, socket.MSG_WAITALL), "big")
                self.assertEqual(dns.Reply(client.recv(size, socket.MSG_WAITALL)).addresses, ["192.0.2.80"])
        self.assertEqual(metric(made, "gslb_dns_queries_total", transport="tcp", type="A"), 30)

    def test_a_second_server_is_refused(self):
        made = self.start(workers=2)
        other = stack.Stack(made.fleet, node={**made.node, "dns": {"listen": [f"127.0.0.1@{made.port}"], "workers": 2}})
        self.use(other).spawn()
        self.assertEqual(other.process.wait(15), 1)
        self.assertIn(f"cannot listen on 127.0.0.1@{made.port}: Address already in use", other.log())


if __name__ == "__main__":
    stack.main()
