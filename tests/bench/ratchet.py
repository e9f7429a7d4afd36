#!/usr/bin/env python3
"""Instructions per query of the UDP worker, held to the limits of a file.

usage: ratchet.py DRIVER LIMITS [--keep DIR]

DRIVER is ratchet.c; it runs under callgrind, and what is counted is the worker's loop from one
recvmmsg to the next, user space with libc. LIMITS has a line `kind batch limit` for each count. More
than the limit fails; where a count is far below it, lower the limit, or the gain will be lost again.
--keep leaves the profiles in DIR, for `callgrind_annotate DIR/profile.N`.
"""
import argparse
import contextlib
import pathlib
import re
import subprocess
import sys
import tempfile

SLACK = 0.06  # what a limit may stand above the count


def read_limits(path):
    limits = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 3 or not words[1].isdigit() or not words[2].isdigit():
            sys.exit(f"{path}:{number}: not `kind batch limit`")
        limits[words[0], int(words[1])] = int(words[2])
    return limits


def measure(driver, folder):
    """{(kind, batch): instructions per query}"""
    result = subprocess.run(
        ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no",
         f"--callgrind-out-file={folder}/profile", driver], text=True, capture_output=True)
    if result.returncode:
        sys.exit(f"{driver} failed:\n{result.stdout}{result.stderr}")
    counts = {}
    for profile in sorted(folder.glob("profile.*")):
        text = profile.read_text(errors="replace")
        label = re.search(r"^desc: Trigger: Client Request: (\S+) (\d+) (\d+)$", text, re.M)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
        if label and total:
            counts[label[1], int(label[2])] = int(total[1]) / int(label[3])
            if int(total[1]) == 0:
                sys.exit(f"{profile}: nothing was counted")
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("limits", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path)
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
    errors = [f"{kind} {batch}: has a limit, but was not measured" for kind, batch in sorted(limits.keys() - counts)]
    print(f"{'kind':10} {'batch':>5} {'counted':>9} {'limit':>7}   instructions per query")
    for key, count in counts.items():
        limit = limits.get(key)
        print(f"{key[0]:10} {key[1]:5} {count:9.1f} {limit or '-':>7}")
        if limit is None:
            errors.append(f"{key[0]} {key[1]}: has no limit in {arguments.limits.name}")
        elif count > limit:
            errors.append(f"{key[0]} {key[1]}: {count:.1f} instructions per query, at most {limit}: "
                          "find what costs more, or raise the limit and say why")
        elif limit > count * (1 + SLACK):
            print(f"  better than it was: lower the limit to {round(count * (1 + SLACK / 2))}")
    print("\n".join(errors))
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
