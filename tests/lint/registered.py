#!/usr/bin/env python3
"""Every test is run, every .c of the product has one, and every .c is built.

usage: registered.py SOURCE_ROOT

tests/unit/test_NAME.c needs its row in tests/unit/meson.build; a product file NAME.c needs a
test_NAME.c or a line `path: reason` in untested.txt, and its name in a meson.build of its folder.
Each file is named by itself; tests that a reason names must exist.
"""
import pathlib
import re
import sys

import tree


def read_exceptions(text):
    exceptions = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if line:
            path, _, reason = line.partition(":")
            if not reason.strip():
                sys.exit(f"untested.txt:{number}: {path} needs a reason")
            exceptions[path.strip()] = reason.strip()
    return exceptions


def without_comments(meson):
    return "\n".join(line.split("#", 1)[0] for line in meson.splitlines())


def check(root):
    errors = []
    unit = root / "tests/unit"
    rows = re.findall(r"\[\s*'(\w+)'", without_comments((unit / "meson.build").read_text()))
    tests = {f.stem.removeprefix("test_") for f in unit.glob("test_*.c")}
    errors += [f"tests/unit/test_{name}.c is not in tests/unit/meson.build" for name in sorted(tests - set(rows))]
    exceptions = read_exceptions((root / "tests/lint/untested.txt").read_text())
    sources = [root / path for path in tree.sources(root, "*.c")]
    paths = {f.relative_to(root).as_posix() for f in sources}
    for path, reason in sorted(exceptions.items()):
        if path not in paths:
            errors.append(f"untested.txt: {path} does not exist")
        for name in re.findall(r"\btest_(\w+)", reason):
            if name not in rows:
                errors.append(f"untested.txt: {path} relies on test_{name}, which is not run")
    for file in sources:
        path = file.relative_to(root).as_posix()
        build = file.parent / "meson.build"
        is_built = build.is_file() and re.search(rf"'{re.escape(file.name)}'", without_comments(build.read_text()))
        if not is_built:
            errors.append(f"{path} is built by no meson.build of its folder")
        if file.stem in tests and path in exceptions:
            errors.append(f"untested.txt: {path} has a test by now")
        elif file.stem not in tests and path not in exceptions:
            errors.append(f"{path} has no tests/unit/test_{file.stem}.c and no reason in untested.txt")
    return errors, len(sources)


def main():
    errors, count = check(pathlib.Path(sys.argv[1]))
    print("\n".join(errors) or f"{count} files are built and tested or say why not")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
