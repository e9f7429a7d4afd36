#!/usr/bin/env python3
"""Mixed load on forwarderd for half an hour while everything around it changes: no request fails that the rules allow to
succeed, and memory stays.

usage: soak.py [--minutes N | --short] [--build DIR]

Load: HTTP/1.1 with kept and with new connections, bodies, TLS kept, new and resumed, WebSockets. Each 3 s one of: a
reload, a tenant added or removed, an origin killed (and started again), a certificate swapped. An added tenant must be
served within a second, a removed one be unknown, a swapped certificate be presented. WebSockets have an origin of their
own, which is not killed; the others' requests are idempotent or have a second origin to go to. The resident size, from a
fifth of the time on, may grow by 1 MB in 10 minutes (--short: by 4 MB in all). Last line: JSON.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import l7_certificates  # noqa: E402
import l7_servers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TENANTS, SPARE = 20, 1000  # SPARE: the number of the tenant that comes and goes
EVERY_S, SERVED_S, SWAPPED_S = 3, 1, 2
SLOPE_MB_PER_10_MIN, SHORT_MB = 1.0, 4.0
LOAD = {  # name: group of l7_client
    "kept": "mode=keep,connections=32,rate=800,bytes=128",
    "large": "mode=keep,connections=4,rate=20,path=/1m,bytes=1048576",
    "new": "mode=new,connections=16,rate=60,from=16,bytes=128",
    "bodies": "mode=keep,connections=8,rate=50,method=PUT,body=10000,bytes=128",
    "websockets": "mode=websocket,connections=20,path=/ws,every=200",
    "tls": "mode=keep,tls=1,connections=16,rate=300,bytes=128",
    "tls-new": "mode=new,tls=1,connections=8,rate=15,bytes=128,from=16",
    "resumed": "mode=new,tls=1,resume=1,connections=8,rate=15,bytes=128,from=16",
}


class Forwarder(l7_servers.Ours):
    """Two origins that may be killed, one for WebSockets that is not."""
    has_spare = False

    def fleet(self):
        fleet = super().fleet()
        pool = {"concurrency": 4096, "idle": "30s"}
        fleet["services"]["web"].update(
            origins={"all": {**pool, "eu": [f"127.0.0.1:{port}" for port in self.config["origins"]]},
                     "sockets": {**pool, "eu": [f"127.0.0.1:{self.origin}"]}},
            routes=[{"path": "/ws", "origins": "sockets"}, {"path": "/", "origins": "all"}])
        return fleet

    def write_tenants(self):
        numbers = [*range(TENANTS), *([SPARE] if self.has_spare else [])]
        self.write("tenants.yaml.new", "tenants:\n" + "".join(
            f"  t{i}: {{zone: example.test, service: web, tier: base}}\n" for i in numbers))
        os.replace(self.path("tenants.yaml.new"), self.path("tenants.yaml"))

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def resident_mb(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) / 1024


class Soak:
    def __init__(self, build, work, minutes):
        self.build, self.work, self.seconds = build, work, minutes * 60
        self.random, self.faults, self.events = random.Random(1), [], {}
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        self.certificates = l7_certificates.folder(work, TENANTS, l7_servers.host)
        cpu = {"cpu": f"0-{os.cpu_count() - 1}"}
        base = {"kind": "ours", "work": work, "build": build, "names": TENANTS, "shared": 0, "mmdb": None, "nice": 0,
                "port": 0, "origin": None, "task": "log", "tls": True, "certificates": self.certificates, **cpu}
        self.origins = [l7_servers.Origin({**base, "kind": "origin"}, i) for i in range(3)]
        self.proxy = Forwarder({**base, "origin": self.origins[2].port,
                                "origins": [origin.port for origin in self.origins[:2]]}, 9)
        self.killed_until = None

    # ---- what happens

    def fault(self, text):
        self.faults.append(f"{time.monotonic() - self.began:.1f} s: {text}")
        print("FAULT " + self.faults[-1], flush=True)

    def reload(self):
        self.proxy.reload()

    def tenant(self):
        self.proxy.has_spare = not self.proxy.has_spare
        self.proxy.write_tenants()
        self.proxy.reload()
        wanted, deadline = 200 if self.proxy.has_spare else 404, time.monotonic() + SERVED_S
        while (status := l7_servers.one_answer(self.proxy.port, l7_servers.host(SPARE))) != wanted:
            if time.monotonic() > deadline:
                self.fault(f"the tenant that came or went: {status}, not {wanted}, after {SERVED_S} s")
                return
            time.sleep(0.01)

    def origin(self):
        victim = self.random.choice(self.origins[:2])
        victim.process.kill()
        victim.process.wait()
        victim.process = None
        time.sleep(1)
        victim.start()

    def presented(self, number):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.proxy.tls_port), 5) as plain, \
                context.wrap_socket(plain, server_hostname=l7_servers.host(number)) as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(True)).encode()

    def certificate(self):
        number = self.random.randrange(TENANTS)
        certificate, key = l7_certificates.make_one(l7_servers.host(number))
        for kind, octets in (("crt", certificate), ("key", key)):
            path = os.path.join(self.certificates, f"t{number}.{kind}")
            l7_certificates.write_private(path + ".new", octets)
            os.replace(path + ".new", path)
        deadline = time.monotonic() + SWAPPED_S
        while self.presented(number) != certificate:
            if time.monotonic() > deadline:
                self.fault(f"the certificate of {l7_servers.host(number)} is the old one after {SWAPPED_S} s")
                return
            time.sleep(0.02)

    # ---- all of it

    def load(self):
        command = ["nice", self.build + "/tests/bench/l7_client", "-d", "0", "-W", "1", "-v"]
        for name, group in LOAD.items():
            port = self.proxy.tls_port if "tls=1" in group else self.proxy.port
            command += ["-g", f"name={name},to={port},tenants={TENANTS},host={l7_servers.host('%u')},{group}"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self):
        """(what the load counted, resident sizes)"""
        sizes, actions = [], [self.reload, self.tenant, self.origin, self.certificate]
        self.began = time.monotonic()
        client = self.load()
        try:
            due = self.began + EVERY_S
            while time.monotonic() - self.began < self.seconds:
                if client.poll() is not None or self.proxy.process.poll() is not None:
                    raise RuntimeError("load or forwarder ended")
                sizes.append((time.monotonic() - self.began, self.proxy.resident_mb()))
                if time.monotonic() >= due:
                    action = self.random.choice(actions)
                    self.events[action.__name__] = self.events.get(action.__name__, 0) + 1
                    action()
                    due = time.monotonic() + EVERY_S
                time.sleep(0.5)
        finally:
            out = client.communicate()[0]
        return json.loads(out[out.index("{"):])["groups"], sizes

    def judge(self, groups, sizes):
        for name, group in groups.items():
            wanted = "101" if name == "websockets" else "200"
            wrong = {status: n for status, n in group["status"].items() if status != wanted}
            if wrong or group["errors"] or group["stale"]:
                self.fault(f"{name}: {wrong} {group['errors']} {group['stale']} sent again, of {group['completed']}")
            if not (group["messages"] if name == "websockets" else group["completed"]):
                self.fault(f"{name}: nothing came")
        slope = growth(sizes, self.seconds)
        grown = slope * self.seconds / 600 * 0.8
        if grown > SHORT_MB if self.seconds < 600 else slope > SLOPE_MB_PER_10_MIN:
            self.fault(f"the resident size grows by {slope:.2f} MB in 10 minutes")
        return slope

    def all(self):
        try:
            for server in (*self.origins, self.proxy):
                server.prepare()
                server.start()
            groups, sizes = self.run()
            status = self.stop_proxy()
        finally:
            for server in (self.proxy, *self.origins):
                server.stop()
        slope = self.judge(groups, sizes)
        if status:
            self.fault(f"the forwarder ended with {status}: {self.proxy.tail()}")
        print(json.dumps({"seconds": self.seconds, "events": self.events, "faults": self.faults,
                          "mb_per_10_minutes": round(slope, 3), "mb_first": round(sizes[0][1], 1),
                          "mb_last": round(sizes[-1][1], 1),
                          "groups": {name: {key: group[key] for key in ("completed", "messages", "status", "errors", "stale",
                                                                        "handshakes", "resumed", "p50_us", "p99_us")}
                                     for name, group in groups.items()}}))
        return bool(self.faults)

    def stop_proxy(self):
        self.proxy.process.terminate()
        return self.proxy.process.wait(60)


def growth(sizes, seconds):
    """MB in 10 minutes: least squares from a fifth of the time on."""
    late = [(at, mb) for at, mb in sizes if at > seconds / 5]
    if len(late) < 2:
        return 0.0
    mean_at, mean_mb = (sum(values) / len(late) for values in zip(*late))
    return sum((at - mean_at) * (mb - mean_mb) for at, mb in late) / sum((at - mean_at) ** 2 for at, _ in late) * 600


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--short", action="store_true", help="2 minutes")
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--work", help="default: bench-work/soak in the build directory")
    a = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    build = os.path.abspath(a.build)
    return Soak(build, os.path.abspath(a.work or build + "/bench-work/soak"), 2 if a.short else a.minutes).all()


if __name__ == "__main__":
    sys.exit(main())
