"""The documents are true: keys, limits, files and commands that they name are those of this build."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "live"))
import stack  # noqa: E402

ROOT = HERE.parent.parent
DOCS = ROOT / "docs"
BUILD = pathlib.Path(os.environ.get("GSLB_BUILD", ROOT / "build"))

# section of configuration.md: (source, table of keys), and a document in which KEY may stand
NODE = "node: {name: n, state_dir: s, KEY}\ndns: {listen: [\"127.0.0.1@0\"]}\n"
DNS = "node: {name: n, state_dir: s}\ndns: {listen: [\"127.0.0.1@0\"], KEY}\n"
TOP = "node: {name: n, state_dir: s}\ndns: {listen: [\"127.0.0.1@0\"]}\nKEY\n"
RUN = "fleet: [fleet.yaml]\nprobes: {vantage: here}"  # what a fleet with checks needs
SERVICE = "services: {s: {KEY}}\nregions: {eu: {at: [1, 1]}}\n"
FORWARDED = SERVICE.replace("KEY", "vips: {eu: [192.0.2.1]}, routes: [{origins: o, ROUTE}], "
                            "origins: {o: {eu: [\"10.0.0.1:80\"], POOL}}")
ROUTE = FORWARDED.replace(", POOL", "").replace("ROUTE", "KEY")
POOL = FORWARDED.replace(", ROUTE", "").replace("POOL", "KEY")
FORWARDER = "node: {name: n, region: eu, state_dir: s}\ncontrol: {api: \"unix:s\"}\nforwarder: {http: [\"127.0.0.1:0\"], KEY}\n"
READ_TIER = "fleet/read/read_tier.c fleet/read/read_tier.c"
SECTIONS = {
    "The top": ("daemon/config.c gslb/control/gslb_config.c", "common_keys gslb_keys", TOP),
    "node": ("daemon/config.c", "node_keys", NODE),
    "dns": ("gslb/control/config_dns.c", "dns_keys", DNS),
    "dns.ecs": ("gslb/control/config_dns.c", "read_ecs", DNS.replace("KEY", "ecs: {KEY}")),
    "dns.tcp": ("gslb/control/config_dns.c", "tcp_keys", DNS.replace("KEY", "tcp: {KEY}")),
    "dns.cookies": ("gslb/control/config_dns.c", "read_cookies", DNS.replace("KEY", "cookies: {KEY}")),
    "dns.rrl": ("gslb/control/config_dns.c", "read_rrl", DNS.replace("KEY", "rrl: {rate: 1/s, KEY}")),
    "admin": ("daemon/config.c", "admin_keys", TOP.replace("KEY", "admin: {KEY}")),
    "probes": ("daemon/config.c", "probe_keys", TOP.replace("KEY", "probes: {vantage: v, KEY}")),
    "notify": ("health/notify_settings.c", "notify_keys", TOP.replace("KEY", "notify: {KEY}")),
    "regions": ("fleet/read/read_place.c", "region_keys", "regions: {eu: {at: [1, 1], KEY}}\n"),
    "locations": ("fleet/read/read_place.c", "location_keys", "locations: {192.0.2.0/24: {KEY}}\n"),
    "checks": ("fleet/read/read_check.c", "check_keys", "checks: {c: {type: tls, timeout: 10ms, KEY}}\n"),
    "services": ("fleet/read/read_service.c", "service_keys", SERVICE),
    "services: a VIP": ("fleet/read/read_service.c", "vip_keys",
                        SERVICE.replace("KEY", "vips: {eu: [{address: 192.0.2.1, KEY}]}")),
    "services: https": ("fleet/read/read_service.c", "read_https", SERVICE.replace("KEY", "https: {KEY}")),
    "services: steering": ("fleet/read/read_service.c", "steering_keys", SERVICE.replace("KEY", "steering: {KEY}")),
    "services: a route": ("fleet/read/read_route.c", "route_keys", ROUTE),
    "services: rewrite": ("fleet/read/read_route.c", "read_rewrite", ROUTE.replace("KEY", "rewrite: {KEY}")),
    "services: limit": ("fleet/read/read_route.c", "read_limit", ROUTE.replace("KEY", "limit: {rate: 1/s, KEY}")),
    "services: origins": ("fleet/read/read_origin.c", "settings", POOL),
    "services: an origin": ("fleet/read/read_origin.c", "read_origin",
                            POOL.replace("KEY", "us: [{address: \"10.0.0.1:80\", KEY}]")
                            .replace("regions: {", "regions: {us: {at: [2, 2]}, ")),
    "services: origins: tls": ("fleet/read/read_origin.c", "read_tls", POOL.replace("KEY", "tls: {KEY}")),
    "services: origins: sticky": ("fleet/read/read_origin.c", "read_sticky",
                                  POOL.replace("KEY", "sticky: {cookie: c, KEY}")),
    "zones": ("fleet/read/read_zone.c", "zone_keys", "zones: {example: {KEY}}\n"),
    "tiers": (READ_TIER, "tier_keys LIMIT_KEYS", "tiers: {t: {KEY}}\n"),
    "tenants": ("fleet/read/read_tenant.c", "TENANT_KEYS", ""),
    "tenants: maintenance": ("fleet/read/read_terms.c", "read_maintenance", ""),
    "tenants: an API key": ("fleet/read/read_terms.c", "read_key", ""),
    "control": ("forwarder/control/config.c", "read_control", ""),
    "forwarder": ("forwarder/control/config.c", "forwarder_keys", FORWARDER),
    "forwarder.limits": ("forwarder/control/config.c", "read_limits", FORWARDER.replace("KEY", "limits: {line: 1KiB, KEY}")),
    "forwarder.timeouts": ("forwarder/control/config.c", "read_timeouts", FORWARDER.replace("KEY", "timeouts: {KEY}")),
    "forwarder.access_log": ("forwarder/control/config.c", "read_access_log", FORWARDER.replace("KEY", "access_log: {KEY}")),
    "forwarder.usage": ("forwarder/control/config.c", "read_usage", FORWARDER.replace("KEY", "usage: {KEY}")),
}
SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000}


def read_tables(paths, names):
    """The same of several tables that are one for whoever writes the document."""
    return {key: row for path, name in zip(paths.split(), names.split()) for key, row in read_table(path, name).items()}


def read_table(path, name):
    """{key: (is supported, is required)} of one table of keys in the source."""
    source = (ROOT / path).read_text()
    start = re.search(rf"doc_key {name}\[\]|#define {name}\b|static void {name}\(", source)
    block = source[start.start():].replace("\\\n", "\n")
    if name.startswith("read_"):
        block = block[block.index("doc_key keys[]"):]
    end = re.search(r"\{NULL\}|\n\n", block).start()
    rows = re.findall(r'\{\s*"(\w+)",\s*(\w+)(?:,\s*(true))?\s*\}', block[:end])
    return {key: (read != "NULL", required == "true") for key, read, required in rows}


def sections():
    """{heading: {key: cells}} of configuration.md."""
    found, rows = {}, None
    for line in (DOCS / "configuration.md").read_text().splitlines():
        if line.startswith("#"):
            rows = found.setdefault(line.lstrip("# "), {})
        row = re.match(r"\| `(\w+)` \|(.*)\|$", line)
        if row and rows is not None:
            rows[row[1]] = [cell.strip() for cell in row[2].split("|")]
    return found


def beyond(limit):
    """Just below and just above `a..b`, where there is such a value."""
    low, high = limit.split("..")
    unit = re.fullmatch(r"\d+([A-Za-z%]*)", high)[1]
    if unit in SIZES:
        least, most = (int(re.match(r"\d+", end)[0]) * SIZES[re.search(r"[A-Za-z]+", end)[0]] for end in (low, high))
        return [f"{least - 1}B"], [f"{most + 1}B"]
    if unit in UNITS:
        in_ms = [int(re.match(r"\d+", end)[0]) * UNITS[re.search(r"[a-z]+", end)[0]] for end in (low, high)]
        below = [f"{in_ms[0] - 1}ms"] if in_ms[0] > 1 else []
        return below, [f"{in_ms[1] + 1}ms"]
    below = [f"{int(low.removesuffix(unit)) - 1}{unit}"]
    return below, [f"{int(high.removesuffix(unit)) + 1}{unit}"]


class Documents(stack.StackTest):
    maxDiff = None

    def errors_of(self, text):
        with tempfile.TemporaryDirectory(prefix="gslb-documents-") as directory:
            directory = pathlib.Path(directory)
            node, fleet = (text, None) if text.startswith("node:") else (TOP.replace("KEY", RUN), text)
            (directory / "node.yaml").write_text(node)
            if fleet:
                (directory / "fleet.yaml").write_text(fleet)
            daemon = "forwarder/forwarderd" if "\nforwarder:" in node else "gslb/gslbd"
            done = subprocess.run([BUILD / daemon, "-c", directory / "node.yaml", "--check"],
                                  capture_output=True, text=True)
            return done.stderr

    def test_every_key_is_documented_and_none_more(self):
        documented = sections()
        text = (DOCS / "configuration.md").read_text()
        refused = text.split("## What this build refuses by name")[1]
        for heading, (path, name, _) in SECTIONS.items():
            table = read_tables(path, name)
            self.assertTrue(table, heading)
            supported = {key for key, (is_supported, _) in table.items() if is_supported}
            self.assertEqual(set(documented[heading]), supported, heading)
            for key in table.keys() - supported:
                self.assertIn(f"`{key}`", refused, heading)
            for key, cells in documented[heading].items():
                self.assertEqual(cells[1].startswith("required"), table[key][1], f"{heading}: {key}")

    def test_limits(self):
        tried = 0
        for heading, (_, _, document) in SECTIONS.items():
            for key, cells in sections()[heading].items():
                limit = re.fullmatch(r"(\d+[A-Za-z%]*)\.\.(\d+[A-Za-z%]*)", cells[2])
                if not limit or not document:
                    continue
                tried += 1
                low, high = limit.groups()
                if key == "interval":
                    low = "100ms"
                below, above = beyond(cells[2])
                for value in (low, high):
                    self.assertEqual(self.errors_of(document.replace("KEY", f"{key}: {value}")), "", f"{heading}: {key} {value}")
                for value in below + above:
                    self.assertRegex(self.errors_of(document.replace("KEY", f"{key}: {value}")), r":\d+:\d+: ",
                                     f"{heading}: {key} {value}")
        self.assertGreater(tried, 20)

    def test_defaults(self):
        """A fleet object that spells its default out is the same object."""
        made = self.use(stack.Stack({}, node={"probes": None}).start())

        def apply(text, *more):
            return json.loads(made.ctl("apply", "-f", "-", "-o", "json", *more, text_in=text).stdout)

        tried = 0
        for heading, (path, _, document) in SECTIONS.items():
            if not path.startswith("fleet/") or not document or heading == "zones":
                continue
            document = document.replace("type: tls, timeout: 10ms", "type: https")
            keys = sections()[heading]
            apply(document.replace("KEY", ""))
            for key, cells in keys.items():
                default = re.fullmatch(r"`([^`]+)`", cells[1])
                if not default or default[1] in keys:
                    continue
                tried += 1
                told = apply(document.replace("KEY", f"{key}: {default[1]}"), "--dry-run")
                self.assertEqual((told["added"], told["changed"]), (0, 0), f"{heading}: {key}")
        self.assertGreater(tried, 12)

    def test_refused_keys(self):
        for heading, (path, name, document) in SECTIONS.items():
            for key, (is_supported, _) in read_tables(path, name).items():
                if not is_supported and document:
                    self.assertIn(f"'{key}' is not supported by this build",
                                  self.errors_of(document.replace("KEY", f"{key}: x")), heading)

    def test_links(self):
        for path in [*DOCS.glob("*.md"), ROOT / "README.md"]:
            for name in re.findall(r"`([a-z-]+\.md)`", path.read_text()):
                self.assertTrue((DOCS / name).exists(), f"{path.name}: {name}")
            for name in re.findall(r"`((?:packaging|tests|tools|docs)/[\w./-]+)`", path.read_text()):
                self.assertTrue((ROOT / name).exists(), f"{path.name}: {name}")

    def test_commands(self):
        """Each `gslbctl …` names a verb and options that are there."""
        listing = subprocess.run([BUILD / "tools" / "gslbctl", "--help"], capture_output=True, text=True).stdout
        verbs = set(re.findall(r"(?m)^  ([a-z]+(?: [a-z][a-z-]*)*)", listing))
        tried = 0
        for path in DOCS.glob("*.md"):
            text = path.read_text()
            commands = re.findall(r"(?m)^ {4}gslbctl (.+)$", text) + re.findall(r"`gslbctl ([^`]+)`", text)
            for command in commands:
                words = command.split("#")[0].split()
                verb = next((v for n in (2, 1) if (v := " ".join(words[:n])) in verbs), None)
                self.assertTrue(verb, f"{path.name}: gslbctl {command}")
                more = subprocess.run([BUILD / "tools" / "gslbctl", *verb.split(), "--help"], capture_output=True,
                                      text=True).stdout
                for option in re.findall(r"(--[a-z-]+)", command):
                    self.assertIn(option, more + listing, f"{path.name}: gslbctl {command}")
                tried += 1
        self.assertGreater(tried, 25)

    def test_first_steps_fleet_is_good(self):
        text = (DOCS / "first-steps.md").read_text()
        fleet = re.search(r"```yaml\n(.*?)```", text, re.S)[1]
        zone = ROOT / "packaging" / "examples" / "app.example.net.zone"
        self.assertEqual(self.errors_of(fleet.replace("app.example.net.zone", str(zone))), "")


if __name__ == "__main__":
    stack.main()
