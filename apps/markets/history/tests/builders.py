"""Candles that tests make up."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np

from apps.domain.candles import Timeframe
from apps.exchanges.parsing import milliseconds
from apps.markets.history.columns import CandleColumns

START = datetime(2025, 1, 1, tzinfo=UTC)


def minute(number: int) -> datetime:
    """So many minutes after the start."""
    return START + timedelta(minutes=number)


def columns(numbers: Iterable[int], timeframe: Timeframe = Timeframe.M1) -> CandleColumns:
    """The candles of these numbers on the grid from the start; number 7 goes from 7 over 9 and 5 to 8."""
    chosen = np.array(list(numbers), np.int64)
    price = chosen.astype(np.float64)
    return CandleColumns(
        timeframe=timeframe,
        opened_at_ms=milliseconds(START) + chosen * timeframe.milliseconds,
        open=price,
        high=price + 2,
        low=price - 2,
        close=price + 1,
        volume=np.ones(len(chosen)),
    )
