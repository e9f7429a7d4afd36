"""Origins that die, hang, fail, leave and come back, through a real forwarderd, and what is tried again."""

import asyncio
import collections
import time

import stack
import traffic
from traffic import statuses

EVERYTHING = ["connect", "timeout", "502", "503", "504"]


class Failures(traffic.TrafficCase):
    async def test_a_killed_origin_costs_no_request_that_may_be_repeated(self):
        """400 requests/s, a fifth of them POST, two tenants; one of three origins is killed under way, and comes
        back."""
        origins = await self.origins(3)
        client = await self.forward({"web": {"origins": origins, "check": "quick"}}, {"acme": {}, "beta": {}},
                                    routes=[{"origins": "web", "retry": ["connect", "502"]}], workers=2)
        posts = iter(range(1 << 30))

        async def post():
            return await client.request("acme", f"/post/{next(posts)}", "POST", b"x" * 100)

        async def offer_posts(seconds):
            tasks = []
            for _ in range(int(seconds * 50)):
                tasks.append(asyncio.create_task(post()))
                await asyncio.sleep(0.02)
            return await asyncio.gather(*tasks)

        async def fate():
            await asyncio.sleep(2)
            origins[1].kill()
            await asyncio.sleep(2)
            before = origins[1].counts()
            await origins[1].start()
            return before
        gets, other, posted, before = await asyncio.gather(
            client.offer(100, 10, "acme"), client.offer(100, 10, "beta"), offer_posts(10), fate())
        self.assertEqual(statuses(gets), {200: 1000})
        self.assertEqual(statuses(other), {200: 1000})
        # A POST whose connection ended under way has no answer to give; nobody may try it again.
        self.assertLessEqual(statuses(posted)[502], 5)
        self.assertEqual(statuses(posted)[200] + statuses(posted)[502], 500)
        seen = collections.Counter(path for o in origins for method, path, _ in o.saw if method == "POST")
        self.assertEqual(set(seen.values()), {1})
        # its check says UP, and it gets its part again
        self.assertGreater(origins[1].counts(), before + 50)

    async def test_an_origin_that_fails_for_all_is_ejected_and_returns_by_probation(self):
        origins = await self.origins(3)
        client = await self.forward({"web": {"origins": origins}}, {"acme": {}, "beta": {}},
                                    routes=[{"origins": "web", "retry": EVERYTHING}])
        origins[0].mode = "503"
        start = time.monotonic()
        both = await asyncio.gather(client.offer(50, 2, "acme"), client.offer(50, 2, "beta"))
        self.assertEqual([statuses(answers) for answers in both], [{200: 100}, {200: 100}])
        self.assertLessEqual(origins[0].counts(), 12)  # five in a row, and those that were under way
        origins[0].mode = "ok"
        seen = origins[0].counts()
        while time.monotonic() < start + 27:
            self.assertEqual((await client.request("acme")).status, 200)
            await asyncio.sleep(0.1)
        self.assertEqual(origins[0].counts(), seen)
        await self.until(lambda: time.monotonic() > start + 34, 20)
        answers = await client.offer(50, 2, "acme")
        self.assertEqual(statuses(answers), {200: 100})
        self.assertGreater(origins[0].counts(), seen + 20)

    async def test_one_customers_broken_requests_eject_nobody(self):
        origins = await self.origins(2)
        client = await self.forward({"web": {"origins": origins}}, {"broken": {}, "well": {}})
        broken, well = await asyncio.gather(client.offer(60, 3, "broken", "/status/503"), client.offer(60, 3, "well"))
        self.assertEqual(statuses(broken), {503: 180})
        self.assertEqual(statuses(well), {200: 180})
        for origin in origins:
            self.assertAlmostEqual(origin.counts(), 180, delta=20)

    async def test_what_is_tried_again_and_what_never(self):
        bad, good = await self.origins(2)
        client = await self.forward(
            {"web": {"origins": [(bad, 1000), (good, 1)], "balance": "weighted"}}, {"acme": {}, "beta": {}},
            routes=[{"path": "/plain", "origins": "web"},
                    {"origins": "web", "retry": EVERYTHING, "timeout": "500ms"}])
        bad.mode = "503"
        # one tenant alone would eject it, were nobody else active
        await client.request("beta", "/plain")

        async def status(path, method="GET", body=b""):
            return (await client.request("acme", path, method, body)).status
        self.assertEqual(await status("/plain"), 503)  # not listed there
        self.assertEqual(await status("/"), 200)
        self.assertEqual(await status("/", "PUT", bytes(16000)), 200)
        self.assertEqual(await status("/", "PUT", bytes(17000)), 503)  # more than is kept
        self.assertEqual(await status("/", "POST", b"once"), 503)
        self.assertEqual((bad.counts("POST"), good.counts("POST")), (1, 0))
        bad.mode = "hang"
        self.assertEqual(await status("/"), 200)
        self.assertEqual(await status("/", "POST", b"once"), 504)
        self.assertEqual((bad.counts("POST"), good.counts("POST")), (2, 0))

    async def test_an_idle_connection_that_ended_costs_nothing(self):
        """The origin closes each connection behind its fifth answer, at times when the next request is under way."""
        web, = await self.origins(1)
        web.closes_after = 5
        client = await self.forward({"web": {"origins": [web]}}, {"acme": {}, "beta": {}})
        answers = await client.offer(150, 4, "acme")
        self.assertEqual(statuses(answers), {200: 600})
        self.assertEqual(web.counts(), 600)

    async def test_retries_are_no_storm(self):
        origins = await self.origins(3)
        client = await self.forward({"web": {"origins": origins}}, {"acme": {}, "beta": {}},
                                    routes=[{"origins": "web", "retry": EVERYTHING}])
        for origin in origins:
            origin.mode = "503"
        both = await asyncio.gather(client.offer(200, 4, "acme"), client.offer(50, 4, "beta"))
        self.assertEqual([set(statuses(answers)) for answers in both], [{503}, {503}])
        self.assertLessEqual(sum(origin.counts() for origin in origins), 1000 + 1000 // 5 + 100 + 10)
        for origin in origins:
            origin.mode = "ok"
        self.assertEqual(statuses(await client.many(20, "acme")), {200: 20})

    async def test_no_origin_at_all_is_said(self):
        web, = await self.origins(1)
        client = await self.forward({"web": {"origins": [web], "connect": "1s"}}, {"acme": {}})
        web.kill()
        refused = await client.request("acme")
        self.assert_refused(refused, 502, "origin-refused")
        await web.start()
        self.assertEqual((await client.request("acme")).status, 200)

    async def test_an_origin_that_leaves_the_fleet_loses_nothing(self):
        origins = await self.origins(3)
        tenants = {"acme": {}, "beta": {}}
        client = await self.forward({"web": {"origins": origins}}, tenants, workers=2)

        async def drain():
            await asyncio.sleep(1)
            self.forwarder.reload(traffic.fleet_of({"web": {"origins": origins[:2]}}, tenants))
            await asyncio.sleep(1.5)
            return origins[2].counts()
        answers, before = await asyncio.gather(client.offer(200, 4, "acme", "/slow/100"), drain())
        self.assertEqual(statuses(answers), {200: 800})
        self.assertGreater(before, 0)
        self.assertEqual(origins[2].counts(), before)

    async def test_an_origin_that_an_operator_drains_loses_nothing(self):
        origins = await self.origins(3)
        fleet = traffic.fleet_of({"web": {"origins": origins}}, {"acme": {}, "beta": {}})
        gslbd = stack.Stack(fleet, zones={})
        self.addCleanup(gslbd.stop)
        await asyncio.to_thread(gslbd.start)
        self.forwarder = traffic.Forwarder({}, workers=2, control=f"unix:{gslbd.socket}")
        self.addCleanup(self.forwarder.stop)
        await asyncio.to_thread(self.forwarder.start)
        client = self.client()
        path = f"/v1/controls/origins/shop/web/{origins[2].address}"

        async def operate(method, body=None):
            status, reply = await asyncio.to_thread(gslbd.api, method, path, body)
            self.assertIn(status, (200, 201), reply)
            await asyncio.sleep(1)

        async def drain():
            await asyncio.sleep(1)
            before = origins[2].counts()
            await operate("PUT", {"share": 0, "for": "10m", "reason": "a new disk"})
            await self.until(lambda: origins[2].in_flight == 0, what="the end of what was under way")
            drained = origins[2].counts()
            await asyncio.sleep(1)
            self.assertEqual(origins[2].counts(), drained)
            await operate("DELETE", {"reason": "done"})
            return before, drained
        answers, (before, drained) = await asyncio.gather(client.offer(100, 6, "acme", "/slow/100"), drain())
        self.assertEqual(statuses(answers), {200: 600})
        self.assertGreater(before, 0)
        self.assertGreater(origins[2].counts(), drained)


if __name__ == "__main__":
    traffic.main()
