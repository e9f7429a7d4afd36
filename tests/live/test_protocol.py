"""The protocol, line by line: header bits, EDNS and its options, sizes, TCP, and the list of RFC 8906 of what
a server must answer whatever it thinks of it. Octets by hand, for no client sends these."""

import ipaddress
import os
import random
import socket
import struct
import unittest

import dns
import stack

QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 3, 4, 5, 16
A, NS, SOA, TXT, ANY, AXFR = 1, 2, 6, 16, 255, 252
NSID, SUBNET, COOKIE, KEEPALIVE, PADDING, EDE, ZONE_VERSION = 3, 8, 10, 11, 12, 15, 19
APEX = stack.ZONE + "."
WWW = "static." + APEX
LABEL = "x" * 63
LONGEST = ".".join([LABEL, LABEL, LABEL, "y" * (255 - 3 * 64 - 17 - 1)]) + "." + APEX

ZONE_TEXT = stack.ZONE_TEXT + "".join([
    f"small IN TXT \"{'s' * 100}\"\n",
    *(f"t{count} IN TXT \"{number:03}{'t' * 200}\"\n" for count in (2, 5, 12, 60) for number in range(count)),
    *(f"big IN A 198.51.{number // 250}.{number % 250}\n" for number in range(2000)),
    "odd IN TYPE65400 \\# 4 deadbeef\n",
    "any IN A 192.0.2.1\nany IN TXT \"one\"\nany IN AAAA 2001:db8::1\n",
    "b.ent IN A 192.0.2.2\n*.wild IN A 192.0.2.3\ndn IN DNAME wild\n",
    "sub IN NS ns.sub\nns.sub IN A 192.0.2.54\n",
    f"{LONGEST[:-len(APEX) - 1]} IN A 192.0.2.4\n",
])


def option(code, data=b""):
    return struct.pack("!HH", code, len(data)) + data


def subnet(family, source, scope, address):
    return option(SUBNET, struct.pack("!HBB", family, source, scope) + address)


def opt(size=1232, version=0, flags=0, options=b"", extended=0, owner=b"\0"):
    return owner + struct.pack("!HHBBHH", 41, size, extended, version, flags, len(options)) + options


def query(name=WWW, kind=A, flags=RD, extra=b"", extras=0, questions=1, klass=1, ident=None):
    ident = random.getrandbits(16) if ident is None else ident
    body = dns.name_to_wire(name) + struct.pack("!2H", kind, klass) if questions else b""
    return struct.pack("!6H", ident, flags, questions, 0, 0, extras) + body * max(questions, 1) + extra


def edns(name=WWW, kind=A, **more):
    return query(name, kind, extra=opt(**more), extras=1)


class Reply:
    def __init__(self, message):
        self.message = message
        self.ident, self.flags, *self.counts = struct.unpack("!6H", message[:12])
        self.rcode, self.opt, self.records, at = self.flags & 15, None, [], 12
        for _ in range(self.counts[0]):
            _, at = dns.read_name(message, at)
            at += 4
        self.question = message[12:at]
        for section, count in enumerate(self.counts[1:]):
            for _ in range(count):
                owner, at = dns.read_name(message, at)
                kind, klass, ttl, length = struct.unpack("!HHIH", message[at:at + 10])
                data, at = message[at + 10:at + 10 + length], at + 10 + length
                if kind == 41:
                    assert self.opt is None and owner == "."
                    self.opt, self.rcode = self.read_opt(klass, ttl, data), self.rcode | ttl >> 24 << 4
                else:
                    self.records.append((section, owner, kind, ttl, data))
        assert at == len(message), "octets after the last record"

    @staticmethod
    def read_opt(size, ttl, data):
        found = {"size": size, "version": ttl >> 16 & 255, "flags": ttl & 0xffff, "codes": []}
        while data:
            code, length = struct.unpack("!HH", data[:4])
            found["codes"].append(code)
            found[code] = data[4:4 + length]
            data = data[4 + length:]
        return found

    def of(self, section):
        return [record[2:] for record in self.records if record[0] == section]


