"""One run's decisions, traded again under other assumptions."""

from dataclasses import dataclass, replace
from typing import Any

from apps.backtests.engine.candles import History
from apps.backtests.engine.evaluation.signals import Signals
from apps.backtests.engine.results import BacktestResult, Evaluation
from apps.backtests.engine.run import trade
from apps.backtests.engine.settings import Fees, Mode, Settings

_AGAIN = Evaluation(way="again", reason="The decisions of a run, with other settings.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """The pessimistic result, and the returns when one of its assumptions is another."""

    base: BacktestResult
    optimistic: float
    no_fees: float
    double_fees: float
    no_slippage: float
    double_slippage: float


def try_variants(
    decisions: Signals, candles: History, settings: Settings, detail: History | None = None
) -> Variants:
    """Trade the decisions in every way. Where a strategy was asked candle by candle, its answers on candles
    that it was not asked about count as no, and an entry spends the amount it spent then."""

    def run(**changes: Any) -> BacktestResult:
        changed = replace(settings, **{"mode": Mode.PESSIMISTIC, **changes})
        return trade(decisions, candles, changed, evaluation=_AGAIN, detail=detail)

    fees, slippage_bps = settings.fees, settings.slippage_bps
    return Variants(
        base=run(),
        optimistic=return_of(run(mode=Mode.OPTIMISTIC)),
        no_fees=return_of(run(fees=_multiply(fees, 0))),
        double_fees=return_of(run(fees=_multiply(fees, 2))),
        no_slippage=return_of(run(slippage_bps=0.0)),
        double_slippage=return_of(run(slippage_bps=2 * slippage_bps)),
    )


def return_of(result: BacktestResult) -> float:
    """What it has made of its balance, as a share of that."""
    return float(result.metrics["net_return"] or 0)


def _multiply(fees: Fees, times: float) -> Fees:
    return replace(fees, maker=times * fees.maker, taker=times * fees.taker)
