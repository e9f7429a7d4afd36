#!/usr/bin/env python3
"""forwarderd beside nginx, HAProxy and h2o: CPU time of a request, memory, and latency, over the floor of a relay that
parses nothing.

  tests/bench/run l7                     every row, about 20 minutes
  tests/bench/run l7 --only plain deny --kinds ours,nginx --rounds 9 --json l7.json
  tests/bench/run l7 --quick             whether the command works; its figures say nothing

Each proxy has one worker on --cpu; origin and load are on --client-cpu. A round goes through all proxies, there and
back in turn; figures are medians over the rounds of the CPU time (user and system, all threads of the process) for
each request. The aims hold for a machine on which the relay takes 10.5 µs for a request of 128 octets over kept
connections; on another they are scaled by what it takes in the same rounds. README.md says what the rows are.
"""
import argparse
import json
import os
import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True
import l7_certificates  # noqa: E402
import l7_memory  # noqa: E402
import l7_servers  # noqa: E402
import lineup  # noqa: E402
import report  # noqa: E402
import table  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OURS, FLOOR, FLOOR_US = "ours", "relay", 10.5
KINDS = {"ours": l7_servers.Ours, "relay": l7_servers.Relay, "nginx": l7_servers.Nginx, "haproxy": l7_servers.Haproxy,
         "h2o": l7_servers.H2o}
TENANTS, MANY = 100, 10000

KEEP = "mode=keep,connections=64"
NEW = "mode=new,connections=32,from=16,bytes=128"
BULK = "mode=keep,connections=16,path=/1m,bytes=1048576"
ROWS = {  # name: (what it says, task of the servers, names, load, aim in µs, whether it is over TLS, which take part)
    "plain": ("plain, 100 tenants, all limits, 128 octets", "base", TENANTS, KEEP + ",bytes=128", 13.0, False, "all"),
    "deny": ("refused with 429", "deny", TENANTS, KEEP, 6.5, False, "limits"),
    "log": ("with an access log", "log", TENANTS, KEEP + ",bytes=128", None, False, "proxies"),
    "10k": ("10 KB", "base", TENANTS, KEEP + ",path=/10k,bytes=10240", 15.5, False, "all"),
    "1m": ("1 MB", "base", TENANTS, BULK, 420, False, "all"),
    "tls": ("TLS 1.3, kept connections", "base", TENANTS, KEEP + ",bytes=128", 19.0, True, "proxies"),
    "tls1m": ("1 MB over TLS 1.3", "base", TENANTS, BULK, 760, True, "proxies"),
    "handshake": ("TLS 1.3 full handshake and a request, P-256, 100 names", "base", TENANTS, NEW, 340, True,
                  "proxies"),
    "handshake10k": ("the same, 10,000 names", "base", MANY, NEW, 430, True, "proxies"),
    "resume": ("TLS 1.3 resumption and a request", "base", TENANTS, NEW + ",resume=1", 265, True, "proxies"),
    "new": ("a new connection for each request", "base", TENANTS, NEW, 48, False, "all"),
}
LOG_MORE_US, OF_RELAY, DISTURBED = 0.8, 1.25, 0.06
OTHER_ROWS = {"latency": "p99 at half load, in pairs", "idle": "memory of idle connections",
              "certificates": "memory of 10,000 certificates", "tenants": "memory of a million tenants"}


# ---- one sample

def client_command(a, server, load, tls, names, seconds):
    """`load` without where to; h2o needs no more names than it has."""
    port = server.tls_port if tls else server.port
    group = f"to={port},tls={int(tls)},tenants={names},host={l7_servers.host('%u')},{load}"
    nice = ["nice", "-n", str(a.nice)] if a.nice else []
    return [*nice, a.build + "/tests/bench/l7_client", "-c", str(a.client_cpu), "-d", str(seconds), "-W", str(a.warm),
            "-p", ",".join(map(str, server.pids())), "-u", str(a.cpu), "-g", group]


