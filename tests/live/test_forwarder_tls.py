"""forwarderd's TLS as clients and origins see it: certificates by name, sessions, files that are swapped, origins that
are believed or not."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import forwarders
import stack
from forwarders import Client, Origin, fleet, request

DAYS = 30


class Authority:
    """A CA of the test's own, and what it signs, as files in a directory."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="gslb-ca-"))
        self.ca = self.directory / "ca.pem"
        self.openssl("req", "-x509", *self.kind("ec"), "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", str(DAYS),
                     "-subj", "/CN=the authority", "-addext", "basicConstraints=critical,CA:TRUE")

    @staticmethod
    def kind(name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if name == "ec" else ["-newkey", "rsa:2048"]

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, cwd=self.directory, capture_output=True)

    def issue(self, names, directory, name, kind="ec", days=DAYS):
        """NAME.crt and NAME.key, of leaf and CA; each file is there at once or not at all."""
        alternatives = ",".join(("IP:" if re.fullmatch(r"[0-9.]+", n) else "DNS:") + n for n in names)
        self.openssl("req", *self.kind(kind), "-nodes", "-keyout", "new.key", "-out", "new.csr", "-subj", f"/CN={names[0]}")
        (self.directory / "new.ext").write_text(f"subjectAltName={alternatives}\nbasicConstraints=CA:FALSE\n")
        self.openssl("x509", "-req", "-in", "new.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                     str(days), "-extfile", "new.ext", "-out", "new.crt")
        chain = (self.directory / "new.crt").read_text() + self.ca.read_text()
        for ending, text in ((".crt", chain), (".key", (self.directory / "new.key").read_text())):
            new = directory / f".{name}{ending}"
            new.touch(mode=0o600)
            new.write_text(text)
            new.rename(directory / f"{name}{ending}")
        return ssl.PEM_cert_to_DER_cert((self.directory / "new.crt").read_text())

    def client(self, **more):
        context = ssl.create_default_context(cafile=str(self.ca))
        context.check_hostname = False  # a test looks by itself at what it got
        for key, value in more.items():
            setattr(context, key, value)
        return context

    def stop(self):
        subprocess.run(["rm", "-rf", str(self.directory)], check=True)


class SecureOrigin(Origin):
    """An Origin behind TLS."""

    def __init__(self, context):
        self.context, self.names, self.resumed, self.peers = context, [], [], []
        context.sni_callback = lambda connection, name, its: self.names.append(name)
        super().__init__(self.serve_secure)

    def serve_secure(self, connection):
        with contextlib.suppress(ssl.SSLError, OSError):
            with self.context.wrap_socket(connection, server_side=True) as secure:
                self.resumed.append(secure.session_reused)
                self.peers.append(secure.getpeercert(binary_form=True))
                self.answer(secure)


class Tls(forwarders.ForwarderTest):
    def setUp(self):
        super().setUp()
        self.authority = self.use(Authority())
        self.directory = self.authority.directory / "certificates"
        self.directory.mkdir()

    def start(self, names=("acme.app.example.net", "blue.app.example.net"), more=None, **words):
        """One certificate a name, NAME.crt by its first label; `self.shown` has the DER of each."""
        self.shown = {name: self.authority.issue([name], self.directory, name.split(".")[0].replace("*", "any"))
                      for name in names}
        origins = words.pop("origins", None) or [self.use(Origin())]
        self.origin = origins[0]
        node = {"forwarder": {"https": ["127.0.0.1:0"], "certificates": str(self.directory), **(more or {})}}
        return self.make(fleet(origins, **words), node)

    def connect(self, forwarder, name, context=None, session=None):
        context = context or self.authority.client()
        return Client(forwarder.https, wrap=lambda s: context.wrap_socket(s, server_hostname=name, session=session))

    def ask_secure(self, forwarder, name="acme.app.example.net", host=None, context=None, session=None, **words):
        """(answer, the certificate that was shown, session, was it resumed)"""
        client = self.connect(forwarder, name, context, session)
        answer = client.send(request(host=host or name, **words)).read()
        secure = client.socket
        shown = secure.getpeercert(binary_form=True)
        result = answer, shown, secure.session, secure.session_reused
        client.close()
        return result

    # ---- certificates ----

    def test_each_name_has_its_certificate(self):
        forwarder = self.start(names=("acme.app.example.net", "*.app.example.net"))
        answer, shown, _, _ = self.ask_secure(forwarder)
        self.assertEqual((answer.status, answer.body), (200, b"hello\n"))
        self.assertEqual(shown, self.shown["acme.app.example.net"])
        _, shown, _, _ = self.ask_secure(forwarder, "blue.app.example.net")
        self.assertEqual(shown, self.shown["*.app.example.net"])
        fields = forwarders.parse_fields(self.origin.requests[0][0].encode())
        self.assertEqual(fields["x-forwarded-proto"], "https")

    def test_nobody_gets_the_certificate_of_another(self):
        forwarder = self.start()
        for name in ("other.example.org", "x.acme.app.example.net", None):
            with self.subTest(name), self.assertRaisesRegex(ssl.SSLError, "UNRECOGNIZED_NAME"):
                self.ask_secure(forwarder, name, host="acme.app.example.net")
        self.assertEqual(self.origin.requests, [])

    def test_the_default_is_for_who_names_nobody(self):
        forwarder = self.start(more={"default_certificate": "blue"})
        answer, shown, _, _ = self.ask_secure(forwarder, None, host="blue.app.example.net")
        self.assertEqual(shown, self.shown["blue.app.example.net"])
        self.assertEqual(answer.status, 200)
        answer, _, _, _ = self.ask_secure(forwarder, None, host="acme.app.example.net")
        self.assertEqual((answer.status, answer.reason), (421, "misdirected"))
        with self.assertRaisesRegex(ssl.SSLError, "UNRECOGNIZED_NAME"):
            self.ask_secure(forwarder, "other.example.org")

    def test_a_request_for_another_tenant_is_misdirected(self):
        forwarder = self.start(names=("acme.app.example.net", "*.app.example.net"))
        client = self.connect(forwarder, "acme.app.example.net")
        answer = client.send(request(host="blue.app.example.net")).read()
        self.assertEqual((answer.status, answer.reason, answer.is_closed), (421, "misdirected", True))
        client.close()

    def test_coalescing_by_certificate_goes_as_far_as_it_covers(self):
        names = ["acme.app.example.net", "blue.app.example.net"]
        self.authority.issue(names, self.directory, "both")
        forwarder = self.start(names=("other.app.example.net",), more={"coalescing": "certificate"}, tenants={
            name: {"zone": "app.example.net", "service": "shop"} for name in ("acme", "blue", "other")})
        client = self.connect(forwarder, names[0])
        for name, status in ((names[1], 200), (names[0], 200), ("other.app.example.net", 421)):
            self.assertEqual(client.send(request(host=name)).read().status, status)
        client.close()

    def test_both_kinds_of_one_name(self):
        forwarder = self.start()
        rsa = self.authority.issue(["acme.app.example.net"], self.directory, "acme-rsa", kind="rsa")
        stack.until(lambda: "3 certificates are known" in forwarder.log(), 5, "the second certificate")
        self.assertEqual(self.ask_secure(forwarder)[1], self.shown["acme.app.example.net"])
        only_rsa = self.authority.client(maximum_version=ssl.TLSVersion.TLSv1_2)
        only_rsa.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        self.assertEqual(self.ask_secure(forwarder, context=only_rsa)[1], rsa)

    # ---- protocols ----

    def test_versions_and_protocols(self):
        forwarder = self.start(more={"tls": "1.3"})
        old = self.authority.client(maximum_version=ssl.TLSVersion.TLSv1_2)
        with self.assertRaisesRegex(ssl.SSLError, "PROTOCOL_VERSION"):
            self.ask_secure(forwarder, context=old)
        h2 = self.authority.client()
        h2.set_alpn_protocols(["h2"])
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            self.ask_secure(forwarder, context=h2)
        both = self.authority.client()
        both.set_alpn_protocols(["h2", "http/1.1"])
        client = self.connect(forwarder, "acme.app.example.net", both)
        self.assertEqual(client.socket.selected_alpn_protocol(), "http/1.1")
        self.assertEqual(client.socket.version(), "TLSv1.3")
        client.close()

    def test_curl_and_s_client(self):
        forwarder = self.start()
        port = forwarder.https.rsplit(":", 1)[1]
        name = "acme.app.example.net"
        said = subprocess.run(["curl", "-sS", "--cacert", str(self.authority.ca), "--resolve", f"{name}:{port}:127.0.0.1",
                               "--http1.1", f"https://{name}:{port}/", f"https://{name}:{port}/2"],
                              check=True, capture_output=True, timeout=20)
        self.assertEqual(said.stdout, b"hello\nhello\n")
        said = subprocess.run(["openssl", "s_client", "-connect", forwarder.https, "-servername", name, "-CAfile",
                               str(self.authority.ca), "-verify_return_error", "-ign_eof", "-quiet"],
                              input=request(host=name, more=["Connection: close"]), capture_output=True, timeout=20)
        self.assertEqual(said.returncode, 0)
        self.assertIn(b"HTTP/1.1 200 OK", said.stdout)
        refused = subprocess.run(["openssl", "s_client", "-connect", forwarder.https, "-servername", "other.example.org"],
                                 input=b"", capture_output=True, timeout=20)
        self.assertIn(b"unrecognized name", refused.stderr)

    def test_large_bodies_both_ways(self):
        """Octet for octet, with a client that reads late."""
        forwarder = self.start()
        self.origin.body = os.urandom(5_000_000)
        sent = os.urandom(3_000_000)
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            client = self.connect(forwarder, "acme.app.example.net", self.authority.client(maximum_version=version))
            client.send(request(method="POST", body=sent))
            answer = client.read()
            self.assertEqual(answer.body, self.origin.body)
            self.assertEqual(self.origin.requests[-1][1], sent)
            client.close()

    def test_pipelined_requests_in_one_record(self):
        forwarder = self.start()
        client = self.connect(forwarder, "acme.app.example.net")
        client.send(b"".join(request(f"/{i}") for i in range(50)))
        self.assertEqual([client.read().status for _ in range(50)], [200] * 50)
        client.close()

    # ---- sessions ----

    def test_sessions_are_resumed_where_they_were_made(self):
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            with self.subTest(version):
                self.ends.close()
                self.setUp()
                forwarder = self.start(names=("*.app.example.net",))
                context = self.authority.client(maximum_version=version)
                _, _, session, resumed = self.ask_secure(forwarder, context=context)
                self.assertFalse(resumed)
                _, _, _, resumed = self.ask_secure(forwarder, context=context, session=session)
                self.assertTrue(resumed)
                # one certificate, another tenant
                answer, _, _, resumed = self.ask_secure(forwarder, "blue.app.example.net", context=context, session=session)
                self.assertEqual((answer.status, resumed), (200, False))

    def test_sessions_go_over_to_all_who_have_the_secrets(self):
        secrets = self.authority.directory / "tickets"
        secrets.touch(mode=0o600)
        secrets.write_text("00" * 32 + "\n")
        first = self.start(more={"tickets": str(secrets), "workers": 2})
        second = self.start(names=(), more={"tickets": str(secrets)})
        # TLS 1.2: its session is not used up
        context = self.authority.client(maximum_version=ssl.TLSVersion.TLSv1_2)
        session = self.ask_secure(first, context=context)[2]
        self.assertTrue(self.ask_secure(second, context=context, session=session)[3])
        # the secret is rotated: new in front, old behind; then the old one goes
        secrets.write_text("11" * 32 + "\n" + "00" * 32 + "\n")
        second.process.send_signal(signal.SIGHUP)
        fresh = [None]

        def is_rotated():
            fresh[0] = self.ask_secure(second, context=context)[2]
            return not self.ask_secure(first, context=context, session=fresh[0])[3]
        stack.until(is_rotated, 10, "a ticket by the new secret")
        self.assertTrue(self.ask_secure(second, context=context, session=session)[3])
        secrets.write_text("11" * 32 + "\n")
        second.process.send_signal(signal.SIGHUP)

        def is_gone():  # a session that is resumed by a secret behind the first gets a ticket by the first
            old = self.ask_secure(first, context=context)[2]
            return not self.ask_secure(second, context=context, session=old)[3]
        stack.until(is_gone, 10, "the old secret to go")
        self.assertTrue(self.ask_secure(second, context=context, session=fresh[0])[3])

    # ---- files ----

    def test_a_swapped_certificate_is_served_within_a_second(self):
        """Under load: nobody fails, on connections that stay as on new ones."""
        forwarder = self.start()
        kept = self.connect(forwarder, "acme.app.example.net")
        failures, count, stop = [], [0], threading.Event()

        def load():
            while not stop.is_set():
                try:
                    answer = self.ask_secure(forwarder)[0]
                    if answer.status != 200:
                        failures.append(answer.status)
                except (OSError, ssl.SSLError) as error:
                    failures.append(repr(error))
                count[0] += 1
        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            renewed = self.authority.issue(["acme.app.example.net"], self.directory, "acme")
            begin = time.monotonic()
            stack.until(lambda: self.ask_secure(forwarder)[1] == renewed, 5, "the new certificate")
            self.assertLess(time.monotonic() - begin, 1.0)
            self.assertEqual(kept.send(request()).read().status, 200)
        stop.set()
        for thread in threads:
            thread.join()
        kept.close()
        self.assertEqual(failures, [])
        self.assertGreater(count[0], 50)

    def test_what_is_wrong_leaves_what_was(self):
        forwarder = self.start()
        (self.directory / "acme.key").write_text((self.directory / "blue.key").read_text())
        stack.until(lambda: "acme.crt: the key is not the certificate's; the one before it is served" in forwarder.log(),
                    5, "the alarm")
        self.assertEqual(self.ask_secure(forwarder)[1], self.shown["acme.app.example.net"])
        renewed = self.authority.issue(["acme.app.example.net"], self.directory, "acme")
        stack.until(lambda: self.ask_secure(forwarder)[1] == renewed, 5, "the new certificate")

    def test_a_certificate_that_comes_and_goes(self):
        forwarder = self.start(names=("blue.app.example.net",))
        with self.assertRaisesRegex(ssl.SSLError, "UNRECOGNIZED_NAME"):
            self.ask_secure(forwarder)
        self.authority.issue(["acme.app.example.net"], self.directory, "acme")

        def is_served():
            try:
                return self.ask_secure(forwarder)[0].status == 200
            except ssl.SSLError:
                return False
        stack.until(is_served, 3, "the certificate that came")
        (self.directory / "acme.crt").unlink()
        stack.until(lambda: not is_served(), 3, "the certificate that went")

    # ---- clients that misbehave ----

    def test_who_says_nothing_keeps_nobody_out(self):
        """More unfinished handshakes than are kept: those who come later get through."""
        forwarder = self.start()
        silent = []
        for _ in range(300):
            silent.append(socket.create_connection(("127.0.0.1", int(forwarder.https.rsplit(":", 1)[1]))))
            silent[-1].sendall(b"\x16\x03\x01\x02\x00\x01")
        self.assertEqual(self.ask_secure(forwarder)[0].status, 200)
        for one in silent:
            one.close()

    def test_what_is_not_tls(self):
        forwarder = self.start()
        client = Client(forwarder.https)
        client.send(request())
        self.assertNotIn(b"HTTP", client.reader.read())
        client.close()
        self.assertEqual(self.ask_secure(forwarder)[0].status, 200)

    # ---- origins ----

    def origin_context(self, names, name="origin", authority=None):
        authority = authority or self.authority
        directory = authority.directory
        self.origin_certificate = authority.issue(names, directory, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / f"{name}.crt", directory / f"{name}.key")
        return context

    def secure(self, tls, names=("127.0.0.1",), context=None, **more):
        origin = self.use(SecureOrigin(context or self.origin_context(list(names))))
        return self.start(origins=[origin], pool={"tls": tls, **more})

    def test_an_origin_that_is_believed(self):
        for tls, names, seen in (({}, ["127.0.0.1"], None), ({"sni": "inside.example"}, ["inside.example"], "inside.example"),
                                 ({"sni": "inside.example", "verify": "chain"}, ["elsewhere.example"], "inside.example"),
                                 ({"verify": "none"}, ["elsewhere.example"], None)):
            with self.subTest(tls=tls):
                ca = {} if tls.get("verify") == "none" else {"ca": str(self.authority.ca)}
                forwarder = self.secure({**tls, **ca}, names)
                self.assertEqual(self.ask(forwarder).status, 200)
                self.assertEqual(self.ask(forwarder).status, 200)
                self.assertEqual(self.origin.names, [seen] if seen else [None])
                self.assertEqual(self.origin.connections, 1)

    def test_an_origin_that_is_not(self):
        other = self.use(Authority())
        for tls, context in (({"sni": "inside.example"}, self.origin_context(["elsewhere.example"])),
                             ({}, self.origin_context(["127.0.0.2"])),
                             ({"verify": "chain"}, self.origin_context(["127.0.0.1"], authority=other))):
            with self.subTest(tls=tls):
                forwarder = self.secure({**tls, "ca": str(self.authority.ca)}, context=context)
                answer = self.ask(forwarder)
                self.assertEqual((answer.status, answer.reason), (502, "origin-certificate"))
                self.assertEqual(self.origin.requests, [])

    def test_an_origin_without_tls(self):
        plain = self.use(Origin(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")))
        forwarder = self.start(origins=[plain], pool={"tls": {"verify": "none"}})
        answer = self.ask(forwarder)
        self.assertEqual((answer.status, answer.reason), (502, "origin-tls"))
        self.assertEqual(self.origin.requests, [])

    def test_sessions_of_origins_are_kept(self):
        forwarder = self.secure({"ca": str(self.authority.ca)}, idle="200ms")
        for connections in (1, 2, 3):
            self.assertEqual(self.ask(forwarder).status, 200)
            stack.until(lambda: not self.origin.open, 5, "the idle connection to end")
            self.assertEqual(self.origin.connections, connections)
        self.assertEqual(self.origin.resumed, [False, True, True])

    def test_our_certificate_is_shown(self):
        context = self.origin_context(["127.0.0.1"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.authority.ca)
        ours = self.authority.issue(["forwarder"], self.authority.directory, "ours")
        directory = self.authority.directory
        forwarder = self.secure({"ca": str(self.authority.ca), "certificate": str(directory / "ours.crt"),
                                 "key": str(directory / "ours.key")}, context=context)
        self.assertEqual(self.ask(forwarder).status, 200)
        self.assertEqual(self.origin.peers, [ours])

    def test_large_bodies_to_a_secure_origin(self):
        forwarder = self.secure({"ca": str(self.authority.ca)})
        self.origin.body = os.urandom(4_000_000)
        sent = os.urandom(2_000_000)
        client = self.connect(forwarder, "acme.app.example.net")
        answer = client.send(request(method="POST", body=sent)).read()
        self.assertEqual(answer.body, self.origin.body)
        self.assertEqual(self.origin.requests[-1][1], sent)
        client.close()


if __name__ == "__main__":
    stack.main()
