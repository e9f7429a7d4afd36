"""What an operator does beside steering: the effective table of check."""

import contextlib
import datetime
import json
import os
import pathlib
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

import dns
import stack


class Audit(stack.StackTest):
    def test_more_lines_than_a_page_of_the_api_holds(self):
        server = self.use(stack.World().start())
        server.stop_quietly()
        with contextlib.closing(sqlite3.connect(server.state / "gslb.db")) as store, store:
            store.executemany("INSERT INTO audit VALUES(?, 0, 'a', 'v', 'verb', 'object', NULL, NULL, '')",
                              [(seq,) for seq in range(1, 10101)])
        server.start()
        out = server.ctl("audit", "--since", "5").stdout.splitlines()
        self.assertEqual((len(out), out[1].split()[0], out[-1].split()[0]), (10096, "6", "10100"))
        out = server.ctl("audit", "--since", "5", "--limit", "2").stdout.splitlines()
        self.assertEqual([line.split()[0] for line in out[1:3]], ["6", "7"])
        self.assertEqual(out[3], "more: --since 7")


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

    def test_without_geography(self):
        """No row for a continent when nothing says where anybody is, and each rule that waits for it is told."""
        world = stack.World(steering={"order": "map", "map": "world"})
        del world.fleet["locations"]
        world.fleet["maps"] = {"world": {"EU": ["us"], "country:SG": ["ap"], "as:64500": ["ap"],
                                         "default": ["nearest", "us", "eu", "ap"]}}
        made = self.use(stack.Stack(world.fleet))
        done = made.ctl("check", str(made.directory / "node.yaml"))
        self.assertEqual([line.split(": ", 2)[2] for line in done.stderr.splitlines()],
                         [f"map 'world': '{key}' matches no client: no geo file and no location has {what}"
                          for key, what in (("EU", "a continent"), ("country:SG", "a country"),
                                            ("as:64500", "an AS number"))])
        self.assertIn("all clients are without location", done.stdout)
        self.assertEqual([line.split()[1:] for line in done.stdout.splitlines() if line.startswith("shop")],
                         [["(unknown)", "-", "eu", ">", "us", ">", "ap"], ["(unknown)", "eu", "us", ">", "ap"],
                          ["(unknown)", "us", "eu", ">", "ap"], ["(unknown)", "ap", "eu", ">", "us"]])
        table = json.loads(made.ctl("check", str(made.directory / "node.yaml"), "-o", "json").stdout)["effective"][0]
        self.assertEqual([client["continent"] for client in table["clients"]], [None])

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


