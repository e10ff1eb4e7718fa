"""pandas-ta-classic computes with TA-Lib where both say the same, and where TA-Lib is the faster.

It does so only when told, and then drops arguments that TA-Lib has none for, stops at a missing value, and
says 0 for the RSI of a price that never moved. So it is told for calls that both answer alike.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandas_ta_classic as ta
import talib

Fits = Callable[..., bool]
Values = npt.NDArray[np.float64]


def prefer_talib() -> None:
    """From now on, for all that calls pandas-ta-classic in this process. Import it whole before."""
    for name, fits in FITTING.items():
        original = getattr(ta, name)
        _replace(original, prefer(original, fits))
    macd: Any = sys.modules["pandas_ta_classic.momentum.macd"]
    macd._ema_aligned = average_from  # noqa: SLF001  a loop in Python, a hundred times as slow


def prefer(function: Callable[..., Any], fits: Fits) -> Callable[..., Any]:
    """The function with TA-Lib, for plain calls that fit."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def compute(*args: Any, **options: Any) -> Any:
        given = signature.bind(*args, **options).arguments
        if given.keys() <= _PLAIN and fits(**given):
            options["talib"] = True
        return function(*args, **options)

    return compute


def _replace(original: object, better: object) -> None:
    """In every module of the library, since they import from each other."""
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] == ta.__name__:
            for name, value in list(vars(module).items()):
                if value is original:
                    setattr(module, name, better)


#: Arguments that TA-Lib knows too.
_PLAIN = frozenset({"high", "low", "close", "length", "offset"})


def _has_no_gap(**given: Any) -> bool:
    return all(map(_is_whole, (given[name] for name in ("high", "low", "close") if name in given)))


def _is_whole(series: Any) -> bool:
    """Numbers all the way, once they have begun."""
    if not isinstance(series, pd.Series) or series.dtype != np.float64:
        return False
    missing = np.isnan(series.to_numpy())
    begun = int(missing.argmin()) if len(missing) else 0
    return not missing[begun:].any()


def _moves(close: Any, length: Any = None, **_: Any) -> bool:
    """Whether the price moves at all before the first RSI: one of nothing is no number, and 0 for TA-Lib."""
    if not _is_whole(close):
        return False
    values = close.to_numpy()
    known = values[~np.isnan(values)][: (length or 14) + 1]
    return len(known) > 1 and bool(np.ptp(known) > 0)


#: Where both agree, and on what.
FITTING: dict[str, Fits] = {
    "atr": _has_no_gap,
    "dema": _has_no_gap,
    "ema": _has_no_gap,
    "natr": _has_no_gap,
    "rsi": _moves,
    "tema": _has_no_gap,
    "wma": _has_no_gap,
}


def average_from(values: Values, rows: int, period: int, seed_end: int) -> Values:
    """MACD's own exponential average, whose loop is in Python: the plain mean up to row `seed_end`, and from
    there on exponentially."""
    found = np.full(rows, np.nan)
    start = seed_end - period + 1
    if start >= 0 and seed_end < rows:
        found[start:] = talib.EMA(values[start:], period) if period > 1 else values[start:]
    return found
