#!/usr/bin/env python3
"""A name that a file exports begins with the file's name, that of the family it is part of, or its folder's.

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
            exceptions.setdefault(path.strip(), []).extend(names.split())
    return exceptions


def prefixes(source):
    """Of gslb/decide/order_compile.c: gslb, decide, order_compile and order, which is whose part the file is."""
    *folders, stem = source.removesuffix(".c").split("/")
    words = stem.split("_")
    return set(folders) | {"_".join(words[:n]) for n in range(1, len(words) + 1)}


def is_named_for(name, source):
    """One of several may have the singular, several the plural: control_key, places_find."""
    return any(re.match(rf"{word.removesuffix('s')}s?(?:_|$)", name) for word in prefixes(source))


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
            errors.append(f"{source}: {name} does not begin with the file's or the folder's name")
    for source, names in exceptions.items():
        errors += [f"exports.txt: {source} does not export {n}" for n in names if (source, n) not in used]
    return errors, count


def main():
    errors, count = check(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())
    print("\n".join(errors) or f"{count} exported names say where they are from")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
