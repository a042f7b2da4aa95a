"""A row: contestants that are measured in turn, round by round, so that what disturbs the machine
disturbs them all."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

from figures import Figure, Target, line
from servers import Failed, Skipped, put_load_on


@dataclasses.dataclass(frozen=True)
class Settings:
    rounds: int
    seconds: float
    warmup: float = 1
    against: pathlib.Path | None = None  # a build of an earlier version, which every host is held against


@dataclasses.dataclass(frozen=True)
class Metric:
    name: str
    of: Callable[[dict], float | None]  # a report of the load generator


@dataclasses.dataclass(frozen=True)
class Contestant:
    name: str
    server: Callable[[], Any]  # a context manager with port, path and pid; Skipped if it is not to be had
    load: tuple[str, ...] = ()  # arguments of the load generator
    cores: tuple[int, ...] | None = None  # of the load
    deliveries_per_s: float | None = None  # that it should come to
    takes_build: bool = False  # `server` is of this project and takes `build`


@dataclasses.dataclass
class Result:
    """What became of a row; `samples[contestant][metric]` has a place for each round."""

    name: str
    title: str
    samples: dict = dataclasses.field(default_factory=dict)
    figures: list[Figure] = dataclasses.field(default_factory=list)
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def lines(self):
        return [made for figure in self.figures if (made := line(figure, self.samples))]


BEFORE = "{}, before"
NOT_WORSE = Target(1.03)


def beside_before(contestants, metrics, build):
    """Each host, and right beside it the same one of an earlier build; what is no host is left out."""
    pairs, figures = [], []
    for contestant in contestants:
        if not contestant.takes_build:
            continue
        before = dataclasses.replace(contestant, name=BEFORE.format(contestant.name),
                                     server=functools.partial(contestant.server, build=build))
        pairs += [contestant, before]
        figures += [Figure(contestant.name, metric.name, before.name, NOT_WORSE) for metric in metrics]
        figures += [Figure(before.name, metric.name) for metric in metrics]
    return pairs, figures


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    contestants: Callable[[Settings], list[Contestant]]
    metrics: tuple[Metric, ...]
    figures: Callable[[list[str]], list[Figure]]  # of the contestants' names, in the order of the table

    def run(self, settings, say):
        result = Result(self.name, self.title)
        try:
            contestants = self.contestants(settings)
        except (Failed, AssertionError, OSError) as error:
            result.note(f"could not be measured: {first_line(error)}")
            return result
        result.figures = self.figures([contestant.name for contestant in contestants])
        if settings.against:
            contestants, result.figures = beside_before(contestants, self.metrics, settings.against)
        result.samples = {contestant.name: {metric.name: [] for metric in self.metrics}
                          for contestant in contestants}
        for turn in range(settings.rounds):
            begin = turn % len(contestants)  # who comes first changes
            for contestant in contestants[begin:] + contestants[:begin]:
                if contestant.name in result.skipped:
                    continue
                say(f"{self.name}: round {turn + 1} of {settings.rounds}, {contestant.name}")
                report = self._sample(contestant, settings, result)
                for metric in self.metrics:
                    result.samples[contestant.name][metric.name].append(report and metric.of(report))
        return result

    def _sample(self, contestant, settings, result):
        """The load generator's report, or None."""
        try:
            with contestant.server() as server:
                report = put_load_on(server, contestant.load, settings.seconds, settings.warmup, contestant.cores)
        except Skipped as reason:
            result.skipped[contestant.name] = str(reason)
            return None
        except (Failed, AssertionError, OSError) as error:
            self._on_failure(contestant.name, error, result)
            return None
        for text in doubts(report, contestant):
            result.note(f"{contestant.name}: {text}")
        return report

    def _on_failure(self, name, error, result):
        if why := no_fault_of_its_own(error):
            result.skipped[name] = why
            return
        result.note(f"{name}: a round without a figure: {first_line(error)}")
        if None in result.samples[name][self.metrics[0].name]:
            result.skipped[name] = "it has failed twice"  # each time may take minutes


def first_line(error):
    return str(error).strip().splitlines()[0]


def no_fault_of_its_own(error):
    """What this build or this machine lacks, or None."""
    if "permessage-deflate was offered" in str(error):
        return "the server does not deflate"
    if "raise the hard limit" in str(error):
        return first_line(error)
    return None


def doubts(report, contestant):
    """What makes a figure mean something else than it says. Numbers are left out, so that each is said once."""
    if report["load_cpu_s"] > 0.97 * report["seconds"] > 0:
        yield "the load generator had no time left: latencies are its own too"
    if report["gaps"] > 0:
        yield "did not deliver every message"
    wanted = contestant.deliveries_per_s
    if wanted and report["messages"] < 0.95 * wanted * report["seconds"]:
        yield f"came to less than 95 % of the {wanted:,.0f} deliveries a second that were asked for"
