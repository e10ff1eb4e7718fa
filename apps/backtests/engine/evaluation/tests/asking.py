"""Strategies to ask, candles to ask them about, and the answers that count: of new instances."""

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from apps.backtests.engine.evaluation.signals import Signals, at
from apps.strategies.contract import PositionView, Strategy

with warnings.catch_warnings(action="ignore"):  # those of the libraries it imports
    ta = importlib.import_module("pandas_ta_classic")

POSITION = PositionView(side="long", quantity=1.0, entry_price=100.0, unrealized_pnl=0.0)
BALANCE = 1000.0
_TEMPLATE = """
class Written(Strategy):
    def should_long(self):
        {body}
    def should_short(self): return False
    def calculate_position_size(self): return self.balance * 0.1
    def calculate_stop_loss(self): return 0.02
    def calculate_take_profit(self): return None
"""


def load(code: str) -> type[Strategy]:
    """The strategy of a module, which has the names that the sandbox gives it."""
    module = ModuleType("written_strategy")
    module.__dict__.update(Strategy=Strategy, np=np, pd=pd, ta=ta)
    sys.modules.setdefault("pandas_ta", ta)
    exec(compile(code, "strategy.py", "exec"), module.__dict__)  # noqa: S102
    return next(
        value
        for value in module.__dict__.values()
        if isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy
    )


def write(body: str, before: str = "") -> type[Strategy]:
    """A strategy whose should_long has this body, in a module with something before it."""
    return load(before + _TEMPLATE.format(body="\n        ".join(body.splitlines())))


def make_frame(rows: int, seed: int = 1, minutes: int = 1) -> pd.DataFrame:
    """Candles that go at random."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(random.normal(0, 0.004, rows).cumsum())
    opened = np.concatenate([close[:1], close[:-1]])
    times = 1_735_689_600_000 + 60_000 * minutes * np.arange(rows)
    return pd.DataFrame(
        {
            "open": opened,
            "high": np.maximum(opened, close) * (1 + abs(random.normal(0, 0.002, rows))),
            "low": np.minimum(opened, close) * (1 - abs(random.normal(0, 0.002, rows))),
            "close": close,
            "volume": np.exp(random.normal(3, 0.8, rows)),
        },
        index=pd.DatetimeIndex(times.view("datetime64[ms]"), tz="UTC"),
    )


def ask(strategy_class: type[Strategy], frame: pd.DataFrame, row: int) -> tuple[Any, ...]:
    """What new instances on the candles up to a row answer: long, exit, and on a yes the other three."""
    flat, holding = (
        strategy_class.build(
            candles=frame.iloc[: row + 1].copy(), balance=BALANCE, position=position, params={}
        )
        for position in (None, POSITION)
    )
    long = bool(flat.should_long())
    sizes: tuple[Any, ...] = ()
    if long:
        sizes = (
            flat.calculate_position_size(),
            float(flat.calculate_stop_loss() or 0),
            float(flat.calculate_take_profit() or 0),
        )
    return long, bool(holding.should_short()), *sizes


def read(signals: Signals, row: int) -> tuple[Any, ...]:
    """The same from signals."""
    sizes: tuple[Any, ...] = ()
    if signals.long[row]:
        sizes = (
            signals.size(row, BALANCE), at(signals.stop_loss, row), at(signals.take_profit, row)
        )  # fmt: skip
    return bool(signals.long[row]), bool(signals.exit[row]), *sizes
