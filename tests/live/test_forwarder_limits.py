"""What tenants, clients, routes and keys may, through a real forwarderd: exact rates, concurrency, bandwidth, and
what a refused client is told."""

import asyncio
import hashlib
import time

import traffic
from traffic import statuses


class Rates(traffic.TrafficCase):
    async def test_the_rate_is_exact_whatever_is_offered_and_nobody_else_notices(self):
        """The burst is so long that a moment in which this test does not get to ask takes nothing away: whenever one is
        refused, all that there was until then has been served."""
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web]}}, {
            "noisy": {"limits": {"rate": "50/s", "burst": 400}}, "quiet": {"limits": {"rate": "100/s"}}}, workers=2)
        other = self.client()
        first, = await client.many(1, "noisy")
        noisy, quiet = await asyncio.gather(client.offer(200, 12, "noisy"), other.offer(10, 12, "quiet"))
        limited = [r for r in noisy if r.status == 429]
        end = max(r.at for r in limited)
        served = 1 + sum(1 for r in noisy if r.status == 200 and r.at <= end)
        expected = 400 + 50 * (end - first.at)
        self.assertAlmostEqual(served, expected, delta=expected / 100 + 1)
        self.assertEqual(statuses(noisy)[200] + len(limited), 2400)
        self.assertEqual(statuses(quiet), {200: 120})
        self.assertEqual(web.counts(), 1 + statuses(noisy)[200] + 120)
        for response in limited:
            self.assert_refused(response, 429, "rate")
            self.assertIn(response.fields["retry-after"], (["1"], ["2"]))
            self.assertEqual(response.fields["ratelimit-policy"], ['"rate";q=400;w=8'])
            self.assertEqual(response.fields["ratelimit"], ['"rate";r=0;t=1'])

    async def test_each_client_address_has_its_own_rate(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web]}}, {"acme": {"limits": {"client_rate": "5/s"}}})
        for source in ("127.0.0.2", "127.0.0.3"):
            client = self.client(source)
            answers = [await client.request("acme") for _ in range(7)]
            self.assertEqual([r.status for r in answers], [200] * 5 + [429] * 2)
            self.assert_refused(answers[-1], 429, "client-rate")
            self.assertIn(answers[-1].fields["retry-after"], (["1"], ["2"]))

    async def test_a_route_limits_by_client_tenant_and_field(self):
        web, = await self.origins(1)
        client = await self.forward(
            {"web": {"origins": [web]}}, {"acme": {}, "beta": {}},
            routes=[{"path": "/login", "origins": "web", "limit": {"rate": "3/m", "burst": 3, "by": "client"}},
                    {"path": "/export", "origins": "web", "limit": {"rate": "2/m", "burst": 2, "by": "tenant"}},
                    {"path": "/user", "origins": "web", "limit": {"rate": "1/m", "by": {"header": "X-User"}}},
                    {"origins": "web"}])
        other = self.client("127.0.0.2")

        async def ask(who, path, tenant="acme", **named):
            return (await who.request(tenant, path, **named)).status
        self.assertEqual([await ask(client, "/login") for _ in range(4)], [200, 200, 200, 429])
        self.assertEqual(await ask(other, "/login"), 200)
        self.assertEqual(await ask(client, "/login", "beta"), 200)
        self.assertEqual(await ask(client, "/"), 200)
        self.assertEqual([await ask(c, "/export") for c in (client, other, client)], [200, 200, 429])
        self.assert_refused(await client.request("acme", "/export"), 429, "route-rate")
        self.assertEqual([await ask(client, "/user", fields=[("X-User", u)]) for u in "aba"], [200, 200, 429])

    async def test_keys_are_required_known_and_limited(self):
        web, = await self.origins(1)
        key = "correct horse battery staple 0123456789"
        client = await self.forward(
            {"web": {"origins": [web]}},
            {"acme": {"keys": {"first": {"sha256": hashlib.sha256(key.encode()).hexdigest(), "rate": "2/s"}}}},
            routes=[{"path": "/open", "origins": "web"}, {"origins": "web", "keys": "required"}])
        self.assertEqual((await client.request("acme", "/open")).status, 200)
        self.assert_refused(await client.request("acme"), 401, "key-missing")
        self.assert_refused(await client.request("acme", fields=[("X-API-Key", "guess")]), 403, "key-bad")
        right = [("Authorization", "Bearer " + key)]
        self.assertEqual((await client.request("acme", fields=right)).status, 200)
        self.assertEqual((await client.request("acme", fields=[("X-API-Key", key)])).status, 200)
        refused = await client.request("acme", fields=right)
        self.assert_refused(refused, 429, "key-rate")
        self.assertIn("retry-after", refused.fields)
        self.assertEqual(web.counts(), 3)

    async def test_headers_may_tell_the_rate_always_or_never(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web]}}, {
            "always": {"limits": {"rate": "2/m", "burst": 2, "headers": "always"}},
            "never": {"limits": {"rate": "1/m", "headers": "never"}}})
        first, second, third = [await client.request("always") for _ in range(3)]
        self.assertEqual(first.fields["ratelimit"], ['"rate";r=1;t=30'])
        self.assertEqual(second.fields["ratelimit"], ['"rate";r=0;t=60'])
        self.assertEqual(first.fields["ratelimit-policy"], ['"rate";q=2;w=60'])
        self.assertEqual(third.status, 429)
        await client.request("never")
        refused = await client.request("never")
        self.assertEqual(refused.status, 429)
        self.assertIn("retry-after", refused.fields)
        self.assertNotIn("ratelimit", refused.fields)

    async def test_new_connections_have_a_rate(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web]}}, {"acme": {"limits": {"connections": "5/s"}}})
        answers = []
        for _ in range(7):
            answers.append(await client.request("acme"))
            client.close()
        self.assertEqual([r.status for r in answers], [200] * 5 + [429] * 2)
        self.assert_refused(answers[-1], 429, "connections")
        self.assertEqual(answers[-1].fields["connection"], ["close"])


