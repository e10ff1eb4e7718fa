"""Candles of a dry run."""

from datetime import datetime, timedelta

import pytest

from apps.domain.candles import Timeframe
from apps.markets.models import Candle, Series
from apps.strategies.practice import ROWS, find_candles, make_wave


def fill(series: Series, until: datetime, rows: int) -> None:
    prices = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0}
    Candle.objects.bulk_create(
        Candle(series=series, opened_at=until - timedelta(minutes=row), received_at=until, **prices)
        for row in range(rows)
    )


def test_the_newest_stored_candles_are_taken(series: Series, now: datetime) -> None:
    fill(series, now, ROWS + 1)

    candles = find_candles(Timeframe.M1)

    times = memoryview(candles.columns)[: 8 * ROWS].cast("q")
    assert (candles.rows, times[-1]) == (ROWS, int(now.timestamp() * 1000))


def test_a_wave_stands_in_for_too_few(series: Series, now: datetime) -> None:
    fill(series, now, ROWS - 1)

    assert find_candles(Timeframe.M1) == make_wave(Timeframe.M1)


@pytest.mark.django_db
def test_a_wave_stands_in_for_none() -> None:
    assert find_candles(Timeframe.H4) == make_wave(Timeframe.H4)
