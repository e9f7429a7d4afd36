"""forwarderd as a client and an origin see it: keep-alive, bodies, streams, tunnels, failures, the end."""

import base64
import os
import socket
import threading
import time

import forwarders
import stack
from forwarders import Client, Origin, fleet, read_head, request


class Forwarding(forwarders.ForwarderTest):
    def simple(self, serve=None, node=None, **more):
        self.origin = self.use(Origin(serve))
        return self.make(fleet([self.origin], **more), node)

    def test_requests_share_connections_on_both_sides(self):
        forwarder = self.simple()
        client = forwarder.client()
        for i in range(50):
            answer = client.send(request(f"/{i}")).read()
            self.assertEqual((answer.status, answer.body), (200, b"hello\n"))
            self.assertFalse(answer.is_closed)
        client.close()
        self.assertEqual(len(self.origin.requests), 50)
        self.assertEqual(self.origin.connections, 1)

    def test_what_the_origin_gets(self):
        forwarder = self.simple()
        self.ask(forwarder, path="/a?b=c", more=["Accept: text/html", "X-Tenant-ID: evil", "X-Forwarded-For: 1.2.3.4",
                                                 "Connection: x-drop", "X-Drop: 1"])
        head = self.origin.requests[0][0]
        fields = forwarders.parse_fields(head.encode())
        self.assertTrue(head.startswith("GET /a?b=c HTTP/1.1\r\n"))
        self.assertEqual(fields["host"], "acme.app.example.net")
        self.assertEqual(fields["accept"], "text/html")
        self.assertEqual(fields["x-tenant-id"], "acme")
        self.assertEqual(fields["x-forwarded-for"], "127.0.0.1")
        self.assertEqual(fields["x-forwarded-proto"], "http")
        self.assertRegex(fields["x-request-id"], "^[0-9a-f]{32}$")
        self.assertRegex(fields["traceparent"], "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
        self.assertNotIn("x-drop", fields)

    def test_who_is_not_known(self):
        forwarder = self.simple(tenants={
            "acme": {"zone": "app.example.net", "service": "shop"},
            "gone": {"zone": "app.example.net", "service": "shop", "state": "suspended"},
            "far": {"zone": "app.example.net", "service": "shop", "regions": ["us"]},
            "safe": {"zone": "app.example.net", "service": "shop", "https": "redirect"},
            "work": {"zone": "app.example.net", "service": "shop",
                     "maintenance": {"status": 503, "body": "back at noon"}}})
        for host, status, reason in (("nobody.example.org", 404, "no-tenant"),
                                     ("gone.app.example.net", 403, "suspended"),
                                     ("far.app.example.net", 503, "residency"),
                                     ("safe.app.example.net", 308, "redirect"),
                                     ("work.app.example.net", 503, "maintenance")):
            with self.subTest(host):
                answer = self.ask(forwarder, host=host)
                self.assertEqual((answer.status, answer.reason), (status, reason))
        self.assertEqual(self.ask(forwarder, host="work.app.example.net").body, b"back at noon")
        self.assertEqual(self.ask(forwarder, host="safe.app.example.net", path="/x?y").fields["location"],
                         "https://safe.app.example.net/x?y")
        self.assertEqual(self.origin.requests, [])

    def test_pipelined_requests_are_answered_in_order(self):
        def serve(connection):
            reader = connection.makefile("rb")
            while head := read_head(reader):
                path = head.split()[1]
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))
        forwarder = self.simple(serve)
        client = forwarder.client()
        client.send(b"".join(request(f"/{i}") for i in range(40)))
        self.assertEqual([client.read().body for _ in range(40)], [b"/%d" % i for i in range(40)])
        client.close()

    def test_large_bodies_both_ways(self):
        """Octet for octet, by length and in chunks, whatever the pieces."""
        def serve(connection):
            reader = connection.makefile("rb")
            while head := read_head(reader):
                fields = forwarders.parse_fields(head)
                if "content-length" in fields:
                    body = reader.read(int(fields["content-length"]))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                else:
                    body = forwarders.read_chunks(reader)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    for at in range(0, len(body), 77777):
                        piece = body[at:at + 77777]
                        connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                    connection.sendall(b"0\r\n\r\n")
        forwarder = self.simple(serve)
        client = forwarder.client()
        for size in (1, 4095, 4096, 4097, 16384, 65536, 65537, 1000000, 5000000):
            body = os.urandom(size)
            with self.subTest(size):
                answer = self.exchange(client, request("/", method="POST", body=body))
                self.assertTrue(answer.body == body)
                chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at:at + 50000]), body[at:at + 50000])
                                  for at in range(0, size, 50000)) + b"0\r\n\r\n"
                answer = self.exchange(client, request("/", method="POST",
                                                       more=["Transfer-Encoding: chunked"]) + chunks)
                self.assertTrue(answer.body == body)
        client.close()

    def exchange(self, client, octets):
        """Sends while it reads, as real clients of large bodies do."""
        sender = threading.Thread(target=client.send, args=(octets,))
        sender.start()
        answer = client.read()
        sender.join()
        return answer

    def test_events_pass_at_once(self):
        """Server-sent events are not buffered: each is seen before the origin sends the next."""
        step = threading.Semaphore(0)

        def serve(connection):
            reader = connection.makefile("rb")
            read_head(reader)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               b"Transfer-Encoding: chunked\r\n\r\n")
            for i in range(5):
                if not step.acquire(timeout=5):
                    return
                connection.sendall(b"9\r\ndata: %d\n\n\r\n" % i)
            connection.sendall(b"0\r\n\r\n")
        forwarder = self.simple(serve)
        client = forwarder.client()
        client.send(request("/events"))
        step.release()
        self.assertIn(b"chunked", read_head(client.reader).lower())
        for i in range(5):
            self.assertEqual(client.reader.readline(), b"9\r\n")
            self.assertEqual(client.reader.read(11), b"data: %d\n\n\r\n" % i)
            step.release()
        self.assertEqual(client.reader.readline(), b"0\r\n")
        client.close()

    def test_a_body_to_the_end_of_the_connection(self):
        def serve(connection):
            read_head(connection.makefile("rb"))
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100000)
        forwarder = self.simple(serve)
        answer = self.ask(forwarder)
        self.assertEqual(answer.fields["transfer-encoding"], "chunked")
        self.assertEqual(answer.body, b"x" * 100000)
        old = self.ask(forwarder, version="1.0")
        self.assertNotIn("transfer-encoding", old.fields)
        self.assertEqual(old.body, b"x" * 100000)  # read to the end of the connection

    def test_a_cut_answer_is_seen_as_cut(self):
        def serve(connection):
            read_head(connection.makefile("rb"))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        forwarder = self.simple(serve)
        client = forwarder.client()
        client.send(request())
        read_head(client.reader)
        with self.assertRaises(ConnectionResetError):
            while client.reader.read(1):
                pass
        client.close()

    def test_websocket_frames_go_both_ways(self):
        def serve(connection):
            reader = connection.makefile("rb", buffering=0)
            head = read_head(reader)
            fields = forwarders.parse_fields(head)
            assert fields["upgrade"] == "websocket" and "upgrade" in fields["connection"].lower()
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               b"Connection: Upgrade\r\n\r\n")
            while octets := connection.recv(65536):
                connection.sendall(octets[::-1])
            connection.sendall(b"bye")
        forwarder = self.simple(serve)
        client = forwarder.client()
        client.send(request("/ws", more=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                         "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode()]))
        self.assertEqual(client.read().status, 101)
        for word in (b"abc", b"x" * 30000 + b"y"):
            client.send(word)
            got = b""
            while len(got) < len(word):
                got += client.socket.recv(65536)
            self.assertEqual(len(got), len(word))
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(client.reader.read(), b"bye")
        client.close()

    def test_an_upgrade_that_is_refused_is_a_plain_answer(self):
        forwarder = self.simple()
        answer = self.ask(forwarder, more=["Connection: Upgrade", "Upgrade: websocket"])
        self.assertEqual(answer.status, 200)
        answer = self.ask(forwarder, more=["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"])
        self.assertEqual(answer.status, 200)
        self.assertNotIn("upgrade", forwarders.parse_fields(self.origin.requests[-1][0].encode()))

    def test_expect_100_is_answered_by_us(self):
        forwarder = self.simple()
        client = forwarder.client()
        client.send(request("/", method="POST", more=["Expect: 100-continue", "Content-Length: 5"]))
        self.assertTrue(read_head(client.reader).startswith(b"HTTP/1.1 100 "))
        client.send(b"12345")
        self.assertEqual(client.read().status, 200)
        self.assertEqual(self.origin.requests[0][1], b"12345")
        self.assertNotIn("expect", self.origin.requests[0][0].lower())
        client.close()
        client = forwarder.client()
        client.send(request("/", host="nobody.example.org", method="POST",
                            more=["Expect: 100-continue", "Content-Length: 5"]))
        answer = read_head(client.reader)
        self.assertTrue(answer.startswith(b"HTTP/1.1 404 "))
        self.assertIn(b"connection: close", answer.lower())
        client.close()

    def test_a_refused_body_is_read_away_for_the_next_request(self):
        forwarder = self.simple()
        client = forwarder.client()
        client.send(request("/", host="nobody.example.org", method="POST", body=b"x" * 1000) + request("/next"))
        self.assertEqual(client.read().status, 404)
        self.assertEqual(client.read().status, 200)
        client.close()
        self.assertEqual(len(self.origin.requests), 1)

    def test_a_dead_pooled_connection_costs_no_idempotent_request(self):
        """The origin closes as we write: a GET is said again, a POST is not."""
        ends = threading.Event()

        def serve(connection):
            reader = connection.makefile("rb")
            head = read_head(reader)
            self.seen.append(head.split()[0])
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            if read_head(reader):
                self.seen.append(b"second " + head.split()[0])
                return  # closes without an answer
        self.seen = []
        forwarder = self.simple(serve)
        client = forwarder.client()
        self.assertEqual(client.send(request("/1")).read().status, 200)
        self.assertEqual(client.send(request("/2")).read().status, 200)
        answer = client.send(request("/3", method="POST", body=b"once")).read()
        self.assertEqual((answer.status, answer.reason), (502, "origin-closed"))
        client.close()
        ends.set()

    def test_no_origin_answers(self):
        origin = Origin()
        where = origin.where()
        origin.stop()
        forwarder = self.make(fleet([where]))
        answer = self.ask(forwarder)
        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.reason, "origin-refused")

    def test_an_origin_that_hangs_is_given_up(self):
        forwarder = self.simple(lambda connection: time.sleep(30),
                                service={"routes": [{"origins": "web", "timeout": "500ms"}]})
        before = time.monotonic()
        answer = self.ask(forwarder)
        self.assertEqual((answer.status, answer.reason), (504, "origin-timeout"))
        self.assertLess(time.monotonic() - before, 3)

    def test_another_origin_takes_over_where_one_refuses(self):
        dead = Origin()
        where = dead.where()
        dead.stop()
        alive = self.use(Origin())
        forwarder = self.make(fleet([where, alive]))
        for _ in range(20):
            self.assertEqual(self.ask(forwarder, method="POST", body=b"x").status, 200)

    def test_a_client_that_says_nothing_is_sent_away(self):
        forwarder = self.simple(node={"forwarder": {"timeouts": {"head": "300ms", "idle": "600ms", "body": "400ms"}}})
        client = forwarder.client()
        client.send(b"GET / HT")
        answer = client.read()
        self.assertEqual((answer.status, answer.reason, answer.is_closed), (408, "head-timeout", True))
        client.close()
        client = forwarder.client()
        self.assertTrue(client.is_closed(2))
        client.close()
        client = forwarder.client()
        client.send(request("/", method="POST", more=["Content-Length: 10"]) + b"abc")
        answer = client.read()
        self.assertEqual((answer.status, answer.reason), (408, "body-timeout"))
        client.close()

    def test_a_client_that_left_takes_its_request_along(self):
        gone = threading.Event()

        def serve(connection):
            read_head(connection.makefile("rb"))
            try:
                connection.recv(1)
            except ConnectionError:
                pass
            gone.set()
        forwarder = self.simple(serve)
        client = forwarder.client()
        client.send(request())
        stack.until(lambda: self.origin.connections, 5, "the request at the origin")
        client.reader.close()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        self.assertTrue(gone.wait(5))

    def test_a_client_that_only_ended_its_side_is_answered(self):
        def serve(connection):
            read_head(connection.makefile("rb"))
            time.sleep(0.2)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        forwarder = self.simple(serve)
        client = forwarder.client()
        client.send(request())
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(client.read().body, b"ok")
        client.close()

    def test_sigterm_ends_requests_in_order(self):
        started = threading.Event()
        goes_on = threading.Event()

        def serve(connection):
            read_head(connection.makefile("rb"))
            started.set()
            goes_on.wait(10)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self.drain = "10s"
        forwarder = self.simple(serve)
        client = forwarder.client()
        client.send(request())
        self.assertTrue(started.wait(5))
        forwarder.process.terminate()
        stack.until(lambda: self.refuses(forwarder), 5, "a closed listener")
        goes_on.set()
        answer = client.read()
        self.assertEqual((answer.body, answer.is_closed), (b"ok", True))
        client.close()
        self.assertEqual(forwarder.process.wait(5), 0)

    def refuses(self, forwarder):
        try:
            forwarder.client().close()
        except ConnectionRefusedError:
            return True
        return False


if __name__ == "__main__":
    stack.main()
