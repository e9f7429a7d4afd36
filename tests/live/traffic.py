"""Traffic through forwarderd for the live tests: origins that can be told what to do and remember what came, a
client that counts, and the forwarder between them.

Origins and clients are tasks of one asyncio loop, so a test sees all of them at one clock.
"""

import asyncio
import collections
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import stack

FORWARDERD = pathlib.Path(os.environ.get("GSLB_FORWARDERD", stack.BUILD / "forwarder" / "forwarderd"))
ZONE = "app.example.net"

Response = collections.namedtuple("Response", "status fields body seconds at")  # at: the loop's clock


async def read_head(reader):
    """First line and fields (names in lower case, values in a list)."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = collections.defaultdict(list)
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip().lower()].append(value.strip())
    return lines[0], fields


async def read_body(reader, fields):
    if "transfer-encoding" in fields:
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return body
    return await reader.readexactly(int(fields.get("content-length", ["0"])[0]))


class Origin:
    """What it does is said by the path of a request (/slow/MS, /bytes/N, /status/N, /close), or for all of them by
    `mode`: ok, hang, a status. `saw` lists (method, path, fields) of each request that came whole, `times` when."""

    def __init__(self, label):
        self.label, self.mode, self.server, self.port = label, "ok", None, 0
        self.delay = 0.0  # of each answer
        self.closes_after = None  # requests a connection
        self.saw, self.times = [], []
        self.in_flight = self.most_in_flight = 0
        self.connections = set()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self.server.sockets[0].getsockname()[1]

    def kill(self):
        """As a process that is gone: nothing listens, all connections are reset."""
        self.server.close()
        for writer in self.connections:
            writer.transport.abort()

    async def serve(self, reader, writer):
        self.connections.add(writer)
        try:
            for _ in range(self.closes_after or 1 << 62):
                line, fields = await read_head(reader)
                method, path, _ = line.split(" ")
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    body = await read_body(reader, fields)
                    self.saw.append((method, path, fields))
                    self.times.append(time.monotonic())
                    if "upgrade" in fields:
                        await self.talk(reader, writer)
                        return
                    await self.answer(reader, writer, method, path, len(body))
                finally:
                    self.in_flight -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()

    async def talk(self, reader, writer):
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        while octets := await reader.read(65536):
            writer.write(octets)

    async def answer(self, reader, writer, method, path, got):
        words = path.split("?")[0].strip("/").split("/")
        status, body = 200, f"{self.label} {got}\n".encode()
        if self.mode == "hang" or words[0] == "hang":
            await reader.read(1)  # until the forwarder gives up
            raise ConnectionError
        if words[0] == "close":
            raise ConnectionError
        if words[0] == "slow":
            await asyncio.sleep(int(words[1]) / 1000)
        if self.delay:
            await asyncio.sleep(self.delay)
        if words[0] == "bytes":
            body = bytes(int(words[1]))
        if words[0] == "status":
            status = int(words[1])
        if self.mode != "ok":
            status = int(self.mode)
        writer.write(b"HTTP/1.1 %d Word\r\nContent-Length: %d\r\nX-Origin: %s\r\n\r\n"
                     % (status, len(body), self.label.encode()))
        writer.write(body if method != "HEAD" else b"")
        await writer.drain()

    def counts(self, method="GET"):
        return sum(1 for m, _, _ in self.saw if m == method)


class Client:
    """Kept connections of one source address; any number of requests at a time."""

    def __init__(self, forwarder, source="127.0.0.1"):
        self.forwarder, self.source = forwarder, source
        self.idle = []

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.forwarder.port, local_addr=(self.source, 0))

    async def request(self, tenant, path="/", method="GET", body=b"", fields=()):
        """One request; its connection is kept. ConnectionError or IncompleteReadError: no answer came."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        reader, writer = self.idle.pop() if self.idle else await self.connect()
        head = f"{method} {path} HTTP/1.1\r\nHost: {tenant}.{ZONE}\r\n"
        if body or method in ("POST", "PUT"):
            head += f"Content-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields)
        try:
            writer.write(head.encode() + b"\r\n" + body)
            line, got = await read_head(reader)
            status = int(line.split(" ")[1])
            if "content-length" in got or "transfer-encoding" in got:
                answer = await read_body(reader, got) if method != "HEAD" else b""
            else:
                answer = b"" if status == 101 else await reader.read()
        except BaseException:
            # With a reset: behind a mere end the answer is still wanted.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            raise
        if status == 101:
            got["socket"] = (reader, writer)
        elif got.get("connection", [""])[0].lower() == "close":
            writer.close()
        else:
            self.idle.append((reader, writer))
        return Response(status, got, answer, loop.time() - start, loop.time())

    async def many(self, count, *arguments, **named):
        """All at once."""
        return await asyncio.gather(*(self.request(*arguments, **named) for _ in range(count)))

    async def offer(self, per_second, seconds, *arguments, **named):
        """At a rate, whatever comes back (open loop); exceptions stand where an answer would."""
        loop = asyncio.get_running_loop()
        start, tasks = loop.time(), []
        for i in range(int(per_second * seconds)):
            wait = start + i / per_second - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(self.request(*arguments, **named)))
        return await asyncio.gather(*tasks, return_exceptions=True)

    def close(self):
        for _, writer in self.idle:
            writer.close()
        self.idle = []


