"""Indicators of whole columns, each computed once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from apps.backtests.engine.evaluation.columns import Column
from apps.backtests.engine.evaluation.frames import Frame, examine, to_table, wrap
from apps.backtests.engine.evaluation.standins import Reader, StandIn, is_number, key_of

_PANDAS = (pd.Series, pd.DataFrame)


class Indicator:
    """A function of pandas-ta-classic that takes columns for the Series they are."""

    def __init__(self, reader: Reader, function: Callable[..., Any]) -> None:
        self._reader = reader
        self._function = function

    def __call__(self, *args: Any, **options: Any) -> Any:
        given = (*args, *options.values())
        stand_ins = [one for one in given if issubclass(type(one), StandIn)]
        if not stand_ins:
            return self._function(*args, **options)
        end = self._find_end(stand_ins)
        plain = [self._to_plain(one) for one in given]

        def compute(rows: slice) -> Any:
            part = [one.iloc[rows] if isinstance(one, _PANDAS) else one for one in plain]
            named = dict(zip(options, part[len(args) :], strict=True))
            with np.errstate(all="ignore"):
                return self._function(*part[: len(args)], **named)

        key = (self._function, len(args), *options, *map(_key, plain))
        found = self._reader.once(key, lambda: examine(compute, self._reader), *plain)
        return wrap(self._reader, *found, end)

    def _find_end(self, stand_ins: list[Any]) -> int:
        for one in stand_ins:
            if not issubclass(type(one), Column | Frame):
                self._reader.refuse(
                    "for an indicator with a length that differs from candle to candle"
                )
            if one._size is not None:
                self._reader.refuse("for an indicator of the last rows")
        ends = {one._end for one in stand_ins}
        if len(ends) > 1:
            self._reader.refuse("for columns over different rows")
        end: int = ends.pop()
        return end

    def _to_plain(self, operand: Any) -> Any:
        kind = type(operand)
        if issubclass(kind, Column):
            return operand._series
        if issubclass(kind, Frame):
            return to_table(self._reader, operand)
        if not is_number(operand) and not issubclass(kind, str | type(None)):
            self._reader.refuse(f"for an indicator with a {kind.__name__}")
        return operand


def _key(plain: Any) -> Any:
    return id(plain) if isinstance(plain, _PANDAS) else key_of(plain)
