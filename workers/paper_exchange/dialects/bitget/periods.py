"""Candles of every length that Bitget has: of a day, a week or a month too, in two time zones."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from workers.paper_exchange.markets.candles import DAY_MS, MINUTE_MS, Candle, Series

_HOUR_MS = 60 * MINUTE_MS
#: The plain lengths follow the calendar of UTC+8.
_EAST_MS = 8 * _HOUR_MS
#: The first Monday after 1970 began.
_MONDAY_MS = 4 * DAY_MS
_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Period:
    """A length in milliseconds, zero for a calendar month, and where its calendar lies."""

    length_ms: int
    zone_ms: int = _EAST_MS
    anchor_ms: int = 0

    def start(self, at_ms: int) -> int:
        """When the candle that this moment falls into opens."""
        if self.length_ms:
            shift = self.zone_ms - self.anchor_ms
            return (at_ms + shift) // self.length_ms * self.length_ms - shift
        month = self._month(at_ms)
        return self._to_ms(datetime(month.year, month.month, 1, tzinfo=UTC))

    def end(self, start_ms: int) -> int:
        """When the candle that opens at `start_ms` ends."""
        if self.length_ms:
            return start_ms + self.length_ms
        month = self._month(start_ms)
        year, number = month.year + month.month // _MONTHS, month.month % _MONTHS + 1
        return self._to_ms(datetime(year, number, 1, tzinfo=UTC))

    def _month(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp((at_ms + self.zone_ms) / 1000, UTC)

    def _to_ms(self, moment: datetime) -> int:
        return int(moment.timestamp()) * 1000 - self.zone_ms


_MINUTES = {"1": 1, "3": 3, "5": 5, "15": 15, "30": 30}
_WEEK = Period(7 * DAY_MS, _EAST_MS, _MONDAY_MS)
_WEEK_UTC = Period(7 * DAY_MS, 0, _MONDAY_MS)
#: By the word for it over REST.
GRANULARITIES = {
    **{f"{word}min": Period(count * MINUTE_MS) for word, count in _MINUTES.items()},
    **{f"{hours}h": Period(hours * _HOUR_MS) for hours in (1, 4, 6, 12)},
    "1day": Period(DAY_MS),
    "3day": Period(3 * DAY_MS),
    "1week": _WEEK,
    "1M": Period(0),
    "6Hutc": Period(6 * _HOUR_MS, 0),
    "12Hutc": Period(12 * _HOUR_MS, 0),
    "1Dutc": Period(DAY_MS, 0),
    "3Dutc": Period(3 * DAY_MS, 0),
    "1Wutc": _WEEK_UTC,
    "1Mutc": Period(0, 0),
}
#: By the name of its channel in the streams.
CHANNELS = {
    **{f"candle{word}m": Period(count * MINUTE_MS) for word, count in _MINUTES.items()},
    **{f"candle{hours}H": Period(hours * _HOUR_MS) for hours in (1, 4, 6, 12)},
    "candle1D": Period(DAY_MS),
    "candle3D": Period(3 * DAY_MS),
    "candle1W": _WEEK,
    "candle1M": Period(0),
    **{
        f"candle{word}": GRANULARITIES[word]
        for word in ("6Hutc", "12Hutc", "1Dutc", "3Dutc", "1Wutc", "1Mutc")
    },
}
_REACH_DAYS = {1: 30, 3: 30, 5: 30, 15: 52, 30: 62, 60: 83, 240: 240}
_LONGEST_REACH_DAYS = 360


def reach_ms(period: Period) -> int:
    """How far back the endpoint for young candles goes."""
    return _REACH_DAYS.get(period.length_ms // MINUTE_MS, _LONGEST_REACH_DAYS) * DAY_MS


def newest(
    series: Series, period: Period, *, from_ms: int, before_ms: int, limit: int
) -> list[Candle]:
    """The last `limit` candles that open in [from_ms, before_ms), oldest first."""
    if period.length_ms % series.timeframe_ms:
        return []
    rows = list(_backwards(series, period, from_ms, before_ms, limit))
    rows.reverse()
    return rows


def candle_at(series: Series, period: Period, at_ms: int) -> Candle:
    """The candle that a moment falls into, as far as it is known."""
    start_ms = period.start(at_ms)
    return series.bucket(period.end(start_ms) - start_ms, start_ms)


def _backwards(
    series: Series, period: Period, from_ms: int, before_ms: int, limit: int
) -> Iterator[Candle]:
    known = series.oldest(series.timeframe_ms, from_ms=0, until_ms=None, limit=1)
    if not known:
        return
    # Of a candle that began before everything we know, a part is missing.
    from_ms = max(from_ms, known[0].opened_ms)
    until_ms = period.end(period.start(before_ms - 1)) - 1
    for _ in range(limit):
        last = series.newest(series.timeframe_ms, until_ms=until_ms, limit=1)
        if not last or period.start(last[0].opened_ms) < from_ms:
            return
        candle = candle_at(series, period, last[0].opened_ms)
        yield candle
        until_ms = candle.opened_ms - 1
