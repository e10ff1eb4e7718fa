"""Whether two ways to ask a strategy agree."""

from collections.abc import Callable, Iterable, Iterator
from math import isclose
from typing import Any

import numpy as np
import pandas as pd

from apps.backtests.engine.evaluation.asking import Asker, read_flag, read_wish
from apps.backtests.engine.evaluation.signals import Flags, Signals, at
from apps.strategies.contract.strategy import PositionView

#: Signals of each kind, and candles without one, at which answers are compared.
_MOST = 500
#: Rows compared with new instances where the history begins, and in as many more.
_EARLY = 8
#: Rows of each kind that are shown with the candles after them and without, and how many those are.
_TELLING = 3
_LATER = 400
#: An answer that depends on the balance shows at one of them.
_BALANCES = (1_000.0, 12_345.67, 50.0)
_POSITION = PositionView(side="long", quantity=0.5, entry_price=101.0, unrealized_pnl=1.25)


class SignalsAsker:
    """Signals, asked for one candle after the other."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals

    def should_long(self, i: int, _balance: float) -> bool:
        """Whether to buy."""
        return bool(self._signals.long[i])

    def should_short(self, i: int, _balance: float, _position: PositionView) -> bool:
        """Whether to sell."""
        return bool(self._signals.exit[i])

    def position_size(self, i: int, balance: float) -> float:
        """Quote currency to spend."""
        return self._signals.size(i, balance)

    def stop_loss(self, i: int, _balance: float) -> float:
        """A fraction of the entry price, 0 for none."""
        return at(self._signals.stop_loss, i)

    def take_profit(self, i: int, _balance: float) -> float:
        """A fraction of the entry price, 0 for none."""
        return at(self._signals.take_profit, i)


def find_difference(one: Asker, other: Asker, rows: Iterable[int]) -> int | None:
    """The first of these rows, in order, on which they do not answer alike."""
    return next((row for row in rows if not _is_alike(_ask(one, row), _ask(other, row))), None)


def pick_rows(first: int, rows: int, *signals: Flags) -> list[int]:
    """Rows to compare: signals, or 500 of each kind, as many candles of any kind, and the first ones."""
    chance = np.random.default_rng(0)
    asked = np.arange(first, rows)
    kinds = (asked, *map(np.flatnonzero, signals))
    picked = [asked[:_EARLY], *(_take(kind, chance) for kind in kinds)]
    return [int(row) for row in np.unique(np.concatenate(picked))]


def pick_early(rows: list[int], lookback: int) -> list[int]:
    """Some of the rows at which a new instance sees the whole history."""
    early = [row for row in rows if row < lookback]
    return [*early[:_EARLY], *_spread(early[_EARLY:], _EARLY)]


def pick_telling(asker: Asker, rows: list[int]) -> list[int]:
    """Some of the rows at which the asker buys, some at which it sells, and some others."""
    answers = {row: _ask(asker, row) for row in rows}
    buys = [row for row, answer in answers.items() if answer[0] is True]
    sells = [row for row, answer in answers.items() if answer[-1] is True]
    return sorted({row for kind in (buys, sells, rows) for row in _spread(kind, _TELLING)})


def list_windows(
    frame: pd.DataFrame, rows: list[int], lookback: int
) -> Iterator[tuple[int, pd.DataFrame, int]]:
    """Each row with what a new instance sees there and the candles after, and its place in that."""
    for row in rows:
        begin = max(0, row + 1 - lookback)
        yield row, frame.iloc[begin : row + 1 + _LATER], row - begin


def _take(rows: Any, chance: np.random.Generator) -> Any:
    return rows if len(rows) <= _MOST else rows[chance.integers(len(rows), size=_MOST)]


def _spread(rows: list[int], count: int) -> list[int]:
    """So many of them, evenly up to the last."""
    if len(rows) <= count:
        return rows
    return [rows[len(rows) * place // count - 1] for place in range(1, count + 1)]


def _ask(asker: Asker, row: int) -> list[Any]:
    balance = _BALANCES[row % len(_BALANCES)]
    return [
        *_answer(lambda: _ask_flat(asker, row, balance)),
        *_answer(lambda: [read_flag("should_short", asker.should_short(row, balance, _POSITION))]),
    ]


def _ask_flat(asker: Asker, row: int, balance: float) -> list[Any]:
    if not read_flag("should_long", asker.should_long(row, balance)):
        return [False]
    size, stop_loss, take_profit = (
        asker.position_size(row, balance), asker.stop_loss(row, balance), asker.take_profit(row, balance)
    )  # fmt: skip
    return [True, *read_wish(size, stop_loss, take_profit)]


def _answer(question: Callable[[], list[Any]]) -> list[Any]:
    try:
        return question()
    except (Exception, SystemExit) as error:  # noqa: BLE001  what it raises is its answer
        return [type(error).__name__]


def _is_alike(one: list[Any], other: list[Any]) -> bool:
    """An amount may differ in its last digit, by the order in which it is computed from the balance."""
    return len(one) == len(other) and all(
        mine == yours
        or (type(mine) is type(yours) is float and isclose(mine, yours, rel_tol=1e-12))
        for mine, yours in zip(one, other, strict=True)
    )
