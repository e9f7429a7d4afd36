"""gslbd under test: a static zone, or tenants with a service for each set of addresses."""
import contextlib
import itertools
import json
import os
import shutil
import socket
import threading

import data
from data import CONTINENT_REGION, DEFAULT_REGION, ORIGIN, REGIONS, tenant
from servers import SOCKET_BUFFER, Server

PLACES = {"na": [38.95, -77.45], "sa": [-23.55, -46.63], "eu": [50.11, 8.68], "ap": [1.35, 103.82]}
CHECKED_MAX = 4000  # addresses with a listener each, more are no use here


class Gslbd(Server):
    """JSON text is YAML as well, so the files are written as JSON."""

    def prepare(self):
        os.makedirs(self.path("state"), exist_ok=True)
        for file in os.listdir(self.path("state")):
            os.unlink(self.path("state", file))
        self.write_zone("zone")
        self.write("fleet.yaml", json.dumps(self.fleet()))
        self.write("tenants.yaml", "".join(self.tenants()))
        node = {
            "node": {"name": "bench", "state_dir": "state"},
            "fleet": ["fleet.yaml", "tenants.yaml"],
            "dns": {"listen": [f"127.0.0.1@{self.port}"], "workers": 1, "start_wait": "5m",
                    "socket_buffer": f"{SOCKET_BUFFER >> 10}KiB",
                    "tcp": {"connections": 4096, "per_client": 4096}, **self.more_dns()},
        }
        if self.workload == "geo":
            node["geo"] = self.databases()
        node.update(self.more_node())
        self.write("node.yaml", json.dumps(node))
        self.run(self.binary(), "--check", "-c", self.path("node.yaml"))

    def binary(self):
        """KIND@DIR is the gslbd of another build directory: two builds in one run."""
        return (self.kind.partition("@")[2] or self.config["build"]) + "/gslb/gslbd"

    def fleet(self):
        return {"zones": {ORIGIN: {"file": "zone"}}}

    def databases(self):
        return [self.mmdb]

    def tenants(self):
        """Lines of YAML."""
        return []

    def more_dns(self):
        return {}

    def more_node(self):
        return {}

    def command(self):
        return [self.binary(), "-c", self.path("node.yaml")]


class GslbdGeo(Gslbd):
    """The regions by continent as gdnsd's map has them, `split: sticky`. --checks: every address is
    probed, and is one of 127.0.0.0/8 where this process listens; --order nearest: by coordinates."""
    workload = "geo"
    weights = [1]
    listener = None

    def address(self, number, region, member=0):
        address = super().address(number, region, member)
        return "127" + address[2:] if self.config["checks"] else address

    def write_zone(self, name):
        with open(self.path(name), "w") as f:
            f.write(data.head())

    def vips(self, number, region):
        if len(self.weights) == 1:
            return [self.address(number, region)]
        return [{"address": self.address(number, region, member), "weight": weight}
                for member, weight in enumerate(self.weights)]

    def fleet(self):
        order = {r: [REGIONS[r]] + [x for x in REGIONS if x != REGIONS[r]] for r in range(len(REGIONS))}
        service = {"ttl": "5s..30s", "steering": {"order": self.config["order"], "split": "sticky"}}
        if self.config["order"] == "map":
            service["steering"]["map"] = "continents"
        fleet = {
            "regions": {x: {"at": PLACES[x]} for x in REGIONS},
            "maps": {"continents": {**{c: order[r] for c, r in CONTINENT_REGION.items()},
                                    "default": order[DEFAULT_REGION]}},
            "zones": {ORIGIN: {"file": "zone"}},
        }
        if self.config["checks"]:
            if self.sets() * len(REGIONS) * len(self.weights) > CHECKED_MAX:
                raise RuntimeError(f"--checks needs --shared, so that at most {CHECKED_MAX} addresses are probed")
            service["check"] = "alive"
            fleet["checks"] = {"alive": {"type": "tcp", "port": self.listen(), "interval": "30s", "timeout": "1s"}}
        fleet["services"] = {f"s{i}": {**service, "vips": {x: self.vips(i, r) for r, x in enumerate(REGIONS)}}
                             for i in range(self.sets())}
        return fleet

    def tenants(self):
        lines = (f"  {tenant(i)}: {{zone: {ORIGIN}, service: s{self.own(i)}}}\n" for i in range(self.names))
        return itertools.chain(["tenants:\n"], lines)

    def more_node(self):
        return {"probes": {"vantage": "bench"}} if self.config["checks"] else {}

    def listen(self):
        """A port that accepts on every address of loopback and on no other interface."""
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
        self.listener.bind(("0.0.0.0", 0))
        self.listener.listen(4096)
        threading.Thread(target=self.accept, args=[self.listener], daemon=True).start()
        return self.listener.getsockname()[1]

    @staticmethod
    def accept(listener):
        with contextlib.suppress(OSError):  # closed
            while True:
                listener.accept()[0].close()

    def stop(self):
        super().stop()
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None


class GslbdGeoWeighted(GslbdGeo):
    weights = [3, 1]
    members = 2


class GslbdFull(GslbdGeoWeighted):
    """With cookies, and response rate limiting at a rate that the load generator stays below."""

    def more_dns(self):
        return {"cookies": {"secrets": ["00112233445566778899aabbccddeeff"]}, "rrl": {"rate": "10000000/s"}}


class GslbdCity(GslbdGeo):
    """The whole city database of both families, in files of its own."""

    def databases(self):
        files = [self.path(f"city-{family}.mmdb") for family in ("ipv4", "ipv6")]
        for file in files:
            shutil.copyfile(os.path.join(self.config["geo_data"], "dbip-" + os.path.basename(file)), file)
        return files

    def touch(self):
        """So that a reload reads and compiles them again."""
        for file in ("ipv4", "ipv6"):
            os.utime(self.path(f"city-{file}.mmdb"))

    def control(self, *words):
        """What gslbctl prints."""
        return self.run(self.config["build"] + "/tools/gslbctl", *words, "--timeout", "300s",
                        "--socket", self.path("state", "gslb.sock"))
