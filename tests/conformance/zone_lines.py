#!/usr/bin/env python3
"""Odd lines of zone files against BIND and NSD: what loads and what is refused, and the octets that are answered.

usage: zone_lines.py [--all]

Each case of zone_lines.txt stands in a zone of its own, which all three read. gslbd must do what at least one of the
others does, and answer the octets that at least one of them answers that loads the line; zone_differences.txt
lists the cases where it does what neither does, each with the reason. What gslbd refuses it must refuse with the file
and the line. Exit code 77 (skipped) when BIND or NSD is missing. --all prints every case.
"""

import argparse
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "live"))

import peers  # noqa: E402
import stack  # noqa: E402
import wire  # noqa: E402

CASES_MIN, ANSWERS_MIN = 200, 200
SKIPPED = 77
APEX = "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n"
FIRST_LINE = APEX.count("\n") + 1
TYPES = dict(wire.TYPES, **{
    "MB": 7, "MG": 8, "MR": 9, "NULL": 10, "WKS": 11, "HINFO": 13, "MINFO": 14, "RP": 17, "AFSDB": 18, "X25": 19,
    "ISDN": 20, "RT": 21, "NSAP": 22, "SIG": 24, "KEY": 25, "PX": 26, "GPOS": 27, "LOC": 29, "NXT": 30, "NAPTR": 35,
    "KX": 36, "CERT": 37, "APL": 42, "SSHFP": 44, "IPSECKEY": 45, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "DHCID": 49,
    "NSEC3": 50, "NSEC3PARAM": 51, "TLSA": 52, "SMIMEA": 53, "HIP": 55, "NINFO": 56, "TALINK": 58, "CDS": 59,
    "CDNSKEY": 60, "OPENPGPKEY": 61, "CSYNC": 62, "ZONEMD": 63, "SVCB": 64, "HTTPS": 65, "SPF": 99, "NID": 104,
    "L32": 105, "L64": 106, "LP": 107, "EUI48": 108, "EUI64": 109, "URI": 256, "AVC": 258, "AMTRELAY": 260,
    "TA": 32768, "DLV": 32769})
# Octets before the names that a sender may compress, and how many (RFC 1035 types only: RFC 3597 section 4).
COMPRESSED = {2: (0, 1), 3: (0, 1), 4: (0, 1), 5: (0, 1), 6: (0, 2), 7: (0, 1), 8: (0, 1), 9: (0, 1), 12: (0, 1),
              14: (0, 2), 15: (2, 1)}


class Case:
    def __init__(self, number, text):
        self.zone = f"l{number:03}.test"
        self.key, _, asked = text.partition(" ⇒ ")
        body = self.key.replace("z.test", self.zone).replace("¶", "\n").replace("→", "\t")
        self.octets = b"".join(bytes.fromhex(part[1:-1]) if part.startswith("«") else part.encode()
                               for part in re.split(r"(«[0-9a-f]+»)", body))
        self.questions = [tuple(words.split()) for words in asked.split(",")] if asked else self.guess()

    def guess(self):
        match = re.match(r"([^\s\"()]+)\s+(?:(?:\d\w*|IN|CLASS1)\s+)*\(?\s*([A-Za-z][\w-]*)", self.key)
        owner = "" if match and match[1] == "@" else match and match[1]
        return [(owner, match[2].upper())] if match and not owner.startswith("$") else []

    def wire_questions(self):
        for name, kind in self.questions:
            number = TYPES.get(kind) or (int(kind[4:]) if re.fullmatch(r"TYPE\d{1,5}", kind) else 0)
            if 0 < number < 65536 and number not in (251, 252, 255):
                absolute = name if name.endswith(".") else f"{name}.{self.zone}" if name else self.zone
                try:
                    yield wire.name_to_wire(absolute.replace("z.test", self.zone)), number
                except ValueError:
                    continue


def read_cases():
    lines = (HERE / "zone_lines.txt").read_text().splitlines()
    texts = [line for line in lines if line.strip() and not line.startswith("#")]
    if len(set(texts)) != len(texts):
        sys.exit("zone_lines.txt: a case twice")
    return [Case(number, text) for number, text in enumerate(texts)]


def read_differences():
    """{case: reason}; a reason heads the cases below it."""
    found, reason = {}, None
    for line in (HERE / "zone_differences.txt").read_text().splitlines():
        if line.startswith("# "):
            continue
        if line.startswith("\t"):
            found[line[1:]] = reason
        elif line.strip():
            reason = line
    return found


