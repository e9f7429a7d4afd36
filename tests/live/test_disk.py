"""The state directory fails: the disk is full, files may not grow, nothing may be written, another process has
it, somebody moves it away. A change is done or refused in words; nothing is half-done; answers go on."""

import os
import pathlib
import resource
import shutil
import signal
import subprocess
import unittest

import stack


class Disk(stack.StackTest):
    def prepare(self):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        made = self.use(stack.Stack(world.fleet, node={"probes": None}))
        self.vips = world.vips
        return made

    def tenant(self, made, name, regions=("us",), code=0):
        words = [word for region in regions for word in ("--region", region)]
        return made.ctl("tenant", "add", name, "--zone", stack.ZONE, "--service", "shop", *words, code=code)

    def fill(self, made, full):
        """Adds large tenants until one is refused; returns those that were accepted and the refusal."""
        accepted, problem = [], None
        tags = [f"tag-{number:040}" for number in range(60)]
        for number in range(2000):
            name = f"t{number}"
            status, body = made.api("PUT", f"/v1/tenants/{name}",
                                    {"zone": stack.ZONE, "service": "shop", "tags": tags, "regions": ["us"]})
            if status != 201:
                problem = (status, body)
                break
            accepted.append(name)
        self.assertIsNotNone(problem, "the disk never filled")
        self.assertEqual(problem[0], 503, problem)
        self.assertEqual(problem[1]["type"], "urn:gslb:unavailable")
        self.assertIn("gslb.db", str(problem[1]))
        self.assertIn(full, str(problem[1]))
        return accepted, name

    def check_full(self, made, accepted, refused):
        """Nothing of the refused change is seen, everything else is, and answers go on."""
        before = made.api("GET", "/v1/status")[1]
        self.assertEqual(made.ask(refused).rcode, "NXDOMAIN")
        for name in accepted[::10]:
            self.assertEqual(made.answer(name, stack.CLIENTS["eu"]), self.vips["us"])
        self.assertEqual(made.answer("acme", stack.CLIENTS["eu"]), self.vips["eu"])
        # Controls and pairs in one document: all or nothing, too.
        big = {f"pair-{n}": {"zone": stack.ZONE, "service": "shop", "tags": [f"t{n}", "x" * 60]}
               for n in range(3000)}
        self.assertEqual(made.api("POST", "/v1/apply", {"tenants": big})[0], 503)
        self.assertEqual(made.ask("pair-0").rcode, "NXDOMAIN")
        after = made.api("GET", "/v1/status")[1]
        for key in ("fleet_version", "tenants", "epoch"):
            self.assertEqual(after[key], before[key])
        self.assertEqual(made.page("/healthz")[0], 200)
        self.assertEqual(made.page("/readyz")[0], 200)
        made.ctl("audit")

    def check_space_again(self, made, accepted, refused):
        self.tenant(made, "later")
        self.assertEqual(made.answer("later", stack.CLIENTS["eu"]), self.vips["us"])
        made.ctl("region", "drain", "eu")
        made.kill()
        made.start()
        self.assertEqual(made.answer("later", stack.CLIENTS["eu"]), self.vips["us"])
        self.assertNotEqual(made.answer("acme", stack.CLIENTS["eu"]), self.vips["eu"])
        for name in accepted:
            self.assertEqual(made.answer(name, stack.CLIENTS["eu"]), self.vips["us"])
        self.assertEqual(made.ask(refused).rcode, "NXDOMAIN")

    def test_files_may_not_grow(self):
        made = self.prepare()
        # The log is a file as well: where it may not grow, nothing else may go wrong.
        made.limits = {resource.RLIMIT_FSIZE: (1 << 20, resource.RLIM_INFINITY)}
        made.start()
        accepted, refused = self.fill(made, "may not grow")
        self.check_full(made, accepted, refused)
        resource.prlimit(made.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        made.limits = {}
        self.check_space_again(made, accepted, refused)

    @unittest.skipUnless(stack.can_unshare("-rm"), "needs a mount namespace")
    def test_disk_is_full(self):
        made = self.prepare()
        disk = made.directory / "disk"
        disk.mkdir()
        made.node["node"]["state_dir"] = "disk"
        made.node["admin"]["socket"] = made.socket
        made.write()
        script = 'mount -t tmpfs -o size=2m none "$0" && exec "$@"'
        made.wrapper = ["unshare", "-rm", "sh", "-c", script, str(disk)]
        made.start()
        inside = pathlib.Path(f"/proc/{made.process.pid}/root{disk}")
        (inside / "ballast").write_bytes(bytes(1 << 20))
        accepted, refused = self.fill(made, "the disk is full")
        self.check_full(made, accepted, refused)
        (inside / "ballast").unlink()
        self.tenant(made, "between")
        # The mount goes with the process, so that a restart gets a copy of what was on it at the kill.
        made.process.send_signal(signal.SIGSTOP)
        shutil.copytree(inside, made.directory / "copy")
        made.kill()
        made.wrapper, made.node["node"]["state_dir"] = [], "copy"
        made.write()
        made.start()
        self.assertEqual(made.answer("between", stack.CLIENTS["eu"]), self.vips["us"])
        self.check_space_again(made, accepted, refused)

    @unittest.skipUnless(stack.can_unshare("-rm"), "needs a mount namespace")
    def test_read_only_directory_at_start(self):
        made = self.prepare()
        script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script, str(made.state), str(stack.GSLBD), "-c",
                               str(made.directory / "node.yaml")], capture_output=True, text=True, timeout=10)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(str(made.state.name), done.stderr)
        self.assertIn("Read-only file system", done.stderr)

    def test_two_processes(self):
        made = self.prepare().start()
        other = subprocess.run([str(stack.GSLBD), "-c", str(made.directory / "node.yaml")], capture_output=True,
                               text=True, timeout=10)
        self.assertEqual(other.returncode, 1)
        self.assertIn(f"pid {made.process.pid}", other.stderr)
        self.assertIn("node.state_dir", other.stderr)
        self.tenant(made, "later")
        self.assertEqual(made.answer("later", stack.CLIENTS["eu"]), self.vips["us"])
        # A killed one leaves no lock behind.
        made.kill()
        made.start()
        self.assertEqual(made.answer("later", stack.CLIENTS["eu"]), self.vips["us"])

    def test_the_store_is_taken_away(self):
        """What would be written into a file that no restart finds is not acknowledged."""
        made = self.prepare().start()
        self.tenant(made, "first")
        away = made.directory / "away"
        for file in made.state.glob("gslb.db*"):
            away.mkdir(exist_ok=True)
            file.rename(away / file.name)
        refusal = self.tenant(made, "second", code=1).stderr
        self.assertIn("gslb.db", refusal)
        self.assertIn("restart", refusal)
        self.assertEqual(made.ask("second").rcode, "NXDOMAIN")
        self.assertEqual(made.answer("first", stack.CLIENTS["eu"]), self.vips["us"])
        for file in away.iterdir():
            file.rename(made.state / file.name)
        self.tenant(made, "third")
        made.kill()
        made.start()
        for name, rcode in (("first", "NOERROR"), ("second", "NXDOMAIN"), ("third", "NOERROR")):
            self.assertEqual(made.ask(name).rcode, rcode, name)

    def test_a_damaged_store_says_what_to_do(self):
        made = self.prepare().start()
        made.stop_quietly()
        (made.state / "gslb.db").write_bytes(os.urandom(65536))
        done = subprocess.run([str(stack.GSLBD), "-c", str(made.directory / "node.yaml")], capture_output=True,
                              text=True, timeout=10)
        self.assertEqual(done.returncode, 1)
        self.assertIn("gslb.db", done.stderr)
        self.assertIn("backup", done.stderr)


if __name__ == "__main__":
    stack.main()
