#!/usr/bin/env python3
"""Holds every #include of the product against layers.txt.

usage: layers.py SOURCE_ROOT [LAYERS_FILE]

A rule names a folder or one file and the folders it may include from; the longest rule that
covers a file decides. A `header` row lists the only places that may include a third-party header,
which is named by a prefix.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def covers(place, path):
    return path == place or path.startswith(place.rstrip("/") + "/")


def read_rules(text):
    layers, headers = {}, []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        left, colon, right = line.partition(":")
        if not colon:
            sys.exit(f"layers.txt:{number}: a rule needs a colon")
        if left.startswith("header "):
            headers.append((left.split()[1], right.split()))
        else:
            layers[left.strip()] = right.split()
    return layers, headers


def check(root, layers, headers):
    errors = []
    roots = sorted({place.split("/")[0] for place in layers})
    files = sorted(f for top in roots for f in (root / top).rglob("*.[ch]"))
    for file in files:
        path = file.relative_to(root).as_posix()
        rules = [place for place in layers if covers(place, path)]
        if not rules:
            errors.append(f"{path}: stands in no layer")
            continue
        layer = max(rules, key=len)
        text = file.read_text()
        for match in INCLUDE.finditer(text):
            where = f"{path}:{text.count(chr(10), 0, match.start(2)) + 1}"
            kind, name = match.groups()
            if kind == '"':
                if not (root / name).is_file():
                    errors.append(f'{where}: "{name}" is not written from the top of the tree')
                elif not any(covers(place, name) for place in [layer, *layers[layer]]):
                    errors.append(f'{where}: layer {layer} may not include "{name}"')
                continue
            for prefix, places in headers:
                if name.startswith(prefix) and not any(covers(p, path) for p in places):
                    errors.append(f"{where}: <{name}> belongs to {' '.join(places)}")
    return errors, len(files)


def main():
    root = pathlib.Path(sys.argv[1])
    rules = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else root / "tests/lint/layers.txt"
    layers, headers = read_rules(rules.read_text())
    errors, count = check(root, layers, headers)
    print("\n".join(errors) or f"{count} files keep to {len(layers)} layers")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
