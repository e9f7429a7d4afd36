"""The zones and the questions: one zone or more for each feature, by hand where the corner is known, and
zones of random names where it is not. The same for a given seed."""

import itertools
import random

APEX = """\
$ORIGIN {zone}.
$TTL 300
@ 3600 IN SOA ns1 hostmaster 2026010101 7200 900 1209600 60
@ IN NS ns1
@ IN NS ns2.elsewhere.test.
ns1 IN A 192.0.2.53
ns1 IN AAAA 2001:db8::53
"""
COMMON = ("A", "AAAA", "MX", "TXT", "NS", "CNAME", "SOA", "ANY")


class Zone:
    def __init__(self, name, text):
        self.name, self.text = name, APEX.format(zone=name) + text
        self.questions = []  # (feature, absolute name, type)

    def ask(self, feature, names, kinds):
        """Every name, relative to the zone (@: the apex), with every type."""
        for name, kind in itertools.product(names.split(), kinds):
            absolute = self.name if name == "@" else name.rstrip(".") if name.endswith(".") else f"{name}.{self.name}"
            self.questions.append((feature, absolute, kind))
        return self


def wildcards():
    yield Zone("wild.test", """\
*.w A 192.0.2.1
*.w TXT "wild"
*.w MX 10 mail
mail A 192.0.2.25
host.w A 192.0.2.2
x.ent.w A 192.0.2.3
sub.*.w TXT "below the star"
*.c CNAME host.w
*.chain CNAME one.c
*.a.b.deep AAAA 2001:db8::1
*.cut A 192.0.2.4
below.cut NS ns1
""").ask("wildcard", "n.w a.b.w host.w x.host.w w ent.w y.ent.w x.ent.w *.w x.*.w sub.*.w sub.x.w n.c a.n.c *.c c "
         "n.chain x.deep n.a.b.deep a.b.deep b.deep n.cut n.below.cut WILD.w", ("A", "AAAA", "TXT", "MX", "CNAME"))
    yield Zone("star.test", """\
* A 192.0.2.1
* MX 10 @
www TXT "hides the wildcard"
a.b.c TXT "makes two empty non-terminals"
""").ask("wildcard", "@ n www x.www b.c c x.c a.b.c x.a.b.c * *.x \\042.n", ("A", "MX", "TXT"))


def empty_non_terminals():
    yield Zone("ent.test", """\
a.b.c.d A 192.0.2.1
_tcp._sub.deep TXT "x"
_sip._tcp SRV 1 2 5060 a.b.c.d
one.two CNAME a.b.c.d
x.cut.y NS ns1
z.dn DNAME c.d
""").ask("empty non-terminal", "d c.d b.c.d a.b.c.d x.d x.c.d _sub.deep deep _tcp two y cut.y dn x.dn", COMMON)


def cnames():
    yield Zone("chain.test", "".join(f"l{i} CNAME l{i + 1}\n" for i in range(1, 9)) + """\
l9 A 192.0.2.9
l9 AAAA 2001:db8::9
l9 MX 10 l9
loop1 CNAME loop2
loop2 CNAME loop1
self CNAME self
towild CNAME n.w
*.w A 192.0.2.1
tocut CNAME www.cut
cut NS ns.cut
ns.cut A 192.0.2.54
atcut CNAME cut
toapex CNAME @
todname CNAME x.dn
dn DNAME target
x.target A 192.0.2.7
""").ask("CNAME chain", "l1 l2 l5 l8 l9 loop1 loop2 self towild tocut atcut toapex todname",
         ("A", "AAAA", "MX", "CNAME", "TXT", "SOA", "NS"))
    yield Zone("dangling.test", """\
nodata CNAME host
host A 192.0.2.1
entc CNAME ent
x.ent A 192.0.2.2
nx CNAME missing
nx2 CNAME nx
nxbelow CNAME x.host
nxent CNAME y.ent
wildnodata CNAME n.w
*.w A 192.0.2.3
out CNAME www.elsewhere.test.
out2 CNAME out
tld CNAME example.
root CNAME .
other CNAME l9.chain.test.
otherchain CNAME l7.chain.test.
othernx CNAME missing.chain.test.
othernodata CNAME x.ent.ent.test.
""").ask("CNAME to NODATA", "nodata entc wildnodata", COMMON + ("AAAA", "SRV")) \
        .ask("CNAME to NXDOMAIN", "nx nx2 nxbelow nxent", COMMON) \
        .ask("CNAME outside", "out out2 tld root other otherchain othernx othernodata", COMMON)


