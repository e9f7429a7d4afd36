"""NSD, Knot and BIND on loopback with the zones of the test. One that is not installed or does not start is
left out, with a word."""

import pathlib
import shutil
import subprocess
import sys
import time

import wire

ADDRESS = "127.0.0.1"


def nsd(folder, port, zones):
    text = f"""server:
  ip-address: {ADDRESS}@{port}
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: ""
  xfrdfile: ""
  zonelistfile: "{folder}/nsd.list"
  xfrdir: "{folder}"
  minimal-responses: no
  rrl-ratelimit: 0
  tcp-timeout: 60
remote-control:
  control-enable: no
"""
    text += "".join(f'zone:\n  name: "{name}"\n  zonefile: "{path}"\n' for name, path in zones.items())
    return text, ["nsd", "-d", "-c"]


def knot(folder, port, zones):
    text = f"""server:
  listen: {ADDRESS}@{port}
  rundir: {folder}
  tcp-io-timeout: 5000
  tcp-idle-timeout: 60
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: {folder}/knot
control:
  listen: {folder}/knot.sock
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: {folder}
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
zone:
"""
    text += "".join(f'  - domain: "{name}"\n    file: "{path}"\n' for name, path in zones.items())
    return text, ["knotd", "-c"]


def bind(folder, port, zones):
    text = f"""options {{
  directory "{folder}";
  listen-on port {port} {{ {ADDRESS}; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile "{folder}/session.key";
  recursion no;
  allow-query {{ any; }};
  allow-transfer {{ none; }};
  dnssec-validation no;
  empty-zones-enable no;
  check-names primary ignore;
  check-integrity no;
  minimal-responses no-auth;
  minimal-any no;
  max-udp-size 1232;
  max-records-per-type 0;
  notify no;
  managed-keys-directory "{folder}";
  tcp-idle-timeout 600;
}};
controls {{ }};
"""
    text += "".join(f'zone "{name}" {{ type primary; file "{path}"; }};\n' for name, path in zones.items())
    return text, ["named", "-g", "-n", "1", "-c"]


PEERS = {"nsd": nsd, "knot": knot, "bind": bind}
PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"


class Peer(wire.Server):
    def __init__(self, label, folder, port, zones):
        super().__init__(label, ADDRESS, port)
        text, command = PEERS[label](folder, port, zones)
        program = shutil.which(command[0], path=PATH)
        self.log = folder / f"{label}.log"
        self.process, self.ident = None, 0
        if not program:
            raise FileNotFoundError(f"{command[0]} is not installed (tools/setup --test)")
        (folder / "knot").mkdir(exist_ok=True)
        (folder / f"{label}.conf").write_text(text)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([program, *command[1:], str(folder / f"{label}.conf")],
                                            stdout=log, stderr=log)

    def loaded(self, zones, seconds=10):
        """The zones that it serves, once it serves any; those of a corpus that it refuses are not among them."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                good = {name for name in zones if self.serves(name)}
            except (OSError, TimeoutError):
                time.sleep(0.05)
                continue
            if len(good) == len(zones) or time.monotonic() > deadline - seconds + 3:
                return good
            time.sleep(0.05)
        raise OSError(f"{self.label} did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    def serves(self, zone):
        self.ident = self.ident % 65535 + 1  # a late reply is to another question
        message = wire.query(self.ident, wire.name_to_wire(zone), "SOA", 1232)
        reply = wire.Reply(self.ask_udp(message, tries=1, timeout=0.3))
        return reply.rcode == "NOERROR" and "aa" in reply.flags

    def stop(self):
        self.close()
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start(folder, ports, zones, labels=tuple(PEERS)):
    """The peers that run, each with .zones that it serves."""
    running = []
    for label, port in zip(labels, ports):
        peer = None
        try:
            peer = Peer(label, pathlib.Path(folder), port, zones)
            running.append(peer)
        except OSError as error:
            print(f"without {label}: {error}", file=sys.stderr)
    for peer in running[:]:
        try:
            peer.zones = peer.loaded(zones)
        except OSError as error:
            print(f"without {peer.label}: {error}", file=sys.stderr)
            peer.stop()
            running.remove(peer)
    return running
