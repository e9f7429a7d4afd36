"""What a forwarder tells of requests, against what clients did: lines of the access log, usage for billing, metrics."""

import datetime
import json
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

import forwarders
import stack
import test_metrics
from forwarders import request

MEMBERS = ("time id tenant service route region method host path status reason client tls sni alpn protocol bytes_in "
           "bytes_out origin attempts reused us_queue us_connect us_head us_total trace tail key").split()
COUNTS = ["requests", "bytes_in", "bytes_out", "c2xx", "c4xx", "c5xx", "limited"]


def complete(path):
    """The lines of a file that are whole."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.split("\n")[:-1]]


def consume(folder):
    """What a billing system makes of the files: {tenant: sums}; of each id the highest seq counts."""
    records, sums = {}, {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in complete(path):
            seen = records.get(line["id"])
            if seen is None or seen["seq"] < line["seq"]:
                records[line["id"]] = line
    for one, line in records.items():
        total = sums.setdefault(one.rsplit("/", 1)[1], {})
        for name, value in line.items():
            if name not in ("id", "seq"):
                total[name] = total.get(name, 0) + value
    return sums


class Seeing(forwarders.ForwarderTest):
    def prepare(self, log=None, tenants=None, **more):
        self.origin = self.use(forwarders.Origin())
        node = {"forwarder": {"access_log": {"path": "log/access.log", **(log or {})}, **more}}
        self.document = forwarders.fleet([self.origin], tenants=tenants)
        made = forwarders.Forwarder(self.document, {"forwarder": {"drain": "1s", "leave": "0s", "http": ["127.0.0.1:0"],
                                                                  **node["forwarder"]}})
        (made.directory / "log").mkdir()
        self.path = made.directory / "log" / "access.log"
        self.usage = made.directory / "state" / "usage"
        return self.use(made)

    def await_lines(self, count, path=None):
        stack.until(lambda: len(complete(path or self.path)) >= count, 10, f"{count} lines")
        lines = complete(path or self.path)
        self.assertEqual(len(lines), count)
        return lines

    def metrics(self, made):
        status, text = made.api("GET", "/metrics")
        self.assertEqual(status, 200)
        return test_metrics.parse(text)

    value = staticmethod(test_metrics.Metrics.value)

    def seen(self, number):
        """Head fields that the origin got with its n-th request."""
        return forwarders.parse_fields(self.origin.requests[number][0].encode())

    # ---- the access log ----

    def test_lines_say_what_a_client_did(self):
        made = self.prepare().start()
        before = time.time()
        client = made.client(source="127.0.0.7")
        answers = [client.send(octets).read(method) for octets, method in [
            (request("/a/../b?secret=1", more=["X-Note: \"quoted\""]), "GET"),
            (request("/up", method="POST", body=b"x" * 1000), "POST"),
            (request("/head", method="HEAD"), "HEAD"),
            (request("/", host="nobody.example.net"), "GET"),
            (request("/old", version="1.0"), "GET")]]
        self.assertEqual([answer.status for answer in answers], [200, 200, 200, 404, 200])
        bad = made.client().send(b"GET / HTTP/1.1\r\nHost: acme.app.example.net\r\nBad Name: 1\r\n\r\n").read()
        self.assertEqual(bad.status, 400)
        lines = self.await_lines(6)
        for line in lines:
            self.assertEqual(list(line), MEMBERS)
            self.assertIsNone(line["tail"])
            self.assertEqual(line["region"], "eu")
            self.assertLess(abs(datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()
                                - before), 10)
        first, post, head, nobody, old, refused = lines
        for line, number in ((first, 0), (post, 1), (head, 2), (old, 3)):
            got = self.seen(number)
            self.assertEqual(line["id"], got["x-request-id"])
            self.assertEqual(line["trace"], got["traceparent"].split("-")[1])
            self.assertEqual((line["tenant"], line["service"], line["route"]), ("acme", "shop", 0))
            self.assertEqual((line["origin"], line["attempts"], line["reason"]), (self.origin.where(), 1, None))
            self.assertEqual((line["client"], line["host"]), ("127.0.0.7", "acme.app.example.net"))
            self.assertLessEqual(line["us_connect"] + line["us_head"], line["us_total"])
        self.assertEqual((first["path"], first["method"], first["protocol"]), ("/b", "GET", "HTTP/1.1"))
        self.assertEqual((first["bytes_in"], first["bytes_out"]), (0, len(self.origin.body)))
        self.assertEqual((post["bytes_in"], post["bytes_out"]), (1000, len(self.origin.body)))
        self.assertEqual((head["method"], head["bytes_out"]), ("HEAD", 0))
        self.assertEqual([line["reused"] for line in (first, post, head, old)], [False, True, True, True])
        self.assertEqual((nobody["status"], nobody["reason"], nobody["tenant"]), (404, "no-tenant", None))
        self.assertEqual(nobody["id"], answers[3].fields["x-request-id"])
        self.assertEqual((nobody["host"], nobody["origin"], nobody["attempts"]), ("nobody.example.net", None, 0))
        self.assertEqual(old["protocol"], "HTTP/1.0")
        self.assertEqual((refused["status"], refused["reason"]), (400, "bad-request"))
        self.assertEqual(refused["id"], bad.fields["x-request-id"])

    def test_an_origin_that_is_gone_and_a_client_that_leaves(self):
        made = self.prepare().start()
        self.origin.delay = 1.0
        client = made.client().send(request("/left"))
        stack.until(lambda: self.origin.requests, 5, "the request at the origin")
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # a reset
        left, = self.await_lines(1)
        self.assertEqual((left["path"], left["status"], left["reason"]), ("/left", 499, "client-gone"))
        self.origin.stop()
        self.assertEqual(made.client().send(request("/gone")).read().status, 502)
        gone = self.await_lines(2)[1]
        self.assertEqual((gone["status"], gone["reason"]), (502, "origin-refused"))
        self.assertEqual(gone["origin"], self.origin.where())
        self.assertGreaterEqual(gone["attempts"], 1)

    def test_query_addresses_and_what_is_left_out(self):
        made = self.prepare({"query": True, "anonymize": True, "sample": "0%"}).start()
        client = made.client(source="127.0.0.7")
        self.assertEqual(client.send(request("/good?x=1")).read().status, 200)
        self.assertEqual(client.send(request("/bad?x=1", host="nobody.example.net")).read().status, 404)
        line, = self.await_lines(1)
        self.assertEqual((line["path"], line["client"], line["status"]), ("/bad?x=1", "127.0.0.0", 404))

    def test_files_are_renamed_and_followed(self):
        made = self.prepare({"rotate": "1MiB", "keep": 1}).start()
        client = made.client()
        client.send(request("/one")).read()
        self.await_lines(1)
        moved = self.path.with_name("moved.log")
        self.path.rename(moved)
        made.process.send_signal(signal.SIGUSR1)
        stack.until(lambda: client.send(request("/two")).read() and self.path.exists(), 5, "another file")
        self.assertGreaterEqual(len(complete(moved)), 1)
        # A reload brings another file.
        made.node["forwarder"]["access_log"]["path"] = "log/other.log"
        self.assertEqual(made.reload()[0], 200)
        other = self.path.with_name("other.log")
        stack.until(lambda: client.send(request("/three")).read() and other.exists(), 5, "the other file")
        made.node["forwarder"]["access_log"]["path"] = "off"
        self.assertEqual(made.reload()[0], 200)
        size = other.stat().st_size
        client.send(request("/four")).read()
        made.terminate()
        self.assertNotIn("/four", other.read_text()[size:])

    @unittest.skipUnless(stack.can_unshare("-rm"), "needs a mount namespace")
    def test_a_full_disk_holds_nobody_up(self):
        made = self.prepare()
        made.wrapper = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=48m none "$0" && exec "$@"',
                        str(self.path.parent)]
        made.start()
        inside = pathlib.Path(f"/proc/{made.process.pid}/root{self.path.parent}")
        client = made.client()

        def measure(seconds):
            """p99 of each tenth of a second, and of these the median: others use the machine, too."""
            slow, count, end = [], 0, time.monotonic() + seconds
            while time.monotonic() < end:
                times, until = [], time.monotonic() + 0.1
                while not times or times[-1][0] < until:
                    start = time.monotonic()
                    self.assertEqual(client.send(request("/x" * 200)).read().status, 200)
                    times.append((time.monotonic(), time.monotonic() - start))
                count += len(times)
                slow.append(sorted(took for _, took in times)[len(times) * 99 // 100])
            return sorted(slow)[len(slow) // 2], count

        before, _ = measure(3)
        (inside / "ballast").write_bytes(b"")
        with open(inside / "ballast", "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(65536))
            except OSError:
                pass
        stack.until(lambda: client.send(request()).read() and
                    self.value(self.metrics(made), "gslb_forwarder_log_dropped_total") > 0, 10, "drops")
        full, count = measure(10)
        dropped = self.value(self.metrics(made), "gslb_forwarder_log_dropped_total")
        self.assertGreater(dropped, count // 2)
        self.assertLess(full, 2 * before + 0.001)
        (inside / "ballast").unlink()
        dropped = self.value(self.metrics(made), "gslb_forwarder_log_dropped_total")
        stack.until(lambda: sum(line.get("dropped", 0) for line in complete(inside / "access.log")) == dropped, 10,
                    f"lines that tell of {dropped} missing ones")
        client.send(request("/after")).read()
        stack.until(lambda: complete(inside / "access.log")[-1].get("path") == "/after", 5, "lines again")

    # ---- usage ----

    def offer(self, made, host, count, body=b"", threads=2):
        """As a generator: returns how many were answered."""
        answered = []

        def run():
            client = made.client()
            for _ in range(count // threads):
                answered.append(client.send(request("/", host=host, method="POST", body=body)).read().status)
        workers = [threading.Thread(target=run) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(len(answered), count)
        return answered

    def test_usage_is_what_was_sent_whatever_dies(self):
        made = self.prepare(tenants={
            "acme": {"zone": "app.example.net", "service": "shop"},
            "blue": {"zone": "app.example.net", "service": "shop"},
            "slow": {"zone": "app.example.net", "service": "shop", "limits": {"rate": "1/h", "burst": 5}},
        }, workers=2).start()
        self.offer(made, "acme.app.example.net", 400, b"12345")
        self.offer(made, "blue.app.example.net", 100)
        limited = self.offer(made, "slow.app.example.net", 50).count(429)
        self.assertEqual(limited, 45)

        def is_written():
            return consume(self.usage).get("slow", {}).get("requests") == 50
        stack.until(is_written, 15, "records")
        wanted = {"acme": [400, 2000, 400 * 6, 400, 0, 0, 0], "blue": [100, 0, 600, 100, 0, 0, 0]}
        sums = consume(self.usage)
        for tenant, counts in wanted.items():
            self.assertEqual([sums[tenant][name] for name in COUNTS], counts, tenant)
        self.assertEqual([sums["slow"][name] for name in ("requests", "c2xx", "c4xx", "limited")], [50, 5, 45, 45])
        # Killed: what was not written is missing, and nothing is there twice.
        self.offer(made, "acme.app.example.net", 60, b"12345")
        made.kill()
        after_kill = consume(self.usage)["acme"]["requests"]
        self.assertTrue(400 <= after_kill <= 460, after_kill)
        made.start()
        self.offer(made, "acme.app.example.net", 200, b"12345")
        self.assertEqual(made.terminate()[0], 0)
        self.assertEqual(consume(self.usage)["acme"]["requests"], after_kill + 200)
        # The API says the same of the files.
        made.start()
        status, body = made.api("GET", "/v1/usage?tenant=acme&since=1h")
        self.assertEqual((status, body["requests"], body["tenant"]), (200, after_kill + 200, "acme"))
        self.assertEqual(made.api("GET", "/v1/usage?tenant=other")[1]["requests"], 0)
        self.assertEqual(made.api("GET", "/v1/usage")[0], 400)
        self.assertEqual(made.api("GET", "/v1/usage?tenant=acme&since=yesterday")[0], 400)
        epochs = {line["id"].split("/")[1] for path in self.usage.glob("*.jsonl") for line in complete(path)}
        self.assertEqual(len(epochs), 2)

    # ---- metrics ----

    def test_metrics_agree_with_the_client(self):
        made = self.prepare().start()
        for path, host, count in (("/", "acme", 30), ("/", "blue", 10)):
            self.offer(made, f"{host}.app.example.net", count, b"123")
        client = made.client()
        for _ in range(7):
            self.assertEqual(client.send(request(host="nobody.example.net")).read().status, 404)
        stack.until(lambda: self.value(self.metrics(made), "gslb_forwarder_tenant_requests_total") == 40, 10, "sums")
        samples = self.metrics(made)
        value = self.value
        self.assertEqual(value(samples, "gslb_forwarder_requests_total", service="shop", region="eu", **{"class": "2xx"},
                               reason="none"), 40)
        self.assertEqual(value(samples, "gslb_forwarder_requests_total", service="none", **{"class": "4xx"},
                               reason="no-tenant"), 7)
        self.assertEqual(value(samples, "gslb_forwarder_tenant_requests_total", tenant="acme"), 30)
        self.assertEqual(value(samples, "gslb_forwarder_tenant_bytes_total", tenant="blue"), 10 * (3 + 6))
        self.assertEqual(value(samples, "gslb_forwarder_request_seconds_count", service="shop"), 40)
        self.assertEqual(value(samples, "gslb_forwarder_origin_seconds_count", service="shop"), 40)
        self.assertEqual(value(samples, "gslb_forwarder_origin_up", origin=self.origin.where()), 1)
        self.assertEqual(value(samples, "gslb_forwarder_in_flight", service="shop"), 0)
        self.assertEqual(value(samples, "gslb_forwarder_log_dropped_total"), 0)
        stack.until(lambda: value(self.metrics(made), "gslb_forwarder_log_lines_total") == 47, 5, "47 lines")
        self.assertEqual(value(samples, "gslb_forwarder_ready"), 1)
        top = made.api("GET", "/v1/top?limit=1")[1]
        self.assertEqual([(row["tenant"], row["requests"], row["recent"]) for row in top["items"]], [("acme", 30, 30)])
        self.assertEqual(top["others"]["requests"], 10)
        for name, labels in test_metrics.FORWARDER_NAMES.items():
            rows = samples.get(name) or samples.get(f"{name}_bucket")
            if not rows:
                self.assertIn(name, test_metrics.ONLY_WITH, f"{name} is missing")
            else:
                self.assertEqual(set(rows[0][0]) - {"le"}, labels, name)
        for name in samples:
            family = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            self.assertTrue({name, family} & (set(test_metrics.FORWARDER_NAMES) | {"gslb_build_info"}), name)

    # ---- gslbctl ----

    def ctl(self, made, *words, code=0):
        done = subprocess.run([str(stack.GSLBCTL), "--socket", made.socket, *words], capture_output=True, text=True,
                              timeout=30)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def test_what_an_operator_sees(self):
        made = self.prepare(tenants={
            "acme": {"zone": "app.example.net", "service": "shop", "limits": {"rate": "100/s", "burst": 200}}}).start()
        self.offer(made, "acme.app.example.net", 20)
        status = self.ctl(made, "status")
        self.assertRegex(status, r"(?m)^what +forwarderd")
        self.assertRegex(status, r"(?m)^origins +1$")
        self.assertIn(made.http, status)
        self.assertEqual(len(self.ctl(made, "certificates").splitlines()), 1)
        stack.until(lambda: consume(self.usage), 15, "records")
        usage = self.ctl(made, "usage", "acme", "--since", "1h")
        self.assertRegex(usage, r"(?m)^requests +20$")
        self.assertRegex(usage, r"(?m)^octets out +120$")
        self.assertIn("a duration as 24h", self.ctl(made, "usage", "acme", "--since", "soon", code=1))
        done = threading.Event()

        def ask():
            client = made.client()
            while not done.is_set():
                client.send(request()).read()
        asking = threading.Thread(target=ask)
        asking.start()
        try:
            top = self.ctl(made, "top", "--interval", "3s", "--count", "1")
            as_json = json.loads(self.ctl(made, "top", "--interval", "2s", "--count", "1", "-o", "json"))
        finally:
            done.set()
            asking.join()
        self.assertRegex(top, r"requests a second")
        self.assertRegex(top, r"(?m)^shop +2xx +[0-9.]+$")
        self.assertRegex(top, r"(?m)^acme +[0-9.]+$")
        self.assertGreater(as_json["tenants"][0]["per_second"], 0)


if __name__ == "__main__":
    unittest.main()
