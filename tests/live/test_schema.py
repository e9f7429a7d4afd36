"""The JSON Schemas against the readers: the same keys, the same limits, and the samples fit."""

import copy
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

import stack
from json_schema import errors_of  # stack knows where it is

try:
    import jsonschema
except ImportError:
    jsonschema = None


class TextLoader(yaml.SafeLoader):
    """YAML 1.2's view of plain scalars, as gslbd's: only true, false and numbers are not text."""


TextLoader.yaml_implicit_resolvers = {}
TextLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))
TextLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("^-?[0-9]+$"), list("-0123456789"))
TextLoader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^-?[0-9]+\.[0-9]+$"), list("-0123456789"))

FLEET = {
    "regions": {"eu": {"at": [50, 8], "country": "DE", "capacity": 5}},
    "locations": {"10.0.0.0/8": {"continent": "EU", "asn": 64500}},
    "checks": {"web": {"type": "https", "port": 443, "method": "GET", "verify": "none", "rise": 2, "fall": 2,
                       "clear": 2}},
    "maps": {"world": {"EU": ["eu"], "default": "nearest"}},
    "services": {"shop": {"check": "web", "https": {"port": 443, "alpn": ["h2"]},
                          "steering": {"order": "map", "map": "world", "split": "sticky", "answers": 1},
                          "vips": {"eu": [{"address": "192.0.2.1", "weight": 1}]},
                          "routes": [{"path": "/api", "origins": "api"},
                                     {"origins": "web", "limit": {"rate": "5/m", "burst": 1, "by": "client"},
                                      "keys": "required"}],
                          "origins": {"web": {"balance": "ewma", "tls": {"verify": "full"},
                                              "eu": [{"address": "10.0.0.1:80", "weight": 1}]},
                                      "api": {"sticky": {"cookie": "sid"}, "eu": ["app.example:80"]}}}},
    "zones": {"example.net": {"text": "@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a.example.\n", "serial": "file",
                              "dnssec": "off"}},
    "tiers": {"gold": {"dns_queries": "5/s", "rate": "5/h", "bandwidth": {"up": "1MB/s"}}},
    "tenants": {"acme": {"zone": "example.net", "service": "shop", "state": "active", "tier": "gold",
                         "https": "both", "limits": {"burst": 5}, "maintenance": {"status": 503},
                         "keys": {"ci": {"sha256": "0" * 64, "rate": "5/m"}}}},
}
NODE = {"node": {"name": "n", "state_dir": "s"},
        "dns": {"listen": ["127.0.0.1@0"], "tcp": {"queries": 0}, "rrl": {"rate": "5/s"}, "edns_size": 1232},
        "admin": {"http": "127.0.0.1:0"}, "probes": {"vantage": "v", "exec": False},
        "control": {"api": "unix:/run/gslb/gslb.sock"}, "forwarder": {"http": ["127.0.0.1:0"]}}
# Where an object of a definition stands in those.
PLACES = {
    "region": ["regions", "eu"], "location": ["locations", "10.0.0.0/8"], "check": ["checks", "web"],
    "service": ["services", "shop"], "https": ["services", "shop", "https"],
    "steering": ["services", "shop", "steering"], "vip": ["services", "shop", "vips", "eu", 0],
    "zone": ["zones", "example.net"], "tier": ["tiers", "gold"], "tenant": ["tenants", "acme"],
    "route": ["services", "shop", "routes", 1], "limit": ["services", "shop", "routes", 1, "limit"],
    "pool": ["services", "shop", "origins", "web"], "origin": ["services", "shop", "origins", "web", "eu", 0],
    "origin-tls": ["services", "shop", "origins", "web", "tls"], "limits": ["tenants", "acme", "limits"],
    "sticky": ["services", "shop", "origins", "api", "sticky"], "key": ["tenants", "acme", "keys", "ci"],
    "maintenance": ["tenants", "acme", "maintenance"], "both-bandwidths": ["tiers", "gold", "bandwidth"],
    "node": ["node"], "dns": ["dns"], "tcp": ["dns", "tcp"], "rrl": ["dns", "rrl"], "admin": ["admin"],
    "probes": ["probes"],
}


