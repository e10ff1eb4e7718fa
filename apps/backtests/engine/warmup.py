"""How far a live bot, which is given its last candles only, is from the figures of a whole history."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from apps.backtests.engine.recording import record_columns
from apps.strategies.contract.answers import MAX_LOOKBACK
from apps.strategies.contract.strategy import Strategy

#: A difference below this share of a value decides nothing.
TOLERABLE = 1e-6
#: Rows at which both are compared, and the candles that count as a whole history there.
_PLACES = 3
_WHOLE = 4 * MAX_LOOKBACK
#: Values of a column by whose spread a difference is judged, so that one near zero is not the end of it.
_SPREAD = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A column that is `off` by this share on a live bot's candles; with `enough` candles it would not be,
    None where no number of candles is enough."""

    column: str
    line: int
    off: float
    enough: int | None

    @property
    def words(self) -> str:
        """What it means, for a person."""
        what = (
            f"{self.column} (line {self.line}) is off by {self.off:.2g} of its value"
            if np.isfinite(self.off)
            else f"{self.column} (line {self.line}) has no value"
        )
        if self.enough is None:
            return f"{what}, whatever the lookback: it depends on where the candles begin."
        return f"{what}; lookback = {self.enough} would do."


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """What was found in `columns` columns on `lookback` candles, the worst first."""

    drifts: tuple[Drift, ...]
    columns: int
    lookback: int

    @property
    def passed(self) -> bool:
        """Whether a live bot sees what the backtest saw."""
        return not self.drifts

    @property
    def words(self) -> str:
        """The verdict, for a person."""
        if self.drifts:
            seen = f"Live the strategy is given {self.lookback} candles. "
            return seen + " ".join(drift.words for drift in self.drifts)
        return (
            f"On {self.lookback} candles, as a live bot is given, all {self.columns} columns have the values"
            " of the whole history."
        )


def check_warmup(
    strategy_class: type[Strategy], frame: pd.DataFrame, params: Mapping[str, Any]
) -> Warmup:
    """Compare the newest values of the strategy's columns on its lookback with those on a whole history."""
    lookback = strategy_class.lookback
    check = _Check(strategy_class, frame, params)
    off = check.measure(lookback)
    drifts = [
        Drift(
            column=name, line=check.lines[name], off=share, enough=check.find_enough(name, lookback)
        )
        for name, share in sorted(off.items(), key=lambda item: -item[1])
        if share > TOLERABLE
    ]
    return Warmup(drifts=tuple(drifts), columns=len(off), lookback=lookback)


class _Check:
    """The values of a whole history, and how far those of fewer candles are from them."""

    def __init__(
        self, strategy_class: type[Strategy], frame: pd.DataFrame, params: Mapping[str, Any]
    ) -> None:
        self._class = strategy_class
        self._frame = frame
        self._params = params
        rows = len(frame)
        self._places = sorted({rows * part // _PLACES - 1 for part in range(1, _PLACES + 1)})
        self.lines: dict[str, int] = {}
        self._whole = {place: self._record(place, _WHOLE) for place in self._places}
        self._offs: dict[int, dict[str, float]] = {}

    def measure(self, lookback: int) -> dict[str, float]:
        """The largest share by which each column is off."""
        if lookback not in self._offs:
            offs: dict[str, float] = {}
            self._offs[lookback] = offs
            for name, off in self._compare(lookback):
                offs[name] = max(offs.get(name, 0.0), off)
        return self._offs[lookback]

    def find_enough(self, name: str, lookback: int) -> int | None:
        """The first of some larger lookbacks with which the column is not off."""
        for more in _list_lookbacks(lookback):
            if self.measure(more).get(name, np.inf) <= TOLERABLE:
                return more
        return None

    def _compare(self, lookback: int) -> Iterator[tuple[str, float]]:
        for place, whole in self._whole.items():
            if place < lookback:
                continue
            shown = self._record(place, lookback)
            for name, values in whole.items():
                newest = shown[name][-1] if name in shown else np.nan
                yield name, _share_off(newest, values)

    def _record(self, place: int, lookback: int) -> dict[str, npt.NDArray[np.float64]]:
        first = max(0, place + 1 - lookback)
        columns = record_columns(self._class, self._frame.iloc[first : place + 1], self._params)
        self.lines |= {name: column.line for name, column in columns.items()}
        return {name: column.values for name, column in columns.items()}


def _list_lookbacks(lookback: int) -> list[int]:
    """Some that are larger, up to the most that a strategy is given."""
    return [more for more in (250, 500, 1_000, 2_000, 3_000, MAX_LOOKBACK) if more > lookback]


def _share_off(newest: float, whole: npt.NDArray[np.float64]) -> float:
    if np.isnan(whole[-1]):
        return 0.0
    if np.isnan(newest):
        return float("inf")
    recent = whole[-_SPREAD:]
    scale = max(abs(whole[-1]), float(np.nanstd(recent)), 1e-300)
    return float(abs(newest - whole[-1]) / scale)
