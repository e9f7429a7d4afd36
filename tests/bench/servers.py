"""A server under test: configured, started, pinned to one core, watched and stopped.

Every class writes its own configuration below its directory, runs in the foreground with one worker,
and is named by a kind such as "knot-geo" or "echo:32". peers.py has the others, ours.py has gslbd.
"""
import json
import os
import random
import re
import shlex
import signal
import socket
import struct
import subprocess
import time

import data

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
DAEMONS = "/usr/sbin:/sbin"  # where Debian keeps them
SOCKET_BUFFER = 1 << 20  # octets that every server asks the kernel for, in each direction


def udp_query(port, name, timeout=0.05):
    """(rcode, [A addresses]) or None."""
    query = struct.pack(">H", random.randrange(65536)) + data.query(data.wire(name), 1, data.opt())[2:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        try:
            client.connect(("127.0.0.1", port))  # so that a closed port answers at once
            client.send(query)
            while True:
                reply = client.recv(4096)
                if reply[:2] == query[:2]:
                    return reply[3] & 15, addresses(reply)
        except OSError:
            return None


def free_port():
    """One that the kernel gives, for UDP and for TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            return udp.getsockname()[1]


def addresses(reply):
    at = 12
    while reply[at]:
        at += reply[at] + 1
    at += 5
    out = []
    for _ in range(struct.unpack(">H", reply[6:8])[0]):
        while reply[at] and reply[at] < 0xc0:
            at += reply[at] + 1
        at += 2 if reply[at] >= 0xc0 else 1
        kind, _, _, length = struct.unpack(">HHIH", reply[at:at + 10])
        if kind == 1:
            out.append(struct.unpack(">I", reply[at + 10:at + 14])[0])
        at += 10 + length
    return out


def descendants(pid):
    out, todo = [], [pid]
    while todo:
        one = todo.pop()
        out.append(one)
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children") as f:
                    todo += [int(x) for x in f.read().split()]
        except OSError:
            pass
    return out


class Server:
    workload = "static"   # or "geo": answers by the client's region
    members = 1           # addresses a region, of which one is answered
    is_echo = False

    def __init__(self, config, index):
        """config: kind, work, build, names, shared, mmdb, cpu, nice, port, exec, checks."""
        self.config, self.kind = config, config["kind"]
        self.port = config["port"] + index if config["port"] else free_port()
        self.names, self.shared, self.mmdb = config["names"], config["shared"], config["mmdb"]
        self.dir = os.path.join(config["work"], f"{index}-" + re.sub(r"\W", "_", self.kind))
        self.process = self.startup = self.memory = None
        os.makedirs(self.dir, exist_ok=True)

    # ---- for the classes below

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as f:
            f.write(text)

    def own(self, tenant):
        """The number of the tenant's set of addresses."""
        return tenant % self.shared if self.shared else tenant

    def sets(self):
        return min(self.shared or self.names, self.names)

    def address(self, number, region, member=0):
        return data.ip4(data.vip(number, region, member))

    def write_zone(self, name):
        """The static zone: every name has the address of the default region."""
        data.write_zone(self.path(name), self.names,
                        lambda i: "A " + self.address(self.own(i), data.DEFAULT_REGION))

    def run(self, *argv):
        result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
        if result.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {result.stdout[-2000:]}")
        return result.stdout

    def prepare(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        """The last name is answered."""
        reply = udp_query(self.port, f"{data.tenant(self.names - 1)}.{data.ORIGIN}")
        return reply and reply[0] == 0 and (reply[1] or self.is_echo)

    # ---- life

    def start(self, wrapper=(), timeout=600):
        """Returns when the last name is answered."""
        environment = dict(os.environ, PATH=os.environ.get("PATH", "") + ":" + DAEMONS)
        pin = ["taskset", "-c", str(self.config["cpu"])]
        nice = ["nice", "-n", str(self.config["nice"])] if self.config["nice"] else []
        began = time.monotonic()
        with open(self.path("log"), "wb") as log:
            self.process = subprocess.Popen([*nice, *pin, *wrapper, *self.command()], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, cwd=self.dir, env=environment)
        while not self.is_ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.kind} ended: {self.tail()}")
            if time.monotonic() - began > timeout:
                self.stop()
                raise RuntimeError(f"{self.kind} is not ready: {self.tail()}")
            time.sleep(0.002)
        self.startup = time.monotonic() - began
        self.memory = self.memory_mb()

    def tail(self):
        with open(self.path("log"), errors="replace") as f:
            return f.read()[-1500:]

    def pids(self):
        return descendants(self.process.pid)

    def cpu_ns(self):
        """Of the threads that live: exact, for samples."""
        total = 0
        for pid in self.pids():
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                        total += int(f.read().split()[0])
            except OSError:
                pass
        return total

    def cpu_s(self):
        """Of the process with the threads that ended, in steps of the clock's ticks."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS

    def memory_mb(self):
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
            except OSError:
                pass
        return total / 1024

    def stop(self):
        if self.process is None:
            return
        pids = self.pids()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            self.process.wait(20)
        self.process = None


class Echo(Server):
    """echo:BATCH[:ADD_BYTES]: the bare socket path, the floor, with buffers as large as ours."""
    is_echo = True

    def prepare(self):
        part = self.kind.split(":")[1:] + ["", ""]
        self.batch, self.add = part[0] or "32", part[1] or "16"

    def command(self):
        return [self.config["build"] + "/tests/bench/udpecho", "-p", str(self.port), "-b", self.batch, "-a", self.add,
                "-r", str(SOCKET_BUFFER)]


class Exec(Server):
    """exec:NAME, any other server: command templates from the file given with --exec-file.

    {"NAME": {"prepare": "…", "command": "…", "workload": "geo"}}
    Templates see {port} {dir} {names} {shared} {mmdb} {origin} {zone} {tenants}: `zone` is a static zone
    file, `tenants` a CSV of name,region,address; both are written when named.
    """

    def prepare(self):
        templates = self.config["exec"][self.kind.split(":", 1)[1]]
        self.workload = templates.get("workload", "static")
        values = {"port": self.port, "dir": self.dir, "names": self.names, "shared": self.shared,
                  "mmdb": self.mmdb, "origin": data.ORIGIN, "zone": self.path("zone"),
                  "tenants": self.path("tenants.csv")}
        text = json.dumps(templates)
        if "{zone}" in text:
            self.write_zone("zone")
        if "{tenants}" in text:
            self.write("tenants.csv", "".join(
                f"{data.tenant(i)}.{data.ORIGIN},{region},{self.address(self.own(i), number)}\n"
                for i in range(self.names) for number, region in enumerate(data.REGIONS)))
        if "prepare" in templates:
            self.run("sh", "-c", templates["prepare"].format(**values))
        self.argv = shlex.split(templates["command"].format(**values))

    def command(self):
        return self.argv
