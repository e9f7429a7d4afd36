#!/usr/bin/env python3
"""A name that a file exports begins with the file's name or the name of its folder.

usage: exports.py SOURCE_ROOT BUILD_ROOT

So a reader of a call knows where to look. Names are read from the object files; those of `main`, and the
few of exports.txt, which says why, are free.
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
            path, colon, names = line.partition(":")
            if not colon or not names.split():
                sys.exit(f"exports.txt:{number}: a path, a colon and names")
            exceptions[path.strip()] = names.split()
    return exceptions


def singular(word):
    return word.removesuffix("s")


def is_named_for(name, source):
    """lib/net.c: net_…, lib_…; store/controls.c: control_… too, for one of them; of nested folders, any."""
    for word in source.removesuffix(".c").split("/"):
        if re.match(rf"(?:{word}|{singular(word)})(?:_|$)", name):
            return True
    return False


def check(root, build):
    exceptions = read_exceptions((root / "tests/lint/exports.txt").read_text())
    errors, count, used = [], 0, set()
    for source, file in sorted(tree.objects(root, build).items()):
        for name in sorted(tree.symbols(file)[0] - {"main"}):
            count += 1
            if is_named_for(name, source):
                continue
            if name in exceptions.get(source, []):
                used.add((source, name))
                continue
            errors.append(f"{source}: {name} begins neither with the file's name nor with the folder's")
    for source, names in exceptions.items():
        errors += [f"exports.txt: {source} does not export {n}" for n in names if (source, n) not in used]
    return errors, count


def main():
    errors, count = check(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())
    print("\n".join(errors) or f"{count} exported names say where they are from")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