class Import(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        cls.stack = world.start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    def setUp(self):
        self.addCleanup(self.stack.ctl, "apply", "-f", "-", "--prune", text_in="tenants: {}")

    def run_import(self, text, *more, code=0, name="tenants.csv"):
        path = self.stack.directory / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        done = self.stack.ctl("tenant", "import", str(path), "-o", "json", *more, code=code)
        return json.loads(done.stdout), done.stderr

    def counts(self, summary):
        return summary["added"], summary["changed"], summary["unchanged"], len(summary["refused"])

    def tenant(self, name):
        return json.loads(self.stack.ctl("tenant", "show", name, "-o", "json").stdout)

    def test_csv(self):
        text = ("\ufeffid,zone,service,regions,hosts,state,tags\r\n"
                f"one,{stack.ZONE},shop,eu us,,,\r\n"
                "\r\n"
                f'"two",{stack.ZONE},shop,,"two\n*.two",active,"a;b"\r\n'
                f"three, {stack.ZONE} ,shop,us,,suspended,\r\n")
        summary, _ = self.run_import(text, "--dry-run")
        self.assertEqual((self.counts(summary), summary["dry_run"]), ((3, 0, 0, 0), True))
        self.stack.ctl("tenant", "show", "one", code=1)
        self.assertEqual(self.counts(self.run_import(text)[0]), (3, 0, 0, 0))
        self.assertEqual(self.tenant("one")["regions"], ["eu", "us"])
        self.assertEqual((self.tenant("two")["hosts"], self.tenant("two")["tags"]), (["two", "*.two"], ["a", "b"]))
        self.assertEqual(self.tenant("three")["state"], "suspended")
        self.assertEqual(self.stack.answer("x.two", "10.1.7.0/24"), self.stack.world.vips["eu"])
        self.assertEqual(self.counts(self.run_import(text.replace("eu us", "eu"))[0]), (0, 1, 2, 0))
        path = str(self.stack.directory / "tenants.csv")
        self.assertEqual(self.stack.ctl("tenant", "import", path).stdout,
                         "0 added, 0 changed, 3 unchanged, 0 refused\n")

    def test_json(self):
        rows = [{"id": f"j{i}", "zone": stack.ZONE, "service": "shop", "tags": ["t"], "source": "{}]\""} for i in range(3)]
        for text in (json.dumps(rows, indent=1), "\n".join(json.dumps(row) for row in rows)):
            self.assertEqual(self.run_import(text, name="t.json")[0]["added"], 3)
            self.stack.ctl("apply", "-f", "-", "--prune", text_in="tenants: {}")
        # What the API lists can be imported again.
        self.run_import(json.dumps(rows))
        items = json.loads(self.stack.ctl("tenants", "-o", "json").stdout)["items"]
        text = json.dumps([item for item in items if item["source"] == "store"])
        self.assertEqual(self.counts(self.run_import(text)[0]), (0, 0, 3, 0))

    def test_refused_rows_do_not_stop_the_others(self):
        good = "".join(f"ok{i}\n" for i in range(6000))
        text = "id\n" + good + "Bad_Id\nacme\nok7\nlast\n"
        summary, errors = self.run_import(text, "--zone", stack.ZONE, "--service", "shop", code=1)
        self.assertEqual(summary["added"] + summary["unchanged"], 6002)
        self.assertEqual([(one["line"], one["id"]) for one in summary["refused"]], [(6004, "ok7"), (6002, "Bad_Id")])
        self.assertIn("tenants.csv:6004: tenant 'ok7': it stands in line 9 already", errors)
        self.assertEqual(self.stack.answer("last", "10.1.7.0/24"), self.stack.world.vips["eu"])

    def test_reasons(self):
        text = (f"id,zone,service,hosts,regions\n"
                f"a,{stack.ZONE},shop,one,\n"
                f"b,{stack.ZONE},shop,one,\n"      # a host that a has
                f"c,{stack.ZONE},none,,\n"
                f"d,nowhere.example,shop,,\n"
                f"e,{stack.ZONE},shop,,,\n"
                f"f,{stack.ZONE},shop,,xx\n"
                f",{stack.ZONE},shop,,\n"
                f"acme,{stack.ZONE},shop,,us\n"
                f"g,{stack.ZONE},shop,static,\n"
                f'h,{stack.ZONE},shop,"unclosed,\n')
        summary, errors = self.run_import(text, code=1)
        self.assertEqual(summary["added"], 1, errors)
        reasons = {one["line"]: one["reason"] for one in summary["refused"]}
        for line, word in ((3, "one."), (4, "none"), (5, "nowhere.example"), (6, "6 cells"), (7, "xx"), (8, "no id"),
                           (9, "acme"), (10, "static"), (11, "quote")):
            self.assertIn(word, reasons.get(line, ""), (line, reasons))
            self.assertIn(f"tenants.csv:{line}: ", errors)

    def test_rows_in_latin_1(self):
        """As a spreadsheet saves them: each such row is refused, whichever cell it is, and the others are taken."""
        text = (f"id,zone,service,regions,tags\n"
                f"first,{stack.ZONE},shop,,\n"
                f"café,{stack.ZONE},shop,,\n"
                f"b,{stack.ZONE},shop,eu é,\n"
                f"c,{stack.ZONE},shop,,é\n"
                f"d,é,shop,,\n"
                f"last,{stack.ZONE},shop,,\n").encode("latin-1")
        summary, errors = self.run_import(text, code=1)
        self.assertEqual(self.counts(summary), (2, 0, 0, 4), errors)
        self.assertEqual([(one["line"], one["id"]) for one in summary["refused"]],
                         [(3, "caf?"), (4, "b"), (5, "c"), (6, "d")])
        for line, column in ((3, "id"), (4, "regions"), (5, "tags"), (6, "zone")):
            self.assertRegex(errors, f"tenants.csv:{line}: .*: {column} is not UTF-8; save the file as UTF-8")
        self.stack.ctl("tenant", "show", "last")
        summary, errors = self.run_import('{"id": "j1", "zone": "%s", "service": "shop"}\n{"id": "jé"}\n'.encode("latin-1")
                                          .replace(b"%s", stack.ZONE.encode()), code=1)
        self.assertEqual((summary["added"], [one["line"] for one in summary["refused"]]), (1, [2]))

    def test_json_reasons(self):
        text = ('{"id": "a", "zone": "%s", "service": "shop"}\n{"id": "b", "zone": }\n7\n'
                '{"id": "c", "zoe": "x", "service": "shop"}\n{"id": 5}\n{"id": "d"' % stack.ZONE)
        summary, _ = self.run_import(text, code=1)
        self.assertEqual(summary["added"], 1)
        self.assertEqual(sorted(one["line"] for one in summary["refused"]), [2, 3, 4, 5, 6])

    def test_wrong(self):
        self.stack.ctl("tenant", "import", code=2)
        self.assertIn("/none.csv", self.stack.ctl("tenant", "import", "/none.csv", code=1).stderr)
        path = self.stack.directory / "odd.csv"
        path.write_text("id,servise\nx,shop\n")
        self.assertIn("did you mean 'service'", self.stack.ctl("tenant", "import", str(path), code=1).stderr)
        path.write_text("name\nx\n")
        self.stack.ctl("tenant", "import", str(path), code=1)
        done = subprocess.run([str(stack.GSLBCTL), "--socket", "/nonexistent/s", "tenant", "import", "-"],
                              capture_output=True, text=True, input="id,zone,service\nx,z,s\n", timeout=10)
        self.assertEqual(done.returncode, 1)
        self.assertIn("stopped", done.stdout)


class Backup(stack.StackTest):
    def setUp(self):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        self.stack = self.use(world.start())
        self.file = self.stack.directory / "saved.db"

    def add(self, name, region="us"):
        self.stack.ctl("tenant", "add", name, "--zone", stack.ZONE, "--service", "shop", "--region", region)

    def restore(self, *more, code=0):
        return self.stack.ctl("restore", str(self.file), "--state-dir", str(self.stack.state), *more, code=code)

    def test_round(self):
        self.add("kept")
        self.stack.ctl("region", "drain", "eu", "--reason", "before")
        out = self.stack.ctl("backup", str(self.file)).stdout
        self.assertIn("1 objects, 1 controls, 2 lines of audit", out)
        self.add("later")
        self.stack.ctl("region", "restore", "eu")
        refused = self.restore(code=1)
        self.assertIn("in use by another process", refused.stderr)
        self.assertEqual(self.stack.answer("later", "10.1.7.0/24"), self.stack.world.vips["us"])
        self.stack.kill()  # not even a clean end: a write-ahead log of the old store lies there
        self.assertTrue((self.stack.state / "gslb.db-wal").stat().st_size > 0)
        self.assertIn("restored", self.restore().stdout)
        self.stack.start()
        self.assertEqual(self.stack.answer("kept", "10.1.7.0/24"), self.stack.world.vips["us"])
        self.assertEqual(self.stack.ask("later").rcode, "NXDOMAIN")
        self.assertIn("before", self.stack.ctl("regions").stdout)
        # What the directory held is whole under its other name.
        self.stack.stop_quietly()
        for part in ("", "-wal"):
            aside = self.stack.state / f"gslb.db.before-restore{part}"
            if aside.exists():
                aside.rename(self.stack.state / f"gslb.db{part}")
        self.stack.start()
        self.assertEqual(self.stack.answer("later", "10.1.7.0/24"), self.stack.world.vips["us"])

    def test_answers_and_changes_go_on(self):
        text = "id,zone,service,tags\n" + "".join(
            f"t{i},{stack.ZONE},shop,{' '.join(f'tag-{i}-{j}' for j in range(20))}\n" for i in range(20000))
        self.stack.ctl("tenant", "import", "-", text_in=text)
        process = subprocess.Popen([str(stack.GSLBCTL), "--socket", self.stack.socket, "backup", str(self.file)],
                                   stdout=subprocess.PIPE, text=True)
        added = 0
        while process.poll() is None:
            self.add(f"meanwhile-{added}")
            added += 1
        self.assertEqual(process.returncode, 0)
        counts = json.loads(self.stack.ctl("restore", str(self.file), "--dry-run", "-o", "json").stdout)
        process.stdout.close()
        self.assertTrue(20000 <= counts["objects"] <= 20000 + added)
        # Each object that is in the copy has its line in the audit: commits are whole.
        self.assertEqual(counts["audit_lines"], 4 + counts["objects"] - 20000)
        self.assertEqual([path.name for path in self.stack.state.glob("*.backup")], [])

    def test_upgrade_and_back(self):
        """The store of an earlier version is served as it was, and is there again for that version."""
        server = self.use(stack.Stack({}, node={"probes": None}))
        stores = pathlib.Path(__file__).resolve().parent.parent / "stores"
        earlier = sqlite3.connect(server.state / "gslb.db")
        earlier.executescript((stores / "55f7c6f.sql").read_text())
        earlier.close()
        server.start()
        self.assertIn("the store was brought from format 1 to format", server.log())
        tenants = json.loads(server.ctl("tenants", "-o", "json").stdout)
        self.assertEqual({tenant["id"] for tenant in tenants["items"]}, {"acme", "vault", "asleep"})
        self.assertEqual(server.ask("vault").rcode, "NOERROR")
        self.assertIn("neuer Kernel", server.ctl("regions").stdout)
        server.ctl("tenant", "add", "later", "--zone", stack.ZONE, "--service", "shop")
        server.stop_quietly()
        kept = server.state / "gslb.db.format-1"
        done = server.ctl("restore", str(kept), "--state-dir", str(server.state)).stdout
        self.assertIn("restored, format 1 (now ", done)
        server.start()
        self.assertEqual(server.ask("later").rcode, "NXDOMAIN")
        self.assertEqual(server.ask("vault").rcode, "NOERROR")

    def test_wrong(self):
        self.stack.ctl("backup", code=2)
        self.stack.ctl("restore", code=2)
        self.stack.ctl("restore", "x", "--config", "a", "--state-dir", "b", code=2)
        self.assertIn("No such file", self.stack.ctl("backup", "/nonexistent/x.db", code=1).stderr)
        self.stack.ctl("backup", str(self.file))
        whole = self.file.read_bytes()
        self.stack.stop_quietly()
        self.assertIn("cannot reach", self.stack.ctl("backup", str(self.file), code=1).stderr)
        self.assertEqual(self.file.read_bytes(), whole, "the old backup stays")
        store = (self.stack.state / "gslb.db").read_bytes()
        for broken, words in ((b"hello" * 1000, "no database"), (whole[:len(whole) // 2], "damaged"), (b"", "backup")):
            self.file.write_bytes(broken)
            self.assertIn(words, self.restore(code=1).stderr)
        self.file.write_bytes(whole)
        newer = sqlite3.connect(self.file)
        newer.execute("UPDATE meta SET value = value + 1 WHERE name = 'format'")
        newer.commit()
        newer.close()
        self.assertIn("upgrade gslb", self.restore(code=1).stderr)
        self.file.unlink()
        self.assertIn("No such file", self.restore(code=1).stderr)
        self.assertEqual((self.stack.state / "gslb.db").read_bytes(), store)
        self.stack.start()


class Watch(stack.StackTest):
    """tail and top."""

    @classmethod
    def setUpClass(cls):
        world = stack.World(node={"dns": {"listen": ["127.0.0.1@0"], "workers": 2}})
        del world.fleet["services"]["shop"]["check"]
        world.fleet["services"]["shop"]["steering"] = {"last_resort": "nodata"}
        cls.stack = world.start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    def tail(self, *words, ask, output="json"):
        """The lines of a tail that ends by itself, while `ask` is called again and again."""
        path = self.stack.directory / "tail.out"
        with open(path, "w") as file:
            process = subprocess.Popen([str(stack.GSLBCTL), "--socket", self.stack.socket, "tail", "-o", output,
                                        *words], stdout=file)

        def has_ended():
            ask()
            return process.poll() is not None
        stack.until(has_ended, 15, "the end of tail")
        out = path.read_text()
        self.assertEqual(process.returncode, 0)
        return [json.loads(line) for line in out.splitlines()] if output == "json" else out

    def samples(self, *words, ask):
        return [one for one in self.tail(*words, ask=ask) if "dropped" not in one]

    def ask_all(self):
        self.stack.ask("acme", client="10.1.7.0/24")
        self.stack.ask("acme", client="10.2.7.0/24")
        self.stack.ask("resident", client="10.2.7.0/24")
        self.stack.ask("static")
        self.stack.ask("nowhere")

    def test_lines(self):
        lines = self.samples("--count", "25", ask=self.ask_all)
        self.assertEqual(len(lines), 25)
        one = next(line for line in lines if line["client"] == "10.1.7.0/24")
        self.assertEqual({key: one[key] for key in ("source", "via", "transport", "name", "type", "rcode", "tenant",
                                                    "service", "region", "step", "answer", "truncated", "ede")},
                         {"source": "ecs", "via": "127.0.0.1", "transport": "udp", "name": f"acme.{stack.ZONE}.",
                          "type": "A", "rcode": "NOERROR", "tenant": "acme", "service": "shop", "region": "eu",
                          "step": "tier", "answer": self.stack.world.vips["eu"], "truncated": False, "ede": None})
        self.assertEqual(one["ttl"], 20)
        seen = {line["name"]: line for line in lines}
        self.assertEqual(seen[f"nowhere.{stack.ZONE}."]["rcode"], "NXDOMAIN")
        self.assertEqual(seen[f"static.{stack.ZONE}."]["tenant"], None)
        self.assertLess(abs(datetime.datetime.fromisoformat(one["time"].replace("Z", "+00:00")).timestamp()
                            - time.time()), 60)

    def test_filters(self):
        for words, key, value in ((["--tenant", "resident"], "tenant", "resident"),
                                  (["--region", "us"], "region", "us"),
                                  (["--client", "10.1.0.0/16"], "client", "10.1.7.0/24")):
            lines = self.samples(*words, "--count", "3", ask=self.ask_all)
            self.assertEqual([line[key] for line in lines], [value] * 3)

    def test_decisions(self):
        self.addCleanup(self.stack.ctl, "region", "restore", "eu")
        self.stack.ctl("region", "force-down", "eu")
        lines = self.samples("--tenant", "resident", "--count", "1", ask=self.ask_all)
        self.assertEqual((lines[0]["step"], lines[0]["region"], lines[0]["answer"]), ("none", None, []))

    def test_table_over_tcp(self):
        out = self.tail("--for", "1s", output="table",
                        ask=lambda: self.stack.dig("+tcp", f"acme.{stack.ZONE}", "A"))
        self.assertRegex(out, r"(?m)^TIME +CLIENT")
        self.assertRegex(out, rf"(?m)^\S+ +127\.0\.0\.1/32 +tcp +A +NOERROR +acme +\S+ +tier +20  acme\.{stack.ZONE}\.  127")

    def test_flood_is_bounded_and_told(self):
        def flood():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                query = dns.query(f"acme.{stack.ZONE}.", "A", 7)
                for _ in range(4000):
                    client.sendto(query, (self.stack.address, self.stack.port))
            self.assertEqual(self.stack.answer("acme", "10.1.7.0/24"), self.stack.world.vips["eu"])
        lines = self.tail("--for", "1s", ask=flood)
        self.assertGreater(sum(line.get("dropped", 0) for line in lines), 0)
        self.assertLess(len(lines), 10000)

    def test_a_client_that_leaves_makes_room(self):
        for _ in range(3):
            crowd = [subprocess.Popen([str(stack.GSLBCTL), "--socket", self.stack.socket, "tail"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(10)]
            try:
                stack.until(lambda: sum(process.poll() == 1 for process in crowd) == 2, 10, "the refusal of two")
            finally:
                for process in crowd:
                    process.kill()
                    process.wait()
            stack.until(lambda: self.stack.ctl("tail", "--for", "10ms", code=None).returncode == 0, 10, "room again")

    def test_wrong(self):
        for words in (["--tenant", "nobody"], ["--region", "xx"], ["--client", "here"], ["--count", "0"],
                      ["--for", "soon"]):
            self.assertIn(words[1] if words[0] != "--count" else "limit",
                          self.stack.ctl("tail", *words, code=1).stderr.replace("client is", "here").replace(
                              "for is", "soon"))
        self.stack.ctl("tail", "now", code=2)
        self.stack.ctl("top", "--interval", "1", code=2)
        self.stack.ctl("top", "--count", "0", code=2)
        done = subprocess.run([str(stack.GSLBCTL), "--socket", "/nonexistent/s", "top"], capture_output=True, timeout=10)
        self.assertEqual(done.returncode, 1)

    def test_top(self):
        process = subprocess.Popen([str(stack.GSLBCTL), "--socket", self.stack.socket, "top", "--interval", "1s",
                                    "-o", "json"], stdout=subprocess.PIPE, text=True)

        def has_ended():
            self.ask_all()
            return process.poll() is not None
        stack.until(has_ended, 15, "the end of top")
        with process.stdout:
            reply = json.loads(process.stdout.read())
        tenants = {one["tenant"]: one["per_second"] for one in reply["tenants"]}
        self.assertAlmostEqual(tenants["acme"], 2 * tenants["resident"], delta=tenants["acme"] / 4)
        self.assertIn(("shop", "us"), {(one["service"], one["region"]) for one in reply["answers"]})
        self.assertLessEqual({"NOERROR", "NXDOMAIN"}, {one["rcode"] for one in reply["rcodes"]})
        self.assertIn("queries a second", self.stack.ctl("top", "--interval", "100ms").stdout)


class ZoneCheck(stack.StackTest):
    """A parent and two servers of its child, all on one port of addresses of their own."""

    def serve(self, address, zones):
        return self.use(stack.Stack({}, zones=zones, node={
            "dns": {"listen": [f"{address}@{self.port}"]}, "probes": None}).start())

    def setUp(self):
        self.port = stack.free_port()
        net = f"127.{random.randint(16, 250)}.{random.randint(0, 250)}"
        self.addresses = [f"{net}.{i}" for i in range(1, 5)]
        parent, one, two, _ = self.addresses
        self.parent_text = (f"$TTL 60\n@ SOA ns x 1 2 3 4 60\n@ NS ns\nns A {parent}\n"
                            f"app NS ns1.app\napp NS ns2.app\nns1.app A {one}\nns2.app A {two}\n")
        self.child_text = (f"$TTL 60\n@ SOA ns1 x 7 2 3 4 60\n@ NS ns1\n@ NS ns2\nns1 A {one}\nns2 A {two}\n")

    def start(self, parent_text=None, second_text=None):
        parent, one, two, _ = self.addresses
        self.serve(parent, {"example.net": parent_text or self.parent_text})
        self.serve(one, {stack.ZONE: self.child_text})
        if second_text != "":
            self.serve(two, {stack.ZONE: second_text or self.child_text})

    def check(self, code=0, zone=stack.ZONE):
        done = subprocess.run([str(stack.GSLBCTL), "zone", "check", zone, "-o", "json", "--resolver",
                               f"{self.addresses[0]}@{self.port}", "--port", str(self.port)],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_good(self):
        self.start()
        found = self.check()
        self.assertEqual(found["parent"], "example.net.")
        self.assertEqual([(one["name"], one["address"], one["udp"], one["tcp"], one["serial"])
                          for one in found["servers"]],
                         [(f"ns{i}.{stack.ZONE}.", self.addresses[i], "ok", "ok", 7) for i in (1, 2)])
        done = subprocess.run([str(stack.GSLBCTL), "zone", "check", stack.ZONE.upper(), "--resolver",
                               f"{self.addresses[0]}@{self.port}", "--port", str(self.port)],
                              capture_output=True, text=True, timeout=30)
        self.assertIn("good", done.stdout)
        self.assertEqual(done.returncode, 0)

    def test_serial_and_names_differ(self):
        self.start(second_text=self.child_text.replace(" 7 ", " 8 ") + "@ NS ns3\nns3 A 192.0.2.1\n")
        problems = "\n".join(self.check(1)["problems"])
        self.assertIn("serials differ: 7", problems)
        self.assertIn(f"ns3.{stack.ZONE}. as a server, the parent does not", problems)

    def test_server_down_lame_and_glue(self):
        self.start(second_text="")
        self.assertIn("over UDP: connection refused", "\n".join(self.check(1)["problems"]))
        self.serve(self.addresses[2], {"other.example": stack.ZONE_TEXT})
        problems = "\n".join(self.check(1)["problems"])
        self.assertIn(f"({self.addresses[2]}): over UDP: REFUSED", problems)
        self.assertIn(f"({self.addresses[2]}): over TCP: REFUSED", problems)

    def test_delegation(self):
        one = self.addresses[1]
        self.start(parent_text=self.parent_text.replace(f"ns1.app A {one}\n", "").replace(
            "ns2.app A " + self.addresses[2], "ns2.app A " + one) + "bare NS ns.bare\nlonely NS ns\n")
        problems = "\n".join(self.check(1)["problems"])
        self.assertIn(f"ns1.{stack.ZONE}.: the parent has no glue", problems)
        self.assertIn(f"ns2.{stack.ZONE}.: the parent's glue {one} is not among its addresses", problems)
        self.assertIn("does not delegate missing.example.net. (NXDOMAIN)",
                      self.check(1, "missing.example.net")["problems"][0])
        problems = "\n".join(self.check(1, "lonely.example.net")["problems"])
        self.assertIn("a single name server", problems)
        self.assertIn("not authoritative", problems)

    def test_wrong(self):
        def run(*words):
            return subprocess.run([str(stack.GSLBCTL), "zone", "check", *words], capture_output=True, text=True,
                                  timeout=30)
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("a..b").returncode, 2)
        self.assertEqual(run("x.example", "--resolver", "here").returncode, 2)
        self.assertEqual(run("x.example", "--port", "0").returncode, 2)
        done = run("x.example", "--resolver", f"{self.addresses[3]}@{self.port}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the resolver does not answer", done.stdout)


class Words(unittest.TestCase):
    """Completion and man pages."""

    def complete(self, *words):
        script = subprocess.run([str(stack.GSLBCTL), "completion", "bash"], capture_output=True, text=True, check=True)
        done = subprocess.run(["bash", "-c", script.stdout + '\nCOMP_WORDS=(gslbctl "$@"); COMP_CWORD=$#; _gslbctl\n'
                               'printf "%s\\n" "${COMPREPLY[@]}"', "bash", *words],
                              capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash(self):
        self.assertEqual(sorted(self.complete("reg")), ["region", "regions"])
        self.assertEqual(self.complete("tenant", ""), ["show", "add", "set", "remove", "import", "--help"])
        self.assertEqual(self.complete("region", "d"), ["drain"])
        self.assertEqual(self.complete("--socket", "/x", "region", "drain", "eu", "--s"),
                         ["--service", "--share", "--socket"])
        self.assertEqual(self.complete("explain", "acme.example", "--c"), ["--client"])
        self.assertEqual(self.complete("status", "--socket", ""), [])

    def test_zsh(self):
        done = subprocess.run([str(stack.GSLBCTL), "completion", "zsh"], capture_output=True, text=True, check=True)
        self.assertTrue(done.stdout.startswith("#compdef gslbctl\n"))
        if shutil.which("zsh"):
            subprocess.run(["zsh", "-n"], input=done.stdout, text=True, check=True)
        self.assertEqual(subprocess.run([str(stack.GSLBCTL), "completion", "fish"], capture_output=True).returncode, 2)

    def test_man_pages(self):
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run([sys.executable, str(stack.ROOT / "tools/manpages.py"), str(stack.GSLBD),
                            str(stack.BUILD / "forwarder/forwarderd"), str(stack.GSLBCTL), "1.0", directory], check=True)
            pages = sorted(pathlib.Path(directory).iterdir())
            self.assertEqual([page.name for page in pages],
                             ["forwarderd.8", "gslb-node.yaml.5", "gslbctl.1", "gslbd.8"])
            shown = {}
            for page in pages:
                if shutil.which("mandoc"):
                    subprocess.run(["mandoc", "-T", "lint", "-W", "error", str(page)], check=True)
                if shutil.which("groff"):
                    done = subprocess.run(["groff", "-ww", "-man", "-Tutf8", "-P-cbou", str(page)], capture_output=True,
                                          text=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
                    self.assertEqual(done.stderr, "")
                    shown[page.name] = done.stdout
            if shown:
                for verb in ("region force-down", "tenant import", "zone check", "--what-if"):
                    self.assertIn(verb, shown["gslbctl.1"].replace("\u2010", "-").replace("\u2212", "-"))
                self.assertIn("edns_size", shown["gslb-node.yaml.5"])
                for daemon in ("gslbd.8", "forwarderd.8"):
                    self.assertIn("--check", shown[daemon].replace("\u2212", "-"))


if __name__ == "__main__":
    stack.main()