class Protocol(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        cls.stack = stack.Stack({}, zones={stack.ZONE: ZONE_TEXT}, node={"probes": None})
        cls.stack.start()
        cls.where = (cls.stack.address, cls.stack.port)

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    def udp(self, message, reply=True):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(self.where)
            client.settimeout(5 if reply else 0.3)
            client.send(message)
            try:
                data = client.recv(65535)
            except socket.timeout:
                return None
        self.assertEqual(data[:2], message[:2])
        return Reply(data)

    def connect(self):
        client = socket.create_connection(self.where, 5)
        self.addCleanup(client.close)
        return client

    def receive(self, client):
        def exactly(length):
            data = b""
            while len(data) < length:
                more = client.recv(length - len(data))
                if not more:
                    raise EOFError
                data += more
            return data
        return Reply(exactly(struct.unpack("!H", exactly(2))[0]))

    def tcp(self, message, client=None):
        client = client or self.connect()
        client.sendall(struct.pack("!H", len(message)) + message)
        return self.receive(client)

    def both(self, message):
        first, second = self.udp(message), self.tcp(message)
        self.assertEqual((first.rcode, first.flags, first.counts), (second.rcode, second.flags, second.counts))
        return first


class Header(Protocol):
    def test_flags_of_an_answer(self):
        """RFC 1035 4.1.1, 6840 5.7: AA; RD copied; RA, Z, AD, CD never."""
        for sent in (0, RD, AD, CD, Z, RA, AA, TC, RD | AD | CD | Z | RA | AA | TC):
            reply = self.both(query(flags=sent))
            self.assertEqual((reply.rcode, reply.flags & ~15), (NOERROR, QR | AA | sent & RD), hex(sent))

    def test_identifier_comes_back(self):
        for ident in (0, 1, 0x7fff, 0xffff):
            self.assertEqual(self.udp(query(ident=ident)).ident, ident)

    def test_other_opcodes(self):
        """RFC 8906 3.1.4: NOTIMP, with the opcode and RD as they came."""
        for opcode in range(1, 16):
            for message in (query(flags=opcode << 11 | RD), query(flags=opcode << 11 | RD, questions=0)):
                reply = self.both(message)
                self.assertEqual((reply.rcode, reply.flags & 0xff00), (NOTIMP, QR | opcode << 11 | RD))

    def test_responses_are_not_answered(self):
        self.assertIsNone(self.udp(query(flags=QR), reply=False))

    def test_shorter_than_a_header(self):
        for length in (1, 2, 11):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.connect(self.where)
                client.settimeout(0.1)
                client.send(query()[:length])
                self.assertRaises(socket.timeout, client.recv, 100)

    def test_question_count(self):
        """RFC 9619; none is legal only with a cookie (RFC 7873 5.4)."""
        self.assertEqual(self.both(query(questions=0)).rcode, FORMERR)
        self.assertEqual(self.both(query(questions=2)).rcode, FORMERR)
        self.assertEqual(self.udp(query(questions=0, extra=opt(), extras=1)).rcode, FORMERR)
        asked = self.udp(query(questions=0, extra=opt(options=option(COOKIE, b"12345678")), extras=1))
        self.assertEqual((asked.rcode, asked.opt[COOKIE][:8], len(asked.opt[COOKIE])), (NOERROR, b"12345678", 24))

    def test_broken_messages(self):
        good = query()
        for message in (good + b"\0", good[:-1], good[:12], good[:14],
                        good[:6] + b"\0\1" + good[8:],  # an answer that is not there
                        good[:12] + b"\xc0\x0c" + good[-4:],  # a name that points to itself
                        good[:12] + b"\x40a\0" + good[-4:]):  # a label type that nobody has
            self.assertEqual(self.both(message).rcode, FORMERR, message)

    def test_case_comes_back(self):
        for _ in range(20):
            name = "".join(random.choice((c.lower(), c.upper())) for c in WWW)
            reply = self.both(query(name))
            self.assertEqual(reply.question[:-4], dns.name_to_wire(name))
            self.assertEqual(reply.of(0)[0][2], ipaddress.ip_address("192.0.2.80").packed)


class Content(Protocol):
    def test_unknown_types(self):
        """RFC 8906 3.1.2, 3597: NODATA for those that are not there, verbatim for those that are."""
        for kind in (1000, 65280, 65400, 65534, 0, 54, 128, 65535):
            reply = self.both(query(kind=kind))
            self.assertEqual((reply.rcode, [r[0] for r in reply.of(1)]), (NOERROR, [SOA]), kind)
        self.assertEqual(self.both(query("odd." + APEX, 65400)).of(0), [(65400, 300, b"\xde\xad\xbe\xef")])

    def test_meta_types(self):
        for kind in (41, 249, 250, 253, 254):
            self.assertIn(self.both(query(kind=kind)).rcode, (NOERROR, FORMERR, NOTIMP, REFUSED), kind)
        for kind in (AXFR, 251):
            self.assertEqual(self.both(query(APEX, kind)).rcode, REFUSED)

    def test_other_classes(self):
        """CHAOS and the rest are nobody's here: refused, never silence."""
        for klass in (0, 3, 4, 254, 255, 65535):
            self.assertEqual(self.both(query(klass=klass)).rcode, REFUSED, klass)
        self.assertEqual(self.both(query("version.bind.", TXT, klass=3)).rcode, REFUSED)

    def test_any_is_small(self):
        """RFC 8482 4.1: one set."""
        kinds = {record[0] for record in self.both(query("any." + APEX, ANY)).of(0)}
        self.assertEqual(len(kinds), 1)
        self.assertNotIn(ANY, kinds)

    def test_negative_answers(self):
        """RFC 2308: the SOA with the smaller of its TTL and MINIMUM; RFC 8020: a name with names below exists."""
        for name, rcode in (("nope." + APEX, NXDOMAIN), ("ent." + APEX, NOERROR), ("x.ent." + APEX, NXDOMAIN)):
            reply = self.both(query(name))
            self.assertEqual((reply.rcode, reply.of(0), [r[:2] for r in reply.of(1)]), (rcode, [], [(SOA, 60)]))

    def test_wildcard_and_dname(self):
        reply = self.both(query("a.dn." + APEX))
        self.assertEqual([record[0] for record in reply.of(0)], [39, 5, A])
        self.assertEqual(self.both(query("q.wild." + APEX)).of(0)[0][2], b"\xc0\0\2\3")

    def test_referral(self):
        reply = self.both(query("www.sub." + APEX))
        self.assertEqual((reply.flags & AA, [r[0] for r in reply.of(1)], [r[0] for r in reply.of(2)]), (0, [NS], [A]))

    def test_elsewhere_is_refused_with_a_reason(self):
        """RFC 8914 4.21."""
        reply = self.both(edns("www.example.org."))
        self.assertEqual((reply.rcode, reply.opt[EDE][:2], reply.flags & AA), (REFUSED, b"\0\x14", 0))
        self.assertEqual(self.both(query(".", NS)).rcode, REFUSED)

    def test_longest_name(self):
        wire = dns.name_to_wire(LONGEST)
        self.assertEqual(len(wire), 255)
        self.assertEqual(self.both(query(LONGEST)).of(0)[0][2], b"\xc0\0\2\4")
        self.assertEqual(self.both(edns("z" + LONGEST[1:])).rcode, NXDOMAIN)
        too_long = struct.pack("!6H", 7, 0, 1, 0, 0, 0) + bytes([1]) + b"a" + wire + struct.pack("!2H", A, 1)
        self.assertEqual(self.both(too_long).rcode, FORMERR)


class Edns(Protocol):
    def test_none_in_none_out(self):
        self.assertIsNone(self.both(query()).opt)
        self.assertEqual(self.both(edns()).opt, {"size": 1232, "version": 0, "flags": 0, "codes": []})

    def test_versions(self):
        """RFC 6891 6.1.3: BADVERS with version 0, and no answer."""
        for version in (1, 2, 255):
            reply = self.both(edns(version=version, options=option(NSID)))
            self.assertEqual((reply.rcode, reply.opt["version"], reply.of(0)), (BADVERS, 0, []))

    def test_flags(self):
        """RFC 3225: DO comes back; RFC 8906 3.1.3.3: unknown flags do not."""
        self.assertEqual(self.both(edns(flags=0x8000)).opt["flags"], 0x8000)
        self.assertEqual(self.both(edns(flags=0x7fff)).opt["flags"], 0)
        self.assertEqual(self.both(edns(flags=0xffff, extended=255)).rcode, NOERROR)

    def test_two_records(self):
        """RFC 6891 6.1.1."""
        self.assertEqual(self.both(query(extra=opt() * 2, extras=2)).rcode, FORMERR)
        self.assertEqual(self.both(query(extra=opt(owner=b"\1a\0"), extras=1)).rcode, FORMERR)

    def test_unknown_options(self):
        for code in (0, 1, 5, 6, 7, 9, 14, 16, 26946, 65001, 65535):
            for data in (b"", b"x", b"x" * 400):
                reply = self.both(edns(options=option(code, data)))
                self.assertEqual((reply.rcode, reply.opt["codes"]), (NOERROR, []), code)

    def test_broken_options(self):
        for options in (b"\0", b"\0\3\0", b"\0\3\0\1", option(NSID) + b"\0\x08\0\xff"):
            self.assertEqual(self.both(edns(options=options)).rcode, FORMERR, options)

    def test_nsid(self):
        """RFC 5001: only for who asks."""
        self.assertEqual(self.both(edns(options=option(NSID))).opt[NSID], b"live-1")
        self.assertEqual(self.both(edns("nope." + APEX, options=option(NSID))).opt[NSID], b"live-1")

    def test_zone_version(self):
        """RFC 9660: labels of the zone, type 0, serial; nothing where no zone of ours answers."""
        version = bytes([3, 0]) + struct.pack("!I", 1)
        for name in (WWW, APEX, "nope." + APEX, "a.b.sub." + APEX):
            self.assertEqual(self.both(edns(name, options=option(ZONE_VERSION))).opt[ZONE_VERSION], version)
        self.assertEqual(self.both(edns("www.example.org.", options=option(ZONE_VERSION))).opt["codes"], [EDE])

    def test_keepalive(self):
        """RFC 7828: over TCP alone, in units of 100 ms; the default is 10 s."""
        asked = edns(options=option(KEEPALIVE))
        self.assertEqual(self.tcp(asked).opt[KEEPALIVE], struct.pack("!H", 100))
        self.assertEqual(self.udp(asked).opt["codes"], [])
        self.assertEqual(self.tcp(edns()).opt["codes"], [])

    def test_no_padding_in_the_clear(self):
        """RFC 7830 section 6 leaves it to encrypted transports."""
        self.assertEqual(self.both(edns(options=option(PADDING, bytes(64)))).opt["codes"], [])

    def test_subnet_comes_back(self):
        """RFC 7871 7.2.1: FAMILY, SOURCE and ADDRESS as asked; a static name has SCOPE 0."""
        for sent in (subnet(1, 24, 0, b"\x51\x02\x45"), subnet(1, 0, 0, b""), subnet(1, 32, 0, b"\1\2\3\4"),
                     subnet(2, 56, 0, bytes.fromhex("20010db8000001")), subnet(2, 128, 0, bytes(16)),
                     subnet(1, 20, 0, b"\xc0\0\xf0"), subnet(0, 0, 0, b"")):
            self.assertEqual(self.both(edns(options=sent)).opt[SUBNET], sent[4:])
        self.assertNotIn(SUBNET, self.both(edns()).opt["codes"])

    def test_subnet_malformed(self):
        for sent in (option(SUBNET), option(SUBNET, b"\0\1\x18"), subnet(1, 24, 0, b"\1\2"),
                     subnet(1, 24, 0, b"\1\2\3\4"), subnet(1, 33, 0, bytes(5)), subnet(2, 129, 0, bytes(17)),
                     subnet(3, 8, 0, b"\1"), subnet(1, 23, 0, b"\1\2\3"), subnet(1, 24, 24, b"\1\2\3")):
            self.assertEqual(self.both(edns(options=sent)).rcode, FORMERR, sent)


class Sizes(Protocol):
    def size(self, name, payload, kind=TXT):
        name += "." + APEX
        reply = self.udp(query(name, kind) if payload is None else edns(name, kind, size=payload))
        limit = min(max(payload or 512, 512), 1232)
        self.assertLessEqual(len(reply.message), limit)
        if reply.flags & TC:
            self.assertEqual(reply.of(0), [])
        return bool(reply.flags & TC)

    def test_limits(self):
        """RFC 1035 4.2.1, 6891 6.2.3, 9715: 512 without EDNS, what the peer takes with it, never over 1232."""
        sets = {"small": 150, "t2": 430, "t5": 1090, "t12": 2600, "t60": 13000}
        for name, octets in sets.items():
            for payload in (None, 0, 100, 512, 513, 1232, 1233, 4096, 65535):
                limit = min(max(payload or 512, 512), 1232)
                self.assertEqual(self.size(name, payload), octets > limit, (name, payload))

    def test_tcp_has_all(self):
        for name, kind, count in (("t12", TXT, 12), ("t60", TXT, 60), ("big", A, 2000)):
            self.assertTrue(self.udp(edns(name + "." + APEX, kind, size=4096)).flags & TC)
            reply = self.tcp(edns(name + "." + APEX, kind))
            self.assertEqual((reply.flags & TC, len(set(reply.of(0)))), (0, count))

    def test_dig_comes_back_over_tcp(self):
        out = self.stack.dig("+bufsize=4096", "t12." + APEX, "TXT")
        self.assertIn("Truncated, retrying in TCP mode", out)
        self.assertIn("ANSWER: 12", out)


class Tcp(Protocol):
    def test_many_queries_on_a_connection(self):
        client = self.connect()
        for number in range(300):
            message = query(f"n{number}.wild.{APEX}", ident=number)
            self.assertEqual(self.tcp(message, client).ident, number)

    def test_a_pipeline_of_a_thousand(self):
        """RFC 7766 6.2.1.1: sent at once, every one answered."""
        client = self.connect()
        messages = [query(f"n{number}.wild.{APEX}", ident=number) for number in range(1000)]
        client.sendall(b"".join(struct.pack("!H", len(message)) + message for message in messages))
        replies = [self.receive(client) for _ in messages]
        self.assertEqual({reply.ident for reply in replies}, set(range(1000)))
        for reply in replies:
            self.assertEqual(reply.question, messages[reply.ident][12:])
            self.assertEqual(reply.rcode, NOERROR)

    def test_one_octet_at_a_time(self):
        client = self.connect()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        message = query(ident=77)
        for octet in struct.pack("!H", len(message)) + message:
            client.sendall(bytes([octet]))
        self.assertEqual(self.receive(client).ident, 77)

    def test_the_other_half_is_still_answered(self):
        """A client that shuts its side down after the last query gets all replies."""
        client = self.connect()
        messages = [query(ident=number) for number in range(50)]
        client.sendall(b"".join(struct.pack("!H", len(message)) + message for message in messages))
        client.shutdown(socket.SHUT_WR)
        self.assertEqual([self.receive(client).ident for _ in messages], list(range(50)))
        self.assertRaises(EOFError, self.receive, client)

    def test_a_malformed_query_does_not_end_it(self):
        client = self.connect()
        self.assertEqual(self.tcp(query() + b"\0", client).rcode, FORMERR)
        self.assertEqual(self.tcp(query(), client).rcode, NOERROR)

    def test_largest_message(self):
        client = self.connect()
        self.assertEqual(self.tcp(query() + os.urandom(65535 - len(query())), client).rcode, FORMERR)
        self.assertEqual(self.tcp(query(), client).rcode, NOERROR)


del Protocol  # only its children are tests


if __name__ == "__main__":
    unittest.main(verbosity=2)
