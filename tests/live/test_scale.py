"""Twenty thousand tenants through import, API, restart and reload. Asserts what is done, never how fast."""

import contextlib
import json
import re
import select
import signal
import threading
import time

import stack

TENANTS = 20000
SERVICES = 8


def service(i):
    return f"s{i % SERVICES}"


def address(number, region):
    return f"10.77.{number}.{list(stack.REGIONS).index(region) + 1}"


def fleet():
    return {
        "regions": stack.REGIONS,
        "tiers": {"gold": {"dns_queries": "1000/s"}},
        "services": {f"s{i}": {"vips": {region: [address(i, region)] for region in stack.REGIONS},
                               "steering": {"order": "listed"}} for i in range(SERVICES)},
    }


class Scale(stack.StackTest):
    def setUp(self):
        self.stack = self.use(stack.Stack(fleet()))
        self.stack.start()
        self.first = next(iter(stack.REGIONS))

    def tenants(self):
        rows = ["id,zone,service,tier,regions"]
        last = list(stack.REGIONS)[-1]
        rows += [f"t{i},{stack.ZONE},{service(i)},{'gold' if i % 3 else ''},{last if i % 100 == 0 else ''}"
                 for i in range(TENANTS)]
        return "\n".join(rows) + "\n"

    def import_all(self):
        out = self.stack.ctl("tenant", "import", "-", text_in=self.tenants()).stdout
        self.assertIn(f"{TENANTS} added", out)

    def metric(self, name):
        text = self.stack.page("/metrics")[1]
        return float(re.search(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M).group(1))

    def assert_answered(self, i, number=None):
        number = i % SERVICES if number is None else number
        region = list(stack.REGIONS)[-1] if i % 100 == 0 else self.first
        self.assertEqual(self.stack.answer(f"t{i}", "192.0.2.0/24"), [address(number, region)], f"t{i}")

    def assert_all_there(self):
        self.assertEqual(self.stack.api("GET", "/v1/status")[1]["tenants"], TENANTS)
        for i in [*range(0, TENANTS, 997), TENANTS - 1]:
            self.assert_answered(i)

    def test_import_and_single_changes_edit_the_index(self):
        builds = self.metric("gslb_control_index_builds_total")
        self.import_all()
        self.assert_all_there()
        for i in range(50):
            at = f"/v1/tenants/t{i * 7}"
            body = {"zone": stack.ZONE, "service": "s1", "hosts": [f"own{i}", f"*.own{i}"]}
            self.assertEqual(self.stack.api("PUT", at, body)[0], 200)
            self.assertEqual(self.stack.answer(f"own{i}", "192.0.2.0/24"), [address(1, self.first)])
            self.assertEqual(self.stack.answer(f"x.own{i}", "192.0.2.0/24"), [address(1, self.first)])
            self.assertEqual(self.stack.ask(f"t{i * 7}").rcode, "NXDOMAIN")
            self.assertEqual(self.stack.api("DELETE", at)[0], 200)
            self.assertEqual(self.stack.ask(f"own{i}").rcode, "NXDOMAIN")
            self.assertEqual(self.stack.api("PUT", f"/v1/tenants/new{i}",
                                            {"zone": stack.ZONE, "service": "s2", "tier": "gold"})[0], 201)
            self.assertEqual(self.stack.answer(f"new{i}", "192.0.2.0/24"), [address(2, self.first)])
        self.assertEqual(self.metric("gslb_control_index_builds_total"), builds)

    def test_new_budgets_of_a_tier_leave_the_index_alone(self):
        self.import_all()
        self.stack.ctl("apply", "-f", "-", text_in="tiers: {silver: {}}")
        self.stack.ctl("tenant", "set", "t1", "--tier", "silver")
        builds = self.metric("gslb_control_index_builds_total")
        self.stack.ctl("apply", "-f", "-", text_in="tiers: {silver: {dns_queries: 0/s}}")
        self.assertTrue(self.stack.ask("t1").is_truncated)
        self.assertFalse(self.stack.ask("t0").is_truncated)
        self.stack.ctl("apply", "-f", "-", text_in="tiers: {silver: {dns_nxdomain: 0/s}}")
        self.assertFalse(self.stack.ask("t1").is_truncated)
        self.assertTrue(self.stack.ask("nobody.t1").is_truncated)
        self.assertEqual(self.metric("gslb_control_index_builds_total"), builds)

    def test_what_is_refused_leaves_everything_alone(self):
        self.import_all()
        builds = self.metric("gslb_control_index_builds_total")
        epoch = self.stack.api("GET", "/v1/status")[1]["epoch"]
        for body in ({"zone": stack.ZONE, "service": "nobody"},
                     {"zone": stack.ZONE, "service": "s1", "hosts": ["t777"]},
                     {"zone": stack.ZONE, "service": "s1", "regions": ["nowhere"]}):
            status, problem = self.stack.api("PUT", "/v1/tenants/t5", body)
            self.assertEqual(status, 422, problem)
            self.assert_answered(5)
        problem = self.stack.api("PUT", "/v1/tenants/thief",
                                 {"zone": stack.ZONE, "service": "s1", "hosts": ["t777"]})[1]
        self.assertIn("already belongs to tenant 't777'", json.dumps(problem))
        self.assertEqual(self.stack.api("GET", "/v1/status")[1]["epoch"], epoch)
        self.assertEqual(self.metric("gslb_control_index_builds_total"), builds)

    def test_a_restart_brings_all_back(self):
        self.import_all()
        self.stack.stop_quietly()
        self.stack.start(60)
        self.assert_all_there()
        self.assertEqual(self.metric("gslb_control_invalid_objects"), 0)
        self.assertEqual(self.metric("gslb_control_index_builds_total"), 1)

    def test_pages_follow_the_changes(self):
        self.import_all()
        self.stack.api("PUT", "/v1/tenants/t00", {"zone": stack.ZONE, "service": "s1"})
        items = self.stack.api("GET", "/v1/tenants?limit=3")[1]["items"]
        self.assertEqual([item["id"] for item in items], ["t0", "t00", "t1"])
        self.stack.api("DELETE", "/v1/tenants/t00")
        self.stack.api("PUT", "/v1/tenants/t1", {"zone": stack.ZONE, "service": "s5"})
        items = self.stack.api("GET", "/v1/tenants?limit=2")[1]["items"]
        self.assertEqual([(item["id"], item["service"]) for item in items], [("t0", "s0"), ("t1", "s5")])

    def test_all_pages_are_the_sorted_list(self):
        self.import_all()
        for limit in (777, 10000):
            ids, after = [], ""
            while True:
                page = self.stack.api("GET", f"/v1/tenants?limit={limit}{after}")[1]
                ids += [item["id"] for item in page["items"]]
                if not page["next"]:
                    break
                self.assertEqual((len(page["items"]), page["next"]), (limit, ids[-1]))
                after = "&after=" + page["next"]
            self.assertEqual(ids, sorted(f"t{i}" for i in range(TENANTS)))

    def test_others_are_served_during_an_export(self):
        """A call that comes while one is written is answered before it; when it comes is tried out."""
        self.import_all()
        request = "GET {} HTTP/1.1\r\nHost: gslbd\r\nConnection: close\r\n\r\n"
        for i in range(40):
            export, other = (stack.UnixConnection(self.stack.socket) for _ in range(2))
            with contextlib.closing(export), contextlib.closing(other):
                export.connect()
                other.connect()
                export.sock.sendall(request.format("/v1/export").encode())
                time.sleep(i / 2000)
                other.sock.sendall(request.format("/v1/status").encode())
                first = select.select([export.sock, other.sock], [], [], 60)[0]
                if first == [other.sock] and i > 2:
                    return
        self.fail("nothing is answered while an export is written")

    def test_an_export_is_the_fleet_of_one_moment(self):
        """A host goes from the first tenant to the last and back, each time in one change."""
        self.import_all()
        stop, ends = threading.Event(), ["t0", f"t{TENANTS - 1}"]

        def change():
            owner = 0
            while not stop.is_set():
                owner = 1 - owner
                tenants = {end: {"zone": stack.ZONE, "service": "s0", "hosts": [end] + ["moving"] * (i == owner)}
                           for i, end in enumerate(ends)}
                self.assertEqual(self.stack.api("POST", "/v1/apply", {"tenants": tenants})[0], 200)
                stop.wait(0.01)

        thread = threading.Thread(target=change)
        thread.start()
        try:
            for _ in range(5):
                text = self.stack.ctl("export").stdout
                self.assertEqual((text.count("moving"), text.count("service: ")), (1, TENANTS))
        finally:
            stop.set()
            thread.join()
        out = self.stack.ctl("apply", "-f", "-", text_in=self.stack.ctl("export").stdout).stdout
        self.assertIn(f"{TENANTS} unchanged", out)

    def test_changes_during_a_reload_stay(self):
        self.import_all()
        self.stack.fleet["tiers"]["silver"] = {}
        self.stack.write()
        stop, changed = threading.Event(), []

        def change():
            while not stop.is_set():
                i = len(changed)
                status, _ = self.stack.api("PUT", f"/v1/tenants/t{TENANTS - 1 - i * 3}",
                                           {"zone": stack.ZONE, "service": "s7", "tier": "gold"})
                removed, _ = self.stack.api("DELETE", f"/v1/tenants/t{i * 3 + 1}")
                changed.append((status, removed))

        thread = threading.Thread(target=change)
        thread.start()
        for _ in range(3):
            self.stack.process.send_signal(signal.SIGHUP)
            self.stack.ctl("reload")
        stop.set()
        thread.join()
        self.assertEqual(set(changed), {(200, 200)})
        self.assertEqual(self.stack.api("GET", "/v1/status")[1]["tenants"], TENANTS - len(changed))
        for i in range(len(changed)):
            kept, gone = TENANTS - 1 - i * 3, i * 3 + 1
            self.assertEqual(self.stack.answer(f"t{kept}", "192.0.2.0/24"), [address(7, self.first)])
            self.assertEqual(self.stack.ask(f"t{gone}").rcode, "NXDOMAIN")


if __name__ == "__main__":
    stack.main()
