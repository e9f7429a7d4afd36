"""gslbd as its unit starts it: a plain user with the capability for low ports, which is gone once they are bound."""

import os
import pathlib
import shutil
import socket
import sys
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
        tasks = list(pathlib.Path(f"/proc/{made.process.pid}/task").iterdir())
        self.assertGreater(len(tasks), 1)
        for task in tasks:
            status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
            for name in SETS:
                self.assertEqual(int(status[name], 16), 0, f"{name} of {status['Name']}")
        made.ctl("reload")
        self.assertTrue(made.answer("acme", stack.CLIENTS["eu"]))


if __name__ == "__main__":
    stack.main()
