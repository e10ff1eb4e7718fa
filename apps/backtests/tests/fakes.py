"""Candles, and results that the engine makes of them without a strategy."""

from typing import Any

import numpy as np

from apps.backtests import wire
from apps.backtests.credibility import read_result
from apps.backtests.engine.candles import History
from apps.backtests.engine.doubts import Badge, Doubt, Finding
from apps.backtests.engine.evaluation.signals import Signals
from apps.backtests.engine.honesty import Honesty
from apps.backtests.engine.results import BacktestResult, Evaluation
from apps.backtests.engine.run import trade
from apps.backtests.engine.settings import Fees, Settings
from apps.backtests.packing import pack

SETTINGS = Settings(balance=10_000.0, fees=Fees(maker=0.001, taker=0.001))
HOUR_MS = 3_600_000
START_MS = 1_767_225_600_000


def make_history(close: list[float], duration_ms: int = HOUR_MS) -> History:
    """Candles with these closing prices."""
    prices = np.array(close)
    opened = np.append(prices[:1], prices[:-1])
    return History(
        duration_ms=duration_ms,
        opened_at_ms=START_MS + duration_ms * np.arange(len(close)),
        open=opened,
        high=np.maximum(opened, prices),
        low=np.minimum(opened, prices),
        close=prices,
        volume=np.ones(len(close)),
    )


#: Two days of hours that rise and fall.
HISTORY = make_history([100 + 10 * np.sin(hour / 4) for hour in range(48)])


def make_result(candles: History = HISTORY) -> BacktestResult:
    """Bought after every tenth candle, sold five later."""
    rows = np.arange(len(candles))
    signals = Signals(
        long=rows % 10 == 0, exit=rows % 10 == 5, amount=1000.0, share=0.0, stop_loss=0.0, take_profit=0.0
    )  # fmt: skip
    evaluation = Evaluation(way="trace", reason="All candles at once.")
    return trade(signals, candles, SETTINGS, evaluation=evaluation)


def make_honesty(words: str = "Nothing to worry about.", badge: Badge = Badge.GOOD) -> Honesty:
    """Every doubt answered alike."""
    return Honesty(
        findings=tuple(Finding(doubt=doubt, badge=badge, words=words) for doubt in Doubt)
    )


def read_back(result: BacktestResult, candles: History = HISTORY, **changed: Any) -> BacktestResult:
    """What a client makes of a result that the sandbox sends, but for what is `changed` in it."""
    tables = {
        "positions": pack(result.positions),
        "refused": pack(result.refused),
        "equity": result.equity.tobytes(),
    }
    tables |= {name: changed.pop(name) for name in tables.keys() & changed.keys()}
    report = make_report(result, **changed)
    return read_result(report, **tables, candles=candles, settings=SETTINGS)


def make_report(result: BacktestResult, **changed: Any) -> wire.Report:
    """What the sandbox says of a result, but for what is `changed` in it."""
    fields: dict[str, Any] = {
        "state": result.state,
        "reason": result.reason,
        "stopped_at_ms": result.stopped_at_ms,
        "evaluation": result.evaluation,
        "warnings": list(result.warnings),
        "metrics": dict(result.metrics),
    }
    return wire.Report(**{**fields, **changed})
