"""Checks of type tls, https, dns and grpc-health against real servers, and the hook that is told of it.

Certificates are made here; gslbd trusts their authority through SSL_CERT_FILE.
"""

import datetime
import json
import os
import pathlib
import random
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import stack

NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates into files of one directory."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "live test authority")])
        self.path = self.directory / "authority.pem"
        self.path.write_bytes(self.sign(self.name, self.key, NOW - DAY, NOW + 400 * DAY, None))

    def sign(self, subject, key, begin, end, names):
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(begin).not_valid_after(end)
                   .add_extension(x509.BasicConstraints(names is None, None), True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def certificate(self, name, begin=NOW - DAY, end=NOW + 90 * DAY):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        path = self.directory / f"{random.getrandbits(64):016x}.pem"
        path.write_bytes(self.sign(subject, key, begin, end, [name]) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return path


class Server:
    """A TCP server whose connections are handled by serve() in threads of their own."""

    def __init__(self, address):
        self.listener = socket.create_server((address, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.handle, args=(connection,), daemon=True).start()

    def handle(self, connection):
        connection.settimeout(5)
        with connection:
            try:
                self.serve(connection)
            except (OSError, EOFError):
                pass  # the probe had seen enough

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class TlsServer(Server):
    def __init__(self, address, certificate):
        self.status = 200
        self.names = []
        self.show(certificate)
        super().__init__(address)

    def show(self, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _, name, __: self.names.append(name)
        self.context = context

    def serve(self, connection):
        with self.context.wrap_socket(connection, server_side=True) as secure:
            if secure.recv(65536):
                secure.sendall(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())


class GrpcServer(Server):
    """Just enough HTTP/2 (RFC 9113): one unary answer to each request, literal headers (RFC 7541 §6.2.2)."""

    def __init__(self, address):
        self.state = 1
        self.bodies = []
        super().__init__(address)

    @staticmethod
    def frame(kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    @staticmethod
    def literal(name, value):
        return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    def serve(self, connection):
        file = connection.makefile("rb")
        if file.read(24) != b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":
            return
        connection.sendall(self.frame(4, 0, 0))
        while True:
            head = file.read(9)
            if len(head) < 9:
                return
            payload = file.read(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind == 4 and not flags & 1:
                connection.sendall(self.frame(4, 1, 0))
            if kind == 0 and flags & 1:
                self.bodies.append(payload)
                connection.sendall(self.answer(stream))

    def answer(self, stream):
        head = b"\x88" + self.literal("content-type", "application/grpc")
        message = bytes([0, 0, 0, 0, 2, 8, self.state])
        return (self.frame(1, 4, stream, head) + self.frame(0, 0, stream, message) +
                self.frame(1, 5, stream, self.literal("grpc-status", "0")))


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
