"""Who takes part: the kinds of server by name, started and stopped together."""
import os
import re
import shutil
import subprocess
import sys

import measure
import ours
import peers
import servers

KINDS = {
    "echo": servers.Echo, "exec": servers.Exec,
    "gslbd": ours.Gslbd, "gslbd-geo": ours.GslbdGeo, "gslbd-geow": ours.GslbdGeoWeighted,
    "gslbd-full": ours.GslbdFull, "gslbd-city": ours.GslbdCity,
    "gdnsd": peers.Gdnsd, "gdnsd-geo": peers.GdnsdGeo, "gdnsd-geow": peers.GdnsdGeoWeighted,
    "knot": peers.Knot, "knot-geo": peers.KnotGeo, "nsd": peers.Nsd, "named": peers.Named, "pdns": peers.Pdns,
}
FAILURES = (RuntimeError, OSError, subprocess.SubprocessError)


def make(a, kind, index):
    name = re.split("[:@]", kind)[0]
    if name not in KINDS:
        sys.exit(f"unknown kind {kind} (known: {' '.join(sorted(KINDS))})")
    return KINDS[name]({**vars(a), "kind": kind}, index)


def is_installed(server):
    program = server.command()[0]
    return shutil.which(program, path=os.environ.get("PATH", "") + ":" + servers.DAEMONS) is not None


def start_all(a, kinds):
    """Those that are installed and start; the others are named."""
    running = []
    for index, kind in enumerate(kinds):
        server = make(a, kind, index)
        try:
            server.prepare()
            if not is_installed(server):
                print(f"# {kind}: {server.command()[0]} is not installed", flush=True)
                continue
            server.start()
            running.append(server)
            print(f"# {kind}: ready after {server.startup:.2f} s, {server.memory:.0f} MB", flush=True)
        except FAILURES as error:
            print(f"# {kind} FAILED: {str(error)[-800:]}", flush=True)
            server.stop()
    return running


def stop_all(running):
    for server in running:
        server.stop()


def count_instructions(a, kinds, query):
    """{kind: instructions per query of the whole process}"""
    counts = {}
    for kind in kinds:
        server = make(a, kind, 0)
        if server.is_echo:
            continue
        server.config["nice"] = 0
        try:
            server.prepare()
            if not is_installed(server):
                continue
            counts[kind], top = measure.instructions(a, server, query)
            print(f"# {kind}: {counts[kind]:.0f} instructions per query", flush=True)
            for count, where in top:
                print(f"    {count:8.1f}  {where}", flush=True)
        except FAILURES as error:
            print(f"# {kind} under callgrind FAILED: {str(error)[-800:]}", flush=True)
            server.stop()
    return counts
