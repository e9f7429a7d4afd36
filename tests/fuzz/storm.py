#!/usr/bin/env python3
"""A storm of random, mutated, truncated and concatenated packets over UDP and TCP against gslbd, while somebody
else asks right questions.

usage: storm.py [--seconds S | --packets N] [--seed N]

Good is: the daemon lives, and ends well when told to (a sanitizer's report makes it end badly); the right
questions are answered rightly, at least 200 a second with less than 0.1 % lost; its memory does not grow. Meant
for a build with AddressSanitizer and UndefinedBehaviorSanitizer; GSLB_BUILD names it. The storm keeps pace with
the daemon by a right question of its own after every burst, for a full socket buffer would lose packets before
anybody has read them. The same seed sends the same packets from each attacker.
"""

import argparse
import collections
import multiprocessing
import os
import pathlib
import random
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "live"))

import dns  # noqa: E402
import stack  # noqa: E402

BURST = 32
UDP_MOST, REPLY_MOST = 4000, 1232
RATE = 250  # right questions a second; RATE_MIN must come back
RATE_MIN, LOST_MAX = 200, 0.001
GROWTH_MAX_KB = 8 << 10
WARM_UP = 0.3  # of the time: what memory is compared with
VIP = "192.0.2.11"
APEX = stack.ZONE
FLEET = {
    "regions": {"eu": {"at": [50.11, 8.68], "country": "DE"}, "us": {"at": [38.95, -77.45], "country": "US"}},
    "locations": stack.LOCATIONS,
    "services": {"shop": {"vips": {"eu": [VIP, "2001:db8::11"], "us": ["198.51.100.12"]}}},
    "tenants": {"acme": {"zone": APEX, "service": "shop", "regions": ["eu"]},
                "wild": {"zone": APEX, "service": "shop", "hosts": ["*.wild"]}},
}
ZONE = stack.ZONE_TEXT + "".join([
    "old IN DNAME static\n*.w IN A 192.0.2.7\nsub IN NS ns.sub\nns.sub IN A 192.0.2.54\nmx IN MX 10 n.w\n",
    *(f"big IN TXT \"{number:03}{'t' * 200}\"\n" for number in range(30)),
])
NAMES = [f"{label}.{APEX}" for label in ("acme", "x.wild", "static", "alias", "a.old", "q.w", "x.sub", "mx", "big",
                                         "nope")]
NAMES += [APEX, "www.example.org", "", f"{'x' * 63}.{'y' * 63}.{'z' * 63}.{APEX}"]


def opt(rng):
    options = b""
    for _ in range(rng.randrange(4)):
        code = rng.choice((3, 8, 8, 10, 11, 12, 15, 19, rng.getrandbits(16)))
        data = rng.choice((b"", rng.randbytes(rng.randrange(41)), b"\0\1\x18\0\x0a\1\7", b"\0\2\x38\0" + bytes(7)))
        options += struct.pack("!HH", code, len(data)) + data
    return b"\0" + struct.pack("!HHIH", 41, rng.choice((0, 512, 1232, 4096, 65535)),
                               rng.choice((0, 0x8000, rng.getrandbits(32))), len(options)) + options


def any_name(rng):
    """One that is served, or labels of all lengths: about one in ten longer than a name may be."""
    if rng.random() < 0.8:
        return dns.name_to_wire(rng.choice(NAMES))
    wire, most = b"", rng.randrange(300)
    while len(wire) < most:
        length = rng.choice((1, 63, rng.randrange(1, 64)))
        wire += bytes([length]) + rng.randbytes(length)
    return wire + rng.choice((b"\0", dns.name_to_wire(APEX)))


def well_formed(rng):
    name = any_name(rng)
    kind = rng.choice((1, 1, 28, 65, 2, 5, 6, 15, 16, 39, 43, 255, 252, 251, rng.getrandbits(16)))
    extra = opt(rng) if rng.random() < 0.7 else b""
    if rng.random() < 0.1:  # any record after the question
        extra = b"\xc0\x0c" + struct.pack("!HHIH", rng.getrandbits(16), 1, 60, 4) + rng.randbytes(4) + extra
    head = struct.pack("!6H", rng.getrandbits(16), rng.choice((0, 0x0100, rng.getrandbits(15))), 1, 0, 0, extra != b"")
    return head + name + struct.pack("!2H", kind, rng.choice((1, 1, 1, 3, 255))) + extra


