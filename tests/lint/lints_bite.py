#!/usr/bin/env python3
"""Every lint must see the violation that it is for.

usage: lints_bite.py

Builds small trees in a temporary folder, one violation each, and the same tree without it.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import asserts
import circles
import citations
import exports
import json_text
import layers
import registered
import sizes
import symbols

HERE = pathlib.Path(__file__).parent
RULES = "lib:\nzones: lib\ngslb/serve: lib zones\ngslb/main.c: lib gslb/serve\nheader yaml.h: lib/y.c\n"
UDP = "source: gslb/serve/udp.c gslb/serve/answer.c\nallow: memcpy\nclock: gslb/serve/udp.c\n"
CLOCK = "unsigned long clock_mono_ns(void);\n"


def plant(files):
    root = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def run_layers(files):
    return layers.check(plant({"lib/a.h": "", "zones/z.h": "", **files}), *layers.read_rules(RULES))[0]


def run_sizes(files):
    return sizes.check(plant(files))[0]


def run_json_text(files):
    return json_text.check(plant(files))[0]


def run_registered(files):
    base = {"tests/unit/meson.build": "t = [['a', x]]", "tests/unit/test_a.c": "", "lib/a.c": "",
            "lib/meson.build": "files('a.c')", "tests/lint/untested.txt": ""}
    return registered.check(plant({**base, **files}))[0]


def run_symbols(files):
    base = {"gslb/serve/udp.c": "int answer(void);\nint udp(void)\n{\n\treturn answer();\n}\n",
            "gslb/serve/answer.c": "int answer(void)\n{\n\treturn 1;\n}\n", "tests/lint/udp_path.txt": UDP}
    root = plant({**base, **files})
    for source in (root / "gslb/serve").glob("*.c"):
        target = root / "build/gslb/serve/lib.a.p" / (source.name + ".o")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-w", "-fno-builtin", "-c", source, "-o", target], check=True)
    return symbols.check(root, root / "build")[0]


def compile_all(files):
    """The tree, built as meson leaves it: objects, and compile_commands.json."""
    root, commands = plant(files), []
    for source in sorted(root.rglob("*.c")):
        target = root / "build" / (source.relative_to(root).as_posix() + ".o")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-w", "-I", root, "-c", source, "-o", target], check=True)
        commands.append({"directory": str(root), "file": str(source), "output": str(target)})
    (root / "build").mkdir(exist_ok=True)
    (root / "build/compile_commands.json").write_text(json.dumps(commands))
    return root, root / "build"


def run_circles(files):
    return circles.check(*compile_all(files))[0]


def run_exports(files):
    return exports.check(*compile_all({"tests/lint/exports.txt": "# none\n", **files}))[0]


def run_citations(files):
    base = {"docs/a.md": "# A\n\n## How it goes\n", "CONVENTIONS.md": "# Conventions\n\n1. One.\n", "lib/a.h": ""}
    return citations.check(plant({**base, **files}))[0]


def run_asserts(files):
    return asserts.check(plant(files))[0]


def run_format(files):
    root = plant({**files, ".clang-format": (HERE / "../../.clang-format").read_text()})
    result = subprocess.run([sys.executable, HERE / "format.py", root], text=True, capture_output=True)
    return result.stdout.splitlines() if result.returncode else []


def body(lines, signature="int f(void)"):
    return signature + "\n{\n" + "\tg('{', \"}\"); /* } */\n" * (lines - 3) + "}\n"


CASES = [  # lint, tree, part of the message (None: clean)
    (run_layers, {"zones/a.c": '#include "lib/a.h"\n#include <stdio.h>\n'}, None),
    (run_layers, {"lib/a.c": '#include "zones/z.h"\n'}, "lib/a.c:1: layer lib may not include"),
    (run_layers, {"lib/a.c": '#include "a.h"\n'}, "not written from the top"),
    (run_layers, {"gslb/other.c": ""}, "stands in no layer"),
    (run_layers, {"gslb/main.c": '#include "zones/z.h"\n'}, "layer gslb/main.c may not include"),
    (run_layers, {"lib/y.c": "#include <yaml.h>\n"}, None),
    (run_layers, {"zones/a.c": "\n#include <yaml.h>\n"}, "zones/a.c:2: <yaml.h> belongs to lib/y.c"),
    (run_sizes, {"lib/a.c": "int a;\n" + body(100) + body(100)}, None),
    (run_sizes, {"lib/a.c": "int a;\n" + body(101)}, "lib/a.c:2: f() has 101 lines, at most 100"),
    (run_sizes, {"lib/a.c": body(101, "static __attribute__((format(printf, 1, 0))) int f(int a,\n\t\tint b)")},
     "lib/a.c:1: f() has 102 lines"),
    (run_sizes, {"lib/a.c": "int x[] = {\n" + "\t1,\n" * 200 + "};\n" + body(9)}, None),
    (run_sizes, {"gslb/serve/a.c": body(81)}, "f() has 81 lines, at most 80"),
    (run_sizes, {"gslb/decide/choose.c": body(81)}, "at most 80"),
    (run_sizes, {"lib/a.h": "\n" * 701}, "701 lines, at most 700"),
    (run_registered, {}, None),
    (run_registered, {"tests/unit/test_b.c": ""}, "test_b.c is not in"),
    (run_registered, {"tests/unit/meson.build": "# ['a', x]"}, "test_a.c is not in"),
    (run_registered, {"lib/meson.build": "files('a.c', 'b.c')", "lib/b.c": ""}, "lib/b.c has no tests/unit/test_b.c"),
    (run_registered, {"lib/meson.build": "files()"}, "lib/a.c is built by no"),
    (run_registered, {"tests/lint/untested.txt": "lib/gone.c: why\n"}, "lib/gone.c does not exist"),
    (run_registered, {"tests/lint/untested.txt": "lib/b.c: by test_z\n", "lib/b.c": "",
                      "lib/meson.build": "files('a.c', 'b.c')"}, "relies on test_z, which is not run"),
    (run_registered, {"tests/lint/untested.txt": "lib/b1.c: by test_a\n", "lib/b1.c": "",
                      "lib/meson.build": "files('a.c', 'b1.c')"}, None),
    (run_registered, {"tests/lint/untested.txt": "lib/b*.c: by test_a\n", "lib/b1.c": "",
                      "lib/meson.build": "files('a.c', 'b1.c')"}, "lib/b*.c does not exist"),
    (run_json_text, {"lib/a.c": 'json_string("x"); json_pack("{s:o, s:i}", "a", json_text(b), "c", 1); /* json_string(x) */',
                     "lib/json_text.c": "json_string(text)"}, None),
    (run_json_text, {"tools/a.c": "\njson_string(text)"}, "tools/a.c:2: json_string() of what is no literal"),
    (run_json_text, {"tools/a.c": 'json_pack("{s:i, "\n"s:s}", "a", 1, "b", text)'}, "a string in json_pack()"),
    (run_json_text, {"tools/a.c": 'json_pack("[s?]", text)'}, "a string in json_pack()"),
    (run_json_text, {"tools/a.c": "json_pack(format, text)"}, "needs a literal"),
    (run_json_text, {"tools/a.c": 'json_sprintf("%s", text)'}, "json_sprintf() is not used"),
    (run_symbols, {}, None),
    (run_symbols, {"gslb/serve/answer.c": "void *malloc(long);\nint answer(void)\n{\n\treturn !malloc(1);\n}\n"},
     "gslb/serve/answer.c: calls malloc"),
    (run_symbols, {"gslb/serve/answer.c": "int log_at(int);\nint answer(void)\n{\n\treturn log_at(1);\n}\n"},
     "calls log_at"),
    (run_symbols, {"gslb/serve/answer.c": CLOCK + "int answer(void)\n{\n\treturn clock_mono_ns();\n}\n"},
     "answer.c:4: reads the clock"),
    (run_symbols, {"gslb/serve/udp.c": CLOCK + "int answer(void);\nint udp(void)\n{\n\tanswer();\n"
                                               "\treturn clock_mono_ns() - clock_mono_ns();\n}\n"}, None),
    (run_symbols, {"gslb/serve/udp.c": CLOCK + "int one(void)\n{\n\treturn clock_mono_ns();\n}\n"
                                               "int two(void)\n{\n\treturn clock_mono_ns();\n}\n"}, "one function may"),
    (run_symbols, {"gslb/serve/udp.c": CLOCK + "int one(void)\n{\n\treturn clock_mono_ns() + clock_mono_ns() +\n"
                                               "\t       clock_mono_ns();\n}\n"}, "read 3 times"),
    (run_symbols, {"tests/lint/udp_path.txt": UDP + "source: gslb/serve/gone.c\n"}, "gone.c does not exist"),
    (run_symbols, {"gslb/serve/answer.c": "void *malloc(long);\nint answer(void)\n{\n\treturn !malloc(1);\n}\n",
                   "tests/lint/udp_path.txt": UDP + "but: gslb/serve/answer.c malloc\n"}, None),
    (run_symbols, {"gslb/serve/answer.c": "void *malloc(long);\nint answer(void)\n{\n\treturn !malloc(1);\n}\n",
                   "tests/lint/udp_path.txt": UDP + "but: gslb/serve/udp.c malloc\n"}, "answer.c: calls malloc"),
    (run_circles, {"lib/a.c": "int b(void);\nint a(void)\n{\n\treturn b();\n}\n",
                   "lib/b.c": "int b(void)\n{\n\treturn 1;\n}\n"}, None),
    (run_circles, {"lib/a.c": "int b(void);\nint a(void)\n{\n\treturn b();\n}\n",
                   "zones/b.c": "int a(void);\nint b(void)\n{\n\treturn a();\n}\n"},
     "circle of 2 files: lib/a.c zones/b.c"),
    (run_circles, {"lib/a.c": "int b;\nint c(void);\nint a(void)\n{\n\treturn c();\n}\n",
                   "lib/b.c": "extern int b;\nint c(void)\n{\n\treturn b;\n}\n"}, "uses b"),
    (run_circles, {"lib/a.h": '#include "lib/b.h"\n', "lib/b.h": '#include "lib/c.h"\n',
                   "lib/c.h": '#include "lib/a.h"\n'}, "circle of 3 files: lib/a.h lib/b.h lib/c.h"),
    (run_exports, {"lib/a.c": "int a_x;\nint lib_x;\nint a(void)\n{\n\treturn 1;\n}\n"
                              "static int free_one(void)\n{\n\treturn 1;\n}\n"}, None),
    (run_exports, {"lib/items.c": "int item_new(void)\n{\n\treturn 1;\n}\n"}, None),
    (run_exports, {"lib/order_read.c": "int order_new(void)\n{\n\treturn 1;\n}\n"}, None),
    (run_exports, {"lib/order_read.c": "int read_order(void)\n{\n\treturn 1;\n}\n"}, "read_order does not begin"),
    (run_exports, {"lib/a.c": "int other(void)\n{\n\treturn 1;\n}\n"}, "lib/a.c: other does not begin"),
    (run_exports, {"lib/a.c": "int ab(void)\n{\n\treturn 1;\n}\n"}, "lib/a.c: ab does not begin"),
    (run_exports, {"lib/a.c": "int x(void)\n{\n\treturn 1;\n}\n",
                   "tests/lint/exports.txt": "lib/a.c: x\n"}, None),
    (run_exports, {"lib/a.c": "", "tests/lint/exports.txt": "lib/a.c: x\n"}, "lib/a.c does not export x"),
    (run_citations, {"lib/b.c": '/* As a.h, docs/a.md, "How it goes", RFC 1035, section 4.1, and CONVENTIONS 1. */\n'
                                'char *s = "reference/x.c";\n'}, None),
    (run_citations, {"lib/b.c": "\n/* See\n * gone.h. */\n"}, "lib/b.c:2: cites gone.h, which does not exist"),
    (run_citations, {"lib/b.c": '/* docs/a.md, "Elsewhere" */\n'}, "no such heading"),
    (run_citations, {"lib/b.c": "/* DESIGN says so. */\n"}, "which its reader does not have"),
    (run_citations, {"lib/b.c": "/* See section 5. */\n"}, "section 5 of nothing"),
    (run_citations, {"lib/b.c": "/* CONVENTIONS 2 */\n"}, "rule 2 of CONVENTIONS, which has 1"),
    (run_citations, {"tests/x.py": '"""As reference/x says."""\n# gone.py\n'}, "tests/x.py:2: cites gone.py"),
    (run_citations, {"docs/a.md": "# A\n\nSee gone.md.\n"}, "docs/a.md:3: cites gone.md"),
    (run_asserts, {"lib/a.c": "\n" * 99 + "\tassert(1);\n", "gslb/serve/s.c": "\n" * 500}, None),
    (run_asserts, {"lib/a.c": "\n" * 99 + "\t/* assert(1); */ log(\"assert(1)\");\n"}, "lib/: 0 assertions in 100"),
    (run_sizes, {f"lib/{n}.c": "\n" * 650 for n in range(7)}, "lib/: 4550 lines, at most 4500"),
    (run_format, {"lib/a.c": "int f(void)\n{\n\treturn 1;\n}\n"}, None),
    (run_format, {"lib/a.c": "int f(void) {\n  return 1;\n}\n"}, "lib/a.c: run clang-format"),
]


def main():
    failed = 0
    for lint, files, want in CASES:
        errors = lint(files)
        is_right = not errors if want is None else any(want in error for error in errors)
        if not is_right:
            failed += 1
            print(f"{lint.__name__} on {sorted(files)}: wanted {want!r}, got {errors}")
    print(f"{len(CASES) - failed} of {len(CASES)} trees judged rightly")
    return failed


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(main() > 0)
