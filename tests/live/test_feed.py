"""GET /v1/changes: a program that only reads lines keeps a copy of the fleet, whatever happens to the node."""

import json
import threading
import time

import stack


class Reader:
    """Follows changes in a thread of its own and keeps what they say."""

    def __init__(self, path, since="0", wait="1h"):
        self.connection = stack.UnixConnection(path, timeout=20)
        self.connection.request("GET", f"/v1/changes?since={since}&wait={wait}")
        self.reply = self.connection.getresponse()
        self.objects, self.controls, self.open = {}, {}, []
        self.version, self.resets, self.lines, self.steps, self.signs = since, 0, 0, 0, 0
        self.seen_at = {}  # (kind, id) -> when its step was whole
        self.fault = None
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        try:
            for line in iter(self.reply.readline, b""):
                self.take(json.loads(line))
        except (OSError, ValueError, AttributeError, stack.http.client.HTTPException):
            pass  # closed by us, or with the node
        except Exception as error:  # a thread's own would be lost
            self.fault = repr(error)

    def take(self, line):
        self.lines += 1
        errors = stack.CONTRACT.schema_errors("ChangeLine", line) if self.lines < 5000 else []
        assert not errors, (line, errors)
        if "version" not in line:
            self.open.append(line)
            return
        now = time.monotonic()
        self.signs += not self.open
        for one in self.open:
            self.apply(one)
            if "id" in one:
                self.seen_at[one.get("put") or one["remove"], one["id"]] = now
        self.steps += bool(self.open)
        self.open = []
        self.version = line["version"]

    def apply(self, line):
        if "reset" in line:
            self.resets += 1
            self.objects, self.controls = {}, {}
        elif "put" in line:
            self.objects[line["put"], line["id"]] = line["object"]
        elif "remove" in line:
            self.objects.pop((line["remove"], line["id"]), None)  # came and went unseen
        elif line["share"] is None:
            self.controls.pop(json.dumps(line["control"]), None)
        else:
            self.controls[json.dumps(line["control"])] = line

    def ids(self, kind):
        return {one for what, one in self.objects if what == kind}

    def stop(self):
        if self.connection.sock:
            self.connection.sock.shutdown(2)
        self.thread.join()
        self.connection.close()
        assert self.fault is None, self.fault


