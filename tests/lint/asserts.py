#!/usr/bin/env python3
"""Our own bugs are looked for where they would hide: at least ten assertions in a thousand lines of a room.

usage: asserts.py SOURCE_ROOT

Counts assert() and static_assert() per folder. The data path is left out: there an assertion stands where
the instruction counts of tests/bench/instructions.txt do not notice it.
"""
import pathlib
import re
import sys

import sizes
import tree

PER_THOUSAND = 10
DATA_PATH = {"gslb/serve", "gslb/decide", "forwarder/traffic", "forwarder/http1", "forwarder/io", "forwarder/tls", "forwarder/relay"}
ASSERT = re.compile(r"\b(?:static_assert|assert)\s*\(")


def check(root):
    lines, asserts = {}, {}
    for path in tree.sources(root):
        folder = path.rsplit("/", 1)[0]
        text = sizes.blank((root / path).read_text())
        lines[folder] = lines.get(folder, 0) + text.count("\n")
        asserts[folder] = asserts.get(folder, 0) + len(ASSERT.findall(text))
    errors = []
    for folder in sorted(lines.keys() - DATA_PATH):
        need = lines[folder] * PER_THOUSAND // 1000
        if asserts[folder] < need:
            errors.append(f"{folder}/: {asserts[folder]} assertions in {lines[folder]} lines; {need} are needed")
    return errors, sum(asserts.values())


def main():
    errors, count = check(pathlib.Path(sys.argv[1]).resolve())
    print("\n".join(errors) or f"{count} assertions, enough in every room")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
