"""What the lints over the whole product share: its folders, and what its object files define and need."""
import json
import pathlib
import subprocess

FOLDERS = ["lib", "zones", "fleet", "checker", "store", "health", "daemon", "gslb", "forwarder", "checkerd", "tools"]


def sources(root, *patterns):
    """The product's files, as paths from the top of the tree."""
    found = {f for top in FOLDERS for pattern in patterns or ("*.[ch]",) for f in (root / top).rglob(pattern)}
    return sorted(f.relative_to(root).as_posix() for f in found)


def objects(root, build):
    """Source → object file, for the product's sources that the build knows."""
    found, known = {}, set(sources(root, "*.c"))
    for command in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.Path(command["directory"], command["file"]).resolve()
        path = source.relative_to(root).as_posix() if source.is_relative_to(root) else ""
        if path in known:
            found.setdefault(path, pathlib.Path(command["directory"], command["output"]))
    return found


def symbols(object_file):
    """(defined, needed): exported functions and data, and what others have to define."""
    defined, needed = set(), set()
    lines = subprocess.run(["nm", "--extern-only", "--format=posix", str(object_file)], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    for line in lines:
        name, kind = line.split()[:2]
        (needed if kind in "Uwv" else defined).add(name)
    return defined, needed
