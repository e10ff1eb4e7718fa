"""Whether backtests in parity mode make the trades of backtesting.py, over the sample strategies."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import zip_longest
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pandas_ta_classic as ta
from django.conf import settings

from apps.backtests.engine.candles import History
from apps.backtests.engine.evaluation.plain import PlainAsker
from apps.backtests.engine.evaluation.signals import Signals, StepsAside, at
from apps.backtests.engine.evaluation.standins import WholeHistory
from apps.backtests.engine.evaluation.trace import trace
from apps.backtests.engine.results import Evaluation
from apps.backtests.engine.run import trade
from apps.backtests.engine.settings import Fees, Mode, Settings
from apps.strategies.contract import PositionView, Strategy
from workers.sandbox import runner

SAMPLES = settings.BASE_DIR / "apps" / "strategies" / "samples"
FEE_RATE = 0.001
#: Candles of a strategy that is asked one by one.
MOST_ASKED = 3000
_COLUMNS = ("open", "high", "low", "close", "volume")
_EVALUATION = Evaluation(way="trace", reason="")


class Row(NamedTuple):
    """A closed trade; the profit is of one unit, net of fees."""

    entered_at_ms: int
    entry_price: float
    exited_at_ms: int
    exit_price: float
    profit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One strategy on the candles of one file."""

    what: str
    candles: int
    trades: int
    differences: Sequence[str]

    def describe(self) -> str:
        """A line for the terminal, and one for each difference."""
        told = f"{len(self.differences)} differ" if self.differences else "the same"
        lines = [f"{self.what:52} {self.candles:8,} candles {self.trades:6,} trades: {told}"]
        return "\n    ".join([*lines, *self.differences[:5]])


def measure(*, recordings: Path, only: str) -> Iterator[Comparison]:
    """Every sample on every recording; raises ModuleNotFoundError where backtesting.py is not installed."""
    sys.modules["pandas_ta"] = ta
    for recording in sorted(recordings.glob(f"{only}.parquet")):
        candles = _read(recording)
        for sample in sorted(SAMPLES.glob("*.py")):
            yield _compare(f"{sample.stem} on {recording.stem}", sample.read_text(), candles)


def _compare(what: str, code: str, candles: History) -> Comparison:
    strategy = runner.load(code)
    try:
        with warnings.catch_warnings(action="ignore"):
            decisions = trace(strategy, WholeHistory(candles.frame), {})
    except StepsAside:
        candles = _newest(candles, MOST_ASKED)
        decisions = _ask(strategy, candles)
    ours, theirs = _trade(decisions, candles), _trade_there(decisions, candles)
    return Comparison(
        what=what,
        candles=len(candles),
        trades=len(ours),
        differences=list(_find_differences(ours, theirs)),
    )


def _read(recording: Path) -> History:
    """The longest run of candles without a hole: backtesting.py refuses a stop above the last close, which
    an open after a hole may ask for."""
    frame = pd.read_parquet(recording)
    steps = np.diff(frame["open_time"])
    holes = np.flatnonzero(steps != steps.min()) + 1
    parts = np.split(np.arange(len(frame)), holes)
    rows = max(parts, key=len)
    columns = {name: frame[name].to_numpy()[rows] for name in _COLUMNS}
    return History(
        duration_ms=int(steps.min()), opened_at_ms=frame["open_time"].to_numpy()[rows], **columns
    )


def _newest(candles: History, count: int) -> History:
    columns = {name: getattr(candles, name)[-count:] for name in ("opened_at_ms", *_COLUMNS)}
    return History(duration_ms=candles.duration_ms, **columns)


def _ask(strategy: type[Strategy], candles: History) -> Signals:
    """The answers of a strategy that has to be asked candle by candle, and does not mind its position."""
    asker = PlainAsker(strategy, candles.frame, {}, window=strategy.lookback)
    held = PositionView(side="long", quantity=1.0, entry_price=1.0, unrealized_pnl=0.0)
    rows = range(len(candles))
    return Signals(
        long=np.array([bool(asker.should_long(row, 1.0)) for row in rows]),
        exit=np.array([bool(asker.should_short(row, 1.0, held)) for row in rows]),
        amount=0.0,
        share=0.1,
        stop_loss=float(asker.stop_loss(rows[-1], 1.0) or 0.0),
        take_profit=float(asker.take_profit(rows[-1], 1.0) or 0.0),
    )


def _trade(decisions: Signals, candles: History) -> list[Row]:
    facts = Settings(balance=1e9, fees=Fees(maker=FEE_RATE, taker=FEE_RATE), mode=Mode.PARITY)
    result = trade(decisions, candles, facts, evaluation=_EVALUATION)
    return [
        Row(
            each.entry_time,
            each.entry_price,
            each.exit_time or 0,
            each.exit_price or 0.0,
            each.pnl / each.quantity,
        )
        for each in result.trades
    ]


def _trade_there(decisions: Signals, candles: History) -> list[Row]:
    """The same decisions by backtesting.py, one unit a trade; levels are those of the fill, as ours are."""
    peer = import_module("backtesting")
    base: Any = peer.Strategy
    opens = candles.open
    last = len(candles) - 1

    class Decided(base):  # type: ignore[misc]  # it has no types
        def init(self) -> None:
            pass

        def next(self) -> None:
            row = len(self.data) - 1
            if self.position:
                if decisions.exit[row]:
                    self.position.close()
            elif decisions.long[row] and row < last:
                stop, target = at(decisions.stop_loss, row), at(decisions.take_profit, row)
                levels = {"sl": opens[row + 1] * (1 - stop)} if stop else {}
                if target:
                    levels["tp"] = opens[row + 1] * (1 + target)
                self.buy(size=1, **levels)

    frame = candles.frame.rename(columns=str.capitalize).tz_localize(None)
    with warnings.catch_warnings(action="ignore"):
        stats = peer.Backtest(frame, Decided, cash=1e9, commission=FEE_RATE).run()
    return [
        Row(
            int(each.EntryTime.value // 10**6),
            each.EntryPrice,
            int(each.ExitTime.value // 10**6),
            each.ExitPrice,
            each.PnL,
        )
        for each in stats["_trades"].itertuples()
    ]


def _find_differences(ours: Sequence[Row], theirs: Sequence[Row]) -> Iterator[str]:
    for one, other in zip_longest(ours, theirs):
        is_same = (
            one
            and other
            and all(
                isclose(*pair, rel_tol=1e-9, abs_tol=1e-6) for pair in zip(one, other, strict=True)
            )
        )
        if not is_same:
            yield f"here {one}, there {other}"
