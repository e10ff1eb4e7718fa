"""Figures of a trading record, from its daily equity and its closed trades.

What is not defined (no losing trade, no variance, less than two days) is None, never 0 or infinite.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import NamedTuple

from apps.domain.chances import deflate_sharpe, two_sided_p

#: Shown beside the figures.
CONVENTION = (
    "Daily equity at 00:00 UTC, open positions included; simple returns, 365 days a year, risk-free rate 0,"
    " standard deviations with n - 1. Sortino: downside over all returns. Drawdown: from the highest daily"
    " equity so far, the starting balance included; each of its figures is the largest of its kind. Calmar:"
    " CAGR by maximum drawdown. Omega: threshold 0. Recovery factor: net profit by maximum drawdown in money."
    " Win rate, profit factor and expectancy: closed trades net of fees; a profit of 0 is neither won nor"
    " lost. Per unit risked: profit by the loss at the stop-loss. SQN: root of n times mean by standard"
    " deviation of the trades. p-value: how likely a mean trade so far from 0 is by chance, Student's t, both"
    " sides. n/a: not defined for these data."
)
DAYS_A_YEAR = 365
#: Equal numbers differ by as much, in their last digits.
_NOISE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveFigures:
    """Of an equity curve; shares are fractions of 1, `max_drawdown_days` is from the peak until it was
    reached again, or until the end."""

    net_profit: float
    net_return: float
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    omega: float | None
    max_drawdown: float
    max_drawdown_money: float
    max_drawdown_days: float
    recovery_factor: float | None
    deflated_sharpe: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFigures:
    """Of closed trades, in money net of fees; losses are negative."""

    trades: int
    won: int
    lost: int
    even: int
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    expectancy_per_risk: float | None
    sqn: float | None
    average_win: float | None
    average_loss: float | None
    best_trade: float | None
    worst_trade: float | None
    longest_winning_streak: int
    longest_losing_streak: int
    p_value: float | None


def measure_curve(
    equity: Sequence[float], *, days: Sequence[float] | None = None, variants: int = 1
) -> CurveFigures:
    """Figures of the equity at the end of each day, the starting balance first. `days` tells when each value
    was there, where not all are a day apart. The best of many `variants` has its Sharpe ratio deflated."""
    times = days if days is not None else range(len(equity))
    start, final, elapsed = equity[0], equity[-1], times[-1] - times[0]
    defined = elapsed >= 2 and len(equity) > 2 and min(equity) > 0
    returns = [b / a - 1 for a, b in pairwise(equity)] if defined else []
    ratios = _measure_returns(returns, variants)
    drawdown = _find_drawdown(equity, times)
    cagr = (final / start) ** (DAYS_A_YEAR / elapsed) - 1 if defined else None
    return CurveFigures(
        net_profit=final - start,
        net_return=final / start - 1,
        cagr=cagr,
        volatility=ratios.volatility,
        sharpe=ratios.sharpe,
        sortino=ratios.sortino,
        calmar=cagr / drawdown.share if cagr is not None and drawdown.share else None,
        omega=ratios.omega,
        max_drawdown=drawdown.share,
        max_drawdown_money=drawdown.money,
        max_drawdown_days=drawdown.days,
        recovery_factor=(final - start) / drawdown.money if drawdown.money else None,
        deflated_sharpe=ratios.deflated_sharpe,
    )


def measure_trades(profits: Sequence[float], by_risk: Sequence[float] = ()) -> TradeFigures:
    """Figures of closed trades in their order; `by_risk` is the profit of each that had a stop-loss, by what
    it would have lost there."""
    count = len(profits)
    # One byte a trade: thousands of them are counted in no time.
    is_won = bytes([profit > 0 for profit in profits])
    is_lost = bytes([profit < 0 for profit in profits])
    won, lost = is_won.count(1), is_lost.count(1)
    gains, losses = math.fsum(compress(profits, is_won)), math.fsum(compress(profits, is_lost))
    mean = (gains + losses) / count if count else None
    spread = None if mean is None else _deviation(profits, mean)
    quality = math.sqrt(count) * mean / spread if mean is not None and spread else None
    return TradeFigures(
        trades=count,
        won=won,
        lost=lost,
        even=count - won - lost,
        win_rate=won / count if count else None,
        profit_factor=gains / -losses if lost else None,
        expectancy=mean,
        expectancy_per_risk=math.fsum(by_risk) / len(by_risk) if by_risk else None,
        sqn=quality,
        average_win=gains / won if won else None,
        average_loss=losses / lost if lost else None,
        best_trade=max(profits, default=None),
        worst_trade=min(profits, default=None),
        longest_winning_streak=_longest_run(is_won),
        longest_losing_streak=_longest_run(is_lost),
        p_value=None if quality is None else two_sided_p(quality, count - 1),
    )


class _Ratios(NamedTuple):
    volatility: float | None = None
    sharpe: float | None = None
    sortino: float | None = None
    omega: float | None = None
    deflated_sharpe: float | None = None


def _measure_returns(returns: Sequence[float], variants: int) -> _Ratios:
    if not returns:
        return _Ratios()
    annual = math.sqrt(DAYS_A_YEAR)
    mean = math.fsum(returns) / len(returns)
    spread = _deviation(returns, mean)
    losses = [r for r in returns if r < 0]
    downside = math.sqrt(math.fsum(r * r for r in losses) / len(returns))
    return _Ratios(
        volatility=spread and spread * annual,
        sharpe=spread and mean / spread * annual,
        sortino=mean / downside * annual if losses else None,
        omega=math.fsum(r for r in returns if r > 0) / -math.fsum(losses) if losses else None,
        deflated_sharpe=deflate_sharpe(returns, variants) if spread and variants > 1 else None,
    )


class _Drawdown(NamedTuple):
    share: float
    money: float
    days: float


def _find_drawdown(equity: Sequence[float], times: Sequence[float]) -> _Drawdown:
    peak, peak_time, is_below = equity[0], times[0], False
    share = money = days = 0.0
    for value, time in zip(equity, times, strict=True):
        is_new = value >= peak
        if is_below:
            days = max(days, time - peak_time)
        if is_new:
            peak, peak_time = value, time
        else:
            share, money = max(share, 1 - value / peak), max(money, peak - value)
            days = max(days, time - peak_time)
        is_below = not is_new
    return _Drawdown(share, money, days)


def _deviation(values: Sequence[float], mean: float) -> float | None:
    """The standard deviation with n - 1; None where there is none."""
    if len(values) < 2:
        return None
    spread = math.dist(values, [mean] * len(values)) / math.sqrt(len(values) - 1)
    return spread if spread > _NOISE * max(1.0, abs(mean)) else None


def _longest_run(flags: bytes) -> int:
    """The most ones in a row."""
    return max(map(len, flags.split(b"\0")))