def dnames():
    yield Zone("dname.test", """\
d DNAME t
d TXT "beside the DNAME"
t A 192.0.2.1
x.t A 192.0.2.2
x.t TXT "x"
*.wild.t AAAA 2001:db8::2
ent.e.t A 192.0.2.3
out DNAME elsewhere.test.
other DNAME chain.test.
d2 DNAME d
loop DNAME x.loop
m1 DNAME m2
m2 DNAME m1
toroot DNAME .
long DNAME {0}.{0}.{0}.t
cut.t NS ns.cut.t
ns.cut.t A 192.0.2.54
back.t CNAME d
""".format("l" * 60)).ask("DNAME", "d t back.d x.d y.d z.x.d n.wild.d e.d ent.e.d x.out x.y.out out l9.other n.other x.d2 "
                          f"x.loop loop x.m1 x.toroot x.long {'y' * 60}.long a.cut.d cut.d X.D",
                          ("A", "AAAA", "TXT", "CNAME", "DNAME", "NS"))
    dapex = Zone("dapex.test", "@ DNAME chain.test.\n@ TXT \"apex\"\n")
    dapex.text = "".join(line for line in dapex.text.splitlines(True) if "ns1 IN" not in line and "NS ns1" not in line)
    yield dapex \
        .ask("DNAME", "@ x l9 l1 a.b", ("A", "DNAME", "SOA", "NS", "TXT"))


def delegations():
    yield Zone("deleg.test", """\
sub NS ns.sub
sub NS ns.peer
sub DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns.sub A 192.0.2.54
ns.sub AAAA 2001:db8::54
peer NS ns.peer
ns.peer A 192.0.2.55
noglue NS ns.noglue
far NS ns.elsewhere.test.
near NS ns1
deep.er.and.er NS ns1
x.occluded.sub NS ns1
x.sub A 192.0.2.66
child NS ns1.child
ns1.child A 192.0.2.57
""").ask("delegation", "sub peer noglue far near x.sub y.x.sub deep.er.and.er er.and.er x.deep.er.and.er er child "
         "x.child", ("A", "NS", "DS", "SOA", "ANY", "TXT")) \
        .ask("glue", "ns.sub ns.peer a.ns.peer ns.noglue x.noglue x.peer ns1", ("A", "AAAA", "NS", "DS", "TXT"))
    # the child is served, too: what its parent says of it stays reachable by DS alone
    yield Zone("child.deleg.test", "www A 192.0.2.80\n") \
        .ask("delegation", "@ www nope ns1", ("A", "NS", "DS", "SOA"))
    text = "".join(f"big NS ns{i}.big\nns{i}.big A 192.0.2.{i}\nns{i}.big AAAA 2001:db8::{i:x}\n" for i in range(10, 24))
    text += "".join(f"mid NS ns{i}.mid\nns{i}.mid A 192.0.2.{i}\n" for i in range(10, 15))
    text += "".join(f"outs NS ns{i}.elsewhere.test.\n" for i in range(10, 40))
    yield Zone("manyglue.test", text) \
        .ask("glue", "big x.big mid x.mid outs x.outs", ("A", "NS", "MX"))


def occluded():
    yield Zone("occluded.test", """\
cut NS ns.cut
ns.cut A 192.0.2.54
www.cut A 192.0.2.1
www.cut TXT "nobody should see this"
*.cut A 192.0.2.2
alias.cut CNAME ns1
a.b.cut MX 10 www.cut
in.cut NS ns1
dn.cut DNAME ns1
toocc CNAME www.cut
mx MX 10 www.cut
mx MX 20 ns.cut
""").ask("occluded", "www.cut n.cut alias.cut a.b.cut b.cut in.cut x.in.cut dn.cut x.dn.cut toocc mx ns.cut",
         ("A", "TXT", "CNAME", "MX", "NS", "DS"))


