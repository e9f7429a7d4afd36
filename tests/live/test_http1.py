#!/usr/bin/env python3
"""Octets of http1_cases.txt at a real forwarderd: the status, whether the connection goes on, and what arrives at an
origin that records: no message that could be read in two ways, and nothing of one that was refused.
"""
import os
import pathlib
import random
import re
import socket
import struct
import threading
import time
import unittest

import forwarders
import http1_wire as wire
import test_forwarder_tls
from stack import main, until

CASES = pathlib.Path(__file__).with_name("http1_cases.txt")
PATIENCE = 4  # of a client, in seconds; less than the forwarder's with an idle one

NAMES = ["a.example", "few.example", "gone.example"]
ZONE = "@ 300 IN SOA ns1 host 1 7200 900 1209600 60\n@ 300 IN NS ns1.net.\n"


def start(origin, **more):
    """`a.example` may do everything; `few.example` has two routes and small bodies; `gone.example` is suspended."""
    pool = {"web": {"eu": [origin.address], "idle": "20s"}}
    shop = {"vips": {"eu": ["192.0.2.1"]}, "origins": pool}
    routes = [{"exact": "/get", "method": "GET", "origins": "web"}, {"exact": "/p", "method": "POST", "origins": "web"}]
    fleet = {
        "regions": {"eu": {"at": [50.11, 8.68]}},
        "zones": {"example": {"text": ZONE}},
        "tiers": {"small": {"body": "64B"}},
        "services": {"shop": {**shop, "routes": [{"path": "/", "origins": "web"}]}, "few": {**shop, "routes": routes}},
        "tenants": {"a": {"zone": "example", "service": "shop"},
                    "few": {"zone": "example", "service": "few", "tier": "small"},
                    "gone": {"zone": "example", "service": "shop", "state": "suspended"}},
    }
    forwarder = forwarders.Forwarder(fleet, {"forwarder": {
        "http": ["127.0.0.1:0"], "leave": "0s", "drain": "1s", "per_client": 0,
        "timeouts": {"head": "1s", "body": "1s", "idle": "6s"}, **more}})
    try:
        return forwarder.start()
    except BaseException:
        forwarder.stop()
        raise


def cases_of(section):
    """(number of the line, its words and the octets as written)."""
    current = None
    for number, line in enumerate(CASES.read_text(encoding="ascii").splitlines(), 1):
        if line.startswith("["):
            current = line.strip("[]")
        elif line and line[0] != "#" and current == section:
            yield number, line


