#!/usr/bin/env python3
"""clang-format decides the layout of every .c and .h.

usage: format.py SOURCE_ROOT
"""
import pathlib
import subprocess
import sys

import tree


def main():
    root = pathlib.Path(sys.argv[1])
    tests = sorted(str(f) for f in (root / "tests").rglob("*.[ch]"))
    files = [str(root / path) for path in tree.sources(root)] + tests
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], text=True, capture_output=True)
    wrong = sorted({line.split(":")[0] for line in result.stderr.splitlines() if "clang-format-violations" in line})
    print("\n".join(f"{pathlib.Path(f).relative_to(root)}: run clang-format -i" for f in wrong) or
          result.stderr or f"{len(files)} files are formatted")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
