"""What happens to the process: stopped and continued, signals in storms, descriptors used up, ports and
socket files taken away. Answers go on, and the message says what to do."""

import os
import resource
import signal
import socket
import subprocess
import threading
import time

import stack


class Faults(stack.StackTest):
    def asked_meanwhile(self, made, work):
        """Asks without pause while work() runs; returns how many answers came. Every question must get one."""
        done, counts, problems = threading.Event(), [0], []

        def ask():
            client = stack.dns.Client(made.address, made.port)
            while not done.is_set():
                try:
                    if client.ask(f"static.{stack.ZONE}.", tries=1).addresses != ["192.0.2.80"]:
                        problems.append("another answer")
                except OSError as problem:
                    problems.append(repr(problem))
                counts[0] += 1
                time.sleep(0.001)
            client.close()

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            work()
        finally:
            done.set()
            thread.join()
        self.assertEqual(problems, [])
        self.assertGreater(counts[0], 0)
        return counts[0]

    def transitions(self, made):
        lines = [line for line in made.page("/metrics")[1].splitlines()
                 if line.startswith("gslb_health_transitions_total{")]
        return sum(float(line.split()[-1]) for line in lines)


class Stopped(Faults):
    def test_ten_seconds_of_sigstop_are_no_failure_of_the_targets(self):
        # `fall: 1`: one probe that counts wrongly is a flap. Answers take so long that most targets have a
        # probe under way when the process stops.
        crowd = stack.Crowd(delay_ms=100)
        self.addCleanup(crowd.stop)
        world = stack.World(interval="300ms", timeout="300ms", per_region=8)
        world.fleet["checks"]["web"].update(port=crowd.port, fall=1, rise=1)
        made = self.use(stack.Stack(world.fleet).start())
        stack.until(lambda: self.states(made) == {"up"}, 5, "all VIPs up")
        before = self.transitions(made)
        for seconds in (10, 1, 1, 1):
            made.process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            made.process.send_signal(signal.SIGCONT)
            asked = time.monotonic()
            self.assertEqual(made.ask("static").addresses, ["192.0.2.80"])
            self.assertLess(time.monotonic() - asked, 0.5)
            time.sleep(0.7)  # two rounds: none may change a state
            self.assertEqual(self.states(made), {"up"})
        self.assertEqual(self.transitions(made), before)
        # And it is not blind now.
        dead = world.vips["eu"][0]
        crowd.set("down", dead)
        stack.until(lambda: self.states(made, dead) == {"down"}, 2, "the dead VIP being seen")

    def states(self, made, address=None):
        return {vip["state"] for vip in made.api("GET", "/v1/vips")[1]["items"] if address in (None, vip["address"])}


class Signals(Faults):
    def setUp(self):
        self.world = stack.World()
        del self.world.fleet["services"]["shop"]["check"]
        self.stack = self.use(self.world.start())

    def test_a_storm_of_sighup_ends_with_the_newest_files(self):
        def storm():
            for number in range(300):
                # The file as a whole, at once: what is tested is the signal.
                text = stack.ZONE_TEXT + f"late IN A 192.0.2.{number % 100 + 100}\n"
                path = self.stack.directory / f"{stack.ZONE}.zone"
                path.with_suffix(".new").write_text(text)
                path.with_suffix(".new").rename(path)
                self.stack.process.send_signal(signal.SIGHUP)
                time.sleep(0.002)

        self.asked_meanwhile(self.stack, storm)
        stack.until(lambda: self.stack.ask("late").addresses == ["192.0.2.199"], 2, "the newest file's answer")
        self.assertFalse("reload refused" in self.stack.log())

    def test_sigterm_during_reloads_and_load(self):
        def flood():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.connect((self.stack.address, self.stack.port))
                message = stack.dns.query(f"acme.{stack.ZONE}.")
                while self.stack.process.poll() is None:
                    try:
                        udp.send(message)
                    except OSError:
                        pass

        for number in range(8):
            thread = threading.Thread(target=flood)
            thread.start()
            self.stack.process.send_signal(signal.SIGHUP)
            time.sleep(0.002 * number)
            code, took = self.stack.terminate()
            thread.join()
            self.assertEqual(code, 0)
            self.assertLess(took, 1)
            self.stack.start()

    def test_the_socket_file_is_deleted(self):
        os.unlink(self.stack.socket)
        self.assertIn(self.stack.socket, self.stack.ctl("status", code=1).stderr)
        self.assertEqual(self.stack.ask("static").addresses, ["192.0.2.80"])
        self.stack.process.send_signal(signal.SIGHUP)
        stack.until(lambda: os.path.exists(self.stack.socket), 2, "the socket's return")
        self.stack.ctl("status")
        # Another one's file in its place is not ours to remove.
        code, _ = self.stack.terminate()
        self.assertEqual(code, 0)
        self.assertFalse(os.path.exists(self.stack.socket))