class Concurrency(traffic.TrafficCase):
    async def test_more_than_it_may_have_in_flight_is_refused_and_given_back(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web]}}, {"acme": {"limits": {"concurrency": 5}}}, workers=2)
        for _ in range(3):
            answers = await client.many(20, "acme", "/slow/300")
            self.assertEqual(statuses(answers), {200: 5, 429: 15})
            refused = next(r for r in answers if r.status == 429)
            self.assert_refused(refused, 429, "concurrency")
            self.assertIn(refused.fields["retry-after"], (["1"], ["2"]))
        self.assertEqual(web.most_in_flight, 5)
        # clients that go before their answer give back as well
        for task in [asyncio.create_task(client.request("acme", "/hang")) for _ in range(5)]:
            await asyncio.sleep(0.02)
            task.cancel()
        await self.until(lambda: web.in_flight == 0, what="the origin to be left")
        self.assertEqual(statuses(await client.many(5, "acme", "/slow/50")), {200: 5})

    async def test_who_may_wait_is_served_in_turn_or_told_in_time(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web]}}, {
            "patient": {"limits": {"concurrency": 2, "queue": "5s"}},
            "hasty": {"limits": {"concurrency": 2, "queue": "250ms"}}}, workers=2)
        await client.many(12, "other")  # connections
        tasks = []
        for i in range(12):
            tasks.append(asyncio.create_task(client.request("patient", f"/slow/100?{i}")))
            await asyncio.sleep(0.005)
        self.assertEqual(statuses(await asyncio.gather(*tasks)), {200: 12})
        self.assertEqual(web.most_in_flight, 2)
        # in turn, but for those that came, or were sent on, in the same moment
        for place, (_, path, _) in enumerate(web.saw):
            self.assertAlmostEqual(place, int(path.split("?")[1]), delta=3)
        answers = await client.many(12, "hasty", "/slow/200")
        self.assertEqual(statuses(answers), {200: 4, 429: 8})
        late = [r for r in answers if r.status == 429]
        self.assert_refused(late[0], 429, "concurrency")
        for response in late:
            self.assertAlmostEqual(response.seconds, 0.25, delta=0.1)
        # clients that go while they wait leave no trace
        held = [asyncio.create_task(client.request("patient", "/slow/300")) for _ in range(2)]
        await asyncio.sleep(0.05)
        gone = [asyncio.create_task(client.request("patient", "/slow/300")) for _ in range(5)]
        await asyncio.sleep(0.05)
        for task in gone:
            task.cancel()
        last = await client.request("patient", "/slow/1")
        self.assertEqual(last.status, 200)
        self.assertLess(last.seconds, 0.6)
        self.assertEqual(statuses(await asyncio.gather(*held)), {200: 2})

    async def test_tunnels_have_a_number_of_their_own(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web]}},
                                    {"acme": {"limits": {"websockets": 2, "concurrency": 3}}})
        upgrade = [("Connection", "upgrade"), ("Upgrade", "websocket")]
        tunnels = [await client.request("acme", "/talk", fields=upgrade) for _ in range(2)]
        self.assertEqual([t.status for t in tunnels], [101, 101])
        self.assert_refused(await client.request("acme", "/talk", fields=upgrade), 429, "websockets")
        reader, writer = tunnels[0].fields["socket"]
        writer.write(b"hello")
        self.assertEqual(await reader.readexactly(5), b"hello")
        # a tunnel is no request in flight
        self.assertEqual(statuses(await client.many(3, "acme", "/slow/50")), {200: 3})
        writer.close()
        await self.until(lambda: web.in_flight == 1, what="the tunnel's end")
        again = await client.request("acme", "/talk", fields=upgrade)
        self.assertEqual(again.status, 101)
        for tunnel in (tunnels[1], again):
            tunnel.fields["socket"][1].close()


