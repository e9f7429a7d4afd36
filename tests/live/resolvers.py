"""Resolvers of Debian on loopback, with a gslbd as all that they know of the world: unbound with its subnet cache,
Knot Resolver, and BIND. One that is not installed is left out by the tests, with a word."""

import pathlib
import select
import shutil
import socket
import subprocess
import time

import dns
import stack

PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
WINDOW = 32  # questions in flight


def unbound(folder, port, upstream, zones, more):
    text = f"""server:
  interface: 127.0.0.1@{port}
  port: {port}
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  do-ip6: no
  module-config: "subnetcache iterator"
  send-client-subnet: 127.0.0.0/8
  client-subnet-always-forward: yes
  # A cache of a busy resolver; its default of 100 subnets a name would make every test one of eviction.
  max-ecs-tree-size-ipv4: 100000
  max-ecs-tree-size-ipv6: 100000
"""
    text += "".join(f"  {key}: {value}\n" for key, value in more.items())
    text += "remote-control:\n  control-enable: no\n"
    text += "".join(f'stub-zone:\n  name: "{zone}"\n  stub-addr: 127.0.0.1@{upstream}\n' for zone in zones)
    return text, ["unbound", "-d", "-c"]


def kresd(folder, port, upstream, zones, more):
    # The modules that are unloaded would look for the root of the real world.
    text = f"""net.ipv6 = false
net.listen('127.0.0.1', {port})
trust_anchors.remove('.')
for _, name in ipairs({{'priming', 'ta_update', 'ta_signal_query', 'detect_time_skew', 'detect_time_jump'}}) do
  modules.unload(name)
end
cache.open(20 * MB, 'lmdb://{folder}/cache')
-- Its default keeps everything for 5 s.
cache.min_ttl(0)
policy.add(policy.all(policy.STUB('127.0.0.1@{upstream}')))
"""
    text += "".join(f"{key}({value})\n" for key, value in more.items())
    return text, ["kresd", "-n", "-c"]


def named(folder, port, upstream, zones, more):
    text = f"""options {{
  directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile "{folder}/session.key";
  managed-keys-directory "{folder}";
  recursion yes;
  allow-query {{ any; }};
  dnssec-validation no;
  empty-zones-enable no;
  forward only;
  forwarders {{ 127.0.0.1 port {upstream}; }};
"""
    text += "".join(f"  {key} {value};\n" for key, value in more.items())
    return text + "};\ncontrols { };\n", ["named", "-g", "-n", "1", "-c"]


KINDS = {"unbound": unbound, "kresd": kresd, "named": named}


def missing(kind):
    return not shutil.which(kind, path=PATH)


class Resolver:
    """One resolver in front of one gslbd."""

    def __init__(self, kind, gslbd, label=None, **more):
        self.label = label or kind
        self.folder = pathlib.Path(gslbd.directory) / self.label
        self.folder.mkdir()
        self.port = stack.free_port()
        text, command = KINDS[kind](self.folder, self.port, gslbd.port, gslbd.zones, more)
        (self.folder / "conf").write_text(text)
        self.log = self.folder / "log"
        program = shutil.which(command[0], path=PATH)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([program, *command[1:], str(self.folder / "conf")], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        self.client = dns.Client("127.0.0.1", self.port)
        try:
            stack.until(self.answers, 15, f"an answer by {self.label}")
        except BaseException:
            text = self.log.read_text(errors="replace")[-3000:]
            self.stop()
            raise AssertionError(f"{self.label} did not start:\n{text}") from None

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("it ended")
        try:
            return self.client.ask(f"static.{stack.ZONE}", timeout=0.3, tries=1).rcode == "NOERROR"
        except OSError:
            time.sleep(0.05)
            return False

    def ask(self, name, kind="A", client=None):
        return self.client.ask(name, kind, client, timeout=5)

    def dig(self, *words):
        done = subprocess.run(["dig", "@127.0.0.1", "-p", str(self.port), "+tries=1", "+time=8", *words],
                              capture_output=True, text=True, timeout=20)
        return done.stdout

    def stop(self):
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def ask_all(port, questions, window=WINDOW, patience=5.0):
    """The replies to (name, type, client subnet or None, own address), in their order, `window` at a time. As stubs do,
    it asks a second time before it gives up."""
    sockets, by_number = {}, {}
    poll = select.epoll()
    replies, waiting, repeated = [None] * len(questions), {}, set()
    upcoming = iter(range(len(questions)))

    def send(at):
        name, kind, client, own = questions[at]
        if own not in sockets:
            sockets[own] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sockets[own].bind((own, 0))
            sockets[own].connect(("127.0.0.1", port))
            by_number[sockets[own].fileno()] = sockets[own]
            poll.register(sockets[own], select.EPOLLIN)
        waiting[at & 0xffff] = (at, time.monotonic())
        sockets[own].send(dns.query(name, kind, client, ident=at & 0xffff))

    try:
        while True:
            while len(waiting) < window and (at := next(upcoming, None)) is not None:
                send(at)
            if not waiting:
                return replies
            ready = poll.poll(1)
            for number, _ in ready:
                message = by_number[number].recv(65535)
                reply = dns.Reply(message)
                if reply.ident in waiting:
                    replies[waiting.pop(reply.ident)[0]] = reply
            if not ready:
                late = [at for at, since in waiting.values() if time.monotonic() - since > patience]
                for at in set(late) - repeated:
                    repeated.add(at)
                    send(at)
                late = [at for at in late if at in repeated and waiting[at & 0xffff][1] + patience < time.monotonic()]
                if late:
                    raise TimeoutError(f"no answer to {[questions[at] for at in late[:5]]}")
    finally:
        poll.close()
        for each in sockets.values():
            each.close()


def content(reply):
    """What must be the same whichever way an answer came; its TTL may not."""
    return reply.rcode, sorted((owner.lower(), kind, str(data)) for owner, kind, _, data in reply.answer)
