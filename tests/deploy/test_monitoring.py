"""Alerts and dashboard use only names and labels that a live gslbd has, and each alert is explained."""

import json
import pathlib
import re
import sys
import unittest

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "live"))
import forwarders  # noqa: E402
import stack  # noqa: E402
import test_load  # noqa: E402
import test_metrics  # noqa: E402

BY_PROMETHEUS = {"instance", "job", "le"}


def rules():
    groups = yaml.safe_load((ROOT / "packaging/prometheus/gslb.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard():
    return json.loads((ROOT / "packaging/grafana/gslb.json").read_text())


def dashboard_expressions():
    shown = dashboard()
    return [target["expr"] for panel in shown["panels"] for target in panel["targets"]]


def uses(expression):
    """[(metric, labels of its selector)], and all labels that the expression groups by or joins on."""
    selectors = [(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside or "")))
                 for name, inside in re.findall(r"\b(gslb_\w+)(?:\{([^}]*)\})?", expression)]
    grouped = {label for inside in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
               for label in re.findall(r"\w+", inside)}
    return selectors, grouped


class Monitoring(stack.StackTest):
    def metrics(self):
        """{name: labels} of a node on which something has happened."""
        made = self.use(stack.World().start())
        made.answer("acme", stack.CLIENTS["eu"])
        self.assertEqual(test_load.Forwarder(made, "fwd-1", "eu").report()[0], 200)
        made.ctl("region", "drain", "us", "--for", "1h", "--reason", "test")
        origin = forwarders.Origin()
        self.addCleanup(origin.stop)
        forwarder = forwarders.Forwarder(forwarders.fleet([origin]))
        self.addCleanup(forwarder.stop)
        client = forwarder.start().client()
        self.addCleanup(client.close)
        client.send(forwarders.request()).read()
        names = {name: set(test_metrics.FORWARDER_NAMES[name]) for name in test_metrics.ONLY_WITH}
        for line in (made.page("/metrics")[1] + forwarder.api("GET", "/metrics")[1]).splitlines():
            if line.startswith("# TYPE "):
                names.setdefault(line.split()[2], set())
            elif not line.startswith("#"):
                name, inside = re.match(r"(\w+)(?:\{(.*)\})?", line).groups()
                names.setdefault(name, set()).update(re.findall(r'(\w+)="', inside or ""))
        names["gslb_geo_build_timestamp_seconds"].add("file")  # no geography here
        return names

    def test_names_exist(self):
        names = self.metrics()
        expressions = [rule["expr"] for rule in rules()] + dashboard_expressions()
        used = set()
        for expression in expressions:
            selectors, grouped = uses(expression)
            allowed = set(BY_PROMETHEUS)
            for name, labels in selectors:
                self.assertIn(name, names, expression)
                self.assertLessEqual(labels, names[name] | BY_PROMETHEUS, expression)
                allowed |= names[name]
                used.add(re.sub("_bucket$", "", name))
            self.assertLessEqual(grouped, allowed, expression)
        self.assertGreater(len(used), 15)
        for variable in dashboard()["templating"]["list"][1:]:
            name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups()
            self.assertIn(label, names[name] | BY_PROMETHEUS)

    def test_summaries_name_labels_that_stay(self):
        """An aggregation drops all labels that it does not name."""
        for rule in rules():
            grouped = uses(rule["expr"])[1]
            if re.search(r"\bby \(", rule["expr"]):
                wanted = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
                self.assertLessEqual(wanted, grouped, rule["alert"])

    def test_each_alert_is_explained(self):
        text = (ROOT / "docs/operations.md").read_text()
        for rule in rules():
            self.assertIn(f"`{rule['alert']}`", text)

    def test_panels_stand_apart(self):
        shown = dashboard()
        self.assertEqual(len({panel["id"] for panel in shown["panels"]}), len(shown["panels"]))
        taken = set()
        for panel in shown["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(taken & cells, panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24)
            taken |= cells


if __name__ == "__main__":
    stack.main()