def sample(a, server, load, tls, names):
    out = subprocess.run(client_command(a, server, load, tls, names, a.seconds), stdout=subprocess.PIPE,
                         stdin=subprocess.DEVNULL, text=True, check=True, timeout=a.seconds + 60).stdout
    result = json.loads(out[out.index("{"):])
    group = result.pop("groups")["load"]
    busy = (result["cpu_busy_ns"] - result["server_cpu_ns"]) / 1e9 / result["seconds"]
    done = max(group["completed"], 1)
    expected = {"429"} if server.task == "deny" and server.has_limits else {"200"}
    wrong = sum(n for status, n in group["status"].items() if status not in expected)
    if expected == {"429"}:
        wrong -= group["status"].get("200", 0)  # the first of each tenant may pass
    return {**result, **group, "us": result["server_cpu_ns"] / 1e3 / done,
            "rate": group["completed"] / result["seconds"], "is_clean": busy <= DISTURBED, "wrong": wrong + sum(group["errors"].values())}


def clean_sample(a, server, *work):
    for attempt in range(a.retry + 1):
        result = sample(a, server, *work)
        if result["is_clean"]:
            break
        time.sleep(0.3)
    return {**result, "attempts": attempt + 1}


# ---- servers

class Lineup:
    """Servers by what they are to do; started when first asked for, stopped together."""

    def __init__(self, a):
        self.a, self.running, self.index, self.failed, self.kinds = a, {}, 0, set(), KINDS
        self.origin = self.start(l7_servers.Origin, {"kind": "origin", "cpu": a.client_cpu})

    def config(self, kind, **changes):
        a = self.a
        return {"kind": kind, "work": a.work, "build": a.build, "names": 1, "shared": 0, "mmdb": None, "cpu": a.cpu,
                "nice": a.nice, "port": 0, "origin": None, "task": "base", "tls": False, "certificates": None,
                **changes}

    def changes(self, kind, task, names, tls):
        folder = l7_certificates.folder(self.a.work, names, l7_servers.host) if tls else None
        return {"kind": kind, "origin": self.origin.port, "task": task, "names": names, "tls": tls,
                "certificates": folder}

    def start(self, make, changes):
        self.index += 1
        server = make(self.config(**changes), self.index)
        try:
            server.prepare()
            if not lineup.is_installed(server):
                raise RuntimeError(f"{server.command()[0]} is not installed")
            server.start(timeout=120)
            return server
        except BaseException:
            server.stop()
            raise

    def get(self, kind, task, names, tls):
        """None: it does not start, which was said."""
        tls = tls or (task == "base" and names == TENANTS and self.wants_tls())
        key = (kind, task, names, tls)
        if key in self.failed:
            return None
        if key not in self.running:
            try:
                self.running[key] = self.start(KINDS[kind], self.changes(kind, task, names, tls))
            except lineup.FAILURES as error:
                print(f"# {kind}, {task}, {names} names: {str(error)[-600:]}", flush=True)
                self.failed.add(key)
                return None
        return self.running[key]

    def wants_tls(self):
        return any(ROWS[row][5] for row in self.a.only if row in ROWS)

    def take(self, who, task, names, tls):
        classes = {kind: KINDS[kind] for kind in self.a.kinds}
        chosen = [kind for kind, made in classes.items() if who == "all" or not made.is_floor and
                  (who == "proxies" or made.has_limits)]
        return [server for server in (self.get(kind, task, names, tls) for kind in chosen) if server]

    def stop(self):
        for server in [*self.running.values(), self.origin]:
            server.stop()


# ---- rows

def medians(rows):
    kinds = dict.fromkeys(r["kind"] for r in rows)
    return {kind: report.median(r["us"] for r in report.clean(rows, kind)) for kind in kinds}


def show(rows, scale):
    lines = []
    for kind, us in medians(rows).items():
        mine = report.clean(rows, kind)
        lines.append({"kind": kind, "samples": len(mine), "clean": sum(r["is_clean"] for r in mine), "µs": f"{us:.2f}",
                      "scaled": f"{us / scale:.2f}" if scale else "", "min": f"{min(r['us'] for r in mine):.2f}",
                      "max": f"{max(r['us'] for r in mine):.2f}",
                      "a second": round(report.median(r["rate"] for r in mine)),
                      "p50/p99 µs": f"{report.median(r['p50_us'] for r in mine):.0f}/"
                                    f"{report.median(r['p99_us'] for r in mine):.0f}",
                      "wrong": sum(r["wrong"] for r in mine)})
    report.print_table(lines)


