"""What an operator does beside steering: the effective table of check."""

import json
import pathlib
import subprocess

import stack


class Effective(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        world = stack.World(steering={"tolerance": "1000km"})
        del world.fleet["services"]["shop"]["check"]
        services = world.fleet["services"]
        services["listed"] = {**services["shop"], "steering": {"order": "listed", "regions": ["ap", "us"]}}
        services["mapped"] = {**services["shop"], "steering": {"order": "map", "map": "world"}}
        services["single"] = {"ttl": "5s", "vips": {"eu": world.vips["eu"]},
                              "steering": {"last_resort": "nodata"}}
        world.fleet["maps"] = {"world": {"EU": [["us", "ap"], ["eu"]], "country:SG": ["ap"], "default": ["us"]}}
        for name in services:
            world.fleet["tenants"][f"t-{name}"] = {"zone": stack.ZONE, "service": name}
        cls.stack = world.start()
        cls.node = str(cls.stack.directory / "node.yaml")
        cls.table = json.loads(cls.stack.ctl("check", cls.node, "-o", "json").stdout)["effective"][0]

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    def rows(self, service):
        return next(one for one in self.table["services"] if one["service"] == service)["rows"]

    def tiers(self, service, continent, down=None):
        return next(row["tiers"] for row in self.rows(service)
                    if (row["continent"], row["down"]) == (continent, down))

    def test_says_what_explain_says(self):
        clients = {one["continent"]: one for one in self.table["clients"]}
        self.assertEqual({c for c, one in clients.items() if one["from"] == "locations"}, {"EU", "NA", "AS"})
        told = 0
        for service in ("shop", "listed", "mapped", "single"):
            for row in self.rows(service):
                address = clients[row["continent"]]["address"]
                if address is None:
                    continue
                what_if = ["--what-if", f"{row['down']}=down"] if row["down"] else []
                reply = json.loads(self.stack.ctl("explain", f"t-{service}.{stack.ZONE}", "--client", address,
                                                  *what_if, "-o", "json").stdout)
                kept = {one["region"] for one in reply["regions"] if one["kept"]}
                self.assertEqual(kept, set(row["tiers"][0] if row["tiers"] else []), (service, row))
                self.assertEqual(row["step"], reply["step"])
                told += 1
        self.assertGreater(told, 30)

    def test_orders(self):
        self.assertEqual(self.tiers("shop", "EU"), [["eu"], ["us"], ["ap"]])
        self.assertEqual(self.tiers("shop", "EU", "eu"), [["us"], ["ap"]])
        self.assertEqual(self.tiers("listed", "EU"), [["ap"], ["us"]])
        self.assertEqual(self.tiers("listed", None, "ap"), [["us"]])
        self.assertEqual([sorted(tier) for tier in self.tiers("mapped", "EU")], [["ap", "us"], ["eu"]])
        self.assertEqual(self.tiers("mapped", "AS"), [["ap"]])
        self.assertEqual(self.tiers("mapped", "NA"), [["us"]])
        self.assertEqual(self.tiers("mapped", "NA", "us"), [["us"]], "the last resort")
        self.assertEqual(self.tiers("single", "EU", "eu"), [])

    def test_table(self):
        out = self.stack.ctl("check", self.node).stdout
        self.assertRegex(out, r"(?m)^EU +10\.1\.0\.0 +DE +50\.11, 8\.68 +locations$")
        self.assertRegex(out, r"(?m)^AF +\(any\) .* centroid$")
        self.assertRegex(out, r"(?m)^shop +EU +eu +us > ap$")
        self.assertRegex(out, r"(?m)^mapped +EU +- +(us = ap|ap = us) > eu$")
        self.assertRegex(out, r"(?m)^mapped +NA +us +us \(last-resort\)$")
        self.assertRegex(out, r"(?m)^single +EU +eu +no address$")

    def test_wrong(self):
        bad = self.stack.directory / "bad-node.yaml"
        bad.write_text(pathlib.Path(self.node).read_text().replace('"fleet.yaml"', '"none.yaml"'))
        done = self.stack.ctl("check", str(bad), code=1)
        self.assertEqual(done.stdout, "")
        self.assertIn("none.yaml", done.stderr)
        self.assertEqual(self.stack.ctl("check", str(bad), "-o", "json", code=1).stdout, "")
        daemon = subprocess.run([str(stack.GSLBD), "-c", self.node, "--check"], capture_output=True, text=True,
                                timeout=20)
        self.assertEqual((daemon.returncode, daemon.stdout), (0, ""))


if __name__ == "__main__":
    stack.main()
