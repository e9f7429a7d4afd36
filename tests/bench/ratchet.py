#!/usr/bin/env python3
"""Instructions per query of the UDP worker, held to the limits of a file.

usage: ratchet.py DRIVER LIMITS [--keep DIR] [--json FILE]

DRIVER is ratchet.c; it runs under callgrind, and what is counted is the worker's loop from one
recvmmsg to the next, user space with libc. LIMITS has a line for each count:

    kind batch limit      more than the limit fails
    kind+what batch +N    the same kind with something switched on: at most N more than without
    kind+what batch -     counted and printed only

Where a count is far below its limit, lower the limit, or the gain will be lost again.
--keep leaves the profiles in DIR, for `callgrind_annotate DIR/profile.N`; --json writes the counts.
"""
import argparse
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

SLACK = 0.06  # what a limit may stand above the count


def read_limits(path):
    """{(kind, batch): (limit or None, is it one of the difference to the plain kind)}"""
    limits = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 3 or not words[1].isdigit() or not re.fullmatch(r"\+?\d+|-", words[2]):
            sys.exit(f"{path}:{number}: not `kind batch limit`, with a limit of N, +N or -")
        if words[2][0] == "+" and "+" not in words[0]:
            sys.exit(f"{path}:{number}: +{words[2][1:]} is more than what? The kind has no plain form")
        limits[words[0], int(words[1])] = (None if words[2] == "-" else int(words[2]), words[2][0] == "+")
    return limits


def measure(driver, folder):
    """{(kind, batch): instructions per query}"""
    result = subprocess.run(
        ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no",
         f"--callgrind-out-file={folder}/profile", driver], text=True, capture_output=True)
    if result.returncode:
        sys.exit(f"{driver} failed:\n{result.stdout}{result.stderr}")
    counts = {}
    for profile in sorted(folder.glob("profile.*"), key=lambda file: int(file.suffix[1:])):
        text = profile.read_text(errors="replace")
        label = re.search(r"^desc: Trigger: Client Request: (\S+) (\d+) (\d+)$", text, re.M)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
        if label and total:
            counts[label[1], int(label[2])] = int(total[1]) / int(label[3])
            if int(total[1]) == 0:
                sys.exit(f"{profile}: nothing was counted")
    return counts


def judge(key, counts, limits):
    """(what to print as the limit, what to print below, what is wrong)"""
    if key not in limits:
        return "-", "", f"{key[0]} {key[1]}: has no limit"
    limit, is_difference = limits[key]
    if limit is None:
        return "-", "", ""
    count, sign = counts[key], ""
    if is_difference:
        plain = key[0].partition("+")[0], key[1]
        if plain not in counts:
            return f"+{limit}", "", f"{key[0]} {key[1]}: {plain[0]} {plain[1]} was not measured"
        count, sign = count - counts[plain], "+"
    if count > limit:
        return f"{sign}{limit}", "", (f"{key[0]} {key[1]}: {sign}{count:.1f} instructions per query, at most {limit}: "
                                      "find what costs more, or raise the limit and say why")
    if not is_difference and limit > count * (1 + SLACK):
        return str(limit), f"  better than it was: lower the limit to {round(count * (1 + SLACK / 2))}", ""
    return f"{sign}{limit}", "", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("limits", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    limits = read_limits(arguments.limits)
    with contextlib.ExitStack() as stack:
        if arguments.keep:
            folder = arguments.keep
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("profile*"):
                old.unlink()
        else:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        counts = measure(arguments.driver, folder)
    if arguments.json:
        rows = [{"kind": kind, "batch": batch, "instructions": count} for (kind, batch), count in counts.items()]
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    errors = [f"{kind} {batch}: has a limit, but was not measured" for kind, batch in sorted(limits.keys() - counts)]
    print(f"{'kind':22} {'batch':>5} {'counted':>9} {'more':>7} {'limit':>7}   instructions per query")
    for key, count in counts.items():
        limit, advice, error = judge(key, counts, limits)
        plain = counts.get((key[0].partition("+")[0], key[1]))
        more = f"{count - plain:+.1f}" if "+" in key[0] and plain is not None else ""
        print(f"{key[0]:22} {key[1]:5} {count:9.1f} {more:>7} {limit:>7}")
        if advice:
            print(advice)
        if error:
            errors.append(error)
    print("\n".join(errors))
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