def apexes():
    yield Zone("apex.test", """\
@ A 192.0.2.1
@ AAAA 2001:db8::1
@ MX 10 mail
@ TXT "apex"
@ CAA 0 issue "ca.example"
@ TYPE65400 \\# 4 deadbeef
mail A 192.0.2.25
""").ask("apex", "@ APEX.TEST.", COMMON + ("CAA", "TYPE65400", "DS", "SRV", "PTR", "DNAME"))
    yield Zone("bare.test", "").ask("apex", "@ nope", COMMON)


def anys():
    yield Zone("any.test", """\
one A 192.0.2.1
many A 192.0.2.2
many A 192.0.2.3
many AAAA 2001:db8::2
many TXT "x"
many MX 10 one
ent.x A 192.0.2.4
alias CNAME many
cut NS ns.cut
ns.cut A 192.0.2.5
dn DNAME x
*.w A 192.0.2.6
*.w TXT "y"
""").ask("ANY", "@ one many x ent.x alias cut x.cut dn ent.dn missing n.w w *.w ns1 ns.cut a.missing ent.x.x ONE "
         "MANY many.x one.many n.n.w dn.dn nope.x nope2 nope3", ("ANY",))


def cases(rng):
    zone = Zone("case.test", """\
WwW A 192.0.2.1
MiXeD.Name TXT "x"
ALIAS CNAME mixed.NAME
*.WILD A 192.0.2.2
Sub NS Ns.sUB
ns.SUB A 192.0.2.3
Dn DNAME mixed
odd\\.dot A 192.0.2.4
\\000nul A 192.0.2.5
\\195\\132 A 192.0.2.6
""")
    names = ["www", "mixed.name", "alias", "a.wild", "sub", "x.sub", "name.dn", "nope", "ns1", "@"]
    for name, kind in itertools.product(names, ("A", "TXT", "CNAME")):
        absolute = zone.name if name == "@" else f"{name}.{zone.name}"
        zone.questions.append(("case", "".join(rng.choice((c.lower(), c.upper())) for c in absolute), kind))
    return [zone.ask("case", "odd\\.dot odd.dot \\000nul \\000NUL \\195\\132 \\195\\164", ("A", "TXT"))]


