"""The metrics page: it parses as Prometheus text, has the promised names, and counts what happened."""

import re

import stack
import test_load

LINE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (-?[0-9.]+(?:e[+-]?\d+)?|NaN|[+-]Inf)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)')

# What docs/metrics.md promises: {name: labels}.
ROW = re.compile(r"^\| `(\w+)` \| \w+ \| ([^|]*) \|", re.M)
NAMES = {name: set() if labels == "–" else set(labels.split(", "))
         for name, labels in ROW.findall((stack.ROOT / "docs/metrics.md").read_text())}
FORWARDER_NAMES = {name: labels for name, labels in NAMES.items() if name.startswith("gslb_forwarder_")}
NAMES = {name: labels for name, labels in NAMES.items() if name not in FORWARDER_NAMES}
# With a directory of certificates, or where gslbd is followed.
ONLY_WITH = {"gslb_forwarder_certificates", "gslb_forwarder_certificate_expiry_seconds", "gslb_forwarder_feed_open",
             "gslb_forwarder_set_aside", "gslb_forwarder_load_report_age_seconds"}


def parse(text):
    """{name: [(labels, value)]}; fails on anything that a scraper would not read."""
    samples, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"two TYPE lines for {name}"
            types[name] = kind
        if line.startswith("#") or not line:
            continue
        match = LINE.match(line)
        assert match, f"not a sample: {line!r}"
        labels = dict(LABEL.findall(match[3] or ""))
        assert ",".join(f'{k}="{v}"' for k, v in labels.items()) == (match[3] or "").rstrip(","), line
        samples.setdefault(match[1], []).append((labels, float(match[4])))
    for name in samples:
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in types or family in types, f"{name} has no TYPE"
    for name, rows in samples.items():
        keys = [tuple(sorted(labels.items())) for labels, _ in rows]
        assert len(keys) == len(set(keys)), f"{name}: one series twice"
    return samples


class Metrics(stack.StackTest):
    def setUp(self):
        self.world = stack.World()
        self.stack = self.use(self.world.start())

    def metrics(self):
        status, text = self.stack.page("/metrics")
        self.assertEqual(status, 200)
        return parse(text)

    @staticmethod
    def value(samples, name, **labels):
        return sum(value for found, value in samples.get(name, [])
                   if all(found.get(key) == wanted for key, wanted in labels.items()))

    def test_names_and_labels(self):
        self.stack.ctl("region", "drain", "ap", "--share", "40", "--for", "1h")
        self.assertEqual(test_load.Forwarder(self.stack, "fwd-1", "eu").report()[0], 200)
        self.stack.answer("acme", "10.1.7.0/24")
        samples = self.metrics()
        self.assertGreater(len(NAMES), 25)
        for name, labels in NAMES.items():
            rows = samples.get(name) or samples.get(f"{name}_bucket")
            if "file" in labels:  # this node has no geography
                continue
            self.assertTrue(rows, f"{name} is missing")
            self.assertEqual(set(rows[0][0]) - {"le"}, labels, name)
        self.assertEqual(self.value(samples, "gslb_control_share", region="ap", service=""), 40)
        self.assertEqual(self.value(samples, "gslb_control_share", region="eu", service=""), 100)
        left = self.value(samples, "gslb_control_expiry_seconds", region="ap", service="")
        self.assertTrue(3590 < left <= 3600 or left > 1e9, left)
        self.assertEqual(self.value(samples, "gslb_ready"), 1)

    def test_counters_count(self):
        before = self.metrics()
        for _ in range(10):
            self.stack.answer("acme", "10.1.7.0/24")
        for _ in range(3):
            self.stack.ask("nobody")
        self.stack.dig("+tcp", "static.app.example.net", "TXT")

        def grew(name, **labels):
            return self.value(self.metrics(), name, **labels) - self.value(before, name, **labels)
        self.assertEqual(grew("gslb_dns_queries_total", transport="udp", type="A"), 13)
        self.assertEqual(grew("gslb_dns_queries_total", transport="tcp", type="TXT"), 1)
        self.assertEqual(grew("gslb_dns_responses_total", transport="udp", rcode="NXDOMAIN"), 3)
        self.assertEqual(grew("gslb_dns_answers_total", service="shop", region="eu"), 10)
        self.assertEqual(grew("gslb_dns_tenant_queries_total", tenant="acme"), 10)
        self.assertEqual(grew("gslb_dns_batch_seconds_count", transport="udp"), 13)

    def test_health(self):
        vip = self.world.vips["eu"][0]
        self.assertEqual(self.value(self.metrics(), "gslb_health_up", vip=vip), 1)
        self.stack.origins[vip].kill()
        stack.until(lambda: self.stack.answer("acme", "10.1.7.0/24") != [vip], 5, "the failover")
        samples = self.metrics()
        self.assertEqual(self.value(samples, "gslb_health_up", vip=vip), 0)
        self.assertGreaterEqual(self.value(samples, "gslb_health_transitions_total", vip=vip), 1)
        self.assertGreater(self.value(samples, "gslb_health_probe_seconds_count", check="web"), 0)

    def test_only_three_pages(self):
        self.assertEqual(self.stack.page("/healthz")[0], 200)
        status, text = self.stack.page("/readyz")
        self.assertEqual((status, text.replace(" ", "").strip()), (200, '{"ready":true}'))
        self.assertEqual(self.stack.page("/v1/status")[0], 404)


if __name__ == "__main__":
    stack.main()
