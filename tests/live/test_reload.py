"""Reload by gslbctl and by SIGHUP: good, bad, restart-only keys, a clash with the store."""

import os
import signal

import stack


class Reload(stack.StackTest):
    def setUp(self):
        self.world = stack.World()
        self.stack = self.use(self.world.start())

    def test_new_tenant_and_new_zone_record(self):
        self.stack.fleet["tenants"]["newcomer"] = {"zone": stack.ZONE, "service": "shop"}
        self.stack.zones[stack.ZONE] += "late IN A 192.0.2.81\n"
        self.stack.write()
        self.assertEqual(self.stack.ask("newcomer").rcode, "NXDOMAIN")
        self.stack.ctl("reload")
        self.assertEqual(self.stack.answer("newcomer", "10.1.7.0/24"), self.world.vips["eu"])
        self.assertEqual(self.stack.ask("late").addresses, ["192.0.2.81"])

    def test_only_a_zone_file_changed(self):
        self.stack.zones[stack.ZONE] = self.stack.zones[stack.ZONE].replace("192.0.2.80", "192.0.2.90")
        self.stack.write()
        self.stack.ctl("reload")
        self.assertEqual(self.stack.ask("static").addresses, ["192.0.2.90"])

    def test_sighup(self):
        self.stack.fleet["tenants"]["newcomer"] = {"zone": stack.ZONE, "service": "shop"}
        self.stack.write()
        self.stack.process.send_signal(signal.SIGHUP)
        stack.until(lambda: self.stack.ask("newcomer").rcode == "NOERROR", 1, "the new tenant")

    def refused(self, *words):
        epoch = self.stack.api("GET", "/v1/status")[1]["epoch"]
        out = self.stack.ctl("reload", code=1).stderr
        for word in words:
            self.assertIn(word, out)
        self.assertEqual(self.stack.api("GET", "/v1/status")[1]["epoch"], epoch)
        self.assertEqual(self.stack.answer("acme", "10.1.7.0/24"), self.world.vips["eu"])
        self.assertEqual(self.stack.ask("static").addresses, ["192.0.2.80"])
        self.assertEqual(self.stack.ask("newcomer").rcode, "NXDOMAIN")

    def test_bad_zone_refuses_all(self):
        self.stack.fleet["tenants"]["newcomer"] = {"zone": stack.ZONE, "service": "shop"}
        self.stack.zones[stack.ZONE] += "broken IN A not-an-address\n"
        self.stack.write()
        line = self.stack.zones[stack.ZONE].count("\n")
        self.refused(f"{stack.ZONE}.zone:{line}")

    def test_bad_fleet_reports_everything(self):
        self.stack.fleet["tenants"]["newcomer"] = {"zone": stack.ZONE, "service": "shopp"}
        self.stack.fleet["tenants"]["other"] = {"zone": stack.ZONE, "servise": "shop"}
        self.stack.write()
        self.refused("shopp", "servise", "fleet.yaml:")

    def test_missing_file(self):
        self.stack.write()
        (self.stack.directory / "fleet.yaml").unlink()
        self.refused("fleet.yaml")

    def test_broken_geo_file(self):
        (self.stack.directory / "broken.mmdb").write_bytes(os.urandom(4096))
        self.stack.node["geo"] = ["broken.mmdb"]
        self.stack.write()
        self.refused("broken.mmdb")

    def test_restart_only_key(self):
        self.stack.node["dns"] = {**self.stack.node["dns"], "workers": 2}
        self.stack.write()
        self.refused("dns.workers")

    def test_clash_with_the_store(self):
        self.stack.ctl("tenant", "add", "newcomer2", "--zone", stack.ZONE, "--service", "shop")
        self.stack.fleet["tenants"]["newcomer2"] = {"zone": stack.ZONE, "service": "shop", "regions": ["us"]}
        self.stack.write()
        self.refused("newcomer2")

    def test_bad_sighup_changes_nothing(self):
        self.stack.zones[stack.ZONE] += "broken IN A not-an-address\n"
        self.stack.write()
        self.stack.process.send_signal(signal.SIGHUP)
        stack.until(lambda: f"{stack.ZONE}.zone:" in self.stack.log(), 5, "the log line")
        self.assertEqual(self.stack.answer("acme", "10.1.7.0/24"), self.world.vips["eu"])
        self.assertIsNone(self.stack.process.poll())

    def test_health_of_unchanged_vips_is_kept(self):
        vip = self.world.vips["eu"][0]
        self.stack.origins[vip].kill()
        stack.until(lambda: self.stack.answer("acme", "10.1.7.0/24") != [vip], 5, "the failover")
        self.stack.ctl("reload")
        self.assertNotEqual(self.stack.answer("acme", "10.1.7.0/24"), [vip])


if __name__ == "__main__":
    stack.main()
