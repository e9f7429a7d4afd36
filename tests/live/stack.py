"""A whole product on loopback for the live tests: state directory, files, gslbd, origins, clients.

Nothing here waits for a fixed time: whatever is awaited is a condition with a deadline.
"""

import http.client
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))

import dns  # noqa: E402
import openapi  # noqa: E402

BUILD = pathlib.Path(os.environ.get("GSLB_BUILD", ROOT / "build"))
GSLBD = BUILD / "gslb" / "gslbd"
GSLBCTL = BUILD / "tools" / "gslbctl"
GEO_DATA = pathlib.Path(os.environ.get("GSLB_GEO_DATA", ROOT / "geo-data"))

# What the API promises: every reply that a test reads is held against it.
CONTRACT = openapi.Contract(json.loads((BUILD / "gslb/api/openapi.json").read_text()))

# Sanitizers keep what was freed: then memory tells nothing.
IS_SANITIZED = GSLBD.exists() and b"__asan_init" in GSLBD.read_bytes()

ZONE = "app.example.net"
ZONE_TEXT = """\
$TTL 300
@       IN SOA ns1 hostmaster 1 7200 900 1209600 60
        IN NS  ns1
ns1     IN A   192.0.2.53
static  IN A   192.0.2.80
        IN TXT "hello"
alias   IN CNAME acme
"""
# Clients that the fleet itself places, so that most tests need no geo data.
LOCATIONS = {
    "10.1.0.0/16": {"at": [50.11, 8.68], "country": "DE", "continent": "EU"},
    "10.2.0.0/16": {"at": [38.95, -77.45], "country": "US", "continent": "NA"},
    "10.3.0.0/16": {"at": [1.35, 103.82], "country": "SG", "continent": "AS"},
}
REGIONS = {
    "eu": {"at": [50.11, 8.68], "country": "DE"},
    "us": {"at": [38.95, -77.45], "country": "US"},
    "ap": {"at": [1.35, 103.82], "country": "SG"},
}
CLIENTS = {"eu": "10.1.7.0/24", "us": "10.2.7.0/24", "ap": "10.3.7.0/24"}


def until(condition, seconds=10.0, what="the condition"):
    """Calls condition until it is true; returns its value. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {seconds} s")
        time.sleep(0.01)


def free_port(address="127.0.0.1"):
    """A port that is free for UDP and TCP right now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind((address, 0))
            try:
                udp.bind((address, tcp.getsockname()[1]))
            except OSError:
                continue
            return tcp.getsockname()[1]


def can_unshare(*flags):
    """Whether a namespace of one's own can be had here."""
    return subprocess.run(["unshare", *flags, "true"], capture_output=True).returncode == 0


class Origin:
    """A real HTTP server in its own process."""

    def __init__(self, address, port, label="origin"):
        self.address, self.port, self.label = address, port, label
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "origin.py"), self.address, str(self.port), self.label],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        if not self.process.stdout.readline():
            raise RuntimeError(f"origin {self.address} did not start")

    def set(self, word):
        self.process.stdin.write(word + "\n")
        if self.process.stdout.readline() != "done\n":
            raise RuntimeError(f"origin {self.address} is gone")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def stop(self):
        if self.process.poll() is None:
            self.kill()


