#!/usr/bin/python3
"""Writes small MaxMind DB files for the tests, in both schemas: make_mmdb.py FOLDER.

The format is that of the MaxMind DB specification 2.0; standard library only. The addresses of the
nested files are those that documentation and test databases use.
"""
import ipaddress
import os
import struct
import sys


class Float(float):
    """A number written with 4 octets; plain float is written with 8."""


class Uint16(int):
    """A number written as uint16; plain int is written as uint32."""


class Uint64(int):
    """A number written as uint64."""


class Data:
    """The data section: equal records are written once, repeated texts as pointers."""

    def __init__(self):
        self.octets = bytearray()
        self.records = {}
        self.texts = {}

    def add(self, record):
        key = repr(record)
        if key not in self.records:
            self.records[key] = len(self.octets)
            self._put(record, self.octets)
        return self.records[key]

    def encode(self, value):
        """For the metadata, which holds no pointers."""
        octets = bytearray()
        self.texts, kept = None, self.texts
        self._put(value, octets)
        self.texts = kept
        return bytes(octets)

    def _put(self, value, out):
        if isinstance(value, str):
            self._put_text(value, out)
        elif isinstance(value, bool):
            self._control(14, int(value), out)
        elif isinstance(value, Float):
            self._control(15, 4, out)
            out += struct.pack(">f", value)
        elif isinstance(value, float):
            self._control(3, 8, out)
            out += struct.pack(">d", value)
        elif isinstance(value, int):
            octets = value.to_bytes((value.bit_length() + 7) // 8, "big")
            kind = 5 if isinstance(value, Uint16) else 9 if isinstance(value, Uint64) else 6
            self._control(kind, len(octets), out)
            out += octets
        elif isinstance(value, dict):
            self._control(7, len(value), out)
            for key, member in value.items():
                self._put(key, out)
                self._put(member, out)
        elif isinstance(value, list):
            self._control(11, len(value), out)
            for member in value:
                self._put(member, out)
        else:
            raise TypeError(repr(value))

    def _put_text(self, text, out):
        octets = text.encode()
        if self.texts is not None and len(octets) > 3:
            at = self.texts.setdefault(text, len(out))
            if at != len(out):
                self._pointer(at, out)
                return
        self._control(2, len(octets), out)
        out += octets

    @staticmethod
    def _pointer(at, out):
        if at < 2048:
            out += bytes([0x20 | at >> 8, at & 0xFF])
        else:
            at -= 2048
            out += bytes([0x28 | at >> 16, at >> 8 & 0xFF, at & 0xFF])

    @staticmethod
    def _control(kind, size, out):
        first, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
        if size >= 285:
            first, more = 30, (size - 285).to_bytes(2, "big")
        if kind > 7:
            out += bytes([first, kind - 7]) + more
        else:
            out += bytes([kind << 5 | first]) + more


def bits_of(prefix, version):
    network = ipaddress.ip_network(prefix)
    if version == 6 and network.version == 4:
        return f"{0:096b}{int(network.network_address):032b}"[: 96 + network.prefixlen]
    width = network.max_prefixlen
    return f"{int(network.network_address):0{width}b}"[: network.prefixlen]


def insert(root, bits, value):
    node = root
    for bit in map(int, bits[:-1]):
        if not isinstance(node[bit], list):
            node[bit] = [node[bit], node[bit]]
        node = node[bit]
    node[int(bits[-1])] = value


def find(root, bits):
    for bit in map(int, bits):
        root = root[bit]
    return root


def write(path, networks, version=6, record_size=28, kind="Test", aliases=(), built=1700000000):
    """networks: (prefix, record); the longer prefixes win."""
    data, root = Data(), [None, None]
    for prefix, record in sorted(networks, key=lambda n: len(bits_of(n[0], version))):
        insert(root, bits_of(prefix, version), data.add(record))
    if aliases:
        ipv4 = find(root, "0" * 96)
        for prefix in aliases:
            insert(root, bits_of(prefix, version), ipv4)
    nodes, numbers = [root], {id(root): 0}
    for node in nodes:
        for child in node:
            if isinstance(child, list) and id(child) not in numbers:
                numbers[id(child)] = len(nodes)
                nodes.append(child)

    def record_of(child):
        if child is None:
            return len(nodes)
        return numbers[id(child)] if isinstance(child, list) else len(nodes) + 16 + child

    tree = bytearray()
    for node in nodes:
        left, right = map(record_of, node)
        if record_size == 24:
            tree += left.to_bytes(3, "big") + right.to_bytes(3, "big")
        elif record_size == 28:
            tree += (left & 0xFFFFFF).to_bytes(3, "big") + bytes([left >> 24 << 4 | right >> 24])
            tree += (right & 0xFFFFFF).to_bytes(3, "big")
        else:
            tree += left.to_bytes(4, "big") + right.to_bytes(4, "big")
    metadata = {
        "node_count": len(nodes), "record_size": Uint16(record_size), "ip_version": Uint16(version),
        "database_type": kind, "languages": ["en"], "binary_format_major_version": Uint16(2),
        "binary_format_minor_version": Uint16(0), "build_epoch": Uint64(built),
        "description": {"en": "made for tests"},
    }
    with open(path, "wb") as out:
        out.write(tree + bytes(16) + data.octets + b"\xab\xcd\xefMaxMind.com" + data.encode(metadata))


def nested(country=None, continent=None, at=None, subdivisions=(), names=None):
    record = {}
    if names:
        record["city"] = {"geoname_id": 2643743, "names": names}
    if continent:
        record["continent"] = {"code": continent, "geoname_id": 6255148, "names": {"en": "continent"}}
    if country:
        record["country"] = {"geoname_id": 1, "iso_code": country, "names": {"en": "country " + country}}
        record["registered_country"] = {"geoname_id": 2, "iso_code": "ZZ", "names": {"en": "elsewhere"}}
    if at:
        record["location"] = {"accuracy_radius": Uint16(100), "latitude": at[0], "longitude": at[1],
                              "time_zone": "Europe/London"}
    if subdivisions:
        record["subdivisions"] = [{"geoname_id": 9, "iso_code": code, "names": {"en": code}}
                                  for code in subdivisions]
    return record


def flat(country="", at=None, state=""):
    record = {"city": "somewhere", "country_code": country}
    if at:
        record["latitude"], record["longitude"] = Float(at[0]), Float(at[1])
    record.update({"postcode": "", "state1": state, "state2": "", "timezone": ""})
    return record


ALIASES = ("2002::/16", "2001::/32", "::ffff:0:0/96")
LONDON = nested("GB", "EU", (51.5142, -0.0931), ("ENG", "WBK"), {"de": "London", "en": "London", "fr": "Londres"})


def main(folder):
    def put(name, networks, **options):
        write(os.path.join(folder, name), networks, **options)

    put("nested-city.mmdb", [
        ("81.2.69.0/24", LONDON),
        ("81.2.69.192/28", nested("GB", "EU", (51.75, -1.25), ("ENG",))),
        ("89.160.20.112/28", nested("SE", "EU", (58.4167, 15.6167), ("E",), {"en": "Linköping"})),
        ("216.160.83.56/29", nested("US", "NA", (47.2513, -122.3149), ("WA",))),
        ("2.125.160.216/29", nested("GB", "EU")),
        ("203.0.113.0/24", nested(None, "AF")),
        ("2001:218::/32", nested("JP", "AS", (35.68536, 139.75309), ("13",))),
        ("2a02:ffc0::/29", nested("GI", "EU", (36.13333, -5.35))),
        ("2a02:ffc0:1:2:3:4:5:6/128", nested("ES", "EU", (40.0, -4.0))),
    ], kind="GeoIP2-City", aliases=ALIASES, built=1700000001)
    put("nested-country.mmdb", [
        ("81.2.64.0/20", nested("IE", "EU")), ("203.0.113.0/24", nested("ZA", "AF")),
        ("2001:db8::/32", nested("BR", "SA")),
    ], record_size=24, kind="GeoIP2-Country", aliases=ALIASES)
    put("flat-asn.mmdb", [
        ("81.2.69.0/25", {"autonomous_system_number": 20712, "autonomous_system_organization": "Example"}),
        ("198.51.100.0/24", {"autonomous_system_number": Uint16(64500)}),
        ("2001:db8:1::/48", {"autonomous_system_number": 4200000001}),
    ], record_size=32, kind="ASN")
    put("text-asn.mmdb", [  # as IPinfo writes it
        ("8.8.8.0/24", {"asn": "AS15169", "as_name": "Example", "country": "United States", "country_code": "US",
                        "continent": "North America", "continent_code": "NA"}),
        ("8.8.9.0/24", {"asn": "AS4294967295"}), ("8.8.10.0/24", {"asn": "64500", "country_code": "DE"}),
        ("8.8.11.0/24", {"asn": "AS4294967296", "country_code": "DE"}), ("8.8.12.0/24", {"asn": "AS", "country_code": "DE"}),
        ("8.8.13.0/24", {"asn": "AS1x", "country_code": "DE"}), ("8.8.14.0/24", {"asn": "", "country_code": "DE"}),
        ("2001:db8::/32", {"asn": "as64501"}),
    ], kind="ipinfo_lite.mmdb")
    put("flat-city-v4.mmdb", [
        ("1.0.0.0/24", flat("AU", (-27.4767, 153.017), "Queensland")),
        ("1.0.1.0/24", flat("CN", (26.0745, 119.2965), "Fujian-福建")),
        ("81.2.69.0/24", flat("FR", (48.85, 2.35), "Île-de-France")),
        ("255.255.255.255/32", flat("nz", (-41.0, 174.0), "Wellington")),
    ], version=4, kind="city ipv4")
    put("flat-city-v6.mmdb", [
        ("2a02:26f7::/32", flat("SG", (1.35208, 103.82))),
        ("2002::/16", flat("US", (33.9829, -118.405), "California")),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", flat("AQ")),
    ], record_size=32, kind="city ipv6")
    put("flat-country-v4.mmdb", [("0.0.0.0/1", {"country_code": "US"}), ("128.0.0.0/1", {"country_code": "DE"})],
        version=4, record_size=24, kind="country ipv4")
    put("whole-v6.mmdb", [("::/1", {"country_code": "US"}), ("8000::/1", {"country_code": "DE"})], record_size=24)
    put("no-kind.mmdb", [("192.0.2.0/24", {"domain": "example.com"})])
    put("not-a-map.mmdb", [("192.0.2.0/24", "text")])
    put("far-off.mmdb", [("192.0.2.0/24", nested("DE", "EU", (91.0, 0.0)))])


if __name__ == "__main__":
    main(sys.argv[1])
