"""Names of files and directories are octets, and may be of another encoding than UTF-8, which JSON takes alone: what
holds such a name stands in the replies all the same, with '?' for what is no character."""

import json
import os
import pathlib
import subprocess

import stack

ODD = os.fsdecode(b"caf\xe9")


class Octets(stack.StackTest):
    def start(self):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        made = stack.Stack(world.fleet)
        odd = pathlib.Path(f"{made.directory}-{ODD}")
        made.directory.rename(odd)
        made.directory, made.state = odd, odd / "state"
        made.socket, made.log_path = str(odd / "state" / "gslb.sock"), odd / "gslbd.log"
        made.world = world
        return self.use(made).start()

    def run_octets(self, *words):
        return subprocess.run([str(stack.GSLBCTL), "--socket", self.stack.socket, *words], capture_output=True, timeout=30)

    def setUp(self):
        self.stack = self.start()
        self.told = f"{str(self.stack.directory).removesuffix(ODD)}caf?"

    def test_a_node_in_such_a_directory(self):
        status = self.stack.api("GET", "/v1/status")[1]
        self.assertEqual(status["listeners"]["socket"], f"{self.told}/state/gslb.sock")
        self.stack.ctl("reload")
        lines = self.stack.api("GET", "/v1/audit")[1]["items"]
        self.assertEqual([line["object"] for line in lines if line["verb"] == "reload"], [f"{self.told}/node.yaml"])
        (self.stack.directory / "fleet.yaml").write_text("regions: {eu: 5}\n")
        code, problem = self.stack.api("POST", "/v1/reload")
        self.assertEqual(code, 422)
        self.assertIn(f"{self.told}/fleet.yaml", [error["file"] for error in problem["errors"]])
        self.stack.log_path.read_text(encoding="utf-8")  # strict

    def test_files_that_gslbctl_is_given(self):
        saved = self.stack.directory / f"{ODD}.db"
        done = self.run_octets("backup", str(saved), "-o", "json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["file"]), (0, f"{self.told}/caf?.db"), done.stderr)
        done = self.run_octets("check", str(self.stack.directory / "node.yaml"), "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([one["file"] for one in json.loads(done.stdout)["effective"]], [f"{self.told}/node.yaml"])


if __name__ == "__main__":
    stack.main()
