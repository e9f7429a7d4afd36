"""Names, addresses, zones and query files that all servers under test share (standard library only).

Tenants are t0000001.<origin> and so on, all of one length, so that every query of a file has one size.
The address of tenant i in region r, member m of a pool, is 10.0.0.0 + (r << 22 | i << 2 | m): an answer
names its region and tenant, and the load generator can tell a wrong one from a right one.
"""
import random
import struct

import mmdb

ORIGIN = "lb.example"
REGIONS = ["na", "sa", "eu", "ap"]
CONTINENT_REGION = {"NA": 0, "SA": 1, "EU": 2, "AF": 2, "AS": 3, "OC": 3, "AN": 3}
DEFAULT_REGION = 0
NET = 10 << 24
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def tenant(i):
    return f"t{i:07d}"


def vip(i, region, member=0):
    return NET | region << 22 | (i & 0xfffff) << 2 | member


def ip4(v):
    return f"{v >> 24}.{v >> 16 & 255}.{v >> 8 & 255}.{v & 255}"


def wire(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"


def opt(ecs=None, size=1232):
    """An OPT record; `ecs` is an IPv4 address whose /24 is the client subnet."""
    option = b"" if ecs is None else struct.pack(">HHHBB", 8, 7, 1, 24, 0) + struct.pack(">I", ecs)[:3]
    return b"\0" + struct.pack(">HHBBHH", 41, size, 0, 0, 0, len(option)) + option


def query(name_wire, qtype=1, tail=b""):
    return struct.pack(">HHHHHH", 0, 0, 1, 0, 0, 1 if tail else 0) + name_wire + struct.pack(">HH", qtype, 1) + tail


def public_24(rnd):
    """A random /24 of the public unicast space."""
    while True:
        ip = rnd.randrange(1 << 24, 224 << 24) & 0xffffff00
        a, b = ip >> 24, ip >> 16 & 255
        if not (a in (10, 127) or (a == 100 and 64 <= b < 128) or (a == 169 and b == 254) or
                (a == 172 and 16 <= b < 32) or (a == 192 and b in (0, 168)) or
                (a == 198 and b in (18, 19, 51)) or (a == 203 and b == 0)):
            return ip


def region_of(reader, ip):
    record, _ = reader.find_v4(ip)
    code = ((record or {}).get("continent") or {}).get("code")
    return CONTINENT_REGION.get(code, DEFAULT_REGION)


def write_queries(path, kind, names, count, db=None, shared=0):
    """kind: plain, edns, ecs (client subnet; needs the city database), nx (names that do not exist), sub (such
    names below those of tenants).

    shared: sets of addresses that all tenants share, 0 = each its own."""
    rnd = random.Random(7)
    reader = mmdb.Reader(db) if kind == "ecs" else None
    apex = wire(ORIGIN)
    with open(path, "wb") as f:
        f.write(b"UQ02" + struct.pack("<I", count))
        for _ in range(count):
            i = rnd.randrange(names)
            own = i % shared if shared else i
            name, tail, expect = b"\x08" + tenant(i).encode() + apex, b"", vip(own, DEFAULT_REGION)
            if kind == "nx":
                name, expect = b"\x0a" + "".join(rnd.choices(LETTERS, k=10)).encode() + apex, 0
            elif kind == "sub":
                name, expect = b"\x0a" + "".join(rnd.choices(LETTERS, k=10)).encode() + name, 0
            elif kind == "edns":
                tail = opt()
            elif kind == "ecs":
                net = public_24(rnd)
                tail, expect = opt(ecs=net), vip(own, region_of(reader, net))
            packet = query(name, 1, tail)
            f.write(struct.pack("<HI", len(packet), expect) + packet)


def head():
    return (f"$ORIGIN {ORIGIN}.\n$TTL 30\n"
            f"@ SOA ns1.{ORIGIN}. host.{ORIGIN}. 1 3600 600 86400 30\n"
            f"@ NS ns1.{ORIGIN}.\nns1 A 192.0.2.53\n")


def write_zone(path, names, record):
    """record(i): the text after the owner name."""
    with open(path, "w") as f:
        f.write(head())
        f.writelines(f"{tenant(i)} {record(i)}\n" for i in range(names))
