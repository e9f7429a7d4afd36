#!/usr/bin/env python3
"""A comment cites what its reader has: files of this tree, headings of its pages, system headers, RFCs.

usage: citations.py SOURCE_ROOT

Looks at the comments of all C and Python files, and at the pages in docs/, README.md and CONVENTIONS.md.
"""
import io
import pathlib
import re
import sys
import tokenize

COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|(/\*.*?\*/|//[^\n]*)', re.S)
FILE = re.compile(r"(?<![\w./<*-])((?:[\w.-]+/)*[\w-]+\.(?:c|h|py|md|txt|sim|cases|build))\b(?![\w*/])")
PAGE = re.compile(r'\b((?:docs/)?[\w-]+\.md),\s+(?:section\s+)?"([^"]+)"')
RFC = re.compile(r"\bRFC\s*(\d+)")
SECTION = re.compile(r"(?:§|\b[Ss]ections?\s+)(\d+(?:\.\d+)*)")
CONVENTION = re.compile(r"\bCONVENTIONS(?:\.md)?[, ]+(?:rule\s+)?(\d+)\b")
# Papers that are not in this tree, and what only those who wrote it know.
ABSENT = re.compile(r"\b(DESIGN|[Ff]ield guide|reference/|fleet-and-dr|engine-notes|rooms\.md|l7-notes|[Ii]ssue \d+)")
PLACEHOLDER = re.compile(r"(?:foo|[a-z]|\w*[A-Z]{4,}\w*)\.\w+$")
SYSTEM = re.compile(r"^\s*#\s*include\s*<([^>]+)>", re.M)
SKIP = {".git", "geo-data", "node_modules", "__pycache__"}


def is_skipped(parts):
    """What is built stands in folders at the top; a room of the product may have the word for its name."""
    return any(part in SKIP for part in parts) or parts[0] == "build" or parts[0].startswith("build-")


def comments_of_c(text):
    for match in COMMENT.finditer(text):
        if match.group(1):
            yield text.count("\n", 0, match.start()) + 1, re.sub(r"\s*\n\s*\*?\s*", " ", match.group(1))


def comments_of_python(text):
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_docstring = token.type == tokenize.STRING and token.line.lstrip().startswith(('"""', 'r"""'))
        if token.type == tokenize.COMMENT or is_docstring:
            yield token.start[0], re.sub(r"\s*\n\s*", " ", token.string)


def paragraphs_of_page(text):
    at = 1
    for part in text.split("\n\n"):
        yield at, re.sub(r"\s*\n\s*", " ", part)
        at += part.count("\n") + 2


def headings(text):
    return {re.sub(r"[`*]", "", h).strip().rstrip(".").lower() for h in re.findall(r"^#+\s+(.+)$", text, re.M)}


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = [f.relative_to(root).as_posix() for f in root.rglob("*")
                      if f.is_file() and not is_skipped(f.relative_to(root).parts)]
        self.known = set(self.files)
        self.system = {name for f in self.files if f.endswith((".c", ".h"))
                       for name in SYSTEM.findall((root / f).read_text())}
        self.rules = len(re.findall(r"^\d+\. ", self.text("CONVENTIONS.md"), re.M))

    def text(self, path):
        return (self.root / path).read_text() if path in self.known else ""

    def find(self, name, near):
        folder = near.rsplit("/", 1)[0] if "/" in near else ""
        for path in (name, f"{folder}/{name}", f"docs/{name}"):
            if path in self.known:
                return path
        return next((f for f in self.files if ("/" + f).endswith("/" + name)), None)


def problems(tree, path, text):
    for match in ABSENT.finditer(text):
        yield f"cites '{match.group(1)}', which its reader does not have"
    for name in FILE.findall(text):
        if not (PLACEHOLDER.match(name.rsplit("/", 1)[-1]) or name in tree.system or tree.find(name, path)):
            yield f"cites {name}, which does not exist"
    for page, heading in PAGE.findall(text):
        found = tree.find(page, path)
        if found and heading.rstrip(".").lower() not in headings(tree.text(found)):
            yield f'cites {page}, "{heading}", which has no such heading'
    for number in RFC.findall(text):
        if not 1 <= int(number) <= 9999:
            yield f"cites RFC {number}, which does not exist"
    for number in CONVENTION.findall(text):
        if not 1 <= int(number) <= tree.rules:
            yield f"cites rule {number} of CONVENTIONS, which has {tree.rules}"
    if SECTION.search(text) and not RFC.search(text):
        yield f"cites section {SECTION.search(text).group(1)} of nothing"


def check(root):
    tree, errors, count = Tree(root), [], 0
    for path in sorted(tree.files):
        is_page = path.startswith("docs/") and path.endswith(".md") or path in ("README.md", "CONVENTIONS.md")
        read = (comments_of_c if path.endswith((".c", ".h")) else comments_of_python if path.endswith(".py")
                else paragraphs_of_page if is_page else None)
        if read is None or path.startswith("tests/lint/lints_bite"):
            continue
        for line, text in read(tree.text(path)):
            count += 1
            errors += [f"{path}:{line}: {problem}" for problem in problems(tree, path, text)]
    return errors, count


def main():
    errors, count = check(pathlib.Path(sys.argv[1]).resolve())
    print("\n".join(errors) or f"{count} comments and paragraphs cite what is there")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
