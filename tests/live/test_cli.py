"""Every verb of gslbctl once right and once wrong: exit codes, words for people, JSON for programs."""

import json
import os
import shutil
import subprocess
import unittest

import stack

DOCUMENT = f"""\
tenants:
  first:  {{zone: {stack.ZONE}, service: shop}}
  second: {{zone: {stack.ZONE}, service: shop, regions: [us]}}
"""


class Cli(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        cls.world = stack.World()
        del cls.world.fleet["services"]["shop"]["check"]
        cls.stack = cls.world.start()
        cls.eu = cls.world.vips["eu"][0]

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    def setUp(self):
        self.ctl = self.stack.ctl

    def wrong(self, words, code, *said):
        done = self.ctl(*words, code=code)
        for word in said:
            self.assertIn(word, done.stderr)
        return done

    # ---- looking ----

    def test_status(self):
        out = self.ctl("status").stdout
        self.assertIn("live-1", out)
        self.assertIn(str(self.stack.port), out)
        self.assertTrue(json.loads(self.ctl("status", "-o", "json").stdout)["ready"])
        self.wrong(["status", "now"], 2, "now")

    def test_json_is_the_reply_unchanged(self):
        connection = stack.UnixConnection(self.stack.socket)
        connection.request("GET", "/v1/tenants")
        raw = connection.getresponse().read().decode()
        connection.close()
        self.assertEqual(self.ctl("tenants", "-o", "json").stdout, raw)

    def test_regions_and_vips(self):
        lines = self.ctl("regions").stdout.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertEqual(len({len(line) for line in lines[1:]}), 1, "columns are aligned")
        self.assertIn(self.eu, self.ctl("vips").stdout)
        self.assertEqual(len(json.loads(self.ctl("vips", "-o", "json", "--limit", "2").stdout)["items"]), 2)
        self.wrong(["regions", "--limt", "1"], 2, "--limit")
        self.wrong(["vips", "--limit", "0"], 1, "limit")

    def test_tables_page_through(self):
        self.ctl("apply", "-f", "-", text_in="tenants:\n" + "".join(
            f"  many-{i}: {{zone: {stack.ZONE}, service: shop}}\n" for i in range(1500)))
        lines = self.ctl("tenants").stdout.splitlines()
        self.assertEqual(sum(line.startswith("many-") for line in lines), 1500)
        page = self.ctl("tenants", "--limit", "10").stdout
        self.assertIn("more: --after", page)
        after = page.strip().rsplit(" ", 1)[1]
        self.assertNotIn(f"{after} ", self.ctl("tenants", "--limit", "10", "--after", after).stdout.splitlines()[1])
        self.ctl("apply", "-f", "-", "--prune", text_in="tenants: {}\n")
        self.assertNotIn("many-", self.ctl("tenants").stdout)

    def test_explain(self):
        self.ctl("explain", "acme.app.example.net", "--client", "10.1.7.0/24")
        self.ctl("explain", "acme.app.example.net", "AAAA", "--client=2001:db8::1", "--via", "192.0.2.1")
        self.wrong(["explain"], 2, "NAME")
        self.wrong(["explain", "acme.app.example.net", "--client", "nowhere"], 1)
        self.wrong(["explain", "acme.app.example.net", "--client", "10.1.7.0/24", "--what-if", "eu=maybe"], 2, "maybe")
        self.wrong(["explain", "acme.app.example.net", "--client", "10.1.7.0/24", "--what-if", "xx=down"], 1, "xx")

    def test_audit(self):
        self.ctl("region", "drain", "eu", "--reason", "for the audit")
        self.ctl("region", "restore", "eu")
        self.assertIn("for the audit", self.ctl("audit").stdout)
        items = json.loads(self.ctl("audit", "-o", "json").stdout)["items"]
        since = items[-2]["seq"]
        self.assertEqual([item["seq"] for item in json.loads(
            self.ctl("audit", "--since", str(since), "-o", "json").stdout)["items"]], [items[-1]["seq"]])
        self.wrong(["audit", "--since", "yesterday"], 2, "yesterday")

    def test_a_control_of_a_service_is_told_where_it_counts(self):
        self.ctl("flip", "us", "eu", "--service", "shop")
        note = "note: in eu service shop has a control of its own, share 100,"
        for words in (["region", "drain", "eu"], ["region", "force-down", "eu"], ["region", "restore", "eu"],
                      ["flip", "eu", "us"]):
            self.assertIn(note, self.ctl(*words).stderr)
        self.assertNotIn("note", self.ctl("region", "drain", "eu", "-o", "json").stderr)
        for region in ("eu", "us"):
            self.assertNotIn("note", self.ctl("region", "restore", region, "--service", "shop").stderr)
            self.assertNotIn("note", self.ctl("region", "restore", region).stderr)

    def test_what_is_unknown_is_told_with_what_is_known(self):
        for words in (["region", "drain", "antarctica"], ["flip", "eu", "antarctica"], ["tail", "--region", "antarctica"],
                      ["explain", f"acme.{stack.ZONE}", "--what-if", "antarctica=down"]):
            self.wrong(words, 1, "region 'antarctica'; there is", "eu")
        self.wrong(["region", "drain", "eu", "--service", "zzzzzzzz"], 1, "'zzzzzzzz'; there is shop")

    @unittest.skipIf(os.geteuid(), "only root can become somebody else")
    def test_who_may_not_use_the_socket(self):
        self.addCleanup(os.chmod, self.stack.socket, os.stat(self.stack.socket).st_mode)
        for path in (self.stack.directory, self.stack.state):
            self.addCleanup(os.chmod, path, os.stat(path).st_mode)
            os.chmod(path, 0o755)
        gslbctl = shutil.copy(stack.GSLBCTL, self.stack.directory)  # where everybody can run it
        done = subprocess.run([gslbctl, "--socket", self.stack.socket, "status"], user=65534, group=65534,
                              extra_groups=[], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Permission denied (the socket is for root and gslbd's group;", done.stderr)

    def test_words_of_another_encoding(self):
        """A terminal in Latin-1. What cannot be sent is refused: a tenant would be without its region, say."""
        bad = b"\xdcbung"
        for words in (["region", "drain", "eu", "--reason", bad], ["explain", bad],
                      ["tenant", "add", "odd", "--zone", stack.ZONE, "--service", "shop", "--region", bad]):
            done = subprocess.run([stack.GSLBCTL, "--socket", self.stack.socket, *words], capture_output=True)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn(b"not UTF-8", done.stderr)
        self.wrong(["tenant", "show", "odd"], 1, "no tenant 'odd'")
        done = subprocess.run([stack.GSLBCTL, "--socket", bad, "status"], capture_output=True)
        self.assertEqual(done.returncode, 1, done.stderr)

    def test_empty_words(self):
        """As a script makes them of a variable that is not set."""
        for words in (["tenant", "add", "", "--zone", stack.ZONE, "--service", "shop"], ["tenant", "remove", ""],
                      ["tenant", "show", ""], ["region", "drain", ""], ["flip", "eu", ""], ["explain", ""]):
            self.wrong(words, 2, "empty")

    def test_check_reads_a_pipe(self):
        reader, writer = os.pipe()
        os.write(writer, b"regions: {eu: {at: [1, 2], cuntry: DE}}")
        os.close(writer)
        try:
            done = subprocess.run([stack.GSLBCTL, "check", f"/dev/fd/{reader}"], pass_fds=[reader], text=True,
                                  capture_output=True)
        finally:
            os.close(reader)
        self.assertEqual(done.returncode, 1)
        self.assertIn("did you mean 'country'?", done.stderr)

    # ---- steering ----

    def test_region(self):
        self.assertIn("50 %", self.ctl("region", "drain", "eu", "--share", "50", "--for", "1h").stdout)
        self.assertIn("50%", self.ctl("regions").stdout)
        self.ctl("region", "force-down", "eu", "--reason", "gone")
        self.assertIn("down", self.ctl("regions").stdout)
        self.ctl("region", "restore", "eu")
        self.ctl("region", "restore", "eu", "--service", "shop")
        self.wrong(["region", "drain"], 2, "NAME")
        self.wrong(["region", "drain", "xx"], 1, "xx")
        self.wrong(["region", "drain", "eu", "--service", "xx"], 1, "xx")
        self.wrong(["region", "drain", "eu", "--share", "101"], 2, "101")
        self.wrong(["region", "drain", "eu", "--for", "soon"], 2, "soon")
        self.wrong(["region", "restore", "eu", "--share", "5"], 2, "--share")
        self.wrong(["region", "dran", "eu"], 2, "region drain")

    def test_vip(self):
        self.ctl("vip", "drain", "eu", self.eu, "--for", "1h", "--reason", "disk")
        self.assertIn("disk", self.ctl("vips").stdout)
        self.ctl("vip", "restore", "eu", self.eu)
        self.wrong(["vip", "drain", "eu"], 2, "REGION ADDRESS")
        self.wrong(["vip", "drain", "eu", "not-one"], 2, "not-one")
        self.wrong(["vip", "drain", "eu", "192.0.2.222"], 1, "192.0.2.222")

    def test_flip(self):
        self.ctl("flip", "eu", "us", "--reason", "power")
        self.assertEqual(self.stack.answer("acme", "10.1.7.0/24"), self.world.vips["us"])
        self.ctl("region", "restore", "eu")
        self.ctl("region", "restore", "us")
        self.wrong(["flip", "eu"], 2)
        self.wrong(["flip", "eu", "eu"], 2)
        self.wrong(["flip", "eu", "xx"], 1, "xx")
        # Half of it would have been possible: nothing was done.
        self.assertEqual(self.stack.answer("acme", "10.1.7.0/24"), [self.eu])

    # ---- tenants and fleet ----

    def test_tenant(self):
        self.ctl("tenant", "add", "blue", "--zone", stack.ZONE, "--service", "shop", "--region", "us",
                 "--host", "blue", "--host", "*.blue", "--tag", "a", "--tag", "b")
        self.assertEqual(self.stack.answer("x.blue", "10.1.7.0/24"), self.world.vips["us"])
        self.assertIn("*.blue", self.ctl("tenant", "show", "blue").stdout)
        self.wrong(["tenant", "add", "blue", "--zone", stack.ZONE, "--service", "shop"], 1, "exists")
        self.ctl("tenant", "set", "blue", "--region", "eu")
        shown = json.loads(self.ctl("tenant", "show", "blue", "-o", "json").stdout)
        self.assertEqual((shown["regions"], shown["hosts"], shown["tags"]), (["eu"], ["blue", "*.blue"], ["a", "b"]))
        self.ctl("tenant", "set", "blue", "--state", "suspended")
        self.assertEqual(self.stack.ask("blue").addresses, [])
        self.ctl("tenant", "set", "blue", "--state", "active", "--region", "")
        self.assertEqual(self.stack.answer("blue", "10.2.7.0/24"), self.world.vips["us"])
        self.ctl("tenant", "set", "blue", "--rate", "100/h", "--concurrency", "5", "--https", "redirect",
                 "--maintenance", "on")
        shown = json.loads(self.ctl("tenant", "show", "blue", "-o", "json").stdout)
        self.assertEqual((shown["limits"], shown["https"], shown["maintenance"]),
                         ({"rate": "100/h", "concurrency": 5}, "redirect", True))
        self.assertRegex(self.ctl("tenant", "show", "blue").stdout, r"(?m)^maintenance +yes$")
        self.ctl("tenant", "set", "blue", "--rate", "", "--maintenance", "off", "--https", "")
        shown = json.loads(self.ctl("tenant", "show", "blue", "-o", "json").stdout)
        self.assertEqual((shown["limits"], shown.keys() & {"https", "maintenance"}), ({"concurrency": 5}, set()))
        self.wrong(["tenant", "set", "blue", "--maintenance", "yes"], 2, "on, off")
        self.wrong(["tenant", "set", "blue", "--concurrency", "many"], 1, "many", "whole number")
        self.ctl("tenant", "remove", "blue")
        self.assertEqual(self.stack.ask("blue").rcode, "NXDOMAIN")
        self.wrong(["tenant", "remove", "blue"], 1, "blue")
        self.wrong(["tenant", "show", "blue"], 1)
        self.wrong(["tenant", "set", "blue", "--region", "eu"], 1)
        self.wrong(["tenant", "set", "acme"], 2)
        self.wrong(["tenant", "add", "green"], 2, "--zone")
        self.wrong(["tenant", "add", "green", "--zone", stack.ZONE, "--service", "shopp"], 1, "shopp", "shop")
        self.wrong(["tenant", "add", "Green!", "--zone", stack.ZONE, "--service", "shop"], 1)
        # A base object is read-only here.
        self.wrong(["tenant", "set", "acme", "--region", "eu"], 1)
        self.wrong(["tenant", "remove", "acme"], 1)

    def test_apply_and_export(self):
        self.assertIn("2 added", self.ctl("apply", "-f", "-", "--dry-run", text_in=DOCUMENT).stdout)
        self.assertEqual(self.stack.ask("first").rcode, "NXDOMAIN")
        path = self.stack.directory / "more.yaml"
        path.write_text(DOCUMENT)
        self.assertIn("2 added", self.ctl("apply", "-f", str(path)).stdout)
        self.assertEqual(self.stack.ask("first").rcode, "NOERROR")
        self.assertIn("2 unchanged", self.ctl("apply", f"--file={path}").stdout)
        exported = self.ctl("export").stdout
        self.assertIn("second", exported)
        self.assertNotIn("acme", exported)
        self.assertIn("acme", self.ctl("export", "--source", "all").stdout)
        self.assertIn("1 removed", self.ctl("apply", "-f", "-", "--prune",
                                            text_in=DOCUMENT.rsplit("  second", 1)[0]).stdout)
        # What export gave can be applied.
        self.ctl("apply", "-f", "-", text_in=exported)
        self.ctl("apply", "-f", "-", "--prune", text_in="tenants: {}")
        path.write_text(DOCUMENT.replace("service: shop,", "servise: shop,"))
        bad = self.wrong(["apply", "-f", str(path)], 1, f"{path}:3:", "service")
        self.assertEqual(bad.stdout, "")
        self.wrong(["apply"], 2, "-f")
        self.wrong(["apply", "-f", "/nonexistent"], 1, "/nonexistent")
        self.wrong(["export", "--source", "everything"], 2, "everything")

    def test_a_document_alone_is_warned_of_too(self):
        path = self.stack.directory / "alone.yaml"
        path.write_text("regions: {eu: {at: [1, 2]}, us: {at: [3, 4]}}\n"
                        "services: {s: {steering: {regions: [eu, us]}, vips: {eu: [192.0.2.1]}}}\n")
        done = self.ctl("check", str(path))
        self.assertEqual((done.stdout, done.stderr), (
            "good\n", f"{path}:2:12: warning: service 's': steering.regions names 'us', where it has no VIP\n"))

    def test_what_can_hardly_be_meant_is_told(self):
        path = self.stack.directory / "odd.yaml"
        path.write_text('maps: {odd: {"country:UK": [eu], default: [us]}}\n'
                        "services:\n"
                        "  odd: {steering: {order: map, map: odd}, vips: {us: [192.0.2.9]}}\n")
        done = self.ctl("apply", "-f", str(path))
        self.assertIn("2 added", done.stdout)
        self.assertEqual(sorted(done.stderr.splitlines()), [
            f"{path}:1:14: warning: ISO 3166-1 has no country 'UK'; did you mean 'GB'?",
            "gslbctl: warning: map 'odd', 'country:UK': service 'odd' has no VIP in these regions, so that it gives "
            "these clients no address"])
        self.assertEqual(self.ctl("apply", "-f", "-", "--prune", text_in="maps: {}\nservices: {}").stderr, "")

    def test_check(self):
        self.ctl("check", str(self.stack.directory / "node.yaml"))
        self.ctl("check", str(self.stack.directory / "fleet.yaml"))
        path = self.stack.directory / "bad.yaml"
        path.write_text("regions:\n  eu: {att: [1, 2]}\nservices:\n  s: {check: none, vips: {eu: [192.0.2.1]}}\n")
        bad = self.wrong(["check", str(path)], 1, f"{path}:2:", f"{path}:4:", "'at'")
        self.assertEqual(bad.stdout, "")
        path.write_text("node: {name: x}\ndns: {lissten: []}\n")
        self.wrong(["check", str(path)], 1, f"{path}:", "listen")
        self.wrong(["check"], 2, "FILE")
        self.wrong(["check", "/nonexistent"], 1, "/nonexistent")

    def test_reload(self):
        self.ctl("reload")
        self.wrong(["reload", "now"], 2)

    # ---- the command line itself ----

    def test_later_parts_are_refused_by_name(self):
        for words in (["drill", "list"], ["domain", "add", "x"], ["diff", "a", "b"],
                      ["region", "drain", "eu", "--over", "5m"], ["region", "drain", "eu", "--dry-run"],
                      ["region", "drain", "eu", "--confirm-within", "5m"], ["--server", "x", "status"],
                      ["status", "--token-file", "x"]):
            self.wrong(words, 2, "not supported by this build")

    def test_help_and_version(self):
        self.assertRegex(self.ctl("--version").stdout, r"^gslbctl \d")
        overview = self.ctl("--help").stdout
        for verb in ("status", "regions", "vips", "tenants", "tenant add", "tenant set", "tenant remove",
                     "tenant show", "apply", "export", "explain", "region drain", "region force-down",
                     "region restore", "vip drain", "vip restore", "flip", "audit", "reload", "check", "tail", "top",
                     "tenant import", "zone check", "backup", "restore", "schema", "completion"):
            self.assertIn(verb, overview)
            self.assertIn(verb, self.ctl(*verb.split(), "--help").stdout)
        self.wrong([], 2)
        self.wrong(["stats"], 2, "status")
        self.wrong(["-o", "xml", "status"], 2, "xml")
        self.wrong(["--timeout", "5", "status"], 2)

    def test_unreachable(self):
        done = subprocess.run([str(stack.GSLBCTL), "--socket", "/nonexistent/gslb.sock", "status"],
                              capture_output=True, text=True, timeout=10)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent/gslb.sock", done.stderr)
        by_environment = subprocess.run([str(stack.GSLBCTL), "status"], capture_output=True, text=True, timeout=10,
                                        env={"GSLB_SOCKET": self.stack.socket})
        self.assertEqual(by_environment.returncode, 0)


if __name__ == "__main__":
    stack.main()
