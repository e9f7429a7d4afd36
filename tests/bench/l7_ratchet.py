#!/usr/bin/env python3
"""What a request costs forwarderd, held to limits: instructions of the worker in user space, or system calls.

usage: l7_ratchet.py instructions|syscalls BUILD LIMITS [--json FILE]

LIMITS has a line `kind connections limit` for each count, as for ratchet.py. Instructions are the worker's thread under
callgrind, libc included. System calls are those of the whole process, counted by the kernel's tracepoint where perf may
use it, else by strace. Exit 77: neither tool is there, or may not look at another process.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import l7_servers  # noqa: E402
import measure  # noqa: E402

KINDS = {"plain": ("base", "bytes=128"), "deny": ("deny", "path=/128")}
SKIP = 77


class Setting:
    """An origin and a forwarderd in a folder of their own."""

    def __init__(self, build, folder, task):
        config = {"kind": "ours", "work": str(folder), "build": build, "names": 100, "shared": 0, "mmdb": None, "cpu": 0,
                  "nice": 0, "port": 0, "origin": None, "task": task, "tls": False, "certificates": None}
        self.build, self.started = build, []
        self.origin = l7_servers.Origin({**config, "kind": "origin", "cpu": os.cpu_count() - 1}, 0)
        self.origin.prepare()
        self.proxy = l7_servers.Ours({**config, "origin": self.origin.port}, 1)
        self.proxy.prepare()

    def start(self, wrapper=()):
        for server, wrap in ((self.origin, ()), (self.proxy, wrapper)):
            self.started.append(server)
            server.start(wrapper=wrap, timeout=60)

    def stop(self):
        for server in self.started:
            server.stop()

    def client(self, connections, load, seconds):
        return [self.build + "/tests/bench/l7_client", "-d", str(seconds), "-W", "0", "-g",
                f"to={self.proxy.port},mode=keep,connections={connections},tenants=100,host={l7_servers.host('%u')},{load}"]


def completed(out):
    group = json.loads(out[out.index("{"):])["groups"]["load"]
    if group["errors"]:
        sys.exit(f"errors of the load: {group['errors']}")
    return group["completed"]


def run(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True,
                          timeout=300).stdout


def count_instructions(build, folder, task, connections, load):
    setting = Setting(build, folder, task)
    profile = folder / "profile"
    try:
        setting.start(["valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", "--instr-atstart=no",
                       f"--callgrind-out-file={profile}"])
        pids = [setting.proxy.process.pid]
        measure.callgrind_control(pids, "-i", "on")
        run(setting.client(connections, load, 2))  # what is done but once is done
        measure.callgrind_control(pids, "-z")
        requests = completed(run(setting.client(connections, load, 4)))
        measure.callgrind_control(pids, "-d")
    finally:
        setting.stop()
    counts = [int(number) for file in folder.glob("profile*")
              for number in re.findall(r"^(?:totals|summary): (\d+)", file.read_text(errors="replace"), re.M)]
    if not counts or requests < 1000:
        sys.exit(f"nothing was counted: {requests} requests")
    return max(counts) / requests  # the worker has most of them


def with_perf(setting, command):
    """(system calls, what the command wrote), or None where perf may not."""
    if not shutil.which("perf"):
        return None
    result = subprocess.run(["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p",
                             str(setting.proxy.process.pid), "--", *command], stdin=subprocess.DEVNULL, text=True,
                            capture_output=True, timeout=300)
    found = re.search(r"^(\d+),.*raw_syscalls", result.stderr, re.M)
    return (int(found[1]), result.stdout) if found and result.returncode == 0 else None


def with_strace(setting, command, folder):
    if not shutil.which("strace"):
        return None
    table = folder / "strace"
    with subprocess.Popen(["strace", "-q", "-c", "-f", "-o", table, "-p", str(setting.proxy.process.pid)],
                          stderr=subprocess.PIPE, text=True) as tracer:
        deadline = time.monotonic() + 10
        traced = pathlib.Path(f"/proc/{setting.proxy.process.pid}/status")
        while "TracerPid:\t0\n" in traced.read_text():
            if tracer.poll() is not None or time.monotonic() > deadline:
                return None
            time.sleep(0.01)
        out = run(command)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(30)
    found = re.search(r"^\s*100\.00\s+\S+\s+(?:\S+\s+)?(\d+)(?:\s+\d+)?\s+total", table.read_text(), re.M)
    return (int(found[1]), out) if found else None


def count_syscalls(build, folder, task, connections, load):
    setting = Setting(build, folder, task)
    try:
        setting.start()
        run(setting.client(connections, load, 1))  # connections to the origin stand
        command = setting.client(connections, load, 3)
        counted = with_perf(setting, command) or with_strace(setting, command, folder)
    finally:
        setting.stop()
    if not counted:
        print("neither perf nor strace may count system calls here")
        sys.exit(SKIP)
    return counted[0] / completed(counted[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["instructions", "syscalls"])
    parser.add_argument("build")
    parser.add_argument("limits", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, help="the profiles stay in this folder")
    arguments = parser.parse_args()
    if arguments.what == "instructions" and not shutil.which("valgrind"):
        return SKIP
    limits = read_limits(arguments.limits)
    errors, rows = [], []
    for (kind, connections), limit in limits.items():
        task, load = KINDS[kind]
        with tempfile.TemporaryDirectory() as folder:
            work = arguments.keep / kind if arguments.keep else pathlib.Path(folder)
            work.mkdir(parents=True, exist_ok=True)
            count = (count_instructions if arguments.what == "instructions" else count_syscalls)(
                os.path.abspath(arguments.build), work, task, connections, load)
        rows.append({"kind": kind, "connections": connections, "count": count, "limit": limit})
        print(f"{kind}, {connections} connections: {count:.2f} {arguments.what} a request, at most {limit:g}", flush=True)
        if count > limit:
            errors.append(f"{kind}: {count:.2f} {arguments.what} a request, at most {limit:g}: find what costs more")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    print("\n".join(errors))
    return bool(errors)


def read_limits(path):
    """{(kind, connections): limit}; system calls have fractions."""
    limits = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 3 or words[0] not in KINDS or not words[1].isdigit() or not re.fullmatch(r"\d+(\.\d+)?", words[2]):
            sys.exit(f"{path}:{number}: not `kind connections limit`")
        limits[words[0], int(words[1])] = float(words[2])
    return limits


if __name__ == "__main__":
    sys.exit(main())
