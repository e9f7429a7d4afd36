#!/usr/bin/env python3
"""What the UDP path may call, read from the undefined symbols of its object files.

usage: symbols.py SOURCE_ROOT BUILD_ROOT

udp_path.txt lists the sources of the path and the symbols they may need. Everything else is
refused: allocation, locks, the log, libevent, printf. The clock may be read in one function of
one file only, which is checked in the source. Sanitizers add calls of their own, so the check is
for plain builds.
"""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import sizes

CLOCK = re.compile(r"\b(clock_gettime|clock_mono_\w+|clock_unix_\w+|gettimeofday|time)\s*\(")
COMPILER = {"_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}


def read_list(text):
    lists = {"source": [], "allow": [], "clock": [], "assert": []}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0].rstrip(":") not in lists:
            sys.exit(f"udp_path.txt:{number}: unknown row {words[0]}")
        lists[words[0].rstrip(":")] += words[1:]
    return lists


def nm(option, file):
    lines = subprocess.run(["nm", option, "--format=posix", str(file)], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    return {line.split()[0] for line in lines if line.split()}


def find_object(build, source):
    """meson names the object of a/b/c.c `c.c.o` under a/b/LIBRARY.p/."""
    folder, name = source.rsplit("/", 1)
    found = sorted((build / folder).glob(f"*.p/{name}.o"))
    return found[0] if found else None


def check_clock(root, source, is_allowed):
    text = (root / source).read_text()
    lines = sizes.blank(text).splitlines()
    uses, readers = [], set()
    for name, start, length in sizes.functions(text):
        for number in range(start, start + length):
            found = CLOCK.findall(lines[number - 1])
            uses += [number] * len(found)
            readers |= {name} if found else set()
    if not is_allowed:
        return [f"{source}:{n}: reads the clock" for n in uses]
    if len(readers) > 1:
        return [f"{source}: the clock is read in {', '.join(sorted(readers))}; one function may"]
    return [f"{source}: the clock is read {len(uses)} times; twice a batch"] if len(uses) > 2 else []


def check(root, build):
    lists = read_list((root / "tests/lint/udp_path.txt").read_text())
    is_there = any((root / "gslb/serve").glob("*.c"))
    errors, objects = [], {}
    for source in lists["source"]:
        if not (root / source).is_file():
            if is_there:
                errors.append(f"udp_path.txt: {source} does not exist")
            continue
        found = find_object(build, source)
        if found is None:
            errors.append(f"{source}: its object file is not in {build}")
            continue
        objects[source] = found
    defined = {s for o in objects.values() for s in nm("--defined-only", o)}
    allowed = defined | set(lists["allow"]) | set(lists["assert"]) | COMPILER
    for source, found in objects.items():
        is_clock = source in lists["clock"]
        extra = {"clock_mono_ns", "clock_mono_ms", "clock_gettime"} if is_clock else set()
        for symbol in sorted(nm("--undefined-only", found) - allowed - extra):
            errors.append(f"{source}: calls {symbol}")
        errors += check_clock(root, source, is_clock)
    return errors, len(objects)


def main():
    errors, count = check(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
    print("\n".join(errors) or f"{count} object files of the UDP path need nothing that they may not")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
