"""HTTP/1 octets for live tests: how they are written in case files, a strict reader, and an origin that records.

The reader is written from the grammar and shares nothing with the product: what it calls ambiguous, some server
somewhere reads as two different messages.
"""
import re
import socket
import threading

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
ESCAPE = re.compile(rb"\\(?:\{(\d+):((?:[^}\\]|\\.)*)\}|x([0-9a-f]{2})|(.))", re.S)
LETTERS = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\", b"c": b""}


def octets(text):
    """Octets of a text with escapes."""
    def one(match):
        count, inner, code, letter = match.groups()
        if count:
            return ESCAPE.sub(one, inner) * int(count)
        return bytes([int(code, 16)]) if code else LETTERS[letter]
    return ESCAPE.sub(one, text if isinstance(text, bytes) else text.encode())


class Ended(Exception):
    """The other side has closed, or reset."""


class Stream:
    """What comes on a socket, read by lines and counts."""

    def __init__(self, sock):
        self.sock, self.held, self.is_reset = sock, b"", False

    def more(self):
        try:
            got = self.sock.recv(65536)
        except ConnectionResetError:
            self.is_reset = True
            got = b""
        if not got:
            raise Ended
        self.held += got

    def until(self, end):
        while end not in self.held:
            self.more()
        line, _, self.held = self.held.partition(end)
        return line + end

    def take(self, count):
        while len(self.held) < count:
            self.more()
        data, self.held = self.held[:count], self.held[count:]
        return data

    def rest(self):
        """All up to the end."""
        try:
            while True:
                self.more()
        except Ended:
            data, self.held = self.held, b""
            return data


class Message:
    """Start line, fields, body and trailers, and how the body was framed: none, a number, chunked or eof."""

    def __init__(self, raw):
        self.raw = raw
        lines = raw[:-4].split(b"\r\n")
        self.start, self.fields = lines[0], []
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            self.fields.append((name, value.strip(b" \t")))
        self.framing, self.body, self.trailers, self.is_whole = "none", b"", b"", False

    def all(self, name):
        return [value for n, value in self.fields if n.lower() == name.lower().encode()]

    def get(self, name):
        return b", ".join(self.all(name)).decode("latin-1")


def read_chunked(stream, message):
    message.framing = "chunked"
    while True:
        line = stream.until(b"\r\n")
        if not re.fullmatch(rb"[0-9a-f]+\r\n", line):
            message.fault = f"chunk line {line!r}"
            raise Ended
        size = int(line, 16)
        if size == 0:
            break
        message.body += stream.take(size)
        if stream.take(2) != b"\r\n":
            message.fault = "data without its end"
            raise Ended
    while (line := stream.until(b"\r\n")) != b"\r\n":
        message.trailers += line


def read_body(stream, message, is_response=False, has_none=False):
    coding, lengths = message.get("Transfer-Encoding"), message.all("Content-Length")
    if has_none:
        pass
    elif coding:
        read_chunked(stream, message)
    elif lengths:
        message.framing = str(int(lengths[0]))
        wanted = int(lengths[0])
        while len(message.body) < wanted:
            if not stream.held:
                stream.more()
            message.body += stream.take(min(len(stream.held), wanted - len(message.body)))
    elif is_response:
        message.framing = "eof"
        message.body = stream.rest()
    message.is_whole = True


def faults_of_request(message):
    """What could be read in two ways, or what no origin of ours should see."""
    faults, raw = [], message.raw
    if re.search(rb"(?<!\r)\n|\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", raw):
        faults.append("control octets")
    start = re.fullmatch(rb"([^ ]+) ([!-~]+) HTTP/1\.1", message.start)
    if not start or not TOKEN.fullmatch(start[1]):
        return faults + [f"request line {message.start!r}"]
    path = start[2].partition(b"?")[0]
    if not path.startswith(b"/") or b"#" in start[2] or b"\\" in start[2]:
        faults.append(f"target {start[2]!r}")
    if re.search(rb"/(?:\.|%2e){1,2}(?:/|$)", path, re.I) or re.search(rb"%(?![0-9a-fA-F]{2})|%00", start[2]):
        faults.append(f"path {path!r}")
    for name, _ in message.fields:
        if not TOKEN.fullmatch(name):
            faults.append(f"name {name!r}")
        if re.fullmatch(rb"content[^a-z0-9-]length|transfer[^a-z0-9-]encoding", name.lower()):
            faults.append(f"name {name!r}")
    for name in (b"keep-alive", b"proxy-connection", b"http2-settings", b"expect", b"x_tenant_id", b"gslb-tail"):
        faults += [f"{n!r}" for n, _ in message.fields if n.lower() == name]
    lengths, codings = message.all("Content-Length"), message.all("Transfer-Encoding")
    if len(lengths) + len(codings) > 1 or any(not re.fullmatch(rb"0|[1-9][0-9]*", v) for v in lengths) or \
            any(v != b"chunked" for v in codings):
        faults.append(f"framing {lengths} {codings}")
    for name in ("Host", "X-Tenant-ID", "X-Request-ID", "X-Forwarded-For", "X-Real-IP", "X-Forwarded-Proto"):
        if len(message.all(name)) != 1:
            faults.append(f"{len(message.all(name))} × {name}")
    if b"1.1 gslb" not in message.all("Via")[-1:] and b"1.0 gslb" not in message.all("Via")[-1:]:
        faults.append("Via")
    return faults


class RecordingOrigin:
    """Answers `ok`, or the octets that stand for a path in `answers`; keeps every message that came."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.messages, self.seen, self.faults, self.answers = [], [], [], {}
        self.early = {}  # the same, sent when the head has come, and then only read
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(120)  # longer than a forwarder keeps it, or the two may meet
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def take(self):
        """What came since the last call: whole and cut messages."""
        with self.lock:
            messages, self.messages = self.messages, []
        return messages

    def serve(self, sock):
        stream = Stream(sock)
        with sock:
            try:
                while self.serve_one(sock, stream):
                    pass
            except (Ended, OSError):
                pass

    def serve_one(self, sock, stream):
        message = Message(stream.until(b"\r\n\r\n"))
        message.fault = None
        faults = faults_of_request(message)
        with self.lock:
            self.messages.append(message)
            self.seen.append(message)
            self.faults += [(fault, message.raw) for fault in faults]
        path = message.start.split(b" ")[1]
        if path in self.early:
            sock.sendall(self.early[path])
            stream.rest()
            return False
        try:
            read_body(stream, message)
        except Ended:
            if message.fault:
                self.faults.append((message.fault, message.raw))
            raise
        if stream.held:
            self.faults.append(("octets behind a message", message.raw + stream.held))
        answer, closes = self.answers.get(path, (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", False))
        if callable(answer):
            return answer(sock, stream, message)
        sock.sendall(answer)
        return not closes

    def stop(self):
        self.listener.close()
