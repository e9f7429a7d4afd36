"""Answers of a real gslbd with the full city databases against an oracle that shares no code with it:
10,000 random clients of both families, five regions; and what such a node costs to start."""

import collections
import ipaddress
import random
import sys
import time

import stack

sys.path.insert(0, str(stack.HERE.parent / "geo"))
try:
    import compare
    import oracle
except ImportError:  # python3-maxminddb
    oracle = None

DATABASES = [stack.GEO_DATA / f"dbip-city-ipv{version}.mmdb" for version in (4, 6)]
CLIENTS, SEED = 10_000, 20260101
REGIONS = {
    "fra": {"at": [50.11, 8.68]}, "iad": {"at": [39.04, -77.49]}, "gru": {"at": [-23.43, -46.47]},
    "sin": {"at": [1.35, 103.82]}, "syd": {"at": [-33.87, 151.21]},
}
VIPS = {region: f"198.51.100.{i + 1}" for i, region in enumerate(REGIONS)}
ALLOWED = {"acme": list(REGIONS), "resident": ["gru", "syd"], "relieved": list(REGIONS)}
# Of dual's service not every region has both address families: the nearest one that has the family is right.
VIPS6 = {region: f"2001:db8:{i + 1}::1" for i, region in enumerate(REGIONS)}
FAMILIES = {"fra": "46", "iad": "4", "gru": "6", "sin": "4", "syd": "46"}
ALLOWED["dual"] = list(REGIONS)
BIAS = {"relieved": {"fra": -60, "sin": 30}}  # its service relieves fra and draws clients to sin
TIE_KM = 0.1  # nearer than this the last digits of a cosine decide


def random_client(rng, readers):
    """A client subnet as a resolver would send it: some bits of an address that has a place."""
    version = rng.choice((4, 4, 6))
    width = 32 if version == 4 else 128
    bits = rng.choice((20, 24, 24, 32) if version == 4 else (40, 48, 56, 56, 64))
    address = int(ipaddress.ip_address(compare.random_client(readers[version], version, rng)))
    network = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    return network((address >> (width - bits) << (width - bits), bits))


class Against(stack.StackTest):
    def setUp(self):
        if oracle is None or not all(path.exists() for path in DATABASES):
            self.skipTest("needs python3-maxminddb and geo-data/ (tools/setup)")
        fleet = {
            "regions": REGIONS,
            "services": {"shop": {"ttl": "20s", "vips": {region: [vip] for region, vip in VIPS.items()}},
                         "biased": {"ttl": "20s", "vips": {region: [vip] for region, vip in VIPS.items()},
                                    "steering": {"bias": BIAS["relieved"]}},
                         "dual": {"ttl": "20s", "vips": {
                             region: [vips[region] for vips, family in ((VIPS, "4"), (VIPS6, "6")) if family in has]
                             for region, has in FAMILIES.items()}}},
            "tenants": {"acme": {"zone": stack.ZONE, "service": "shop"},
                        "resident": {"zone": stack.ZONE, "service": "shop", "regions": ALLOWED["resident"]},
                        "relieved": {"zone": stack.ZONE, "service": "biased"},
                        "dual": {"zone": stack.ZONE, "service": "dual"}},
        }
        self.stack = self.use(stack.Stack(fleet, node={"probes": None}, geo=DATABASES))
        began = time.monotonic()
        self.stack.start(seconds=60)
        self.start_s = time.monotonic() - began

    def peak_mib(self):
        with open(f"/proc/{self.stack.process.pid}/status") as lines:
            return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def test_ten_thousand_clients(self):
        print(f"ready after {self.start_s:.1f} s, {self.peak_mib():.0f} MiB at the peak")
        self.assertLess(self.start_s, 30)
        self.assertLess(self.peak_mib(), 1024)
        rng = random.Random(SEED)
        paths = [str(path) for path in DATABASES]
        oracles = {name: oracle.Oracle({"regions": REGIONS, "candidates": allowed, "order": "nearest",
                                        "bias": BIAS.get(name, {})}, paths)
                   for name, allowed in ALLOWED.items()}
        readers = dict(zip((4, 6), oracles["acme"].readers))
        ties, moves = 0, collections.Counter()
        for _ in range(CLIENTS):
            client = random_client(rng, readers)
            address = client.network_address
            name = rng.choice(sorted(ALLOWED))
            kind, vips, family = rng.choice((("A", VIPS, "4"), ("AAAA", VIPS6, "6"))) if name == "dual" else ("A", VIPS, "")
            expected = next(region for tier in oracles[name].tiers(str(address)) for region in tier
                            if family in FAMILIES[region])
            reply = self.stack.ask(name, kind, client=str(client))
            got = next(region for region, vip in vips.items() if [vip] == reply.addresses)
            if got != expected:
                at = oracles[name].place(address)["at"]
                distances = [oracle.biased(oracle.distance_km(at, REGIONS[region]["at"]),
                                           BIAS.get(name, {}).get(region, 0)) for region in (got, expected)]
                self.assertLess(abs(distances[0] - distances[1]), TIE_KM, f"{name} for {client}: {got}, not {expected}")
                ties += 1
            self.check_scope(rng, name, kind, client, reply)
            if name == "relieved":
                # What a bias is for: fra wins nobody, sin loses nobody, no other client moves.
                plain = oracles["acme"].tiers(str(address))[0][0]
                moves.update([(plain, got)])
                self.assertTrue(got == plain or plain == "fra" or got == "sin", f"{client} went from {plain} to {got}")
        self.assertTrue(any(plain == "fra" != got for plain, got in moves), moves)
        self.assertTrue(any(plain != "sin" == got for plain, got in moves), moves)
        print(f"{CLIENTS} clients, {ties} ties")
        self.assertLess(ties, CLIENTS / 1000)

    def check_scope(self, rng, name, kind, client, reply):
        """Anywhere inside the scope a client gets the same answer."""
        self.assertIsNotNone(reply.scope)
        bits = client.max_prefixlen
        inside = int(client.network_address) >> (bits - reply.scope) << (bits - reply.scope)
        if reply.scope < bits:
            inside |= rng.getrandbits(bits - reply.scope)
        other = f"{type(client.network_address)(inside)}/{bits}"
        again = self.stack.ask(name, kind, client=other)
        self.assertEqual(again.addresses, reply.addresses, f"{name} for {client}, scope {reply.scope}, and {other}")


if __name__ == "__main__":
    stack.main()