class Forwarder:
    """forwarderd by itself, or with a gslbd (`control`): a node.yaml and a fleet of one service, whose pools name Origin
    objects."""

    def __init__(self, fleet, workers=1, tickets=None, control=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="gslb-traffic-"))
        self.port, self.process = stack.free_port(), None
        self.write(fleet)
        (self.directory / "node.yaml").write_text(json.dumps({
            "node": {"name": "fwd-1", "region": "eu", "state_dir": str(self.directory / "state")},
            **({"control": {"api": control}} if control else {"fleet": ["fleet.yaml"]}),
            "forwarder": {"http": [f"127.0.0.1:{self.port}"], "workers": workers, "per_client": 0,
                          "leave": "0s", "drain": "5s"} | ({"tickets": "tickets"} if tickets else {}),
        }))
        if tickets:
            (self.directory / "tickets").write_text(tickets)
            (self.directory / "tickets").chmod(0o600)
        (self.directory / "state").mkdir()

    def write(self, fleet):
        (self.directory / "fleet.yaml").write_text(json.dumps(fleet))

    def start(self):
        self.log = open(self.directory / "log", "wb")
        self.process = subprocess.Popen([FORWARDERD, "-c", self.directory / "node.yaml"], stderr=self.log)
        stack.until(self.listens, what="forwarderd")
        return self

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError("forwarderd: " + (self.directory / "log").read_text())
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def reload(self, fleet):
        self.write(fleet)
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        text = (self.directory / "log").read_text()
        shutil.rmtree(self.directory)
        if self.process.returncode:
            raise AssertionError(f"forwarderd ended with {self.process.returncode}: {text}")


def fleet_of(pools, tenants, routes=None, tiers=None):
    """pools: {name: {settings…, "origins": [Origin or (Origin, weight)]}}; tenants: {id: what it has beside its zone}."""
    written = {}
    for name, pool in pools.items():
        written[name] = {key: value for key, value in pool.items() if key != "origins"}
        written[name]["eu"] = [
            {"address": each[0].address, "weight": each[1]} if isinstance(each, tuple) else each.address
            for each in pool["origins"]]
    return {
        "regions": {"eu": {"at": [50, 8]}},
        "zones": {ZONE: {"text": "@ 60 SOA . . 1 1 1 1 1\n@ 60 NS ns.example."}},
        "checks": {"quick": {"type": "tcp", "port": 1, "interval": "1s", "timeout": "500ms", "rise": 2, "fall": 2}},
        "services": {"shop": {"vips": {"eu": ["192.0.2.1"]}, "origins": written,
                              "routes": routes or [{"origins": next(iter(pools))}]}},
        "tiers": tiers or {},
        "tenants": {name: {"zone": ZONE, "service": "shop"} | own for name, own in tenants.items()},
    }


class TrafficCase(stack.unittest.IsolatedAsyncioTestCase):
    """`self.origins(n)`, then `self.forward(…)`, then clients; all is ended behind the test."""

    async def origins(self, count):
        origins = [Origin(f"o{i}") for i in range(count)]
        for origin in origins:
            await origin.start()
            self.addCleanup(origin.kill)
        return origins

    async def forward(self, pools, tenants, workers=1, tickets=None, **parts):
        self.forwarder = Forwarder(fleet_of(pools, tenants, **parts), workers, tickets)
        self.addCleanup(self.forwarder.stop)
        await asyncio.to_thread(self.forwarder.start)
        return self.client()

    def client(self, source="127.0.0.1"):
        client = Client(self.forwarder, source)
        self.addCleanup(client.close)
        return client

    def assert_refused(self, response, status, word):
        self.assertEqual(response.status, status)
        self.assertIn(f"details={word}", response.fields["proxy-status"][0])

    async def until(self, condition, seconds=10.0, what="the condition"):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"{what} did not come within {seconds} s")
            await asyncio.sleep(0.01)


def statuses(responses):
    """How often which status came; "none" where no answer did."""
    return collections.Counter(r.status if isinstance(r, Response) else "none" for r in responses)


def main():
    stack.unittest.main(verbosity=2)
