"""How far a result can be trusted: one badge, and the reasons for it in plain words."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from apps.backtests.engine import doubts
from apps.backtests.engine.candles import History
from apps.backtests.engine.doubts import Badge, Costs, Doubt, Finding
from apps.backtests.engine.evaluation.signals import Signals
from apps.backtests.engine.figures import by_day, closed_of
from apps.backtests.engine.lookahead import check_lookahead
from apps.backtests.engine.results import BacktestResult
from apps.backtests.engine.settings import Settings
from apps.backtests.engine.variants import Variants, return_of, try_variants
from apps.backtests.engine.warmup import check_warmup
from apps.strategies.contract.strategy import Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Honesty:
    """What was found about a result, in the order of the doubts."""

    findings: tuple[Finding, ...]

    @property
    def badge(self) -> Badge:
        """That of the worst finding."""
        return max((finding.badge for finding in self.findings), key=list(Badge).index)

    @property
    def lookahead(self) -> Finding:
        """Whether the strategy knew candles that were still to come."""
        return next(finding for finding in self.findings if finding.doubt is Doubt.LOOKAHEAD)

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return {"badge": self.badge, "findings": [asdict(finding) for finding in self.findings]}


def judge(
    strategy: type[Strategy],
    candles: History,
    decisions: Signals,
    settings: Settings,
    detail: History | None = None,
) -> Honesty:
    """Examine what a strategy decided in a run that came to its end. The returns spoken of are pessimistic
    ones, in whatever mode the run was."""
    lookahead = check_lookahead(
        strategy, candles.frame, settings.params, signals=np.flatnonzero(decisions.long).tolist()
    )
    warmup = check_warmup(strategy, candles.frame, settings.params)
    variants = try_variants(decisions, candles, settings, detail)
    return Honesty(
        findings=(
            doubts.judge_lookahead(lookahead),
            doubts.judge_warmup(warmup),
            *_judge_variants(variants),
            _judge_holding(variants.base, candles),
            *_judge_trades(variants.base),
        )
    )


def _judge_variants(variants: Variants) -> Iterator[Finding]:
    base, settings = return_of(variants.base), variants.base.settings
    yield doubts.judge_open_questions(base, variants.optimistic)
    fees = Costs(variants.no_fees, base, variants.double_fees)
    yield doubts.judge_fees(fees, rate=settings.fees.taker)
    slippage = Costs(variants.no_slippage, base, variants.double_slippage)
    yield doubts.judge_slippage(slippage, bps=settings.slippage_bps)


def _judge_holding(base: BacktestResult, candles: History) -> Finding:
    first = base.settings.warmup
    _, prices = by_day(candles, candles.close, float(candles.close[first]), first)
    return doubts.judge_holding(
        return_of(base),
        base.metrics["buy_and_hold"],
        float(base.metrics["max_drawdown"] or 0),
        float((1 - prices / np.maximum.accumulate(prices)).max()),
    )


def _judge_trades(base: BacktestResult) -> Iterator[Finding]:
    profits = closed_of(base.positions)["pnl"].tolist()
    yield doubts.judge_sample(len(profits), base.metrics["p_value"])
    yield doubts.judge_best_trades(profits)
