"""What `meson install` puts down: complete, good as it is, and a unit that systemd finds sound."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["GSLB_BUILD"])
EXPOSURE_MAX = 20  # tenths of systemd-analyze's scale from 0 (sealed) to 10


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = pathlib.Path(tempfile.mkdtemp(prefix="gslb-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.tree)
        cls.install()

    @classmethod
    def install(cls):
        subprocess.run(["meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet", "--destdir", str(cls.tree)],
                       check=True, stdout=subprocess.DEVNULL)

    def find(self, name):
        found = [path for path in self.tree.rglob("*") if str(path).endswith("/" + name)]
        self.assertEqual(len(found), 1, f"{name}: {found}")
        return found[0]

    def test_all_is_there(self):
        for name in ("bin/gslbd", "bin/gslbctl", "gslbd.service", "sysusers.d/gslb.conf", "tmpfiles.d/gslb.conf",
                     "bin/forwarderd", "forwarderd.service", "sysusers.d/forwarderd.conf",
                     "tmpfiles.d/forwarderd.conf", "gslb/forwarder.yaml", "gslb/forwarder-fleet.yaml",
                     "examples/forwarder.yaml", "examples/forwarder-fleet.yaml", "man8/forwarderd.8",
                     "gslb/node.yaml", "gslb/fleet.yaml", "doc/gslb/LICENSE", "doc/gslb/README.md",
                     "man8/gslbd.8", "man1/gslbctl.1", "completions/gslbctl.bash", "doc/gslb/docs/first-steps.md", "doc/gslb/docs/operations.md", "doc/gslb/docs/openapi.json",
                     "examples/fleet.yaml", "examples/prometheus/gslb.rules.yml", "examples/grafana/gslb.json"):
            self.assertTrue(self.find(name).stat().st_size > 0)

    def test_programs_run(self):
        for name in ("gslbd", "forwarderd", "gslbctl"):
            done = subprocess.run([self.find("bin/" + name), "--version"], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout.split()[0]), (0, name))

    def test_configurations_are_good(self):
        for daemon, name in (("gslbd", "gslb/node.yaml"), ("gslbd", "examples/node.yaml"),
                             ("forwarderd", "gslb/forwarder.yaml"), ("forwarderd", "examples/forwarder.yaml")):
            done = subprocess.run([self.find("bin/" + daemon), "-c", self.find(name), "--check"], capture_output=True,
                                  text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)

    def test_example_of_a_forwarders_fleet_is_good_for_both(self):
        fleet = self.find("examples/forwarder-fleet.yaml")
        node = self.tree / "both.yaml"
        node.write_text(f"node: {{name: n, region: eu, state_dir: s}}\nfleet: [{fleet}]\n"
                        "dns: {listen: [\"127.0.0.1@0\"]}\nprobes: {vantage: v}\n"
                        "forwarder: {http: [\"127.0.0.1:0\"]}\n")
        self.addCleanup(node.unlink)
        for daemon in ("gslbd", "forwarderd"):
            done = subprocess.run([self.find("bin/" + daemon), "-c", node, "--check"], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), daemon)

    def test_an_operators_configuration_stays(self):
        configuration = self.find("gslb/fleet.yaml")
        before = configuration.read_text()
        configuration.write_text("# mine\n")
        try:
            self.install()
            self.assertEqual(configuration.read_text(), "# mine\n")
        finally:
            configuration.write_text(before)

    def unit(self, daemon):
        """The unit with programs that are there."""
        unit = self.find(daemon + ".service").read_text()
        copy = self.tree / (daemon + ".service")
        program = self.find("bin/" + daemon)
        copy.write_text("".join(f"ExecStart={program} -c x\n" if line.startswith("ExecStart=") else line
                                for line in unit.splitlines(keepends=True)))
        self.addCleanup(copy.unlink)
        return copy

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_unit_is_sound(self):
        for daemon in ("gslbd", "forwarderd"):
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                                   self.unit(daemon)], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), daemon)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_unit_is_hardened(self):
        for daemon in ("gslbd", "forwarderd"):
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                                   f"--threshold={EXPOSURE_MAX}", self.unit(daemon)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_forwarders_end_has_the_time_it_may_take(self):
        """leave 5s and drain 30s by default, and 10 s."""
        self.assertIn("\nTimeoutStopSec=45s\n", self.find("forwarderd.service").read_text())


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main(verbosity=2)