class Crowd:
    """Origins on all of 127.0.0.0/8 at one port, in one process of its own (crowd.py)."""

    def __init__(self, delay_ms=0):
        self.process = subprocess.Popen([sys.executable, str(HERE / "crowd.py"), "0", str(delay_ms)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.port = int(self.process.stdout.readline())

    def set(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        return self.process.stdout.readline().strip()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


# gslbctl prints the reply to these calls unchanged.
CALLS = {"status": ("GET", "/v1/status"), "regions": ("GET", "/v1/regions"), "vips": ("GET", "/v1/vips"),
         "tenants": ("GET", "/v1/tenants"), "audit": ("GET", "/v1/audit"), "explain": ("POST", "/v1/explain")}


def check_reply(method, target, status, headers, body, is_plain=False):
    errors = CONTRACT.errors(method, target, status, headers, body, is_plain)
    if errors:
        raise AssertionError(f"{method} {target}: not as openapi.json has it: {errors[:10]}")


class ApiResponse(http.client.HTTPResponse):
    """A reply that fails the test when the API's description does not have it."""

    def read(self, amt=None):
        body = super().read(amt)
        if amt is None:
            check_reply(self.connection.method, self.connection.target, self.status, self.headers, body,
                        self.connection.is_plain)
        return body


class ApiConnection(http.client.HTTPConnection):
    is_plain = True  # to admin.http

    def putrequest(self, method, url, *words, **more):
        self.method, self.target = method, url
        super().putrequest(method, url, *words, **more)

    def response_class(self, *words, **more):
        response = ApiResponse(*words, **more)
        response.connection = self
        return response


class UnixConnection(ApiConnection):
    is_plain = False

    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Stack:
    """One gslbd with its files. `fleet` and `node` are dictionaries; JSON text is YAML as well."""

    def __init__(self, fleet, zones=None, node=None, geo=()):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="gslb-live-"))
        self.state = self.directory / "state"
        self.state.mkdir()
        self.socket = str(self.state / "gslb.sock")
        self.zones = {ZONE: ZONE_TEXT} if zones is None else zones
        self.fleet = dict(fleet)
        self.fleet.setdefault("zones", {name: {"file": f"{name}.zone"} for name in self.zones})
        self.node = {
            "node": {"name": "live-1", "state_dir": "state"},
            "fleet": ["fleet.yaml"],
            "geo": [str(path) for path in geo],
            "dns": {"listen": ["127.0.0.1@0"]},
            "admin": {"socket": "gslb.sock", "http": "127.0.0.1:0"},
            "probes": {"vantage": "live"},
        }
        for key, value in (node or {}).items():
            if value is None:
                self.node.pop(key, None)
            elif isinstance(value, dict) and key in self.node:
                self.node[key] = {**self.node[key], **value}
            else:
                self.node[key] = value
        self.origins = {}
        self.process = None
        self.client = None
        self.port = None
        self.log_path = self.directory / "gslbd.log"
        self.wrapper = []  # words before gslbd's own; they must end in exec, so that the process is gslbd
        self.environment = {}
        self.limits = {}  # resource.RLIMIT_X -> (soft, hard)
        self.write()

    def write(self):
        for name, text in self.zones.items():
            (self.directory / f"{name}.zone").write_text(text)
        (self.directory / "fleet.yaml").write_text(json.dumps(self.fleet, indent=1))
        (self.directory / "node.yaml").write_text(json.dumps(self.node, indent=1))

    # ---- the daemon ----

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, str(GSLBD), "-c", str(self.directory / "node.yaml")], stdout=log, stderr=log,
                env={**os.environ, **self.environment}, preexec_fn=self.set_limits if self.limits else None)

    def set_limits(self):
        for which, limit in self.limits.items():
            resource.setrlimit(which, limit)

    def start(self, seconds=15.0):
        self.spawn()
        until(self.is_ready, seconds, "gslbd being ready")
        self.find_listener()
        return self

    def find_listener(self):
        status = json.loads(self.ctl("status", "-o", "json").stdout)
        address, port = status["listeners"]["dns"][0].rsplit("@", 1)
        self.port = int(port)
        self.address = address
        if self.client:
            self.client.close()
        self.client = dns.Client(address, self.port)

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"gslbd ended with {self.process.returncode}:\n{self.log()}")
        try:
            return self.api("GET", "/v1/status")[1]["ready"]
        except OSError:
            return False

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def terminate(self, seconds=5):
        """SIGTERM; returns exit code and how long it took."""
        before = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        return code, time.monotonic() - before

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop_quietly(self):
        """SIGTERM, and it must end well."""
        code, _ = self.terminate()
        if code != 0:
            raise AssertionError(f"gslbd ended with {code}")

    def stop(self):
        """Ends all. gslbd must end well by itself: a sanitizer speaks through its exit code."""
        if self.client:
            self.client.close()
        code = 0
        if self.process and self.process.poll() is None:
            try:
                code, _ = self.terminate()
            except subprocess.TimeoutExpired:
                code = "no answer to SIGTERM"
                self.kill()
        for origin in self.origins.values():
            origin.stop()
        log = self.log()
        shutil.rmtree(self.directory, ignore_errors=True)
        if code != 0:
            raise AssertionError(f"gslbd ended with {code}:\n{log[-4000:]}")

    # ---- the operator ----

    def ctl(self, *words, code=0, text_in=None):
        """gslbctl with the stack's socket; fails when the exit code is another one."""
        done = subprocess.run([str(GSLBCTL), "--socket", self.socket, *words], capture_output=True,
                              text=True, timeout=30, input=text_in)
        if code is not None and done.returncode != code:
            raise AssertionError(f"gslbctl {' '.join(words)}: exit {done.returncode}, not {code}\n"
                                 f"{done.stdout}{done.stderr}\n{self.log()[-2000:]}")
        if done.returncode == 0 and words[0] in CALLS and "json" in words and "table" not in words:
            check_reply(*CALLS[words[0]], 200, {"Content-Type": "application/json"}, done.stdout.encode())
        return done

    def api(self, method, path, body=None, headers=None):
        """(status, JSON or text) of one call."""
        connection = UnixConnection(self.socket)
        try:
            data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
            kind = {"Content-Type": "application/json"} if isinstance(body, (dict, list)) else {}
            connection.request(method, path, data, {**kind, **(headers or {})})
            reply = connection.getresponse()
            text = reply.read()
            if text and reply.headers.get("Content-Type", "").endswith("json"):
                return reply.status, json.loads(text)
            return reply.status, text.decode()
        finally:
            connection.close()

    def page(self, path):
        """(status, text) of a page of admin.http."""
        host, port = self.api("GET", "/v1/status")[1]["listeners"]["http"].rsplit(":", 1)
        return self.page_at(host, int(port), path)

    @staticmethod
    def page_at(host, port, path):
        connection = ApiConnection(host, port, timeout=5)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    # ---- the clients ----

    def ask(self, name, kind="A", client=None, **more):
        name = name if name.endswith(".") else f"{name}.{ZONE}."
        return self.client.ask(name, kind, client, **more)

    def answer(self, name, client, kind="A"):
        return self.ask(name, kind, client).addresses

    def dig(self, *words):
        done = subprocess.run(["dig", f"@{self.address}", "-p", str(self.port), "+tries=1", "+time=3", *words],
                              capture_output=True, text=True, timeout=15)
        return done.stdout

    def kdig(self, *words):
        done = subprocess.run(["kdig", f"@{self.address}", "-p", str(self.port), "+retry=0", "+time=3", *words],
                              capture_output=True, text=True, timeout=15)
        return done.stdout


