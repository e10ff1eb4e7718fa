"""What the charts of a result's page draw: times in UTC seconds, as the chart wants them."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from apps.backtests.engine.results import BacktestResult
from apps.backtests.models import BacktestRun
from apps.backtests.storage import load, load_curve
from apps.domain.candles import Timeframe
from apps.markets.history.columns import PRICES
from apps.markets.history.reading import load_history

CANDLES = 600


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
    """Candles around a moment, or the last ones, with the trades on them."""
    timeframe, result = Timeframe(run.timeframe), load(run)
    times = result.opened_at_ms
    middle = len(times) if at is None else int(np.searchsorted(times, at.timestamp() * 1000))
    first = max(0, min(middle - CANDLES // 2, len(times) - CANDLES))
    shown = times[first : first + CANDLES]
    start, last = (datetime.fromtimestamp(int(edge) / 1000, UTC) for edge in (shown[0], shown[-1]))
    candles = load_history(
        symbol=run.symbol, timeframe=timeframe, start=start, end=last + timeframe.duration
    )
    seconds = (candles.opened_at_ms // 1000).tolist()
    columns = [getattr(candles, name).tolist() for name in PRICES]
    return {
        "candles": [
            dict(zip(("time", *PRICES), row, strict=True))
            for row in zip(seconds, *columns, strict=True)
        ],
        "indicators": [],
        "markers": _list_markers(result, int(shown[0]), int(shown[-1])),
        "earlier": int(shown[0]) // 1000 if first else None,
        "later": int(shown[-1]) // 1000 if first + CANDLES < len(times) else None,
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
