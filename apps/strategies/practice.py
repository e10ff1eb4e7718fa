"""Candles for a strategy's dry run."""

import math
from dataclasses import asdict

from apps.domain.candles import Timeframe
from apps.markets.selectors import find_freshest_candle, get_window
from apps.strategies.sandbox import Candles

ROWS = 300
SYMBOL = "BTC/USDT"
#: The first of 2026, UTC.
_START_MS = 1_767_225_600_000


def find_candles(timeframe: Timeframe) -> Candles:
    """The newest stored candles of BTC/USDT; a made-up wave while fewer are stored than a dry run takes."""
    if newest := find_freshest_candle(symbol=SYMBOL, timeframe=timeframe):
        window = get_window(series_id=newest.series_id, until=newest.opened_at, limit=ROWS)
        if len(window.close) == ROWS:
            return Candles.from_columns(**asdict(window))
    return make_wave(timeframe)


def make_wave(timeframe: Timeframe, rows: int = ROWS) -> Candles:
    """Candles that rise and fall as slow and fast waves do, the same ones every time."""
    step_ms = int(timeframe.duration.total_seconds()) * 1000
    close = [
        100 + 8 * math.sin(row / 23) + 2 * math.sin(row / 5) + math.sin(row * row)
        for row in range(rows)
    ]
    opened = [100.0, *close][:rows]
    return Candles.from_columns(
        opened_at_ms=[_START_MS + step_ms * row for row in range(rows)],
        open=opened,
        high=[max(pair) + 0.5 for pair in zip(opened, close, strict=True)],
        low=[min(pair) - 0.5 for pair in zip(opened, close, strict=True)],
        close=close,
        volume=[10 + 5 * math.sin(row / 3) for row in range(rows)],
    )
