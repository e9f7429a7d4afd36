"""Checks of type tls, https, dns and grpc-health against real servers, and the hook that is told of it.

Certificates are made here; gslbd trusts their authority through SSL_CERT_FILE.
"""

import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile

import stack
from probe_servers import DAY, NOW, Authority, GrpcServer, Server, TlsServer


class RedirectingServer(Server):
    def __init__(self, address):
        self.paths = []
        super().__init__(address)

    def serve(self, connection):
        path = connection.recv(65536).split()[1].decode()
        self.paths.append(path)
        where = f"http://{connection.getsockname()[0]}:{self.port}/elsewhere"
        head = "200 OK" if path == "/elsewhere" else f"302 Found\r\nLocation: {where}"
        connection.sendall(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode())


class ProbeTypes(stack.StackTest):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="gslb-certificates-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.authority = Authority(self.directory)
        os.environ["SSL_CERT_FILE"] = str(self.authority.path)
        self.addCleanup(os.environ.pop, "SSL_CERT_FILE")
        net = f"127.{random.randint(16, 250)}.{random.randint(0, 250)}"
        self.eu, self.us = f"{net}.10", f"{net}.20"

    def start(self, check, **more):
        """One service with the check: its VIP in `eu` stands on self.eu, a second one that is always up in `us`."""
        check = {"interval": "200ms", "timeout": "200ms", "rise": 1, "fall": 2, **check}
        self.stack = stack.Stack({
            "regions": {region: stack.REGIONS[region] for region in ("eu", "us")},
            "locations": stack.LOCATIONS,
            "checks": {"it": check, "always": {"type": "tcp", "port": self.always().port}},
            "services": {"shop": {"check": "it", "ttl": "1s..20s", "vips": {
                "eu": [self.eu], "us": [{"address": self.us, "check": "always"}]}}},
            "tenants": {"acme": {"zone": stack.ZONE, "service": "shop"}},
        }, **more)
        self.use(self.stack)
        self.stack.start()

    def always(self):
        server = stack.Origin(self.us, stack.free_port(self.us))
        self.addCleanup(server.stop)
        return server

    def server(self, server):
        self.addCleanup(server.close)
        return server

    def vip(self):
        items = self.stack.api("GET", "/v1/vips")[1]["items"]
        return next(item for item in items if item["address"] == self.eu)

    def becomes(self, state, reason=""):
        seen = {}

        def has_come():
            seen.update(self.vip())
            return seen["state"] == state and reason in (seen["reason"] or "")
        try:
            stack.until(has_come, 5)
        except AssertionError:
            self.fail(f"not {state} {reason}: {seen}")
        answer = self.eu if state == "up" else self.us
        stack.until(lambda: self.stack.answer("acme", stack.CLIENTS["eu"]) == [answer], 2, f"answer {answer}")

    def test_tls_judges_the_certificate(self):
        server = self.server(TlsServer(self.eu, self.authority.certificate("shop.example")))
        self.start({"type": "tls", "port": server.port, "sni": "shop.example", "verify": "full",
                    "expires_within": "14d"})
        self.becomes("up")
        self.assertEqual(set(server.names), {"shop.example"})
        server.show(self.authority.certificate("other.example"))
        self.becomes("down", "certificate is for other.example")
        server.show(self.authority.certificate("shop.example"))
        self.becomes("up")
        server.show(self.authority.certificate("shop.example", NOW - 9 * DAY, NOW - DAY))
        self.becomes("down", "certificate expired")
        server.show(self.authority.certificate("shop.example", end=NOW + 3 * DAY + DAY / 2))
        self.becomes("down", "certificate expires in 3d")
        stranger = pathlib.Path(self.directory) / "stranger"
        stranger.mkdir()
        server.show(Authority(stranger).certificate("shop.example"))
        self.becomes("down", "certificate issuer is not trusted")

    def test_tls_of_openssl_s_server(self):
        port = stack.free_port(self.eu)
        certificate = self.authority.certificate("x.example")
        process = subprocess.Popen(["openssl", "s_server", "-accept", f"{self.eu}:{port}", "-quiet",
                                    "-cert", str(certificate), "-key", str(certificate)],
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.start({"type": "tls", "port": port})
        self.becomes("up")
        process.kill()
        self.becomes("down", "connection refused")

    def test_https_is_http_inside_tls(self):
        server = self.server(TlsServer(self.eu, self.authority.certificate("shop.example")))
        self.start({"type": "https", "port": server.port, "host": "shop.example", "verify": "full"})
        self.becomes("up")
        server.status = 503
        self.becomes("down", "status 503")

    def test_a_redirect_is_an_answer_and_not_followed(self):
        server = self.server(RedirectingServer(self.eu))
        self.start({"type": "http", "port": server.port})
        told = f"status 302 to http://{self.eu}:{server.port}/elsewhere"[:54]
        self.becomes("up", told)
        self.assertIn("redirects are not followed", self.vip()["reason"])
        self.assertIn(told, self.stack.ctl("vips").stdout)
        self.assertIn(f"unknown → up: {told}", self.stack.log())
        self.stack.fleet["checks"]["it"]["expect"] = "200-299"
        self.stack.write()
        self.stack.ctl("reload")
        self.becomes("down", told)
        self.assertEqual(set(server.paths), {"/"})

    def test_no_tls_there(self):
        plain = stack.Origin(self.eu, stack.free_port(self.eu))
        self.addCleanup(plain.stop)
        self.start({"type": "https", "port": plain.port})
        self.becomes("down", "handshake failed")

    def test_dns_asks_another_gslbd(self):
        target = self.use(stack.Stack({}, node={"dns": {"listen": [f"{self.eu}@0"]}, "probes": None}).start())
        self.start({"type": "dns", "port": target.port, "host": stack.ZONE})
        self.becomes("up")
        target.process.kill()
        target.process.wait()
        self.becomes("down", "connection refused")

    def test_dns_without_a_name_asks_for_the_root(self):
        target = self.use(stack.Stack({}, node={"dns": {"listen": [f"{self.eu}@0"]}, "probes": None}).start())
        self.start({"type": "dns", "port": target.port})
        self.becomes("down", "REFUSED (set 'host'")

    def test_grpc_health(self):
        server = self.server(GrpcServer(self.eu))
        self.start({"type": "grpc-health", "port": server.port})
        self.becomes("up")
        self.assertEqual(set(server.bodies), {b"\0" * 5})
        server.state = 2
        self.becomes("down", "NOT_SERVING")
        server.state = 1
        self.becomes("up")

    def test_the_hook_is_told(self):
        server = self.server(GrpcServer(self.eu))
        told = pathlib.Path(self.directory) / "told"
        hook = pathlib.Path(self.directory) / "hook"
        hook.write_text(f"#!/bin/sh\ncat >>{told}\n")
        hook.chmod(0o755)
        self.start({"type": "grpc-health", "port": server.port}, node={"notify": {"exec": [str(hook)]}})
        self.becomes("up")
        server.state = 2
        self.becomes("down")
        stack.until(lambda: told.exists() and told.read_text().endswith("\n"), 5, "the notice")
        lines = [json.loads(line) for line in told.read_text().splitlines()]
        self.assertEqual(len(lines), 1)  # that all was up at first is no news
        self.assertRegex(lines[0].pop("time"), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(lines[0], {"service": "shop", "region": "eu", "vip": self.eu, "check": "it",
                                    "from": "up", "to": "down", "reason": "NOT_SERVING"})
        stack.until(lambda: 'gslb_control_notices_total{result="sent"} 1\n' in self.stack.page("/metrics")[1],
                    5, "the count of notices")


if __name__ == "__main__":
    stack.main()
