#!/usr/bin/env python3
"""Functions, files and rooms stay small.

usage: sizes.py SOURCE_ROOT

Folders of the product at most 4500 lines, files at most 700, functions at most 100, functions that a request passes through at most 80.
A function is found by our layout: its brace stands alone at the start of a line, outside of
comments and literals, and so does the one that ends it.
"""
import pathlib
import re
import sys

import tree

ROOM_LINES, FILE_LINES, FUNCTION_LINES, REQUEST_LINES = 4500, 700, 100, 80
REQUEST_PATH = ["forwarder/plan/", "forwarder/traffic/", "forwarder/http1/", "forwarder/io/", "forwarder/tls/",
                "forwarder/relay/", "gslb/serve/", "gslb/decide/choose.c", "gslb/decide/resolve.c", "gslb/decide/order.c"]
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")
NOT_NAMES = {"__attribute__", "format", "defined", "sizeof"}


def blank(text):
    """Comments and literals become spaces; line ends stay."""
    return NOISE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def functions(text):
    """(name, first line, number of lines) of every function; the signature counts."""
    depth, start, brace, head = 0, None, None, ""
    for number, line in enumerate(blank(text).splitlines(), 1):
        if line.startswith("#"):
            continue
        if depth == 0:
            if line.startswith("{") and start is not None:
                brace = number
            elif line.strip() and start is None and line[0] not in "}{":
                start, head = number, line
            elif line.strip():
                head += " " + line
        depth += line.count("{") - line.count("}")
        if depth == 0 and brace is not None:
            names = [n for n in NAME.findall(head) if n not in NOT_NAMES]
            yield (names[0] if names else "?"), start, number - start + 1
            brace = None
        if depth == 0 and (";" in line or "}" in line):
            start, head = None, ""


def check(root):
    errors, count, rooms = [], 0, {}
    tests = sorted(f.relative_to(root).as_posix() for f in (root / "tests").rglob("*.[ch]"))
    for path in tree.sources(root) + tests:
        text = (root / path).read_text()
        lines = text.count("\n")
        count += 1
        room = path.rsplit("/", 1)[0]
        rooms[room] = rooms.get(room, 0) + lines
        if lines > FILE_LINES:
            errors.append(f"{path}: {lines} lines, at most {FILE_LINES}")
        limit = REQUEST_LINES if any(path.startswith(p) for p in REQUEST_PATH) else FUNCTION_LINES
        for name, start, length in functions(text):
            if length > limit:
                errors.append(f"{path}:{start}: {name}() has {length} lines, at most {limit}")
    errors += [f"{room}/: {lines} lines, at most {ROOM_LINES}" for room, lines in sorted(rooms.items())
               if lines > ROOM_LINES and not room.startswith("tests")]
    return errors, count


def main():
    errors, count = check(pathlib.Path(sys.argv[1]))
    print("\n".join(errors) or f"{count} files and their functions are short enough")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
