"""A forwarderd on loopback for the live tests: its files, its origins and raw connections to it.

Origins are threads of the test: what they got and what they answer is seen and said here.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import stack

FORWARDERD = stack.BUILD / "forwarder" / "forwarderd"


class Origin:
    """Listens on a port of its own; `serve` is called with each connection, in a thread."""

    def __init__(self, serve=None, address="127.0.0.1", port=0):
        self.serve = serve or self.answer
        self.requests = []  # what answer() got, one text each
        self.connections = 0
        self.open = set()
        self.body = b"hello\n"
        self.delay = 0.0
        self.status = b"200 OK"
        self.lock = threading.Lock()
        self.listener = None
        self.address = address
        self.port = port
        self.start()

    def start(self):
        self.listener = socket.create_server((self.address, self.port), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, args=(self.listener,), daemon=True).start()

    def run(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections += 1
                self.open.add(connection)
            threading.Thread(target=self.run_one, args=(connection,), daemon=True).start()

    def run_one(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.close()

    def answer(self, connection):
        """Plain HTTP/1.1: reads requests with Content-Length or chunks and answers each with self.body."""
        reader = connection.makefile("rb")
        while True:
            head = read_head(reader)
            if not head:
                return
            fields = parse_fields(head)
            body = b""
            if fields.get("transfer-encoding") == "chunked":
                body = read_chunks(reader)
            elif "content-length" in fields:
                body = reader.read(int(fields["content-length"]))
            with self.lock:
                self.requests.append((head.decode("latin-1"), body))
            if self.delay:
                time.sleep(self.delay)
            answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (self.status, len(self.body))
            connection.sendall(answer if head.startswith(b"HEAD ") else answer + self.body)

    def where(self):
        return f"{self.address}:{self.port}"

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def read_head(reader):
    """The octets up to and with the empty line; b"" at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            return b""
        head += line
    return head


def parse_fields(head):
    fields = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            fields[name.lower()] = value.strip()
    return fields


def read_chunks(reader):
    body = b""
    while True:
        size = int(reader.readline().split(b";")[0], 16)
        if size == 0:
            while reader.readline() not in (b"\r\n", b""):
                pass
            return body
        body += reader.read(size)
        reader.readline()


class Answer:
    def __init__(self, head, body, is_closed):
        self.head, self.body, self.is_closed = head, body, is_closed
        self.status = int(head.split(b" ", 2)[1]) if head else None
        self.fields = parse_fields(head)

    @property
    def reason(self):
        """The forwarder's own word for why it answered by itself; None: an origin did."""
        status = self.fields.get("proxy-status", "")
        return status.partition("details=")[2] or None


