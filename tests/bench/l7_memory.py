"""Rows of `run l7` about memory: idle connections, certificates, tenants. PSS of all processes of a proxy."""
import argparse
import json
import subprocess
import threading

import l7_servers
import report

IDLE_KB = {"plain": 0.7, "tls": 13.5}
CERTIFICATES_MB, CERTIFICATES_S, TENANTS_MB = 60, 3, 300
OURS = "ours"
MANY = 10000
HOLD_S = 60


def hold(a, server, tls, connections):
    """(KB for each of so many idle connections that had one request, MB in all)"""
    before = server.memory_mb()
    port = server.tls_port if tls else server.port
    group = (f"to={port},tls={int(tls)},mode=hold,connections={connections},tenants={server.names},from=64,"
             f"host={l7_servers.host('%u')},timeout=60000,opening=32")
    client = subprocess.Popen([a.build + "/tests/bench/l7_client", "-c", str(a.client_cpu), "-d", "0", "-W", "0", "-g",
                               group], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    late = threading.Timer(HOLD_S, client.terminate)
    late.start()
    try:
        while not (line := client.stdout.readline()).startswith("held"):
            if not line:
                raise RuntimeError(f"{server.kind}: {connections} connections did not stand within {HOLD_S} s")
        late.cancel()
        after = server.memory_mb()
    finally:
        out = client.communicate()[0]
    group = json.loads(out[out.index("{"):])["groups"]["load"]
    if group["closed_while_held"] or group["errors"]:
        raise RuntimeError(f"{server.kind}: {group['closed_while_held']} closed, {group['errors']}")
    return (after - before) * 1024 / connections, after


def fresh(a, lines, kind, names, tls):
    """One of its own, for memory that was in use once is not given back."""
    return lines.start(lines.kinds[kind], lines.changes(kind, "base", names, tls))


def proxies(a, lines):
    return [kind for kind in a.kinds if not lines.kinds[kind].is_floor]


def measure_idle(a, out, lines):
    found = {"plain": {}, "tls": {}}
    rows = []
    for number in range(1 if a.quick else 3):
        for kind in proxies(a, lines):
            for what in found:
                server = fresh(a, lines, kind, 100, what == "tls")
                try:
                    kb, mb = hold(a, server, what == "tls", a.idle)
                finally:
                    server.stop()
                found[what].setdefault(kind, []).append(kb)
                rows.append({"kind": kind, "what": what, "round": number, "KB each": round(kb, 2), "MB": round(mb, 1)})
    print("\n## idle connections\n")
    report.print_table(rows)
    for what, kinds in found.items():
        peers = {kind: report.median(values) for kind, values in kinds.items()}
        add(out, f"{a.idle:,} idle connections, {what}: KB each", peers, IDLE_KB[what])
    out.samples["idle"] = rows


def add(out, text, figures, aim, note=""):
    ours = figures.pop(OURS, None)
    if ours is None:
        out.rows.append({"what": text, "ours": None, "target": f"≤ {aim:g}", "is_ok": None, "peers": figures, "note": note})
    else:
        out.add(text, ours, at_most=aim, peers=figures, note=note)


def measure_certificates(a, out, lines):
    """All names are asked for once, so that what is loaded when it is needed is loaded."""
    memory, start, rows = {}, {}, []
    for kind in proxies(a, lines):
        server = fresh(a, lines, kind, MANY, True)
        try:
            after_start = server.memory_mb()
            subprocess.run([a.build + "/tests/bench/l7_client", "-c", str(a.client_cpu), "-d", "6", "-W", "0", "-g",
                            f"to={server.tls_port},tls=1,mode=new,connections=32,from=16,tenants={MANY},"
                            f"host={l7_servers.host('%u')}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
            memory[kind], start[kind] = server.memory_mb(), server.startup
        finally:
            server.stop()
        rows.append({"kind": kind, "MB at start": round(after_start), "MB": round(memory[kind]),
                     "ready after s": round(start[kind], 2)})
    print(f"\n## {MANY:,} certificates\n")
    report.print_table(rows)
    add(out, f"{MANY:,} certificates: MB", memory, CERTIFICATES_MB)
    add(out, f"{MANY:,} certificates: ready after s", start, CERTIFICATES_S)
    out.samples["certificates"] = rows


def measure_tenants(a, out, lines):
    text = f"{a.tenants:,} tenants: MB"
    if OURS not in a.kinds:
        out.rows.append({"what": text, "ours": None, "target": f"≤ {TENANTS_MB}", "is_ok": None, "peers": {},
                         "note": "only ours is measured"})
        return
    server = fresh(argparse.Namespace(**vars(a)), lines, OURS, a.tenants, False)
    try:
        seconds, mb = server.startup, server.memory_mb()
    finally:
        server.stop()
    out.add(text, mb, at_most=TENANTS_MB, note=f"ready after {seconds:.1f} s")
    out.samples["tenants"] = {"MB": mb, "start_s": seconds}
