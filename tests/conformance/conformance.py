#!/usr/bin/env python3
"""Static answers of gslbd against NSD, Knot and BIND: the same zones, the same questions, over UDP and TCP,
with and without EDNS; rcode, flags and sections (as sets) must be those of at least one of them.

usage: conformance.py [--seed N] [--show FEATURE] [--disputed]

Everything that no peer says is a defect, but for what differences.txt allows with the RFC's words.
--disputed prints where the peers disagree among themselves, and on whose side gslbd stands: for reading with
the RFC in the other hand. Exit code 77 (skipped) when no peer is installed, or when one is missing that might
have agreed.
"""

import argparse
import collections
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "live"))

import corpus  # noqa: E402
import peers  # noqa: E402
import stack  # noqa: E402
import wire  # noqa: E402

WAYS = [("udp", None), ("udp", 1232), ("udp", 4096), ("tcp", None), ("tcp", 1232)]
DIFFERENCES_MAX = 10
QUESTIONS_MIN, ZONES_MIN = 25, 20
SKIPPED = 77


def is_one_whole_set(ours, theirs, kind):
    """ANY: one of the sets that the peer gives, whole."""
    mine = {record[1] for record in ours.answer if record[1] != "CNAME"} or {"CNAME"}
    return (kind == "ANY" and len(mine) == 1 and
            (ours.rcode, ours.flags, ours.has_edns) == (theirs.rcode, theirs.flags - {"tc"}, theirs.has_edns) and
            ("tc" in theirs.flags or ours.answer == {r for r in theirs.answer if r[1] in mine | {"CNAME"}}))


def has_no_name_servers(ours, theirs, kind):
    """A peer's positive answer but for the name servers beside it and their addresses."""
    if "aa" not in theirs.flags or not theirs.answer:
        return False
    hosts = {data for _, record, _, data in theirs.authority if record == "NS"}
    asked = {data[wire.NAMES_IN[record][0]:] for _, record, _, data in theirs.answer if record in ("NS", "MX", "SRV")}
    return ours.key() == (*theirs.key()[:4], frozenset(r for r in theirs.authority if r[1] != "NS"),
                          frozenset(r for r in theirs.additional if r[0] not in hosts - asked))


# What may differ, by the name in differences.txt.
ALLOWED = {"any-one-set": is_one_whole_set, "no-authority-ns": has_no_name_servers}


