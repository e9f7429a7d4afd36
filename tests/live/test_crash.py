"""kill -9 at random moments during 200 changes: after the restart every acknowledged change is there
and none is half-done."""

import http.client
import os
import random
import threading

import stack

CHANGES, KILLS = 200, 8
SEED = int(os.environ.get("GSLB_SEED", random.randrange(1 << 32)))


class Crash(stack.StackTest):
    def setUp(self):
        self.random = random.Random(SEED)
        print(f"GSLB_SEED={SEED}")
        world = stack.World()
        del world.fleet["services"]["shop"]["check"]
        self.stack = self.use(world.start())
        self.tenants = {}  # id -> regions, of the store
        self.shares = {}   # region -> share

    # What the model becomes, and the call that makes it so. Pairs of tenants come by one document and
    # two regions by one flip, so that a half-done change would show.
    def random_change(self, number):
        kind = self.random.choice(("pair", "add", "set", "remove", "drain", "restore", "flip"))
        tenants, shares = dict(self.tenants), dict(self.shares)
        path = "/v1/tenants/"
        if kind == "pair":
            names = [f"p{number}-a", f"p{number}-b"]
            objects = {name: {"zone": stack.ZONE, "service": "shop", "regions": ["us"]} for name in names}
            tenants.update({name: ("us",) for name in names})
            call = ("POST", "/v1/apply", {"tenants": objects})
        elif kind in ("set", "remove") and tenants:
            name = self.random.choice(sorted(tenants))
            if kind == "remove":
                del tenants[name]
                call = ("DELETE", path + name, None)
            else:
                tenants[name] = ("ap", "eu")
                call = ("PUT", path + name, {"zone": stack.ZONE, "service": "shop", "regions": ["ap", "eu"]})
        elif kind == "drain":
            region = self.random.choice(sorted(stack.REGIONS))
            shares[region] = self.random.randrange(100)
            call = ("PUT", f"/v1/controls/regions/{region}", {"share": shares[region]})
        elif kind == "restore" and shares:
            region = self.random.choice(sorted(shares))
            del shares[region]
            call = ("gslbctl", "region", "restore", region)
        elif kind == "flip":
            shares.update(eu=0, us=100)
            call = ("gslbctl", "flip", "eu", "us")
        else:
            tenants[f"t{number}"] = ("eu",)
            call = ("PUT", path + f"t{number}", {"zone": stack.ZONE, "service": "shop", "regions": ["eu"]})
        return tenants, shares, call

    def tell(self, call):
        """Whether the change was acknowledged. Anything but a lost gslbd is a failure."""
        if call[0] == "gslbctl":
            done = self.stack.ctl(*call[1:], code=None)
            if done.returncode != 0:
                stack.until(lambda: self.stack.process.poll() is not None, 1, f"the end after {done.stderr}")
            return done.returncode == 0
        try:
            status, body = self.stack.api(*call)
        except (OSError, http.client.HTTPException):
            return False
        self.assertIn(status, (200, 201), f"{call}: {body}")
        return True

    def seen(self):
        items, after = [], ""
        while True:
            page = self.stack.api("GET", f"/v1/tenants?limit=1000{after}")[1]
            items += page["items"]
            if not page["next"]:
                break
            after = f"&after={page['next']}"
        tenants = {item["id"]: tuple(item["regions"]) for item in items if item["source"] == "store"}
        shares = {item["id"]: item["control"]["share"] for item in self.stack.api("GET", "/v1/regions")[1]["items"]
                  if item["control"]}
        return tenants, shares

    def arm(self):
        timer = threading.Timer(self.random.uniform(0.005, 0.25), self.stack.process.kill)
        timer.start()
        return timer

    def check_answers(self):
        for name in self.tenants:
            self.assertEqual(self.stack.ask(name, client="10.1.7.0/24").rcode, "NOERROR", name)

    def test_acknowledged_changes_survive(self):
        number, kills, unclear = 0, 0, 0
        timer = self.arm()
        while number < CHANGES or kills < KILLS:
            number += 1
            tenants, shares, call = self.random_change(number)
            if self.tell(call):
                self.tenants, self.shares = tenants, shares
                continue
            timer.join()
            self.stack.process.wait()
            kills += 1
            self.stack.start()
            now = self.seen()
            self.assertIn(now, [(self.tenants, self.shares), (tenants, shares)])
            unclear += now == (tenants, shares)
            self.tenants, self.shares = now
            self.check_answers()
            if kills < KILLS:
                timer = self.arm()
        timer.join()
        print(f"{number} changes, {kills} kills; {unclear} changes were done though not acknowledged")
        self.stack.stop_quietly()
        self.stack.start()
        self.assertEqual(self.seen(), (self.tenants, self.shares))
        self.check_answers()


if __name__ == "__main__":
    stack.main()
