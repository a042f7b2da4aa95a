"""What is made of the samples: medians, spreads, ratios, and whether a target is met. Pure."""

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Target:
    limit: float
    at_least: bool = False

    def is_met_by(self, value):
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self):
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of a row. With `against`, a contestant of the same row, `target` is about the ratio."""

    contestant: str
    metric: str
    against: str | None = None
    target: Target | None = None


@dataclasses.dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Line:
    figure: Figure
    value: Spread
    ratio: Spread | None
    met: bool | None  # None: there is no target, or nothing to hold against it


def spread(values):
    """Of the values that are there; None if there is none."""
    known = [value for value in values if value is not None]
    return Spread(statistics.median(known), min(known), max(known)) if known else None


def ratios(values, floors):
    """Of each round in which both are there: what slows a whole round down is in neither."""
    return [value / floor for value, floor in zip(values, floors) if value is not None and floor]


def line(figure, samples):
    """`samples[contestant][metric]` are the values of the rounds. None if the contestant has none."""
    values = samples.get(figure.contestant, {}).get(figure.metric, [])
    value = spread(values)
    if value is None:
        return None
    ratio = None
    if figure.against is not None:
        ratio = spread(ratios(values, samples.get(figure.against, {}).get(figure.metric, [])))
    judged = value if figure.against is None else ratio
    met = figure.target.is_met_by(judged.median) if figure.target and judged else None
    return Line(figure, value, ratio, met)
