"""Stretches of time on the grid of a series, and which of them hold no candle."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from apps.exchanges.parsing import milliseconds, moment


class Span(NamedTuple):
    """From `start` to `end`, which is not included; UTC milliseconds on the grid."""

    start: int
    end: int

    @classmethod
    def between(cls, start: datetime, end: datetime) -> "Span":
        """The same as moments."""
        return cls(milliseconds(start), milliseconds(end))

    @property
    def starts_at(self) -> datetime:
        """The open time of its first candle."""
        return moment(self.start)

    @property
    def ends_at(self) -> datetime:
        """The end of its last candle."""
        return moment(self.end)

    def count(self, step: int) -> int:
        """How many candles of `step` milliseconds it takes."""
        return (self.end - self.start) // step


def find_holes(times: NDArray[np.int64], within: Span, step: int) -> list[Span]:
    """Where `within` has no candle; `times` are open times in order, all inside it."""
    edges = np.concatenate(([within.start - step], times, [within.end]))
    before = np.flatnonzero(np.diff(edges) > step)
    starts, ends = edges[before] + step, edges[before + 1]
    return [Span(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def subtract(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """What of `spans` none of `others` covers; both in order, neither with overlaps of its own."""
    left, first = [], 0
    for span in spans:
        start = span.start
        while first < len(others) and others[first].end <= start:
            first += 1
        for other in others[first:]:
            if other.start >= span.end:
                break
            if other.start > start:
                left.append(Span(start, other.start))
            start = max(start, other.end)
        if start < span.end:
            left.append(Span(start, span.end))
    return left


def count_candles(spans: Iterable[Span], step: int) -> int:
    """How many candles of `step` milliseconds all of them take."""
    return sum(span.count(step) for span in spans)
