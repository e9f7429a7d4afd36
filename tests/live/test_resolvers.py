"""Real resolvers in front of gslbd: caches that know client subnets and caches that do not. No client may get what
belongs to a neighbour, a change is seen when the TTLs promised it, and truncation, cookies and limits cost nobody
an answer."""

import ipaddress
import random
import sys
import time

import resolvers
import stack

sys.path.insert(0, str(stack.HERE.parent / "geo"))
import make_mmdb  # noqa: E402

SEED = 20260207
QUESTIONS = 6000
SHARING = 2000
OTHER = "other.example"
CITIES = {"eu": (50.11, 8.68), "us": (38.95, -77.45), "ap": (1.35, 103.82), "sa": (-23.43, -46.47)}
PLACES = [("DE", "EU", (50.11, 8.68)), ("US", "NA", (38.95, -77.45)), ("US", "NA", (37.4, -122.1)),
          ("SG", "AS", (1.35, 103.82)), ("BR", "SA", (-23.43, -46.47)), ("GB", "EU", (51.5, -0.1)), None]
ZONES = {
    stack.ZONE: stack.ZONE_TEXT + f"""\
never   0 IN A   192.0.2.81
a.b.deep IN TXT  "below an empty name"
one     IN CNAME two
two     IN CNAME three
three   IN CNAME near
abroad  IN CNAME sticky.{OTHER}.
further IN CNAME abroad
under   IN DNAME {OTHER}.
big     IN TXT   {" ".join('"' + letter * 250 + '"' for letter in "abcdefghijkl")}
near    IN TXT   "beside a tenant"
""",
    OTHER: """\
$TTL 300
@ IN SOA ns hostmaster 1 7200 900 1209600 60
  IN NS ns
ns IN A 192.0.2.54
""",
}


def vips(number, per_region=1, families=(4, 6)):
    """Addresses that say whose they are; the numbers keep services apart."""
    def address(version, region, at):
        return (f"198.51.{number}.{10 * (region + 1) + at}" if version == 4 else
                f"2001:db8:{number}::{region + 1}:{at}")
    return {region: [address(version, r, at) for version in families for at in range(per_region)]
            for r, region in enumerate(CITIES)}


def fleet():
    def service(number, steering=None, per_region=1, families=(4, 6), **more):
        return {"ttl": "300s", "vips": vips(number, per_region, families), "steering": steering or {},
                "https": {"alpn": ["h2"]}, **more}

    services = {
        "near": service(1),
        "sticky": service(2, {"tolerance": "20000km"}, 3),
        "several": service(3, {"answers": 2}, 3),
        "part": service(4),
        "listed": service(5, {"order": "listed", "regions": ["sa", "eu"]}),
        "none": service(6, {"order": "none"}, 2),
        "mapped": service(7, {"order": "map", "map": "world"}),
        "only6": service(8, families=(6,)),
        "wide": service(9, {"tolerance": "20000km", "prefix": [12, 36]}, 2),
        "biased": service(10, {"bias": {"us": 60, "eu": -40}}),
    }
    tenants = {name: {"zone": stack.ZONE, "service": name} for name in services}
    tenants["acme"] = {"zone": stack.ZONE, "service": "near"}
    tenants["resident"] = {"zone": stack.ZONE, "service": "near", "regions": ["us", "ap"]}
    tenants["wild"] = {"zone": stack.ZONE, "service": "near", "hosts": ["*.wild"]}
    tenants["gone"] = {"zone": stack.ZONE, "service": "near", "state": "suspended"}
    tenants["abroad"] = {"zone": OTHER, "service": "sticky", "hosts": ["sticky"]}
    return {
        "regions": {region: {"at": list(at)} for region, at in CITIES.items()},
        "maps": {"world": {"EU": ["eu", "us"], "country:BR": ["sa"], "20.64.0.0/10": ["ap"], "AS": [],
                           "20.64.7.128/25": ["sa"], "default": ["us", "eu"]}},
        "services": services, "tenants": tenants,
    }


