"""Decisions that are known for every candle become fills."""

import sys
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from apps.backtests.engine.candles import Floats, History, Integers, sealed
from apps.backtests.engine.evaluation.asking import read_wish
from apps.backtests.engine.evaluation.signals import Numbers, Signals, at
from apps.backtests.engine.figures import Table, table_of
from apps.backtests.engine.fills import Answers, Finer, Prices, walk
from apps.backtests.engine.positions import Held, Refused
from apps.backtests.engine.rules import Rules
from apps.backtests.engine.settings import Settings
from apps.strategies.contract.answers import StrategyFailed

#: Refusals that are kept; more are counted.
MOST_REFUSED = 10_000
Columns = TypeVar("Columns", Prices, Finer, Answers)
_COMPILED = "apps.backtests.engine.compiled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What came of decisions in the first `rows` candles, and what ended them there, if something did.
    Where a strategy was asked candle by candle, only the answers it gave then are known."""

    decisions: Signals
    positions: Table
    refused: Table
    refused_orders: int
    rows: int
    failure: BaseException | None = None


def settle(
    signals: Signals, candles: History, rules: Rules, settings: Settings, detail: History | None
) -> Settled:
    """The fills of answers that are known for every candle."""
    prices, finer = prices_of(candles), finer_of(candles, detail)
    answers = _answers_of(signals, settings.warmup)
    held = np.empty((len(Held._fields), len(answers.entries)))
    refused = np.empty((len(Refused._fields), min(len(answers.entries), MOST_REFUSED)))
    tables = (settings.balance, held, refused)
    if compiled := sys.modules.get(_COMPILED):
        trades, refusals, stopped = compiled.walk(rules, prices, finer, answers, *tables)
    else:
        columns = (as_lists(prices), as_lists(finer), as_lists(answers))
        trades, refusals, stopped = walk(rules, *columns, *tables)
    positions = table_of(Held, held[:, :trades])
    cash = positions["cash_after"][-1] if trades else settings.balance
    return Settled(
        decisions=signals,
        positions=positions,
        refused=table_of(Refused, refused[:, :refusals]),
        refused_orders=refusals,
        rows=len(candles) if stopped < 0 else stopped + 1,
        failure=None if stopped < 0 else _find_fault(signals, stopped, cash),
    )


def prices_of(candles: History) -> Prices:
    return Prices(candles.open, candles.high, candles.low, candles.close)


def finer_of(candles: History, detail: History | None) -> Finer:
    """Where the finer candles of each candle are."""
    if detail is None:
        nothing, nowhere = sealed([], np.float64), sealed([], np.int64)
        return Finer(nowhere, nowhere, nothing, nothing, nothing)
    starts = candles.opened_at_ms
    first = np.searchsorted(detail.opened_at_ms, starts)
    end = np.searchsorted(detail.opened_at_ms, starts + candles.duration_ms)
    return Finer(
        sealed(first, np.int64), sealed(end, np.int64), detail.open, detail.high, detail.low
    )


def _answers_of(signals: Signals, first: int) -> Answers:
    """The rows where something is answered, from the first that counts on."""
    entries = np.flatnonzero(signals.long[first:]) + first
    exits = np.flatnonzero(signals.exit[first:]) + first
    numbers = (signals.amount, signals.share, signals.stop_loss, signals.take_profit)
    return Answers(
        sealed(entries, np.int64),
        sealed(exits, np.int64),
        *(_at_entries(number, entries) for number in numbers),
    )


def _at_entries(number: Numbers, entries: Integers) -> Floats:
    return sealed(number[entries] if isinstance(number, np.ndarray) else [number], np.float64)


def as_lists(columns: Columns) -> Columns:
    """Plain Python reads lists several times faster than arrays."""
    lists: list[Any] = [column.tolist() for column in columns if isinstance(column, np.ndarray)]
    return type(columns)(*lists)


def _find_fault(signals: Signals, row: int, cash: float) -> StrategyFailed:
    """What is wrong with the numbers of an entry."""
    try:
        read_wish(signals.size(row, cash), at(signals.stop_loss, row), at(signals.take_profit, row))
    except StrategyFailed as fault:
        return fault
    raise AssertionError("Kernel and contract disagree about what an answer is.")
