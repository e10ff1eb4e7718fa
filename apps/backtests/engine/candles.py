"""The candles of a run, as columns."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
PRICES = ("open", "high", "low", "close")


class BadCandles(ValueError):
    """These candles can't be traded on: says what is wrong, and at which candle (`at_ms`), if at one."""

    def __init__(self, what: str, at_ms: int | None = None) -> None:
        super().__init__(what if at_ms is None else f"Candle {at_time(at_ms)}: {what}")
        self.at_ms = at_ms


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """Closed candles of one series, oldest first; all of them last `duration_ms`. Opening times are
    milliseconds since 1970, UTC. Nobody writes into the columns."""

    duration_ms: int
    opened_at_ms: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.opened_at_ms)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """What strategies are given: open, high, low, close and volume by opening time in UTC."""
        index = pd.DatetimeIndex(self.opened_at_ms.view("datetime64[ms]"), tz="UTC")
        columns = {name: getattr(self, name) for name in (*PRICES, "volume")}
        return pd.DataFrame(columns, index=index, copy=False)


def at_time(moment_ms: int) -> str:
    """A moment in words, such as 2025-03-01 12:05 UTC."""
    return f"{datetime.fromtimestamp(moment_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
