"""One sample of one server: load from the other core, what came back, and what the CPUs did meanwhile."""
import collections
import json
import os
import re
import statistics
import subprocess
import threading
import time

import data
import servers


def query_file(a, query):
    path = os.path.join(a.work, f"{query}-{a.names}-{a.shared}-{a.count}.uq")
    if not os.path.exists(path):
        data.write_queries(path + ".part", query, a.names, a.count, db=a.mmdb, shared=a.shared)
        os.replace(path + ".part", path)
    return path


def mask_for(a, server, query):
    """Which bits of the answered address must be those that the query file expects."""
    if server.is_echo or query in ("nx", "sub"):
        return "0"
    mask = 0xffffffff
    if query == "ecs" and server.workload != "geo":
        mask &= ~(3 << 22)  # the same region for everybody
    if server.members > 1:
        mask &= ~3  # the member is the server's choice
    if a.checks:
        mask &= 0x00ffffff  # probed addresses are those of loopback
    return f"{mask:x}"


def cpu_busy(cpu):
    with open("/proc/stat") as f:
        for line in f:
            if line.startswith(f"cpu{cpu} "):
                v = [int(x) for x in line.split()[1:9]]
                return sum(v) - v[3] - v[4]
    return 0


def flood(a, server, query, extra=()):
    """One run of udpflood; its result and the server's use of the CPU in the middle of the run."""
    command = ["nice", "-n", str(a.nice), a.build + "/tests/bench/udpflood", "-c", str(a.client_cpu),
               "-p", str(server.port), "-f", query_file(a, query), "-d", str(a.seconds), "-W", str(a.warm),
               "-w", str(a.window), "-b", "32", "-S", "4", "-m", mask_for(a, server, query), "-g", *extra]
    marks = []

    def mark(at):
        time.sleep(at)
        marks.append((time.monotonic(), server.cpu_ns(), cpu_busy(a.cpu)))

    threads = [threading.Thread(target=mark, args=[at]) for at in (a.warm + 0.05, a.warm + a.seconds - 0.05)]
    load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    load.stdout.readline()  # the queries are read, the load begins
    for thread in threads:
        thread.start()
    out = load.communicate()[0]
    for thread in threads:
        thread.join()
    if load.returncode:
        raise RuntimeError(f"udpflood failed on {server.kind}")
    result = json.loads(out)
    (time_a, cpu_a, busy_a), (time_b, cpu_b, busy_b) = sorted(marks)
    wall = time_b - time_a
    result["server_cpu"] = (cpu_b - cpu_a) / 1e9 / wall
    result["cpu_busy"] = (busy_b - busy_a) / servers.CLOCK_TICKS / wall
    return result


def flood_tcp(a, server, query, mode):
    """mode: "persistent" (8 queries in flight on each connection) or "connect" (a query each)."""
    extra = ["-C", str(a.connections), "-q", "8"] if mode == "persistent" else ["-C", "8", "-1"]
    cpu, began = server.cpu_ns(), time.monotonic()
    out = subprocess.run(["nice", "-n", str(a.nice), a.build + "/tests/bench/tcpflood", "-c", str(a.client_cpu),
                          "-p", str(server.port), "-f", query_file(a, query), "-d", str(a.seconds), *extra],
                         stdout=subprocess.PIPE, text=True, check=True, timeout=60 + 3 * a.seconds).stdout
    result = json.loads(out)
    cpu_s = (server.cpu_ns() - cpu) / 1e9  # of opening the connections too
    result["server_cpu"] = cpu_s / (time.monotonic() - began)
    result["per_cpu_s"] = result["recv"] / cpu_s
    return result


def is_clean(result):
    """Others used little of the server's core, and the client had its own."""
    return result["cpu_busy"] - result["server_cpu"] <= 0.06 and result["client_cpu"] >= 0.94


def sample(a, server, query, extra=()):
    """A sample that other work spoilt is taken again, up to --retry times."""
    for attempt in range(a.retry + 1):
        result = flood(a, server, query, extra)
        result["is_clean"], result["attempts"] = is_clean(result), attempt + 1
        if result["is_clean"]:
            break
        time.sleep(0.3)
    return result


