"""DNS messages by hand, standard library only: what the live tests ask and what they read.

Independent of the product's own code on purpose, and fast enough for thousands of questions.
"""

import ipaddress
import os
import socket
import struct

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "DNAME": 39,
         "OPT": 41, "SVCB": 64, "HTTPS": 65, "ANY": 255}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def name_to_wire(name):
    wire = b""
    for label in name.rstrip(".").split("."):
        if label:
            wire += bytes([len(label)]) + label.encode()
    return wire + b"\0"


def ecs_option(prefix):
    """RFC 7871 section 6: family, source, scope 0, address cut to its octets."""
    network = ipaddress.ip_network(prefix, strict=False)
    octets = network.network_address.packed[:(network.prefixlen + 7) // 8]
    data = struct.pack("!HBB", 1 if network.version == 4 else 2, network.prefixlen, 0) + octets
    return struct.pack("!HH", 8, len(data)) + data


def query(name, kind="A", client=None, edns=True, ident=None):
    ident = int.from_bytes(os.urandom(2), "big") if ident is None else ident
    number = kind if isinstance(kind, int) else TYPES[kind]
    message = struct.pack("!6H", ident, 0x0100, 1, 0, 0, 1 if edns or client else 0)
    message += name_to_wire(name) + struct.pack("!HH", number, 1)
    if edns or client:
        options = ecs_option(client) if client else b""
        message += b"\0" + struct.pack("!HHIH", TYPES["OPT"], 1232, 0, len(options)) + options
    return message


def read_name(message, at):
    labels, end, jumps = [], None, 0
    while True:
        length = message[at]
        if length & 0xc0 == 0xc0:
            end = at + 2 if end is None else end
            at = (length & 0x3f) << 8 | message[at + 1]
            jumps += 1
            if jumps > 64:
                raise ValueError("name loops")
            continue
        at += 1
        if length == 0:
            break
        labels.append(message[at:at + length].decode("latin-1"))
        at += length
    return ".".join(labels) + ".", at if end is None else end


class Reply:
    """One answer, read: rcode, records of the answer section, ECS scope, EDE."""

    def __init__(self, message):
        self.ident, flags, questions, answers, authorities, extras = struct.unpack("!6H", message[:12])
        self.flags = flags
        self.rcode = RCODES.get(flags & 15, str(flags & 15))
        self.is_truncated = bool(flags & 0x0200)
        self.is_authoritative = bool(flags & 0x0400)
        self.scope = None
        self.ede = None
        at = 12
        for _ in range(questions):
            _, at = read_name(message, at)
            at += 4
        self.answer, at = self.section(message, at, answers)
        self.authority, at = self.section(message, at, authorities)
        self.additional, at = self.section(message, at, extras)
        if at != len(message):
            raise ValueError("octets after the last record")

    def section(self, message, at, count):
        records = []
        for _ in range(count):
            owner, at = read_name(message, at)
            kind, _, ttl, length = struct.unpack("!HHIH", message[at:at + 10])
            at += 10
            if kind == TYPES["OPT"]:
                self.options(message[at:at + length])
            records.append((owner, TYPE_NAMES.get(kind, str(kind)), ttl, self.data(message, kind, at, length)))
            at += length
        return records, at

    def options(self, data):
        while data:
            code, length = struct.unpack("!HH", data[:4])
            if code == 8:
                self.scope = data[7]
            elif code == 15:
                self.ede = (int.from_bytes(data[4:6], "big"), data[6:4 + length].decode())
            data = data[4 + length:]

    @staticmethod
    def data(message, kind, at, length):
        raw = message[at:at + length]
        if kind in (TYPES["A"], TYPES["AAAA"]):
            return str(ipaddress.ip_address(raw))
        if kind in (TYPES["CNAME"], TYPES["NS"], TYPES["DNAME"]):
            return read_name(message, at)[0]
        return raw

    @property
    def addresses(self):
        return [record[3] for record in self.answer if record[1] in ("A", "AAAA")]

    @property
    def ttl(self):
        return self.answer[0][2] if self.answer else None


class Client:
    """Asks one server over UDP, one question at a time; a lost datagram is asked again."""

    def __init__(self, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect((address, port))

    def close(self):
        self.socket.close()

    def ask(self, name, kind="A", client=None, timeout=1.0, tries=3, edns=True):
        for _ in range(tries):
            message = query(name, kind, client, edns)
            self.socket.settimeout(timeout)
            self.socket.send(message)
            try:
                while True:
                    reply = self.socket.recv(65535)
                    if reply[:2] == message[:2]:
                        return Reply(reply)
            except socket.timeout:
                continue
        raise TimeoutError(f"no answer for {name} {kind}")