def made_up(rng, cases):
    """One or two of them behind each other, with some octets changed, lost, repeated or put elsewhere."""
    octets = bytearray(rng.choice(cases) + (rng.choice(cases) if rng.random() < 0.3 else b""))
    for _ in range(rng.randrange(1, 5)):
        at, other = rng.randrange(len(octets)), rng.randrange(len(octets))
        kind = rng.randrange(5)
        if kind == 0:
            octets[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            octets[at] = rng.choice(b"\r\n\0 \t:,;%/.0#\\\"\x80\x7f")
        elif kind == 2:
            del octets[at:at + rng.randrange(1, 4)]
        elif kind == 3:
            octets[at:at] = octets[other:other + rng.randrange(1, 30)]
        else:
            octets[at:at] = rng.choice([b"\r\n", b"\n", b"\r", b" ", b"chunked", b"Content-Length: 3\r\n", b"0\r\n\r\n"])
        if not octets:
            return b"GET"
    return bytes(octets)


class Client:
    """A connection to the forwarder that reads strictly."""

    def __init__(self, where, patience=PATIENCE, wrap=lambda sock: sock):
        address, port = where.rsplit(":", 1)
        sock = socket.create_connection((address, int(port)), timeout=patience)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = wrap(sock)
        self.stream = wire.Stream(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, octets):
        try:
            self.sock.sendall(octets)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the end of it

    def response(self, is_head=False):
        message = wire.Message(self.stream.until(b"\r\n\r\n"))
        if not re.fullmatch(rb"HTTP/1\.[01] [1-5][0-9][0-9] [\t -~\x80-\xff]*", message.start):
            raise AssertionError(f"status line {message.start!r}")
        message.status = int(message.start.split(b" ")[1])
        has_none = is_head or message.status < 200 or message.status in (204, 304)
        wire.read_body(self.stream, message, True, has_none)
        return message

    def is_closed(self):
        """The forwarder ends the connection by itself, and has sent no more."""
        try:
            return self.stream.rest() == b""
        except TimeoutError:
            return False

    def goes_on(self, name="a.example"):
        """Another request is answered: of the same tenant, for TLS is for one."""
        self.send(b"GET /after HTTP/1.1\r\nHost: %s\r\n\r\n" % name.encode())
        try:
            response = self.response()
        except (wire.Ended, TimeoutError):
            return False
        if name == "a.example":
            return response.status == 200 and response.body == b"ok"
        return response.status == (404 if name == "few.example" else 403)


class Sections(unittest.TestCase):
    """The sections of the case file; how a client is connected is said below."""

    @classmethod
    def setUpClass(cls):
        cls.refused = {}  # X-Request-ID of what we answered: whether its message may have begun at the origin
        cls.origin = wire.RecordingOrigin()
        cls.addClassCleanup(cls.origin.stop)
        cls.forwarder = start(cls.origin, **cls.more())
        cls.addClassCleanup(cls.forwarder.stop)

    @classmethod
    def more(cls):
        return {}

    def settle(self):
        """What the origin got of this case, and not of the probe behind it."""
        return [m for m in self.origin.take() if m.start.split(b" ")[1] != b"/after"]

    def assert_no_faults(self):
        faults, self.origin.faults = self.origin.faults, []
        self.assertEqual([], faults)

    # ---- requests ----

    def check_origin(self, expected, ids):
        """Our own answers and the origin's messages tell the same X-Request-ID: nothing of a refused one may come, not
        even later, so that is asked at the end of all."""
        for request_id in ids:
            self.refused[request_id] = expected == "~"
        messages = [m for m in self.settle() if m.get("X-Request-ID") not in self.refused]
        wanted = [] if expected in "-~" else re.split(r",(?=[A-Za-z]+:)", expected)
        if len(wanted) != len(messages):
            return [f"{len(messages)} messages at the origin, not {len(wanted)}"]
        errors = []
        for message, want in zip(messages, wanted):
            method, path, framing, body = re.fullmatch(r"([^:]+):(.*?):(none|\d+|chunked):(.*)", want).groups()
            body, _, trailers = body.partition("+")
            start = message.start.decode("latin-1").split(" ")
            got = (start[0], start[1] if path != "*" else "*", message.framing)
            if got != (method, path, framing) or not message.is_whole:
                errors.append(f"{got} at the origin, whole: {message.is_whole}")
            if body != "*" and message.body != wire.octets(body):
                errors.append(f"body {message.body!r}")
            if trailers != "*" and message.trailers != wire.octets(trailers):
                errors.append(f"trailers {message.trailers!r}")
        return errors

    def check_nothing_of_refused(self):
        for message in self.origin.seen:
            may_begin = self.refused.get(message.get("X-Request-ID"))
            if may_begin is not None and (message.is_whole or not may_begin):
                self.fail(f"refused, and at the origin: {message.raw!r}")

    @staticmethod
    def check_connection(response, is_last):
        said = response.get("Connection")
        is_said = "keep-alive" not in said if response.start.startswith(b"HTTP/1.0") else "close" in said
        return [] if is_said == is_last else [f"Connection: {said}"]

    def run_request(self, line):
        rule, expected, at_origin, text = line.split(" ", 3)
        errors, ids, is_head = [], [], text.startswith("HEAD ")
        name = next((n for n in NAMES if f"Host: {n}" in text), NAMES[0])
        with self.client(name) as client:
            client.send(wire.octets(text))
            for want in expected.split(","):
                for status in want.rstrip("kc").split("+"):
                    response = client.response(is_head)
                    if response.status != int(status):
                        errors.append(f"{response.start!r}, not {status}")
                if response.status >= 400:
                    ids.append(response.get("X-Request-ID"))
                    if not response.get("Proxy-Status").startswith("gslb;") or not ids[-1]:
                        errors.append("no Proxy-Status or no X-Request-ID")
                errors += self.check_connection(response, want.endswith("c"))
            if want.endswith("c") and not client.is_closed():
                errors.append("the connection is not closed")
            if want.endswith("k") and not client.goes_on(name):
                errors.append("the connection does not go on")
        return errors + self.check_origin(at_origin, ids)

    def run_section(self, section, run):
        count = 0
        for number, line in cases_of(section):
            count += 1
            with self.subTest(f"http1_cases.txt:{number}"):
                try:
                    errors = run(line)
                except (wire.Ended, TimeoutError) as error:
                    errors = [f"no answer: {error!r}"]
                    self.settle()
                self.assertEqual([], errors, line[:400])
        self.assert_no_faults()
        self.check_nothing_of_refused()
        return count

    # ---- responses ----

    REQUESTS = {
        "GET": b"GET %s HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "HEAD": b"HEAD %s HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "OLD": b"GET %s HTTP/1.0\r\nHost: a.example\r\n\r\n",
        "WS": b"GET %s HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    }

    def run_response(self, line):
        rule, expected, who, text = line.split(" ", 3)
        want, _, rest = expected.partition(":")
        framing, _, body = rest.partition(":")
        errors = []
        path = b"/r/%d" % len(self.origin.answers)
        self.origin.answers[path] = (wire.octets(text), text.endswith("\\c"))
        with self.client() as client:
            client.send(self.REQUESTS[who] % path)
            for status in want.rstrip("kc").split("+"):
                response = client.response(who == "HEAD")
                if response.status != int(status):
                    errors.append(f"{response.start!r}, not {status}")
            if response.status == 101:
                return errors
            if rest and (response.framing != framing or response.body != body.encode()):
                errors.append(f"framed {response.framing}: {response.body!r}")
            if want.endswith("c") and not client.is_closed():
                errors.append("the connection is not closed")
            if want.endswith("k") and not client.goes_on():
                errors.append("the connection does not go on")
            for name in ("Keep-Alive", "Proxy-Connection", "TE", "Upgrade", "X-Hop"):
                if response.all(name):
                    errors.append(f"{name} goes on")
            if len(response.all("Date")) != 1:
                errors.append("no Date")
        return errors


class Plain(Sections):
    def client(self, name=None, patience=PATIENCE):
        return Client(self.forwarder.http, patience)

    def test_requests(self):
        self.assertGreaterEqual(self.run_section("requests", self.run_request), 700)

    def test_responses(self):
        self.assertGreaterEqual(self.run_section("responses", self.run_response), 100)

    def test_other_clients_do_not_get_what_was_left(self):
        """Rule 66: octets behind an answer are nobody's."""
        for number, tail in enumerate((b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", b"x", b"\r\n\r\n")):
            path = b"/left/%d" % number
            self.origin.answers[path] = (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + tail, False)
            with self.client() as client:
                client.send(self.REQUESTS["GET"] % path)
                self.assertEqual(b"ok", client.response().body)
                self.assertTrue(client.goes_on())
            with self.client() as client:
                self.assertTrue(client.goes_on())
        self.settle()

    def test_a_cut_answer_has_no_end(self):
        """Rule 65: neither a length is filled nor a last chunk written."""
        for number, (answer, framing) in enumerate((
                (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "5"),
                (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "chunked"),
                (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "chunked"),
                (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "chunked"),
                (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nX\r\n", "chunked"))):
            path = b"/cut/%d" % number
            self.origin.answers[path] = (answer, True)
            with self.subTest(answer=answer), self.client() as client:
                client.send(self.REQUESTS["GET"] % path)
                with self.assertRaises(wire.Ended):
                    message = client.response()
                    self.fail(f"whole: {message.raw!r} {message.body!r}")
        self.settle()

    # ---- time ----

    def test_a_slow_head_is_408(self):
        """Rule 54: nothing of it reaches an origin; a connection without any octet is closed in silence."""
        with self.client() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a.ex")
            self.assertEqual(408, client.response().status)
            self.assertTrue(client.is_closed())
        with self.client(patience=20) as client:
            self.assertEqual(b"", client.stream.rest())
        self.assertEqual([], self.settle())

    def test_a_silent_body_is_408(self):
        """Rule 55: and the origin sees that it is not whole."""
        for head in (b"Content-Length: 5\r\n\r\nhel", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"):
            with self.client() as client:
                client.send(b"POST /p HTTP/1.1\r\nHost: a.example\r\n" + head)
                self.assertEqual(408, client.response().status)
                self.assertTrue(client.is_closed())
            self.assertFalse(any(m.is_whole for m in self.settle()))

    def test_a_client_that_waits_for_100(self):
        """Rule 48: it is told once, and only then sends."""
        with self.client() as client:
            client.send(b"POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(100, client.response().status)
            client.send(b"hello")
            self.assertEqual(200, client.response().status)
            self.assertTrue(client.goes_on())
        self.assertEqual([b"hello"], [m.body for m in self.settle()])

    def test_many_in_one_piece(self):
        """Rule 52: more than is read at once, and all in order."""
        with self.client() as client:
            client.send(b"".join(self.REQUESTS["GET"] % b"/%d" % number for number in range(1000)))
            for _ in range(1000):
                self.assertEqual(b"ok", client.response().body)
        paths = [m.start.split(b" ")[1] for m in self.settle()]
        self.assertEqual([b"/%d" % number for number in range(1000)], paths)

    def test_large_bodies(self):
        """Octet by octet the same, however they are framed on either side: 3 MB that no buffer divides."""
        rng = random.Random(2)
        body = rng.randbytes(3_000_017)
        chunks, at = [], 0
        while at < len(body):
            size = rng.choice([1, 7, 100, 4096, 16384, 65536, 200000])
            piece = body[at:at + size]
            chunks.append(b"%x;n=%d\r\n%s\r\n" % (len(piece), at, piece))
            at += size
        chunked = b"".join(chunks) + b"0\r\n\r\n"
        head = b"HTTP/1.1 200 OK\r\n"
        self.origin.answers[b"/large/length"] = (head + b"Content-Length: %d\r\n\r\n" % len(body) + body, False)
        self.origin.answers[b"/large/chunked"] = (head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked, False)
        self.origin.answers[b"/large/eof"] = (head + b"\r\n" + body, True)
        for path in (b"/large/length", b"/large/chunked", b"/large/eof"):
            for framing, octets in ((b"Content-Length: %d" % len(body), body), (b"Transfer-Encoding: chunked", chunked)):
                with self.subTest(path=path, framing=framing), self.client(patience=20) as client:
                    client.send(b"POST %s HTTP/1.1\r\nHost: a.example\r\n%s\r\n\r\n%s" % (path, framing, octets))
                    self.assertEqual(body, client.response().body)
                    self.assertTrue(client.goes_on())
                    message, = self.settle()
                    self.assertEqual(body, message.body)
        self.assert_no_faults()

    def test_cuts_of_an_answer(self):
        """However an answer is cut, it is the same: hints, chunks, and trailers without those that may be none."""
        text = (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"5;a=\"b\"\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 7\r\nContent-Length: 5\r\nSet-Cookie: a\r\n\r\n")
        cut = 0

        def answer(sock, stream, message):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(text[:cut])
            time.sleep(0.001)  # so that they come apart; nothing depends on it
            sock.sendall(text[cut:])
            return True
        self.origin.answers[b"/pieces"] = (answer, False)
        with self.client() as client:
            for cut in range(1, len(text)):
                client.send(self.REQUESTS["GET"] % b"/pieces")
                hints, response = client.response(), client.response()
                self.assertEqual((103, "</a>"), (hints.status, hints.get("Link")), cut)
                self.assertEqual((200, "chunked", b"hello world", b"X-Sum: 7\r\n"),
                                 (response.status, response.framing, response.body, response.trailers), cut)
        self.settle()

    def test_made_up_octets(self):
        """Cases that were changed at random, the same ones each time: whatever goes on is one strict message, and the
        origin never sees more than the client was answered for."""
        rng = random.Random(1)
        cases = [wire.octets(line.split(" ", 3)[3]) for _, line in cases_of("requests")]
        cases = [case for case in cases if len(case) < 2000]
        for number in range(int(os.environ.get("GSLB_MADE_UP", 5000))):
            octets = made_up(rng, cases)
            with self.client() as client:
                client.send(octets)
                try:
                    client.sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # refused and gone
                answered = client.stream.rest()
            whole = [m for m in self.settle() if m.is_whole]
            self.assertLessEqual(len(whole), answered.count(b"HTTP/1."), octets)
            self.assertEqual([], self.origin.faults, octets)

    def test_a_slow_body_is_408(self):
        """Rule 55: never silent, and still less than 500 octets a second over 10 s."""
        with self.client(patience=0.3) as client:
            client.send(b"POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100000\r\n\r\n")
            begin = time.monotonic()
            while time.monotonic() - begin < 25:
                client.send(b"x" * 50)
                try:
                    response = client.response()
                    break
                except TimeoutError:
                    pass
            self.assertEqual((408, True), (response.status, "body-slow" in response.get("Proxy-Status")))
        self.assertFalse(any(m.is_whole for m in self.settle()))

    def test_a_client_that_resets(self):
        """Rule 57: its request is aborted at the origin."""
        gone = threading.Event()

        def hang(sock, stream, message):
            stream.rest()
            gone.set()
            return False
        self.origin.answers[b"/hang"] = (hang, False)
        client = self.client()
        client.send(self.REQUESTS["GET"] % b"/hang")
        until(lambda: self.origin.messages, 5, "the request at the origin")
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sock.close()
        self.assertTrue(gone.wait(3))
        self.settle()

    def test_a_client_that_leaves(self):
        """Rule 57: within a body the origin is told by an abort; behind a whole request it is still answered."""
        with self.client() as client:
            client.send(b"POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhel")
            until(lambda: self.origin.messages, 5, "the message at the origin")
            client.sock.shutdown(socket.SHUT_WR)
            client.stream.rest()
        self.assertFalse(any(m.is_whole for m in self.settle()))
        with self.client() as client:
            client.send(b"GET /half HTTP/1.1\r\nHost: a.example\r\n\r\n")
            client.sock.shutdown(socket.SHUT_WR)
            self.assertEqual(b"ok", client.response().body)
            self.assertTrue(client.is_closed())
        self.settle()

    def test_a_body_over_the_limit_on_its_way(self):
        """Rule 56: 413, and the origin sees that it is not whole."""
        with self.client() as client:
            client.send(b"POST /p HTTP/1.1\r\nHost: few.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"20\r\n" + b"x" * 32 + b"\r\n20\r\n" + b"x" * 32 + b"\r\n1\r\nx\r\n0\r\n\r\n")
            self.assertEqual(413, client.response().status)
            self.assertTrue(client.is_closed())
        self.assertFalse(any(m.is_whole for m in self.settle()))

    def test_an_answer_before_the_body_ended(self):
        """Rule 58: it is passed on at once; the rest of the body is read away, or the connection is closed."""
        self.origin.early[b"/early"] = b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"
        with self.client() as client:
            client.send(b"POST /early HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhel")
            self.assertEqual(403, client.response().status)
            client.send(b"lo")
            self.assertTrue(client.goes_on())
        with self.client() as client:
            client.send(b"POST /early HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\nhel")
            response = client.response()
            self.assertEqual((403, "close"), (response.status, response.get("Connection")))
        self.settle()

    def test_a_tunnel(self):
        """Rule 50: octets behind the request wait for 101, and go then; both ways octets are octets."""
        def echo(sock, stream, message):
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            while True:
                if not stream.held:
                    stream.more()
                data, stream.held = stream.held, b""
                sock.sendall(data.upper())

        def forget(sock, stream, message):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return False
        self.origin.answers[b"/ws"] = (echo, False)
        self.origin.answers[b"/no-ws"] = (forget, False)
        with self.client() as client:
            client.send(self.REQUESTS["WS"] % b"/ws" + b"early ")
            response = client.response()
            self.assertEqual((101, "websocket"), (response.status, response.get("Upgrade")))
            client.send(b"\x00late\r\n\r\n")
            self.assertEqual(b"EARLY \x00LATE\r\n\r\n", client.stream.take(15))
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            self.assertEqual(b"GET / HTTP/1.1\r\n\r\n".upper(), client.stream.take(18))
        with self.client() as client:
            client.send(self.REQUESTS["WS"] % b"/no-ws" + b"GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n")
            self.assertEqual(b"ok", client.response().body)
            self.assertTrue(client.is_closed())
        self.assertFalse(any(b"smuggled" in m.raw for m in self.settle()))

    def test_cuts(self):
        """However a request is cut, it is the same."""
        text = (b"POST /p HTTP/1.1\r\nHost: a.example\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"5;a=\"b\"\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 7\r\n\r\n")
        with self.client() as client:
            for cut in range(1, len(text)):
                client.send(text[:cut])
                time.sleep(0.001)  # so that they come apart; nothing depends on it
                client.send(text[cut:])
                self.assertEqual(b"ok", client.response().body, cut)
        messages = self.settle()
        self.assertEqual(len(text) - 1, len(messages))
        for message in messages:
            self.assertEqual((b"hello world", b"X-Sum: 7\r\n"), (message.body, message.trailers))
        self.assert_no_faults()


class Tls(Sections):
    """The same over TLS. What its target says of its scheme is another thing here."""

    @classmethod
    def more(cls):
        authority = test_forwarder_tls.Authority()
        cls.addClassCleanup(authority.stop)
        directory = authority.directory / "certificates"
        directory.mkdir()
        for name in NAMES:
            authority.issue([name], directory, name)
        cls.context = authority.client()
        return {"https": ["127.0.0.1:0"], "certificates": str(directory)}

    def client(self, name=NAMES[0], patience=PATIENCE):
        return Client(self.forwarder.https, patience, lambda s: self.context.wrap_socket(s, server_hostname=name))

    test_a_client_that_waits_for_100 = Plain.test_a_client_that_waits_for_100
    test_many_in_one_piece = Plain.test_many_in_one_piece
    test_large_bodies = Plain.test_large_bodies
    test_cuts = Plain.test_cuts
    test_cuts_of_an_answer = Plain.test_cuts_of_an_answer
    test_a_cut_answer_has_no_end = Plain.test_a_cut_answer_has_no_end
    test_a_tunnel = Plain.test_a_tunnel

    def run_plain(self, line):
        return [] if "://" in line.split("HTTP/1")[0] else self.run_request(line)

    def test_requests(self):
        self.run_section("requests", self.run_plain)

    def test_responses(self):
        self.run_section("responses", self.run_response)


class Proxy(unittest.TestCase):
    def run_proxy(self, line):
        rule, expected, text = line.split(" ", 2)
        with Client(self.forwarder.http, 2) as client:  # less than the patience with a late one
            client.send(wire.octets(text))
            if expected == "x":
                rest = client.stream.rest()
                return [f"answered {rest!r}"] if rest else []
            if client.response().status != 200:
                return ["no answer"]
        told = [m.get("X-Forwarded-For") for m in self.origin.take()]
        return [] if told == [expected[3:]] else [f"the origin is told {told}"]

    def test_proxy(self):
        """Rule 69."""
        self.origin = wire.RecordingOrigin()
        self.addCleanup(self.origin.stop)
        self.forwarder = start(self.origin, proxy_protocol=["127.0.0.0/8"])
        self.addCleanup(self.forwarder.stop)
        count = 0
        for number, line in cases_of("proxy"):
            count += 1
            with self.subTest(f"http1_cases.txt:{number}"):
                try:
                    errors = self.run_proxy(line)
                except (wire.Ended, TimeoutError) as error:
                    errors = [f"no answer: {error!r}"]
                self.assertEqual([], errors, line)
                self.origin.take()
        self.assertGreaterEqual(count, 25)
        with Client(self.forwarder.http) as client:  # late: 3 s
            client.send(b"PROXY TCP4 ")
            self.assertEqual(b"", client.stream.rest())
        self.assertEqual([], self.origin.take())

    def test_others_are_refused(self):
        origin = wire.RecordingOrigin()
        self.addCleanup(origin.stop)
        self.forwarder = start(origin, proxy_protocol=["192.0.2.0/24"])
        self.addCleanup(self.forwarder.stop)
        with Client(self.forwarder.http) as client:
            client.send(b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            self.assertEqual(b"", client.stream.rest())
        self.assertEqual([], origin.take())


if __name__ == "__main__":
    main()