NAMES = [(name, kind) for name in [*fleet()["services"], "acme", "resident", "x.wild", "y.wild", "gone", "alias",
                                   "one", "abroad", "further", "sticky.under"]
         for kind in ("A", "A", "AAAA", "HTTPS")]
NAMES += [("static", "A"), ("static", "AAAA"), ("never", "A"), ("nowhere", "A"), ("b.deep", "A"), ("near", "TXT"),
          ("x.nowhere", "AAAA"), ("a.b.deep", "TXT"), ("nothing.static", "A"), ("near", "MX")]


def borders(rng):
    """Nested prefixes with places: the database. Every second one differs from the one around it by region."""
    networks = []

    def grow(around, lengths):
        if not lengths:
            return
        for _ in range(rng.choice((3, 4))):
            length = rng.choice(lengths[0])
            host = rng.getrandbits(length - around.prefixlen) << (around.max_prefixlen - length)
            inner = type(around)((int(around.network_address) + host, length))
            networks.append((inner, rng.choice(PLACES)))
            grow(inner, lengths[1:])

    for base in ("20.0.0.0/8", "127.0.0.0/8"):
        grow(ipaddress.ip_network(base), [(9, 10, 11, 12), (14, 15, 16, 17), (18, 20, 22, 23, 24), (25, 26, 28, 30)])
    grow(ipaddress.ip_network("2a00::/16"), [(20, 24, 29), (32, 36), (40, 44, 47, 48, 56), (57, 60, 64)])
    # Where this machine is; it is no part of the draw.
    networks.append((ipaddress.ip_network("127.0.0.0/24"), PLACES[0]))
    return networks


def edges(network):
    """First and last address inside, and those just outside."""
    first, last = int(network.network_address), int(network.broadcast_address)
    return [type(network.network_address)(at) for at in (first - 1, first, last, last + 1)]


def clients(rng, networks, longest):
    """(client subnet or None, own address): on both sides of all borders."""
    found = []
    for network, _ in networks:
        for address in edges(network):
            if address.version == 4 and address.is_loopback:
                found.append((None, str(address)))
                continue
            lengths = (24, 24, 24, 20, 16, 32, 12, 28) if address.version == 4 else (56, 56, 48, 64, 40, 32, 128)
            length = min(rng.choice(lengths), longest[address.version])
            found.append((str(ipaddress.ip_network((address, length), strict=False)), "127.0.0.1"))
    # Nobody gives 127.0.0.0 or the broadcast address to a host; 127.0.0.0/24 asks without a subnet elsewhere.
    return [pair for pair in found if not pair[1].endswith((".0", ".255")) or pair[0]] + [("0.0.0.0/0", "127.0.0.1")]


class InFront(stack.StackTest):
    def resolver(self, kind, label=None, **more):
        if resolvers.missing(kind):
            self.skipTest(f"{kind} is not installed (tools/setup --test)")
        resolver = resolvers.Resolver(kind, self.stack, label, **more)
        self.addCleanup(resolver.stop)
        return resolver

    def all_resolvers(self):
        found = []
        for kind in resolvers.KINDS:
            if resolvers.missing(kind):
                print(f"without {kind}: it is not installed (tools/setup --test)")
            else:
                found.append(self.resolver(kind))
        if not found:
            self.skipTest("no resolver is installed (tools/setup --test)")
        return found

    def asked(self, transport=""):
        """Queries that reached gslbd."""
        return sum(int(line.split()[-1]) for line in self.stack.page("/metrics")[1].splitlines()
                   if line.startswith('gslb_dns_queries_total{transport="' + transport))


