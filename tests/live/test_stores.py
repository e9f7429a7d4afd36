"""Stores and backups of earlier versions (tests/stores): a node goes on with all that is in them, from the moment
at which they were written."""

import gzip
import json
import os
import pathlib
import sqlite3
import struct
import subprocess
import time

import stack
import yaml

STORES = pathlib.Path(__file__).parents[1] / "stores"
KINDS = {"region": "regions", "location": "locations", "check": "checks", "map": "maps", "service": "services",
         "tier": "tiers", "tenant": "tenants"}
MINUTE_MS = 60 * 1000


def rfc3339(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms // 1000))


class Stores(stack.StackTest):
    def prepare(self):
        """A node with the base documents and the probes of that day, and the wall clock in the test's hand."""
        made = stack.Stack({}, node={"node": {"name": "earlier", "state_dir": "state", "resolvers": ["127.0.0.1@9"]}})
        self.use(made)
        library = made.directory / "clock_step.so"
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", str(library),
                        str(pathlib.Path(__file__).with_name("clock_step.c"))], check=True)
        self.step_file = made.directory / "step"
        made.environment = {"LD_PRELOAD": str(library), "GSLB_CLOCK_STEP": str(self.step_file),
                            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        return made

    def set_clock(self, unix_ms):
        self.step_file.write_bytes(struct.pack("=q", unix_ms - time.time_ns() // 1000000))

    def read(self, path):
        """What the file holds, before the version of today sees it."""
        with sqlite3.connect(path) as database:
            database.row_factory = sqlite3.Row
            names = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            self.tables = {name: [dict(row) for row in database.execute(f"SELECT * FROM {name}")] for name in names}
        database.close()
        self.targets = {row["target"].split()[0]: row for row in self.tables["health"]}
        self.written_ms = max(row["seen"] for row in self.tables["health"])

    def serve_targets(self, made):
        """What was up is up, and nothing else, on the port of that day: a target's name in the store holds a digest
        of its check. Another run of this test may have the port; it ends."""
        check = next(json.loads(row["json"]) for row in self.tables["object"] if row["kind"] == "check")
        for address in (address for address, row in self.targets.items() if row["state"] == "up"):
            made.origins[address] = stack.until(lambda: self.try_origin(address, check["port"]), 60, "the port")

    def try_origin(self, address, port):
        try:
            return stack.Origin(address, port)
        except RuntimeError:
            time.sleep(0.2)
            return None

    def check_objects(self, made):
        fleet = yaml.safe_load(made.ctl("export").stdout)
        for kind, name in KINDS.items():
            rows = {row["id"]: json.loads(row["json"]) for row in self.tables["object"] if row["kind"] == kind}
            self.assertEqual(fleet.get(name, {}), rows, kind)
            self.assertEqual(list(fleet.get(name, {})), list(rows), kind)  # in the order of definition
        for row in (row for row in self.tables["object"] if row["kind"] == "tenant"):
            self.assertEqual(made.api("GET", f"/v1/tenants/{row['id']}")[1]["version"], str(row["version"]))
        version = next(row["value"] for row in self.tables["meta"] if row["name"] == "fleet_version")
        self.assertEqual(made.api("GET", "/v1/status")[1]["fleet_version"], version)

    def check_controls(self, made, has_ended):
        regions = {region["id"]: region for region in made.api("GET", "/v1/regions")[1]["items"]}
        vips = {(vip["region"], vip["address"]): vip for vip in made.api("GET", "/v1/vips")[1]["items"]}
        for row in self.tables["control"]:
            if row["address"]:
                told = vips[row["region"], row["address"]]["control"]
            elif row["service"]:
                told = regions[row["region"]]["service_controls"][row["service"]]
            else:
                told = regions[row["region"]]["control"]
            if row["expires"] and has_ended:
                self.assertIsNone(told)
                continue
            want = {"share": row["share"] if row["share"] >= 0 else "down", "since": rfc3339(row["since"]),
                    "reason": row["reason"] or None, "author": row["author"],
                    "until": rfc3339(row["expires"]) if row["expires"] else None}
            self.assertEqual({key: told[key] for key in want}, want)

    def check_audit(self, made):
        lines = made.api("GET", "/v1/audit?limit=1000")[1]["items"]
        for row, line in zip(self.tables["audit"], lines):
            want = {**row, "time": rfc3339(row["time"]), "reason": row["reason"] or None,
                    "before": json.loads(row["before"] or "null"), "after": json.loads(row["after"] or "null")}
            self.assertEqual({key: line[key] for key in want}, want)
        self.assertGreaterEqual(len(lines), len(self.tables["audit"]))

    def check_health(self, made):
        """Not of VIPs by name: they are asked with that name as the host by now, which is another question."""
        by_name = {address for row in self.tables.get("resolved", []) for address in row["addresses"].split()}
        vips = {vip["address"]: vip for vip in made.api("GET", "/v1/vips")[1]["items"]}
        for address, row in self.targets.items():
            if address in by_name:
                continue
            self.assertEqual((vips[address]["state"], vips[address]["since"]),
                             ("up" if row["state"] == "up" else "down", rfc3339(row["changed"])), address)

    def check_names(self, made):
        vips = made.api("GET", "/v1/vips")[1]["items"]
        for row in self.tables.get("resolved", []):
            self.assertEqual(sorted(vip["address"] for vip in vips if vip.get("name") == row["name"]),
                             sorted(row["addresses"].split()))

    def goes_on(self, made):
        self.serve_targets(made)
        self.set_clock(self.written_ms + MINUTE_MS)
        made.start()
        self.check_objects(made)
        self.check_controls(made, has_ended=False)
        self.check_audit(made)
        self.check_health(made)
        self.check_names(made)
        self.assertEqual(made.ask("vault", client="10.1.7.0/24").rcode, "NOERROR")
        # It is this version's own from now on, and what ended meanwhile has ended.
        made.ctl("tenant", "add", "today", "--zone", stack.ZONE, "--service", "shop")
        made.ctl("tenant", "remove", "today")
        made.stop_quietly()
        self.set_clock(self.written_ms + 120 * MINUTE_MS)
        made.start()
        self.tables["meta"] = [{"name": "fleet_version", "value": made.api("GET", "/v1/status")[1]["fleet_version"]}]
        self.check_objects(made)
        self.check_controls(made, has_ended=True)
        self.check_audit(made)
        made.stop_quietly()
        for origin in made.origins.values():
            origin.stop()

    def test_stores(self):
        for path in sorted(STORES.glob("*.sql")):
            with self.subTest(path.name):
                made = self.prepare()
                with sqlite3.connect(made.state / "gslb.db") as database:
                    database.executescript(path.read_text())
                database.close()
                self.read(made.state / "gslb.db")
                self.goes_on(made)

    def test_backups(self):
        for path in sorted(STORES.glob("*.backup.gz")):
            with self.subTest(path.name):
                made = self.prepare()
                saved = made.directory / "saved.db"
                saved.write_bytes(gzip.decompress(path.read_bytes()))
                dry = made.ctl("restore", str(saved), "--config", str(made.directory / "node.yaml"), "--dry-run")
                self.assertIn("good", dry.stdout)
                done = made.ctl("restore", str(saved), "--config", str(made.directory / "node.yaml"), "-o", "json")
                self.read(saved)
                counts = json.loads(done.stdout)
                self.assertEqual((counts["objects"], counts["controls"], counts["audit_lines"]),
                                 tuple(len(self.tables[name]) for name in ("object", "control", "audit")))
                self.goes_on(made)


class Forwarding(stack.StackTest):
    def test_what_forwarders_use_is_kept(self):
        """Routes, origins, limits, maintenance and keys go by the API into the store, and come back from it."""
        document = (pathlib.Path(__file__).parents[1] / "fuzz/corpus/fleet/forwarding.yaml").read_text()
        made = self.use(stack.Stack({}, node={"probes": None})).start()
        added = json.loads(made.ctl("apply", "-f", "-", "-o", "json", text_in=document).stdout)["added"]
        before = made.ctl("export").stdout
        self.assertIn("origins:", before)
        made.stop_quietly()
        made.start()
        self.assertEqual(made.ctl("export").stdout, before)
        again = json.loads(made.ctl("apply", "-f", "-", "-o", "json", text_in=document).stdout)
        self.assertEqual((again["unchanged"], again["added"], again["changed"]), (added, 0, 0))
        tenant = made.api("GET", "/v1/tenants/a")[1]
        self.assertEqual(tenant["limits"], {"rate": "7/s", "headers": "always"})
        self.assertEqual(list(tenant["keys"]), ["ci", "app"])


if __name__ == "__main__":
    stack.main()
