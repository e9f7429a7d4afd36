#!/usr/bin/env python3
"""clang-format decides the layout of every .c and .h.

usage: format.py SOURCE_ROOT
"""
import pathlib
import subprocess
import sys

import sizes


def main():
    root = pathlib.Path(sys.argv[1])
    files = sorted(str(f) for top in sizes.FOLDERS for f in (root / top).rglob("*.[ch]"))
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], text=True, capture_output=True)
    wrong = sorted({line.split(":")[0] for line in result.stderr.splitlines() if "clang-format-violations" in line})
    print("\n".join(f"{pathlib.Path(f).relative_to(root)}: run clang-format -i" for f in wrong) or
          result.stderr or f"{len(files)} files are formatted")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
