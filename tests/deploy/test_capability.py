"""The daemons as their units start them: a plain user with the capability for low ports, which is gone once they are
bound. forwarderd tells systemd when it is ready and when its end begins."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "live"))
import stack  # noqa: E402

NOBODY = 65534
SETS = ("CapInh", "CapPrm", "CapEff", "CapAmb")


def free_low_port(address):
    for port in range(1023, 500, -1):
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((address, port))
                udp.bind((address, port))
                return port
            except OSError:
                continue
    raise unittest.SkipTest("no low port is free")


def capabilities(pid):
    """[(thread, capability set, its bits)] of all threads."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        for name in SETS:
            yield status["Name"], name, int(status[name], 16)


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root and setpriv")
class Capability(stack.StackTest):
    def start(self, *capability):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        port = free_low_port("127.0.0.1")
        made = self.use(stack.Stack(world.fleet, node={"dns": {"listen": [f"127.0.0.1@{port}"]}}))
        made.wrapper = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
                        *capability]
        made.directory.chmod(0o755)
        os.chown(made.state, NOBODY, NOBODY)
        return made

    def test_given_up_by_every_thread(self):
        made = self.start("--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service").start()
        self.assertTrue(made.answer("acme", stack.CLIENTS["eu"]))
        found = list(capabilities(made.process.pid))
        self.assertGreater(len(found), len(SETS))
        for name, kind, bits in found:
            self.assertEqual(bits, 0, f"{kind} of {name}")
        made.ctl("reload")
        self.assertTrue(made.answer("acme", stack.CLIENTS["eu"]))


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root and setpriv")
class Forwarder(unittest.TestCase):
    def test_as_its_unit_starts_it(self):
        with tempfile.TemporaryDirectory(prefix="gslb-forwarder-") as name, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            directory, port = pathlib.Path(name), free_low_port("127.0.0.1")
            directory.chmod(0o777)
            told.bind(f"{name}/notify")
            os.chmod(f"{name}/notify", 0o777)
            told.settimeout(10)
            (directory / "fleet.yaml").write_text("regions: {eu: {at: [1, 1]}}\n")
            (directory / "node.yaml").write_text(
                f"node: {{name: n, region: eu, state_dir: {name}/state}}\nfleet: [fleet.yaml]\n"
                f"forwarder: {{http: [\"127.0.0.1:{port}\"], leave: 0s}}\n")
            (directory / "state").mkdir(mode=0o777)
            (directory / "state").chmod(0o777)
            process = subprocess.Popen(
                ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
                 "--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service",
                 stack.BUILD / "forwarder" / "forwarderd", "-c", directory / "node.yaml"],
                env={**os.environ, "NOTIFY_SOCKET": f"{name}/notify"}, stderr=subprocess.PIPE, text=True)
            try:
                self.assertEqual(told.recv(100), b"READY=1")
                with socket.create_connection(("127.0.0.1", port), 10) as client:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n")
                    self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 404 "))
                found = list(capabilities(process.pid))
                self.assertGreater(len(found), len(SETS))
                for thread, kind, bits in found:
                    self.assertEqual(bits, 0, f"{kind} of {thread}")
                process.send_signal(signal.SIGTERM)
                self.assertEqual(told.recv(100), b"STOPPING=1")
                _, said = process.communicate(timeout=40)
                self.assertEqual(process.returncode, 0, said)
            finally:
                process.kill()
                process.communicate()


if __name__ == "__main__":
    stack.main()