class Ports(Faults):
    def prepare(self, **node):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        return self.use(stack.Stack(world.fleet, node=node))

    def ends(self, made, *words):
        done = subprocess.run([str(stack.GSLBD), "-c", str(made.directory / "node.yaml")], capture_output=True,
                              text=True, timeout=10)
        self.assertEqual(done.returncode, 1)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_dns_port_in_use(self):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as taken:
                taken.bind(("127.0.0.1", 0))
                if kind == socket.SOCK_STREAM:
                    taken.listen()
                where = f"127.0.0.1@{taken.getsockname()[1]}"
                self.ends(self.prepare(dns={"listen": [where]}), where, "Address already in use")

    def test_admin_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            where = f"127.0.0.1:{taken.getsockname()[1]}"
            self.ends(self.prepare(admin={"http": where}), where, "Address already in use")

    def test_an_address_that_is_not_ours(self):
        self.ends(self.prepare(dns={"listen": ["192.0.2.1@5300"]}), "192.0.2.1@5300", "Cannot assign")


class Descriptors(Faults):
    def test_no_descriptor_is_left(self):
        world = stack.World(interval="200ms", timeout="200ms")
        made = stack.Stack(world.fleet)
        self.use(made)
        for region, addresses in world.vips.items():
            for address in addresses:
                made.origins[address] = stack.Origin(address, world.port, region)
        made.limits = {resource.RLIMIT_NOFILE: (64, 64)}
        made.start()
        stack.until(lambda: {vip["state"] for vip in made.api("GET", "/v1/vips")[1]["items"]} == {"up"}, 5, "all up")
        before = self.transitions(made)
        held = []

        def crowd():
            for _ in range(100):
                tcp = socket.create_connection((made.address, made.port))
                held.append(tcp)
            # All that TCP takes leaves room for the operator and the probes.
            for _ in range(5):
                self.assertEqual(made.api("GET", "/v1/status")[0], 200)
            made.ctl("reload")
            # And where clients of the API take the rest, signals still find a process that goes on.
            for _ in range(100):
                local = socket.socket(socket.AF_UNIX)
                local.settimeout(0.2)
                held.append(local)
                try:
                    local.connect(made.socket)
                except OSError:
                    break
            for _ in range(10):
                made.process.send_signal(signal.SIGHUP)
                time.sleep(0.05)

        self.asked_meanwhile(made, crowd)
        self.assertIsNone(made.process.poll())
        for one in held:
            one.close()
        stack.until(lambda: self.answers_api(made), 5, "the API")
        self.assertEqual({vip["state"] for vip in made.api("GET", "/v1/vips")[1]["items"]}, {"up"})
        self.assertEqual(self.transitions(made), before)
        made.ctl("reload")

    @staticmethod
    def answers_api(made):
        try:
            return made.api("GET", "/v1/status")[0] == 200
        except OSError:
            return False


if __name__ == "__main__":
    stack.main()