class Client:
    """One connection, and answers read from it one after the other."""

    def __init__(self, where, timeout=10, wrap=None, source=None):
        address, port = where.rsplit(":", 1)
        self.socket = socket.create_connection((address.strip("[]"), int(port)), timeout,
                                               source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if wrap:
            self.socket = wrap(self.socket)
        self.reader = self.socket.makefile("rb")

    def send(self, octets):
        self.socket.sendall(octets)
        return self

    def read(self, method="GET"):
        """The next final answer; head b"" where the connection ended instead."""
        head = read_head(self.reader)
        while head.startswith(b"HTTP/1.1 1") and not head.startswith(b"HTTP/1.1 101"):
            head = read_head(self.reader)
        if not head:
            return Answer(b"", b"", True)
        fields = parse_fields(head)
        status = int(head.split(b" ", 2)[1])
        if method == "HEAD" or status in (101, 204, 304):
            body = b""
        elif fields.get("transfer-encoding") == "chunked":
            body = read_chunks(self.reader)
        elif "content-length" in fields:
            body = self.reader.read(int(fields["content-length"]))
        else:
            body = self.reader.read()
        return Answer(head, body, fields.get("connection") == "close")

    def is_closed(self, seconds=3):
        """Whether the other side ends the connection within that time, without another octet."""
        self.socket.settimeout(seconds)
        try:
            return self.reader.read(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.reader.close()
        self.socket.close()


class Forwarder:
    """One forwarderd with its files. `fleet` and `node` are dictionaries; JSON text is YAML as well."""

    def __init__(self, fleet, node=None, region="eu"):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="gslb-forwarder-"))
        (self.directory / "state").mkdir()
        self.fleet = fleet
        self.node = {
            "node": {"name": "fwd-1", "region": region, "state_dir": "state"},
            "fleet": ["fleet.yaml"],
            "admin": {"socket": "forwarder.sock"},
            "forwarder": {"http": ["127.0.0.1:0"]},
        }
        for key, value in (node or {}).items():
            self.node[key] = {**self.node.get(key, {}), **value} if isinstance(value, dict) else value
        self.socket = str(self.directory / "state" / "forwarder.sock")
        self.log_path = self.directory / "forwarderd.log"
        self.process = None
        self.wrapper = []
        self.http = self.https = None
        self.write()

    def write(self):
        (self.directory / "fleet.yaml").write_text(json.dumps(self.fleet, indent=1))
        (self.directory / "node.yaml").write_text(json.dumps(self.node, indent=1))

    def start(self, seconds=15.0):
        self.log_start = len(self.log())
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.wrapper, str(FORWARDERD), "-c", str(self.directory / "node.yaml")],
                                            stdout=log, stderr=log)
        stack.until(self.is_serving, seconds, "forwarderd being ready")
        return self

    def is_serving(self):
        """Its log says where it listens, whoever chose the ports."""
        if self.process.poll() is not None:
            raise AssertionError(f"forwarderd ended with {self.process.returncode}:\n{self.log()}")
        said = self.log()[self.log_start:]
        if " serving" not in said:
            return False
        found = dict((kind, where) for where, kind in re.findall(r"listening on (\S+) \((https?)\)", said)[::-1])
        self.http, self.https = found.get("http"), found.get("https")
        return True

    def api(self, method, path, body=None):
        connection = stack.UnixConnection(self.socket)
        connection.response_class = stack.http.client.HTTPResponse
        try:
            data = json.dumps(body).encode() if body is not None else None
            connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            reply = connection.getresponse()
            text = reply.read()
            kind = reply.headers.get("Content-Type", "")
            return reply.status, json.loads(text) if kind.endswith("json") else text.decode()
        finally:
            connection.close()

    def reload(self):
        self.write()
        return self.api("POST", "/v1/reload")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def client(self, **more):
        return Client(self.http, **more)

    def terminate(self, seconds=40):
        before = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds), time.monotonic() - before

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """forwarderd must end well by itself: a sanitizer speaks through its exit code."""
        code = 0
        if self.process and self.process.poll() is None:
            # Connections that tests left open are not waited for.
            try:
                code, _ = self.terminate()
            except subprocess.TimeoutExpired:
                code = "no answer to SIGTERM"
                self.kill()
        log = self.log()
        shutil.rmtree(self.directory, ignore_errors=True)
        if code != 0:
            raise AssertionError(f"forwarderd ended with {code}:\n{log[-4000:]}")


def request(path="/", host="acme.app.example.net", method="GET", version="1.1", more=(), body=None):
    """The octets of a request; a body is sent with its length."""
    lines = [f"{method} {path} HTTP/{version}", f"Host: {host}", *more]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def fleet(origins, pool=None, service=None, tenants=None, **more):
    """A fleet of one service and one pool; `origins` are Origin objects or texts."""
    where = [origin.where() if isinstance(origin, Origin) else origin for origin in origins]
    return {
        "regions": {"eu": {"at": [50.11, 8.68]}, "us": {"at": [38.95, -77.45]}},
        "zones": {"app.example.net": {"text": stack.ZONE_TEXT.replace("alias   IN CNAME acme\n", "")}},
        "services": {"shop": {"vips": {"eu": ["192.0.2.10"], "us": ["192.0.2.20"]},
                              "routes": [{"origins": "web"}],
                              "origins": {"web": {"eu": where, **(pool or {})}}, **(service or {})}},
        "tenants": tenants or {"acme": {"zone": "app.example.net", "service": "shop"},
                               "blue": {"zone": "app.example.net", "service": "shop"}},
        **more,
    }


class ForwarderTest(unittest.TestCase):
    """`origin` and `forwarder` for each test; whatever else is used ends with the test."""

    drain = "1s"

    def setUp(self):
        self.ends = contextlib.ExitStack()
        self.addCleanup(self.ends.close)

    def use(self, thing):
        self.ends.callback(thing.stop)
        return thing

    def make(self, fleet_document, node=None, **more):
        node = {**(node or {})}
        node["forwarder"] = {"drain": self.drain, "leave": "0s", **node.get("forwarder", {})}
        node["forwarder"].setdefault("http", ["127.0.0.1:0"])
        return self.use(Forwarder(fleet_document, node, **more)).start()

    def ask(self, forwarder, octets=None, **words):
        """One request on a connection of its own."""
        client = forwarder.client()
        try:
            return client.send(octets or request(**words)).read(words.get("method", "GET"))
        finally:
            client.close()
