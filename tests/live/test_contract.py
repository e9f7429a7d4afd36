"""openapi.json against a real node: it is what the node serves, and every reply that it describes is given."""

import copy
import json
import threading
import time
import unittest

import stack

REPORT = {"v": 1, "node": "fwd-1", "region": "eu", "epoch": 1, "seq": 1, "state": "up", "part": 1, "parts": 1,
          "services": [{"service": "shop", "current": 8, "target": 32, "max": 40,
                        "origins": {"usable": 3, "total": 4, "weight": 0.75, "panic": False}, "requests": 91,
                        "errors": 3, "limited": 4, "queued": 0, "p50_us": 2100, "p99_us": 9000, "tail_in": 0,
                        "tail_out": 0}]}
TENANT = {"zone": stack.ZONE, "service": "shop"}
# Replies that other tests bring about: live_start asks before the fleet is loaded, live_rude_api sends 64 MiB.
ELSEWHERE = {"413", "503"}


class Calls(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        world = stack.World()
        world.fleet["services"]["shop"].update(routes=[{"origins": "web"}], origins={"web": {"eu": ["10.1.0.5:8080"]}})
        cls.stack = world.start()
        cls.addClassCleanup(cls.stack.stop)
        cls.vip = cls.stack.world.vips["eu"][0]

    def test_the_node_serves_it(self):
        self.assertEqual(self.stack.api("GET", "/v1/openapi.json"), (200, stack.CONTRACT.document))

    def test_every_reply_is_given(self):
        seen = set()

        def call(path, method, status, target=None, body=None, headers=None):
            reply = self.stack.api(method, target or path, body, headers)
            self.assertEqual(reply[0], status, (method, target or path, reply))
            seen.add((path, method.lower(), str(status)))
            return reply[1]

        for path in ("/metrics", "/healthz", "/readyz", "/v1/openapi.json", "/v1/status", "/v1/regions", "/v1/services",
                     "/v1/zones", "/v1/vips", "/v1/audit", "/v1/tenants", "/v1/export"):
            call(path, "GET", 200)
            call(path, "GET", 400, path + "?odd=1")
            self.assertEqual(self.stack.api("HEAD", path), (200, ""))
        self.tenants(call)
        for path in ("/v1/controls/regions/{region}", "/v1/controls/regions/{region}/services/{service}",
                     "/v1/controls/vips/{region}/{address}", "/v1/controls/origins/{service}/{pool}/{address}"):
            self.controls(call, path)
        self.others(call)
        described = {(path, method, status) for path, item in stack.CONTRACT.document["paths"].items()
                     for method, operation in item.items() if method != "parameters"
                     for status in operation["responses"] if status not in ELSEWHERE}
        self.assertEqual(seen | {("/v1/backup", "get", "200")}, described)

    def ask_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name in ("acme", "static", "nobody", "elsewhere.example."):
                self.stack.ask(name, client="10.1.7.0/24")
            self.stack.ask("static", "TXT")

    def tenants(self, call):
        path, one, base = "/v1/tenants/{id}", "/v1/tenants/walk", "/v1/tenants/acme"
        call(path, "PUT", 201, one, TENANT)
        call(path, "PUT", 200, one, TENANT)
        call(path, "PUT", 400, one, b"{")
        call(path, "PUT", 409, base, {**TENANT, "tags": ["x"]})
        call(path, "PUT", 412, one, TENANT, {"If-None-Match": "*"})
        call(path, "PUT", 422, one, {"zone": stack.ZONE, "service": "shp"})
        call(path, "GET", 200, one)
        call(path, "GET", 400, one + "?odd=1")
        call(path, "GET", 404, one + "s")
        call(path, "DELETE", 400, one + "?odd=1")
        call(path, "DELETE", 404, one + "s")
        call(path, "DELETE", 409, base)
        call(path, "DELETE", 412, one, None, {"If-Match": '"0"'})
        call(path, "DELETE", 200, one)

    def controls(self, call, path):
        is_origin = "{pool}" in path
        address = "10.1.0.5:8080" if is_origin else self.vip
        one = path.format(region="eu", service="shop", pool="web", address=address)
        other = path.format(region="mars", service="none" if is_origin else "shop", pool="web", address=address)
        call(path, "PUT", 201, one, {"share": 0, "for": "10m", "reason": "walk"})
        call(path, "PUT", 200, one, {"share": 100})
        call(path, "PUT", 400, one, b"{")
        call(path, "PUT", 404, other, {"share": 0})
        call(path, "PUT", 412, one, {"share": 0}, {"If-None-Match": "*"})
        call(path, "PUT", 422, one, {"share": 101})
        for shown in ("/v1/regions", "/v1/services", "/v1/vips", "/v1/audit"):
            call(shown, "GET", 200)
        call(path, "DELETE", 400, one + "?reason=" + 1001 * "x")
        call(path, "DELETE", 404, other)
        call(path, "DELETE", 412, one, None, {"If-Match": '"0"'})
        call(path, "DELETE", 200, one)

    def others(self, call):
        path = "/v1/apply"
        call(path, "POST", 200, body={"tenants": {"walk": TENANT}})
        call(path, "POST", 400, body=b"tenants: [")
        call(path, "POST", 409, body={"tenants": {"acme": {**TENANT, "tags": ["x"]}}})
        call(path, "POST", 422, body={"tenants": {"walk": {}}})
        path = "/v1/load"
        call(path, "POST", 200, body=REPORT)
        call(path, "POST", 400, body=b"{")
        call(path, "POST", 422, body={**REPORT, "v": "one"})
        call(path, "GET", 200)
        call(path, "GET", 400, path + "?odd=1")
        call("/v1/changes", "GET", 200)
        call("/v1/changes", "GET", 400, "/v1/changes?odd=1")
        path = "/v1/batch"
        call(path, "POST", 200, body={"changes": [{"region": "eu", "share": 100}]})
        call(path, "POST", 400, body=b"{")
        call(path, "POST", 422, body={"changes": []})
        path = "/v1/explain"
        for name in ("acme", "resident", "static", "alias", "nobody"):
            call(path, "POST", 200, body={"name": f"{name}.{stack.ZONE}", "client": "10.1.7.0/24", "via": "10.2.7.1",
                                          "what_if": [{"region": "eu", "share": "down"}]})
        call(path, "POST", 200, body={"name": "elsewhere.example", "type": "TXT"})
        call(path, "POST", 400, body=b"{")
        call(path, "POST", 422, body={"name": ""})
        call("/v1/backup", "GET", 400, "/v1/backup?odd=1")
        call("/v1/tail", "GET", 400, "/v1/tail?limit=0")
        asking = threading.Thread(target=self.ask_for, args=(2,))
        asking.start()
        lines = call("/v1/tail", "GET", 200, "/v1/tail?limit=20&for=10s").splitlines()
        asking.join()
        self.assertEqual(len(lines), 20)
        call("/v1/reload", "POST", 200)
        call("/v1/reload", "POST", 400, "/v1/reload?odd=1")
        (self.stack.directory / "fleet.yaml").write_text("odd: 1\n")
        call("/v1/reload", "POST", 422)
        self.stack.write()


class Bites(unittest.TestCase):
    """What a reply may have wrong, and that it is found."""

    def setUp(self):
        self.contract = stack.openapi.Contract(copy.deepcopy(stack.CONTRACT.document))

    def reply(self, method="PUT", target="/v1/tenants/acme", status=200, kind="application/json", etag='"4"',
              body='{"version":"4","epoch":7}', **headers):
        given = {"Content-Type": kind, "ETag": etag, **headers}
        return self.contract.errors(method, target, status, {k: v for k, v in given.items() if v}, body.encode())

    def problem(self, status, told=None, kind="application/problem+json", **more):
        body = {"type": "urn:gslb:not-found", "title": "t", "status": told or status, "detail": "d", **more}
        return {"status": status, "kind": kind, "body": json.dumps(body)}

    def test_good_replies(self):
        self.assertEqual(self.reply(), [])
        self.assertEqual(self.reply(kind="application/json; charset=utf-8"), [])
        self.assertEqual(self.reply("DELETE", **self.problem(404)), [])
        self.assertEqual(self.reply("GET", "/v1/nowhere", **self.problem(404)), [])
        self.assertEqual(self.reply("POST", "/v1/status", **self.problem(405), Allow="GET, HEAD"), [])
        self.assertEqual(self.reply("HEAD", "/v1/status", body=""), [])
        plain = self.problem(404)
        self.assertEqual(self.contract.errors("GET", "/v1/status", 404, {"Content-Type": plain["kind"]},
                                              plain["body"].encode(), True), [])
        self.assertEqual(self.reply("GET", "/v1/tail", kind="application/jsonl", body='{"dropped":5}\n'), [])

    def test_wrong_replies(self):
        for wrong in (
                self.reply(status=204, body=""), self.reply(kind="text/html"), self.reply(etag=None),
                self.reply(etag="4"), self.reply(body='{"version":"4"}'), self.reply(body='{"version":4,"epoch":7}'),
                self.reply(body='{"version":"4","epoch":7,"odd":1}'), self.reply(body='{"version":"4","epoch":true}'),
                self.reply("DELETE", **self.problem(404, 400)), self.reply("DELETE", **self.problem(404, odd=1)),
                self.reply("DELETE", **self.problem(404, kind="application/json")),
                self.reply("DELETE", **self.problem(404, errors=[])),
                self.reply("GET", "/v1/nowhere"), self.reply("POST", "/v1/status"),
                self.reply("POST", "/v1/status", **self.problem(405), Allow="GET"),
                self.reply("HEAD", "/v1/status", body="x"),
                self.reply("GET", "/v1/tail", kind="application/jsonl", body='{"dropped":0}\n')):
            self.assertNotEqual(wrong, [])

    def test_a_word_that_is_not_checked_is_an_error_of_the_schema(self):
        self.contract.document["components"]["schemas"]["Version"]["dependentSchemas"] = {}
        with self.assertRaises(KeyError):
            self.reply()


if __name__ == "__main__":
    stack.main()
