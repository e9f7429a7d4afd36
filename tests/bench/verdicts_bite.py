#!/usr/bin/env python3
"""The verdicts of the ratchet and of the table, on made-up measurements: what is worse than it may be, was
lost, or answered with another size than the floor's is never called reached."""
import argparse
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import l7  # noqa: E402
import ratchet  # noqa: E402
import report  # noqa: E402
import soak  # noqa: E402
import table  # noqa: E402


class Ratchet(unittest.TestCase):
    def limits(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "limits")
            path.write_text(text)
            return ratchet.read_limits(path)

    def error(self, key, counts, text):
        return ratchet.judge(key, counts, self.limits(text))[2]

    def test_a_limit_holds_and_is_to_be_lowered(self):
        counts = {("static", 32): 700.0}
        self.assertEqual(self.error(("static", 32), counts, "static 32 700"), "")
        self.assertIn("700.0 instructions per query, at most 699", self.error(("static", 32), counts, "static 32 699"))
        self.assertIn("lower the limit to 721", ratchet.judge(("static", 32), counts, self.limits("static 32 800"))[1])

    def test_a_difference_is_to_the_plain_kind_in_the_same_batch(self):
        counts = {("static", 32): 700.0, ("static", 1): 900.0, ("static+limits", 32): 801.0}
        self.assertEqual(self.error(("static+limits", 32), counts, "static+limits 32 +101"), "")
        self.assertIn("+101.0", self.error(("static+limits", 32), counts, "static+limits 32 +100"))
        del counts["static", 32]
        self.assertIn("was not measured", self.error(("static+limits", 32), counts, "static+limits 32 +101"))

    def test_what_has_no_limit_is_an_error_unless_it_says_so(self):
        counts = {("static", 32): 700.0, ("static+cookie", 32): 900.0}
        self.assertIn("has no limit", self.error(("static", 32), counts, ""))
        self.assertEqual(self.error(("static+cookie", 32), counts, "static+cookie 32 -"), "")

    def test_a_line_that_says_nothing_is_refused(self):
        for line in ("static 32", "static 32 many", "static 32 +100", "static many 100"):
            with self.assertRaises(SystemExit, msg=line):
                self.limits(line)


def rows(kind, rates, **changes):
    return [{"kind": kind, "round": number, "qps": rate, "server_cpu": 1.0, "is_clean": True, "lost": 0, "recv": 10000,
             "mismatch": 0, "badq": 0, "avg_size": 75.0, **changes} for number, rate in enumerate(rates)]


class Table(unittest.TestCase):
    def out(self):
        return table.Report(argparse.Namespace(only=[], rounds=7))

    def test_ratios_are_taken_within_a_round(self):
        """The machine was half as fast in the second round: that changes neither's share."""
        samples = rows("echo:32", [1000, 500, 1000]) + rows(table.OURS, [900, 450, 900])
        self.assertEqual(report.within_rounds(samples, table.OURS, "echo:32"), [0.9, 0.9, 0.9])

    def test_disturbed_samples_do_not_count_where_three_are_clean(self):
        samples = rows(table.OURS, [900, 900, 900]) + rows(table.OURS, [100], is_clean=False)
        self.assertEqual(report.rates(samples), {table.OURS: 900})

    def test_loss_wrong_answers_and_other_sizes_are_told(self):
        floor = rows("echo:32", [1000] * 3)
        for changes, text in (({}, ""), ({"lost": 10}, ""), ({"lost": 11}, "0.11% lost"), ({"recv": 0}, "100.00% lost"),
                              ({"mismatch": 1}, "3 wrong"),
                              ({"avg_size": 70.0}, "replies of 70 octets, the floor's 75")):
            self.assertEqual(table.what_is_wrong(floor + rows(table.OURS, [950] * 3, **changes), "echo:32"), text)

    def test_a_row_is_reached_only_inside_its_bound_and_when_nothing_is_wrong(self):
        out = self.out()
        for ours, bounds, is_ok in ((0.95, {"at_least": 0.95}, True), (0.949, {"at_least": 0.95}, False),
                                    (5.0, {"at_most": 5}, True), (5.1, {"at_most": 5}, False),
                                    (1.0, {"at_least": 0.95, "wrong": "0.2% lost"}, False), (1.0, {}, None)):
            out.add("row", ours, **bounds)
            self.assertIs(out.rows[-1]["is_ok"], is_ok, (ours, bounds))
        out.fail("row", "no peer")
        self.assertIs(out.rows[-1]["is_ok"], False)


    def test_scale_is_judged_by_its_slowest_median_and_by_any_loss(self):
        def times(median):
            return {key: {"median": median, "p95": 50, "most": 90}
                    for key in ("until_answered_ms", "until_all_follow_ms", "control_cpu_ms")}

        def flips(**changes):
            return {"flips": 50, "queries": 1000000, "lost": 0, "wrong": 0, "control_cpu_ms_a_flip": 1,
                    "resident_mb_first": 290, "resident_mb_last": 290, **changes}

        result = {"import": {"wall_s": 20}, "start": {"wall_s": 9, "process_cpu_s": 8, "resident_mb": 300},
                  "reload": {"wall_s": 9, "highest_mb": 600.5, "longest_gap_between_answers_ms": 2},
                  "change": {"index_builds": 0, "add": times(1), "change": times(1), "suspend": times(6),
                             "remove": times(1)},
                  "drain": {"drain": times(4), "restore": times(1)},
                  "flips": {"fifty": flips(lost=1), "every_100_ms": flips(resident_mb_last=310)}}
        out = self.out()
        table.add_scale(out, "1,000,000 tenants", result)
        self.assertEqual({row["what"]: row["is_ok"] for row in out.rows}, {
            "memory, 1,000,000 tenants: steady, MB": True, "the peak of a reload, MB": False,
            "start from the store, 1,000,000 tenants: seconds until ready": True,
            "one tenant changed: ms until answered": True, "one tenant changed: ms of control CPU": False,
            "a region drained: ms until answered": True, "a region drained: ms of control CPU": True,
            "50 flips under load: lost or wrong answers": False,
            "a flip every 100 ms under load: lost or wrong answers": False})


class Proxies(unittest.TestCase):
    def row(self, us, scale, wrong=0):
        out = table.Report(argparse.Namespace(only=[]))
        rows = [{"kind": kind, "round": number, "us": value, "is_clean": True, "wrong": wrong}
                for number in range(3) for kind, value in (("ours", us), ("nginx", 20.0))]
        l7.add_row(out, "row", rows, scale, 13.0)
        return out.rows[-1]

    def test_an_aim_is_scaled_by_the_relay_and_wrong_answers_do_not_count(self):
        self.assertIs(self.row(13.5, 1.05)["is_ok"], True)
        self.assertIs(self.row(13.5, 1.0)["is_ok"], False)
        self.assertIs(self.row(10.0, 1.0, wrong=1)["is_ok"], False)
        self.assertEqual(self.row(13.5, 2.0)["peers"], {"nginx": 10.0})

    def test_memory_that_grows_is_seen_in_spite_of_the_start(self):
        flat = [(second, 50 if second > 100 else 10) for second in range(600)]
        self.assertAlmostEqual(soak.growth(flat, 600), 0)
        self.assertAlmostEqual(soak.growth([(at, mb + at / 300) for at, mb in flat], 600), 2)


if __name__ == "__main__":
    unittest.main(verbosity=0)
