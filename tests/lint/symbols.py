#!/usr/bin/env python3
"""What the data paths may call, read from the undefined symbols of their object files.

usage: symbols.py SOURCE_ROOT BUILD_ROOT

udp_path.txt (gslbd's) and relay_path.txt (forwarderd's) list the sources of a path and the symbols
they may need. Everything else is refused: allocation, locks, the log, libevent, printf. The clock
may be read in one function of one file only, which is checked in the source. Sanitizers add calls
of their own, so the check is for plain builds.
"""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import sizes

CLOCK = re.compile(r"\b(clock_gettime|clock_mono_\w+|clock_unix_\w+|gettimeofday|time)\s*\(")
COMPILER = {"_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}


PATHS = {"udp_path.txt": "gslb/serve", "relay_path.txt": "forwarder/relay"}


def read_list(name, text):
    lists = {"source": [], "allow": [], "clock": [], "assert": [], "but": []}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0].rstrip(":") not in lists:
            sys.exit(f"{name}:{number}: unknown row {words[0]}")
        if words[0] == "but:":
            lists["but"].append(words[1:])
        else:
            lists[words[0].rstrip(":")] += words[1:]
    return lists


def nm(option, file):
    lines = subprocess.run(["nm", option, "--format=posix", str(file)], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    return {line.split()[0] for line in lines if line.split()}


def find_object(build, source):
    """meson names the object of a/b/c.c `c.c.o` under a/b/LIBRARY.p/; in the library of a/ the folder stands before it."""
    folder, name = source.rsplit("/", 1)
    above, _, last = folder.rpartition("/")
    found = sorted((build / folder).glob(f"*.p/{name}.o"))
    if not found and above:
        found = sorted((build / above).glob(f"*.p/{last}_{name}.o"))
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


def check_path(root, build, name, folder):
    lists = read_list(name, (root / "tests/lint" / name).read_text())
    is_there = any((root / folder).glob("*.c"))
    errors, objects = [], {}
    for source in lists["source"]:
        if not (root / source).is_file():
            if is_there:
                errors.append(f"{name}: {source} does not exist")
            continue
        found = find_object(build, source)
        if found is None:
            errors.append(f"{source}: its object file is not in {build}")
            continue
        objects[source] = found
    defined = {s for o in objects.values() for s in nm("--defined-only", o)}
    allowed = defined | set(lists["allow"]) | set(lists["assert"]) | COMPILER
    only = {words[0]: set(words[1:]) for words in lists["but"]}
    for source, found in objects.items():
        is_clock = source in lists["clock"]
        extra = {"clock_mono_ns", "clock_mono_ms", "clock_gettime"} if is_clock else set()
        needed = nm("--undefined-only", found)
        for symbol in sorted(needed - allowed - extra - only.get(source, set())):
            errors.append(f"{source}: calls {symbol}")
        errors += check_clock(root, source, is_clock)
    return errors, len(objects)


def check(root, build):
    errors, count = [], 0
    for name, folder in PATHS.items():
        if (root / "tests/lint" / name).is_file():
            found, objects = check_path(root, build, name, folder)
            errors, count = errors + found, count + objects
    return errors, count


def main():
    errors, count = check(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
    print("\n".join(errors) or f"{count} object files of the data paths need nothing that they may not")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
