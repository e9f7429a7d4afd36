"""Many changes, and long ones: what is acknowledged is answered, and nothing else waits for it."""

import json
import socket
import threading
import time

import stack

COALESCE_S = 0.02  # changes of health within it are one world


class LongChanges(stack.StackTest):
    """Over a geography of many places a way of steering takes a while to compile."""

    def setUp(self):
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        places = {f"100.{64 + i // 256}.{i % 256}.{half}/25": {"country": country}
                  for i in range(32 * 256) for half, country in ((0, "DE"), (128, ("US", "SG", "JP", "FR")[i % 4]))}
        places |= {f"100.{96 + i // 256}.{i % 256}.0/24": {"country": ("US", "SG", "JP", "FR")[i % 4]}
                   for i in range(30 * 256)}
        # Both halves of the tree hold more ranges than are compiled while others wait.
        places |= {f"2001:db8:{i:x}::/48": {"country": ("US", "DE")[i % 2]} for i in range(40000)}
        world.fleet["locations"] = {**stack.LOCATIONS, **places}
        self.vips = world.vips
        self.stack = self.use(world.start())

    def test_acknowledged_is_answered(self):
        pairs = [["eu", "us"], ["eu", "ap"], ["us", "ap"], ["ap", "eu"]]
        faults, done = [], threading.Event()

        def add(number, regions):
            try:
                tenant = {"zone": stack.ZONE, "service": "shop", "regions": regions}
                status, reply = self.stack.api("PUT", f"/v1/tenants/t{number}", tenant)
                client = stack.dns.Client(self.stack.address, self.stack.port)
                found = client.ask(f"t{number}.{stack.ZONE}.", client=stack.CLIENTS[regions[1]]).addresses
                client.close()
                if status != 201 or found != self.vips[regions[1]]:
                    faults.append((regions, status, reply, found))
            except Exception as error:  # a thread's own would be lost
                faults.append((regions, repr(error)))

        def look():
            while not done.is_set():
                if self.stack.api("GET", "/v1/status")[0] != 200:
                    faults.append("status")

        threads = [threading.Thread(target=add, args=item) for item in enumerate(pairs)]
        onlooker = threading.Thread(target=look)
        for thread in [onlooker, *threads]:
            thread.start()
        for thread in threads:
            thread.join()
        done.set()
        onlooker.join()
        self.assertEqual(faults, [])
        lines = self.stack.api("GET", "/v1/audit")[1]["items"]
        self.assertEqual(sorted(line["object"] for line in lines), ["t0", "t1", "t2", "t3"])
        # Other coordinates, for tenants that are there already.
        japan, service = "100.64.2.128/25", {"vips": self.vips}
        fleet = {"services": {"other": service}, "tenants": {"t9": {"zone": stack.ZONE, "service": "other"}}}
        self.assertEqual(self.stack.api("POST", "/v1/apply", fleet)[0], 200)
        self.assertEqual(self.stack.answer("t9", japan), self.vips["ap"])
        for region in ("eu", "us"):
            service["steering"] = {"bias": {region: 99}}
            self.assertEqual(self.stack.api("POST", "/v1/apply", {"services": {"other": service}})[0], 200)
            self.assertEqual(self.stack.answer("t9", japan), self.vips[region])

    def test_who_leaves_asks_for_nothing(self):
        body = json.dumps({"zone": stack.ZONE, "service": "shop", "regions": ["us", "ap"]}).encode()
        for number in range(5):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self.stack.socket)
                connection.sendall(b"PUT /v1/tenants/gone%d HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                   b"Content-Length: %d\r\n\r\n%s" % (number, len(body), body))
        # Made or not, but whole, and the next one is served.
        tenant = {"zone": stack.ZONE, "service": "shop", "regions": ["us", "eu"]}
        self.assertEqual(self.stack.api("PUT", "/v1/tenants/here", tenant)[0], 201)
        self.assertEqual(self.stack.answer("here", stack.CLIENTS["us"]), self.vips["us"])
        for number in range(5):
            status, _ = self.stack.api("GET", f"/v1/tenants/gone{number}")
            self.assertEqual(self.stack.ask(f"gone{number}").rcode, "NOERROR" if status == 200 else "NXDOMAIN")

    def test_a_reload_meanwhile(self):
        tenant = {"zone": stack.ZONE, "service": "shop", "regions": ["us", "eu"]}
        reload = threading.Thread(target=self.stack.ctl, args=("reload",))
        reload.start()
        self.assertEqual(self.stack.api("PUT", "/v1/tenants/here", tenant)[0], 201)
        reload.join()
        self.assertEqual(self.stack.answer("here", stack.CLIENTS["us"]), self.vips["us"])

    def test_the_stores_tenants_follow_the_geography(self):
        """Theirs are other orders than those of the files' tenants."""
        self.stack.api("POST", "/v1/apply", {"tenants": {"here": {
            "zone": stack.ZONE, "service": "shop", "regions": ["us", "ap"]}}})
        self.assertEqual(self.stack.answer("here", "100.64.1.128/25"), self.vips["ap"])  # in Singapore
        self.stack.fleet["locations"]["100.64.1.128/25"] = {"country": "US"}
        self.stack.write()
        self.stack.ctl("reload")
        self.assertEqual(self.stack.answer("here", "100.64.1.128/25"), self.vips["us"])
        self.stack.api("POST", "/v1/apply", {"locations": {"100.64.1.192/26": {"country": "SG"}}})
        self.assertEqual(self.stack.answer("here", "100.64.1.200/32"), self.vips["ap"])
        self.stack.ctl("reload")
        self.stack.stop_quietly()
        self.stack.start()
        self.assertEqual(self.stack.answer("here", "100.64.1.200/32"), self.vips["ap"])
        self.assertEqual(self.stack.answer("here", "100.64.1.129/32"), self.vips["us"])

    def test_the_end_does_not_wait_for_it(self):
        body = b'{"services": {"far": {"vips": {"eu": ["192.0.2.1"], "us": ["192.0.2.2"]}}}, ' \
               b'"tenants": {"far": {"zone": "%s", "service": "far", "regions": ["us", "eu"]}}}' % stack.ZONE.encode()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.stack.socket)
            connection.sendall(b"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                               b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self.stack.stop_quietly()


class Storm(stack.StackTest):
    """400 VIPs that come and go all the time."""

    def setUp(self):
        self.crowd = stack.Crowd()
        self.addCleanup(self.crowd.stop)
        world = stack.World()
        check = {"type": "http", "port": self.crowd.port, "interval": "200ms", "timeout": "150ms", "rise": 1, "fall": 1}
        self.vips = [f"127.77.{number // 50}.{number % 50 + 1}" for number in range(400)]
        services = {f"s{number}": {"check": "web", "ttl": "1s..20s",
                                   "vips": {"eu": self.vips[number * 50:number * 50 + 25],
                                            "us": self.vips[number * 50 + 25:number * 50 + 50]}}
                    for number in range(8)}
        world.fleet["checks"] = {"web": check}
        world.fleet["services"] = services
        world.fleet["tenants"] = {f"t{number}": {"zone": stack.ZONE, "service": f"s{number}"} for number in range(8)}
        self.stack = self.use(stack.Stack(world.fleet))
        self.stack.start()

    def counters(self):
        status, page = self.stack.page("/metrics")
        self.assertEqual(status, 200)
        value = {name: 0.0 for name in ("gslb_control_epoch", "gslb_health_transitions_total")}
        for line in page.splitlines():
            name = line.split("{")[0].split(" ")[0]
            if name in value:
                value[name] += float(line.rsplit(" ", 1)[1])
        return list(value.values())

    def test_queries_never_starve(self):
        worlds_before, transitions_before = self.counters()
        started, stop = time.monotonic(), threading.Event()
        transitions, looks_at = 0, started + 3

        def flap():
            word = "down"
            while not stop.is_set():
                self.crowd.set(word, *self.vips[::2])
                word = "up" if word == "down" else "down"
                time.sleep(0.2)

        flapping = threading.Thread(target=flap)
        flapping.start()
        self.addCleanup(stop.set)  # whatever fails below
        asked, slowest = 0, 0.0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.connect((self.stack.address, self.stack.port))
            udp.settimeout(2)  # a lost answer fails the test
            while transitions < 1000:
                if time.monotonic() >= looks_at:
                    looks_at += 1
                    transitions = self.counters()[1] - transitions_before
                message = stack.dns.query(f"t{asked % 8}.{stack.ZONE}.")
                before = time.monotonic()
                udp.send(message)
                reply = stack.dns.Reply(udp.recv(4096))
                slowest = max(slowest, time.monotonic() - before)
                self.assertEqual(reply.rcode, "NOERROR")
                self.assertIn(reply.addresses[0], self.vips[asked % 8 * 50:asked % 8 * 50 + 50])
                asked += 1
        stop.set()
        flapping.join()
        worlds, _ = self.counters()
        seconds = time.monotonic() - started
        self.assertGreater(asked, 1000)
        self.assertLessEqual(worlds - worlds_before, seconds / COALESCE_S + 1)
        print(f"{transitions:.0f} transitions, {worlds - worlds_before:.0f} worlds in "
              f"{seconds:.1f} s; {asked} questions, slowest {slowest * 1000:.1f} ms", flush=True)


if __name__ == "__main__":
    stack.main()
