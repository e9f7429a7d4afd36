"""The wall clock is stepped by an hour, either way, under a running daemon: controls with an end last as long
as they were promised, health and TTL do not move, and a restart goes by the wall clock."""

import os
import pathlib
import struct
import subprocess
import time

import stack

HOUR_MS = 3600 * 1000


class Clock(stack.StackTest):
    def prepare(self):
        world = stack.World(interval="200ms", timeout="200ms")
        made = self.use(stack.Stack(world.fleet))
        crowd = stack.Crowd()
        self.addCleanup(crowd.stop)
        world.fleet["checks"]["web"]["port"] = crowd.port
        made.write()
        library = made.directory / "clock_step.so"
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", str(library),
                        str(pathlib.Path(__file__).with_name("clock_step.c"))], check=True)
        self.step_file = made.directory / "step"
        self.step_file.write_bytes(struct.pack("=q", 0))
        made.environment = {"LD_PRELOAD": str(library), "GSLB_CLOCK_STEP": str(self.step_file),
                            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        self.vips = world.vips
        return made

    def step(self, ms):
        with open(self.step_file, "r+b") as file:
            file.write(struct.pack("=q", ms))

    def shares(self, made):
        return {item["id"]: item["control"]["share"] for item in made.api("GET", "/v1/regions")[1]["items"]
                if item["control"]}

    def steps(self, ms):
        made = self.prepare().start()
        stack.until(lambda: {vip["state"] for vip in made.api("GET", "/v1/vips")[1]["items"]} == {"up"}, 5, "all up")
        since = [vip["since"] for vip in made.api("GET", "/v1/vips")[1]["items"]]
        made.ctl("region", "drain", "eu", "--for", "2s")
        drained = time.monotonic()
        made.ctl("region", "drain", "us", "--for", "10m")
        self.step(ms)
        # Neither early nor late; asked so often that the moment is known.
        while "eu" in self.shares(made):
            self.assertLess(time.monotonic() - drained, 2.5)
            self.assertNotEqual(made.answer("acme", stack.CLIENTS["eu"]), self.vips["eu"])
            time.sleep(0.02)
        self.assertGreater(time.monotonic() - drained, 1.8)
        stack.until(lambda: made.answer("acme", stack.CLIENTS["eu"]) == self.vips["eu"], 1, "the region's return")
        self.assertEqual(self.shares(made), {"us": 0})
        page = made.page("/metrics")[1]
        left = [float(line.split()[-1]) for line in page.splitlines() if line.startswith("gslb_control_expiry_seconds{")]
        self.assertEqual(len(left), 1)
        self.assertGreater(left[0], 590)
        self.assertLess(left[0], 600)
        # A change after the step is one like any other, and its end holds over a restart.
        made.ctl("region", "drain", "ap", "--for", "1h")
        self.assertEqual([vip["since"] for vip in made.api("GET", "/v1/vips")[1]["items"]], since)
        self.assertEqual({vip["state"] for vip in made.api("GET", "/v1/vips")[1]["items"]}, {"up"})
        made.stop_quietly()
        made.start()
        self.assertEqual(self.shares(made), {"ap": 0} if ms > 0 else {"us": 0, "ap": 0})
        self.assertEqual(made.answer("acme", stack.CLIENTS["eu"]), self.vips["eu"])

    def test_an_hour_ahead(self):
        self.steps(HOUR_MS)

    def test_an_hour_back(self):
        self.steps(-HOUR_MS)


if __name__ == "__main__":
    stack.main()
