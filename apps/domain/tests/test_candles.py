from datetime import UTC, datetime, timedelta

import pytest

from apps.domain.candles import Timeframe

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timeframe", "minutes"), [(Timeframe.M1, 1), (Timeframe.M15, 15), (Timeframe.H4, 240)]
)
def test_duration(timeframe: Timeframe, minutes: int) -> None:
    assert timeframe.duration == timedelta(minutes=minutes)


def test_floor_is_the_open_time_of_the_candle() -> None:
    assert Timeframe.H4.floor(NOON + timedelta(hours=3, minutes=59)) == NOON


@pytest.mark.parametrize(
    ("short", "long", "divides"),
    [
        (Timeframe.M5, Timeframe.M10, True),
        (Timeframe.M3, Timeframe.M10, False),
        (Timeframe.H1, Timeframe.H1, True),
        (Timeframe.H4, Timeframe.D1, True),
        (Timeframe.H4, Timeframe.H1, False),
    ],
)
def test_longer_candles_are_built_from_those_that_divide_them(
    short: Timeframe, long: Timeframe, divides: bool
) -> None:
    assert short.divides(long) is divides
