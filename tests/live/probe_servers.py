"""Servers for probes: TCP, TLS with certificates made here, and gRPC, each in this process."""

import datetime
import pathlib
import random
import socket
import ssl
import struct
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
    """A TCP server whose connections are handled by serve() in threads of their own, and counted by their ends."""

    def __init__(self, address):
        self.ends = self.resets = 0
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
                while connection.recv(65536):  # until the probe has ended its side, too
                    pass
                self.ends += 1
            except TimeoutError:
                pass
            except OSError:  # TLS has words of its own for an end that was not announced
                self.resets += 1

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

    def handle(self, connection):
        connection.settimeout(5)
        try:
            connection = self.context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        super().handle(connection)

    def serve(self, connection):
        if connection.recv(65536):
            connection.sendall(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())
            connection.shutdown(socket.SHUT_WR)


class HttpServer(Server):
    """Remembers the hosts that it was asked for."""

    def __init__(self, address):
        self.hosts = []
        super().__init__(address)

    def serve(self, connection):
        for line in connection.recv(65536).decode().split("\r\n"):
            if line.startswith("Host: "):
                self.hosts.append(line.removeprefix("Host: "))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class GrpcServer(Server):
    """Just enough HTTP/2 (RFC 9113): one unary answer to each request, literal headers (RFC 7541 §6.2.2)."""

    def __init__(self, address):
        self.state = 1
        self.bodies = []
        self.goodbyes = 0
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
            self.goodbyes += kind == 7
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