def long_names():
    label = "a" * 63
    tail = len(".long.test") + 1
    # the longest names that there are: 255 octets in wire form
    rest = 255 - 3 * 64 - tail - 1
    longest = f"{'b' * (rest - 1)}.{label}.{label}.{label}"
    many = ".".join("x" for _ in range((255 - tail - 1) // 2))
    yield Zone("long.test", f"""\
{longest} A 192.0.2.1
{longest} TXT "longest"
{many} A 192.0.2.2
{label} MX 10 {longest}
alias CNAME {longest}
dn DNAME {label}.{label}
*.{label}.w A 192.0.2.3
""").ask("long names", f"{longest} c{longest[1:]} {many} {many[2:]} y.{many[4:]} {label} {label}.{label} alias "
         f"{label}.dn {label}.{label}.dn {label}.{label}.{'d' * 50}.dn {label}.{label}.w", ("A", "TXT", "MX"))


def large_sets():
    text = "".join(f"a{n} A 192.0.{i // 250}.{i % 250}\n" for n in (10, 27, 40, 72, 100, 400) for i in range(n))
    text += "".join(f"aaaa AAAA 2001:db8::{i:x}\n" for i in range(60))
    text += "".join(f"txt{n} TXT \"{i:03}{'t' * 190}\"\n" for n in (2, 5, 6, 20, 100) for i in range(n))
    text += "".join(f"mx MX {i} m{i}\nm{i} A 192.0.2.{i}\nm{i} AAAA 2001:db8::{i:x}\n" for i in range(30))
    text += "toa100 CNAME a100\ntotxt CNAME txt20\n"
    yield Zone("large.test", text).ask(
        "large sets", "a10 a27 a40 a72 a100 a400 aaaa txt2 txt5 txt6 txt20 txt100 mx toa100 totxt",
        ("A", "AAAA", "TXT", "MX"))


def additionals():
    yield Zone("extra.test", """\
@ MX 10 mail
@ MX 20 mail.elsewhere.test.
mail A 192.0.2.25
mail AAAA 2001:db8::25
mx1 MX 10 mail
mx1 MX 10 MAIL
mx2 MX 10 alias
alias CNAME mail
mx3 MX 10 n.w
*.w A 192.0.2.1
mx4 MX 10 ns.cut
mx5 MX 10 l9.chain.test.
mx6 MX 10 ent
x.ent A 192.0.2.2
mx7 MX 10 @
mx8 MX 0 .
mx9 MX 10 mx9
mx9 A 192.0.2.9
cut NS ns.cut
ns.cut A 192.0.2.54
_sip._udp SRV 1 2 5060 mail
_sip._udp SRV 2 2 5060 mx9
_none._udp SRV 0 0 0 .
_far._tcp SRV 1 2 80 www.elsewhere.test.
_wild._tcp SRV 1 2 80 m.w
_cname._tcp SRV 1 2 80 alias
apart NS ns1
both NS mail
*.wm MX 10 mail
tomx CNAME mx1
""").ask("additional data", "@ mx1 mx2 mx3 mx4 mx5 mx6 mx7 mx8 mx9 _sip._udp _none._udp _far._tcp _wild._tcp "
         "_cname._tcp apart both x.wm tomx cut", ("MX", "SRV", "NS", "A"))


def random_zone(number, rng):
    """Names of few labels from a small alphabet, so that all features meet. What the RFCs leave undefined
    (NS, DNAME at a wildcard) or peers refuse to load (data below a DNAME) is left out."""
    zone = Zone(f"r{number}.test", "")
    alphabet = ["a", "b", "c", "*"]

    def random_name(most):
        return ".".join(rng.choice(alphabet) for _ in range(rng.randint(1, most)))

    def target():
        return rng.choice((random_name(4), random_name(4), "@", "ns1", f"{random_name(2)}.r{(number + 1) % 10}.test.",
                           "www.elsewhere.test."))

    sets, dnames_at = {}, set()
    for _ in range(rng.randint(12, 30)):
        name = random_name(4)
        kind = rng.choice(("A", "A", "AAAA", "TXT", "MX", "SRV", "CNAME", "CNAME", "NS", "DNAME", "DS"))
        there = sets.setdefault(name, {})
        is_starred = "*" in name.split(".")
        if ("CNAME" in there or (kind == "CNAME" and there) or (kind in ("NS", "DNAME") and is_starred) or
                (kind == "DS" and "NS" not in there) or (kind == "DNAME" and ("NS" in there or "DNAME" in there)) or
                (kind == "NS" and "DNAME" in there)):
            continue
        if kind == "DNAME":
            dnames_at.add(name)
        there.setdefault(kind, []).append({
            "A": lambda: f"192.0.2.{rng.randint(1, 250)}", "AAAA": lambda: f"2001:db8::{rng.randint(1, 250):x}",
            "TXT": lambda: f'"{rng.randint(0, 999)}"', "MX": lambda: f"{rng.randint(0, 99)} {target()}",
            "SRV": lambda: f"1 2 {rng.randint(1, 999)} {target()}", "CNAME": target, "NS": target, "DNAME": target,
            "DS": lambda: f"{rng.randint(1, 999)} 13 2 {'ab' * 32}"}[kind]())
    lines = []
    for name, kinds in sets.items():
        if any(name.endswith("." + owner) for owner in dnames_at):
            continue
        lines += [f"{name} {kind} {data}\n" for kind, values in kinds.items() for data in values]
    zone.text += "".join(lines)
    kinds = ("A", "AAAA", "TXT", "MX", "SRV", "CNAME", "NS", "DNAME", "DS", "SOA", "ANY")
    for _ in range(120):
        name = rng.choice((random_name(5), random_name(5), rng.choice(list(sets)), "x." + random_name(3)))
        zone.ask("random", name, (rng.choice(kinds),))
    return zone


def zones(seed):
    rng = random.Random(seed)
    for make in (wildcards, empty_non_terminals, cnames, dnames, delegations, occluded, apexes, anys,
                 long_names, large_sets, additionals):
        yield from make()
    yield from cases(rng)
    for number in range(10):
        yield random_zone(number, rng)