def read_differences():
    found = {}
    for line in (HERE / "differences.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, words = line.partition(":")
            if name not in ALLOWED or '"' not in words:
                sys.exit(f"differences.txt: {line!r} is not known to conformance.py, or has no words of an RFC")
            found[name] = 0
    if len(found) > DIFFERENCES_MAX:
        sys.exit(f"differences.txt: {len(found)} lines, at most {DIFFERENCES_MAX}")
    return found


class Comparison:
    def __init__(self, options, ours, others):
        self.options, self.ours, self.others = options, ours, others
        self.differences = read_differences()
        self.defects = 0
        self.asked = collections.Counter()
        self.alike = collections.defaultdict(collections.Counter)
        self.ident = 0

    def ask(self, zone, feature, name, kind):
        self.asked[feature] += 1
        for transport, size in WAYS:
            self.ident = (self.ident + 1) & 0xffff
            message = wire.query(self.ident, wire.name_to_wire(name), kind, size)
            octets = self.ours.ask(message, transport)
            mine = wire.Reply(octets)
            if octets[12:12 + len(mine.question)] != message[12:12 + len(mine.question)] or not mine.question:
                self.defect(feature, name, kind, (transport, size), mine, {}, "not the question that was asked")
            for record in mine.twice:
                self.defect(feature, name, kind, (transport, size), mine, {}, f"twice in a section: {record}")
            theirs = {peer.label: wire.Reply(peer.ask(message, transport))
                      for peer in self.others if zone in peer.zones}
            self.compare(feature, name, kind, (transport, size), mine, theirs)

    def compare(self, feature, name, kind, way, mine, theirs):
        if not theirs:
            return
        friends = [label for label, reply in theirs.items() if reply.key() == mine.key()]
        strangers = {label: reply for label, reply in theirs.items()
                     if label not in friends and not self.is_allowed(mine, reply, kind)}
        if self.options.show == feature:
            print(f"\n{name} {kind} {way}: like {friends}\n{mine.show()}")
        how = ("all" if len(friends) == len(theirs) else "some" if friends else
               "allowed" if len(strangers) < len(theirs) else "none")
        self.alike[feature][how] += 1
        if how == "none":
            self.defect(feature, name, kind, way, mine, theirs, "like no peer")
        elif strangers and self.options.disputed:
            self.report(f"disputed, like {'+'.join(friends)}", feature, name, kind, way, mine, strangers)

    def is_allowed(self, mine, theirs, kind):
        for name in self.differences:
            if ALLOWED[name](mine, theirs, kind):
                self.differences[name] += 1
                return True
        return False

    def defect(self, feature, name, kind, way, mine, theirs, what):
        self.defects += 1
        if self.defects <= self.options.most:
            self.report(what, feature, name, kind, way, mine, theirs)

    def report(self, what, feature, name, kind, way, mine, theirs):
        transport, size = way
        print(f"\n{what}: {feature}: {name} {kind} over {transport} {f'EDNS {size}' if size else 'without EDNS'}")
        print("gslbd: " + mine.show())
        for label, reply in theirs.items():
            print(f"{label}: {reply.show()}")

    def summary(self):
        print(f"\n{'feature':22} {'questions':>9} {'as all':>7} {'as some':>8} {'allowed':>8} {'as none':>8}")
        for feature, count in self.asked.items():
            alike = self.alike[feature]
            print(f"{feature:22} {count:9} {alike['all']:7} {alike['some']:8} {alike['allowed']:8} {alike['none']:8}")
            if count < QUESTIONS_MIN:
                print(f"  only {count} questions")
                self.defects += 1
        for name, count in self.differences.items():
            print(f"difference {name}: {count} answers")
            if count == 0:
                print("  no longer there: take it out of differences.txt")
                self.defects += 1
        print(f"{self.defects} defects")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", help="print every reply of this feature")
    parser.add_argument("--disputed", action="store_true")
    parser.add_argument("--most", type=int, default=20, help="defects that are printed")
    options = parser.parse_args()
    zones = list(corpus.zones(options.seed))
    if len(zones) < ZONES_MIN:
        sys.exit(f"only {len(zones)} zones")

    with tempfile.TemporaryDirectory(prefix="gslb-conformance-") as folder:
        files = {}
        for zone in zones:
            path = pathlib.Path(folder) / f"{zone.name}.zone"
            path.write_text(zone.text)
            files[zone.name] = path
        others = peers.start(folder, [stack.free_port() for _ in peers.PEERS], files)
        if not others:
            print("no peer is installed: skipped")
            return SKIPPED
        for peer in others:
            print(f"{peer.label}: {len(peer.zones)} of {len(zones)} zones", *sorted(set(files) - peer.zones))
        server = stack.Stack({}, zones={zone.name: zone.text for zone in zones}, node={"probes": None})
        ours = None
        try:
            server.start()
            ours = wire.Server("gslbd", server.address, server.port)
            comparison = Comparison(options, ours, others)
            for zone in zones:
                for feature, name, kind in zone.questions:
                    comparison.ask(zone.name, feature, name, kind)
            comparison.summary()
        finally:
            if ours:
                ours.close()
            server.stop()
            for peer in others:
                peer.stop()
    if comparison.defects and len(others) < len(peers.PEERS):
        print("the judgement needs all peers (tools/setup --test): skipped")
        return SKIPPED
    return int(comparison.defects > 0)


if __name__ == "__main__":
    sys.exit(main())
