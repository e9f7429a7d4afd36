#!/usr/bin/env python3
"""JSON files → C: one constant text each, for gslbctl schema.

usage: write.py OUTPUT.c NAME.json…
"""
import json
import pathlib
import sys


def main():
    lines = ["/* Written by tools/schema/write.py. */", '#include "tools/ctl_schema.h"']
    for path in map(pathlib.Path, sys.argv[2:]):
        text = json.dumps(json.loads(path.read_text()), indent=2) + "\n"
        lines.append(f"const char ctl_schema_{path.stem}[] =")
        lines += ["\t" + json.dumps(line + "\n") for line in text.splitlines()]
        lines[-1] += ";"
    pathlib.Path(sys.argv[1]).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
