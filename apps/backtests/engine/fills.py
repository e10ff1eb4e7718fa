"""The fills of a whole run from columns of answers: from one event to the next, asking nobody.

Plain Python runs it on lists, for a single run in a new process; `compiled` is the same by numba.
"""

import math
from typing import NamedTuple

from apps.backtests.engine.candles import Floats, Integers
from apps.backtests.engine.positions import (
    END,
    SIGNAL,
    Held,
    Position,
    Refused,
    buy,
    keep,
    sell,
)
from apps.backtests.engine.rules import ACCEPTED, BOTH, NOTHING, Rules, judge, settle_doubt
from apps.strategies.contract.answers import MAX_TAKE_PROFIT
from apps.strategies.contract.parameters import MAX_VALUE

#: Arrays for compiled code, lists for plain Python.
Numbers = Floats | list[float]
Rows = Integers | list[int]


class Prices(NamedTuple):
    """The columns of a run's candles."""

    open: Numbers
    high: Numbers
    low: Numbers
    close: Numbers


class Finer(NamedTuple):
    """Finer candles: those inside row i of the run are `first[i]` to before `end[i]`; all empty without."""

    first: Rows
    end: Rows
    open: Numbers
    high: Numbers
    low: Numbers


class Answers(NamedTuple):
    """Rows after whose close it buys if flat, and sells if not. An entry spends amount + share * cash, with
    stop-loss and take-profit as fractions: one number for each of `entries`, or one for all of them."""

    entries: Rows
    exits: Rows
    amount: Numbers
    share: Numbers
    stop_loss: Numbers
    take_profit: Numbers


def walk(
    rules: Rules,
    prices: Prices,
    finer: Finer,
    answers: Answers,
    balance: float,
    held: Floats,
    refused: Floats,
) -> tuple[int, int, int]:
    """Fill `held` with all positions and `refused` with refusals, as many as there is room for. Returns how
    many there are of both, and the row whose answers can't be used, where it ends; else -1."""
    rows = len(prices.open)
    cash, dust = balance, 0.0
    trades = refusals = entry = leaving = after = 0
    while True:
        entry = skip(answers.entries, entry, after)
        if entry == len(answers.entries) or answers.entries[entry] + 1 >= rows:
            return trades, refusals, -1
        wish = wish_of(answers, entry, cash)
        first = answers.entries[entry] + 1
        after = first
        if not is_usable(wish):
            return trades, refusals, first - 1
        denial, position = buy(rules, float(first), prices.open[first], wish, cash, dust)
        if denial != ACCEPTED:
            if refusals < refused.shape[1]:
                put(
                    refused,
                    refusals,
                    Refused(float(first), float(denial), position.amount, position.price),
                )
            refusals += 1
            continue
        leaving = skip(answers.exits, leaving, first)
        until = answers.exits[leaving] + 1 if leaving < len(answers.exits) else rows
        last = hold(rules, prices, finer, position, until)
        put(held, trades, last)
        trades += 1
        if last.exit_row < 0:
            return trades, refusals, -1
        after, cash, dust = int(last.exit_row), last.cash_after, last.dust_after


def hold(rules: Rules, prices: Prices, finer: Finer, position: Position, until: int) -> Held:
    """Follow a position to its stop, its target, or the candle `until` at whose open a signal sells it."""
    highs, lows = prices.high, prices.low
    stop, target = position.stop, position.target
    lowest, highest = math.inf, 0.0
    for row in range(int(position.row), until):
        high, low = highs[row], lows[row]
        if low <= stop or high >= target:
            event, opened = resolve(rules, prices, finer, row, stop, target)
            if event != NOTHING:
                return sell(rules, position, float(row), event, opened, lowest, highest)
        # In plain Python these two comparisons are faster than min and max.
        if low < lowest:  # noqa: PLR1730
            lowest = low
        if high > highest:  # noqa: PLR1730
            highest = high
    if until < len(highs):
        opened = prices.open[until]
        return sell(rules, position, float(until), SIGNAL, opened, lowest, highest)
    return end(rules, position, prices, lowest, highest)


def end(rules: Rules, position: Position, prices: Prices, lowest: float, highest: float) -> Held:
    """What the last candle leaves of a position."""
    row = len(prices.close) - 1
    if rules.finalize:
        return sell(rules, position, float(row), END, prices.close[row], lowest, highest)
    return keep(position, prices.close[row], lowest, highest)


def resolve(
    rules: Rules, prices: Prices, finer: Finer, row: int, stop: float, target: float
) -> tuple[int, float]:
    """What a candle does to a position, and the open that counts then; finer candles tell what one alone
    does not."""
    opened = prices.open[row]
    event = judge(rules, opened, prices.high[row], prices.low[row], stop, target)
    if event != BOTH:
        return event, opened
    if len(finer.first):
        for part in range(finer.first[row], finer.end[row]):
            began = finer.open[part]
            event = judge(rules, began, finer.high[part], finer.low[part], stop, target)
            if event == BOTH:
                return settle_doubt(rules), began
            if event != NOTHING:
                return event, began
    return settle_doubt(rules), opened


def wish_of(answers: Answers, entry: int, cash: float) -> tuple[float, float, float]:
    """Amount, stop-loss and take-profit of an entry."""
    amount = pick(answers.amount, entry) + pick(answers.share, entry) * cash
    return amount, pick(answers.stop_loss, entry), pick(answers.take_profit, entry)


def is_usable(wish: tuple[float, float, float]) -> bool:
    """Whether the numbers can be meant; NaN is none that can."""
    amount, stop_loss, take_profit = wish
    return (
        0.0 <= amount <= MAX_VALUE
        and 0.0 <= stop_loss < 1.0
        and 0.0 <= take_profit < MAX_TAKE_PROFIT
    )


def pick(numbers: Numbers, entry: int) -> float:
    """The number of an entry, or the one for all."""
    return numbers[entry] if len(numbers) > 1 else numbers[0]


def skip(rows: Rows, start: int, first: int) -> int:
    """Where the rows reach `first`, searched from `start` on."""
    while start < len(rows) and rows[start] < first:
        start += 1
    return start


def put(table: Floats, row: int, values: tuple[float, ...]) -> None:
    """Write a row of a table, whose columns come first."""
    for column in range(len(values)):
        table[column, row] = values[column]
