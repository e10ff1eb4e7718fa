"""What may be wrong with a result: each doubt is looked into on its own, and answered in plain words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from apps.backtests.engine.lookahead import Lookahead
from apps.backtests.engine.warmup import Warmup

#: A profit of which more than half hangs on what no candle tells is hardly known.
MOST_HANGING = 0.5
#: With so few trades nothing can be told from chance; below 30 one lucky trade moves their mean.
TOO_FEW_TRADES, FEW_TRADES = 10, 30
#: The usual line: by chance alone, a mean like this comes once in 20 times.
MOST_CHANCE = 0.05
#: The best trades are one in a hundred, one at least; years without them come.
BEST_SHARE = 0.01
#: Where more than half of a profit is theirs, it says little about all the others.
MOST_FROM_BEST = 0.5


class Badge(StrEnum):
    """How far a result can be trusted, the best first."""

    GOOD = "good"
    CAUTION = "caution"
    DISTRUST = "don't trust"


class Doubt(StrEnum):
    """What a result is examined for, as a page says it."""

    LOOKAHEAD = "Look-ahead"
    WARMUP = "Warm-up"
    OPEN_QUESTIONS = "What candles leave open"
    FEES = "Fees"
    SLIPPAGE = "Slippage"
    HOLDING = "Buy and hold"
    SAMPLE = "Number of trades"
    BEST_TRADES = "Best trades"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A doubt, and what there is to it."""

    doubt: Doubt
    badge: Badge
    words: str


class Costs(NamedTuple):
    """Returns without a cost, with it, and with twice as much of it."""

    without: float
    paid: float
    doubled: float


def judge_lookahead(lookahead: Lookahead) -> Finding:
    """Does the strategy reckon with candles that are still to come? Then it is not what it seems to be."""
    badge = Badge.GOOD if lookahead.passed else Badge.DISTRUST
    return Finding(doubt=Doubt.LOOKAHEAD, badge=badge, words=lookahead.words)


def judge_warmup(warmup: Warmup) -> Finding:
    """Would it see live, on its last candles, what it saw here? Where it sees nothing it won't trade."""
    badge = Badge.GOOD if warmup.passed else Badge.CAUTION
    if any(math.isinf(drift.off) for drift in warmup.drifts):
        badge = Badge.DISTRUST
    return Finding(doubt=Doubt.WARMUP, badge=badge, words=warmup.words)


def judge_open_questions(pessimistic: float, optimistic: float) -> Finding:
    """How much of the return hangs on what candles leave open, and on slippage?"""
    if pessimistic <= 0 < optimistic:
        badge, meaning = Badge.DISTRUST, "whether it earns at all is not known"
    elif 0 < pessimistic < (1 - MOST_HANGING) * optimistic:
        badge, meaning = Badge.CAUTION, "more than half of the profit hangs on that"
    else:
        badge, meaning = Badge.GOOD, "that does not change the picture"
    words = (
        f"It returned {_percent(pessimistic)} with every open question decided against you and slippage, and"
        f" {_percent(optimistic)} with all decided for you and none: {meaning}."
    )
    return Finding(doubt=Doubt.OPEN_QUESTIONS, badge=badge, words=words)


def judge_fees(returns: Costs, *, rate: float) -> Finding:
    """Would the profit survive higher fees?"""
    return _judge_costs(Doubt.FEES, "fees", returns, is_simulated=rate > 0)


def judge_slippage(returns: Costs, *, bps: float) -> Finding:
    """Would the profit survive worse prices?"""
    return _judge_costs(Doubt.SLIPPAGE, "slippage", returns, is_simulated=bps > 0)


def _judge_costs(doubt: Doubt, what: str, returns: Costs, *, is_simulated: bool) -> Finding:
    if not is_simulated:
        words = f"It was simulated without {what}, and no market is without."
        return Finding(doubt=doubt, badge=Badge.CAUTION, words=words)
    badge = Badge.GOOD
    words = (
        f"It returned {_percent(returns.paid)}, {_percent(returns.without)} without {what}, and"
        f" {_percent(returns.doubled)} with {what} twice as high"
    )
    if returns.doubled <= 0 < returns.paid:
        badge = Badge.CAUTION
        words += ": then it loses"
    elif returns.paid <= 0 < returns.without:
        words += f": it earns less than its {what}"
    return Finding(doubt=doubt, badge=badge, words=f"{words}.")


def judge_holding(
    earned: float, held: float | None, drawdown: float, drawdown_held: float
) -> Finding:
    """Was it worth the trouble, against buying once? Less profit may be the price of less risk."""
    if held is None:
        words = "There are too few candles to compare with buying once and holding."
        return Finding(doubt=Doubt.HOLDING, badge=Badge.CAUTION, words=words)
    is_worse = earned < held and drawdown >= drawdown_held
    words = (
        f"It returned {_percent(earned)} at a largest drawdown of {_share(drawdown)}; who bought once and"
        f" held has {_percent(held)} at {_share(drawdown_held)}"
    )
    words += ": holding was better in both." if is_worse else "."
    return Finding(
        doubt=Doubt.HOLDING, badge=Badge.CAUTION if is_worse else Badge.GOOD, words=words
    )


def judge_sample(trades: int, p_value: float | None) -> Finding:
    """Are there enough trades, and are they too good or bad for chance?"""
    words = f"{trades} closed trade{'' if trades == 1 else 's'}"
    if trades < TOO_FEW_TRADES:
        badge, meaning = Badge.DISTRUST, ": far too few to tell anything from chance"
    elif p_value is None:
        badge, meaning = Badge.CAUTION, ", all with the same profit"
    elif p_value > MOST_CHANCE:
        badge = Badge.CAUTION
        meaning = f": chance alone brings a mean as far from nothing in {_share(p_value)} of cases"
    else:
        badge = Badge.CAUTION if trades < FEW_TRADES else Badge.GOOD
        few = f"fewer than {FEW_TRADES}, and " if trades < FEW_TRADES else ""
        meaning = f": {few}chance alone brings such a mean in {_share(p_value)} of cases"
    return Finding(doubt=Doubt.SAMPLE, badge=badge, words=f"{words}{meaning}.")


def judge_best_trades(profits: Sequence[float]) -> Finding:
    """Does the profit come from a few trades that may not come again?"""
    total, count = math.fsum(profits), math.ceil(BEST_SHARE * len(profits))
    if total <= 0:
        words = "There is no profit that a few trades could have made."
        return Finding(doubt=Doubt.BEST_TRADES, badge=Badge.GOOD, words=words)
    share = math.fsum(sorted(profits)[-count:]) / total
    best = "The best trade" if count == 1 else f"The best {count} trades"
    words = f"{best} made {_share(share)} of the profit of all {len(profits)}"
    if share > 1:
        words += ": all others together lost"
    badge = Badge.CAUTION if share > MOST_FROM_BEST else Badge.GOOD
    return Finding(doubt=Doubt.BEST_TRADES, badge=badge, words=f"{words}.")


def _percent(share: float) -> str:
    """A return, with its sign."""
    return f"{100 * share:+,.2f} %"


def _share(share: float) -> str:
    if 0 < share < 0.0001:
        return "less than 0.01 %"
    return f"{100 * share:,.2g} %" if share < 0.01 else f"{100 * share:,.1f} %"