def key_tables():
    """The keys of every table of the readers' sources that a build takes, as sets."""
    tables = {}
    for file in [*sorted((stack.ROOT / "fleet/read").glob("read_*.c")), stack.ROOT / "daemon/config.c",
                 stack.ROOT / "gslb/control/config_dns.c", stack.ROOT / "gslb/control/gslb_config.c",
                 stack.ROOT / "health/notify_settings.c", stack.ROOT / "forwarder/control/config.c"]:
        text = file.read_text()
        for name, body in re.findall(r"#define (\w+_KEYS)\b((?:[^\n]*\\\n)*[^\n]*)\n", text):
            text = re.sub(rf"(?<!define ){name}\b", lambda _: body, text)
        for name, body in re.findall(r"struct doc_key (\w+)\[\] = \{(.*?)\};", text, re.S):
            keys = re.findall(r'\{[\s\\]*"(\w+)",\s*(\w+)', body)
            tables[f"{file.name}:{name}:{len(tables)}"] = frozenset(
                key for key, reader in keys if reader not in ("NULL", "ignore", "read_own_id", "refuse_dns"))
    # The top of node.yaml is what every daemon has, and what gslbd and forwarderd add.
    top = [name for name in tables if name.split(":")[1] in ("common_keys", "gslb_keys", "top_keys")]
    tables[" + ".join(top)] = frozenset().union(*(tables.pop(name) for name in top))
    return tables


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = {which: subprocess.run([str(stack.GSLBCTL), "schema", which], capture_output=True, text=True,
                                          check=True, timeout=10).stdout for which in ("node", "fleet")}
        cls.schemas = {which: json.loads(text) for which, text in cls.text.items()}

    def fits(self, which, value):
        found = errors_of(self.schemas[which], value, self.schemas[which])
        if jsonschema:
            other = list(jsonschema.Draft202012Validator(self.schemas[which]).iter_errors(value))
            self.assertEqual(bool(found), bool(other), (found, other))
        return found

    def check(self, which, value):
        """Whether gslbctl takes it; what it says."""
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "one.yaml")
            path.write_text(json.dumps(value))
            done = subprocess.run([str(stack.GSLBCTL), "check", str(path)], capture_output=True, text=True, timeout=20)
        return done.returncode == 0, done.stderr

    def test_references_and_words(self):
        for schema in self.schemas.values():
            self.assertEqual(schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
            for name in re.findall(r'"#/\$defs/([^"]+)"', json.dumps(schema)):
                self.assertIn(name, schema["$defs"])
            if jsonschema:
                jsonschema.Draft202012Validator.check_schema(schema)

    def test_same_keys_as_the_readers(self):
        tables = key_tables()
        objects = {}
        for which, schema in self.schemas.items():
            for name, one in {"(top)": schema, **schema["$defs"]}.items():
                if "properties" in one:
                    objects[which, name] = frozenset(one["properties"])
        self.assertGreater(len(tables), 15)
        for table, keys in tables.items():
            self.assertIn(keys, objects.values(), f"{table} has no schema of just these keys")
        kinds = re.search(r"fleet_kind_key\[FLEET_KINDS\] = \{(.*?)\}", (stack.ROOT / "fleet/fleet.c").read_text(), re.S)
        known = {*tables.values(), frozenset(re.findall(r'"(\w+)"', kinds.group(1)))}
        for place, keys in objects.items():
            self.assertIn(keys, known, f"{place} is no table of the readers")

    def test_samples_fit(self):
        samples = [("fleet", path) for path in (stack.ROOT / "packaging").rglob("fleet*.yaml")]
        samples += [("node", path) for path in (stack.ROOT / "packaging").rglob("node*.yaml")]
        samples += [("fleet", stack.ROOT / "tools/demo.d/fleet.yaml")]
        for which, path in samples:
            with self.subTest(path=path):
                text = re.sub(r"\b(PORT|HTTPS|[A-Z]{2}[0-9])\b", "8080", path.read_text())  # the demo fills them in
                value = yaml.load(text, TextLoader) or {}
                self.assertEqual(self.fits(which, value), [])
        world = stack.World()
        self.assertEqual(self.fits("fleet", json.loads(json.dumps(world.fleet))), [])
        for which, value in (("fleet", FLEET), ("node", NODE)):
            self.assertEqual(self.fits(which, value), [])
            self.assertEqual(self.check(which, value), (True, ""))

    def agree(self, which, place, key, value, is_good):
        document = copy.deepcopy(FLEET if which == "fleet" else NODE)
        target = document
        for step in place:
            target = target[step]
        if (place[0], key) == ("checks", "type"):
            target.clear()
            target["port"] = 443
        if key == "order" and value != "map":
            target.pop("map")
        target[key] = value
        self.assertEqual(self.fits(which, document) == [], is_good, (place, key, value))
        taken, said = self.check(which, document)
        self.assertEqual(taken, is_good, (place, key, value, said))

    def test_same_limits_as_the_readers(self):
        tried = 0
        for which, schema in self.schemas.items():
            for name, one in schema["$defs"].items():
                if name not in PLACES:
                    continue
                self.agree(which, PLACES[name], "zzz", 1, False)
                for key, rule in one["properties"].items():
                    rule = next((form for form in rule.get("anyOf", []) if "enum" in form or "minimum" in form), rule)
                    if "minimum" in rule:
                        for value, is_good in ((rule["minimum"], True), (rule["maximum"], True),
                                               (rule["minimum"] - 1, False), (rule["maximum"] + 1, False)):
                            self.agree(which, PLACES[name], key, value, is_good)
                            tried += 1
                    for value in rule.get("enum", []):
                        self.agree(which, PLACES[name], key, value, True)
                    if "enum" in rule:
                        self.agree(which, PLACES[name], key, "zzz", False)
        self.assertGreater(tried, 40)

    def test_wrong(self):
        done = subprocess.run([str(stack.GSLBCTL), "schema", "flet"], capture_output=True, text=True, timeout=10)
        self.assertEqual((done.returncode, done.stdout), (2, ""))


if __name__ == "__main__":
    stack.main()