def measure_rounds(a, servers, floor, row):
    """All in turn, there and back; the floor's plain request in each round. [{kind, round, …}], [floor's]"""
    _, _, names, load, _, tls, _ = ROWS[row]
    rows, floors = [], []
    for number in range(a.rounds):
        for server in servers if number % 2 == 0 else servers[::-1]:
            rows.append({"kind": server.kind, "round": number, **clean_sample(a, server, load, tls, names)})
        if floor and not (row == "plain" and floor in servers):
            plain = clean_sample(a, floor, KEEP + ",bytes=128", False, TENANTS)
            floors.append({"kind": FLOOR, "round": number, **plain})
    return rows, floors or [r for r in rows if r["kind"] == FLOOR]


def add_row(out, text, rows, scale, aim):
    us = medians(rows)
    ours = us.pop(OURS, None)
    wrong = sum(r["wrong"] for r in rows if r["kind"] == OURS)
    if ours is None:
        out.rows.append({"what": text, "ours": None, "target": f"≤ {aim:g}" if aim else "", "is_ok": None,
                         "peers": us, "note": ""})
        return
    out.add(text, ours / scale, at_most=aim, peers={kind: value / scale for kind, value in us.items()},
            wrong=f"{wrong} wrong" if wrong else "", note=f"{ours:.2f} µs before scaling by {scale:.3f}")


def measure_cpu(a, out, lines):
    """Every row of ROWS that is asked for."""
    floor = lines.get(FLOOR, "base", TENANTS, False) if FLOOR in a.kinds else None
    plain = {}
    for row in [row for row in ROWS if row in a.only]:
        text, task, names, _, aim, tls, who = ROWS[row]
        servers = lines.take(who, task, names, tls)
        rows, floors = measure_rounds(a, servers, floor, row)
        scale = medians(floors)[FLOOR] / FLOOR_US if floors else 1.0
        print(f"\n## {row}: {text}; scale {scale:.3f}\n")
        show(rows, scale)
        add_row(out, f"{text}, µs", rows, scale, aim)
        us = medians(rows)
        if row == "plain":
            plain = us
            if OURS in us and FLOOR in us:
                out.add("the same beside the relay", statistics.median(
                    report.within_rounds(rows, OURS, FLOOR, lambda r: r["us"])), at_most=OF_RELAY)
        if row == "log" and OURS in us and OURS in plain:
            out.add("the access log alone, µs", (us[OURS] - plain[OURS]) / scale, at_most=LOG_MORE_US,
                    peers={kind: (us[kind] - plain[kind]) / scale for kind in us if kind in plain and kind != OURS})
        out.samples[row] = {"rows": rows, "floor": floors}
        out.done(row)


def interval_p99(rows):
    return report.median(us for r in rows for us in r["p99_each_us"])