class World:
    """Three regions with one real origin each, and the fleet that names them."""

    def __init__(self, interval="500ms", timeout="300ms", per_region=1, **more):
        # A network of its own for every stack: two test programs never share a VIP.
        net = f"127.{random.randint(16, 250)}.{random.randint(0, 250)}"
        self.vips = {region: [f"{net}.{10 * (i + 1) + j}" for j in range(per_region)]
                     for i, region in enumerate(REGIONS)}
        self.port = free_port()
        self.fleet = {
            "regions": REGIONS,
            "locations": LOCATIONS,
            "checks": {"web": {"type": "http", "port": self.port, "path": "/healthz", "interval": interval,
                               "timeout": timeout, "rise": 2, "fall": 2}},
            "services": {"shop": {"check": "web", "ttl": "1s..20s", "vips": self.vips,
                                  "steering": more.pop("steering", {})}},
            "tenants": {
                "acme": {"zone": ZONE, "service": "shop"},
                "resident": {"zone": ZONE, "service": "shop", "regions": ["eu"]},
            },
        }
        self.more = more

    def start(self):
        stack = Stack(self.fleet, **self.more)
        stack.world = self
        for region, addresses in self.vips.items():
            for address in addresses:
                stack.origins[address] = Origin(address, self.port, region)
        try:
            return stack.start()
        except BaseException:
            stack.stop()
            raise


class StackTest(unittest.TestCase):
    """A test whose stack is stopped whatever happens; its log is shown when it failed."""

    def use(self, stack):
        self.addCleanup(stack.stop)
        self.addCleanup(self.show_log, stack)
        return stack

    def show_log(self, stack):
        outcome = self._outcome.result
        if any(test is self for test, _ in outcome.failures + outcome.errors):
            sys.stderr.write(stack.log()[-4000:])


def main():
    # Exit code 77 is a skipped test to meson.
    unittest.main(verbosity=2)