class Feed(stack.StackTest):
    def setUp(self):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        self.stack = self.use(world.start())

    def follow(self, **more):
        reader = Reader(self.stack.socket, **more)
        self.addCleanup(reader.stop)
        return reader

    def put(self, name, **more):
        tenant = {"zone": stack.ZONE, "service": "shop", **more}
        self.assertIn(self.stack.api("PUT", f"/v1/tenants/{name}", tenant)[0], (200, 201))

    def whole(self):
        """What a reader who comes now is told."""
        lines = [json.loads(line) for line in self.stack.api("GET", "/v1/changes")[1].splitlines()]
        self.assertEqual((lines[0], list(lines[-1])), ({"reset": True}, ["version"]))
        return {(line["put"], line["id"]): line["object"] for line in lines if "put" in line}

    def test_all_of_it_then_each_change(self):
        reader = self.follow()
        stack.until(lambda: reader.steps == 1, 5, "the listing")
        self.assertEqual(reader.ids("tenant"), {"acme", "resident"})
        self.assertEqual(reader.ids("region"), set(stack.REGIONS))
        self.assertEqual(reader.objects["tenant", "resident"]["regions"], ["eu"])
        self.assertEqual(reader.objects["zone", stack.ZONE + "."], {})
        waits = []
        for number in range(50):
            self.put(f"t{number}")
            accepted = time.monotonic()
            stack.until(lambda: ("tenant", f"t{number}") in reader.seen_at, 5, "the tenant")
            waits.append(reader.seen_at["tenant", f"t{number}"] - accepted)
        self.assertLess(sorted(waits)[25], 0.005)
        self.put("t7", regions=["us"])
        self.assertEqual(self.stack.api("DELETE", "/v1/tenants/t8")[0], 200)
        stack.until(lambda: ("tenant", "t8") not in reader.objects, 5, "the removal")
        self.assertEqual(reader.objects["tenant", "t7"]["regions"], ["us"])
        # One document is one step, in whatever order its objects come.
        steps = reader.steps
        fleet = {"services": {"mail": {"vips": {"eu": ["192.0.2.9"]}}},
                 "tenants": {"m": {"zone": stack.ZONE, "service": "mail"}}}
        self.assertEqual(self.stack.api("POST", "/v1/apply", fleet)[0], 200)
        stack.until(lambda: ("tenant", "m") in reader.objects, 5, "the document")
        self.assertEqual(reader.steps, steps + 1)
        self.assertEqual(reader.resets, 1)
        self.assertEqual(reader.objects, self.whole())

    def test_controls(self):
        reader = self.follow()
        eu, shop = json.dumps({"region": "eu"}), json.dumps({"region": "eu", "service": "shop"})
        vip = self.stack.world.vips["us"][0]
        self.stack.ctl("region", "drain", "eu", "--reason", "new kernel")
        self.stack.ctl("region", "force-down", "eu", "--service", "shop", "--for", "700ms")
        self.stack.ctl("vip", "drain", "us", vip)
        stack.until(lambda: len(reader.controls) == 3, 5, "the controls")
        self.assertEqual((reader.controls[eu]["share"], reader.controls[eu]["reason"]), (0, "new kernel"))
        self.assertIsNone(reader.controls[eu]["left_ms"])
        self.assertEqual(reader.controls[shop]["share"], "down")
        self.assertLessEqual(reader.controls[shop]["left_ms"], 700)
        self.assertGreater(reader.controls[shop]["left_ms"], 300)
        self.assertEqual(reader.controls[json.dumps({"region": "us", "vip": vip})]["share"], 0)
        late = self.follow()
        stack.until(lambda: late.version == reader.version and late.controls.keys() == reader.controls.keys(), 5,
                    "the same for one who comes later")
        stack.until(lambda: shop not in reader.controls and shop not in late.controls, 5, "the end of its time")
        self.stack.ctl("region", "restore", "eu")
        stack.until(lambda: eu not in reader.controls, 5, "the region")
        self.assertEqual(len(reader.controls), 1)

    def test_going_on(self):
        first = self.follow()
        stack.until(lambda: first.steps == 1, 5, "the listing")
        first.stop()
        self.put("a")
        self.put("a", regions=["us"])
        self.put("b")
        self.stack.api("DELETE", "/v1/tenants/b")
        second = self.follow(since=first.version)
        stack.until(lambda: ("tenant", "a") in second.objects, 5, "what came meanwhile")
        self.assertEqual((second.resets, second.ids("tenant"), second.ids("region")), (0, {"a"}, set()))
        self.assertEqual(second.objects["tenant", "a"]["regions"], ["us"])
        # Nothing new: the version alone, at once.
        status, text = self.stack.api("GET", f"/v1/changes?since={second.version}")
        self.assertEqual((status, json.loads(text)), (200, {"version": second.version}))
        stack.until(lambda: second.signs > 0, 8, "a sign of life")
        # A reload may have changed anything; a new process knows nothing of the old one's count.
        self.stack.fleet["tenants"]["resident"] = {"zone": stack.ZONE, "service": "shop", "regions": ["ap"]}
        self.stack.write()
        self.stack.ctl("reload")
        stack.until(lambda: second.resets == 1, 5, "the reset")
        self.assertEqual(second.objects["tenant", "resident"]["regions"], ["ap"])
        self.assertEqual(second.objects, self.whole())
        self.stack.kill()
        self.stack.start()
        third = self.follow(since=second.version)
        stack.until(lambda: third.steps == 1, 5, "the listing")
        self.assertEqual((third.resets, third.objects), (1, second.objects))

    def test_what_is_refused(self):
        for query, part in (("since=yesterday", "since is"), ("wait=2h", "wait is"), ("wait=1", "wait is")):
            status, reply = self.stack.api("GET", "/v1/changes?" + query)
            self.assertEqual((status, reply["detail"].strip()[:len(part)]), (400, part))
        before = time.monotonic()
        self.stack.api("GET", "/v1/changes?wait=300ms")
        self.assertGreater(time.monotonic() - before, 0.29)

    def test_many_objects_and_others_go_on(self):
        """The listing of a large fleet comes in pieces, and what changes meanwhile comes with it."""
        many = {f"m{i}": {"zone": stack.ZONE, "service": "shop"} for i in range(60000)}
        self.assertEqual(self.stack.api("POST", "/v1/apply", {"tenants": many})[0], 200)
        slow = stack.UnixConnection(self.stack.socket)  # takes nothing
        slow.request("GET", "/v1/changes?wait=1h")
        self.addCleanup(slow.close)
        reader, pauses, number = self.follow(), [], 0
        while reader.steps == 0:
            before = time.monotonic()
            self.put(f"n{number}")
            pauses.append(time.monotonic() - before)
            self.assertEqual(self.stack.api("DELETE", f"/v1/tenants/m{number}")[0], 200)
            number += 1
        self.assertGreater(number, 3)
        self.assertLess(sorted(pauses)[len(pauses) // 2], 0.1)
        stack.until(lambda: ("tenant", f"m{number - 1}") not in reader.objects, 10, "the last change")
        self.assertEqual(reader.resets, 1)
        self.assertEqual(len(reader.ids("tenant")), 60002)
        self.assertEqual(reader.objects, self.whole())
        # More at once than a reader may miss.
        status, text = self.stack.api("GET", f"/v1/changes?since={reader.version}")
        self.assertEqual(len(text.splitlines()), 1)
        changed = {f"m{i}": {"zone": stack.ZONE, "service": "shop", "tags": ["x"]} for i in range(59000, 60000)}
        self.assertEqual(self.stack.api("POST", "/v1/apply", {"tenants": changed})[0], 200)
        stack.until(lambda: reader.objects["tenant", "m59999"].get("tags") == ["x"], 10, "the document")
        self.assertEqual(reader.resets, 1)

    def test_no_more_than_64(self):
        readers = [self.follow() for _ in range(64)]
        stack.until(lambda: all(reader.steps == 1 for reader in readers), 10, "64 listings")
        self.assertEqual(self.stack.api("GET", "/v1/changes")[0], 503)
        readers[0].stop()
        stack.until(lambda: self.stack.api("GET", "/v1/changes")[0] == 200, 8, "room again")


if __name__ == "__main__":
    stack.main()
