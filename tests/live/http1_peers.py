#!/usr/bin/env python3
"""For information: the requests of http1_cases.txt at nginx and HAProxy, as they come from Debian and with one route for
everything. Prints how many of those that forwarderd refuses reach the origin whole, by rule.

usage: http1_peers.py
"""
import collections
import pathlib
import shutil
import socket
import subprocess
import tempfile

import http1_wire as wire
import test_http1
from stack import free_port, until

NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log crit; worker_processes 1;
events {{ worker_connections 500; }}
http {{
 access_log off; client_header_timeout 1s; client_body_timeout 1s;
 client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
 uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
 upstream origin {{ server {origin}; keepalive 16; }}
 server {{ listen 127.0.0.1:{port};
  location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Host $host;
   proxy_set_header Connection ""; proxy_request_buffering off; }} }}
}}
"""
HAPROXY = """
global
 maxconn 500
defaults
 mode http
 timeout connect 2s
 timeout client 1s
 timeout server 5s
 timeout http-request 1s
 http-reuse safe
frontend f
 bind 127.0.0.1:{port}
 default_backend b
backend b
 server o {origin}
"""


class Peer:
    def __init__(self, program, text, words, origin):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gslb-peer-"))
        self.port = free_port()
        (self.folder / "config").write_text(text.format(folder=self.folder, port=self.port, origin=origin.address))
        self.process = subprocess.Popen([program, *[w.format(config=self.folder / "config") for w in words]],
                                        stderr=subprocess.DEVNULL)
        until(self.is_ready, 10, program)

    def is_ready(self):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def count(peer, origin):
    """{rule: [cases that forwarderd refuses, those of them that came whole]}"""
    rules = collections.defaultdict(lambda: [0, 0])
    for _, line in test_http1.cases_of("requests"):
        rule, expected, at_origin, text = line.split(" ", 3)
        if at_origin not in "-~" or expected.startswith(("200", "404", "403", "405")):
            continue
        with test_http1.Client(f"127.0.0.1:{peer.port}", 0.3) as client:
            client.send(wire.octets(text))
            try:
                client.stream.more()  # an answer, or the end; who waits for more than came is left
            except (OSError, wire.Ended):
                pass
        rules[int(rule)][0] += 1
        rules[int(rule)][1] += any(m.is_whole for m in origin.take())
    return rules


def main():
    peers = [("nginx", shutil.which("nginx") or "/usr/sbin/nginx", NGINX, ["-c", "{config}"]),
             ("haproxy", shutil.which("haproxy") or "/usr/sbin/haproxy", HAPROXY, ["-f", "{config}", "-db"])]
    seen = {}
    for name, program, text, words in peers:
        origin = wire.RecordingOrigin()
        peer = Peer(program, text, words, origin)
        try:
            seen[name] = count(peer, origin)
        finally:
            peer.stop()
            origin.stop()
    print("rule  refused here  " + "  ".join(f"{name} forwards" for name in seen))
    for rule in sorted(next(iter(seen.values()))):
        print(f"{rule:4}  {seen['nginx'][rule][0]:12}  " + "  ".join(f"{seen[n][rule][1]:{len(n) + 9}}" for n in seen))
    print(" all  %12d  " % sum(a for a, _ in seen["nginx"].values()) +
          "  ".join(f"{sum(b for _, b in seen[n].values()):{len(n) + 9}}" for n in seen))


if __name__ == "__main__":
    main()