def check(folder, cases, files):
    """{zone: message} of what gslbd refuses; warnings are left out."""
    fleet = "".join(f"  {case.zone}: {{file: {files[case.zone]}}}\n" for case in cases)
    (folder / "fleet.yaml").write_text("zones:\n" + fleet)
    (folder / "node.yaml").write_text(
        f'node: {{name: n, state_dir: "{folder}"}}\nfleet: [fleet.yaml]\ndns: {{listen: ["127.0.0.1@0"]}}\n')
    done = subprocess.run([stack.GSLBCTL, "check", str(folder / "node.yaml")], capture_output=True, timeout=60)
    refused = {}
    for line in (done.stdout + done.stderr).decode(errors="replace").splitlines():
        match = re.match(r".*?(l\d{3}\.test)\.zone:(\d+): (.*)", line)
        if match and not match[3].startswith("warning:"):
            refused.setdefault(match[1], (int(match[2]), match[3]))
        elif not match and "warning:" not in line and line not in ("good", ""):
            sys.exit(f"gslbctl check: {line}")
    return refused


def records(server, name, number):
    """The RDATA of the answer, names in lower case and not compressed, as a set."""
    message = struct.pack("!6H", 1, 0, 1, 0, 0, 0) + name + struct.pack("!2H", number, 1)
    octets = server.ask(message, "tcp")
    _, flags, _, count, _, _ = struct.unpack("!6H", octets[:12])
    at, found = 12 + len(name) + 4, set()
    for _ in range(count):
        _, at = wire.read_name(octets, at)
        kind, _, ttl, length = struct.unpack("!HHIH", octets[at:at + 10])
        at += 10
        data = octets[at:at + length]
        if kind in COMPRESSED:
            prefix, names = COMPRESSED[kind]
            data, behind = octets[at:at + prefix], at + prefix
            for _ in range(names):
                part, behind = wire.read_name(octets, behind)
                data += part
            data += octets[behind:at + length]
        found.add((kind, ttl, data.lower()))
        at += length
    return flags & 15, frozenset(found)


def compare(case, refused, others, ours, differences, options):
    """None, or how the case differs from both."""
    loads = {peer.label: case.zone in peer.zones for peer in others}
    mine = case.zone not in refused
    how = None
    if mine not in loads.values():
        how = f"{'loads' if mine else 'refused'}, and both others {'refuse' if mine else 'load'}"
        if not mine:
            how += f": {refused[case.zone][1]}"
    if not mine and refused[case.zone][0] < FIRST_LINE and how is None:
        how = f"refused at line {refused[case.zone][0]}, before the case"
    friends = [peer for peer in others if mine and loads[peer.label]]
    for name, number in case.wire_questions() if friends else ():
        answer = records(ours, name, number)
        options.asked += 1
        theirs = {peer.label: records(peer, name, number) for peer in friends}
        if answer not in theirs.values():
            how = f"{wire.show_name(name)} TYPE{number}: {show(answer)}, " + \
                ", ".join(f"{label} {show(value)}" for label, value in theirs.items())
    if options.all:
        print(f"{case.key!r}: {'loads' if mine else 'refused'} {loads}; {how or 'as one'}")
    return how


def show(answer):
    return f"{answer[0]} " + " ".join(sorted(data.hex() or "''" for _, _, data in answer[1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    options.asked = 0
    cases, differences = read_cases(), read_differences()
    if len(cases) < CASES_MIN:
        sys.exit(f"only {len(cases)} cases")
    wrong = [f"zone_differences.txt: no case {key!r}" for key in differences if key not in {c.key for c in cases}]
    wrong += [f"zone_differences.txt: {key!r} has no reason" for key, reason in differences.items() if not reason]
    with tempfile.TemporaryDirectory(prefix="gslb-zone-lines-") as name:
        folder, files = pathlib.Path(name), {}
        for case in cases:
            files[case.zone] = folder / f"{case.zone}.zone"
            files[case.zone].write_bytes(APEX.encode() + case.octets + b"\n")
        others = peers.start(folder, [stack.free_port() for _ in range(2)], files, ["nsd", "bind"])
        if len(others) < 2:
            for peer in others:
                peer.stop()
            print("BIND or NSD is missing (tools/setup --test): skipped")
            return SKIPPED
        refused = check(folder, cases, files)
        good = [case for case in cases if case.zone not in refused]
        server = stack.Stack({"zones": {case.zone: {"file": str(files[case.zone])} for case in good}}, zones={},
                             node={"probes": None})
        try:
            server.start()
            ours = wire.Server("gslbd", server.address, server.port)
            for case in cases:
                how = compare(case, refused, others, ours, differences, options)
                if how and case.key not in differences:
                    wrong.append(f"{case.key!r} {how}")
                elif not how and case.key in differences:
                    wrong.append(f"{case.key!r} differs no longer: take it out of zone_differences.txt")
            ours.close()
        finally:
            server.stop()
            for peer in others:
                peer.stop()
    if options.asked < ANSWERS_MIN:
        wrong.append(f"only {options.asked} answers were compared")
    print("\n".join(wrong))
    print(f"{len(cases)} lines, {len(cases) - len(good)} refused, {len(differences)} known differences, "
          f"{options.asked} answers compared, {len(wrong)} wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
