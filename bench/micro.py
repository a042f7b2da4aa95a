"""The rows of Google Benchmark: programs of our own, whose cases are the contestants."""

import dataclasses
import json

from contest import BEFORE, NOT_WORSE, Result, first_line
from figures import Figure
from servers import CORES, RELEASE, ROOT, Failed, pinned, run_program

TIMEOUT = 300
NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


@dataclasses.dataclass(frozen=True)
class Micro:
    name: str
    title: str
    program: str
    counters: dict[str, float]  # by which its values are multiplied, by the name of a metric
    min_time: float

    def run(self, settings, say):
        """Against another build, the two programs take turns, a repetition each."""
        result = Result(self.name, self.title)
        say(f"{self.name}: {self.program}")
        try:
            if settings.against is None:
                self._measure(RELEASE, settings.rounds, "{}", result)
            for _ in range(settings.rounds if settings.against else 0):
                self._measure(RELEASE, 1, "{}", result)
                self._measure(settings.against, 1, BEFORE, result)
        except Failed as error:
            result.note(f"could not be measured: {first_line(error)}")
            return result
        for case, metrics in result.samples.items():
            before = BEFORE.format(case)
            held = settings.against and before in result.samples
            result.figures += [Figure(case, metric, before if held else None, NOT_WORSE if held else None)
                               for metric in metrics]
        return result

    def _measure(self, build, repetitions, name, result):
        text = run_program(
            [*pinned(CORES.server), str(build / "bin" / self.program), "--benchmark_format=json",
             f"--benchmark_min_time={self.min_time}", f"--benchmark_repetitions={repetitions}"],
            TIMEOUT, BENCH_DIRECTORY=str(ROOT / "build"))
        for case, metrics in samples(json.loads(text)["benchmarks"], self.counters).items():
            for metric, values in metrics.items():
                result.samples.setdefault(name.format(case), {}).setdefault(metric, []).extend(values)


def samples(runs, counters):
    """{case: {metric: values}}"""
    found = {}
    for run in runs:
        if run["run_type"] != "iteration":
            continue  # means and medians of Google's own
        case = found.setdefault(run["run_name"].removesuffix("/real_time"), {})
        case.setdefault("ns", []).append(run["real_time"] * NANOSECONDS[run["time_unit"]])
        for counter, factor in counters.items():
            if counter in run:
                case.setdefault(COUNTER_NAMES.get(counter, counter), []).append(run[counter] * factor)
    return found


COUNTER_NAMES = {"per_message": "ns a message"}

ROWS = (
    Micro("publish", "one publish, up to the shards' inboxes; the number is of subscribers", "publish_bench",
          {"allocations": 1}, 0.2),
    Micro("store", "one commit; the number is of messages that wait for it", "store_bench",
          {"per_message": 1e9, "commits": 1}, 0.2),
    Micro("real", "one REAL message of Kiwoom's: parsed, and its price_update written", "kiwoom_bench",
          {"allocations": 1}, 0.2),
)
