"""The columns that a strategy computes, with the line of its code that made each."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from apps.strategies.contract.strategy import PositionView, Strategy

_BALANCE = 1_000.0
_POSITION = PositionView(side="long", quantity=1.0, entry_price=1.0, unrealized_pnl=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A column, row for row with the candles, and the line that made it."""

    name: str
    line: int
    values: npt.NDArray[np.float64]


def record_columns(
    strategy_class: type[Strategy], candles: pd.DataFrame, params: Mapping[str, Any]
) -> dict[str, Recorded]:
    """What the strategy computes of these candles, kept or not, by name. A method that raises ends with what
    it has computed until then."""
    recorder = _Recorder(strategy_class, candles)
    before = sys.gettrace()
    sys.settrace(recorder.trace_call)
    try:
        _ask_everything(strategy_class, candles.copy(), params)
    finally:
        sys.settrace(before)
    return dict(recorder.list_columns())


def _ask_everything(
    strategy_class: type[Strategy], candles: pd.DataFrame, params: Mapping[str, Any]
) -> None:
    for position in (None, _POSITION):
        try:
            strategy = strategy_class.build(
                candles=candles, balance=_BALANCE, position=position, params=params
            )
            if position is None:
                strategy.should_long()
                strategy.calculate_position_size()
                strategy.calculate_stop_loss()
                strategy.calculate_take_profit()
            else:
                strategy.should_short()
        except (Exception, SystemExit):  # noqa: BLE001, S112  a run says what a strategy raises
            continue


class _Recorder:
    """Looks at the names of the strategy's code after each of its lines."""

    def __init__(self, strategy_class: type[Strategy], candles: pd.DataFrame) -> None:
        self._files = {code.co_filename for code in _list_code(strategy_class)}
        self._candles = candles
        self._lines: dict[int, int] = {}
        self._found: dict[str, tuple[int, Any]] = {}

    def trace_call(self, frame: FrameType, _event: str, _argument: object) -> Any:
        """Follow the strategy's own functions."""
        return self._trace_line if frame.f_code.co_filename in self._files else None

    def list_columns(self) -> Iterator[tuple[str, Recorded]]:
        """All that have a row for each candle and are none of the candles' own."""
        for name, (line, held) in self._found.items():
            values = self._read(held)
            if values is not None:
                yield name, Recorded(name, line, values)

    def _trace_line(self, frame: FrameType, event: str, _argument: object) -> Any:
        line = self._lines.get(id(frame), frame.f_lineno)
        names = dict(frame.f_locals)
        names |= vars(names["self"]) if isinstance(names.get("self"), Strategy) else {}
        for name, held in names.items():
            self._look_at(name, held, line)
        self._lines[id(frame)] = frame.f_lineno
        if event == "return":
            del self._lines[id(frame)]
        return self._trace_line

    def _look_at(self, name: str, held: Any, line: int) -> None:
        if isinstance(held, pd.DataFrame):
            for column in set(held) - set(self._candles):
                self._found.setdefault(str(column), (line, (held, column)))
        elif isinstance(held, pd.Series | np.ndarray):
            self._found.setdefault(name, (line, held))

    def _read(self, held: Any) -> npt.NDArray[np.float64] | None:
        column = held[0][held[1]] if isinstance(held, tuple) else held
        numbers = isinstance(column.dtype, np.dtype) and column.dtype.kind in "fbiu"
        if not numbers or np.shape(column) != (len(self._candles),):
            return None
        if isinstance(column, pd.Series) and not column.index.equals(self._candles.index):
            return None
        values = np.asarray(column, np.float64)
        own = any(
            np.array_equal(values, self._candles[name], equal_nan=True) for name in self._candles
        )
        return None if own else values


def _list_code(strategy_class: type[Strategy]) -> Iterator[CodeType]:
    for one in strategy_class.__mro__:
        if one not in Strategy.__mro__:
            yield from (
                value.__code__ for value in vars(one).values() if hasattr(value, "__code__")
            )
