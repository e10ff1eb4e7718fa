"""One backtest, from a strategy and candles to its result."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from apps.backtests.engine.candles import BadCandles, History, at_time
from apps.backtests.engine.evaluation.asking import Asker
from apps.backtests.engine.evaluation.plain import PlainAsker
from apps.backtests.engine.evaluation.signals import Signals, StepsAside
from apps.backtests.engine.evaluation.ways import list_ways
from apps.backtests.engine.figures import DAY_MS, by_day, mark, measure
from apps.backtests.engine.results import BacktestResult, Evaluation, State
from apps.backtests.engine.rules import rules_of
from apps.backtests.engine.settings import Fees, Mode, Settings
from apps.backtests.engine.settling import Settled, settle
from apps.backtests.engine.simulation import Cancelled, Report, Start, find_start, simulate
from apps.domain.markets import Market
from apps.domain.metrics import measure_curve
from apps.strategies.contract.answers import StrategyFailed
from apps.strategies.contract.parameters import merge, read_schema
from apps.strategies.contract.strategy import Strategy

#: Told the candles that are done, how many there are, and the positions so far.
Progress = Callable[[int, int, int], None]


def _ignore(_row: int, _trades: int) -> None:
    """Nobody wants to know."""


def run_backtest(  # noqa: PLR0913  what a run depends on, each by its name
    strategy: type[Strategy],
    candles: History,
    *,
    balance: float,
    fees: Fees,
    market: Market | None = None,
    slippage_bps: float = 5.0,
    params: Mapping[str, Any] | None = None,
    detail: History | None = None,
    mode: Mode | str = Mode.PESSIMISTIC,
    finalize: bool = False,
    warmup: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> BacktestResult:
    """What the strategy would have made of `balance`. Raises BadCandles and, for parameters that don't fit,
    ValueError; whatever the strategy does ends in the result."""
    settings = Settings(
        balance=balance,
        fees=fees,
        slippage_bps=slippage_bps,
        mode=Mode(mode),
        market=market,
        params=merge(read_schema(strategy.STRATEGY_PARAMS), params or {}),
        warmup=warmup,
        finalize=finalize,
    )
    _check(candles, detail, warmup)
    plain = PlainAsker(strategy, candles.frame, settings.params, window=strategy.lookback)
    start = find_start(plain, settings, len(candles), strategy.lookback)
    ways = list_ways(
        strategy, candles.frame, settings.params, first=start.row, lookback=strategy.lookback
    )
    report = _report_to(progress, cancelled, len(candles))
    for way in ways:
        # A faster way may step aside at any candle; the last one doesn't.
        with suppress(StepsAside):
            return trade(
                way.decisions,
                candles,
                settings,
                evaluation=Evaluation(way=way.name, reason=way.reason),
                detail=detail,
                start=start,
                report=report,
            )
    raise AssertionError("The last way steps aside.")


def _check(candles: History, detail: History | None, warmup: int) -> None:
    """Raise BadCandles unless they can be traded on."""
    candles.check()
    if warmup >= len(candles):
        raise BadCandles(
            f"All {len(candles)} candles are for warming up, none is left to trade on. Choose more."
        )
    if detail is not None:
        detail.check()
        if candles.duration_ms % detail.duration_ms or candles.duration_ms == detail.duration_ms:
            raise BadCandles("The finer candles don't divide those that are traded on.")


def trade(
    decisions: Signals | Asker,
    candles: History,
    settings: Settings,
    *,
    evaluation: Evaluation,
    detail: History | None = None,
    start: Start | None = None,
    variants: int = 1,
    report: Report = _ignore,
) -> BacktestResult:
    """What decisions that are known, or asked for one by one from `start` on, make of the settings' balance.
    `variants` is how many were tried to find this one."""
    rules, start = rules_of(settings), start or Start(row=settings.warmup)
    if isinstance(decisions, Signals):
        settled = settle(decisions, candles, rules, settings, detail)
    else:
        settled = simulate(
            decisions, candles, rules, settings, detail, first=start.row, report=report
        )
    equity = mark(settled.positions, candles.close[: settled.rows], settings.balance)
    moments, values = by_day(candles, equity, settings.balance, settings.warmup)
    metrics = measure(
        history=candles,
        rules=rules,
        first=settings.warmup,
        rows=settled.rows,
        daily=measure_curve(values.tolist(), days=(moments / DAY_MS).tolist(), variants=variants),
        positions=settled.positions,
        refused_orders=settled.refused_orders,
    )
    state, reason, stopped_at_ms = _tell_end(settled, candles)
    return BacktestResult(
        state=state,
        reason=reason,
        stopped_at_ms=stopped_at_ms,
        failure=settled.failure,
        evaluation=evaluation,
        settings=settings,
        warnings=tuple(_find_warnings(start, candles)),
        opened_at_ms=candles.opened_at_ms[: settled.rows],
        equity=equity,
        daily_equity=list(zip(moments.tolist(), values.tolist(), strict=True)),
        metrics=metrics,
        positions=settled.positions,
        refused=settled.refused,
        decisions=settled.decisions,
    )


def _report_to(
    progress: Progress | None, cancelled: Callable[[], bool] | None, rows: int
) -> Report:
    def report(row: int, trades: int) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled
        if progress is not None:
            progress(row, rows, trades)

    return report


def _tell_end(settled: Settled, candles: History) -> tuple[State, str, int | None]:
    """How it ended, why, and at which candle."""
    failure, at_ms = settled.failure, int(candles.opened_at_ms[settled.rows - 1])
    if failure is None:
        return State.DONE, "", None
    if isinstance(failure, Cancelled):
        return State.CANCELLED, f"It was cancelled at the candle of {at_time(at_ms)}.", at_ms
    return State.ERROR, f"At the candle of {at_time(at_ms)}: {describe(failure)}", at_ms


def describe(failure: BaseException) -> str:
    """What a strategy raised, in a line."""
    if isinstance(failure, StrategyFailed):
        return failure.message
    return f"{type(failure).__name__}: {failure}"[:500]


def _find_warnings(start: Start, candles: History) -> Iterator[str]:
    if gaps := candles.gaps:
        yield (
            f"Candles that are missing: {gaps.missing}, in gaps: {gaps.holes}. The longest gap is of"
            f" {gaps.longest_missing}, after {at_time(gaps.longest_after_ms)}."
        )
    if start.unready and start.excuse is not None:
        yield (
            f"The strategy failed on the first {start.unready} candles, which have too little history:"
            f" {describe(start.excuse)}. It was asked from the one after on."
        )
