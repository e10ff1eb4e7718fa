"""What the charts of a result's page draw: times in UTC seconds, as the chart wants them."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.conf import settings

from apps.backtests.engine.candles import Floats
from apps.backtests.engine.results import BacktestResult
from apps.backtests.inputs import settings_of, to_history
from apps.backtests.models import BacktestRun
from apps.backtests.sandbox import Job, compute_indicators
from apps.backtests.storage import load, load_curve
from apps.domain.candles import Timeframe
from apps.markets.history.columns import PRICES, CandleColumns
from apps.markets.history.reading import load_history
from apps.strategies.children import SandboxUnavailable
from apps.strategies.contract.answers import StrategyFailed

CANDLES = 600
#: How long a chart waits for the strategy's own lines.
_SECONDS = 5.0


def read_curve(run: BacktestRun) -> dict[str, list[dict[str, float]]]:
    """Equity, what holding would have made, and the drawdown in percent."""
    curve = load_curve(run)
    times = (curve["at_ms"] // 1000).tolist()
    lines = {"equity": 1, "held": 1, "drawdown": 100}
    return {
        name: [
            {"time": time, "value": value}
            for time, value in zip(times, (factor * curve[name]).tolist(), strict=True)
        ]
        for name, factor in lines.items()
    }


def read_candles(run: BacktestRun, at: datetime | None) -> dict[str, Any]:
    """Candles around a moment, or the last ones, with the trades on them and what the strategy computes of
    them, of as many candles before as it is given live."""
    timeframe, result = Timeframe(run.timeframe), load(run)
    times = result.opened_at_ms
    middle = len(times) if at is None else int(np.searchsorted(times, at.timestamp() * 1000))
    first = max(0, min(middle - CANDLES // 2, len(times) - CANDLES))
    shown = times[first : first + CANDLES]
    start, last = (datetime.fromtimestamp(int(edge) / 1000, UTC) for edge in (shown[0], shown[-1]))
    known = load_history(
        symbol=run.symbol,
        timeframe=timeframe,
        start=start - run.version.lookback * timeframe.duration,
        end=last + timeframe.duration,
    )
    indicators = _compute(run, known)
    in_sight = slice(int(np.searchsorted(known.opened_at_ms, shown[0])), None)
    candles = known.where(in_sight)
    seconds = (candles.opened_at_ms // 1000).tolist()
    columns = [getattr(candles, name).tolist() for name in PRICES]
    return {
        "candles": [
            dict(zip(("time", *PRICES), row, strict=True))
            for row in zip(seconds, *columns, strict=True)
        ],
        "indicators": [
            _draw_line(name, values[in_sight], candles) for name, values in indicators.items()
        ],
        "markers": _list_markers(result, int(shown[0]), int(shown[-1])),
        "earlier": int(shown[0]) // 1000 if first else None,
        "later": int(shown[-1]) // 1000 if first + CANDLES < len(times) else None,
    }


def _compute(run: BacktestRun, known: CandleColumns) -> dict[str, Floats]:
    """Nothing where the sandbox does not answer: the candles are there all the same."""
    if not len(known):
        return {}
    job = Job(
        code=run.version.code,
        settings=settings_of(run),
        candles=to_history(known),
        trusted=run.owner.is_superuser,
        seconds=_SECONDS,
    )
    try:
        return compute_indicators(
            job, socket_path=settings.BACKTEST_SOCKET, accept_weak=settings.ACCEPT_WEAK_SANDBOX
        )
    except (SandboxUnavailable, StrategyFailed):
        return {}


def _draw_line(name: str, values: Floats, candles: CandleColumns) -> dict[str, Any]:
    """On the candles where it could be a price, else below them."""
    is_known = np.isfinite(values)
    known = values[is_known]
    is_price = len(known) and 0.5 < np.median(known) / np.median(candles.close) < 2
    times = (candles.opened_at_ms[is_known] // 1000).tolist()
    points = zip(times, known.tolist(), strict=True)
    return {
        "name": name,
        "pane": 0 if is_price else 1,
        "points": [{"time": time, "value": value} for time, value in points],
    }


def _list_markers(result: BacktestResult, first_ms: int, last_ms: int) -> list[dict[str, Any]]:
    return [
        {
            "time": order.time // 1000,
            "what": "denied" if order.denial else order.side,
            "text": "refused" if order.denial else f"{order.price:,.6g}",
        }
        for order in result.orders
        if first_ms <= order.time <= last_ms
    ]
