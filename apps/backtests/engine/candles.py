"""The candles of a run, as columns."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Number = TypeVar("Number", np.float64, np.int64)
PRICES = ("open", "high", "low", "close")


class BadCandles(ValueError):
    """These candles can't be traded on: what is wrong, and with which of them, opened `at_ms`, if one."""

    def __init__(self, what: str, at_ms: int | None = None) -> None:
        super().__init__(what if at_ms is None else f"The candle of {at_time(at_ms)} {what}")
        self.at_ms = at_ms


class Gaps(NamedTuple):
    """Holes in a history: how many, the candles that are missing in all of them, and the longest, by the
    opening times of the candles before and after it."""

    holes: int
    missing: int
    longest_missing: int
    longest_after_ms: int
    longest_before_ms: int


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """Closed candles of one series, oldest first, each `duration_ms` long. Opening times are milliseconds
    since 1970, UTC. The columns are made read-only."""

    duration_ms: int
    opened_at_ms: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "opened_at_ms", sealed(self.opened_at_ms, np.int64))
        for name in (*PRICES, "volume"):
            object.__setattr__(self, name, sealed(getattr(self, name), np.float64))

    def __len__(self) -> int:
        return len(self.opened_at_ms)

    @property
    def ends_at_ms(self) -> int:
        """When the last candle closed."""
        return int(self.opened_at_ms[-1]) + self.duration_ms

    @cached_property
    def frame(self) -> pd.DataFrame:
        """What strategies are given: open, high, low, close and volume by opening time in UTC."""
        index = pd.DatetimeIndex(self.opened_at_ms.view("datetime64[ms]"), tz="UTC")
        columns = {name: getattr(self, name) for name in (*PRICES, "volume")}
        return pd.DataFrame(columns, index=index, copy=False)

    @cached_property
    def gaps(self) -> Gaps | None:
        """The holes between these candles, if any."""
        if self.ends_at_ms - self.opened_at_ms[0] == len(self) * self.duration_ms:
            return None
        missing = np.diff(self.opened_at_ms) // self.duration_ms - 1
        longest = int(missing.argmax())
        return Gaps(
            holes=int(np.count_nonzero(missing)),
            missing=int(missing.sum()),
            longest_missing=int(missing[longest]),
            longest_after_ms=int(self.opened_at_ms[longest]),
            longest_before_ms=int(self.opened_at_ms[longest + 1]),
        )

    def check(self) -> None:
        """Raise BadCandles unless there are candles, in order, with prices that can be."""
        times = self.opened_at_ms
        if not len(times):
            raise BadCandles("There are no candles. Download this market's history first.")
        if any(len(getattr(self, name)) != len(times) for name in (*PRICES, "volume")):
            raise BadCandles("The columns of the candles have different lengths.")
        if not self._is_sound():
            self._find_fault()

    def _is_sound(self) -> bool:
        """Every fault makes one of these false; NaN makes every comparison so."""
        return bool(
            (self.opened_at_ms[1:] > self.opened_at_ms[:-1]).all()
            and self.low.min() > 0
            and self.high.max() < np.inf
            and self.volume.min() >= 0
            and all((self.low <= price).all() for price in (self.open, self.close))
            and all((price <= self.high).all() for price in (self.open, self.close))
        )

    def _find_fault(self) -> None:
        times = self.opened_at_ms
        _refuse(times[1:] == times[:-1], times[1:], "is there twice.")
        _refuse(times[1:] < times[:-1], times[1:], "comes after a later one. Sort them by time.")
        for name in PRICES:
            prices = getattr(self, name)
            _refuse(~np.isfinite(prices), times, f"has no number as its {name} price.")
            _refuse(prices <= 0, times, f"has {{value}} as its {name} price.", prices)
        _refuse(~(self.volume >= 0), times, "has {value} as its volume.", self.volume)
        highest, lowest = np.maximum(self.open, self.close), np.minimum(self.open, self.close)
        _refuse(highest > self.high, times, "opens or closes above its high.")
        _refuse(lowest < self.low, times, "opens or closes below its low.")


def at_time(moment_ms: int) -> str:
    """A moment in words, such as 2025-03-01 12:05 UTC."""
    return f"{datetime.fromtimestamp(moment_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def sealed(column: npt.ArrayLike, kind: type[Number]) -> npt.NDArray[Number]:
    """A column that can't be written to, as compiled code takes it."""
    view = np.ascontiguousarray(column, dtype=kind).view()
    view.flags.writeable = False
    return view


def _refuse(wrong: Flags, times: Integers, what: str, values: Floats | None = None) -> None:
    """Raise BadCandles at the first candle that is wrong."""
    if wrong.any():
        first = int(wrong.argmax())
        shown = "" if values is None else f"{values[first]:g}"
        raise BadCandles(what.format(value=shown), int(times[first]))