def measure_latency(a, out, lines):
    """The same rate for all: half of what the slower of the peers manages, all of core and load considered. Each of a
    pair is the median over intervals of 0.1 s, for a virtual machine pauses; proxies take turns."""
    text = "p99 at half load: pairs in which ours is at most the better peer's"
    servers = [s for s in lines.take("proxies", "base", TENANTS, False)]
    rates = [sample(a, s, KEEP + ",bytes=128", False, TENANTS)["rate"] for s in servers if s.kind != OURS]
    if not rates:
        out.fail(text, "no peer")
        return
    load = f"{KEEP},bytes=128,poisson=1,rate={int(min(rates) / 2)}"
    rows, pairs = [], []
    for number in range(a.rounds):
        found = {s.kind: [] for s in servers}
        for turn in range(2):
            for server in servers if turn % 2 == 0 else servers[::-1]:
                found[server.kind].append(clean_sample(a, server, load, False, TENANTS))
        pairs.append({kind: interval_p99(samples) for kind, samples in found.items()})
        rows += [{"kind": kind, "round": number, **s} for kind, samples in found.items() for s in samples]
    print(f"\n## latency: {load}\n")
    report.print_table([{"kind": kind, "p99 of intervals µs": f"{report.median(p[kind] for p in pairs):.0f}",
                         "of each pair": " ".join(f"{p[kind]:.0f}" for p in pairs),
                         "p50": f"{report.median(r['p50_us'] for r in rows if r['kind'] == kind):.0f}",
                         "p99 of all": f"{report.median(r['p99_us'] for r in rows if r['kind'] == kind):.0f}"}
                        for kind in pairs[0]])
    peers = {kind: report.median(p[kind] for p in pairs) for kind in pairs[0] if kind != OURS}
    out.samples["latency"] = {"rows": rows, "pairs": pairs}
    if OURS not in pairs[0]:
        out.rows.append({"what": text, "ours": None, "target": "", "is_ok": None, "peers": peers, "note": ""})
        return
    best = min(peers, key=peers.get)
    good = sum(p[OURS] <= p[best] for p in pairs)
    out.add(text, good, at_least=-(-len(pairs) * 4 // 5), peers=peers,
            note=f"of {len(pairs)}; ours {report.median(p[OURS] for p in pairs):.0f} µs at {int(min(rates) / 2)}/s")


# ---- all of them

def seconds_of(a, row):
    """About how long a row takes."""
    proxies = len(a.kinds)
    if row == "latency":
        return a.rounds * 2 * proxies * (a.seconds + a.warm + 0.3)
    if row in ROWS:
        return a.rounds * (proxies + 1) * (a.seconds + a.warm + 0.3)
    return 60


def measure_all(a):
    out = table.Report(argparse.Namespace(only=[]))
    out.left = {row: seconds_of(a, row) for row in a.only}
    lines = Lineup(a)
    parts = [(measure_cpu, [row for row in a.only if row in ROWS]), (measure_latency, ["latency"]),
             (l7_memory.measure_idle, ["idle"]), (l7_memory.measure_certificates, ["certificates"]),
             (l7_memory.measure_tenants, ["tenants"])]
    try:
        for function, rows in parts:
            if not set(rows) & set(a.only):
                continue
            try:
                function(a, out, lines)
            except Exception as error:  # the other rows are still worth their time
                traceback.print_exc()
                out.fail(" ".join(rows), f"{type(error).__name__}: {str(error)[-300:]}")
            for row in set(rows) & set(out.left):
                out.done(row)
    finally:
        lines.stop()
    print("\n## the table\n")
    table.print_rows(out.rows)
    return {"table": out.rows, "samples": out.samples}


def arguments(argv):
    is_root = os.geteuid() == 0
    names = [*ROWS, *OTHER_ROWS]
    p = argparse.ArgumentParser(prog="run l7", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", nargs="+", metavar="ROW", choices=names, default=names, help=" ".join(names))
    p.add_argument("--kinds", default=",".join(KINDS), help="comma list of those that take part: " + " ".join(KINDS))
    p.add_argument("--quick", action="store_true", help="two short rounds")
    p.add_argument("--build", default=str(ROOT / "build"))
    p.add_argument("--work", help="everything generated goes here (default: bench-work/l7 in the build directory)")
    p.add_argument("--json", help="write all results there (default: results.json in --work)")
    p.add_argument("--rounds", type=int, help="default: 5")
    p.add_argument("--seconds", type=float, help="of a sample (default: 2)")
    p.add_argument("--warm", type=float, default=0.4, help="seconds before it")
    p.add_argument("--retry", type=int, help="take a sample again when other work disturbed it (default: 2 times)")
    p.add_argument("--idle", type=int, default=10000, help="connections of the row idle")
    p.add_argument("--tenants", type=int, default=1000000, help="of the row tenants")
    p.add_argument("--cpu", type=int, default=0)
    p.add_argument("--client-cpu", type=int, default=1)
    p.add_argument("--nice", type=int, default=-15 if is_root else 0)
    a = p.parse_args(argv)
    a.rounds = a.rounds or (2 if a.quick else 5)
    a.seconds = a.seconds or (0.5 if a.quick else 2.0)
    a.retry = a.retry if a.retry is not None else 0 if a.quick else 2
    a.kinds = a.kinds.split(",")
    for kind in a.kinds:
        if kind not in KINDS:
            p.error(f"unknown kind {kind} (known: {' '.join(KINDS)})")
    a.build = os.path.abspath(a.build)
    a.work = os.path.abspath(a.work or a.build + "/bench-work/l7")
    a.json = os.path.abspath(a.json or a.work + "/results.json")
    if not os.path.exists(a.build + "/tests/bench/l7_client"):
        p.error(f"{a.build}/tests/bench/l7_client is not built (meson setup build && ninja -C build)")
    return a


def main(argv, machine):
    a = arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped
    os.makedirs(a.work, exist_ok=True)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    a.idle = min(a.idle, l7_servers.CONNECTIONS_MAX - 100)
    result = {"machine": machine, "arguments": vars(a), "load_before": os.getloadavg()[0], **measure_all(a)}
    with open(a.json, "w") as f:
        json.dump(result, f, indent=1)
    print(f"\nresults in {a.json}")
