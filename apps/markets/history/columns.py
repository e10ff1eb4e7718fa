"""Candles as columns: what files hold, what backtests run on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.domain.candles import Timeframe

#: The columns after the time, in the sequence they are always written in.
PRICES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleColumns:
    """Candles of one timeframe, oldest first, one array a column; open times in UTC milliseconds."""

    timeframe: Timeframe
    opened_at_ms: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.opened_at_ms)

    def where(self, chosen: NDArray[np.bool_] | slice) -> "CandleColumns":
        """Some of these candles."""
        prices = {name: getattr(self, name)[chosen] for name in PRICES}
        return CandleColumns(
            timeframe=self.timeframe, opened_at_ms=self.opened_at_ms[chosen], **prices
        )


def build_timeframe(candles: CandleColumns, timeframe: Timeframe) -> CandleColumns:
    """Longer candles out of shorter ones; one of which a part is missing is made of the rest."""
    times = candles.opened_at_ms
    if not len(times):
        return CandleColumns(
            timeframe=timeframe,
            opened_at_ms=times,
            **{name: getattr(candles, name) for name in PRICES},
        )
    buckets = times - times % timeframe.milliseconds
    first = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    last = np.append(first[1:], len(buckets)) - 1
    return CandleColumns(
        timeframe=timeframe,
        opened_at_ms=buckets[first],
        open=candles.open[first],
        high=np.maximum.reduceat(candles.high, first),
        low=np.minimum.reduceat(candles.low, first),
        close=candles.close[last],
        volume=np.add.reduceat(candles.volume, first),
    )