class Neighbours(InFront):
    """Thousands of clients in random order: each gets what gslbd itself would tell it."""

    def setUp(self):
        self.rng = random.Random(SEED)
        self.networks = borders(self.rng)
        self.stack = stack.Stack(fleet(), ZONES, node={"probes": None})
        path = self.stack.directory / "made.mmdb"
        make_mmdb.write(str(path), [(str(network), make_mmdb.nested(*place) if place else make_mmdb.nested())
                                    for network, place in self.networks])
        self.stack.node["geo"] = [str(path)]
        self.stack.write()
        self.use(self.stack)
        self.stack.start()
        self.stack.ctl("region", "drain", "eu", "--service", "part", "--share", "50", "--reason", "half")

    def questions(self, longest):
        crowd = clients(self.rng, self.networks, longest)
        print(f"{len(self.networks)} borders, {len(crowd)} clients, {len(NAMES)} questions")
        found = []
        for _ in range(QUESTIONS):
            (subnet, own), (name, kind) = self.rng.choice(crowd), self.rng.choice(NAMES)
            found.append((f"{name}.{stack.ZONE}.", kind, subnet, own))
        return found

    def direct(self, questions, cut):
        """What gslbd says to these clients; `cut`: what a resolver shows of an address that asks without a subnet."""
        found = []
        for name, kind, subnet, own in questions:
            if cut and subnet is None:
                subnet = str(ipaddress.ip_network((own, cut), strict=False))
            found.append((name, kind, subnet, "127.0.0.1"))
        return [resolvers.content(reply) for reply in resolvers.ask_all(self.stack.port, found)]

    def compare(self, resolver, questions, expected):
        before = self.asked()
        replies = resolvers.ask_all(resolver.port, questions)
        reached = self.asked() - before
        wrong = [(question, resolvers.content(reply), wanted)
                 for question, reply, wanted in zip(questions, replies, expected)
                 if resolvers.content(reply) != wanted]
        self.assertEqual(wrong[:5], [], f"{len(wrong)} of {len(questions)} wrong through {resolver.label}")
        return reached

    def check_subnets(self, resolver, longest):
        questions = self.questions(longest)
        expected = self.direct(questions, longest[4])
        kinds = len({str(wanted) for wanted in expected})
        cold = self.compare(resolver, questions, expected)
        pairs = list(zip(questions, expected))
        self.rng.shuffle(pairs)
        warm = self.compare(resolver, *map(list, zip(*pairs)))
        print(f"{resolver.label}: {len(questions)} asked, {kinds} different answers, {cold} reached gslbd; "
              f"once more: {warm}")
        # A name of TTL 0 is among them, and each part of a name may be asked for by itself.
        self.assertLess(warm, 0.1 * len(questions))

    def check_sharing(self, resolver, longest):
        """New clients of one name find what their neighbours left."""
        def somewhere():
            return ipaddress.ip_network((int(ipaddress.ip_address("20.0.0.0")) + self.rng.getrandbits(24), longest[4]),
                                        strict=False)

        questions = [(f"wide.{stack.ZONE}.", "A", str(somewhere()), "127.0.0.1") for _ in range(SHARING)]
        questions += [(f"acme.{stack.ZONE}.", "A", *question[2:]) for question in questions]
        self.rng.shuffle(questions)
        reached = self.compare(resolver, questions, self.direct(questions, None))
        print(f"{resolver.label}: {len(questions)} clients of two names, {reached} reached gslbd")
        self.assertLess(reached, 0.5 * len(questions))

    def test_the_subnet_cache_of_unbound(self):
        resolver = self.resolver("unbound")
        self.check_subnets(resolver, {4: 24, 6: 56})
        self.check_sharing(resolver, {4: 24, 6: 56})

    def test_the_subnet_cache_with_whole_addresses(self):
        resolver = self.resolver("unbound", **{"max-client-subnet-ipv4": 32, "max-client-subnet-ipv6": 128})
        self.check_subnets(resolver, {4: 32, 6: 128})

    def test_caches_without_subnets(self):
        """All clients are where the resolver is, whatever subnet they tell it."""
        questions = self.questions({4: 24, 6: 56})[:QUESTIONS // 3]
        plain = [(name, kind, None, "127.0.0.1") for name, kind, _, _ in questions]
        expected = self.direct(plain, None)
        for resolver in self.all_resolvers():
            if resolver.label == "unbound":
                continue
            reached = self.compare(resolver, questions, expected)
            print(f"{resolver.label}: {len(questions)} asked, {reached} reached gslbd")
            self.assertLess(reached, 0.2 * len(questions))


if __name__ == "__main__":
    stack.main()
