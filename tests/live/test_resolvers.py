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
QUESTIONS = 4000
SHARING = 800  # clients a name
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

    def all_resolvers(self, settings=None):
        found = []
        for kind in resolvers.KINDS:
            if resolvers.missing(kind):
                print(f"without {kind}: it is not installed (tools/setup --test)")
            else:
                found.append(self.resolver(kind, **(settings or {}).get(kind, {})))
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

    def check_subnets(self, resolver, longest, count):
        questions = self.questions(longest)[:count]
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
        """New clients of one name find what their neighbours left, but where a hash of each one decides."""
        def somewhere():
            address = int(ipaddress.ip_address("20.0.0.0")) + self.rng.getrandbits(24)
            return str(ipaddress.ip_network((address, longest[4]), strict=False))

        shared = {"acme": True, "wide": True, "sticky": False, "several": False, "part": False}
        reached = {}
        for name in shared:
            questions = [(f"{name}.{stack.ZONE}.", "A", somewhere(), "127.0.0.1") for _ in range(SHARING)]
            reached[name] = self.compare(resolver, questions, self.direct(questions, None))
        print(f"{resolver.label}: {SHARING} more clients a name, reached gslbd: {reached}")
        for name, is_shared in shared.items():
            if is_shared:
                self.assertLess(reached[name], 0.5 * SHARING, name)

    def test_the_subnet_cache_of_unbound(self):
        resolver = self.resolver("unbound")
        self.check_subnets(resolver, {4: 24, 6: 56}, QUESTIONS)
        self.check_sharing(resolver, {4: 24, 6: 56})

    def test_the_subnet_cache_with_whole_addresses(self):
        resolver = self.resolver("unbound", **{"max-client-subnet-ipv4": 32, "max-client-subnet-ipv6": 128})
        self.check_subnets(resolver, {4: 32, 6: 128}, QUESTIONS // 2)

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


class Flips(InFront):
    """What an operator and a dying region do, seen through caches: nobody is kept longer than his last TTL said."""

    MIN, MAX = 1, 2
    SLACK = 1.1  # resolvers count whole seconds and round up

    def setUp(self):
        world = stack.World()
        world.fleet["locations"] = {**stack.LOCATIONS, "127.0.0.0/8": stack.LOCATIONS["10.1.0.0/16"]}
        world.fleet["services"]["shop"]["ttl"] = f"{self.MIN}s..{self.MAX}s"
        world.fleet["tenants"]["fresh"] = {"zone": stack.ZONE, "service": "shop", "hosts": ["*.fresh"]}
        self.stack = self.use(world.start())
        self.eu = world.vips["eu"]
        self.count = 0
        self.found = self.all_resolvers()
        self.labels = [resolver.label for resolver in self.found]
        self.crowd = {}
        for resolver in self.found:
            subnets = [None] if resolver.label != "unbound" else [None, *(f"10.1.{i}.0/24" for i in range(24))]
            self.crowd[resolver] = [(f"acme.{stack.ZONE}.", "A", subnet, "127.0.0.1") for subnet in subnets]

    def settle(self):
        stack.until(lambda: self.stack.ask("acme", client="10.1.7.0/24").ttl == self.MAX, 15, "the longest TTL")

    def look(self, name=None):
        """{(resolver, subnet): (addresses, TTL, asked when, answered when)} of all clients through all caches."""
        seen = {}
        for resolver, questions in self.crowd.items():
            if name:
                questions = [(name, *question[1:]) for question in questions]
            asked = time.monotonic()
            replies = resolvers.ask_all(resolver.port, questions)
            answered = time.monotonic()
            for question, reply in zip(questions, replies):
                self.assertEqual(reply.rcode, "NOERROR")
                ttl = reply.ttl if reply.answer else reply.authority[0][2]
                seen[resolver.label, question[2]] = (reply.addresses, ttl, asked, answered)
        return seen

    def follow(self, what, has_moved, name=None):
        """Asks until all have moved. Nobody who asks later than the TTL that he was given last before the change
        gets the old answer."""
        began, moved, last, beyond = time.monotonic(), set(), {}, dict.fromkeys(self.labels, 0)
        while len(moved) < len(self.before):
            self.assertLess(time.monotonic() - began, self.MAX + 10, f"{what}: {len(moved)} moved")
            for who, (addresses, ttl, asked, answered) in self.look(name).items():
                self.assertLessEqual(ttl, self.MAX)
                if not has_moved(addresses):
                    self.assertNotIn(who, moved, f"{what}: {who} went back")
                    late = asked - (self.before[who][3] + self.before[who][1])
                    beyond[who[0]] = max(beyond[who[0]], late)
                elif who not in moved:
                    moved.add(who)
                    last[who[0]] = answered - self.changed
            time.sleep(0.02)
        print(f"{what}: last client after " + ", ".join(
            f"{label} {after:.2f} s ({beyond[label]:.2f} s beyond the last TTL)" for label, after in last.items()))
        self.assertLess(max(beyond.values()), self.SLACK, what)

    def change(self, *words, name=None):
        self.before = self.look(name)
        asked = time.monotonic()
        self.stack.ctl("region", *words, "--reason", "resolvers")
        self.changed = time.monotonic()
        ttl = self.stack.ask("acme", client="10.1.7.0/24").ttl
        # It doubles after MIN: a machine that is too busy to ask before that has seen nothing wrong.
        if time.monotonic() - asked < self.MIN:
            self.assertEqual(ttl, self.MIN)

    def check_minimum(self, has_moved):
        """A name that no cache knows: the new answer at once, and with no longer a TTL than gslbd's own after it."""
        self.count += 1
        name = f"x{self.count}.fresh.{stack.ZONE}."
        seen = self.look(name)
        longest = self.stack.ask("acme", client="10.1.7.0/24").ttl
        for who, (addresses, ttl, _, _) in seen.items():
            self.assertTrue(has_moved(addresses), who)
            self.assertLessEqual(ttl, longest, who)

    def test_flips_are_followed(self):
        def is_eu(addresses):
            return addresses == self.eu

        def is_elsewhere(addresses):
            return bool(addresses) and addresses != self.eu

        self.settle()
        self.assertEqual({str(addresses) for addresses, *_ in self.look().values()}, {str(self.eu)})
        self.change("drain", "eu")
        self.check_minimum(is_elsewhere)
        self.follow("drain", is_elsewhere)
        self.change("restore", "eu")
        self.check_minimum(is_eu)
        self.follow("restore", is_eu)

        # A tenant that may live nowhere else: NODATA is remembered no longer than an address.
        home = f"resident.{stack.ZONE}."
        self.change("force-down", "eu", name=home)
        self.follow("force-down of the only region", lambda addresses: not addresses, home)
        self.change("restore", "eu", name=home)
        self.follow("restore of the only region", is_eu, home)

        # A region dies by itself: detection comes on top of what the caches hold.
        self.settle()
        self.look()
        for address in self.eu:
            self.stack.origins[address].set("500")
        failed = time.monotonic()
        while is_eu(self.stack.answer("acme", "10.1.7.0/24")):
            self.before = self.look()
        self.changed = time.monotonic()
        print(f"failure seen after {self.changed - failed:.2f} s")
        self.follow("failure", is_elsewhere)


class Limits(InFront):
    """Truncation, cookies, sizes and limits: every question gets its whole answer all the same."""

    NAMES = 60

    def start(self, **settings):
        served = fleet()
        served["tiers"] = {"small": {"dns_queries": "5/s", "dns_nxdomain": "5/s"}}
        served["tenants"]["wild"]["tier"] = "small"
        served["tenants"]["tight"] = {"zone": stack.ZONE, "service": "near", "tier": "small"}
        served["tenants"]["free"] = {"zone": stack.ZONE, "service": "near", "hosts": ["*.free"]}
        served["locations"] = {"127.0.0.0/8": stack.LOCATIONS["10.1.0.0/16"]}
        self.stack = self.use(stack.Stack(served, ZONES, node={"probes": None, "dns": settings}))
        self.stack.start()

    def limited(self, reason):
        return next(int(line.split()[-1]) for line in self.stack.page("/metrics")[1].splitlines()
                    if line.startswith(f'gslb_dns_limited_total{{reason="{reason}"}}'))

    def check_all_answered(self, resolver, names, wanted=("NOERROR", ["198.51.1.10"])):
        """Names new to the cache, asked together; returns how many of them went by TCP. A SERVFAIL is asked again,
        as a stub resolver does: where the limiter drops, Knot Resolver gives up on an only server early."""
        before = self.asked("tcp")
        open_questions = [(f"{name}.{stack.ZONE}.", "A", None, "127.0.0.1") for name in names]
        began, rounds = time.monotonic(), 0
        while open_questions:
            rounds += 1
            self.assertLess(time.monotonic() - began, 10, open_questions)
            replies = resolvers.ask_all(resolver.port, open_questions, patience=10)
            for reply in replies:
                self.assertIn((reply.rcode, reply.addresses), [wanted, ("SERVFAIL", [])])
            open_questions = [question for question, reply in zip(open_questions, replies)
                              if reply.rcode == "SERVFAIL"]
        took, by_tcp = time.monotonic() - began, self.asked("tcp") - before
        print(f"{resolver.label}: {len(names)} names in {1000 * took:.0f} ms and {rounds} rounds, "
              f"{by_tcp} queries by TCP")
        return by_tcp, rounds

    def test_a_tenant_over_its_budget(self):
        self.start()
        for resolver in self.all_resolvers():
            before = self.limited("tenant")
            names = [f"{resolver.label}{i}.wild" for i in range(self.NAMES)]
            by_tcp, rounds = self.check_all_answered(resolver, names)
            self.assertEqual(rounds, 1)
            self.assertGreater(self.limited("tenant"), before)
            self.assertGreater(by_tcp, self.NAMES / 2)
            names = [f"{resolver.label}{i}.tight" for i in range(self.NAMES)]
            by_tcp, rounds = self.check_all_answered(resolver, names, ("NXDOMAIN", []))
            self.assertEqual(rounds, 1)
            self.assertGreater(by_tcp, self.NAMES / 2)

    def test_clients_over_the_response_rate(self):
        """Answers over the rate are TC or lost. Who shows a good cookie is no suspect: BIND sends them."""
        for slip in (1, 2):
            self.start(rrl={"rate": "3/s", "slip": slip})
            names = self.NAMES if slip == 1 else 8
            for resolver in self.all_resolvers():
                before = self.limited("client")
                asked = [f"{resolver.label}{i}.free" for i in range(names)]
                by_tcp, rounds = self.check_all_answered(resolver, asked)
                limited = self.limited("client") - before
                print(f"{resolver.label}, slip {slip}: {limited} truncated")
                if resolver.label == "named":
                    self.assertLess(by_tcp, names / 2)
                elif slip == 1:
                    self.assertGreater(by_tcp, names / 2)
                if slip == 1:
                    self.assertEqual(rounds, 1)
                resolver.stop()
            self.stack.stop_quietly()

    def test_sizes(self):
        """A set of 3 kB: by TCP, unless both sides are for larger datagrams than are wise."""
        wanted = len(self.big())
        large = {"unbound": {"edns-buffer-size": 4096}, "kresd": {"net.bufsize": 4096},
                 "named": {"edns-udp-size": 4096}}
        for size, settings in ((512, None), (1232, None), (1232, large), (4096, large)):
            self.start(edns_size=size)
            for resolver in self.all_resolvers(settings):
                before = self.asked("tcp")
                text = resolver.dig(f"big.{stack.ZONE}", "TXT", "+tcp", "+short")
                self.assertEqual(len(text.replace(" ", "").replace('"', "").strip()), wanted, resolver.label)
                by_tcp = self.asked("tcp") - before
                self.assertEqual(by_tcp, 0 if size == 4096 else 1, f"{resolver.label}, {size}")
                resolver.stop()
            self.stack.stop_quietly()

    @staticmethod
    def big():
        return "".join(letter * 250 for letter in "abcdefghijkl")


if __name__ == "__main__":
    stack.main()
