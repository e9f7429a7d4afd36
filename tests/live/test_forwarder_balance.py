"""Where requests go, through a real forwarderd: the distribution of each policy, and cookies that bring back."""

import asyncio
import collections

import traffic
from traffic import statuses

def shares(origins):
    return [origin.counts() for origin in origins]


class Policies(traffic.TrafficCase):
    async def serve(self, pool, count=3, tenants=("acme",), **parts):
        origins = await self.origins(count)
        weights = pool.pop("weights", [1] * count)
        pool["origins"] = list(zip(origins, weights))
        return origins, await self.forward({"web": pool}, {name: {} for name in tenants}, **parts)

    async def ask(self, client, times, *arguments, **named):
        for _ in range(times // 20):
            answers = await client.many(20, "acme", *arguments, **named)
            self.assertEqual(statuses(answers), {200: 20})

    async def test_round_robin(self):
        origins, client = await self.serve({"balance": "round-robin", "weights": [5, 1, 1]}, workers=2)
        await self.ask(client, 600)
        for share in shares(origins):
            self.assertAlmostEqual(share, 200, delta=2)

    async def test_weighted(self):
        origins, client = await self.serve({"balance": "weighted", "weights": [4, 1, 1]}, workers=2)
        await self.ask(client, 600)
        for share, weight in zip(shares(origins), [4, 1, 1]):
            self.assertAlmostEqual(share, 100 * weight, delta=4)

    async def test_random_by_weight(self):
        origins, client = await self.serve({"balance": "random", "weights": [4, 1, 1]})
        await self.ask(client, 1200)
        for share, weight in zip(shares(origins), [4, 1, 1]):
            self.assertAlmostEqual(share, 200 * weight, delta=75)

    async def test_least_requests_avoids_the_slow(self):
        origins, client = await self.serve({"balance": "least-requests"}, workers=2)
        origins[0].delay = 0.2
        await asyncio.gather(*(self.ask_in_turn(client, 40) for _ in range(12)))
        slow, *fast = shares(origins)
        self.assertEqual(slow + sum(fast), 480)
        self.assertLess(slow, min(fast) / 3)

    async def test_ewma_avoids_the_slow(self):
        origins, client = await self.serve({"balance": "ewma"})
        origins[0].delay = 0.1
        await asyncio.gather(*(self.ask_in_turn(client, 60) for _ in range(4)))
        slow, *fast = shares(origins)
        self.assertEqual(slow + sum(fast), 240)
        self.assertLess(slow, min(fast) / 3)

    async def ask_in_turn(self, client, times):
        for _ in range(times):
            self.assertEqual((await client.request("acme")).status, 200)

    async def test_hash_by_field_cookie_and_client(self):
        for by, fields in (("header X-User", lambda u: [("X-User", u)]),
                           ("cookie user", lambda u: [("Cookie", f"a=b; user={u}; c=d")])):
            origins, client = await self.serve({"balance": "hash", "hash": by})
            homes = collections.Counter()
            for user in range(60):
                answers = [await client.request("acme", fields=fields(f"user{user}")) for _ in range(3)]
                seen = {r.fields["x-origin"][0] for r in answers}
                self.assertEqual(len(seen), 1)
                homes.update(seen)
            self.assertEqual(len(homes), 3)
            self.assertGreater(min(homes.values()), 8)
        origins, client = await self.serve({"balance": "hash", "hash": "client"})
        await self.ask_in_turn(client, 20)
        self.assertEqual(sorted(shares(origins)), [0, 0, 20])

    async def test_sticky_comes_back_until_its_origin_is_gone(self):
        origins, client = await self.serve({"sticky": {"cookie": "home", "ttl": "1h"}})
        first = await client.request("acme")
        cookie = first.fields["set-cookie"][0]
        value, *attributes = cookie.split("; ")
        self.assertRegex(value, "^home=[0-9a-f]{16}$")
        self.assertEqual(set(attributes), {"Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=3600"})
        home = first.fields["x-origin"][0]
        for _ in range(12):
            again = await client.request("acme", fields=[("Cookie", "x=y; " + value)])
            self.assertEqual(again.fields["x-origin"], [home])
            self.assertNotIn("set-cookie", again.fields)
        # a made-up value is as good as none
        other = await client.request("acme", fields=[("Cookie", "home=0123456789abcdef")])
        self.assertIn("set-cookie", other.fields)
        origins[int(home[1:])].kill()
        moved = await client.request("acme", fields=[("Cookie", value)])
        self.assertEqual(moved.status, 200)
        self.assertNotEqual(moved.fields["x-origin"], [home])
        self.assertNotEqual(moved.fields["set-cookie"][0].split("; ")[0], value)

    async def test_a_cookie_is_known_to_each_node_with_the_same_secrets(self):
        pool = {"sticky": {"cookie": "home"}, "origins": await self.origins(4)}
        ours, theirs = "11" * 32, "22" * 32

        async def node(*lines):
            return await self.forward({"web": pool}, {"acme": {}}, tickets="".join(line + "\n" for line in lines))

        async def ask(client, value):
            return await client.request("acme", fields=[("Cookie", value)])
        first = await (await node(ours)).request("acme")
        value, home = first.fields["set-cookie"][0].split(";")[0], first.fields["x-origin"]
        for lines in ((ours,), (theirs, ours)):  # another node; and one where a new secret stands first
            client = await node(*lines)
            for _ in range(8):
                answer = await ask(client, value)
                self.assertEqual(answer.fields["x-origin"], home)
                self.assertNotIn("set-cookie", answer.fields)
        self.assertIn("set-cookie", (await ask(await node(theirs), value)).fields)

    async def test_nothing_is_sent_past_the_concurrency_of_an_origin(self):
        origins, client = await self.serve({"concurrency": 3}, count=2, routes=[{"origins": "web", "queue": "10s"}],
                                           workers=2)
        answers = await client.many(60, "acme", "/slow/50")
        self.assertEqual(statuses(answers), {200: 60})
        self.assertEqual([o.most_in_flight for o in origins], [3, 3])
        self.assertEqual([o.counts() for o in origins], [30, 30])


if __name__ == "__main__":
    traffic.main()
