"""Candles of one market, and coarser ones built from them."""

from array import array
from bisect import bisect_left
from typing import NamedTuple

MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS
#: Length in milliseconds of every timeframe that can be asked for.
TIMEFRAMES = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "2h": 120 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "1d": DAY_MS,
}
#: A series keeps between one and one and a half times this many candles.
KEPT_CANDLES = 43_200


class Candle(NamedTuple):
    """One candle; prices in quote, volume in base, opened in milliseconds since 1970."""

    opened_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Series:
    """Candles of one market in its own timeframe, ascending; the last one may still be running."""

    def __init__(self, timeframe_ms: int) -> None:
        self.timeframe_ms = timeframe_ms
        self._opened = array("q")
        self._columns = tuple(array("d") for _ in Candle._fields[1:])

    @property
    def last(self) -> Candle | None:
        """The newest candle."""
        if not self._opened:
            return None
        return Candle(self._opened[-1], *(column[-1] for column in self._columns))

    @property
    def usual_volume(self) -> float:
        """What a candle trades: the last closed one, or the running one where it is the first."""
        volumes = self._columns[-1]
        return volumes[-2] if len(volumes) > 1 else volumes[-1]

    def put(self, candle: Candle) -> None:
        """Append a candle, or replace the last one when it opened at the same time."""
        if not self._opened or candle.opened_ms != self._opened[-1]:
            self._opened.append(candle.opened_ms)
            for column, value in zip(self._columns, candle[1:], strict=True):
                column.append(value)
            self._trim()
            return
        for column, value in zip(self._columns, candle[1:], strict=True):
            column[-1] = value

    def serves(self, timeframe_ms: int) -> bool:
        """Whether candles of this length can be built from the series."""
        return timeframe_ms % self.timeframe_ms == 0

    def bucket(self, timeframe_ms: int, opened_ms: int) -> Candle:
        """The candle of a coarser timeframe that opened at `opened_ms`, as far as it is known."""
        return self._merge(opened_ms, self._index(opened_ms), self._index(opened_ms + timeframe_ms))

    def since(self, start_ms: int) -> Candle | None:
        """Everything from `start_ms` on as one candle; None when there is nothing."""
        start = self._index(start_ms)
        if start == len(self._opened):
            return None
        return self._merge(self._opened[start], start, len(self._opened))

    def newest(self, timeframe_ms: int, *, until_ms: int | None, limit: int) -> list[Candle]:
        """The last `limit` candles that opened at or before `until_ms`, oldest first."""
        first = self._first_whole(timeframe_ms)
        stop = len(self._opened)
        if until_ms is not None:
            stop = self._index(until_ms - until_ms % timeframe_ms + timeframe_ms)
        rows: list[Candle] = []
        while stop > first and len(rows) < limit:
            opened_ms = self._opened[stop - 1] // timeframe_ms * timeframe_ms
            start = self._index(opened_ms)
            rows.append(self._merge(opened_ms, start, stop))
            stop = start
        rows.reverse()
        return rows

    def oldest(
        self, timeframe_ms: int, *, from_ms: int, until_ms: int | None, limit: int
    ) -> list[Candle]:
        """The first `limit` candles that opened in [from_ms, until_ms], oldest first."""
        from_ms = -(-from_ms // timeframe_ms) * timeframe_ms
        start = max(self._first_whole(timeframe_ms), self._index(from_ms))
        rows: list[Candle] = []
        while start < len(self._opened) and len(rows) < limit:
            opened_ms = self._opened[start] // timeframe_ms * timeframe_ms
            if until_ms is not None and opened_ms > until_ms:
                break
            stop = self._index(opened_ms + timeframe_ms)
            rows.append(self._merge(opened_ms, start, stop))
            start = stop
        return rows

    def _index(self, opened_ms: int) -> int:
        return bisect_left(self._opened, opened_ms)

    def _first_whole(self, timeframe_ms: int) -> int:
        """Where the first candle begins of which no part was dropped."""
        if not self._opened:
            return 0
        return self._index(-(-self._opened[0] // timeframe_ms) * timeframe_ms)

    def _merge(self, opened_ms: int, start: int, stop: int) -> Candle:
        opens, highs, lows, closes, volumes = self._columns
        return Candle(
            opened_ms,
            opens[start],
            max(highs[start:stop]),
            min(lows[start:stop]),
            closes[stop - 1],
            sum(volumes[start:stop]),
        )

    def _trim(self) -> None:
        if len(self._opened) > KEPT_CANDLES * 3 // 2:
            excess = len(self._opened) - KEPT_CANDLES
            del self._opened[:excess]
            for column in self._columns:
                del column[:excess]