class Bodies(traffic.TrafficCase):
    async def test_too_large_a_body_is_refused_before_an_origin(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web]}}, {"acme": {"limits": {"body": "8KiB"}}},
                                    routes=[{"path": "/upload", "origins": "web", "body": "64KiB"},
                                            {"origins": "web"}])
        self.assertEqual((await client.request("acme", method="POST", body=bytes(8192))).status, 200)
        self.assert_refused(await client.request("acme", method="POST", body=bytes(8193)), 413, "body-too-large")
        self.assertEqual(web.counts("POST"), 1)
        self.assertEqual((await client.request("acme", "/upload", "POST", bytes(65536))).status, 200)

    async def test_bandwidth_is_what_was_sold_over_all_connections(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web]}}, {
            "acme": {"limits": {"bandwidth": {"down": "4MB/s", "up": "2MB/s"}}}}, workers=2)
        async def down():
            return await client.many(4, "acme", "/bytes/4000000")

        async def up():
            return await client.many(4, "acme", method="POST", body=bytes(2_000_000))

        await self.takes(4.0, down, lambda: client.request("acme", "/bytes/800000"))
        await self.takes(4.0, up, lambda: client.request("acme", method="POST", body=bytes(800_000)))

    async def takes(self, expected, what, use_burst):
        """Never less; and as much, where the machine lets this test read and write that fast."""
        for _ in range(4):
            await use_burst()
            start = time.monotonic()
            self.assertEqual(statuses(await what()), {200: 4})
            seconds = time.monotonic() - start
            self.assertGreater(seconds, expected * 0.98)
            if seconds < expected * 1.02:
                return
        self.fail(f"{seconds:.2f} s instead of {expected}")

    async def test_small_messages_do_not_wait_behind_large_ones(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web]}}, {
            "acme": {"limits": {"bandwidth": "1MB/s"}}})
        large = asyncio.create_task(client.request("acme", "/bytes/3000000"))
        await asyncio.sleep(0.3)
        for _ in range(20):
            small = await client.request("acme", "/bytes/8000")
            self.assertLess(small.seconds, 0.15)
        self.assertEqual((await large).status, 200)


