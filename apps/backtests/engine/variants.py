"""One run's decisions, traded again under other assumptions."""

from collections.abc import Mapping
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
    """The pessimistic result, and what becomes of it when one assumption is another."""

    base: BacktestResult
    optimistic: BacktestResult
    no_fees: BacktestResult
    double_fees: BacktestResult
    no_slippage: BacktestResult
    double_slippage: BacktestResult


def try_variants(
    decisions: Signals, candles: History, settings: Settings, detail: History | None = None
) -> Variants:
    """Trade the decisions in every way. Where a strategy was asked candle by candle, its answers on candles
    that it was not asked about count as no, and an entry spends the amount it spent then."""
    changes: Mapping[str, Mapping[str, Any]] = {
        "base": {},
        "optimistic": {"mode": Mode.OPTIMISTIC},
        "no_fees": {"fees": _multiply(settings.fees, 0)},
        "double_fees": {"fees": _multiply(settings.fees, 2)},
        "no_slippage": {"slippage_bps": 0.0},
        "double_slippage": {"slippage_bps": 2 * settings.slippage_bps},
    }
    base = replace(settings, mode=Mode.PESSIMISTIC)
    return Variants(
        **{
            name: trade(
                decisions, candles, replace(base, **change), evaluation=_AGAIN, detail=detail
            )
            for name, change in changes.items()
        }
    )


def _multiply(fees: Fees, times: float) -> Fees:
    return replace(fees, maker=times * fees.maker, taker=times * fees.taker)
