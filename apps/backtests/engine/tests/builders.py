"""Small histories, and decisions that need no strategy."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from apps.backtests.engine.candles import History
from apps.backtests.engine.evaluation.signals import Signals, at
from apps.backtests.engine.results import BacktestResult, Evaluation
from apps.backtests.engine.run import trade
from apps.backtests.engine.settings import Fees, Settings
from apps.domain.markets import Market
from apps.strategies.contract import PositionView

HOUR_MS = 3_600_000
#: 2024-01-01 00:00 UTC.
START_MS = 1_704_067_200_000
FREE = Fees(maker=0.0, taker=0.0)
EVALUATION = Evaluation(way="trace", reason="")
#: Open, high, low, close.
Candle = tuple[float, float, float, float]
CALM: Candle = (100, 100, 100, 100)
MARKET = Market(
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    step_size=Decimal("0.01"),
    min_quantity=Decimal("0.02"),
    max_quantity=Decimal(1000),
    min_notional=Decimal(5),
)


def history(*candles: Candle, duration_ms: int = HOUR_MS, start_ms: int = START_MS) -> History:
    """Candles one after the other."""
    columns = np.array(candles, np.float64).reshape(-1, 4).T
    return History(
        duration_ms=duration_ms,
        opened_at_ms=start_ms + np.arange(len(candles)) * duration_ms,
        open=columns[0],
        high=columns[1],
        low=columns[2],
        close=columns[3],
        volume=np.ones(len(candles)),
    )


def signals(rows: int, long: Sequence[int], exits: Sequence[int] = (), **numbers: Any) -> Signals:
    """Entries and exits after the closes of these candles; an entry spends 100 if nothing is said."""
    flags = np.zeros((2, rows), np.bool_)
    flags[0, list(long)] = flags[1, list(exits)] = True
    defaults = {"amount": 100.0, "share": 0.0, "stop_loss": 0.0, "take_profit": 0.0}
    return Signals(long=flags[0], exit=flags[1], **{**defaults, **numbers})


class SignalsAsker:
    """Answers by columns."""

    def __init__(self, columns: Signals) -> None:
        self._columns = columns

    def should_long(self, i: int, balance: float) -> bool:
        return bool(self._columns.long[i])

    def should_short(self, i: int, balance: float, position: PositionView) -> bool:
        return bool(self._columns.exit[i])

    def position_size(self, i: int, balance: float) -> float:
        return self._columns.size(i, balance)

    def stop_loss(self, i: int, balance: float) -> float:
        return at(self._columns.stop_loss, i)

    def take_profit(self, i: int, balance: float) -> float:
        return at(self._columns.take_profit, i)


def settings(**facts: Any) -> Settings:
    """A thousand to spend, without fees and slippage."""
    return Settings(**{"balance": 1000.0, "fees": FREE, "slippage_bps": 0.0, **facts})


def run(decisions: Any, candles: History, **facts: Any) -> BacktestResult:
    """The result of decisions with these settings."""
    detail = facts.pop("detail", None)
    return trade(decisions, candles, settings(**facts), evaluation=EVALUATION, detail=detail)
