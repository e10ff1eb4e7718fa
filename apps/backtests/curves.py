"""The lines of a result's charts, thinned to what a screen can show."""

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.backtests.engine.candles import History
from apps.backtests.engine.results import BacktestResult
from apps.backtests.engine.rules import price_bought, rules_of

#: At the close of the last candle of each of these stretches: what there is, what there would be had
#: everything been put into the market at the start; and the deepest fall from the highest until then.
CURVE = np.dtype([("at_ms", "<i8"), ("equity", "<f8"), ("held", "<f8"), ("drawdown", "<f8")])
POINTS = 1500


def draw_curve(result: BacktestResult, candles: History) -> npt.NDArray[Any]:
    """The curve of a result on these candles."""
    rows = len(result.equity)
    ends = np.unique(np.linspace(0, rows - 1, min(rows, POINTS)).astype(np.int64))
    starts = np.append(0, ends[:-1] + 1)
    highest = np.maximum.accumulate(np.maximum(result.equity, result.settings.balance))
    curve = np.empty(len(ends), CURVE)
    curve["at_ms"] = result.opened_at_ms[ends] + candles.duration_ms
    curve["equity"] = result.equity[ends]
    curve["held"] = _hold(result, candles)[ends]
    curve["drawdown"] = np.minimum.reduceat(result.equity / highest - 1, starts)
    return curve


def _hold(result: BacktestResult, candles: History) -> npt.NDArray[np.float64]:
    """As the figure of the same name: bought at the first chance, fee and slippage included."""
    settings, rows = result.settings, len(result.equity)
    rules, first = rules_of(settings), min(settings.warmup + 1, rows - 1)
    paid = price_bought(rules, float(candles.open[first])) * (1 + rules.taker)
    held = settings.balance * candles.close[:rows] / paid
    held[:first] = settings.balance
    return held
