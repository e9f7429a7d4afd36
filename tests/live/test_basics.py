"""DNS as a resolver sees it, asked with dig and kdig: UDP, TCP, tenants, static names, refusals."""

import re

import stack


class Basics(stack.StackTest):
    @classmethod
    def setUpClass(cls):
        world = stack.World()
        world.fleet["services"]["shop"]["vips"] = {
            region: [*addresses, f"2001:db8:{i + 1}::11"]
            for i, (region, addresses) in enumerate(world.vips.items())}
        del world.fleet["services"]["shop"]["check"]
        cls.stack = world.start()
        cls.vips = world.vips

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    def test_each_region_answers_its_own_clients(self):
        for region, client in stack.CLIENTS.items():
            out = self.stack.dig(f"+subnet={client}", "acme.app.example.net", "A")
            self.assertIn("status: NOERROR", out)
            self.assertRegex(out, r"flags: qr aa rd;")
            self.assertIn(self.vips[region][0], out)

    def test_both_families_come_from_one_region(self):
        for i, client in enumerate(stack.CLIENTS.values()):
            out = self.stack.dig(f"+subnet={client}", "+short", "acme.app.example.net", "AAAA")
            self.assertEqual(out.strip(), f"2001:db8:{i + 1}::11")

    def test_tcp_answers_like_udp(self):
        udp = self.stack.dig(f"+subnet={stack.CLIENTS['us']}", "+short", "acme.app.example.net", "A")
        tcp = self.stack.dig(f"+subnet={stack.CLIENTS['us']}", "+short", "+tcp", "acme.app.example.net", "A")
        self.assertEqual(udp, tcp)
        self.assertEqual(tcp.strip(), self.vips["us"][0])

    def test_several_questions_on_one_connection(self):
        out = self.stack.kdig("+tcp", "+keepopen", "static.app.example.net", "A", "static.app.example.net", "TXT")
        self.assertIn("192.0.2.80", out)
        self.assertIn('"hello"', out)

    def test_scope_stands_in_the_answer(self):
        out = self.stack.kdig(f"+subnet={stack.CLIENTS['eu']}", "acme.app.example.net", "A")
        scope = re.search(r"CLIENT-SUBNET: 10\.1\.7\.0/24/(\d+)", out)
        self.assertTrue(scope, out)
        self.assertGreater(int(scope[1]), 0)
        self.assertLessEqual(int(scope[1]), 24)

    def test_no_subnet_in_none_out(self):
        out = self.stack.kdig("+edns", "acme.app.example.net", "A")
        self.assertNotIn("CLIENT-SUBNET", out)
        self.assertIn("status: NOERROR", out)

    def test_static_names_have_scope_zero(self):
        out = self.stack.kdig(f"+subnet={stack.CLIENTS['eu']}", "static.app.example.net", "A")
        self.assertIn("CLIENT-SUBNET: 10.1.7.0/24/0", out)

    def test_alias_leads_to_the_tenant(self):
        out = self.stack.dig(f"+subnet={stack.CLIENTS['ap']}", "alias.app.example.net", "A")
        self.assertIn("acme.app.example.net.", out)
        self.assertIn(self.vips["ap"][0], out)

    def test_unknown_name_is_nxdomain_with_soa(self):
        out = self.stack.dig("nobody.app.example.net", "A")
        self.assertIn("status: NXDOMAIN", out)
        self.assertRegex(out, r"app\.example\.net\.\s+60\s+IN\s+SOA")

    def test_other_type_of_a_tenant_is_nodata(self):
        for kind in ("MX", "HTTPS"):
            out = self.stack.dig("acme.app.example.net", kind)
            self.assertIn("status: NOERROR", out)
            self.assertIn("ANSWER: 0", out)
            self.assertIn("SOA", out)

    def test_outside_is_refused_with_a_reason(self):
        out = self.stack.kdig("+edns", "www.example.org", "A")
        self.assertIn("REFUSED", out)
        self.assertRegex(out, r"EDE.*20")

    def test_resident_tenant_never_leaves_its_region(self):
        for client in stack.CLIENTS.values():
            self.assertEqual(self.stack.answer("resident", client), self.vips["eu"])
        self.stack.ctl("region", "drain", "eu", "--reason", "test")
        for client in stack.CLIENTS.values():
            self.assertEqual(self.stack.answer("resident", client), self.vips["eu"])
        self.stack.ctl("region", "force-down", "eu")
        for client in stack.CLIENTS.values():
            self.assertEqual(self.stack.answer("resident", client), [])
        self.stack.ctl("region", "restore", "eu")


if __name__ == "__main__":
    stack.main()
