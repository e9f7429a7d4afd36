#!/usr/bin/env python3
"""Text goes into JSON by json_text() of lib alone: jansson refuses what is not UTF-8, and the value vanishes.

usage: json_text.py SOURCE_ROOT

json_string() may take a literal; the formats of json_pack() are literals whose values are no strings ("s:o" with
json_text() instead of "s:s"); jansson's other makers of strings are not used.
"""
import pathlib
import re
import sys

import tree

HOME = "lib/json_text.c"
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
CALL = re.compile(r"\bjson_(string_nocheck|stringn\w*|v?sprintf|v?pack(?:_ex)?|string)\(\s*((?:\"(?:\\.|[^\"\\])*\"\s*)*)")
LITERAL = re.compile(r'"((?:\\.|[^"\\])*)"')


def problem(name, literals):
    if name == "string":
        return None if literals else "json_string() of what is no literal; use json_text()"
    if name != "pack":
        return f"json_{name}() is not used; use json_text()"
    if not literals:
        return "json_pack() needs a literal as its format"
    text = "".join(LITERAL.findall(literals))
    return "a string in json_pack(); write s:o and json_text()" if re.search(r"s(?!:)", text) else None


def check(root):
    errors = []
    files = tree.sources(root)
    for path in files:
        text = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), (root / path).read_text())
        for call in CALL.finditer(text) if path != HOME else []:
            wrong = problem(call.group(1), call.group(2))
            if wrong:
                errors.append(f"{path}:{text.count(chr(10), 0, call.start()) + 1}: {wrong}")
    return errors, len(files)


if __name__ == "__main__":
    errors, count = check(pathlib.Path(sys.argv[1]))
    print("\n".join(errors) or f"{count} files give text to JSON by json_text()")
    sys.exit(bool(errors))
