"""No server finds its connection reset by a probe that got what it asked for, whatever was still on its way.

Each server here still has something to say when the probe's verdict stands, and says it slowly.
"""

import random
import shutil
import socket
import struct
import tempfile
import threading
import time

import stack
from probe_servers import Authority, GrpcServer, Server, TlsServer

PAUSE_S = 0.02
ROUNDS = 3
LONG = b"x" * 30000  # more than is read at once


class Slow(Server):
    """Sends one piece after the other; the first may come before the client said anything."""

    def __init__(self, address, pieces, greets=False):
        self.pieces, self.greets = pieces, greets
        super().__init__(address)

    def serve(self, connection):
        if not self.greets and not connection.recv(65536):
            return
        for piece in self.pieces:
            time.sleep(PAUSE_S)
            connection.sendall(piece)


class Closing(Slow):
    def serve(self, connection):
        super().serve(connection)
        time.sleep(PAUSE_S)
        connection.shutdown(socket.SHUT_WR)


class SlowTls(TlsServer):
    """The same inside TLS, with a close_notify at the end that waits for the client's."""

    def __init__(self, address, certificate, pieces, greets=False):
        self.pieces, self.greets = pieces, greets
        super().__init__(address, certificate)

    def serve(self, connection):
        Slow.serve(self, connection)
        time.sleep(PAUSE_S)
        connection.unwrap()


class Pinging(GrpcServer):
    """Still speaks of the connection when the answer is out, as servers that measure it do."""

    def answer(self, stream):
        return super().answer(stream) + self.frame(6, 0, 0, b"12345678") + self.frame(8, 0, 0, b"\0\0\1\0")


class TruncatingDns(Server):
    """Over UDP all answers are truncated; over TCP they come in pieces, and are longer than any verdict needs."""

    def __init__(self, address):
        super().__init__(address)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, self.port))
        threading.Thread(target=self.run_udp, daemon=True).start()

    def run_udp(self):
        while True:
            try:
                query, client = self.udp.recvfrom(4096)
            except OSError:
                return
            self.udp.sendto(query[:2] + b"\x82\0" + query[4:], client)

    def serve(self, connection):
        query = connection.recv(4096)[2:]
        answer = query[:2] + b"\x80\0" + query[4:] + bytes(1500)
        connection.sendall(struct.pack(">H", len(answer)) + answer[:400])
        time.sleep(PAUSE_S)
        connection.sendall(answer[400:])

    def close(self):
        super().close()
        self.udp.close()


def message(status, fields, *pieces):
    return [f"HTTP/1.1 {status} X\r\n{fields}\r\n".encode(), *pieces]


class ProbeEnds(stack.StackTest):
    def setUp(self):
        directory = tempfile.mkdtemp(prefix="gslb-certificates-")
        self.addCleanup(shutil.rmtree, directory)
        certificate = Authority(directory).certificate("shop.example")
        self.net = f"127.{random.randint(16, 250)}.{random.randint(0, 250)}"
        self.servers, self.checks = {}, {}

        five, chunked = "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"
        self.add("length", {"type": "http"}, Slow, message(200, five, b"rea", b"dy"))
        self.add("chunked", {"type": "http"}, Slow, message(200, chunked, b"2\r\nre\r\n", b"0\r\n", b"\r\n"))
        self.add("until-close", {"type": "http"}, Closing, message(200, "", b"ready", LONG))
        self.add("unexpected", {"type": "http"}, Slow, message(503, five, b"sor", b"ry"))
        self.add("no-http", {"type": "http"}, Slow, [b"SSH-2.0-x\r\n", b"and more", b"of the kind"], True)
        self.add("matched", {"type": "http", "body": "ready"}, Slow,
                 message(200, f"Content-Length: {5 + len(LONG)}\r\n", b"ready", LONG[:9000], LONG[9000:]))
        self.add("unmatched", {"type": "http", "body": "nowhere"}, Slow, message(200, five, b"rea", b"dy"))
        self.add("head", {"type": "http", "method": "HEAD"}, Slow, message(200, five))
        self.add("secure", {"type": "https"}, SlowTls, certificate, message(200, five, b"rea", b"dy"))
        self.add("tls", {"type": "tls"}, SlowTls, certificate, [b"* OK ready\r\n"], True)
        self.add("untrusted", {"type": "tls", "verify": "full"}, SlowTls, certificate, [b"* OK ready\r\n"], True)
        self.add("tcp", {"type": "tcp"}, Slow, [b"220 mail.example ", b"ESMTP\r\n"], True)
        self.add("grpc", {"type": "grpc-health"}, Pinging)
        self.add("not-serving", {"type": "grpc-health"}, Pinging).state = 2
        self.add("dns", {"type": "dns"}, TruncatingDns)

    def add(self, name, check, kind, *arguments):
        server = kind(f"{self.net}.{len(self.servers) + 1}", *arguments)
        self.addCleanup(server.close)
        self.servers[name] = server
        self.checks[name] = {"interval": "1s", "timeout": "1s", "port": server.port, **check}
        return server

    def test_no_connection_is_reset(self):
        made = self.use(stack.Stack({
            "regions": {"eu": stack.REGIONS["eu"]},
            "checks": self.checks,
            "services": {name: {"check": name, "vips": {"eu": [server.listener.getsockname()[0]]}}
                         for name, server in self.servers.items()},
        }))
        made.start()
        for name, server in self.servers.items():
            stack.until(lambda: server.ends + server.resets >= ROUNDS, 10, f"{ROUNDS} connections of {name}")
        self.assertEqual({name: server.resets for name, server in self.servers.items() if server.resets}, {})
        vips = {vip["service"]: vip for vip in made.api("GET", "/v1/vips")[1]["items"]}
        down = {"unexpected": "status 503", "no-http": "no valid HTTP response", "not-serving": "NOT_SERVING",
                "unmatched": 'body does not contain "nowhere"', "untrusted": "certificate issuer is not trusted"}
        self.assertEqual({name: vip["reason"] for name, vip in vips.items() if vip["state"] != "up"}, down)
        self.assertGreaterEqual(self.servers["grpc"].goodbyes, ROUNDS)


if __name__ == "__main__":
    stack.main()
