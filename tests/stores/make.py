#!/usr/bin/python3
"""Writes the stores of this folder: what a gslbd of an earlier commit leaves behind after a working day.

    git worktree add /tmp/earlier COMMIT
    cd /tmp/earlier && meson setup build && ninja -C build gslb/gslbd tools/gslbctl
    GSLB_BUILD=/tmp/earlier/build tests/stores/make.py COMMIT     # in this tree

makes COMMIT.sql, the store after the node was stopped, as SQL (with the application id, which .dump leaves out), and
COMMIT.backup.gz, what `gslbctl backup` saved from that node while it ran, octet by octet; a build that knows no backup
makes the first alone. README says which commits are kept and why. Nothing here runs in a test.
"""

import gzip
import json
import pathlib
import sqlite3
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "live"))
import stack  # noqa: E402

PORT = 18077  # fixed: a target's name in the store holds a digest of its check
UP, DOWN, NEVER_UP, NAMED = "127.77.0.11", "127.77.0.12", "127.77.0.13", "127.77.0.21"
CLOUD = "cloud.example"
CLOUD_ZONE = f"""\
$TTL 3600
@   IN SOA ns1 hostmaster 1 7200 900 1209600 60
    IN NS  ns1
ns1 IN A   127.0.0.1
lb  IN A   {NAMED}
"""


def fleet(has_names):
    balanced = {"name": f"lb.{CLOUD}"} if has_names else NAMED
    return {
        "regions": {
            "eu": {"at": [50.11, 8.68], "country": "DE", "capacity": 40000},
            "us": {"at": [38.95, -77.45], "country": "US"},
            "ap": {"at": [1.35, 103.82], "country": "SG"},
        },
        "locations": stack.LOCATIONS,
        "checks": {"web": {"type": "http", "port": PORT, "path": "/healthz", "interval": "500ms", "timeout": "300ms",
                           "rise": 2, "fall": 2}},
        "maps": {"world": {"EU": ["eu", "us"], "192.0.2.0/24": ["us"], "default": ["us", "eu", "ap"]}},
        "services": {
            "shop": {"check": "web", "ttl": "5s..20s",
                     "vips": {"eu": [UP, {"address": DOWN, "weight": 2}], "us": [NEVER_UP], "ap": [balanced]}},
            "mail": {"ttl": "30s", "steering": {"order": "map", "map": "world"},
                     "vips": {"eu": ["192.0.2.25"], "us": ["198.51.100.25", "2001:db8::25"]}},
        },
    }


def states(server):
    return {vip.get("address"): vip["state"] for vip in server.api("GET", "/v1/vips")[1]["items"]}


def day(server):
    """Each kind of change once or more; names and reasons are not all ASCII."""
    zone, shop = ("--zone", stack.ZONE), ("--service", "shop")
    server.ctl("tenant", "add", "acme", *zone, *shop, "--tag", "large", "--tag", "since-2026",
               "--domain", "www.acme.example")
    server.ctl("tenant", "add", "vault", *zone, *shop, "--region", "eu", "--host", "vault", "--host", "*.vault")
    server.ctl("tenant", "add", "gone", *zone, *shop)
    server.ctl("tenant", "add", "asleep", *zone, "--service", "mail", "--state", "suspended")
    server.ctl("tenant", "set", "acme", "--host", "acme", "--host", "www.acme", "--region", "eu", "--region", "us")
    server.ctl("tenant", "remove", "gone")
    server.ctl("region", "drain", "us", "--share", "40", "--reason", "Über Nacht: neuer Kernel")
    server.ctl("region", "drain", "ap", "--for", "1h", "--reason", "ends by itself")
    server.ctl("region", "force-down", "eu", "--service", "mail", "--reason", "it's \"quoted\"; twice")
    server.ctl("vip", "drain", "eu", UP)
    server.ctl("region", "drain", "eu")
    server.ctl("region", "restore", "eu", "--reason", "done")


def dump(path):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    application = database.execute("PRAGMA application_id").fetchone()[0]
    lines = [f"PRAGMA application_id = {application};", *database.iterdump()]
    database.close()
    return "".join(f"{line}\n" for line in lines)


def main(commit):
    verbs = subprocess.run([stack.GSLBCTL, "--help"], capture_output=True, text=True, check=True).stdout
    has_backup = "  backup FILE" in verbs
    has_names = "  schema" in verbs  # VIPs by name came with a build after it
    resolver_port = stack.free_port()
    resolver = stack.Stack({}, zones={CLOUD: CLOUD_ZONE},
                           node={"dns": {"listen": [f"127.0.0.1@{resolver_port}"]}, "probes": None})
    node = {"node": {"name": "earlier", "state_dir": "state"}}
    if has_names:
        node["node"]["resolvers"] = [f"127.0.0.1@{resolver_port}"]
        resolver.start()
    server = stack.Stack({}, node=node)
    for address in (UP, DOWN, NAMED):
        server.origins[address] = stack.Origin(address, PORT)
    try:
        server.start()
        document = server.directory / "document.yaml"
        document.write_text(json.dumps(fleet(has_names)))
        server.ctl("apply", "-f", str(document))
        want = {UP: "up", DOWN: "up", NEVER_UP: "down", NAMED: "up"}
        stack.until(lambda: want.items() <= states(server).items(), what="the first round")
        server.origins[DOWN].set("close")
        stack.until(lambda: states(server)[DOWN] == "down", what="a VIP going down")
        day(server)
        server.ctl("reload")
        if has_backup:
            saved = server.directory / "saved.db"
            server.ctl("backup", str(saved))
            (HERE / f"{commit}.backup.gz").write_bytes(gzip.compress(saved.read_bytes(), 9, mtime=0))
        server.stop_quietly()
        (HERE / f"{commit}.sql").write_text(dump(server.state / "gslb.db"))
    finally:
        server.stop()
        if has_names:
            resolver.stop()


if __name__ == "__main__":
    main(sys.argv[1])
