"""What a series holds and lacks, in words and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

import numpy as np
from django.db import connection

from apps.domain.candles import EPOCH, Timeframe
from apps.markets.history.reading import list_asked, load_times
from apps.markets.history.spans import Span, count_candles, find_holes, subtract
from apps.markets.models import Series

_DAY_MS = 86_400_000
# What was asked for counts as far as the series reaches; what is not stored there the exchange has not.
_SUMMARIES = """
SELECT series.id, series.timeframe, oldest.opened_at, newest.opened_at,
       (SELECT count(*) FROM markets_candle WHERE series_id = series.id),
       (SELECT coalesce(sum(extract(epoch FROM span.till - span.since)
                            / extract(epoch FROM series.timeframe::interval)
                            - (SELECT count(*) FROM markets_candle
                               WHERE series_id = series.id
                                 AND opened_at >= span.since AND opened_at < span.till)), 0)
        FROM markets_askedrange AS asked CROSS JOIN LATERAL (
            SELECT greatest(asked.start, oldest.opened_at) AS since,
                   least(asked."end", newest.opened_at + series.timeframe::interval) AS till) AS span
        WHERE asked.series_id = series.id AND span.since < span.till)
FROM markets_series AS series
LEFT JOIN LATERAL (SELECT opened_at FROM markets_candle WHERE series_id = series.id
                   ORDER BY opened_at LIMIT 1) AS oldest ON true
LEFT JOIN LATERAL (SELECT opened_at FROM markets_candle WHERE series_id = series.id
                   ORDER BY opened_at DESC LIMIT 1) AS newest ON true
WHERE series.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A series from its first to its last candle; `absent` are those that its exchange has not."""

    timeframe: Timeframe
    first: datetime | None
    last: datetime | None
    count: int
    absent: int

    @property
    def end(self) -> datetime | None:
        """When its last candle closed."""
        return self.last and self.last + self.timeframe.duration

    @property
    def missing(self) -> int:
        """How many candles are not there and were never asked for."""
        if self.first is None or self.last is None:
            return 0
        return (self.last - self.first) // self.timeframe.duration + 1 - self.count - self.absent

    def describe_span(self) -> str:
        """From when to when."""
        if self.first is None or self.last is None:
            return "no candles"
        return f"{self.first:%Y-%m-%d %H:%M} to {self.last:%Y-%m-%d %H:%M}"

    def describe_gaps(self) -> str:
        """What it lacks, in words."""
        if self.first is None:
            return ""
        outage = f"; the exchange has none for {self.absent:,}" if self.absent else ""
        if not self.missing:
            return f"complete{outage}"
        share = self.missing / (self.missing + self.count)
        words = f"{share:.2%}" if share >= 0.0001 else "less than 0.01%"
        return f"{self.missing:,} missing ({words}){outage}"


def summarize(series_ids: Sequence[int]) -> dict[int, Summary]:
    """What each of these series holds, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARIES, [list(series_ids)])
        rows = cursor.fetchall()
    return {
        series_id: Summary(
            timeframe=Timeframe(timeframe),
            first=first,
            last=last,
            count=count,
            absent=round(absent),
        )
        for series_id, timeframe, first, last, count, absent in rows
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Days in a row of one year that are alike: `full`, `partial` or `empty`; `day` is 0 on 1 January."""

    state: str
    day: int
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """The days of a year, and how many of those that the series reaches over are full."""

    number: int
    stretches: list[Stretch]
    full: int
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Candles that are not there, from the first one's open to the last one's close."""

    start: datetime
    end: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The days of a series, newest year first, its gaps, and what its exchange has not; the longest first."""

    years: list[Year]
    gaps: list[Gap]
    outages: list[Gap]


def read_coverage(series: Series, summary: Summary) -> Coverage:
    """From the first to the last candle of a series."""
    if summary.first is None or summary.end is None:
        return Coverage(years=[], gaps=[], outages=[])
    step = summary.timeframe.milliseconds
    within = Span.between(summary.first, summary.end)
    times = load_times(series=series, start=summary.first, end=summary.end)
    holes = find_holes(times, within, step)
    missing = subtract(holes, list_asked(series))
    first_day = within.start // _DAY_MS
    days = -(-within.end // _DAY_MS) - first_day
    counts = np.bincount(times // _DAY_MS - first_day, minlength=days)
    states = np.where(counts > 0, "full", "empty").astype("U7")
    for span in missing:
        touched = slice(span.start // _DAY_MS - first_day, -(-span.end // _DAY_MS) - first_day)
        states[touched] = np.where(states[touched] == "empty", "empty", "partial")
    return Coverage(
        years=_split_years(EPOCH + timedelta(days=int(first_day)), states.tolist()),
        gaps=_to_gaps(missing, step),
        outages=_to_gaps(subtract(holes, missing), step),
    )


def _split_years(start: datetime, states: list[str]) -> list[Year]:
    days = [(start + timedelta(days=number), state) for number, state in enumerate(states)]
    years = []
    for number, chosen in groupby(days, key=lambda day: day[0].year):
        of_year = list(chosen)
        stretches, day = [], (of_year[0][0] - datetime(number, 1, 1, tzinfo=UTC)).days
        for state, run in groupby(state for _day, state in of_year):
            length = len(list(run))
            stretches.append(Stretch(state=state, day=day, days=length))
            day += length
        full = sum(state == "full" for _day, state in of_year)
        years.append(Year(number=number, stretches=stretches, full=full, days=len(of_year)))
    return years[::-1]


def _to_gaps(spans: list[Span], step: int) -> list[Gap]:
    longest = sorted(spans, key=lambda span: span.start - span.end)
    return [
        Gap(start=span.starts_at, end=span.ends_at, count=count_candles([span], step))
        for span in longest
    ]