def histogram(samples):
    """[[ns, answers], …] of all of them."""
    counts = collections.Counter()
    for s in samples:
        for ns, answers in s["histogram"]:
            counts[ns] += answers
    return sorted(counts.items())


def percentiles(counts):
    total, seen, result = sum(answers for _, answers in counts), 0, {}
    wanted = [("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99), ("p999_us", 0.999)]
    for ns, answers in counts:
        seen += answers
        while wanted and seen >= total * wanted[0][1]:
            result[wanted.pop(0)[0]] = ns / 1000
    return result


def pooled(samples):
    """Several samples of one server as one; they were taken with -I."""
    counts = histogram(samples)
    return {**percentiles(counts), "histogram": counts, "qps": statistics.mean(s["qps"] for s in samples),
            "is_clean": all(s["is_clean"] for s in samples),
            **{key: sum(s[key] for s in samples) for key in ("sent", "recv", "lost", "mismatch")},
            "samples": [{key: s[key] for key in s if key != "histogram"} for s in samples]}


def rounds(a, running, query):
    """[{kind, round, …}]: all servers in turn, there and back (A B C, C B A, …). Each round begins with
    another part of the queries, the same for all servers."""
    rows = []
    for number in range(a.rounds):
        first = ["-s", str(number * a.count // a.rounds)]
        for server in running if number % 2 == 0 else running[::-1]:
            rows.append({"kind": server.kind, "round": number, **sample(a, server, query, first)})
    return rows


def latency(a, running, query, rates):
    """Open loop, Poisson arrivals at a share of each server's own rate, counted from when a query was due."""
    rows = []
    for number in range(3):
        for server in running:
            rate = str(int(a.latency * rates[server.kind]))
            rows.append({"kind": server.kind, "round": number, "rate": int(rate),
                         **sample(a, server, query, ["-r", rate, "-P", "-b", "8"])})
    return rows


def callgrind_control(pids, *words):
    subprocess.run(["callgrind_control", *words, *map(str, pids)], check=True, timeout=120,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def instructions(a, server, query):
    """User-space instructions per query of the whole process, counted while a.instruction_queries are
    answered; the start is not counted, and so is quick. With --top, the functions that cost most."""
    profiles = [f for f in os.listdir(server.dir) if f.startswith("profile.")]
    for file in profiles:
        os.unlink(server.path(file))
    server.start(wrapper=["valgrind", "-q", "--tool=callgrind", "--trace-children=yes", "--instr-atstart=no",
                          "--callgrind-out-file=" + server.path("profile.%p")])
    try:
        pids = server.pids()
        load = [a.build + "/tests/bench/udpflood", "-c", str(a.client_cpu), "-p", str(server.port),
                "-f", query_file(a, query), "-w", "64", "-b", "32", "-S", "1", "-T", "20000", "-m", "0", "-g"]
        callgrind_control(pids, "-i", "on")
        subprocess.run([*load, "-n", "2000"], stdout=subprocess.DEVNULL, check=True, timeout=300)
        callgrind_control(pids, "-z")
        out = subprocess.run([*load, "-n", str(a.instruction_queries)], stdout=subprocess.PIPE, text=True,
                             check=True, timeout=300).stdout
        callgrind_control(pids, "-d")
    finally:
        server.stop()
    answered, total, largest = json.loads(out)["recv"], 0, (0, "")
    for pid in pids:
        with open(server.path(f"profile.{pid}.1"), errors="replace") as f:
            found = re.search(r"^(?:totals|summary): (\d+)", f.read(), re.M)
        total += int(found[1])
        largest = max(largest, (int(found[1]), f.name))
    return total / answered, costliest(largest[1], answered, a.top) if a.top else []


def costliest(profile, answered, count):
    out = subprocess.run(["callgrind_annotate", "--auto=no", profile], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True).stdout
    lines = re.findall(r"^\s*([\d,]+) \([^)]*\)\s+(.*)$", out, re.M)[1:count + 1]
    return [(int(number.replace(",", "")) / answered, where.split(" [")[0]) for number, where in lines]