class Pools(traffic.TrafficCase):
    async def test_a_saturated_pool_serves_by_priority(self):
        web, = await self.origins(1)
        client = await self.forward(
            {"web": {"origins": [web], "concurrency": 2}},
            {name: {"limits": {"priority": name}} for name in ("high", "normal", "low")},
            routes=[{"origins": "web", "queue": "20s"}], workers=2)
        tasks = {name: [asyncio.create_task(client.request(name, "/slow/10")) for _ in range(60)]
                 for name in ("low", "normal", "high")}
        for name in tasks:
            self.assertEqual(statuses(await asyncio.gather(*tasks[name])), {200: 60})
        self.assertEqual(web.most_in_flight, 2)
        order = [fields["x-tenant-id"][0] for _, _, fields in web.saw]
        first = order[20:62]  # all wait by then
        self.assertAlmostEqual(first.count("high"), 32, delta=4)
        self.assertAlmostEqual(first.count("normal"), 8, delta=3)
        self.assertGreaterEqual(first.count("low"), 1)

    async def test_a_quiet_tenant_is_served_although_a_noisy_one_fills_its_part(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web], "concurrency": 4}}, {"noisy": {}, "quiet": {}},
                                    routes=[{"origins": "web", "queue": "3s"}], workers=2)
        noisy = [asyncio.create_task(client.request("noisy", "/slow/100")) for _ in range(200)]
        await self.until(lambda: web.in_flight == 4, what="saturation")
        await asyncio.sleep(0.2)
        for _ in range(5):
            quiet = await client.request("quiet", "/slow/1")
            self.assertEqual(quiet.status, 200)
            self.assertLess(quiet.seconds, 0.35)
        answers = await asyncio.gather(*noisy)
        full = [r for r in answers if r.status == 503 and "queue-full" in r.fields["proxy-status"][0]]
        self.assertEqual(len(full), 200 - 4 - 128)
        self.assertTrue(all(r.seconds < 1 for r in full))
        self.assertIn(full[0].fields["retry-after"], (["1"], ["2"], ["3"]))

    async def test_who_waits_too_long_is_told(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web], "concurrency": 1}}, {"acme": {}},
                                    routes=[{"path": "/none", "origins": "web", "queue": "0s"},
                                            {"origins": "web", "queue": "300ms"}])
        held = asyncio.create_task(client.request("acme", "/slow/1500"))
        await self.until(lambda: web.in_flight == 1)
        late = await client.many(3, "acme")
        self.assertEqual(statuses(late), {503: 3})
        for response in late:
            self.assert_refused(response, 503, "queue-deadline")
            self.assertAlmostEqual(response.seconds, 0.3, delta=0.1)
            self.assertIn("retry-after", response.fields)
        self.assert_refused(await client.request("acme", "/none"), 503, "queue-full")
        self.assertEqual((await held).status, 200)
        self.assertEqual((await client.request("acme")).status, 200)

    async def test_a_503_of_the_pool_does_not_give_the_rate_back(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web], "concurrency": 1}},
                                    {"acme": {"limits": {"rate": "5/m", "burst": 5}}},
                                    routes=[{"origins": "web", "queue": "0s"}])
        held = asyncio.create_task(client.request("acme", "/slow/300"))
        await self.until(lambda: web.in_flight == 1)
        self.assertEqual([(await client.request("acme")).status for _ in range(6)], [503] * 4 + [429] * 2)
        self.assertEqual((await held).status, 200)


if __name__ == "__main__":
    traffic.main()
