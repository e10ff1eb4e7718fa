import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from apps.backtests.engine import compiled
from apps.backtests.engine.results import BacktestResult
from apps.backtests.engine.tests.builders import Candle, SignalsAsker, history, run, signals

Backtest = Callable[..., BacktestResult]


@pytest.fixture(params=["asked", "plain", "compiled"])
def backtest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backtest:
    """A run over a few candles in each of the ways that decisions become fills."""
    if request.param == "plain":
        monkeypatch.delitem(sys.modules, compiled.__name__)

    def backtest(
        *candles: Candle, long: Sequence[int] = (0,), exits: Sequence[int] = (), **facts: Any
    ) -> BacktestResult:
        names = ("amount", "share", "stop_loss", "take_profit")
        numbers = {name: facts.pop(name) for name in names if name in facts}
        columns = signals(len(candles), long, exits, **numbers)
        decisions = SignalsAsker(columns) if request.param == "asked" else columns
        return run(decisions, history(*candles), **facts)

    return backtest