def mutate(rng, packet):
    packet = bytearray(packet)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(packet)) if packet else 0
        how = rng.randrange(6)
        if how == 0 and packet:
            packet[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            packet[at:at + 2] = rng.choice((b"\0\0", b"\xff\xff", b"\xc0\x0c", b"\x3f\xff", b"\xc0\x00", b"\x00\x29"))
        elif how == 2:
            packet[at:at] = rng.randbytes(rng.randrange(1, 20))
        elif how == 3:
            del packet[at:at + rng.randrange(1, 10)]
        elif how == 4 and len(packet) >= 12:
            packet[2 * rng.randrange(2, 6) + 1] = rng.randrange(256)  # a count
        elif packet:
            packet[at] = rng.randrange(256)
    return bytes(packet)


def hostile(rng):
    how = rng.randrange(20)
    if how < 2:
        return rng.randbytes(rng.choice((rng.randrange(20), rng.randrange(600), rng.randrange(UDP_MOST))))
    packet = well_formed(rng)
    if how < 4:
        return packet
    if how < 7:
        return packet[:rng.randrange(len(packet) + 1)]
    if how < 9:
        return (packet + well_formed(rng))[:UDP_MOST]
    if how < 10:
        return packet[:rng.randrange(len(packet))] + mutate(rng, well_formed(rng))
    return mutate(rng, packet)[:UDP_MOST]


class Attack:
    """One attacker in a process of its own; what it counts stands in shared memory."""

    def __init__(self, where, seed, share):
        self.where, self.seed = where, seed
        self.sent = multiprocessing.Value("Q", 0)
        self.last = collections.deque(maxlen=2 * BURST)
        self.share = share  # packets to send, 0: until told to stop
        self.done = multiprocessing.Event()
        self.process = multiprocessing.Process(target=self.run, daemon=True)

    def run(self):
        rng = random.Random(self.seed)
        while not self.done.is_set() and (self.share == 0 or self.sent.value < self.share):
            try:
                self.burst(rng)
            except OSError as error:
                if isinstance(error, ConnectionRefusedError):
                    break
            self.sent.value += BURST

    def sentinel(self):
        return dns.query(f"static.{APEX}", ident=0x5e17)


class UdpAttack(Attack):
    client = None

    def burst(self, rng):
        if not self.client:
            self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.client.connect(self.where)
            self.client.settimeout(2)
        for _ in range(BURST):
            self.client.send(hostile(rng))
        self.client.send(self.sentinel())
        while True:
            reply = self.client.recv(65535)
            if len(reply) < 12 or not reply[2] & 0x80 or len(reply) > REPLY_MOST:
                raise SystemExit(f"not a reply: {reply.hex()}")
            if reply[:2] == b"\x5e\x17":
                return


class TcpAttack(Attack):
    """Framed rightly or wrongly, cut anywhere, closed in every way."""

    def burst(self, rng):
        with socket.create_connection(self.where, 5) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.settimeout(0.2)  # where the last length promises more than comes, nobody answers
            stream = b""
            for _ in range(BURST):
                packet = hostile(rng) if rng.random() < 0.99 else rng.randbytes(rng.randrange(65536))
                length = len(packet) if rng.random() < 0.97 else rng.getrandbits(16)
                stream += struct.pack("!H", length) + packet
            while stream:
                cut = rng.choice((len(stream), rng.randrange(1, len(stream) + 1)))
                client.sendall(stream[:cut])
                stream = stream[cut:]
            how = rng.randrange(4)
            if how == 0:  # reset, replies unread
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how == 1:
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
            elif how == 2:
                client.recv(100)


class Right:
    """Asks what it knows the answer of, over UDP and now and then over TCP."""

    QUESTIONS = [(f"acme.{APEX}", "A", [VIP]), (f"acme.{APEX}", "AAAA", ["2001:db8::11"]),
                 (f"static.{APEX}", "A", ["192.0.2.80"]), (f"q.w.{APEX}", "A", ["192.0.2.7"])]

    def __init__(self, where):
        self.where = where
        self.counts = multiprocessing.Array("Q", 3)  # asked, right, wrong
        self.done = multiprocessing.Event()
        self.process = multiprocessing.Process(target=self.run, daemon=True)

    def run(self):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.connect(self.where)
        start, number = time.monotonic(), 0
        while not self.done.is_set():
            name, kind, addresses = self.QUESTIONS[number % len(self.QUESTIONS)]
            message = dns.query(name, kind, "10.1.7.0/24" if number % 2 else None)
            self.counts[0] += 1
            reply = self.ask_tcp(message) if number % 50 == 0 else self.ask_udp(client, message)
            if reply and sorted(dns.Reply(reply).addresses) == sorted(addresses):
                self.counts[1] += 1
            elif reply:
                self.counts[2] += 1
            number += 1
            time.sleep(max(0.0, start + number / RATE - time.monotonic()))

    @staticmethod
    def ask_udp(client, message):
        client.settimeout(2)
        client.send(message)
        try:
            while True:
                reply = client.recv(65535)
                if reply[:2] == message[:2]:
                    return reply
        except socket.timeout:
            return None

    def ask_tcp(self, message):
        try:
            with socket.create_connection(self.where, 2) as client:
                client.sendall(struct.pack("!H", len(message)) + message)
                stream = client.makefile("rb")
                return stream.read(struct.unpack("!H", stream.read(2))[0])
        except (OSError, struct.error):
            return None


def resident_kb(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def weather(options, server, attacks, right):
    """Until the time is over or all is sent: (seconds, memory after the warm-up, memory at the end)."""
    start, warm = time.monotonic(), None
    while True:
        time.sleep(0.1)
        gone = time.monotonic() - start
        if server.process.poll() is not None:
            return gone, 0, 0
        sent = sum(attack.sent.value for attack in attacks)
        progress = sent / options.packets if options.packets else gone / options.seconds
        if warm is None and progress >= WARM_UP:
            warm = resident_kb(server.process.pid)
        if progress >= 1 or not any(attack.process.is_alive() for attack in attacks):
            return gone, warm or resident_kb(server.process.pid), resident_kb(server.process.pid)


def judge(attacks, right, seconds, warm, end):
    asked, good, wrong = right.counts
    sent = [attack.sent.value for attack in attacks]
    print(f"{sum(sent)} packets ({sent[0]} UDP, {sent[1]} TCP) in {seconds:.1f} s; {asked} right questions, "
          f"{good} right answers ({good / seconds:.0f}/s), {wrong} wrong; memory {warm} → {end} KiB")
    faults = []
    if wrong:
        faults.append(f"{wrong} wrong answers")
    if good / seconds < RATE_MIN:
        faults.append(f"{good / seconds:.0f} right answers a second, at least {RATE_MIN}")
    if asked - good > max(1, asked * LOST_MAX):  # the last one may still be on its way
        faults.append(f"{asked - good} of {asked} right questions lost")
    if end > warm + GROWTH_MAX_KB:
        faults.append(f"memory grew from {warm} to {end} KiB")
    faults += [f"an attacker of {type(attack).__name__} ended with {attack.process.exitcode}"
               for attack in attacks if attack.process.exitcode]
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--packets", type=int, default=0, help="instead of --seconds: so many, nine tenths by UDP")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.getrandbits(32)
    print(f"seed {seed}")
    # What ASan keeps back of freed memory would look like a leak.
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4"
    server = stack.Stack(FLEET, zones={APEX: ZONE}, node={"probes": None})
    faults = []
    try:
        server.start()
        where = (server.address, server.port)
        attacks = [UdpAttack(where, seed, options.packets * 9 // 10), TcpAttack(where, seed + 1, options.packets // 10)]
        right = Right(where)
        for one in (*attacks, right):
            one.process.start()
        seconds, warm, end = weather(options, server, attacks, right)
        for one in (right, *attacks):
            one.done.set()
        for one in (right, *attacks):
            one.process.join(10)
        if server.process.poll() is not None:
            faults.append(f"gslbd ended with {server.process.returncode}:\n{server.log()[-6000:]}")
        else:
            faults += judge(attacks, right, seconds, warm, end)
    finally:
        server.stop()
    for fault in faults:
        print(f"storm: {fault}", file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
