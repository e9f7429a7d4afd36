"""DNS messages for comparison: queries from text, replies as sets. Independent of the product's code."""

import collections
import re
import socket
import struct

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
         "DNAME": 39, "OPT": 41, "DS": 43, "CAA": 257, "ANY": 255, "TYPE65400": 65400}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN"}
FLAGS = {0x0400: "aa", 0x0200: "tc", 0x0100: "rd", 0x0080: "ra", 0x0020: "ad", 0x0010: "cd"}
# Octets before the names in RDATA, and how many names: what the comparison reads without regard to case.
NAMES_IN = {"NS": (0, 1), "CNAME": (0, 1), "SOA": (0, 2), "PTR": (0, 1), "MX": (2, 1), "SRV": (6, 1), "DNAME": (0, 1)}


def labels_of(text):
    r"""The labels of a name in presentation form; knows \DDD and \X."""
    labels, label = [], bytearray()
    for escape, plain in re.findall(r"\\([0-9]{3}|.)|([^\\])", text.rstrip(".") if not text.endswith("\\.") else text):
        if escape:
            label += bytes([int(escape)]) if len(escape) == 3 else escape.encode()
        elif plain == ".":
            labels.append(bytes(label))
            label.clear()
        else:
            label += plain.encode()
    return labels + [bytes(label)] if label else labels


def name_to_wire(text):
    return b"".join(bytes([len(label)]) + label for label in labels_of(text)) + b"\0"


def query(ident, name, kind, edns, flags=0x0100):
    """`name` in wire form; `edns` None or a payload size."""
    message = struct.pack("!6H", ident, flags, 1, 0, 0, 1 if edns else 0) + name + struct.pack("!2H", TYPES[kind], 1)
    if edns:
        message += b"\0" + struct.pack("!HHIH", TYPES["OPT"], edns, 0, 0)
    return message


def read_name(message, at):
    """(name in lower-case wire form without compression, offset behind it)"""
    wire, end = b"", None
    while True:
        length = message[at]
        if length & 0xc0:
            target = (length & 0x3f) << 8 | message[at + 1]
            if length & 0xc0 != 0xc0 or target >= at:
                raise ValueError("a pointer that does not point back")
            end, at = end or at + 2, target
        else:
            wire += message[at:at + 1 + length].lower()
            at += 1 + length
            if length == 0:
                return wire, end or at


def read_rdata(message, at, length, kind):
    end = at + length
    if kind not in NAMES_IN:
        return message[at:end]
    prefix, names = NAMES_IN[kind]
    data, at = message[at:at + prefix], at + prefix
    for _ in range(names):
        name, at = read_name(message, at)
        data += name
    return data + message[at:end]


def show_name(wire):
    text, at = "", 0
    while wire[at]:
        label = wire[at + 1:at + 1 + wire[at]]
        text += "".join(chr(c) if 33 <= c < 127 and c not in b'.\\"' else f"\\{c:03}" for c in label) + "."
        at += 1 + wire[at]
    return text or "."


class Reply:
    """rcode, flags and the sections as sets of (owner, type, TTL, data)."""

    def __init__(self, message):
        ident, flags, questions, *counts = struct.unpack("!6H", message[:12])
        if not flags & 0x8000:
            raise ValueError("not a reply")
        self.ident = ident
        self.flags = frozenset(name for bit, name in FLAGS.items() if flags & bit)
        self.has_edns, rcode, at = False, flags & 15, 12
        self.twice = []  # records that a section has more than once: RFC 2181 section 5 forbids it
        for _ in range(questions):
            _, at = read_name(message, at)
            at += 4
        self.question = message[12:at]
        sections = []
        for count in counts:
            records = []
            for _ in range(count):
                owner, at = read_name(message, at)
                number, _, ttl, length = struct.unpack("!HHIH", message[at:at + 10])
                at += 10
                kind = TYPE_NAMES.get(number, f"TYPE{number}")
                if kind == "OPT":
                    self.has_edns, rcode = True, rcode | ttl >> 24 << 4
                else:
                    records.append((owner, kind, ttl, read_rdata(message, at, length, kind)))
                at += length
            self.twice += [record for record, times in collections.Counter(records).items() if times > 1]
            sections.append(frozenset(records))
        if at != len(message):
            raise ValueError("octets after the last record")
        self.rcode = RCODES.get(rcode, str(rcode))
        # What a truncated reply holds is not to be used (RFC 2181 section 9).
        self.answer, self.authority, self.additional = sections if "tc" not in self.flags else [frozenset()] * 3

    def key(self):
        return self.rcode, self.flags, self.has_edns, self.answer, self.authority, self.additional

    def show(self):
        lines = [f"{self.rcode} {' '.join(sorted(self.flags))}{' edns' if self.has_edns else ''}"]
        for title in ("answer", "authority", "additional"):
            for owner, kind, ttl, data in sorted(getattr(self, title)):
                prefix, names = NAMES_IN.get(kind, (0, 0))
                shown = show_name(data[prefix:]) if names else data[:40].hex()
                lines.append(f"  {title} {show_name(owner)} {ttl} {kind} {shown}")
        return "\n".join(lines)


class Server:
    """One server asked over UDP and over one TCP connection."""

    def __init__(self, label, address, port):
        self.label, self.where = label, (address, port)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.connect(self.where)
        self.tcp = None

    def close(self):
        self.udp.close()
        if self.tcp:
            self.tcp.close()

    def ask_udp(self, message, tries=3, timeout=2.0):
        self.udp.settimeout(timeout)
        for _ in range(tries):
            try:
                self.udp.send(message)
                while True:
                    reply = self.udp.recv(65535)
                    if reply[:2] == message[:2]:
                        return reply
            except (socket.timeout, ConnectionRefusedError):
                continue
        raise TimeoutError(f"{self.label} does not answer")

    def ask_tcp(self, message):
        for attempt in (1, 2):
            try:
                if not self.tcp:
                    self.tcp = socket.create_connection(self.where, 5)
                self.tcp.sendall(struct.pack("!H", len(message)) + message)
                return self.receive(struct.unpack("!H", self.receive(2))[0])
            except OSError:
                self.tcp = None
                if attempt == 2:
                    raise
        return None

    def receive(self, length):
        data = b""
        while len(data) < length:
            more = self.tcp.recv(length - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data

    def ask(self, message, transport):
        return self.ask_udp(message) if transport == "udp" else self.ask_tcp(message)
