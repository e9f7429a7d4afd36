"""The corpus of broken configurations: what `--check` says about each, word for word.

usage: run.py GSLBD FORWARDERD [--write] [NAME…]

  node/NAME.yaml     a node.yaml, for gslbd, as all but the next
  forwarder/NAME.yaml  a node.yaml for forwarderd
  fleet/NAME.yaml    a fleet document, named by a good node.yaml
  zone/NAME.zone     a zone file, named by a good fleet document
  several/NAME/      a whole directory with its node.yaml

Each stands beside the lines that are expected: NAME.errors, or several/NAME/errors. A case runs in a
directory of its own with relative names, so that the lines hold no path of the machine. It must leave
nothing behind; a broken node.yaml also when it is started. `--write` puts down what is said today: for
reading, every line, before it becomes the new truth.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
AT_LEAST = 150
NODE = 'node: {name: n, state_dir: state}\nfleet: [%s]\ndns: {listen: ["127.0.0.1@0"]}\n'
FLEET = 'zones: {z.example: {file: %s}}\n'


def cases():
    """(name, files to copy, files to write, the expected lines' file)"""
    for kind in ("node", "forwarder"):
        for path in sorted(HERE.glob(f"{kind}/*.yaml")):
            yield f"{kind}/{path.stem}", {"node.yaml": path}, {}, path.with_suffix(".errors")
    for path in sorted(HERE.glob("fleet/*.yaml")):
        yield (f"fleet/{path.stem}", {"fleet.yaml": path}, {"node.yaml": NODE % "fleet.yaml"},
               path.with_suffix(".errors"))
    for path in sorted(HERE.glob("zone/*.zone")):
        yield (f"zone/{path.stem}", {"z.zone": path},
               {"node.yaml": NODE % "fleet.yaml", "fleet.yaml": FLEET % "z.zone"}, path.with_suffix(".errors"))
    for path in sorted(HERE.glob("several/*/")):
        files = {str(file.relative_to(path)): file for file in path.rglob("*")
                 if file.is_file() and file.name != "errors"}
        yield f"several/{path.name}", files, {}, path / "errors"


def run(daemon, files, texts):
    """What it says; fails on anything that a refusal is not."""
    with tempfile.TemporaryDirectory(prefix="gslb-config-") as directory:
        for name, source in files.items():
            target = pathlib.Path(directory, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        for name, text in texts.items():
            pathlib.Path(directory, name).write_text(text)
        before = listing(directory)
        said = start(daemon, directory, "--check")
        if listing(directory) != before:
            return "--check left something behind\n"
        # What is wrong with node.yaml is known before anything is done; with other files, once the state is open.
        if not names_files(directory):
            start(daemon, directory)
            if listing(directory) != before:
                return "a start left something behind\n"
        return said


def names_files(directory):
    node = pathlib.Path(directory, "node.yaml").read_bytes()
    return b"fleet" in node or b"geo" in node


def listing(directory):
    return sorted(str(path) for path in pathlib.Path(directory).rglob("*"))


def start(daemon, directory, *words):
    done = subprocess.run([daemon, "-c", "node.yaml", *words], cwd=directory, capture_output=True, timeout=20)
    if done.returncode != 1:
        raise AssertionError(f"exit {done.returncode}, not 1\n{done.stderr.decode()}")
    if done.stdout:
        raise AssertionError(f"standard output: {done.stdout!r}")
    return done.stderr.decode()


def main():
    gslbd, forwarderd = map(os.path.abspath, sys.argv[1:3])
    words = [word for word in sys.argv[3:] if word != "--write"]
    is_writing = "--write" in sys.argv
    count = failures = 0
    for name, files, texts, path in cases():
        if words and name not in words:
            continue
        count += 1
        try:
            said = run(forwarderd if name.startswith("forwarder/") else gslbd, files, texts)
        except AssertionError as error:
            said = f"{error}\n"
        expected = path.read_text() if path.exists() else ""
        if is_writing:
            path.write_text(said)
        elif said != expected or not said:
            failures += 1
            print(f"{name}\n--- expected\n{expected}--- said\n{said}")
    print(f"{count} broken configurations, {failures} told otherwise than expected")
    if not words and count < AT_LEAST:
        print(f"at least {AT_LEAST} are promised")
        return 1
    return failures != 0


sys.exit(main())
