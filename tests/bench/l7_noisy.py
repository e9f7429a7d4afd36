"""What a noisy tenant costs a quiet one of the same worker and the same origin.

  tests/bench/run noisy                        every variant, about ten minutes
  tests/bench/run noisy --only flood hang --pairs 3

A has tight limits, B wide ones of which it uses a tenth, to an origin that takes 2 ms. In each variant B is measured
alone and beside A, by turns; its p99 is the median over intervals of 0.1 s, which a pausing virtual machine leaves
alone. B may lose nothing, and its p99 grow to 1.5 times what it is alone.
"""
import argparse
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
import l7  # noqa: E402
import l7_servers  # noqa: E402
import report  # noqa: E402
import table  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIMIT, QUIET = l7_servers.NOISY["rate"], l7_servers.QUIET_RATE // 10
RATIO_MAX, SERVED_OFF = 1.5, 0.01
VARIANTS = {  # name: (what A does, its load with {rate} of the flood, whether B uses TLS)
    "flood": ("A floods with requests", "mode=keep,connections=64,path=/slow/2/,rate={rate}", False),
    "connections": ("A opens 2,000 connections a second", "mode=new,connections=256,from=16,path=/slow/2/,rate=2000", False),
    "bodies": ("A sends slow bodies, 500 new ones a second",
               "mode=slow,method=POST,connections=500,body=100000,step=1000,every=100,timeout=60000,rate=500", False),
    "hang": ("A's requests never get an answer", "mode=keep,connections=500,path=/hang,rate=2000,timeout=60000", False),
    "handshakes": ("A floods with TLS handshakes", "mode=new,tls=1,ask=0,connections=256,from=16,rate=2000", True),
}


def run(a, server, groups, seconds):
    command = [*(["nice", "-n", str(a.nice)] if a.nice else []), a.build + "/tests/bench/l7_client", "-c",
               str(a.client_cpu), "-d", str(seconds), "-W", str(a.warm), "-p", ",".join(map(str, server.pids())), "-u",
               str(a.cpu)]
    for group in groups:
        command += ["-g", group]
    out = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=True,
                         timeout=seconds + 60).stdout
    return json.loads(out[out.index("{"):])


def group_of(server, name, tenant, load):
    port = server.tls_port if "tls=1" in load else server.port
    return f"name={name},to={port},first={tenant},host={l7_servers.host('%u')},{load}"


def quiet_load(is_tls):
    return f"mode=keep,connections=64,path=/slow/2/,bytes=128,rate={QUIET},tls={int(is_tls)}"


def capacity(a, server):
    """How many refusals a second the worker manages, by its CPU time."""
    load = "mode=keep,connections=64,path=/slow/2/"
    result = run(a, server, [group_of(server, "a", 0, load)], 2)
    return result["groups"]["a"]["completed"] / (result["server_cpu_ns"] / 1e9)


def lost(group):
    return sum(group["errors"].values()) + sum(n for status, n in group["status"].items() if status not in ("200", "101"))


def measure_variant(a, out, server, name, rate):
    text, load, is_tls = VARIANTS[name]
    quiet = group_of(server, "b", 1, quiet_load(is_tls))
    noisy = group_of(server, "a", 0, load.format(rate=rate))
    rows, ratios = [], []
    for number in range(a.pairs):
        pair = {}
        for what in ("alone", "beside") if number % 2 == 0 else ("beside", "alone"):
            result = run(a, server, [quiet] if what == "alone" else [quiet, noisy], a.seconds)
            pair[what] = result["groups"]
            b, loud = pair[what]["b"], pair[what].get("a")
            rows.append({"pair": number, "B is": what, "B: answered": b["completed"], "lost": lost(b),
                         "p50 µs": round(report.median(b["p50_each_us"])), "p99 µs": round(report.median(b["p99_each_us"])),
                         "p99 of all": round(b["p99_us"]), "worker": f"{result['server_cpu_ns'] / 1e9 / result['seconds']:.2f}",
                         "A: served/s": round(loud["status"].get("200", 0) / result["seconds"], 1) if loud else "",
                         "A": " ".join(f"{k} {v}" for k, v in {**loud["status"], **loud["errors"]}.items()) if loud else ""})
        ratios.append(report.median(pair["beside"]["b"]["p99_each_us"]) / report.median(pair["alone"]["b"]["p99_each_us"]))
    print(f"\n## {name}: {text}\n")
    report.print_table(rows)
    missing = sum(row["lost"] for row in rows)
    out.add(f"{text}: B's p99, times that alone", report.median(ratios), at_most=RATIO_MAX,
            wrong=f"B lost {missing}" if missing else "", note="of each pair: " + " ".join(f"{x:.2f}" for x in ratios))
    if name == "flood":
        served = report.median(row["A: served/s"] for row in rows if row["B is"] == "beside")
        out.add(f"{text} of {rate}/s: A is served, a second", served, at_least=LIMIT * (1 - SERVED_OFF), note=f"limit {LIMIT}",
                wrong="more than its limit" if served > LIMIT * (1 + SERVED_OFF) else "")
    out.samples[name] = rows


def arguments(argv):
    is_root = os.geteuid() == 0
    p = argparse.ArgumentParser(prog="run noisy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", nargs="+", metavar="VARIANT", choices=VARIANTS, default=list(VARIANTS), help=" ".join(VARIANTS))
    p.add_argument("--kind", default="ours", help="ours or nginx, which has no limit of connections")
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--warm", type=float, default=2.5, help="seconds before, in which A spends its burst")
    p.add_argument("--build", default=str(ROOT / "build"))
    p.add_argument("--work", help="default: bench-work/noisy in the build directory")
    p.add_argument("--json", help="default: results.json in --work")
    p.add_argument("--cpu", type=int, default=0)
    p.add_argument("--client-cpu", type=int, default=1)
    p.add_argument("--nice", type=int, default=-15 if is_root else 0)
    a = p.parse_args(argv)
    a.build = os.path.abspath(a.build)
    a.work = os.path.abspath(a.work or a.build + "/bench-work/noisy")
    a.json = os.path.abspath(a.json or a.work + "/results.json")
    return a


def main(argv, machine):
    a = arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.makedirs(a.work, exist_ok=True)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    out = table.Report(argparse.Namespace(only=[]))
    lines = l7.Lineup(table.varied(a, only=[]))
    try:
        server = lines.get(a.kind, "noisy", 2, "handshakes" in a.only)
        if not server:
            return 1
        rate = round(max(10 * LIMIT, 0.6 * capacity(a, server)))
        for name in a.only:
            measure_variant(a, out, server, name, rate)
            out.say(f"{name} done")
    finally:
        lines.stop()
    print("\n## the table\n")
    table.print_rows(out.rows)
    with open(a.json, "w") as f:
        json.dump({"machine": machine, "arguments": vars(a), "table": out.rows, "samples": out.samples}, f, indent=1)
    return 0 if all(row["is_ok"] is not False for row in out.rows) else 1
