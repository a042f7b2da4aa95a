#!/usr/bin/python3
"""What is made of samples: the figures, the table, the chart; and that the rows ask for what they measure."""

import pathlib
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import chart  # noqa: E402
import micro  # noqa: E402
import peer_rows  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402
from contest import Contestant, Metric, Result, Row, Settings, beside_before  # noqa: E402
from figures import Figure, Spread, Target, line, ratios, spread  # noqa: E402
from servers import Failed, Skipped, merged  # noqa: E402

SAMPLES = {"host": {"cpu": [2.0, 9.0, None, 4.4]}, "floor": {"cpu": [2.0, 10.0, 3.0, 4.0]}}


class FiguresTest(unittest.TestCase):
    def test_a_spread_leaves_out_rounds_without_a_value(self):
        self.assertEqual(spread([5, None, 1, 3]), Spread(3, 1, 5))
        self.assertIsNone(spread([None]))

    def test_ratios_are_of_the_same_round(self):
        self.assertEqual(ratios([2, None, 9], [1, 5, 3]), [2, 3])

    def test_a_target_against_a_floor_is_about_the_median_of_the_ratios(self):
        made = line(Figure("host", "cpu", "floor", Target(1.0)), SAMPLES)
        self.assertEqual((made.ratio, made.met), (Spread(1.0, 0.9, 1.1), True))
        self.assertFalse(line(Figure("host", "cpu", "floor", Target(0.99)), SAMPLES).met)

    def test_a_target_alone_is_about_the_median(self):
        self.assertTrue(line(Figure("host", "cpu", target=Target(4.4)), SAMPLES).met)
        self.assertFalse(line(Figure("host", "cpu", target=Target(5, at_least=True)), SAMPLES).met)

    def test_without_a_floor_nothing_is_judged(self):
        made = line(Figure("host", "cpu", "gone", Target(1.0)), SAMPLES)
        self.assertEqual((made.ratio, made.met), (None, None))
        self.assertIsNone(line(Figure("gone", "cpu"), SAMPLES))


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.result = Result("steady", "a < b", SAMPLES, [Figure("host", "cpu", "floor", Target(0.95)),
                                                          Figure("floor", "cpu")], {"ring": "forbidden"})

    def test_the_table_says_what_was_missed_and_skipped(self):
        text = report.as_text(self.result)
        self.assertRegex(text, r"host +cpu +4\.4 +2 – 9 +1\.00 \(0\.90 – 1\.10\) +floor +≤ 0\.95 +MISSED")
        self.assertIn("(ring: skipped, forbidden)", text)

    def test_the_chart_has_a_bar_for_each_target(self):
        drawing = xml.etree.ElementTree.fromstring(chart.as_svg([self.result, self.result], "a < b"))
        bars = [shape for shape in drawing.iter("{http://www.w3.org/2000/svg}rect")
                if shape.get("fill") == chart.MISSED]
        self.assertEqual(len(bars), 2)
        self.assertAlmostEqual(float(bars[0].get("width")), chart.BAR / chart.LONGEST / 0.95, 1)

    def test_googles_own_medians_are_left_out(self):
        run = {"run_name": "case/1/real_time", "run_type": "iteration", "real_time": 2.0, "time_unit": "us",
               "per_message": 3e-6}
        found = micro.samples([run, run, {**run, "run_type": "aggregate"}], {"per_message": 1e9})
        self.assertEqual(found, {"case/1": {"ns": [2000, 2000], "ns a message": [3000, 3000]}})


class RowsTest(unittest.TestCase):
    def run_row(self, rounds, server):
        row = Row("row", "", lambda _: [Contestant("host", server)], (Metric("cpu", lambda _: 1),),
                  lambda _: [Figure("host", "cpu")])
        return row.run(Settings(rounds, 1), lambda _: None)

    def test_every_figure_is_of_something_measured(self):
        for row in (*rows.ROWS, *peer_rows.ROWS):
            if row is rows.LATENCY:  # whose contestants are found by measuring
                continue
            names = [contestant.name for contestant in row.contestants(Settings(1, 1))]
            metrics = [metric.name for metric in row.metrics]
            self.assertEqual(len(set(names)), len(names))
            for figure in row.figures(names):
                self.assertIn(figure.contestant, names)
                self.assertIn(figure.against, [None, *names])
                self.assertIn(figure.metric, metrics)

    def test_an_earlier_build_stands_beside_each_host_and_nothing_else(self):
        row = next(row for row in rows.ROWS if row.name == "steady")
        pairs, figures = beside_before(row.contestants(Settings(1, 1)), row.metrics, pathlib.Path("old"))
        self.assertEqual([contestant.name for contestant in pairs],
                         ["host, io_uring", "host, io_uring, before", "host, sendmsg", "host, sendmsg, before"])
        self.assertEqual(pairs[1].server.keywords, {"build": pathlib.Path("old")})
        self.assertEqual(figures[0], Figure("host, io_uring", "CPU µs a delivery", "host, io_uring, before", Target(1.03)))

    def test_who_cannot_start_is_asked_once(self):
        asked = []

        def server():
            asked.append(1)
            raise Skipped("not installed")

        self.assertEqual(self.run_row(3, server).skipped, {"host": "not installed"})
        self.assertEqual(len(asked), 1)

    def test_who_fails_twice_is_given_up(self):
        asked = []

        def server():
            asked.append(1)
            raise Failed(f"failure {len(asked)}")

        result = self.run_row(5, server)
        self.assertEqual(result.notes, [f"host: a round without a figure: failure {i}" for i in (1, 2)])
        self.assertIn("host", result.skipped)

    def test_changes_lie_over_a_config(self):
        config = {"server": {"threads": 1}, "topics": [1]}
        self.assertEqual(merged(config, {"server": {"flush": "auto"}, "topics": []}),
                         {"server": {"threads": 1, "flush": "auto"}, "topics": []})


if __name__ == "__main__":
    unittest.main()
